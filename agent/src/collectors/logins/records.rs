//! lastlog(5) and wtmp(5): records of a fixed length.

use super::{Found, People};
use crate::formats::utmp::{self, LASTLOG_BYTES, WTMP_BYTES};
use crate::host::{Failure, Opened, ReadError, Reading};
use evidence::Status;

const LASTLOG: &str = "/var/log/lastlog";
/// Newest first: a rotation in between makes one file be read twice, and none be missed. What was
/// rotated earlier is compressed or carries a date; it is not read.
const WTMP: [&str; 2] = ["/var/log/wtmp", "/var/log/wtmp.1"];
/// Bound of each: half a million entries are 192 MiB.
const MAX_WTMP_BYTES: u64 = 192 << 20;
/// Records read at a time.
const AT_ONCE: usize = 1024;
const CHANGED: &str = "it changed while it was read";

/// One record at uid × 292 for each account: the file is sparse, and is as long as the highest uid
/// makes it.
pub(super) fn lastlog(
    reading: &mut Reading<'_>,
    people: &People,
) -> Result<Option<Found>, Failure> {
    let file = match reading.open(LASTLOG) {
        Err(ReadError::Absent) => return Ok(None),
        other => other?,
    };
    whole_records(reading, LASTLOG, &file, LASTLOG_BYTES)?;
    let mut found = Found::none(people);
    for (place, line) in people.lines.iter().enumerate() {
        let mut record = [0; LASTLOG_BYTES];
        let at = u64::from(line.uid) * LASTLOG_BYTES as u64;
        match read_at(reading, LASTLOG, &file, at, &mut record)? {
            // Past the end there is nobody.
            0 => continue,
            LASTLOG_BYTES => {}
            _ => return malformed(reading, LASTLOG, CHANGED),
        }
        match utmp::last_login(&record) {
            Ok(Some(at_s)) => found.login(place, at_s),
            Ok(None) => {}
            Err(error) => {
                return malformed(reading, LASTLOG, format!("uid {}: {error}", line.uid));
            }
        }
    }
    Ok(Some(found))
}

pub(super) fn wtmp(reading: &mut Reading<'_>, people: &People) -> Result<Option<Found>, Failure> {
    let mut found = None;
    for path in WTMP {
        match reading.open(path) {
            Ok(file) => {
                let found = found.get_or_insert_with(|| Found::none(people));
                entries(reading, path, &file, people, found)?;
            }
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

fn entries(
    reading: &mut Reading<'_>,
    path: &str,
    file: &Opened,
    people: &People,
    found: &mut Found,
) -> Result<(), Failure> {
    whole_records(reading, path, file, WTMP_BYTES)?;
    if file.size_bytes() > MAX_WTMP_BYTES {
        let error = ReadError::TooLarge(MAX_WTMP_BYTES);
        reading.failed(path, error);
        return Err(error.into());
    }
    let mut buffer = vec![0; AT_ONCE * WTMP_BYTES];
    let mut at = 0;
    while at < file.size_bytes() {
        let read = read_at(reading, path, file, at, &mut buffer)?;
        // Of a record that is being written, the rest comes with the next piece.
        let whole = read - read % WTMP_BYTES;
        if whole == 0 {
            return malformed(reading, path, CHANGED);
        }
        for record in buffer[..whole].chunks_exact(WTMP_BYTES) {
            match utmp::entry(record) {
                Ok(Some(entry)) => {
                    let places = entry.user.map_or(&[][..], |user| people.places(user));
                    places.iter().for_each(|place| found.login(*place, entry.at_s));
                    found.entry(entry.at_s);
                }
                Ok(None) => {}
                Err(error) => return malformed(reading, path, error.to_string()),
            }
        }
        at += whole as u64;
    }
    Ok(())
}

fn whole_records(
    reading: &mut Reading<'_>,
    path: &str,
    file: &Opened,
    length: usize,
) -> Result<(), Failure> {
    if file.size_bytes().is_multiple_of(length as u64) {
        return Ok(());
    }
    malformed(reading, path, format!("no whole number of records of {length} bytes"))
}

fn read_at(
    reading: &mut Reading<'_>,
    path: &str,
    file: &Opened,
    at: u64,
    buffer: &mut [u8],
) -> Result<usize, Failure> {
    file.read_at(at, buffer).map_err(|error| {
        reading.failed(path, error);
        error.into()
    })
}

fn malformed<T>(
    reading: &mut Reading<'_>,
    path: &str,
    note: impl Into<String>,
) -> Result<T, Failure> {
    reading.malformed(path, note);
    Err(Failure(Status::ParseError))
}
