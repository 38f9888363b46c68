//! KDE's screen locker. `[$i]` behind a key, a group or the file keeps users from changing it; other
//! letters there have the value expanded, or deleted.

use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::session_lock::ScreenLock;

const FILE: &str = "/etc/xdg/kscreenlockerrc";
const IMMUTABLE: &str = "[$i]";

pub(super) fn lock(reading: &mut Reading<'_>) -> Result<ScreenLock, Failure> {
    let text = match reading.config(FILE) {
        Err(ReadError::Absent) => String::new(),
        other => other?,
    };
    let (mut autolock, mut needs_password) = (true, true);
    let (mut minutes, mut grace) = (5_i64, 5_i64);
    let (mut file_fixed, mut group_fixed, mut inside) = (false, false, false);
    let mut all_fixed = false;
    let mut fixed = [false; 4];
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == IMMUTABLE {
            file_fixed = true;
            continue;
        }
        if line.starts_with('[') {
            inside = line.strip_suffix(IMMUTABLE).unwrap_or(line) == "[Daemon]";
            group_fixed = line.ends_with(IMMUTABLE);
            // Of a fixed group the keys that are not there are fixed too.
            all_fixed |= inside && group_fixed;
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(Failure(Status::ParseError))?;
        let (key, options) = match key.trim().split_once("[$") {
            Some((key, options)) => (key, options),
            None => (key.trim(), ""),
        };
        let is_fixed = file_fixed || group_fixed || options.contains('i');
        // What it is then is not in this file.
        let is_open = options.contains(['d', 'e']);
        let number = || value.trim().parse().map_err(|_| Failure(Status::ParseError));
        let boolean = || value.trim().parse().map_err(|_| Failure(Status::ParseError));
        let index = match key {
            _ if !inside => continue,
            "Autolock" | "Timeout" | "LockGrace" | "RequirePassword" if is_open => {
                return Err(Failure(Status::Unsupported));
            }
            "Autolock" => {
                autolock = boolean()?;
                0
            }
            "RequirePassword" => {
                needs_password = boolean()?;
                3
            }
            "Timeout" => {
                minutes = number()?;
                1
            }
            "LockGrace" => {
                grace = number()?;
                2
            }
            _ => continue,
        };
        fixed[index] = is_fixed;
    }
    let enabled = autolock && minutes > 0 && needs_password;
    let everything = file_fixed || all_fixed || fixed.iter().all(|fixed| *fixed);
    let timeout_s = minutes.clamp(0, 1 << 30) * 60 + grace.clamp(0, 1 << 30);
    Ok(ScreenLock {
        enabled,
        timeout_s: if enabled { timeout_s } else { 0 },
        user_overridable: !everything,
    })
}
