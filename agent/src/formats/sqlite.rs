//! A reader of SQLite database files (sqlite.org/fileformat2.html): the rows of one ordinary table.
//! It opens nothing, takes no lock and writes nothing; whoever reads the file hands its write-ahead
//! log over ([`Wal`]), and sees to it that no other journal says otherwise. Enough for the records of
//! logins and packages, and small: UTF-8 databases, tables with a rowid, no indexes.

use super::random_access::RandomAccess;
use super::sqlite_wal::Wal;
use std::collections::HashMap;

const MAGIC: &[u8] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
/// Deeper than any tree of a file that fits a page number.
const MAX_DEPTH: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqliteError {
    #[error("not an SQLite database")]
    NotADatabase,
    /// Not what this reader knows: a later format, or UTF-16.
    #[error("an SQLite database of a form that is not supported")]
    Unsupported,
    #[error("the file ends before its last page")]
    Truncated,
    #[error("page {0} is damaged")]
    Page(u32),
}

/// A value that is no larger than it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
    /// A floating number.
    Other,
}

/// A database file, and what its log has of it.
pub struct Database<'a> {
    file: &'a dyn RandomAccess,
    wal: Option<&'a Wal<'a>>,
    /// Pages of the file, or by the last transaction of the log.
    pages: u32,
    page_bytes: usize,
    /// Bytes of a page that hold data.
    usable: usize,
}

/// What a walk may still read. A damaged tree may lead in circles: there are no more pages and no
/// more payload in it than the file is long.
struct Left {
    pages: u32,
    bytes: u64,
}

/// A table of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    root: u32,
    /// Column → place, names in lower case.
    columns: HashMap<String, usize>,
}

impl Table {
    /// The place of a column in a row.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.get(&name.to_ascii_lowercase()).copied()
    }
}

impl<'a> Database<'a> {
    /// Reads the header. An empty file is a database without tables.
    pub fn open(file: &'a dyn RandomAccess) -> Result<Self, SqliteError> {
        Self::with_log(file, None)
    }

    /// The same with the transactions of a log.
    pub fn with_log(
        file: &'a dyn RandomAccess,
        wal: Option<&'a Wal<'a>>,
    ) -> Result<Self, SqliteError> {
        let wal = wal.filter(|wal| wal.pages() > 0);
        if file.size_bytes() == 0 && wal.is_none() {
            return Ok(Self { file, wal, pages: 0, page_bytes: 512, usable: 512 });
        }
        let header = Self::header(file, wal)?;
        let page_bytes = match u16_at(&header, 16) {
            1 => 65_536,
            size => usize::from(size),
        };
        let usable = page_bytes.saturating_sub(usize::from(header[20]));
        if !page_bytes.is_power_of_two() || page_bytes < 512 || usable < 480 {
            return Err(SqliteError::NotADatabase);
        }
        // Version to read with, and text encoding: 0 as long as nothing was created.
        if !(1..=2).contains(&header[19]) || u32_at(&header, 56) > 1 {
            return Err(SqliteError::Unsupported);
        }
        let pages = match wal {
            Some(wal) if wal.page_bytes() == page_bytes => wal.pages(),
            Some(_) => return Err(SqliteError::NotADatabase),
            None => Self::pages(file, &header, page_bytes)?,
        };
        Ok(Self { file, wal, pages, page_bytes, usable })
    }

    fn header(
        file: &dyn RandomAccess,
        wal: Option<&Wal<'_>>,
    ) -> Result<[u8; HEADER_BYTES], SqliteError> {
        let mut header = [0; HEADER_BYTES];
        let known = wal.is_some_and(|wal| wal.fill(1, &mut header));
        if !known {
            let short = usize::try_from(file.size_bytes()).unwrap_or(HEADER_BYTES);
            let there = short.min(HEADER_BYTES);
            if !file.fill(0, &mut header[..there]) || !MAGIC.starts_with(&header[..there.min(16)]) {
                return Err(SqliteError::NotADatabase);
            }
            if there < HEADER_BYTES {
                return Err(SqliteError::Truncated);
            }
        }
        match header.starts_with(MAGIC) {
            true => Ok(header),
            false => Err(SqliteError::NotADatabase),
        }
    }

