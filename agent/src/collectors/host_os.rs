//! Reads os-release(5), the table of distro-info-data, the status of Ubuntu's `pro` client and, on
//! the running system, /run, /proc and /sys. Needs no privilege.

mod platform;
mod support;

use super::{Collector, facts};
use crate::formats::os_release;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::host_os::{Chassis, Family};
use evidence::kinds::{HostOs, Kind};
use std::collections::BTreeMap;

pub(super) const COLLECTOR: Collector = Collector {
    kind: HostOs::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const ESM_STATUS: &str = "/var/lib/ubuntu-advantage/status.json";
const DISPLAY_MANAGER: &str = "/etc/systemd/system/display-manager.service";

fn collect(reading: &mut Reading<'_>) -> Result<HostOs, Failure> {
    let (path, release) = read_release(reading)?;
    let text = |name: &str| release.get(name).filter(|value| !value.is_empty()).cloned();
    let Some(id) = text("ID").map(|id| id.to_lowercase()) else {
        reading.malformed(path, "no ID");
        return Err(Failure(Status::ParseError));
    };
    let like = text("ID_LIKE").unwrap_or_default().to_lowercase();
    let id_like: Vec<String> = like.split_whitespace().map(str::to_owned).collect();
    let version_id = text("VERSION_ID");
    let support = support::read(reading, path, &release, &id, version_id.as_deref());
    let platform = platform::read(reading);
    let esm_enabled = if id == "ubuntu" { esm(reading) } else { None };
    Ok(HostOs {
        family: family(&id, &id_like),
        id,
        id_like,
        version_id,
        codename: text("VERSION_CODENAME"),
        variant_id: text("VARIANT_ID"),
        support,
        esm_enabled,
        in_container: platform.in_container,
        virtualisation: platform.virtualisation,
        chassis: platform.chassis,
        is_workstation: is_workstation(reading, platform.chassis),
    })
}

/// The first os-release there is, and its path.
fn read_release(
    reading: &mut Reading<'_>,
) -> Result<(&'static str, BTreeMap<String, String>), Failure> {
    let mut path = "/etc/os-release";
    let mut text = reading.config(path);
    if text == Err(ReadError::Absent) {
        path = "/usr/lib/os-release";
        text = reading.config(path);
    }
    match os_release::parse(&text?) {
        Ok(values) => Ok((path, values)),
        Err(error) => {
            reading.malformed(path, error.to_string());
            Err(Failure(Status::ParseError))
        }
    }
}

/// The family alone, for kinds whose files differ by it.
pub(super) fn family_of(reading: &mut Reading<'_>) -> Result<Family, Failure> {
    let (_, release) = read_release(reading)?;
    let word = |name: &str| release.get(name).map(|text| text.to_lowercase()).unwrap_or_default();
    let like: Vec<_> = word("ID_LIKE").split_whitespace().map(str::to_owned).collect();
    Ok(family(&word("ID"), &like))
}

fn family(id: &str, like: &[String]) -> Family {
    let names = std::iter::once(id).chain(like.iter().map(String::as_str));
    let family = names.filter_map(|name| match name {
        "debian" | "ubuntu" => Some(Family::Debian),
        "rhel" | "fedora" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" => Some(Family::Rhel),
        "suse" | "sles" | "sle-micro" => Some(Family::Suse),
        "alpine" => Some(Family::Alpine),
        "arch" => Some(Family::Arch),
        name if name.starts_with("opensuse") => Some(Family::Suse),
        _ => None,
    });
    family.into_iter().next().unwrap_or(Family::Other)
}

/// The client writes its status when it attaches a machine; without one there is no ESM.
fn esm(reading: &mut Reading<'_>) -> Option<bool> {
    let enabled = match reading.text(ESM_STATUS) {
        Ok(text) => esm_infra(&text).or_else(|| {
            reading.malformed(ESM_STATUS, "not JSON with `attached` and `services`");
            None
        }),
        Err(ReadError::Absent) => Some(false),
        Err(_) => None,
    };
    if enabled.is_none() {
        reading.unread("esm_enabled");
    }
    enabled
}

fn esm_infra(text: &str) -> Option<bool> {
    let status: serde_json::Value = serde_json::from_str(text).ok()?;
    let attached = status.get("attached")?.as_bool()?;
    let services = status.get("services")?.as_array()?;
    let enabled = services.iter().any(|service| {
        let is = |key: &str, value: &str| service.get(key).is_some_and(|found| found == value);
        is("name", "esm-infra") && is("status", "enabled")
    });
    Some(attached && enabled)
}

fn is_workstation(reading: &mut Reading<'_>, chassis: Option<Chassis>) -> Option<bool> {
    let answer = match (has_display_manager(reading), chassis) {
        (Some(true), _) | (_, Some(Chassis::Desktop | Chassis::Portable)) => Some(true),
        (Some(false), Some(Chassis::Server | Chassis::Virtual)) => Some(false),
        _ => None,
    };
    if answer.is_none() {
        reading.unread("is_workstation");
    }
    answer
}

/// systemctl(1) enables a display manager by a link; one to /dev/null masks it, and one to a unit
/// that is gone starts nothing.
fn has_display_manager(reading: &mut Reading<'_>) -> Option<bool> {
    match reading.link(DISPLAY_MANAGER) {
        Ok(target) if target == "/dev/null" => return Some(false),
        Ok(_) | Err(ReadError::WrongType) => {}
        Err(ReadError::Absent) => return Some(false),
        Err(_) => return None,
    }
    match reading.stat(DISPLAY_MANAGER) {
        Ok(_) => Some(true),
        Err(ReadError::Absent) => Some(false),
        Err(_) => None,
    }
}
