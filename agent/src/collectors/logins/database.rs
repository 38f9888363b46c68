//! lastlog2 and wtmpdb: one table each in an SQLite file.
//!
//! The file is read without a lock, for a lock would be a write. What is read counts only if no
//! journal stood beside it before or after, and if a second look finds the same bytes: a log that
//! was not merged yet (`-wal`) or a transaction that was not finished (`-journal`) could hold later
//! logins, or half of one.

use super::{Found, People};
use crate::formats::sqlite::{Database, SqliteError, Value};
use crate::host::{Failure, ReadError, Reading};
use evidence::{Digest, Status};

const LASTLOG2: &str = "/var/lib/lastlog/lastlog2.db";
const WTMPDB: &str = "/var/lib/wtmpdb/wtmp.db";
/// Seventy thousand logins, held twice for a moment. `wtmpdb rotate` keeps the file small.
const MAX_BYTES: u64 = 8 << 20;
/// How often a file that changes under the reader is read before it is given up.
const ATTEMPTS: u32 = 3;
/// `USER_PROCESS` of wtmpdb.h: a session.
const USER_PROCESS: i64 = 3;

/// The table `Lastlog2(Name, Time, …)` of liblastlog2, time in seconds.
pub(super) fn lastlog2(
    reading: &mut Reading<'_>,
    people: &People,
) -> Result<Option<Found>, Failure> {
    let Some(bytes) = stable(reading, LASTLOG2)? else { return Ok(None) };
    let mut found = Found::none(people);
    let columns = ["Name", "Time"];
    rows(&bytes, "Lastlog2", columns, &mut |[name, time]| {
        // A name that was added and never logged in has the time 0.
        if let (Value::Text(name), Value::Int(at_s @ 1..)) = (name, time) {
            people.places(name).iter().for_each(|place| found.login(*place, at_s));
        }
    })
    .map_err(|error| refused(reading, LASTLOG2, &error))?;
    Ok(Some(found))
}

/// The table `wtmp(Type, User, Login, …)` of wtmpdb, time in microseconds.
pub(super) fn wtmpdb(reading: &mut Reading<'_>, people: &People) -> Result<Option<Found>, Failure> {
    let Some(bytes) = stable(reading, WTMPDB)? else { return Ok(None) };
    let mut found = Found::none(people);
    let columns = ["Type", "User", "Login"];
    rows(&bytes, "wtmp", columns, &mut |[sort, user, login]| {
        let Value::Int(at_us @ 1..) = login else { return };
        let at_s = at_us / 1_000_000;
        found.entry(at_s);
        if let (Value::Int(USER_PROCESS), Value::Text(user)) = (sort, user) {
            people.places(user).iter().for_each(|place| found.login(*place, at_s));
        }
    })
    .map_err(|error| refused(reading, WTMPDB, &error))?;
    Ok(Some(found))
}

/// Why the rows of a table cannot be had.
#[derive(Debug, thiserror::Error)]
enum TableError {
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
    #[error("there is no column {0} in its table")]
    Column(&'static str),
    /// Its name may be damaged: that is not said to be empty.
    #[error("its table is not there, but something else is")]
    Table,
    #[error("a name in it is no text")]
    Name,
}

/// The values of some columns, row by row. A database in which nothing was recorded yet has no table.
fn rows<const N: usize>(
    bytes: &[u8],
    table: &str,
    columns: [&'static str; N],
    each: &mut dyn FnMut([Value<'_>; N]),
) -> Result<(), TableError> {
    let database = Database::open(&bytes)?;
    let Some(table) = database.table(table)? else {
        return if database.is_new()? { Ok(()) } else { Err(TableError::Table) };
    };
    let mut places = [0; N];
    for (place, column) in places.iter_mut().zip(columns) {
        *place = table.column(column).ok_or(TableError::Column(column))?;
    }
    let mut are_names = true;
    database.rows(&table, &mut |row| {
        let values = places.map(|place| row.get(place).copied().unwrap_or(Value::Null));
        are_names &= values.iter().all(is_name);
        each(values);
    })?;
    // A damaged name is nobody's: that somebody was never seen would be said of its owner.
    if are_names { Ok(()) } else { Err(TableError::Name) }
}

/// Whether a text is one; of numbers nothing is asked.
fn is_name(value: &Value<'_>) -> bool {
    let Value::Text(bytes) = value else { return true };
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// The bytes of a database that holds everything its writers have committed; `None` without one.
fn stable(reading: &mut Reading<'_>, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    if reading.link(path).is_ok() {
        // The journals stand beside the file it leads to.
        reading.bytes(path, MAX_BYTES)?;
        reading.malformed(path, "a link, which is not followed");
        return Err(Failure(Status::Unsupported));
    }
    for _ in 0..ATTEMPTS {
        journals_are_empty(reading, path)?;
        let bytes = match reading.bytes(path, MAX_BYTES) {
            Err(ReadError::Absent) => return Ok(None),
            other => other?,
        };
        journals_are_empty(reading, path)?;
        if bytes.is_empty() || Digest::of(&bytes) == Digest::of(&reading.bytes(path, MAX_BYTES)?) {
            return Ok(Some(bytes));
        }
    }
    reading.malformed(path, "it changed whenever it was read");
    Err(Failure(Status::ParseError))
}

fn journals_are_empty(reading: &mut Reading<'_>, path: &str) -> Result<(), Failure> {
    for journal in ["wal", "journal"] {
        let journal = format!("{path}-{journal}");
        match reading.stat(&journal) {
            Err(ReadError::Absent) => {}
            Ok(meta) if meta.size_bytes == 0 => {}
            Ok(_) => {
                reading.failed(&journal, ReadError::WrongType);
                reading.note(&journal, "not merged into the database: its logins cannot be read");
                return Err(Failure(Status::IoError));
            }
            Err(error) => {
                reading.failed(&journal, error);
                return Err(error.into());
            }
        }
    }
    Ok(())
}

fn refused(reading: &mut Reading<'_>, path: &str, error: &TableError) -> Failure {
    reading.malformed(path, error.to_string());
    Failure(Status::ParseError)
}
