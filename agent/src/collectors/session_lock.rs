//! The kind `session_lock`: GNOME by the compiled databases of dconf(7) that the profile names and
//! by overrides of its schemas, KDE by /etc/xdg/kscreenlockerrc, display managers by their files,
//! shells by the profile of bash(1), all sessions by logind.conf(5).
//! Needs no privilege. What counts is what was compiled: key files that nobody compiled are no
//! policy, and only a remark is made of them.

mod display;
mod gnome;
mod idle;
mod kde;
mod notice;
mod shells;

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
    let has_gnome = desktops.as_ref().map(|desktops| desktops.contains(&Desktop::Gnome));
    let media = match has_gnome {
        Some(true) => gnome::media(reading).map(Some),
        Some(false) => Ok(None),
        None => Err(Failure(Status::Absent)),
    };
    let autologin = display::autologin(reading).ok();
    let shell = shells::timeout(reading).ok();
    let idle = idle::read(reading);
    let issue = notice::issue(reading).ok();
    let issue_net = notice::issue_net(reading).ok();
    reading.gaps([
        ("desktops", desktops.is_none()),
        ("effective", effective.is_err()),
        ("autologin", autologin.is_none()),
        ("media", media.is_err()),
        ("tmout_s", shell.is_none()),
        ("tmout_readonly", shell.is_none()),
        ("stop_idle_session_s", idle.is_err()),
        ("idle_action", idle.is_err()),
        ("idle_action_s", idle.is_err()),
        ("issue", issue.is_none()),
        ("issue_net", issue_net.is_none()),
    ]);
    let stop_idle_session_s = idle.as_ref().ok().map(|idle| idle.as_ref().map_or(0, |i| i.stop_s));
    let idle = idle.ok().flatten();
    Ok(SessionLock {
        desktops,
        effective: effective.ok().flatten(),
        autologin,
        media: media.ok().flatten(),
        tmout_s: shell.map(|shell| shell.seconds.unwrap_or(0)),
        tmout_readonly: shell.map(|shell| shell.is_readonly),
        stop_idle_session_s,
        idle_action: idle.as_ref().map(|idle| idle.action.clone()),
        idle_action_s: idle.map(|idle| idle.action_s),
        issue,
        issue_net,
    })
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
