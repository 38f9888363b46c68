//! passwd(5), group(5), shadow(5) and gshadow(5), as the `files` service of the GNU C library
//! (2.36) reads them: leading white space skipped, `#` a comment, numbers by strtoul(3), missing
//! last fields empty. Names are bytes, so that two odd names are never taken for one.

use super::password_field::PasswordField;
use std::fmt;

/// What a file holds.
#[derive(Debug)]
pub struct Records<T> {
    /// In the order of the file.
    pub lines: Vec<T>,
    /// Lines that begin with `+` or `-` (NIS compatibility); they are no entries.
    pub legacy: usize,
    pub faults: Option<Faults>,
}

/// Lines that follow no form. The C library skips them; whoever counts accounts must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Line number of the first one, from 1.
    pub line: usize,
    pub first: Fault,
    pub count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("a NUL byte")]
    Nul,
    /// A name, a path or a member with bytes that are no text.
    #[error("a {0} that is no text")]
    NotText(&'static str),
    /// Tools end every line; a file that does not end with one may have been cut.
    #[error("the last line has no end; the file may be cut")]
    Open,
    /// A crash can leave a file of no bytes; a system without a single account is none.
    #[error("there is no entry in it")]
    Empty,
    #[error("too few fields")]
    Short,
    /// Not an integer, or out of range; names the field.
    #[error("no valid {0}")]
    Number(&'static str),
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.first)?;
        match self.count {
            1 => Ok(()),
            count => write!(f, " ({count} lines are malformed)"),
        }
    }
}

#[derive(Debug)]
pub struct PasswdLine {
    pub name: Vec<u8>,
    pub password: PasswordField,
    pub uid: u32,
    pub gid: u32,
    pub home: Vec<u8>,
    /// Empty means /bin/sh.
    pub shell: Vec<u8>,
}

#[derive(Debug)]
pub struct GroupLine {
    pub name: Vec<u8>,
    pub password: PasswordField,
    pub gid: u32,
    pub members: Vec<Vec<u8>>,
}

/// Days are counted from the epoch, UTC; -1 and an empty field are `None`.
#[derive(Debug)]
pub struct ShadowLine {
    pub name: Vec<u8>,
    pub password: PasswordField,
    pub last_change_day: Option<i32>,
    pub min_days: Option<i32>,
    pub max_days: Option<i32>,
    pub warn_days: Option<i32>,
    pub inactive_days: Option<i32>,
    pub expire_day: Option<i32>,
}

#[derive(Debug)]
pub struct GshadowLine {
    pub name: Vec<u8>,
    pub password: PasswordField,
    /// They may add and remove members (gpasswd(1)).
    pub administrators: Vec<Vec<u8>>,
    pub members: Vec<Vec<u8>>,
}

pub fn passwd(bytes: &[u8]) -> Records<PasswdLine> {
    records(bytes, |fields| {
        Ok(PasswdLine {
            name: fields.text("name")?,
            password: PasswordField::new(fields.next()),
            uid: fields.number("uid")?,
            gid: fields.number("gid")?,
            home: {
                fields.next(); // The comment field holds names and telephone numbers of people.
                fields.text("home directory")?
            },
            shell: text(fields.0, "shell")?.to_vec(),
        })
    })
}

pub fn group(bytes: &[u8]) -> Records<GroupLine> {
    records(bytes, |fields| {
        Ok(GroupLine {
            name: fields.text("name")?,
            password: PasswordField::new(fields.next()),
            gid: fields.number("gid")?,
            members: names(text(fields.0, "member")?),
        })
    })
}

pub fn shadow(bytes: &[u8]) -> Records<ShadowLine> {
    records(bytes, |fields| {
        let mut line = ShadowLine {
            name: fields.text("name")?,
            password: PasswordField::new(fields.next()),
            last_change_day: fields.days("day of the last change")?,
            min_days: fields.days("minimum age")?,
            max_days: fields.days("maximum age")?,
            warn_days: None,
            inactive_days: None,
            expire_day: None,
        };
        // The old form ends here.
        if fields.0.trim_ascii_start().is_empty() {
            return Ok(line);
        }
        line.warn_days = fields.days("warning period")?;
        line.inactive_days = fields.days("inactivity period")?;
        line.expire_day = fields.days("expiry day")?;
        // Nothing uses the flags, but a line with other text in them is no entry.
        if fields.0.is_empty() || number(fields.0).is_some() {
            return Ok(line);
        }
        Err(Fault::Number("flags"))
    })
}

