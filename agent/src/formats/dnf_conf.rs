//! Configuration of dnf and zypper, and of their repositories: sections of `key = value`, of which a
//! value goes on in lines that begin with a blank (dnf.conf(5)).

/// A section and its settings, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub name: String,
    settings: Vec<(String, String)>,
}

impl Section {
    /// The last one holds.
    pub fn value(&self, key: &str) -> Option<&str> {
        let own = self.settings.iter().rev().find(|(name, _)| name == key);
        own.map(|(_, value)| value.as_str())
    }

    /// `Some(None)` for what is neither yes nor no.
    pub fn switch(&self, key: &str) -> Option<Option<bool>> {
        self.value(key).map(|value| match value.to_ascii_lowercase().as_str() {
            "1" | "yes" | "true" | "on" | "enabled" => Some(true),
            "0" | "no" | "false" | "off" | "disabled" => Some(false),
            _ => None,
        })
    }

    /// Words that blanks or commas part.
    pub fn words(&self, key: &str) -> Vec<String> {
        let value = self.value(key).unwrap_or_default();
        let words = value.split(|c: char| c == ',' || c.is_whitespace());
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }
}

/// The sections, or the line (from 1) that is none of it.
pub fn sections(text: &str) -> Result<Vec<Section>, usize> {
    let mut sections: Vec<Section> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let (number, trimmed) = (index + 1, line.trim());
        if trimmed.is_empty() || line.starts_with(['#', ';']) {
            goes_on &= !trimmed.is_empty();
            continue;
        }
        if line.starts_with([' ', '\t']) && goes_on {
            let last = sections.last_mut().and_then(|section| section.settings.last_mut());
            let (_, value) = last.ok_or(number)?;
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            let name = rest.strip_suffix(']').filter(|name| !name.is_empty()).ok_or(number)?;
            sections.push(Section { name: name.to_owned(), settings: Vec::new() });
            goes_on = false;
            continue;
        }
        let (key, value) = trimmed.split_once('=').ok_or(number)?;
        let section = sections.last_mut().ok_or(number)?;
        section.settings.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        goes_on = true;
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_goes_on_in_lines_that_begin_with_a_blank() {
        let text =
            "# x\n[main]\nexclude = a b,c\n  d\nGPGCheck=1\n\n[x]\nenabled=No\nenabled = 1\n";
        let found = sections(text).expect("whole");
        assert_eq!(found[0].words("exclude"), ["a", "b", "c", "d"]);
        assert_eq!(found[0].switch("gpgcheck"), Some(Some(true)));
        assert_eq!((found[1].name.as_str(), found[1].switch("enabled")), ("x", Some(Some(true))));
        assert_eq!(found[1].switch("gpgcheck"), None);
    }

    #[test]
    fn a_line_of_no_section_and_one_that_sets_nothing_are_told() {
        assert_eq!(sections("a=b\n"), Err(1));
        assert_eq!(sections("[x]\nenabled\n"), Err(2));
        assert_eq!(sections("[x\n"), Err(1));
        assert_eq!(sections("[x]\n"), Ok(vec![Section { name: "x".into(), settings: vec![] }]));
    }
}