    /// The number of pages; the header counts them where the last writer knew of it.
    fn pages(
        file: &dyn RandomAccess,
        header: &[u8],
        page_bytes: usize,
    ) -> Result<u32, SqliteError> {
        let counted = u32_at(header, 28);
        let is_valid = u32_at(header, 24) == u32_at(header, 92) && counted > 0;
        let (size, page) = (file.size_bytes(), page_bytes as u64);
        let there = u32::try_from(size / page).map_err(|_| SqliteError::Unsupported)?;
        if !size.is_multiple_of(page) || (is_valid && there < counted) {
            return Err(SqliteError::Truncated);
        }
        Ok(there)
    }

    /// Whether nothing was made in the database yet.
    pub fn is_new(&self) -> Result<bool, SqliteError> {
        let mut is_new = true;
        if self.pages > 0 {
            self.walk(1, &mut |_| is_new = false)?;
        }
        Ok(is_new)
    }

    /// Finds a table by its name; `None` if there is none.
    pub fn table(&self, name: &str) -> Result<Option<Table>, SqliteError> {
        if self.pages == 0 {
            return Ok(None);
        }
        let mut found = None;
        self.walk(1, &mut |row| {
            // type, name, tbl_name, rootpage, sql
            let [sort, called, _, root, sql] = row else { return };
            let is_it = text_is(sort, b"table") && text_is(called, name.as_bytes());
            if let (true, Value::Int(root), Value::Text(sql)) = (is_it, root, sql) {
                let root = u32::try_from(*root).unwrap_or(0);
                let columns = columns(&String::from_utf8_lossy(sql));
                found = Some(Table { root, columns });
            }
        })?;
        Ok(found)
    }

