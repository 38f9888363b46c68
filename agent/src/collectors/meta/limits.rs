//! What bounds the agent: its own limits, and the memory of its control groups.

use crate::formats::proc_limits;
use crate::host::{ReadError, Reading};
use crate::modest;
use evidence::kinds::meta::Limits;

const LIMITS: &str = "/proc/self/limits";
const STAT: &str = "/proc/self/stat";
const CGROUP: &str = "/proc/self/cgroup";
const GROUPS: &str = "/sys/fs/cgroup";

pub(super) fn read(reading: &mut Reading<'_>) -> Limits {
    let text = reading.text(LIMITS).ok();
    let soft = |name: &str| proc_limits::soft(text.as_deref()?, name);
    let number = |limit: Option<u64>| i64::try_from(limit.unwrap_or(0)).ok();
    let data = soft("Max data size");
    let open_files = soft("Max open files").and_then(number);
    let memory = data.zip(of_groups(reading)).map(|(data, groups)| least(data, groups));
    Limits {
        nice: reading.text(STAT).ok().and_then(|stat| modest::nice(&stat)),
        open_files,
        memory_bytes: memory.and_then(number),
        dumps_core: soft("Max core file size").map(|limit| limit != Some(0)),
    }
}

fn least(one: Option<u64>, two: Option<u64>) -> Option<u64> {
    [one, two].into_iter().flatten().min()
}

/// The least of the group and those around it; the inner `None` is no bound, the outer one not read.
fn of_groups(reading: &mut Reading<'_>) -> Option<Option<u64>> {
    let text = match reading.text(CGROUP) {
        // A kernel without control groups.
        Err(ReadError::Absent) => return Some(None),
        other => other.ok()?,
    };
    let mut path = text.lines().find_map(|line| line.strip_prefix("0::"))?.trim_end_matches('/');
    let mut bound = None;
    loop {
        match reading.text(&format!("{GROUPS}{path}/memory.max")) {
            Ok(text) => match text.trim() {
                "max" => {}
                number => bound = least(bound, Some(number.parse().ok()?)),
            },
            // The outermost has none.
            Err(ReadError::Absent) => {}
            Err(_) => return None,
        }
        match path.rsplit_once('/') {
            Some((outer, _)) => path = outer,
            None => return Some(bound),
        }
    }
}
