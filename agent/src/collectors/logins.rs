//! The kind `logins`: lastlog2 and wtmpdb (SQLite), lastlog(5) and wtmp(5), for the accounts of
//! passwd(5). No privilege is needed where distributions keep their modes. The last login of an
//! account is the newest over all of them, so one that cannot be read whole makes the kind
//! `partial`: a later login may stand in it.

mod database;
mod records;

use super::{Collector, facts};
use crate::formats::passwd::{PasswdLine, shown};
use crate::host::{Failure, Reading};
use evidence::kinds::logins::{Format, LastLogin, Record};
use evidence::kinds::{Kind, Logins};
use std::collections::HashMap;

pub(super) const COLLECTOR: Collector = Collector {
    kind: Logins::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const DAY_S: i64 = 86_400;

/// The accounts of passwd(5), as records name them.
struct People<'a> {
    lines: &'a [PasswdLine],
    by_name: HashMap<&'a [u8], Vec<usize>>,
}

impl<'a> People<'a> {
    fn of(lines: &'a [PasswdLine]) -> Self {
        let mut by_name: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (place, line) in lines.iter().enumerate() {
            by_name.entry(line.name.as_slice()).or_default().push(place);
        }
        Self { lines, by_name }
    }

    /// The lines of a name.
    fn places(&self, name: &[u8]) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

/// What one record says.
struct Found {
    /// Newest login of each line of passwd(5), in seconds since the epoch.
    logins_s: Vec<Option<i64>>,
    /// Oldest entry of any sort.
    oldest_s: Option<i64>,
}

impl Found {
    fn none(people: &People) -> Self {
        Self { logins_s: vec![None; people.lines.len()], oldest_s: None }
    }

    fn login(&mut self, place: usize, at_s: i64) {
        if let Some(newest) = self.logins_s.get_mut(place) {
            *newest = (*newest).max(Some(at_s));
        }
    }

    fn entry(&mut self, at_s: i64) {
        self.oldest_s = Some(self.oldest_s.map_or(at_s, |oldest| oldest.min(at_s)));
    }
}

/// Reads a record: `Ok(None)` where there is none. The failure was recorded with its source.
type Read = fn(&mut Reading<'_>, &People) -> Result<Option<Found>, Failure>;

/// Every format, whether it keeps the last login of each account, and how it is read.
const FORMATS: [(Format, bool, Read); 4] = [
    (Format::Lastlog2, true, database::lastlog2),
    (Format::Wtmpdb, false, database::wtmpdb),
    (Format::Lastlog, true, records::lastlog),
    (Format::Wtmp, false, records::wtmp),
];

fn collect(reading: &mut Reading<'_>) -> Result<Logins, Failure> {
    let passwd = super::accounts::read_passwd(reading)?;
    let people = People::of(&passwd.lines);
    let mut records = Vec::new();
    let mut newest: Vec<Option<(i64, Format)>> = vec![None; people.lines.len()];
    let mut is_whole = true;
    for (format, per_account, read) in FORMATS {
        let found = match read(reading, &people) {
            Ok(None) => continue,
            Ok(Some(found)) => Some(found),
            Err(_) => None,
        };
        is_whole &= found.is_some();
        records.push(record(format, per_account, found.as_ref()));
        let logins_s = found.map(|found| found.logins_s).unwrap_or_default();
        for (newest, at_s) in newest.iter_mut().zip(logins_s) {
            let Some(day) = at_s.map(day) else { continue };
            if newest.is_none_or(|(newest, _)| day > newest) {
                *newest = Some((day, format));
            }
        }
    }
    if !is_whole {
        let gaps = ["holds_logins", "newest_day", "oldest_day"];
        gaps.iter().for_each(|gap| reading.unread(&format!("records.{gap}")));
        reading.unread("last_logins");
        reading.unread("unseen");
        return Ok(Logins { records, last_logins: None, unseen: None });
    }
    let (mut last_logins, mut unseen) = (Vec::new(), Vec::new());
    for (line, newest) in people.lines.iter().zip(newest) {
        let name = shown(&line.name);
        match newest {
            Some((day, proof)) => last_logins.push(LastLogin { name, day, proof }),
            None => unseen.push(name),
        }
    }
    Ok(Logins { records, last_logins: Some(last_logins), unseen: Some(unseen) })
}

fn record(format: Format, per_account: bool, found: Option<&Found>) -> Record {
    let newest_s = found.and_then(|found| found.logins_s.iter().max().copied().flatten());
    let oldest_s = found.filter(|_| !per_account).and_then(|found| found.oldest_s);
    Record {
        format,
        per_account,
        holds_logins: found.map(|_| newest_s.is_some()),
        newest_day: newest_s.map(day),
        oldest_day: oldest_s.map(day),
    }
}

/// The UTC day of a time.
fn day(at_s: i64) -> i64 {
    at_s.div_euclid(DAY_S)
}
