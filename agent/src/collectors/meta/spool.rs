//! The spool as a class: what it holds changes with every check-in, and would make facts of an idle
//! host move.

use crate::host::{ReadError, Reading};
use crate::spool::Dropped;
use evidence::kinds::meta::{Spool, SpoolState};

const DAY_MS: i64 = 86_400_000;

pub(super) fn read(reading: &mut Reading<'_>, state: Option<&str>) -> Spool {
    let Some(state) = state else { return Spool::default() };
    let directory = format!("{}/spool", state.trim_end_matches('/'));
    let dropped = dropped(reading, &directory);
    let oldest_s = oldest_waiting_s(reading, &directory);
    let state = oldest_s.and_then(|oldest_s| match oldest_s {
        None => Some(SpoolState::Empty),
        Some(oldest_s) => dropped.as_ref().map(|dropped| {
            let is_dropping = !nothing(dropped) && dropped.last_ms / 1000 >= oldest_s;
            if is_dropping { SpoolState::Dropping } else { SpoolState::Waiting }
        }),
    });
    Spool {
        state,
        has_dropped: dropped.as_ref().map(|dropped| !nothing(dropped)),
        last_dropped_day: dropped
            .filter(|dropped| !nothing(dropped))
            .map(|dropped| dropped.last_ms.div_euclid(DAY_MS)),
    }
}

fn nothing(dropped: &Dropped) -> bool {
    dropped.facts == 0 && dropped.lost == 0
}

/// The account of what was dropped. Without the file, nothing was.
fn dropped(reading: &mut Reading<'_>, directory: &str) -> Option<Dropped> {
    let path = format!("{directory}/{}", Dropped::FILE);
    match reading.text(&path) {
        Ok(text) => match serde_json::from_str(&text) {
            Ok(dropped) => Some(dropped),
            Err(_) => {
                reading.malformed(&path, "not of its form");
                None
            }
        },
        Err(ReadError::Absent) => Some(Dropped::default()),
        Err(_) => None,
    }
}

/// When the oldest check-in that waits was written, in seconds since the epoch; `Some(None)` if none
/// waits. One that is delivered while this looks is as good as none.
fn oldest_waiting_s(reading: &mut Reading<'_>, directory: &str) -> Option<Option<i64>> {
    let names = reading.list(directory).ok()?;
    let mut oldest = None;
    for name in names.iter().filter(|name| name.ends_with(".checkin")) {
        match reading.stat(&format!("{directory}/{name}")) {
            Ok(meta) => {
                oldest = Some(oldest.map_or(meta.modified_s, |s: i64| s.min(meta.modified_s)));
            }
            Err(ReadError::Absent) => {}
            Err(error) => {
                reading.failed(&format!("{directory}/{name}"), error);
                return None;
            }
        }
    }
    Some(oldest)
}
