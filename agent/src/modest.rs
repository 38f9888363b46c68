//! What the agent leaves to others where no unit of systemd bounds it: it steps back for whoever
//! wants the processor (and with that the disk, ioprio_set(2)), and ends rather than grow.
//!
//! Only ever less is taken: what is lower already stays. Under the unit, whose filter would refuse
//! these calls, everything is, and none is made.

use crate::formats::proc_limits;
use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};

/// As the unit has it.
const NICE: i32 = 10;
/// Many times what all kinds together need.
const DATA_BYTES: u64 = 256 << 20;
const OPEN_FILES: u64 = 1024;
/// What was in memory stays there.
const CORE_BYTES: u64 = 0;

const BOUNDS: [(Resource, &str, u64); 3] = [
    (Resource::Data, "Max data size", DATA_BYTES),
    (Resource::Nofile, "Max open files", OPEN_FILES),
    (Resource::Core, "Max core file size", CORE_BYTES),
];

/// Bounds this thread and all that it starts from now on: before the runtime starts.
pub fn step_back() {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    for (resource, name, most) in BOUNDS {
        let Some(soft) = proc_limits::soft(&text, name) else { continue };
        if soft.is_none_or(|soft| soft > most) {
            let bound = Rlimit { current: Some(most), maximum: Some(most) };
            if let Err(error) = setrlimit(resource, bound) {
                tracing::debug!(%error, name, "a limit is left as it is");
            }
        }
    }
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    if nice(&stat).is_some_and(|nice| nice < NICE.into())
        && let Err(error) = setpriority_process(None, NICE)
    {
        tracing::debug!(%error, "the priority is left as it is");
    }
}

/// The nice value in /proc/PID/stat (proc_pid_stat(5)), where the name of the program may hold
/// anything.
pub(crate) fn nice(stat: &str) -> Option<i64> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(16)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::nice;

    #[test]
    fn the_nice_value_is_found_behind_any_name() {
        let stat = "12 (a) 10 b)) S 1 12 12 0 -1 4194304 1 0 0 0 0 0 0 0 20 -5 1 0 100 0 0\n";
        assert_eq!(nice(stat), Some(-5));
        assert_eq!(nice("12 (a) S 1"), None);
        assert_eq!(nice(""), None);
    }
}
