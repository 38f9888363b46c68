//! Stanzas of fields as dpkg, apt and debian packages write them: deb822(5).
//!
//! Takes text, gives one stanza after the other, borrowed from the text: nothing is copied, however
//! long a field is. Reads as dpkg does: names without regard to case, a field at most once in a
//! stanza, a line of blanks inside a value belongs to the value.

/// Most fields of one stanza.
pub const MAX_FIELDS: usize = 1000;

/// The stanzas of a text, in order; nothing follows an error.
pub struct Stanzas<'a> {
    rest: &'a str,
    /// Number of the line `rest` begins with, from 1.
    line: usize,
    comments: bool,
}

/// One stanza: at least one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza<'a> {
    /// Line of its first field, from 1.
    pub line: usize,
    pub fields: Vec<Field<'a>>,
    /// Whether a blank line follows. dpkg ends every stanza so: where it is missing, the text was
    /// cut or written by something else.
    pub closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: &'a str,
    /// The value without blanks around it; continuation lines are as they stand.
    pub value: &'a str,
    /// Line of its name, from 1.
    pub line: usize,
}

/// The text is not a list of stanzas. What stands before the place may be right, but the list is
/// not whole: refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct Deb822Error {
    pub line: usize,
    pub fault: Deb822Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Deb822Fault {
    #[error("a continuation line before the first field")]
    Continuation,
    #[error("no colon after the name of the field")]
    NoColon,
    #[error("a field without a name, or with a character that names do not have")]
    Name,
    #[error("the field stands twice in its stanza")]
    Twice,
    #[error("more than {MAX_FIELDS} fields in a stanza")]
    TooManyFields,
    #[error("the text ends within a line")]
    Cut,
}

impl<'a> Stanzas<'a> {
    /// As dpkg reads its own files: `#` begins no comment.
    pub fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1, comments: false }
    }

    /// As apt reads sources and preferences: lines that begin with `#` are not there.
    pub fn with_comments(text: &'a str) -> Self {
        Self { comments: true, ..Self::new(text) }
    }

    /// The next line without its end, its number, and the text from its beginning.
    fn line(&mut self) -> Result<Option<(&'a str, usize, &'a str)>, Deb822Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (start, number) = (self.rest, self.line);
        let Some((line, rest)) = start.split_once('\n') else {
            return Err(Deb822Error { line: number, fault: Deb822Fault::Cut });
        };
        (self.rest, self.line) = (rest, number + 1);
        Ok(Some((line, number, start)))
    }

    fn stanza(&mut self) -> Result<Option<Stanza<'a>>, Deb822Error> {
        let mut stanza = Stanza { line: 0, fields: Vec::new(), closed: false };
        // Text from the beginning of the last field's value.
        let mut from = "";
        while let Some((line, number, start)) = self.line()? {
            let at = |fault| Deb822Error { line: number, fault };
            if line.is_empty() {
                if stanza.fields.is_empty() {
                    continue;
                }
                stanza.closed = true;
                break;
            }
            if self.comments && line.starts_with('#') {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                let field = stanza.fields.last_mut().ok_or(at(Deb822Fault::Continuation))?;
                let length = from.len() - start.len() + line.len();
                field.value = from[..length].trim();
                continue;
            }
            let (name, first) = line.split_once(':').ok_or(at(Deb822Fault::NoColon))?;
            let field = Field { name: name.trim_end(), value: first.trim(), line: number };
            stanza.add(field).map_err(at)?;
            from = &start[name.len() + 1..];
        }
        Ok((!stanza.fields.is_empty()).then_some(stanza))
    }
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Result<Stanza<'a>, Deb822Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.stanza();
        if next.is_err() {
            self.rest = "";
        }
        next.transpose()
    }
}

impl<'a> Stanza<'a> {
    pub fn field(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The value of a field; empty when the field is there without one.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.field(name).map(|field| field.value)
    }

