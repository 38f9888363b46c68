//! `desc`, what pacman keeps of an installed package: blocks of a name between percent signs and
//! values, one on a line, up to a blank line.

use std::collections::HashMap;

/// A field's values, borrowed from the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desc<'a>(HashMap<&'a str, Vec<&'a str>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DescError {
    #[error("line {0}: not the name of a field")]
    Line(usize),
    #[error("the file ends within a line")]
    Cut,
    #[error("it has no {0}, or one of several words")]
    Missing(&'static str),
}

impl<'a> Desc<'a> {
    pub fn parse(text: &'a str) -> Result<Self, DescError> {
        if !text.ends_with('\n') {
            return Err(DescError::Cut);
        }
        let mut fields: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut open = None;
        for (index, line) in text.lines().enumerate() {
            match (open, line) {
                (_, "") => open = None,
                (Some(name), value) => fields.entry(name).or_default().push(value),
                (None, line) => {
                    let name = line.strip_prefix('%').and_then(|line| line.strip_suffix('%'));
                    open = Some(name.ok_or(DescError::Line(index + 1))?);
                }
            }
        }
        Ok(Self(fields))
    }

    /// A field with one value of one word.
    pub fn word(&self, name: &'static str) -> Option<&'a str> {
        match self.0.get(name).map(Vec::as_slice) {
            Some([value]) if value.bytes().all(|byte| byte.is_ascii_graphic()) => Some(value),
            _ => None,
        }
    }

    pub fn needed(&self, name: &'static str) -> Result<&'a str, DescError> {
        self.word(name).ok_or(DescError::Missing(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "%NAME%\nlinux\n\n%VERSION%\n6.11.5.arch1-1\n\n%BASE%\nlinux\n\n\
                        %LICENSE%\nGPL2\nGPL3\n\n";

    #[test]
    fn a_field_has_its_values() {
        let desc = Desc::parse(TEXT).expect("desc");
        assert_eq!(desc.needed("VERSION"), Ok("6.11.5.arch1-1"));
        assert_eq!(desc.needed("LICENSE"), Err(DescError::Missing("LICENSE")));
        assert_eq!((desc.word("ARCH"), desc.word("LICENSE")), (None, None));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        assert_eq!(Desc::parse(""), Err(DescError::Cut));
        assert_eq!(Desc::parse("%NAME%\nlin"), Err(DescError::Cut));
        assert_eq!(Desc::parse("NAME\nlinux\n"), Err(DescError::Line(1)));
        let desc = Desc::parse("%NAME%\nlin\u{7}ux\n").expect("desc");
        assert_eq!(desc.needed("NAME"), Err(DescError::Missing("NAME")));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_text_makes_it_panic(text in "(%?[A-Zé]{0,3}%?\n{0,2}){0,12}") {
            let _ = Desc::parse(&text).map(|desc| desc.word("NAME").is_some());
        }
    }
}
