//! Configurations of servers, as far as it takes to find the certificates and keys they name. Each
//! is a list of statements of words; what a word means is the table's business.

/// How a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Words and blocks, ended by `;`, `{` or `}`: nginx.
    Blocks,
    /// Words of a line: Apache, HAProxy.
    Lines,
    /// `name = value` of a line: PostgreSQL, stunnel, Dovecot. `=` may be missing.
    Values,
    /// The same, and a line that begins with a blank goes on with the one before: Postfix.
    Folded,
}

/// Longer than any server takes a word: such a file is damaged.
const MAX_WORD: usize = 16 << 10;

/// The statements of a text. `None` for a quote that is left open, and for a word that is too long.
pub fn statements(text: &str, form: Form) -> Option<Vec<Vec<String>>> {
    let statements = read(text, form)?;
    let is_damaged = statements.iter().flatten().any(|word| word.len() > MAX_WORD);
    (!is_damaged).then_some(statements)
}

fn read(text: &str, form: Form) -> Option<Vec<Vec<String>>> {
    match form {
        Form::Blocks => words(text, form),
        Form::Lines => words(&text.replace("\\\r\n", " ").replace("\\\n", " "), form),
        Form::Values => {
            let lines = text.lines().map(str::trim).filter(|line| !is_comment(line));
            lines.map(value).collect()
        }
        Form::Folded => {
            let mut lines: Vec<String> = Vec::new();
            for line in text.lines().filter(|line| !is_comment(line.trim())) {
                match lines.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
                    Some(last) => {
                        last.push(' ');
                        last.push_str(line.trim());
                    }
                    None => lines.push(line.trim().to_owned()),
                }
            }
            Some(lines.iter().map(|line| split(line)).collect())
        }
    }
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with('#') || line.starts_with(';')
}

/// `name = value`, the value without quotes and without the comment behind it.
fn value(line: &str) -> Option<Vec<String>> {
    let statement = split(line);
    let [name, value] = statement.as_slice() else { return Some(statement) };
    for quote in ['\'', '"'] {
        if let Some(rest) = value.strip_prefix(quote) {
            let (inner, _) = rest.split_once(quote)?;
            return Some(vec![name.clone(), inner.to_owned()]);
        }
    }
    let plain = value.split(" #").next().and_then(|value| value.split("\t#").next());
    Some(vec![name.clone(), plain.unwrap_or_default().trim().to_owned()])
}

fn split(line: &str) -> Vec<String> {
    let end = line.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim();
    if rest.is_empty() {
        return vec![name.to_owned()];
    }
    vec![name.to_owned(), rest.to_owned()]
}

fn words(text: &str, form: Form) -> Option<Vec<Vec<String>>> {
    let mut all = Vec::new();
    let mut statement = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let ends = match form {
            Form::Blocks => matches!(letter, ';' | '{' | '}'),
            _ => letter == '\n',
        };
        // nginx takes a brace behind `$` as part of the word.
        let in_variable = letter == '{' && word.as_ref().is_some_and(|word| word.ends_with('$'));
        if ends && !in_variable {
            statement.extend(word.take());
            if !statement.is_empty() {
                all.push(std::mem::take(&mut statement));
            }
            continue;
        }
        match letter {
            _ if letter.is_whitespace() => statement.extend(word.take()),
            '#' if word.is_none() => {
                let has_line = letters.by_ref().any(|letter| letter == '\n');
                if (form != Form::Blocks || !has_line) && !statement.is_empty() {
                    all.push(std::mem::take(&mut statement));
                }
            }
            // In the middle of a word nginx takes it as a letter.
            '"' | '\'' if form != Form::Blocks || word.is_none() => {
                let inner = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        end if end == letter => break,
                        '\\' => escaped(letters.next()?, form, inner),
                        other => inner.push(other),
                    }
                }
            }
            '\\' => {
                let inner = word.get_or_insert_default();
                escaped(letters.next().unwrap_or('\\'), form, inner);
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    statement.extend(word.take());
    if !statement.is_empty() {
        all.push(statement);
    }
    Some(all)
}

/// What stands behind a backslash. nginx keeps the backslash before most letters.
fn escaped(letter: char, form: Form, word: &mut String) {
    match (form, letter) {
        (Form::Blocks, '"' | '\'' | '\\') => word.push(letter),
        (Form::Blocks, 't') => word.push('\t'),
        (Form::Blocks, 'r') => word.push('\r'),
        (Form::Blocks, 'n') => word.push('\n'),
        (Form::Blocks, other) => word.extend(['\\', other]),
        (_, other) => word.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str, form: Form) -> Vec<String> {
        let statements = statements(text, form).expect("statements");
        statements.iter().map(|words| words.join("|")).collect()
    }

    #[test]
    fn blocks_end_at_braces_and_semicolons() {
        let text =
            "http { # ; {\n server {\nssl_certificate \"/a b\";ssl_certificate_key\n /k#1 ; }\n}";
        let expect = ["http", "server", "ssl_certificate|/a b", "ssl_certificate_key|/k#1"];
        assert_eq!(of(text, Form::Blocks), expect);
        assert_eq!(
            of("root /x/${name};", Form::Blocks),
            ["root|/x/${name"],
            "a variable all the same"
        );
        assert_eq!(statements("a \"b;", Form::Blocks), None);
        assert_eq!(statements(&format!("{};", "x".repeat(MAX_WORD + 1)), Form::Blocks), None);
    }

    #[test]
    fn lines_go_on_behind_a_backslash() {
        let text = "<VirtualHost *:443>\n SSLCertificateFile \\\n  \"/a b\" # no\n# SSLCertificateFile /c\n";
        assert_eq!(of(text, Form::Lines), ["<VirtualHost|*:443>", "SSLCertificateFile|/a b"]);
    }

    #[test]
    fn values_lose_quotes_and_comments() {
        let text =
            "ssl_cert_file = '/a#b' # x\nssl_key_file /k\t# y\n;cert = no\n[imap]\ncert=/c\n";
        let expect = ["ssl_cert_file|/a#b", "ssl_key_file|/k", "[imap]", "cert|/c"];
        assert_eq!(of(text, Form::Values), expect);
        assert_eq!(statements("a = 'b", Form::Values), None);
        let folded = "smtpd_tls_chain_files =\n  /a,\n  # no\n  /b\nx = y\n";
        assert_eq!(of(folded, Form::Folded), ["smtpd_tls_chain_files|/a, /b", "x|y"]);
    }

    proptest! {
        #[test]
        fn every_text_has_an_answer(text in "(?s)[ -~\n\t]{0,200}") {
            for form in [Form::Blocks, Form::Lines, Form::Values, Form::Folded] {
                let _ = statements(&text, form);
            }
        }
    }
}
