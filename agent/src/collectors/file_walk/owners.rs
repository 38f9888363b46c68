//! Who a file may belong to.

use crate::formats::{nsswitch, passwd};
use crate::host::{MAX_FILE_BYTES, Meta, ReadError, Reading};
use std::collections::HashSet;

/// Users that systemd makes while a service runs (`DynamicUser=`), and where their files stay.
const DYNAMIC: std::ops::RangeInclusive<u32> = 61_184..=65_519;
const DYNAMIC_PLACES: [&[u8]; 4] =
    [b"/var/lib/private/", b"/var/cache/private/", b"/var/log/private/", b"/run/private/"];

/// Numbers that somebody has.
pub(super) struct Owners {
    uids: HashSet<u32>,
    gids: HashSet<u32>,
    sub_uids: Vec<(u32, u32)>,
    sub_gids: Vec<(u32, u32)>,
}

impl Owners {
    /// `None` where it cannot be told who is somebody: a file that was not read, or a directory that
    /// gives accounts too.
    pub(super) fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let services = services(reading);
        let uids = records(reading, "/etc/passwd", passwd::passwd);
        let gids = records(reading, "/etc/group", passwd::group);
        let sub_uids = ranges(reading, "/etc/subuid");
        let sub_gids = ranges(reading, "/etc/subgid");
        services?;
        Some(Self {
            uids: uids?.iter().map(|line| line.uid).collect(),
            gids: gids?.iter().map(|line| line.gid).collect(),
            sub_uids: sub_uids?,
            sub_gids: sub_gids?,
        })
    }

    pub(super) fn know(&self, path: &[u8], meta: &Meta) -> bool {
        let within =
            |ranges: &[(u32, u32)], id| ranges.iter().any(|(f, l)| (*f..=*l).contains(&id));
        let is_dynamic =
            |id| DYNAMIC.contains(&id) && DYNAMIC_PLACES.iter().any(|at| path.starts_with(at));
        let user = self.uids.contains(&meta.uid) || within(&self.sub_uids, meta.uid);
        let group = self.gids.contains(&meta.gid) || within(&self.sub_gids, meta.gid);
        (user || is_dynamic(meta.uid)) && (group || is_dynamic(meta.gid))
    }
}

fn records<T>(
    reading: &mut Reading<'_>,
    path: &str,
    parse: fn(&[u8]) -> passwd::Records<T>,
) -> Option<Vec<T>> {
    let bytes = reading.config_bytes(path, MAX_FILE_BYTES).ok()?;
    let records = parse(&bytes);
    if let Some(faults) = records.faults {
        reading.malformed(path, faults.to_string());
        return None;
    }
    // Lines of NIS stand for accounts that are not in the file.
    (records.legacy == 0).then_some(records.lines)
}

/// Only the files, and services that know no more of files on a disk than they do.
fn services(reading: &mut Reading<'_>) -> Option<()> {
    let path = "/etc/nsswitch.conf";
    let text = match reading.config(path) {
        // The C library then asks the files alone; Alpine's has no other way.
        Err(ReadError::Absent) => return Some(()),
        other => other.ok()?,
    };
    for database in ["passwd", "group"] {
        let Some(services) = nsswitch::services(&text, database) else {
            reading.malformed(path, format!("no single line of `{database}`"));
            return None;
        };
        let local = ["files", "compat", "systemd"];
        if services.is_empty() || services.iter().any(|one| !local.contains(&one.as_str())) {
            return None;
        }
    }
    Some(())
}

/// subuid(5): `NAME:FIRST:COUNT`. Without the file nobody has any.
fn ranges(reading: &mut Reading<'_>, path: &str) -> Option<Vec<(u32, u32)>> {
    let text = match reading.config(path) {
        Err(ReadError::Absent) => return Some(Vec::new()),
        other => other.ok()?,
    };
    let mut ranges = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(range) = range(line) else {
            reading.malformed(path, format!("line {number}: not NAME:FIRST:COUNT"));
            return None;
        };
        ranges.push(range);
    }
    Some(ranges)
}

fn range(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.split(':');
    let (_name, first, count) = (fields.next()?, fields.next()?, fields.next()?);
    let (first, count): (u32, u32) = (first.parse().ok()?, count.trim().parse().ok()?);
    fields.next().is_none().then_some(())?;
    // Root's own numbers are nobody else's.
    let last = first.checked_add(count.checked_sub(1)?)?;
    (first > 0).then_some((first, last))
}
