//! The kind `capacity`: what sysinfo reads of the running system. Needs no privilege. A value that
//! could not be read shows there as zero: here it is unread, for a host without memory has none to
//! lack.

use super::{Collector, facts};
use crate::host::{Failure, Reading, Resources};
use evidence::kinds::Kind;
use evidence::kinds::capacity::{Capacity, Filesystem, Load, Room};
use std::collections::BTreeMap;

pub(super) const COLLECTOR: Collector = Collector {
    kind: Capacity::NAME,
    schedule: "0 * * * *",
    live_only: true,
    collect: |reading| collect(reading).and_then(facts),
};

const MIB: u64 = 1 << 20;

fn collect(reading: &mut Reading<'_>) -> Result<Capacity, Failure> {
    let found = reading.resources()?;
    let has_memory = found.memory_bytes > 0;
    let facts = Capacity {
        cpus: (found.cpus > 0).then_some(found.cpus as i64),
        memory_mib: has_memory.then(|| mib(found.memory_bytes)),
        memory_left: room(found.memory_available_bytes, found.memory_bytes)
            .filter(|_| found.memory_available_bytes > 0),
        // Both stand in one file: where that was read, none is none.
        swap_mib: has_memory.then(|| mib(found.swap_bytes)),
        swap_left: room(found.swap_free_bytes, found.swap_bytes),
        load: (found.cpus > 0 && has_memory).then(|| load(found.load_hundredths, found.cpus)),
        filesystems: filesystems(&found),
    };
    reading.gaps([
        ("cpus", facts.cpus.is_none()),
        ("memory_mib", facts.memory_mib.is_none()),
        ("memory_left", facts.memory_left.is_none()),
        ("swap_mib", facts.swap_mib.is_none()),
        ("swap_left", facts.swap_left.is_none() && facts.swap_mib != Some(0)),
        ("load", facts.load.is_none()),
        ("filesystems", facts.filesystems.is_none()),
    ]);
    Ok(facts)
}

fn mib(bytes: u64) -> i64 {
    i64::try_from(bytes / MIB).unwrap_or(i64::MAX)
}

fn room(left: u64, whole: u64) -> Option<Room> {
    let pct = left.saturating_mul(100).checked_div(whole)?;
    Some(match pct {
        50.. => Room::Ample,
        20..50 => Room::Enough,
        10..20 => Room::Short,
        _ => Room::Exhausted,
    })
}

fn load(hundredths: u64, cpus: u64) -> Load {
    match hundredths / cpus {
        0..50 => Load::Low,
        50..100 => Load::Moderate,
        100..200 => Load::High,
        _ => Load::Overloaded,
    }
}

/// One that is mounted in several places is listed in each; the last at a place hides the others.
/// None if one of them was not read, and where there is none at all.
fn filesystems(found: &Resources) -> Option<Vec<Filesystem>> {
    let mut places = BTreeMap::new();
    for one in &found.filesystems {
        let used = one.size_bytes.checked_sub(one.available_bytes)?;
        let steps = used.saturating_mul(20).checked_add(one.size_bytes.checked_sub(1)?)?;
        let used_pct = i64::try_from(steps / one.size_bytes * 5).ok()?;
        places.insert(&one.mount, used_pct);
    }
    let row = |(mount, used_pct): (&String, i64)| Filesystem { mount: mount.clone(), used_pct };
    (!places.is_empty()).then(|| places.into_iter().map(row).collect())
}
