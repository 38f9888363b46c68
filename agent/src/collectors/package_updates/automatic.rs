//! Updates that come by themselves: APT::Periodic and unattended-upgrades, and whether they ran.

use super::repositories::is_own_security;
use super::{Apt, Place};
use crate::collectors::systemd;
use crate::formats::apt_release::Release;
use crate::formats::glob;
use crate::formats::os_release;
use crate::host::{ReadError, Reading};
use evidence::kinds::package_updates::{Automatic, LastResult, Mechanism};

const PACKAGE: &str = "unattended-upgrades";
const TIMERS: [&str; 2] = ["apt-daily.timer", "apt-daily-upgrade.timer"];
const CRON_JOB: &str = "/etc/cron.daily/apt-compat";
/// Touched when unattended-upgrade ended without an error.
const STAMP: &str = "/var/lib/apt/periodic/upgrade-stamp";
const LOG: &str = "/var/log/unattended-upgrades/unattended-upgrades.log";
/// How much of its end is looked at, in bytes: some weeks of it.
const LOG_TAIL: u64 = 64 << 10;
const DAY_S: i64 = 86_400;

/// `None` where it cannot be told whether updates come by themselves.
pub(super) fn facts(
    apt: &Apt,
    places: &[Place],
    codename: Option<&str>,
    reading: &mut Reading<'_>,
) -> Option<Automatic> {
    let is_installed = apt.installed.iter().any(|package| package.name == PACKAGE);
    let is_on = |name: &str| apt.conf.value(name).is_some_and(|interval| !is_never(interval));
    let is_off = apt.conf.switch("APT::Periodic::Enable") == Some(false);
    let refreshes = !is_off && is_on("APT::Periodic::Update-Package-Lists");
    let upgrades = !is_off && is_installed && is_on("APT::Periodic::Unattended-Upgrade");
    let scheduled = is_scheduled(reading).ok()?;
    let security_allowed = match upgrades {
        true => takes_security(apt, places, codename, reading)?,
        false => false,
    };
    let ran = match reading.stat(STAMP) {
        Ok(meta) => Some(meta.modified_s.div_euclid(DAY_S)),
        Err(ReadError::Absent) => None,
        Err(error) => {
            reading.failed(STAMP, error);
            return None;
        }
    };
    let last_result = last_result(reading);
    reading.gaps([("automatic.last_result", last_result.is_none())]);
    Some(Automatic {
        mechanism: if is_installed { Mechanism::UnattendedUpgrades } else { Mechanism::None },
        enabled: refreshes && upgrades && scheduled && security_allowed,
        refreshes,
        upgrades,
        scheduled,
        security_allowed,
        excluded: apt.conf.list("Unattended-Upgrade::Package-Blacklist").len() as i64,
        ran: Some(ran.is_some()),
        last_success_day: ran,
        last_result,
    })
}

/// The interval of a periodic task: days, or a number with a unit; 0 of any is never.
fn is_never(interval: &str) -> bool {
    let number = interval.trim_end_matches(['s', 'm', 'h', 'd']);
    interval != "always" && number.parse::<u64>().unwrap_or(0) == 0
}

