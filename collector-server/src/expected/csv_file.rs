//! Lists of hosts and groups as comma-separated text (RFC 4180), as spreadsheets and inventories
//! write it: with or without a byte order mark, `\r\n` or `\n`, commas or semicolons, quotes.

use super::{Expected, key_of, short};
use crate::config::DurationText;
use crate::store::model::GroupRow;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::collections::{BTreeMap, BTreeSet};

/// Longest name of a host (RFC 1035 section 2.3.4), a group or a tag.
const MAX_CHARS: usize = 253;

/// A line that is refused, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// From 1, as an editor counts.
    pub line: u64,
    pub reason: String,
    pub remedy: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}; {}", self.line, self.reason, self.remedy)
    }
}

/// Everything that is wrong with a file; nothing of it is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct BadFile(pub Vec<BadLine>);

/// A list of hosts as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostList {
    pub entries: Vec<Expected>,
    /// Columns that are not used, as they are written.
    pub ignored: Vec<String>,
}

/// Reads a list of hosts: `name` and `group`, perhaps `owner` and `tags`.
pub fn parse_hosts(bytes: &[u8]) -> Result<HostList, BadFile> {
    let table = Table::read(bytes, &["name", "group"], &["owner", "tags"])?;
    let mut bad = table.bad.clone();
    let mut entries: Vec<Expected> = vec![];
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    let mut shorts: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for (line, row) in &table.rows {
        let entry = match host(row) {
            Ok(entry) => entry,
            Err((reason, remedy)) => {
                bad.push(BadLine { line: *line, reason, remedy });
                continue;
            }
        };
        if let Some(first) = lines.get(&entry.key) {
            bad.push(BadLine {
                line: *line,
                reason: format!("{} is in line {first} already (case does not matter)", entry.name),
                remedy: "keep one of the two".to_owned(),
            });
            continue;
        }
        if let Some((other, first)) = shorts.get(short(&entry.key))
            && other.contains('.') != entry.key.contains('.')
        {
            bad.push(BadLine {
                line: *line,
                reason: format!("{} and {other} of line {first} may be one host", entry.name),
                remedy: "write both with their domain, or keep one".to_owned(),
            });
            continue;
        }
        lines.insert(entry.key.clone(), *line);
        shorts.entry(short(&entry.key).to_owned()).or_insert((entry.key.clone(), *line));
        entries.push(entry);
    }
    finish(bad)?;
    Ok(HostList { entries, ignored: table.ignored })
}

/// Reads a list of groups: `name`, perhaps `environment`, `criticality`, `owner`, `deputy`,
/// `fallback`, `ttl`.
pub fn parse_groups(bytes: &[u8]) -> Result<Vec<GroupRow>, BadFile> {
    let table = Table::read(bytes, &["name"], &GROUP_COLUMNS)?;
    let mut bad = table.bad.clone();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut groups = vec![];
    for (line, row) in &table.rows {
        let made = group(row).and_then(|group| match seen.insert(group.name.clone()) {
            true => Ok(group),
            false => Err((format!("the group {} is there twice", group.name), "keep one".into())),
        });
        match made {
            Ok(group) => groups.push(group),
            Err((reason, remedy)) => bad.push(BadLine { line: *line, reason, remedy }),
        }
    }
    finish(bad)?;
    Ok(groups)
}

const GROUP_COLUMNS: [&str; 6] =
    ["environment", "criticality", "owner", "deputy", "fallback", "ttl"];

pub(crate) fn finish(mut bad: Vec<BadLine>) -> Result<(), BadFile> {
    bad.sort_by_key(|bad| bad.line);
    if bad.is_empty() { Ok(()) } else { Err(BadFile(bad)) }
}

type Wrong = (String, String);

fn host(row: &BTreeMap<&'static str, String>) -> Result<Expected, Wrong> {
    let name = text(row, "name")?;
    let key = key_of(&name);
    let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if key.is_empty() || !key.chars().all(fits) || key.split('.').any(str::is_empty) {
        let remedy = "a host name is letters, digits, `-` and `_`, with dots between its parts";
        return Err((format!("`{name}` is no host name"), remedy.to_owned()));
    }
    Ok(Expected {
        key,
        name,
        group: text(row, "group")?,
        owner: row.get("owner").filter(|text| !text.is_empty()).cloned(),
        tags: row.get("tags").map_or(Ok(BTreeMap::new()), |text| tags(text))?,
    })
}

