//! os-release(5): assignments in shell style, without expansion.

use std::collections::BTreeMap;

/// Line number (from 1) of an assignment whose quotes do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {0}: a quote is open or text follows it")]
pub struct BadQuote(pub usize);

/// Every assignment; the last one of a name wins. Lines that assign nothing are passed over, as
/// systemd does.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, BadQuote> {
    let mut values = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let Some((name, value)) = line.split_once('=') else { continue };
        if !line.starts_with('#') {
            let value = unquoted(value).ok_or(BadQuote(index + 1))?;
            values.insert(name.to_owned(), value);
        }
    }
    Ok(values)
}

fn unquoted(value: &str) -> Option<String> {
    if let Some(rest) = value.strip_prefix('\'') {
        return rest.strip_suffix('\'').filter(|text| !text.contains('\'')).map(str::to_owned);
    }
    let quoted = value.starts_with('"');
    let mut characters = value.chars().skip(usize::from(quoted));
    let mut text = String::new();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted => return characters.next().is_none().then_some(text),
            '"' | '\'' if !quoted => return None,
            '\\' => match characters.next()? {
                escaped @ ('$' | '"' | '\\' | '`') => text.push(escaped),
                // In quotes the shell keeps a backslash that escapes nothing.
                other if quoted => text.extend(['\\', other]),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    (!quoted).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn values_are_what_a_shell_reads() {
        let text = "# c\nPLAIN=debian\nDOUBLE=\"a \\\"b\\\" \\$c \\`d\\` \\\\ \\n 'e'\"\n\
                    SINGLE='f \\ \"g\"'\nESCAPED=h\\ i\nEMPTY=\nTWICE=1\nTWICE=2\n";
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("os-release");
        std::fs::write(&path, text).expect("file");
        for (name, value) in parse(text).expect("values") {
            let script = format!(". '{}' && printf %s \"${name}\"", path.display());
            let shell = Command::new("sh").args(["-c", &script]).output().expect("sh");
            assert_eq!(value.as_bytes(), shell.stdout, "{name}");
        }
        assert_eq!(parse(text).expect("values").len(), 6);
    }

    #[test]
    fn quotes_that_do_not_fit_are_refused_with_their_line() {
        for value in ["\"open", "'open", "\"a\"b", "'a'b'", "a\"b", "tail\\"] {
            assert_eq!(parse(&format!("A=1\nID={value}\n")), Err(BadQuote(2)), "{value}");
        }
        assert_eq!(parse("no assignment\n\n").map(|values| values.len()), Ok(0));
    }
}
