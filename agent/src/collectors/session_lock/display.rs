//! Display managers that log somebody in. Any file that says so counts: one that another file
//! overrules is a warning too many, and none too few.

use crate::host::{Failure, FileKind, ReadError, Reading};
use evidence::Status;

const FILES: [&str; 11] = [
    "/etc/gdm3/custom.conf",
    "/etc/gdm3/daemon.conf",
    "/etc/gdm/custom.conf",
    "/run/gdm/custom.conf",
    "/run/gdm3/custom.conf",
    "/etc/greetd/config.toml",
    "/etc/lxdm/lxdm.conf",
    "/etc/plasmalogin.conf",
    "/etc/lightdm/lightdm.conf",
    "/etc/sddm.conf",
    "/etc/lightdm/lightdm-autologin.conf",
];
/// Where each file counts whose name ends so.
const DIRECTORIES: [(&str, &str); 6] = [
    ("/etc/lightdm/lightdm.conf.d", ".conf"),
    ("/etc/xdg/lightdm/lightdm.conf.d", ".conf"),
    ("/usr/local/share/lightdm/lightdm.conf.d", ".conf"),
    ("/usr/share/lightdm/lightdm.conf.d", ".conf"),
    // sddm takes whatever lies there.
    ("/etc/sddm.conf.d", ""),
    ("/usr/lib/sddm/sddm.conf.d", ""),
];

pub(super) fn autologin(reading: &mut Reading<'_>) -> Result<bool, Failure> {
    let mut paths: Vec<_> = FILES.iter().map(|path| (*path).to_owned()).collect();
    for (directory, end) in DIRECTORIES {
        match reading.list(directory) {
            Ok(names) => {
                let names = names.into_iter().filter(|name| name.ends_with(end));
                paths.extend(names.map(|name| format!("{directory}/{name}")));
            }
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut any = false;
    for path in paths {
        // A directory among the files.
        if reading.stat(&path).is_ok_and(|meta| meta.kind == FileKind::Directory) {
            continue;
        }
        match reading.config(&path) {
            Ok(text) => {
                any |= logs_in(&text).inspect_err(|_| {
                    reading.malformed(&path, "a switch that is neither on nor off");
                })?
            }
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(any)
}

/// gdm's switches in `[daemon]`, lightdm's user in a seat, sddm's `User` in `[Autologin]`, lxdm's
/// `autologin` in `[base]`, and the session with which greetd begins.
fn logs_in(text: &str) -> Result<bool, Failure> {
    let mut section = "";
    let mut any = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line.split(['#', ';']).next().unwrap_or_default().trim_end();
            any |= section == "[initial_session]";
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';']))
        else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        any |= match (section, key) {
            ("[daemon]", "AutomaticLoginEnable" | "TimedLoginEnable") => {
                match value.to_ascii_lowercase().as_str() {
                    "true" | "1" | "yes" => true,
                    "false" | "0" | "no" | "" => false,
                    _ => return Err(Failure(Status::ParseError)),
                }
            }
            ("[Autologin]", "User")
            | ("[base]", "autologin")
            | (_, "autologin-user" | "autologin-guest") => !matches!(value, "" | "false"),
            _ => false,
        };
    }
    Ok(any)
}
