//! Text of the shell, as far as it takes to say what becomes of one variable when somebody logs in:
//! words and operators here, what is run of them in [`profile`]. Nothing is expanded. What is not
//! understood (a here-document, a quote that is left open) is an error, and never half a command.

pub mod profile;

/// A word with its quotes, or what stands between commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    Word(String),
    /// The end of a line, or `;`.
    End,
    And,
    Or,
    Pipe,
    Background,
    Open,
    Close,
    /// `;;`
    CaseEnd,
    /// The word behind it is no word of the command.
    Redirect,
}

/// Not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unclear;

/// The tokens of a text.
pub fn tokens(text: &str) -> Result<Vec<Token>, Unclear> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    while lexer.at < text.len() {
        lexer.step()?;
    }
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token>,
}

/// A line that goes on with the next one; at the end of a comment it is none.
const CONTINUED: &str = "\\\n";

/// Operators, the longest first, and how long they are.
const OPERATORS: [(&str, Token); 12] = [
    ("&&", Token::And),
    ("||", Token::Or),
    (";;&", Token::CaseEnd),
    (";;", Token::CaseEnd),
    (";&", Token::CaseEnd),
    ("&>", Token::Redirect),
    ("|&", Token::Pipe),
    ("|", Token::Pipe),
    (";", Token::End),
    ("\n", Token::End),
    ("&", Token::Background),
    (")", Token::Close),
];

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self) -> Result<(), Unclear> {
        let rest = self.rest();
        if rest.starts_with([' ', '\t']) {
            self.at += 1;
        } else if rest.starts_with(CONTINUED) {
            self.at += CONTINUED.len();
        } else if rest.starts_with('#') {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with(['<', '>']) {
            self.redirect()?;
        } else if rest.starts_with('(') {
            self.at += 1;
            self.tokens.push(Token::Open);
        } else if let Some((sign, token)) = OPERATORS.iter().find(|(s, _)| rest.starts_with(s)) {
            self.at += sign.len();
            self.tokens.push(token.clone());
        } else {
            self.word()?;
        }
        Ok(())
    }

    /// `>`, `>>`, `<&` …; a number before it is the descriptor and no word.
    fn redirect(&mut self) -> Result<(), Unclear> {
        let rest = self.rest();
        let sign = rest.len() - rest.trim_start_matches(['<', '>']).len();
        // A here-document is text and no command; `<(` runs one.
        if (rest.starts_with("<<") && sign != 3) || rest[sign..].starts_with('(') {
            return Err(Unclear);
        }
        let sign = sign + usize::from(rest[sign..].starts_with(['&', '|']));
        self.at += sign;
        self.tokens.push(Token::Redirect);
        Ok(())
    }

    fn word(&mut self) -> Result<(), Unclear> {
        let mut word = String::new();
        while let Some(next) = self.rest().chars().next() {
            let rest = self.rest();
            let length = match next {
                // The members of an array.
                '(' if word.ends_with('=') => enclosed(rest, "(", ")")?,
                '<' | '>' if word.bytes().all(|byte| byte.is_ascii_digit()) => return Ok(()),
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                _ => part(rest)?,
            };
            if !rest.starts_with(CONTINUED) {
                word.push_str(&rest[..length]);
            }
            self.at += length;
        }
        self.tokens.push(Token::Word(word));
        Ok(())
    }
}

/// The length of what begins here and is no end of a word: a character, a quotation, an expansion.
fn part(rest: &str) -> Result<usize, Unclear> {
    for (open, close) in [("$((", "))"), ("$(", ")"), ("${", "}")] {
        if rest.starts_with(open) {
            return enclosed(rest, open, close);
        }
    }
    if let Some(inner) = rest.strip_prefix("$'") {
        return quoted(inner, '\'', true).map(|length| length + 2);
    }
    let mut characters = rest.chars();
    let first = characters.next().ok_or(Unclear)?;
    let inner = characters.as_str();
    match first {
        '\'' => Ok(1 + quoted(inner, '\'', false)?),
        '`' => Ok(1 + quoted(inner, '`', true)?),
        '"' => {
            let mut at = 1;
            while !rest[at..].starts_with('"') {
                let here = &rest[at..];
                // Apostrophes are letters here.
                at += if here.starts_with('\'') { 1 } else { part(here)? };
            }
            Ok(at + 1)
        }
        '\\' => Ok(1 + characters.next().ok_or(Unclear)?.len_utf8()),
        _ => Ok(first.len_utf8()),
    }
}

/// Up to the quote and with it.
fn quoted(inner: &str, quote: char, escapes: bool) -> Result<usize, Unclear> {
    let mut characters = inner.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return Ok(at + 1);
        }
        if escapes && character == '\\' {
            characters.next();
        }
    }
    Err(Unclear)
}

fn enclosed(rest: &str, open: &str, close: &str) -> Result<usize, Unclear> {
    let mut at = open.len();
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with(close) {
            return Ok(at + close.len());
        }
        at += match here.starts_with('(') && close != "}" {
            true => enclosed(here, "(", ")")?,
            false => part(here)?,
        };
    }
    Err(Unclear)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Vec<String>> {
        let tokens = tokens(text).ok()?;
        Some(
            tokens
                .into_iter()
                .map(|token| match token {
                    Token::Word(word) => word,
                    other => format!("{other:?}"),
                })
                .collect(),
        )
    }

    #[test]
    fn a_text_is_words_and_what_stands_between_them() {
        for (text, expected) in [
            ("a b;c\n", "a b End c End"),
            ("a # b 'c\nd", "a End d"),
            ("a#b", "a#b"),
            ("x='a b;c' y=\"d 'e;\"", "x='a b;c' y=\"d 'e;\""),
            ("a && b || c & d | e", "a And b Or c Background d Pipe e"),
            ("a 2>/dev/null >&2", "a Redirect /dev/null Redirect 2"),
            ("x=$(a \"$(b ')')\" | c) d", "x=$(a \"$(b ')')\" | c) d"),
            ("x=$(( (1+2)*3 )) y", "x=$(( (1+2)*3 )) y"),
            ("${a:-'}'}b c", "${a:-'}'}b c"),
            ("a=(b c) d", "a=(b c) d"),
            ("f() { a; }", "f Open Close { a End }"),
            ("a\\\nb \\; c", "ab \\; c"),
            ("x=$'it\\'s' y", "x=$'it\\'s' y"),
            ("a # b\\\nc", "a End c"),
            ("case $- in *i*) ;; esac", "case $- in *i* Close CaseEnd esac"),
        ] {
            assert_eq!(
                words(text).map(|words| words.join(" ")).as_deref(),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_has_no_end_is_not_understood() {
        for text in ["'a", "\"a", "$(a", "${a", "`a", "cat <<X\nTMOUT=1\nX\n", "a <(b)", "a\\"] {
            assert_eq!(words(text), None, "{text}");
        }
        assert_eq!(words("cat <<<x").map(|words| words.len()), Some(3));
    }
}
