//! What systemd-logind does with idle sessions (logind.conf(5)).

use super::super::systemd;
use crate::formats::systemd_config::seconds;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use std::collections::BTreeMap;

const CONFIGURATION: &str = "logind.conf";
/// Where the program is; releases that do not know a setting do not have its name in them.
const PROGRAMS: [&str; 2] = ["/usr/lib/systemd/systemd-logind", "/lib/systemd/systemd-logind"];
const MAX_PROGRAM_BYTES: u64 = 16 << 20;
const STOP: &str = "StopIdleSessionSec";
const DEFAULT_ACTION_S: i64 = 30 * 60;

pub(super) struct Idle {
    pub(super) stop_s: i64,
    pub(super) action: String,
    pub(super) action_s: i64,
}

/// `None` where there is no systemd-logind.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<Option<Idle>, Failure> {
    let is_there = reading.any_is_there(&PROGRAMS).ok_or(Failure(Status::Denied))?;
    if !is_there {
        return Ok(None);
    }
    let settings = systemd::merged(reading, CONFIGURATION, "Login")?;
    let stop_s = match time(&settings, STOP, 0)? {
        0 => 0,
        seconds if knows(reading, STOP)? => seconds,
        _ => 0,
    };
    let action = settings.get("IdleAction").map_or("", String::as_str);
    let action = if action.is_empty() { "ignore" } else { action }.to_owned();
    let action_s = time(&settings, "IdleActionSec", DEFAULT_ACTION_S)?;
    Ok(Some(Idle { stop_s, action, action_s }))
}

fn time(settings: &BTreeMap<String, String>, key: &str, default: i64) -> Result<i64, Failure> {
    match settings.get(key).map(String::as_str) {
        None | Some("") => Ok(default),
        Some("infinity") => Ok(0),
        Some(text) => seconds(text).ok_or(Failure(Status::ParseError)),
    }
}

fn knows(reading: &mut Reading<'_>, setting: &str) -> Result<bool, Failure> {
    for path in PROGRAMS {
        match reading.bytes(path, MAX_PROGRAM_BYTES) {
            Ok(program) => {
                let name = setting.as_bytes();
                return Ok(program.windows(name.len()).any(|window| window == name));
            }
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}