/// systemd's timers, or the daily job of cron where there is no systemd.
fn is_scheduled(reading: &Reading<'_>) -> Result<bool, ReadError> {
    if systemd::is_installed(reading)? {
        for timer in TIMERS {
            if !systemd::enabled(reading, timer)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    match reading.stat(CRON_JOB) {
        Err(ReadError::Absent) => Ok(false),
        other => other.map(|meta| meta.has(0o100)),
    }
}

/// Whether unattended-upgrade takes what comes from the security updates of this release.
fn takes_security(
    apt: &Apt,
    places: &[Place],
    codename: Option<&str>,
    reading: &mut Reading<'_>,
) -> Option<bool> {
    let names = Names::of(codename?, reading)?;
    let enabled = || places.iter().filter(|place| place.source.enabled);
    if enabled().any(|place| place.release.is_none()) {
        return None;
    }
    let security = enabled().filter_map(|place| Some((place, place.release.as_ref()?)));
    let mut security = security.filter(|(_, r)| is_own_security(r, codename) || r.is_rolling());
    let legacy = apt.conf.list("Unattended-Upgrade::Allowed-Origins");
    let patterns = apt.conf.list("Unattended-Upgrade::Origins-Pattern");
    let patterns: Vec<Pattern> = legacy
        .into_iter()
        .map(|origin| Pattern::of_origin(origin, &names))
        .chain(patterns.into_iter().map(|pattern| Pattern::new(pattern, &names)))
        .collect::<Option<_>>()?;
    Some(security.any(|(place, release)| {
        let components = &place.source.components;
        patterns.iter().any(|pattern| pattern.matches(release, &place.source.site(), components))
    }))
}

/// What stands for `${distro_id}` and `${distro_codename}`.
struct Names {
    id: String,
    codename: String,
}

impl Names {
    /// Those of the two distributions that are known; others name themselves as they like.
    fn of(codename: &str, reading: &mut Reading<'_>) -> Option<Self> {
        let text = reading.config("/etc/os-release").or_else(|error| match error {
            ReadError::Absent => reading.config("/usr/lib/os-release"),
            other => Err(other),
        });
        let id = match os_release::parse(&text.ok()?).ok()?.get("ID")?.as_str() {
            "debian" => "Debian",
            "ubuntu" => "Ubuntu",
            _ => return None,
        };
        Some(Self { id: id.to_owned(), codename: codename.to_owned() })
    }

    fn put_into(&self, text: &str) -> String {
        text.replace("${distro_id}", &self.id).replace("${distro_codename}", &self.codename)
    }
}

/// What an archive must say of itself: key and pattern.
struct Pattern(Vec<(String, String)>);

impl Pattern {
    /// `key=value,key=value`; a `\,` is part of a value. `None` for what makes the program stop.
    fn new(text: &str, names: &Names) -> Option<Self> {
        let text = text.trim().replace("\\,", "\u{1}");
        let part = |part: &str| {
            let (key, value) = part.split_once('=')?;
            let value = names.put_into(&value.trim().replace(['\u{1}'], ","));
            (!value.contains('=')).then(|| (key.trim().to_owned(), value))
        };
        text.split(',').map(part).collect::<Option<Vec<_>>>().map(Self)
    }

    /// The older form: `origin:archive`, or with a blank between.
    fn of_origin(text: &str, names: &Names) -> Option<Self> {
        let text = text.replace("\\:", "\u{1}");
        let (origin, archive) = match text.split_once(':') {
            Some(parts) => parts,
            None => text.trim().split_once(char::is_whitespace)?,
        };
        let value = |text: &str| names.put_into(&text.trim().replace('\u{1}', ":"));
        Some(Self(vec![("o".to_owned(), value(origin)), ("a".to_owned(), value(archive))]))
    }

    fn matches(&self, release: &Release, site: &str, components: &[String]) -> bool {
        !self.0.is_empty()
            && self.0.iter().all(|(key, pattern)| match key.as_str() {
                "o" | "origin" => fnmatch(pattern, &release.origin),
                "l" | "label" => fnmatch(pattern, &release.label),
                "a" | "suite" | "archive" => fnmatch(pattern, &release.suite),
                "n" | "codename" => fnmatch(pattern, &release.codename),
                "site" => fnmatch(pattern, site),
                // All of them, or some would get no fixes.
                "c" | "component" => components.iter().all(|name| fnmatch(pattern, name)),
                _ => false,
            })
    }
}

/// As Python's fnmatch: case matters, and a `/` is a letter like any other.
fn fnmatch(pattern: &str, text: &str) -> bool {
    glob::matches(&pattern.replace('/', "\u{1}"), &text.replace('/', "\u{1}"))
}

/// How the last run ended, by the levels of its lines: nothing else of the log leaves. `None`
/// where it was not read.
fn last_result(reading: &mut Reading<'_>) -> Option<LastResult> {
    let log = match reading.open(LOG) {
        Err(ReadError::Absent) => return Some(LastResult::Unknown),
        other => other.ok()?,
    };
    let from = log.size_bytes().saturating_sub(LOG_TAIL);
    let mut tail = vec![0; LOG_TAIL as usize];
    let length = match log.read_at(from, &mut tail) {
        Ok(length) => length,
        Err(error) => {
            reading.failed(LOG, error);
            return None;
        }
    };
    let text = String::from_utf8_lossy(&tail[..length]).into_owned();
    Some(result_of(&text))
}

fn result_of(text: &str) -> LastResult {
    let Some(start) = text.rfind("Starting unattended upgrades script") else {
        return LastResult::Unknown;
    };
    // `2026-11-20 06:12:01,123 LEVEL message`.
    let level = |line: &str| line.split(' ').nth(2).map(str::to_owned);
    let levels: Vec<_> = text[start..].lines().skip(1).filter_map(level).collect();
    match levels.iter().any(|level| ["ERROR", "CRITICAL"].contains(&level.as_str())) {
        true => LastResult::Failed,
        false if levels.is_empty() => LastResult::Unknown,
        false => LastResult::Success,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_run_alone_says_how_it_ended() {
        let run = |level: &str| {
            format!(
                "2026-11-20 06:12:01,123 INFO Starting unattended upgrades script\n\
                 2026-11-20 06:12:02,001 {level} something\n"
            )
        };
        assert_eq!(result_of(&format!("{}{}", run("ERROR"), run("INFO"))), LastResult::Success);
        assert_eq!(result_of(&format!("{}{}", run("INFO"), run("ERROR"))), LastResult::Failed);
        assert_eq!(result_of("2026-11-20 06:12:02,001 INFO x\n"), LastResult::Unknown);
    }

    #[test]
    fn an_interval_of_nothing_is_never() {
        assert!(["0", "0d", "", "x"].into_iter().all(is_never));
        assert!(!["1", "7", "12h", "always"].into_iter().any(is_never));
    }
}
