//! Reads the words of sudoers(5), one after the other. A backslash at the end of a line continues
//! it, except in a comment.

use super::SyntaxError;

pub(super) struct Cursor<'a> {
    rest: &'a str,
    pub(super) line: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn error<T>(&self, what: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { line: self.line, what })
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn peek_second(&self) -> Option<char> {
        self.rest.chars().nth(1)
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.rest.starts_with(text)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        Some(c)
    }

    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        let (done, rest) = self.rest.split_at(bytes);
        self.line += done.matches('\n').count();
        self.rest = rest;
    }

    /// Length of a continuation here: a backslash, blanks, the end of the line.
    fn continuation(&self) -> Option<usize> {
        let after = self.rest.strip_prefix('\\')?;
        let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
        let end = &after[blanks..];
        let newline = if end.starts_with("\r\n") { 2 } else { usize::from(end.starts_with('\n')) };
        (newline > 0).then_some(1 + blanks + newline)
    }

    /// Passes over blanks and continuations; whether there were any.
    pub(super) fn blanks(&mut self) -> bool {
        let before = self.rest.len();
        loop {
            if let Some(bytes) = self.continuation() {
                self.advance(bytes);
            } else if matches!(self.peek(), Some(' ' | '\t')) {
                self.bump();
            } else {
                return self.rest.len() < before;
            }
        }
    }

    /// Whether a comment begins here: a `#` that is no `#uid`.
    fn is_comment(&self) -> bool {
        let Some(after) = self.rest.strip_prefix('#') else { return false };
        let digits = after.strip_prefix('-').unwrap_or(after);
        !digits.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Whether nothing but a comment is left of the line.
    pub(super) fn is_at_line_end(&self) -> bool {
        self.is_at_end() || self.starts_with("\n") || self.starts_with("\r\n") || self.is_comment()
    }

    /// Passes over a comment and the end of the line.
    pub(super) fn end_line(&mut self) -> Result<(), SyntaxError> {
        self.blanks();
        if !self.is_at_line_end() {
            return self.error("something stands after the end of the statement");
        }
        self.skip_line();
        Ok(())
    }

    /// Passes over everything to the end of the line; a backslash continues nothing here.
    pub(super) fn skip_line(&mut self) {
        let bytes = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        self.advance(bytes);
    }

    /// A word up to an unescaped character that ends it; as written, and with escapes resolved.
    /// Empty where none stands here.
    pub(super) fn word(&mut self, ends: impl Fn(char) -> bool) -> (&'a str, String) {
        let start = self.rest;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if c == '\\' {
                if self.continuation().is_some() || self.peek_second().is_none() {
                    break;
                }
                self.bump();
                text.push(self.escaped());
            } else if c == '\n' || c == '\r' || c == ' ' || c == '\t' || ends(c) {
                break;
            } else {
                self.bump();
                text.push(c);
            }
        }
        (&start[..start.len() - self.rest.len()], text)
    }

    /// What a backslash stands before: `xHH`, or the character itself.
    fn escaped(&mut self) -> char {
        let hex = self.rest.strip_prefix('x').and_then(|after| after.get(..2));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if byte.is_ascii() => {
                self.advance(3);
                char::from(byte)
            }
            _ => self.bump().unwrap_or('\\'),
        }
    }

    /// A text in double quotes, if one begins here.
    pub(super) fn quoted(&mut self) -> Result<Option<String>, SyntaxError> {
        if !self.eat('"') {
            return Ok(None);
        }
        let mut text = String::new();
        loop {
            if let Some(bytes) = self.continuation() {
                self.advance(bytes);
                continue;
            }
            match self.peek() {
                None | Some('\n') => return self.error("a quotation mark is left open"),
                Some('"') => {
                    self.bump();
                    return Ok(Some(text));
                }
                // Only a quotation mark is escaped here; other backslashes stay.
                Some('\\') if self.peek_second() == Some('"') => {
                    self.bump();
                    self.bump();
                    text.push('"');
                }
                Some(c) => {
                    self.bump();
                    text.push(c);
                }
            }
        }
    }
}
