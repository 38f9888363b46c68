//! The characters of one rsyslog file: blanks and comments, quoted strings, parameters, lines that
//! continue.

use super::Fault;

/// Deepest nesting of statements.
const MAX_NESTING: usize = 64;

/// Parameters of an object: name in lower case, value without quotes; a list has no value.
pub(super) type Params = Vec<(String, Option<String>)>;

/// The value of a parameter, when it is exactly one.
pub(super) fn value<'p>(params: &'p Params, name: &str) -> Option<&'p str> {
    params.iter().rev().find(|(own, _)| own == name)?.1.as_deref()
}

pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// How many files include this one.
    depth: usize,
    nesting: usize,
    /// A fault in a file that this one includes.
    pub(super) nested: Option<Fault>,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str, depth: usize) -> Self {
        Self { text, at: 0, depth, nesting: 0, nested: None }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
    }

    pub(super) fn at_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// From 1.
    pub(super) fn line(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    pub(super) fn enter(&mut self) -> Result<(), String> {
        self.nesting += 1;
        match self.nesting > MAX_NESTING {
            true => Err("statements are nested too deeply".to_owned()),
            false => Ok(()),
        }
    }

    pub(super) fn leave(&mut self) {
        self.nesting -= 1;
    }

    pub(super) fn expect(&mut self, wanted: char) -> Result<(), String> {
        self.skip_blank()?;
        match self.peek() == Some(wanted) {
            true => {
                self.advance(wanted.len_utf8());
                Ok(())
            }
            false => Err(format!("`{wanted}` is missing")),
        }
    }

    /// Blanks, `# …` and `/* … */`.
    pub(super) fn skip_blank(&mut self) -> Result<(), String> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.advance(blank);
            let rest = self.rest();
            if rest.starts_with('#') {
                // A comment does not continue on the next line in a way that matters: refuse.
                let line = rest.lines().next().unwrap_or_default();
                if line.ends_with('\\') {
                    return Err("a comment that continues".to_owned());
                }
                self.advance(line.len());
            } else if rest.starts_with("/*") {
                let end = rest.find("*/").ok_or("a comment without end")?;
                self.advance(end + 2);
            } else if blank == 0 {
                return Ok(());
            }
        }
    }

    /// The letters, digits and `_` that come next; nothing is consumed.
    pub(super) fn word(&self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    }

    pub(super) fn only_blanks_before_newline(&self) -> bool {
        self.rest().lines().next().unwrap_or_default().trim().is_empty()
    }

    /// Up to the end of the line, with the lines that continue it joined.
    pub(super) fn rest_of_line(&mut self) -> String {
        let mut whole = String::new();
        loop {
            let line = self.rest().lines().next().unwrap_or_default();
            self.advance(line.len() + 1);
            match line.trim_end().strip_suffix('\\') {
                Some(start) if !self.at_end() => whole += start,
                _ => {
                    whole += line;
                    return whole.trim().to_owned();
                }
            }
        }
    }

    /// A quoted string; `\` keeps the character after it.
    fn quoted(&mut self) -> Result<String, String> {
        let quote = self.peek().unwrap_or('"');
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((index, c)) = chars.next() {
            match c {
                '\\' => out.extend(chars.next().map(|(_, c)| c)),
                c if c == quote => {
                    self.advance(index + 1);
                    return Ok(out);
                }
                c => out.push(c),
            }
        }
        Err("a string without end".to_owned())
    }

    /// `(name="value" name=["a", "b"])`.
    pub(super) fn params(&mut self) -> Result<Params, String> {
        self.expect('(')?;
        let mut params = Params::new();
        loop {
            self.skip_blank()?;
            if self.peek() == Some(')') {
                self.advance(1);
                return Ok(params);
            }
            let rest = self.rest();
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c));
            let name = &rest[..end.unwrap_or(rest.len())];
            if name.is_empty() {
                return Err("parameters that are not understood".to_owned());
            }
            self.advance(name.len());
            self.expect('=')?;
            self.skip_blank()?;
            let value = match self.peek() {
                Some('"') => Some(self.quoted()?),
                Some('[') => {
                    self.list()?;
                    None
                }
                // Names of outputs may stand without quotes; `…` runs a command.
                _ => return Err(format!("the value of `{name}` is not in quotes")),
            };
            params.push((name.to_ascii_lowercase(), value));
        }
    }

    fn list(&mut self) -> Result<(), String> {
        self.expect('[')?;
        loop {
            self.skip_blank()?;
            match self.peek() {
                Some('"') => {
                    self.quoted()?;
                }
                Some(',') => self.advance(1),
                Some(']') => {
                    self.advance(1);
                    return Ok(());
                }
                _ => return Err("a list that is not understood".to_owned()),
            }
        }
    }

    /// Over `if EXPRESSION then`.
    pub(super) fn until_then(&mut self) -> Result<(), String> {
        loop {
            self.skip_blank()?;
            match self.peek() {
                Some('"' | '\'') => {
                    self.quoted()?;
                }
                Some(c) if c.is_ascii_alphanumeric() || c == '_' => {
                    let word = self.word();
                    self.advance(word.len());
                    if word.eq_ignore_ascii_case("then") {
                        return Ok(());
                    }
                }
                Some('{' | '}' | ';') | None => return Err("`if` without `then`".to_owned()),
                Some(c) => self.advance(c.len_utf8()),
            }
        }
    }

    /// `:property, [!]operator, "value"`.
    pub(super) fn property_filter(&mut self) -> Result<(), String> {
        let wrong = "a property filter that is not understood";
        let line = self.rest().lines().next().unwrap_or_default();
        let quote = line.find('"').ok_or(wrong)?;
        if line[..quote].matches(',').count() != 2 {
            return Err(wrong.to_owned());
        }
        self.advance(quote);
        self.quoted().map(drop)
    }

    /// `set $.name = EXPRESSION;`.
    pub(super) fn assignment(&mut self) -> Result<(), String> {
        loop {
            self.skip_blank()?;
            match self.peek() {
                Some('"' | '\'') => {
                    self.quoted()?;
                }
                Some(';') => {
                    self.advance(1);
                    return Ok(());
                }
                Some('{' | '}') | None => return Err("an assignment without end".to_owned()),
                Some(c) => self.advance(c.len_utf8()),
            }
        }
    }

    /// The `{ … }` of a template.
    pub(super) fn skip_block_if_any(&mut self) -> Result<(), String> {
        self.skip_blank()?;
        if self.peek() != Some('{') {
            return Ok(());
        }
        loop {
            match self.peek() {
                Some('"' | '\'') => {
                    self.quoted()?;
                }
                Some('}') => {
                    self.advance(1);
                    return Ok(());
                }
                Some('#') => self.skip_blank()?,
                Some(c) => self.advance(c.len_utf8()),
                None => return Err("a block without end".to_owned()),
            }
        }
    }
}