fn group(row: &BTreeMap<&'static str, String>) -> Result<GroupRow, Wrong> {
    let word = |column: &str, allowed: &[&str]| match row.get(column).map(String::as_str) {
        None | Some("") => Ok(None),
        Some(word) if allowed.contains(&word) => Ok(Some(word.to_owned())),
        Some(other) => {
            Err((format!("`{other}` is no {column}"), format!("write {}", allowed.join(", "))))
        }
    };
    let ttl = row.get("ttl").map(String::as_str).filter(|text| !text.is_empty());
    let ttl_s = ttl.map(|text| {
        let ttl = text.parse::<DurationText>();
        let ttl =
            ttl.map_err(|why| (format!("`{text}` is no time: {why}"), "write 24h".to_owned()));
        ttl.map(|ttl| i64::try_from(ttl.0.as_secs()).unwrap_or(i64::MAX))
    });
    Ok(GroupRow {
        name: text(row, "name")?,
        environment: word("environment", &ENVIRONMENTS)?,
        criticality: word("criticality", &CRITICALITIES)?,
        owner: row.get("owner").filter(|text| !text.is_empty()).cloned(),
        deputy: row.get("deputy").filter(|text| !text.is_empty()).cloned(),
        fallback: row.get("fallback").filter(|text| !text.is_empty()).cloned(),
        ttl_s: ttl_s.transpose()?,
        hosts: 0,
    })
}

/// Environments of groups.
pub const ENVIRONMENTS: [&str; 4] = ["production", "staging", "test", "development"];
/// How much depends on a group.
pub const CRITICALITIES: [&str; 4] = ["low", "medium", "high", "critical"];

fn text(row: &BTreeMap<&'static str, String>, column: &str) -> Result<String, Wrong> {
    let text = row.get(column).cloned().unwrap_or_default();
    if text.is_empty() {
        return Err((format!("`{column}` is empty"), format!("give the {column}")));
    }
    if text.chars().count() > MAX_CHARS {
        let remedy = format!("write at most {MAX_CHARS} characters");
        return Err((format!("`{column}` is too long"), remedy));
    }
    Ok(text)
}

/// `key=value` pairs with semicolons between them.
fn tags(text: &str) -> Result<BTreeMap<String, String>, Wrong> {
    let mut tags = BTreeMap::new();
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = tag(pair)?;
        if tags.insert(key.clone(), value).is_some() {
            return Err((format!("the tag {key} is there twice"), "keep one".to_owned()));
        }
    }
    Ok(tags)
}

