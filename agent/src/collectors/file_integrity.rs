//! The kind `file_integrity`: tools that watch files ([`tools`]), and the sums of dpkg ([`sums`]).
//! Needs CAP_DAC_READ_SEARCH for databases and configuration that only root reads.

mod sums;
mod tools;

use super::{Collector, facts};
use crate::host::{Failure, ReadError, Reading};
use evidence::kinds::Kind;
use evidence::kinds::file_integrity::FileIntegrity;

pub(super) const COLLECTOR: Collector = Collector {
    kind: FileIntegrity::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const MEASUREMENTS: &str = "/sys/kernel/security/ima/runtime_measurements_count";

fn collect(reading: &mut Reading<'_>) -> Result<FileIntegrity, Failure> {
    let tools = tools::read(reading);
    let ima_measures = ima(reading);
    let (programs, conffiles) = (sums::programs(reading), sums::conffiles(reading));
    let of_tools =
        |gap: fn(&evidence::kinds::file_integrity::Tool) -> bool| tools.iter().flatten().any(gap);
    reading.gaps([
        ("tools", tools.is_none()),
        ("tools.database", of_tools(|tool| tool.database.is_none())),
        ("tools.scheduled", of_tools(|tool| tool.scheduled.is_none())),
        ("ima_measures", ima_measures.is_none()),
        ("programs", programs.is_none()),
        ("conffiles", conffiles.is_none()),
    ]);
    Ok(FileIntegrity { tools, ima_measures, programs, conffiles })
}

/// Without a policy there is one measurement, of the start itself. The number grows, so that only
/// this is told of it.
fn ima(reading: &mut Reading<'_>) -> Option<bool> {
    if !reading.is_live() {
        return None;
    }
    match reading.text(MEASUREMENTS) {
        Ok(text) => {
            let count = text.trim().parse::<u64>().ok();
            if count.is_none() {
                reading.malformed(MEASUREMENTS, "not a number");
            }
            Some(count? > 1)
        }
        // A kernel without it, unless the whole of securityfs is missing.
        Err(ReadError::Absent) => {
            reading.list("/sys/kernel/security").ok().filter(|names| !names.is_empty())?;
            Some(false)
        }
        Err(_) => None,
    }
}
