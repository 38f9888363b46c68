//! Configurations of servers, as far as it takes to find the certificates and keys they name. Each
//! is a list of statements of words; what a word means is the table's business.

/// How a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Words and blocks, ended by `;`, `{` or `}`: nginx.
    Blocks,
    /// Words of a line, in which a quote counts at the beginning of a word and a `#` at that of the
    /// line; a backslash at the end goes on in the next line: Apache.
    Directives,
    /// Words of a line, with quotes and `#` anywhere, and nothing that goes on: HAProxy.
    Lines,
    /// `name = value` of a line: PostgreSQL, stunnel, Dovecot. `=` may be missing.
    Values,
    /// The same, and a line that begins with a blank goes on with the one before: Postfix.
    Folded,
}

/// Longer than any server takes a word: such a file is damaged.
const MAX_WORD: usize = 16 << 10;

/// The statements of a text. `None` for a quote that is left open, for a word that is too long, and
/// for a value that ends with a backslash, behind which only some servers go on.
pub fn statements(text: &str, form: Form) -> Option<Vec<Vec<String>>> {
    let statements = read(text, form)?;
    let is_damaged = statements.iter().flatten().any(|word| word.len() > MAX_WORD);
    (!is_damaged).then_some(statements)
}

fn read(text: &str, form: Form) -> Option<Vec<Vec<String>>> {
    match form {
        Form::Blocks | Form::Lines => words(text, form),
        Form::Directives => words(&text.replace("\\\r\n", " ").replace("\\\n", " "), form),
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
    if value.ends_with('\\') {
        return None;
    }
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
            '#' if word.is_none() && (form != Form::Directives || statement.is_empty()) => {
                let has_line = letters.by_ref().any(|letter| letter == '\n');
                if (form != Form::Blocks || !has_line) && !statement.is_empty() {
                    all.push(std::mem::take(&mut statement));
                }
            }
            // In the middle of a word only HAProxy takes it for more than a letter.
            '"' | '\'' if form == Form::Lines || word.is_none() => {
                let inner = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        end if end == letter => break,
                        // The end of a line ends Apache's quotes; HAProxy does not start.
                        '\n' if form == Form::Lines => return None,
                        '\n' if form == Form::Directives => {
                            statement.extend(word.take());
                            all.push(std::mem::take(&mut statement));
                            break;
                        }
                        '\\' => escaped(letters.next()?, form, inner),
                        other => inner.push(other),
                    }
                }
            }
            // No line of HAProxy goes on: there it is a word.
            '\\' if form == Form::Lines && letters.as_str().starts_with(['\r', '\n']) => {
                word.get_or_insert_default().push(letter);
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
        let expect = ["<VirtualHost|*:443>", "SSLCertificateFile|/a b|#|no"];
        assert_eq!(of(text, Form::Directives), expect);
        let text = "ServerAdmin o'neil@example.org\nErrorDocument 404 \"none\nUse # \\\n x";
        let expect = ["ServerAdmin|o'neil@example.org", "ErrorDocument|404|none", "Use|#|x"];
        assert_eq!(of(text, Form::Directives), expect);
    }

    #[test]
    fn no_line_of_haproxy_goes_on_and_its_quotes_end_with_it() {
        let text = "# a \\\n bind :443 ssl crt '/a b'\\ c # no\n bind :80 \\\n crt /c\n";
        let expect = ["bind|:443|ssl|crt|/a b c", "bind|:80|\\", "crt|/c"];
        assert_eq!(of(text, Form::Lines), expect);
        assert_eq!(statements("a 'b\nc' d\n", Form::Lines), None);
    }

    #[test]
    fn values_lose_quotes_and_comments() {
        let text =
            "ssl_cert_file = '/a#b' # x\nssl_key_file /k\t# y\n;cert = no\n[imap]\ncert=/c\n";
        let expect = ["ssl_cert_file|/a#b", "ssl_key_file|/k", "[imap]", "cert|/c"];
        assert_eq!(of(text, Form::Values), expect);
        assert_eq!(statements("a = 'b", Form::Values), None);
        assert_eq!(statements("ssl_cert = \\\n </b", Form::Values), None);
        let folded = "smtpd_tls_chain_files =\n  /a,\n  # no\n  /b\nx = y\n";
        assert_eq!(of(folded, Form::Folded), ["smtpd_tls_chain_files|/a, /b", "x|y"]);
    }

    proptest! {
        #[test]
        fn every_text_has_an_answer(text in "(?s)[ -~\n\t]{0,200}") {
            let all =
                [Form::Blocks, Form::Directives, Form::Lines, Form::Values, Form::Folded];
            for form in all {
                let _ = statements(&text, form);
            }
        }
    }
}