pub fn gshadow(bytes: &[u8]) -> Records<GshadowLine> {
    records(bytes, |fields| {
        Ok(GshadowLine {
            name: fields.text("name")?,
            password: PasswordField::new(fields.next()),
            administrators: names(text(fields.next(), "administrator")?),
            members: names(text(fields.0, "member")?),
        })
    })
}

/// A name for people: bytes that are not UTF-8 as `\xNN`.
pub fn shown(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

fn records<T>(bytes: &[u8], parse: impl Fn(&mut Fields<'_>) -> Result<T, Fault>) -> Records<T> {
    let mut records = Records { lines: Vec::new(), legacy: 0, faults: None };
    let lines = bytes.split(|byte| *byte == b'\n').count();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let is_open = index + 1 == lines && !line.is_empty();
        let line = &line[line.iter().take_while(|byte| is_space(**byte)).count()..];
        let parsed = match line.first() {
            _ if is_open => Err(Fault::Open),
            None | Some(b'#') => continue,
            Some(b'+' | b'-') => {
                records.legacy += 1;
                continue;
            }
            // The C library would stop reading the line at the NUL, other readers would not.
            Some(_) if line.contains(&0) => Err(Fault::Nul),
            Some(_) => parse(&mut Fields(line)),
        };
        match parsed {
            Ok(line) => records.lines.push(line),
            Err(fault) => {
                let first = Faults { line: index + 1, first: fault, count: 0 };
                records.faults.get_or_insert(first).count += 1;
            }
        }
    }
    if records.lines.is_empty() && records.legacy == 0 && records.faults.is_none() {
        records.faults = Some(Faults { line: 1, first: Fault::Empty, count: 1 });
    }
    records
}

/// Tools give names and paths of text. What holds other bytes was damaged, and stands for a name
/// that nobody knows any more.
fn text<'a>(field: &'a [u8], name: &'static str) -> Result<&'a [u8], Fault> {
    let odd = |text: &str| text.contains(|c: char| c.is_control() && c != '\r');
    match std::str::from_utf8(field) {
        Ok(text) if !odd(text) => Ok(field),
        _ => Err(Fault::NotText(name)),
    }
}

/// isspace(3) in the C locale.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0B
}

/// The rest of a line.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b':');
        let (field, rest) = match end {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        field
    }

    fn text(&mut self, name: &'static str) -> Result<Vec<u8>, Fault> {
        text(self.next(), name).map(<[u8]>::to_vec)
    }

    fn number(&mut self, name: &'static str) -> Result<u32, Fault> {
        number(self.next()).ok_or(Fault::Number(name))
    }

    /// A number that may be left out, its colon not.
    fn days(&mut self, name: &'static str) -> Result<Option<i32>, Fault> {
        if self.0.is_empty() {
            return Err(Fault::Short);
        }
        match self.next() {
            b"" => Ok(None),
            // What the library casts to a negative day other than -1 means one thing to one
            // program and another to the next.
            field => match number(field) {
                Some(u32::MAX) => Ok(None),
                Some(days) => i32::try_from(days).map(Some).map_err(|_| Fault::Number(name)),
                None => Err(Fault::Number(name)),
            },
        }
    }
}

/// strtoul(3) over a whole field: white space, a sign, digits. `-0` and `00` are 0, and whoever
/// writes them as a uid means root.
fn number(field: &[u8]) -> Option<u32> {
    let spaces = field.iter().take_while(|byte| is_space(**byte)).count();
    let (negative, digits) = match &field[spaces..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    u32::try_from(if negative { value.wrapping_neg() } else { value }).ok()
}

/// A list with commas; white space before a name is skipped.
fn names(list: &[u8]) -> Vec<Vec<u8>> {
    let names = list.split(|byte| *byte == b',');
    let names = names.map(|name| &name[name.iter().take_while(|byte| is_space(**byte)).count()..]);
    names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests;