    /// Calls `each` with the values of every row. A row may be shorter than the table: columns that
    /// were added later are then null.
    pub fn rows(
        &self,
        table: &Table,
        each: &mut dyn FnMut(&[Value<'_>]),
    ) -> Result<(), SqliteError> {
        self.walk(table.root, each)
    }

    fn walk(&self, root: u32, each: &mut dyn FnMut(&[Value<'_>])) -> Result<(), SqliteError> {
        let bytes = u64::from(self.pages) * self.page_bytes as u64;
        let mut left = Left { pages: self.pages, bytes };
        self.page(root, MAX_DEPTH, &mut left, each)
    }

    fn page(
        &self,
        number: u32,
        depth: usize,
        left: &mut Left,
        each: &mut dyn FnMut(&[Value<'_>]),
    ) -> Result<(), SqliteError> {
        let damaged = SqliteError::Page(number);
        left.pages = left.pages.checked_sub(1).ok_or(damaged.clone())?;
        let depth = depth.checked_sub(1).ok_or(damaged.clone())?;
        let page = &self.page_at(number)?[..];
        let head = if number == 1 { HEADER_BYTES } else { 0 };
        let (is_leaf, cells_at) = match page[head] {
            0x0d => (true, head + 8),
            0x05 => (false, head + 12),
            _ => return Err(damaged),
        };
        for cell in 0..usize::from(u16_at(page, head + 3)) {
            let pointer = page.get(cells_at + 2 * cell..cells_at + 2 * cell + 2);
            let at = usize::from(u16_at(pointer.ok_or(damaged.clone())?, 0));
            let cell = page.get(at..self.usable).ok_or(damaged.clone())?;
            if is_leaf {
                let payload = self.payload(cell, left).ok_or(damaged.clone())?;
                each(&record(&payload).ok_or(damaged.clone())?);
            } else {
                let child = cell.get(..4).ok_or(damaged.clone())?;
                self.page(u32_at(child, 0), depth, left, each)?;
            }
        }
        if is_leaf { Ok(()) } else { self.page(u32_at(page, head + 8), depth, left, each) }
    }

    /// A page, counted from 1.
    fn page_at(&self, number: u32) -> Result<Vec<u8>, SqliteError> {
        let mut page = vec![0; self.page_bytes];
        if self.fill(number, &mut page) { Ok(page) } else { Err(SqliteError::Page(number)) }
    }

    /// The page as the log has it, or else the file.
    fn fill(&self, number: u32, page: &mut [u8]) -> bool {
        if number == 0 || number > self.pages {
            return false;
        }
        if self.wal.is_some_and(|wal| wal.fill(number, page)) {
            return true;
        }
        self.file.fill(u64::from(number - 1) * self.page_bytes as u64, page)
    }

    /// The payload of a leaf cell: what stands on the page, and the rest on overflow pages.
    fn payload(&self, cell: &[u8], left: &mut Left) -> Option<Vec<u8>> {
        let (length, a) = varint(cell)?;
        let (_rowid, b) = varint(&cell[a..])?;
        let length = usize::try_from(length).ok()?;
        left.bytes = left.bytes.checked_sub(length as u64)?;
        let local = self.local(length);
        let rest = &cell[a + b..];
        let mut payload = rest.get(..local)?.to_vec();
        if local < length {
            payload.reserve(length - local);
            let mut next = u32_at(rest.get(local..local + 4)?, 0);
            let mut page = vec![0; self.page_bytes];
            while payload.len() < length {
                if !self.fill(next, &mut page) {
                    return None;
                }
                let more = (length - payload.len()).min(self.usable - 4);
                payload.extend_from_slice(page.get(4..4 + more)?);
                next = u32_at(&page, 0);
            }
        }
        Some(payload)
    }

    /// How many bytes of a payload stand on the leaf itself.
    fn local(&self, length: usize) -> usize {
        let most = self.usable - 35;
        if length <= most {
            return length;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let kept = least + (length - least) % (self.usable - 4);
        if kept <= most { kept } else { least }
    }
}

fn text_is(value: &Value<'_>, text: &[u8]) -> bool {
    matches!(value, Value::Text(found) if found.eq_ignore_ascii_case(text))
}

/// The values of a record.
fn record(payload: &[u8]) -> Option<Vec<Value<'_>>> {
    let (head, mut at) = varint(payload)?;
    // The head counts itself; zeros in the place of a record have none.
    let head = usize::try_from(head).ok().filter(|head| (at..=payload.len()).contains(head))?;
    let mut body = head;
    let mut values = Vec::new();
    while at < head {
        let (serial, used) = varint(&payload[at..head])?;
        at += used;
        let length = match serial {
            0 | 8 | 9 => 0,
            1..=4 => serial,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            text => (text - 12) / 2,
        };
        let end = body.checked_add(usize::try_from(length).ok()?)?;
        let bytes = payload.get(body..end)?;
        body = end;
        values.push(match serial {
            0 => Value::Null,
            8 => Value::Int(0),
            9 => Value::Int(1),
            1..=6 => Value::Int(integer(bytes)),
            7 => Value::Other,
            text if text % 2 == 1 => Value::Text(bytes),
            _ => Value::Blob(bytes),
        });
    }
    // A record ends with its last value.
    (body == payload.len()).then_some(values)
}

/// A big-endian two's complement number of 1 to 8 bytes.
fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |n, byte| (n << 8) | i64::from(*byte))
}

/// A variable-length number, and how many bytes it takes.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (place, byte) in bytes.iter().take(9).enumerate() {
        if place == 8 {
            return Some(((value << 8) | u64::from(*byte), 9));
        }
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

/// The columns of `CREATE TABLE name(column type, …)`, by place.
fn columns(sql: &str) -> HashMap<String, usize> {
    let inside = sql.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    let mut depth = 0;
    let parts = inside.map_or("", |(inside, _)| inside).split(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    });
    let name = |part: &str| {
        let word = part.split_whitespace().next().unwrap_or_default();
        word.trim_matches(['"', '`', '[', ']', '\'']).to_ascii_lowercase()
    };
    parts.map(name).zip(0..).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
