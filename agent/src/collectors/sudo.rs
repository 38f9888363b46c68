//! The kind `sudo`: reads sudoers(5) with all it includes, and resolves whom it speaks of by
//! passwd(5) and group(5). The files are for root alone (mode 0440): without root or
//! CAP_DAC_READ_SEARCH the kind is `denied`.

mod aliases;
mod entries;
mod install;
mod load;
mod people;

use super::{Collector, facts};
use crate::formats::sudoers::What;
use crate::formats::sudoers::settings::Settings;
use crate::host::{Failure, ReadError, Reading};
use aliases::Aliases;
use evidence::Status;
use evidence::kinds::packages::Manager;
use evidence::kinds::sudo::Defaults;
use evidence::kinds::{Kind, Sudo};
use load::{Loaded, Located};
use people::People;

pub(super) const COLLECTOR: Collector = Collector {
    kind: Sudo::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

/// How long a password is remembered: as Debian and Ubuntu build sudo, and as sudoers(5) has it.
const DEBIAN_TIMEOUT_S: i64 = 15 * 60;
const TIMEOUT_S: i64 = 5 * 60;
/// openSUSE keeps the vendor's file under /usr/etc.
const NSSWITCH: [&str; 2] = ["/etc/nsswitch.conf", "/usr/etc/nsswitch.conf"];

fn collect(reading: &mut Reading<'_>) -> Result<Sudo, Failure> {
    let installed = install::installed(reading)?;
    install::refuse_other_policy(reading)?;
    let loaded = load::load(reading)?;
    let ldap_source = ldap_source(reading);
    let mut sudo = Sudo {
        entries: None,
        defaults: None,
        resolved_principals: None,
        files: loaded.files(reading),
        unresolved: loaded.unresolved.iter().cloned().collect(),
        ldap_source,
    };
    // A file that was not read may say anything: take rights away, or turn passwords off.
    if !loaded.unresolved.is_empty() || ldap_source != Some(false) {
        for field in ["entries", "defaults", "resolved_principals"] {
            reading.unread(field);
        }
        // Faults of the grammar are still reported.
        policy(reading, &loaded, &installed)?;
        return Ok(sudo);
    }
    let people = People::read(reading);
    let (aliases, settings) = policy(reading, &loaded, &installed)?;
    let expanded = entries::expand(&loaded.statements, &aliases);
    sudo.resolved_principals = people.as_ref().map(|people| people.granted(&expanded));
    sudo.entries =
        Some(expanded.iter().map(|entry| entry.fact(people.as_ref(), &settings)).collect());
    sudo.defaults = Some(defaults(&settings));
    if people.is_none() {
        reading.unread("resolved_principals");
        reading.unread("entries.runas_root");
    }
    Ok(sudo)
}

/// Aliases and settings of all files together.
fn policy(
    reading: &mut Reading<'_>,
    loaded: &Loaded,
    installed: &install::Sudo,
) -> Result<(Aliases, Settings), Failure> {
    let aliases = Aliases::of(&loaded.statements).map_err(|at| refuse(reading, at))?;
    let timeout_s = if installed.manager == Manager::Dpkg { DEBIAN_TIMEOUT_S } else { TIMEOUT_S };
    let mut settings = Settings::built_in(installed.release.uses_pty(), timeout_s);
    for located in &loaded.statements {
        let What::Defaults { scope, settings: lines } = &located.what else { continue };
        for setting in lines {
            if let Err(error) = settings.apply(*scope, setting) {
                reading.malformed(&located.path, error.to_string());
                return Err(Failure(Status::ParseError));
            }
        }
    }
    Ok((aliases, settings))
}

fn refuse(reading: &mut Reading<'_>, (located, what): (&Located, String)) -> Failure {
    reading.malformed(&located.path, format!("line {}: {what}", located.line));
    Failure(Status::ParseError)
}

fn defaults(settings: &Settings) -> Defaults {
    let timeout = settings.longest_timeout_s();
    Defaults {
        use_pty: settings.always("use_pty"),
        syslog: settings.is_always_set("syslog") && settings.is_always_set("syslog_goodpri"),
        logfile: settings.strongest_text("logfile"),
        log_allowed: settings.always("log_allowed"),
        timestamp_expires: timeout.is_some(),
        timestamp_timeout_s: timeout,
        authenticate: settings.always("authenticate"),
        exempt_group: settings.any_text("exempt_group"),
        env_reset: settings.always("env_reset"),
        secure_path: settings.strongest_text("secure_path"),
        log_output: settings.always("log_output"),
        targetpw: ["targetpw", "rootpw", "runaspw"].iter().any(|flag| settings.ever(flag)),
    }
}

/// Whether nsswitch.conf(5) names a source of sudoers beside files; without a line there is none.
fn ldap_source(reading: &mut Reading<'_>) -> Option<bool> {
    let mut text = reading.config(NSSWITCH[0]);
    if text == Err(ReadError::Absent) {
        text = reading.config(NSSWITCH[1]);
    }
    let text = match text {
        Ok(text) => text,
        Err(ReadError::Absent) => return Some(false),
        Err(_) => {
            reading.unread("ldap_source");
            return None;
        }
    };
    // Any line counts, and any word on it: which of two lines sudo uses is not worth guessing.
    let words = text.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let (name, services) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("sudoers").then_some(services)
    });
    Some(
        words
            .flat_map(str::split_whitespace)
            .any(|word| matches!(word.to_ascii_lowercase().as_str(), "ldap" | "sss")),
    )
}
