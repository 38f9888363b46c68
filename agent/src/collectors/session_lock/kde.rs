//! KDE's screen locker. `[$i]` behind a key, a group or the file keeps users from changing it.

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
    let (mut autolock, mut minutes, mut grace) = (true, 5_i64, 5_i64);
    let (mut file_fixed, mut group_fixed, mut inside) = (false, false, false);
    let mut fixed = [false; 3];
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
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(Failure(Status::ParseError))?;
        let is_fixed = file_fixed || group_fixed || key.trim().ends_with(IMMUTABLE);
        let key = key.trim().trim_end_matches(IMMUTABLE);
        let number = || value.trim().parse().map_err(|_| Failure(Status::ParseError));
        let index = match key {
            _ if !inside => continue,
            "Autolock" => {
                autolock = value.trim().parse().map_err(|_| Failure(Status::ParseError))?;
                0
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
    let enabled = autolock && minutes > 0;
    let everything = file_fixed || fixed.iter().all(|fixed| *fixed);
    let timeout_s = minutes.clamp(0, 1 << 30) * 60 + grace.clamp(0, 1 << 30);
    Ok(ScreenLock {
        enabled,
        timeout_s: if enabled { timeout_s } else { 0 },
        user_overridable: !everything,
    })
}
