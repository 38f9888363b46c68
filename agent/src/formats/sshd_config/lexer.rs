//! Lines into keyword and arguments, in the two manners that releases of sshd know.

use super::{Malformed, Release};

const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];

/// A directive before its keyword is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// In lower case: keywords are not case-sensitive.
    pub keyword: String,
    /// Everything after the keyword.
    pub rest: &'a str,
}

/// Splits off the keyword. `None` for blank lines, comments, and a keyword whose quote never ends
/// (which sshd passes over in silence).
pub fn line(text: &str, release: Release) -> Result<Option<Line<'_>>, Malformed> {
    // Then a `#` began a comment wherever it stood, even in quotes.
    let text = match text.split_once('#') {
        Some((before, _)) if release.splits_in_the_old_way() => before,
        _ => text,
    };
    let text = text.trim_start_matches([' ', '\t', '\r']);
    let text = text.trim_end_matches([' ', '\t', '\r', '\n', '\x0c']);
    let (mut keyword, mut rest) = delimited(text);
    if keyword.as_deref() == Some("") {
        (keyword, rest) = rest.map_or((None, None), delimited);
    }
    let Some(keyword) = keyword.filter(|word| !word.is_empty() && !word.starts_with('#')) else {
        return Ok(None);
    };
    match rest {
        Some(rest) if !rest.is_empty() => {
            Ok(Some(Line { keyword: keyword.to_ascii_lowercase(), rest }))
        }
        _ => Err(Malformed::NoArgument),
    }
}

/// The arguments of a directive.
pub fn arguments(rest: &str, release: Release) -> Result<Vec<String>, Malformed> {
    if release.splits_in_the_old_way() { Ok(all_delimited(rest)) } else { quoted(rest) }
}

/// Tokens by [`delimited`], up to the first empty one.
pub(super) fn all_delimited(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (token, after) = delimited(text);
        match token {
            Some(token) if !token.is_empty() => tokens.push(token),
            _ => break,
        }
        rest = after;
    }
    tokens
}

/// One token that ends at white space or at one `=`; double quotes group. No token when a quote
/// does not end.
fn delimited(text: &str) -> (Option<String>, Option<&str>) {
    let stop = |c: char| WHITE.contains(&c) || c == '"' || c == '=';
    let Some(end) = text.find(stop) else { return (Some(text.to_owned()), None) };
    let (token, tail) = (&text[..end], &text[end..]);
    if let Some(quoted) = tail.strip_prefix('"') {
        return match quoted.split_once('"') {
            Some((inner, rest)) => {
                (Some(format!("{token}{inner}")), Some(rest.trim_start_matches(WHITE)))
            }
            None => (None, None),
        };
    }
    let rest = tail[1..].trim_start_matches(WHITE);
    match rest.strip_prefix('=') {
        Some(after) if !tail.starts_with('=') => {
            (Some(token.to_owned()), Some(after.trim_start_matches(WHITE)))
        }
        _ => (Some(token.to_owned()), Some(rest)),
    }
}

/// Arguments in the manner of a shell: single and double quotes, backslash before a quote, a
/// backslash or (outside quotes) a space, and a comment that begins a word.
fn quoted(text: &str) -> Result<Vec<String>, Malformed> {
    let mut arguments = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(arguments),
            Some(_) => arguments.push(word(&mut chars)?),
        }
    }
}

fn word(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, Malformed> {
    let mut word = String::new();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => {
                let escaped =
                    |c: &char| matches!(c, '\'' | '"' | '\\') || (quote.is_none() && *c == ' ');
                word.push(chars.next_if(escaped).unwrap_or('\\'));
            }
            (' ' | '\t', None) => return Ok(word),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, _) => word.push(c),
        }
    }
    if quote.is_some() { Err(Malformed::Quotes) } else { Ok(word) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Release = Release::new(8, 4);
    const NEW: Release = Release::new(9, 2);

    fn parsed(text: &str, release: Release) -> Option<(String, Vec<String>)> {
        let line = line(text, release).expect("line")?;
        let arguments = arguments(line.rest, release).expect("arguments");
        Some((line.keyword, arguments))
    }

    #[test]
    fn keyword_and_value_are_separated_by_white_space_or_one_equals_sign() {
        for text in ["Port 22", "port=22", "PORT = 22", "\tPort\t=22 \r\n", "\"Port\" 22"] {
            let want = Some(("port".to_owned(), vec!["22".to_owned()]));
            assert_eq!(parsed(text, NEW), want, "{text:?}");
            assert_eq!(parsed(text, OLD), want, "{text:?}");
        }
        assert_eq!(parsed("Port == 22", NEW).expect("line").1, ["=", "22"]);
    }

    #[test]
    fn comments_and_blank_lines_say_nothing() {
        for text in ["", "   ", "# Port 22", "  #Port 22", "\"Port 22"] {
            assert_eq!(parsed(text, NEW), None, "{text:?}");
        }
        assert_eq!(line("Port", NEW), Err(Malformed::NoArgument));
    }

    #[test]
    fn quotes_group_and_a_comment_ends_the_arguments() {
        let arguments = |text, release| parsed(text, release).expect("line").1;
        assert_eq!(arguments("Banner \"/etc/a b\" # c", NEW), ["/etc/a b"]);
        assert_eq!(arguments("Banner \"/etc/a b\" # c", OLD), ["/etc/a b"]);
        assert_eq!(arguments("AllowUsers a#b c", OLD), ["a"]);
        assert_eq!(arguments("AllowUsers a\\ b 'c d' e#f", NEW), ["a b", "c d", "e#f"]);
        let quoted = line("Banner 'open", NEW).expect("line").expect("directive");
        assert_eq!(super::arguments(quoted.rest, NEW), Err(Malformed::Quotes));
    }
}
