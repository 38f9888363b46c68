//! `installed`, the package database of apk (apk-package(5) names its fields): a block for each
//! package, one letter, a colon and a value on a line, and a blank line after each block.

/// One package, borrowed from the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub arch: &'a str,
    /// Name of the package that was built (`o:`).
    pub origin: Option<&'a str>,
    /// What else it stands for (`p:`), without versions.
    pub provides: Vec<&'a str>,
    /// Its files or scripts failed (`f:`).
    pub broken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApkError {
    #[error("line {0}: not a letter, a colon and a value")]
    Line(usize),
    #[error("line {0}: the package has no name, version or architecture")]
    Missing(usize),
    #[error("line {0}: the package stands here a second time")]
    Twice(usize),
    #[error("no blank line ends the last package; the file was cut")]
    Open,
    #[error("there is no package in it")]
    Empty,
}

/// All packages of the database. An error where even one of them cannot be told.
pub fn entries(text: &str) -> Result<Vec<Entry<'_>>, ApkError> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut names = std::collections::HashSet::new();
    let mut open: Option<Entry<'_>> = None;
    for (index, line) in text.split_terminator('\n').enumerate() {
        let number = index + 1;
        if !line.is_empty() {
            field(open.get_or_insert_default(), line).ok_or(ApkError::Line(number))?;
            continue;
        }
        let Some(entry) = open.take() else { continue };
        if entry.name.is_empty() || entry.version.is_empty() || entry.arch.is_empty() {
            return Err(ApkError::Missing(number));
        }
        if !names.insert(entry.name) {
            return Err(ApkError::Twice(number));
        }
        entries.push(entry);
    }
    match (open, entries.is_empty()) {
        (Some(_), _) => Err(ApkError::Open),
        (None, true) => Err(ApkError::Empty),
        (None, false) if !text.ends_with("\n\n") => Err(ApkError::Open),
        (None, false) => Ok(entries),
    }
}

fn field<'a>(entry: &mut Entry<'a>, line: &'a str) -> Option<()> {
    let (letter, value) = line.split_once(':').filter(|(letter, _)| letter.len() == 1)?;
    // Of names of files and of people nothing is asked.
    let word = is_word(value).then_some(value);
    match letter {
        "P" => entry.name = word?,
        "V" => entry.version = word?,
        "A" => entry.arch = word?,
        "o" => entry.origin = Some(word?),
        "p" => entry.provides = value.split_ascii_whitespace().map(bare).collect(),
        "f" => entry.broken = !value.is_empty(),
        _ if !letter.bytes().all(|byte| byte.is_ascii_alphabetic()) => return None,
        _ => {}
    }
    Some(())
}

fn is_word(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A dependency without its version: `so:libssl.so.3=3`, `python3~3.12`, `name@tag`.
pub fn bare(dependency: &str) -> &str {
    dependency.split(['=', '<', '>', '~', '@']).next().unwrap_or(dependency)
}

/// The version that a line of /etc/apk/world pins its package to, if it does: then apk(8) leaves it
/// at that.
pub fn is_pinned(dependency: &str) -> bool {
    dependency.contains(['=', '<', '~']) && !dependency.starts_with('!')
}

/// `9.7_p1-r4` → `9.7p1`: what the makers of the software call it. Other endings of apk are such as
/// no program that is asked for has.
pub fn upstream(version: &str) -> String {
    let version = version.rsplit_once("-r").map_or(version, |(version, _)| version);
    version.replace("_p", "p")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:1\nT:the C library\no:musl\n\
                        p:so:libc.musl-x86_64.so.1=1\nF:lib\nR:ld-musl-x86_64.so.1\n\n\
                        C:Q1y=\nP:openssh-server\nV:9.7_p1-r4\nA:x86_64\no:openssh\nf:f\n\n";

    #[test]
    fn an_entry_says_what_its_block_says() {
        let read = entries(TEXT).expect("entries");
        assert_eq!((read.len(), read[0].name, read[0].version), (2, "musl", "1.2.5-r0"));
        assert_eq!(read[0].provides, ["so:libc.musl-x86_64.so.1"]);
        assert_eq!((read[1].origin, read[1].broken), (Some("openssh"), true));
        assert_eq!(upstream(read[1].version), "9.7p1");
        assert_eq!(
            (bare("a@edge"), bare("b>=1"), is_pinned("b~1"), is_pinned("c")),
            ("a", "b", true, false)
        );
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let with = |from: &str, to: &str| entries(&TEXT.replacen(from, to, 1)).map(|e| e.len());
        assert_eq!(with("A:x86_64\n", ""), Err(ApkError::Missing(10)));
        assert_eq!(with("P:musl", "P:"), Err(ApkError::Line(2)));
        assert_eq!(with("P:musl", "P:mu\u{7}sl"), Err(ApkError::Line(2)));
        assert_eq!(with("P:musl", "Pmusl"), Err(ApkError::Line(2)));
        assert_eq!(with("P:openssh-server", "P:musl"), Err(ApkError::Twice(18)));
        assert_eq!(entries(""), Err(ApkError::Empty));
        let border = TEXT.find("\n\n").expect("border") + 2;
        for end in 1..TEXT.len() {
            assert_eq!(entries(&TEXT[..end]).is_ok(), end == border, "cut at {end}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_text_makes_it_panic(text in "([PVAopfFR]?:?[a-z0-9=é]{0,4}\n{0,2}){0,12}") {
            let _ = entries(&text);
        }
    }
}
