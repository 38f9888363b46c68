//! What the kernel says of time, so that an age depends on nothing but what is read.

use crate::host::{Failure, Reading};
use evidence::Status;

/// Ticks per second in what the kernel shows of processes (USER_HZ, time(7)): 100 wherever Linux
/// runs today but on Alpha.
const TICKS_PER_SECOND: i64 = 100;

/// Seconds since the epoch: when the kernel started, and for how long it runs.
pub(super) fn now(reading: &mut Reading<'_>) -> Result<i64, Failure> {
    let started = booted(reading)?;
    let uptime = reading.text("/proc/uptime")?;
    let runs = uptime.split('.').next().and_then(|seconds| seconds.parse::<i64>().ok());
    runs.map(|runs| started + runs).ok_or(Failure(Status::ParseError))
}

fn booted(reading: &mut Reading<'_>) -> Result<i64, Failure> {
    let stat = reading.text("/proc/stat")?;
    let mut lines = stat.lines();
    let started = lines.find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
    started.ok_or(Failure(Status::ParseError))
}

/// When a process started, in seconds since the epoch, rounded up: field 22 of /proc/PID/stat. The
/// second field is a name in parentheses, which may hold any character.
pub(super) fn process_start(reading: &mut Reading<'_>, pid: u32) -> Result<i64, Failure> {
    let stat = reading.process_text(pid, "stat")?;
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    let ticks = fields.and_then(|fields| fields.split(' ').nth(19)?.parse::<i64>().ok());
    let ticks = ticks.ok_or(Failure(Status::ParseError))?;
    // btime has been rounded too.
    Ok(booted(reading)? + ticks / TICKS_PER_SECOND + 2)
}