/// Reads `key=value`.
pub fn tag(pair: &str) -> Result<(String, String), Wrong> {
    let wrong = |reason: String| (reason, "write tags as key=value;key=value".to_owned());
    let (key, value) =
        pair.split_once('=').ok_or_else(|| wrong(format!("the tag `{pair}` has no `=`")))?;
    let (key, value) = (key.trim(), value.trim());
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if key.is_empty() || !key.chars().all(fits) {
        return Err(wrong(format!("`{key}` is no key of a tag")));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Fields by column.
pub(crate) type Row = BTreeMap<&'static str, String>;

/// Rows by column, and what could not be read.
pub(crate) struct Table {
    /// With the number of their line.
    pub(crate) rows: Vec<(u64, Row)>,
    pub(crate) bad: Vec<BadLine>,
    pub(crate) ignored: Vec<String>,
}

impl Table {
    pub(crate) fn read(
        bytes: &[u8],
        needed: &[&'static str],
        optional: &[&'static str],
    ) -> Result<Self, BadFile> {
        let whole = |reason: &str, remedy: &str| {
            let (reason, remedy) = (reason.to_owned(), remedy.to_owned());
            BadFile(vec![BadLine { line: 1, reason, remedy }])
        };
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(whole("the file is UTF-16", "save it as CSV UTF-8"));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        // The reader counts a line at its `\n`, which it leaves to the next record after a `\r`.
        let bytes: Vec<u8> = ends_as_one(bytes);
        let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let separator = if first.contains(&b';') && !first.contains(&b',') { b';' } else { b',' };
        let mut reader = ReaderBuilder::new()
            .delimiter(separator)
            .flexible(true)
            .trim(Trim::All)
            .has_headers(false)
            .from_reader(bytes.as_slice());
        let mut records = reader.byte_records();
        let header = records.next().and_then(Result::ok);
        let header = header.and_then(|header| StringRecord::from_byte_record(header).ok());
        let Some(header) = header else {
            let remedy = format!("begin with a line of column names: {}", needed.join(", "));
            return Err(whole("the file is empty or no UTF-8 text", &remedy));
        };
        let (columns, ignored) = columns(&header, needed, optional).map_err(|wrong| {
            let (reason, remedy) = wrong;
            whole(&reason, &remedy)
        })?;
        let mut table = Self { rows: vec![], bad: vec![], ignored };
        for record in records {
            table.take(record, &columns);
        }
        Ok(table)
    }

    fn take(
        &mut self,
        record: Result<csv::ByteRecord, csv::Error>,
        columns: &[Option<&'static str>],
    ) {
        let refuse = |line: u64, reason: String, remedy: &str| BadLine {
            line,
            reason,
            remedy: remedy.to_owned(),
        };
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                self.bad.push(refuse(line, error.to_string(), "see RFC 4180"));
                return;
            }
        };
        let line = record.position().map_or(1, csv::Position::line);
        let Ok(record) = StringRecord::from_byte_record(record) else {
            self.bad.push(refuse(line, "it is not UTF-8".to_owned(), "save the file as CSV UTF-8"));
            return;
        };
        if record.iter().all(str::is_empty) {
            return; // Spreadsheets leave such lines at the end.
        }
        if record.len() != columns.len() {
            let reason =
                format!("it has {} fields, the first line {}", record.len(), columns.len());
            let remedy =
                "put quotes around a field that holds the separator, or add what is missing";
            self.bad.push(refuse(line, reason, remedy));
            return;
        }
        // A quote that is never closed swallows the lines after it.
        if record.iter().any(|field| field.chars().any(char::is_control)) {
            let reason = "a field goes over several lines or holds control characters".to_owned();
            self.bad.push(refuse(line, reason, "close the quote, and write it in one line"));
            return;
        }
        let fields = columns.iter().zip(record.iter());
        let row = fields.filter_map(|(column, field)| Some(((*column)?, field.to_owned())));
        self.rows.push((line, row.collect()));
    }
}

/// The same text with `\n` for every `\r\n`.
fn ends_as_one(bytes: &[u8]) -> Vec<u8> {
    let mut next = bytes.iter().skip(1).chain([&0]);
    let kept = bytes.iter().filter(|byte| (**byte, next.next()) != (b'\r', Some(&b'\n')));
    kept.copied().collect()
}

/// Which column each field belongs to, and the names of those that are not used.
fn columns(
    header: &StringRecord,
    needed: &[&'static str],
    optional: &[&'static str],
) -> Result<(Vec<Option<&'static str>>, Vec<String>), Wrong> {
    let mut ignored = vec![];
    let mut columns = vec![];
    for name in header {
        let known = needed.iter().chain(optional).find(|known| known.eq_ignore_ascii_case(name));
        if known.is_none() && !name.is_empty() {
            ignored.push(name.to_owned());
        }
        if known.is_some() && columns.contains(&known.copied()) {
            let reason = format!("the column `{name}` is there twice");
            return Err((reason, "keep one of the two".to_owned()));
        }
        columns.push(known.copied());
    }
    if let Some(missing) = needed.iter().find(|needed| !columns.contains(&Some(**needed))) {
        let found: Vec<_> = header.iter().collect();
        return Err((
            format!("there is no column `{missing}`, only {}", found.join(", ")),
            format!("name the columns in the first line: {}", needed.join(", ")),
        ));
    }
    Ok((columns, ignored))
}
