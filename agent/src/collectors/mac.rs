//! The kind `mac`: the list of security modules, SELinux by selinuxfs and /etc/selinux/config,
//! AppArmor by its parameters and its list of profiles, which the kernel shows only to who may change
//! them (CAP_MAC_ADMIN, which this agent is not given: then whether it enforces is unread). Offline
//! only what is configured can be read, and the kind is `partial`. Domains of SELinux that are
//! permissive by themselves are not listed by the kernel: they are not seen.

use super::{Collector, facts};
use crate::host::{Failure, ReadError, Reading};
use evidence::kinds::Kind;
use evidence::kinds::mac::{Framework, Mac, Profiles, SelinuxMode};

pub(super) const COLLECTOR: Collector = Collector {
    kind: Mac::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const MODULES: &str = "/sys/kernel/security/lsm";
/// The security modules of Linux 6.17. Among others may be one that rules programs.
const KNOWN: [&str; 15] = [
    "apparmor",
    "bpf",
    "capability",
    "evm",
    "ima",
    "integrity",
    "ipe",
    "landlock",
    "loadpin",
    "lockdown",
    "safesetid",
    "selinux",
    "smack",
    "tomoyo",
    "yama",
];
const SELINUX: &str = "/sys/fs/selinux/enforce";
const SELINUX_CONFIG: &str = "/etc/selinux/config";
const APPARMOR: &str = "/sys/module/apparmor/parameters/enabled";
const PROFILES: &str = "/sys/kernel/security/apparmor/profiles";

fn collect(reading: &mut Reading<'_>) -> Result<Mac, Failure> {
    let live = reading.is_live();
    let modules = live.then(|| modules(reading)).flatten();
    let framework = modules.as_deref().and_then(|modules| framework(reading, modules));
    let apparmor = match framework {
        Some(Framework::Apparmor) => profiles(reading),
        _ => None,
    };
    let enforcing = match framework {
        Some(Framework::None) => Some(false),
        Some(Framework::Selinux) => enforce(reading),
        Some(Framework::Apparmor) => apparmor.as_ref().map(|profiles| profiles.enforced > 0),
        None => None,
    };
    let configured = configured(reading);
    let is_apparmor = framework.is_none_or(|framework| framework == Framework::Apparmor);
    reading.gaps([
        ("modules", modules.is_none()),
        ("framework", framework.is_none()),
        ("enforcing", enforcing.is_none()),
        ("selinux_configured", configured.is_err()),
        ("apparmor", is_apparmor && apparmor.is_none()),
    ]);
    let selinux_configured = configured.ok().flatten();
    Ok(Mac { modules, framework, enforcing, selinux_configured, apparmor })
}

/// `lockdown,capability,yama,apparmor`.
fn modules(reading: &mut Reading<'_>) -> Option<Vec<String>> {
    let text = reading.text(MODULES).ok()?;
    let names: Vec<_> = text.trim().split(',').map(str::to_owned).collect();
    names.iter().all(|name| !name.is_empty()).then_some(names)
}

/// A module may be built in and switched off: what it shows of itself decides.
fn framework(reading: &mut Reading<'_>, modules: &[String]) -> Option<Framework> {
    let has = |name: &str| modules.iter().any(|module| module == name);
    if has("selinux") {
        // Without a policy it is there, and rules nobody.
        return match reading.text(SELINUX) {
            Ok(_) => Some(Framework::Selinux),
            Err(_) => None,
        };
    }
    if has("apparmor") {
        return match reading.text(APPARMOR).ok()?.trim() {
            "Y" => Some(Framework::Apparmor),
            "N" => Some(Framework::None),
            _ => None,
        };
    }
    modules.iter().all(|module| KNOWN.contains(&module.as_str())).then_some(Framework::None)
}

fn enforce(reading: &mut Reading<'_>) -> Option<bool> {
    match reading.text(SELINUX).ok()?.trim() {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    }
}

/// selinux_config(5): as libselinux reads it, the first line counts that begins with `SELINUX=`, and
/// one behind blanks is none. None without the file.
fn configured(reading: &mut Reading<'_>) -> Result<Option<SelinuxMode>, Failure> {
    let text = match reading.config(SELINUX_CONFIG) {
        Err(ReadError::Absent) => return Ok(None),
        other => other?,
    };
    let said = text.lines().find_map(|line| line.strip_prefix("SELINUX="));
    match said.map(|word| word.trim().to_ascii_lowercase()).as_deref() {
        Some("enforcing") => Ok(Some(SelinuxMode::Enforcing)),
        Some("permissive") => Ok(Some(SelinuxMode::Permissive)),
        Some("disabled") => Ok(Some(SelinuxMode::Disabled)),
        _ => {
            reading.malformed(SELINUX_CONFIG, "no SELINUX=enforcing, permissive or disabled");
            Err(Failure(evidence::Status::ParseError))
        }
    }
}

/// Lines of `NAME (MODE)`. A name may hold blanks and parentheses.
fn profiles(reading: &mut Reading<'_>) -> Option<Profiles> {
    let text = reading.text(PROFILES).ok()?;
    if !(text.is_empty() || text.ends_with('\n')) {
        reading.malformed(PROFILES, "the last line has no end");
        return None;
    }
    let mut found = Profiles { enforced: 0, complaining: Vec::new(), others: 0 };
    for line in text.lines() {
        let Some((name, mode)) = line.strip_suffix(')').and_then(|line| line.rsplit_once(" ("))
        else {
            reading.malformed(PROFILES, "a line that is no profile");
            return None;
        };
        match mode {
            "enforce" | "kill" => found.enforced += 1,
            "complain" => found.complaining.push(name.to_owned()),
            _ => found.others += 1,
        }
    }
    found.complaining.sort();
    Some(found)
}
