//! Which programs that set the clock are installed, started at boot, and running.

use super::systemd::{self, Unit};
use crate::host::{ReadError, Reading};
use evidence::kinds::time_sync::{Client, ClientName};

/// A client, the places of its program, and names of its unit.
struct Known {
    name: ClientName,
    programs: &'static [&'static str],
    units: &'static [&'static str],
}

const NTPD: &[&str] = &["/usr/sbin/ntpd"];

/// By name. Debian calls the unit of chronyd `chrony`, others `chronyd`.
const KNOWN: [Known; 5] = [
    Known {
        name: ClientName::Chrony,
        programs: &["/usr/sbin/chronyd"],
        units: &["chrony.service", "chronyd.service"],
    },
    Known { name: ClientName::Ntp, programs: NTPD, units: &["ntp.service", "ntpd.service"] },
    Known { name: ClientName::Ntpsec, programs: NTPD, units: &["ntpsec.service"] },
    Known { name: ClientName::Openntpd, programs: NTPD, units: &["openntpd.service"] },
    Known {
        name: ClientName::Timesyncd,
        programs: &["/usr/lib/systemd/systemd-timesyncd", "/lib/systemd/systemd-timesyncd"],
        units: &["systemd-timesyncd.service"],
    },
];

/// A client that is installed.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    pub(super) name: ClientName,
    /// Its units, without aliases.
    pub(super) units: Vec<&'static str>,
    pub(super) enabled: Option<bool>,
    pub(super) active: Option<bool>,
}

impl Installed {
    pub(super) fn facts(self) -> Client {
        Client { name: self.name, enabled: self.enabled, active: self.active }
    }
}

/// By name.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<Vec<Installed>, ReadError> {
    let mut found = Vec::new();
    let has_systemd = systemd::is_installed(reading)?;
    for known in &KNOWN {
        if !any_exists(reading, known.programs)? {
            continue;
        }
        let units = units(reading, known.units)?;
        // Several programs are called ntpd; the unit tells which it is.
        if !units.is_empty() || known.programs != NTPD {
            found.push(installed(reading, known.name, units, has_systemd)?);
        }
    }
    let ntpd = [ClientName::Ntp, ClientName::Ntpsec, ClientName::Openntpd];
    let is_named = found.iter().any(|client| ntpd.contains(&client.name));
    if !is_named && any_exists(reading, NTPD)? {
        let name = ClientName::Unknown;
        found.push(Installed { name, units: Vec::new(), enabled: None, active: None });
    }
    Ok(found)
}

fn installed(
    reading: &mut Reading<'_>,
    name: ClientName,
    units: Vec<&'static str>,
    has_systemd: bool,
) -> Result<Installed, ReadError> {
    let mut client = Installed { name, units, enabled: None, active: None };
    if has_systemd {
        let mut enabled = false;
        for unit in &client.units {
            enabled |= systemd::enabled(reading, unit)?;
        }
        client.enabled = Some(enabled);
    }
    if reading.is_live() && !client.units.is_empty() {
        let mut active = Some(false);
        for unit in &client.units {
            let this = systemd::active(reading, unit)?;
            active = active.zip(this).map(|(one, other)| one || other);
        }
        client.active = active;
    }
    Ok(client)
}

fn any_exists(reading: &Reading<'_>, paths: &[&str]) -> Result<bool, ReadError> {
    for path in paths {
        match reading.stat(path) {
            Err(ReadError::Absent) => {}
            other => return other.map(|_| true),
        }
    }
    Ok(false)
}

/// The units that there are under their own name, masked ones too.
fn units(reading: &Reading<'_>, names: &[&'static str]) -> Result<Vec<&'static str>, ReadError> {
    let mut units = Vec::new();
    for name in names {
        if systemd::unit(reading, name)? != Unit::Absent && !is_alias(reading, name)? {
            units.push(*name);
        }
    }
    Ok(units)
}

/// `Alias=` of a unit is a link of another name to it.
fn is_alias(reading: &Reading<'_>, name: &str) -> Result<bool, ReadError> {
    match reading.link(&format!("/etc/systemd/system/{name}")) {
        Ok(target) => {
            let other = target.rsplit('/').next().unwrap_or_default();
            Ok(target != "/dev/null" && other != name)
        }
        Err(ReadError::Absent | ReadError::WrongType) => Ok(false),
        Err(error) => Err(error),
    }
}