    fn add(&mut self, field: Field<'a>) -> Result<(), Deb822Fault> {
        // deb822(5): printable ASCII but blank and colon, and not beginning with `#` or `-`.
        let graphic = field.name.bytes().all(|b| b.is_ascii_graphic());
        if field.name.is_empty() || field.name.starts_with(['#', '-']) || !graphic {
            return Err(Deb822Fault::Name);
        }
        if self.field(field.name).is_some() {
            return Err(Deb822Fault::Twice);
        }
        if self.fields.len() == MAX_FIELDS {
            return Err(Deb822Fault::TooManyFields);
        }
        if self.fields.is_empty() {
            self.line = field.line;
        }
        self.fields.push(field);
        Ok(())
    }
}

impl<'a> Field<'a> {
    /// The lines of the value without blanks around them; lines that are empty then, and comments
    /// between them, are left out.
    pub fn lines(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        // A continuation line begins with a blank, so what begins with `#` is a comment.
        let own = |(number, line): &(usize, &str)| *number == 0 || !line.starts_with('#');
        let lines = self.value.lines().enumerate().filter(own);
        lines.map(|(_, line)| line.trim()).filter(|line| !line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Stanza<'_>>, Deb822Error> {
        Stanzas::new(text).collect()
    }

    fn fault(text: &str) -> (usize, Deb822Fault) {
        let error = read(text).expect_err(text);
        (error.line, error.fault)
    }

    #[test]
    fn fields_have_their_lines_and_their_whole_values() {
        let text =
            "\n\nPackage: a\nDescription:  short \n long\n .\n \n\tmore\nX:\n\nPACKAGE : b\n";
        let stanzas = read(text).expect("stanzas");
        assert_eq!(stanzas.len(), 2);
        let (a, b) = (&stanzas[0], &stanzas[1]);
        assert_eq!((a.line, a.closed, b.line, b.closed), (3, true, 11, false));
        assert_eq!(a.value("description"), Some("short \n long\n .\n \n\tmore"));
        let lines: Vec<_> = a.field("Description").expect("field").lines().collect();
        assert_eq!(lines, ["short", "long", ".", "more"]);
        assert_eq!((a.value("x"), a.value("y"), b.value("package")), (Some(""), None, Some("b")));
        assert_eq!(a.field("X").expect("field").line, 9);
    }

    #[test]
    fn a_value_may_begin_on_its_second_line() {
        let stanzas = read("Conffiles:\n /etc/a 1\n /etc/b 2\nNext: x\n\n").expect("stanzas");
        assert_eq!(stanzas[0].value("conffiles"), Some("/etc/a 1\n /etc/b 2"));
        assert_eq!(stanzas[0].value("next"), Some("x"));
    }

    #[test]
    fn what_is_no_stanza_is_refused_with_its_line() {
        assert_eq!(fault("A: b\n\n c\n"), (3, Deb822Fault::Continuation));
        assert_eq!(fault("A: b\nc\n"), (2, Deb822Fault::NoColon));
        assert_eq!(fault("A: b\r\n\r\nC: d\r\n"), (2, Deb822Fault::NoColon));
        assert_eq!(fault(": b\n"), (1, Deb822Fault::Name));
        assert_eq!(fault("#A: b\n"), (1, Deb822Fault::Name));
        assert_eq!(fault("A: b\nB: c\na: d\n"), (3, Deb822Fault::Twice));
        assert_eq!(fault("A: b\n\nC: d"), (3, Deb822Fault::Cut));
        let many: String = (0..=MAX_FIELDS).map(|n| format!("F{n}: x\n")).collect();
        assert_eq!(fault(&many), (MAX_FIELDS + 1, Deb822Fault::TooManyFields));
    }

    #[test]
    fn nothing_follows_an_error() {
        let mut stanzas = Stanzas::new("A: b\nbad\n\nC: d\n\n");
        assert!(stanzas.next().is_some_and(|stanza| stanza.is_err()));
        assert!(stanzas.next().is_none());
    }

    #[test]
    fn comments_are_skipped_only_where_the_format_has_them() {
        let text = "# first\nTypes: deb\n# between\nURIs: x\n#\n y\n\n";
        let stanzas: Vec<_> =
            Stanzas::with_comments(text).collect::<Result<_, _>>().expect("stanzas");
        assert_eq!(stanzas.len(), 1);
        let uris: Vec<_> = stanzas[0].field("uris").expect("field").lines().collect();
        assert_eq!(uris, ["x", "y"]);
        assert_eq!(fault(text), (1, Deb822Fault::NoColon));
    }
}
