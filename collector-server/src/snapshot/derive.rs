//! What people and their tools read: made from the documents of a snapshot and from nothing else, so
//! that whoever verifies makes it again and compares. Nothing here reads the store or a clock.

mod fleet;
mod lists;
mod oscal;
mod readme;
mod report;
mod sampled;

use super::SnapshotError;
use super::document::Head;
use super::files::Documents;
use super::rules::Shelf;
use fleet::Fleet;
use std::io::{self, Write};

/// Where derived files go: a directory, or digests to compare with.
pub(super) trait Output {
    /// Begins a file.
    fn open(&mut self, name: &str) -> Result<Box<dyn Out>, SnapshotError>;
}

/// A file that is being written.
pub(super) trait Out: Write {
    /// Says that it is whole.
    fn end(self: Box<Self>) -> io::Result<()>;
}

/// What was found on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Derived {
    /// Hosts whose results on record are not those of judging again.
    pub(super) disagreeing: u64,
}

/// Names of the files that are derived begin so; each file that does is derived.
pub(super) const FOLDERS: [&str; 5] = ["README.txt", "lists/", "oscal/", "report.html", "sample/"];

/// Makes all of it.
pub(super) fn all(
    from: &mut dyn Documents,
    shelf: &Shelf,
    out: &mut dyn Output,
) -> Result<Derived, SnapshotError> {
    let head: Head = fleet::document(from, "snapshot.json")?;
    let lists = lists::Lists::open(out, head.asked.sample.is_some())?;
    let fleet = Fleet::read(from, shelf, head, lists)?;
    lists::of_fleet(&fleet, out)?;
    oscal::write(&fleet, out)?;
    sampled::write(&fleet, from, out)?;
    put(out, "report.html", report::html(&fleet)?.as_bytes())?;
    put(out, "README.txt", readme::text(&fleet.head).as_bytes())?;
    Ok(Derived { disagreeing: fleet.disagreeing })
}

fn put(out: &mut dyn Output, name: &str, bytes: &[u8]) -> Result<(), SnapshotError> {
    let mut file = out.open(name)?;
    let written = file.write_all(bytes).and_then(|()| file.end());
    written.map_err(|source| SnapshotError::File { path: name.into(), source })
}

/// A time for people: UTC, to the second.
fn time(us: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(us);
    at.map_or_else(|_| us.to_string(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
