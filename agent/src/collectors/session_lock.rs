//! The kind `session_lock`: GNOME by the compiled databases of dconf(7) that the profile names and
//! by overrides of its schemas, KDE by /etc/xdg/kscreenlockerrc, display managers by their files.
//! Needs no privilege. What counts is what was compiled: key files that nobody compiled are no
//! policy, and are not read.

mod display;
mod gnome;
mod kde;

use super::{Collector, facts};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::session_lock::{Desktop, ScreenLock};
use evidence::kinds::{Kind, SessionLock};

pub(super) const COLLECTOR: Collector = Collector {
    kind: SessionLock::NAME,
    schedule: "0 */6 * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

/// The program without which there is no session of a desktop.
const PROGRAMS: [(&str, Desktop); 7] = [
    ("/usr/bin/cinnamon-session", Desktop::Cinnamon),
    ("/usr/bin/gnome-shell", Desktop::Gnome),
    ("/usr/bin/plasmashell", Desktop::Kde),
    ("/usr/bin/lxqt-session", Desktop::Lxqt),
    ("/usr/bin/mate-session", Desktop::Mate),
    ("/usr/bin/sway", Desktop::Sway),
    ("/usr/bin/xfce4-session", Desktop::Xfce),
];

fn collect(reading: &mut Reading<'_>) -> Result<SessionLock, Failure> {
    let desktops = desktops(reading).ok();
    let effective = desktops.as_deref().map(|desktops| effective(reading, desktops));
    let effective = effective.unwrap_or(Err(Failure(Status::Absent)));
    let autologin = display::autologin(reading).ok();
    reading.gaps([
        ("desktops", desktops.is_none()),
        ("effective", effective.is_err()),
        ("autologin", autologin.is_none()),
    ]);
    Ok(SessionLock { desktops, effective: effective.ok().flatten(), autologin })
}

fn desktops(reading: &Reading<'_>) -> Result<Vec<Desktop>, Failure> {
    let mut found = Vec::new();
    for (path, desktop) in PROGRAMS {
        match reading.stat(path) {
            Ok(_) => found.push(desktop),
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

fn effective(
    reading: &mut Reading<'_>,
    desktops: &[Desktop],
) -> Result<Option<ScreenLock>, Failure> {
    let mut weakest: Option<ScreenLock> = None;
    for desktop in desktops {
        let own = match desktop {
            Desktop::Gnome => gnome::lock(reading)?,
            Desktop::Kde => kde::lock(reading)?,
            _ => return Err(Failure(Status::Unsupported)),
        };
        weakest = Some(match weakest {
            None => own,
            Some(other) => ScreenLock {
                enabled: other.enabled && own.enabled,
                timeout_s: other.timeout_s.max(own.timeout_s),
                user_overridable: other.user_overridable || own.user_overridable,
            },
        });
    }
    Ok(weakest)
}
