//! firewalld: the default zone, where nothing else decides beside it. Interfaces and addresses in
//! other zones, policies for this host and direct rules may let in what the zone refuses: with any of
//! them the default is not known.

use super::super::super::systemd;
use super::{Perhaps, is_enabled, one, value};
use crate::formats::xml_tags::{Tag, tags};
use crate::host::{FileKind, ReadError, Reading};
use evidence::kinds::firewall::{Fate, Manager};

const CONFIGURATION: &str = "/etc/firewalld/firewalld.conf";
const OWN_ZONES: &str = "/etc/firewalld/zones";
const ZONES: [&str; 2] = [OWN_ZONES, "/usr/lib/firewalld/zones"];
const SERVICES: &str = "/etc/firewalld/services";
const POLICIES: &str = "/etc/firewalld/policies";
const DIRECT: &str = "/etc/firewalld/direct.xml";
/// Connections of NetworkManager and of its older scripts, which may name a zone.
const CONNECTIONS: [&str; 4] = [
    "/etc/NetworkManager/system-connections",
    "/run/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
    "/etc/sysconfig/network-scripts",
];
const MAX_CONNECTION_BYTES: u64 = 1 << 20;
/// Protocols without ports to which services listen.
const HARMLESS: [&str; 8] = ["ah", "esp", "gre", "icmp", "igmp", "ipv6-icmp", "vrrp", "ospf"];

pub(super) fn configured(reading: &mut Reading<'_>) -> Perhaps {
    let text = match reading.config(CONFIGURATION) {
        // Without the file the built-in values hold; the unit says whether it is there.
        Err(ReadError::Absent) => match systemd::unit(reading, "firewalld.service") {
            Ok(systemd::Unit::There { .. }) => Some(String::new()),
            Ok(_) => return Some(None),
            Err(_) => return None,
        },
        Err(ReadError::Denied) => return None,
        other => other.ok(),
    };
    let fate = text.and_then(|text| {
        let zone = value(&text, "DefaultZone").unwrap_or("public").to_owned();
        let alone = !has_other_zones(reading, &zone)?
            && !has_direct_rules(reading)?
            && !has_policies(reading)?
            && !has_other_connections(reading, &zone)?;
        if alone { zone_fate(reading, &zone) } else { None }
    });
    let enabled = is_enabled(reading, "firewalld.service", "firewalld");
    Some(Some(one(Manager::Firewalld, enabled, (fate, fate))))
}

fn names(reading: &mut Reading<'_>, directory: &str) -> Option<Vec<String>> {
    match reading.list(directory) {
        Err(ReadError::Absent) => Some(Vec::new()),
        other => other.ok(),
    }
}

/// What the tags of a file say; the inner `None` where there is no such file.
fn ask<T>(
    reading: &mut Reading<'_>,
    path: &str,
    ask: impl FnOnce(&[Tag<'_>]) -> T,
) -> Option<Option<T>> {
    let text = match reading.config(path) {
        Err(ReadError::Absent) => return Some(None),
        other => other.ok()?,
    };
    let Some(tags) = tags(&text) else {
        reading.malformed(path, "no XML that is understood");
        return None;
    };
    Some(Some(ask(&tags)))
}

/// Whether somebody gave interfaces or addresses to a zone beside the default one, or made a zone of
/// several files.
fn has_other_zones(reading: &mut Reading<'_>, zone: &str) -> Option<bool> {
    let own = format!("{zone}.xml");
    for name in names(reading, OWN_ZONES)? {
        let path = format!("{OWN_ZONES}/{name}");
        if !name.ends_with(".xml") {
            if reading.stat(&path).is_ok_and(|meta| meta.kind == FileKind::Directory) {
                return Some(true);
            }
            continue;
        }
        let has_members =
            |tags: &[Tag<'_>]| tags.iter().any(|tag| ["interface", "source"].contains(&tag.name));
        if name != own && ask(reading, &path, has_members)? == Some(true) {
            return Some(true);
        }
    }
    Some(false)
}

fn has_direct_rules(reading: &mut Reading<'_>) -> Option<bool> {
    let has_rules =
        |tags: &[Tag<'_>]| tags.iter().any(|tag| ["rule", "passthrough"].contains(&tag.name));
    Some(ask(reading, DIRECT, has_rules)? == Some(true))
}

/// Policies that people wrote for what comes to this host; those of packages let routers speak.
fn has_policies(reading: &mut Reading<'_>) -> Option<bool> {
    for name in names(reading, POLICIES)?.iter().filter(|name| name.ends_with(".xml")) {
        let for_host = |tags: &[Tag<'_>]| {
            let mut ends = tags.iter().filter(|tag| tag.name == "egress-zone");
            ends.any(|tag| tag.attribute("name") != Some("ANY"))
        };
        if ask(reading, &format!("{POLICIES}/{name}"), for_host)? == Some(true) {
            return Some(true);
        }
    }
    Some(false)
}

/// Whether a connection is in another zone than the default one. The files hold secrets: nothing of
/// them is kept.
fn has_other_connections(reading: &mut Reading<'_>, zone: &str) -> Option<bool> {
    for directory in CONNECTIONS {
        let names = names(reading, directory)?;
        let is_one = |name: &&String| name.ends_with(".nmconnection") || name.starts_with("ifcfg-");
        for name in names.iter().filter(is_one) {
            let text = match reading.secret(&format!("{directory}/{name}"), MAX_CONNECTION_BYTES) {
                Err(ReadError::Absent) => continue,
                other => other.ok()?,
            };
            // Damaged text may hide a key.
            let is_text = |text: &&str| {
                !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
            };
            let text = std::str::from_utf8(text.expose()).ok().filter(is_text)?;
            let named = ["zone", "ZONE"].iter().filter_map(|key| value(text, key));
            let mut others = named.filter(|named| !named.is_empty() && *named != zone);
            if others.next().is_some() {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// `<zone target="DROP">`; without a target it rejects.
fn zone_fate(reading: &mut Reading<'_>, zone: &str) -> Option<Fate> {
    for directory in ZONES {
        let path = format!("{directory}/{zone}.xml");
        let found = ask(reading, &path, |tags| {
            let services = tags.iter().filter(|tag| tag.name == "service");
            let services = services.map(|tag| tag.attribute("name").map(str::to_owned));
            (fate_of_tags(tags), services.collect::<Option<Vec<_>>>())
        })?;
        let Some((fate, services)) = found else { continue };
        for service in services? {
            if is_wide(reading, &service)? {
                return None;
            }
        }
        return fate;
    }
    None
}

fn fate_of_tags(tags: &[Tag<'_>]) -> Option<Fate> {
    let (head, body) = tags.split_first()?;
    if head.name != "zone" {
        return None;
    }
    // A rich rule that lets in; one that refuses or logs opens nothing.
    if body.iter().any(|tag| tag.name == "accept" || opens(tag)) {
        return None;
    }
    // Whoever sends from such a port is let in.
    if body.iter().any(|tag| tag.name == "source-port") {
        return Some(Fate::Accept);
    }
    match head.attribute("target") {
        None | Some("default" | "%%REJECT%%" | "REJECT") => Some(Fate::Reject),
        Some("DROP") => Some(Fate::Drop),
        Some("ACCEPT") => Some(Fate::Accept),
        Some(_) => None,
    }
}

/// A range of ports, or a protocol that has ports: nobody looks how wide it is.
fn opens(tag: &Tag<'_>) -> bool {
    match tag.name {
        "port" => tag.attribute("port").is_none_or(|ports| ports.contains('-')),
        "protocol" => !tag.attribute("value").is_some_and(|name| HARMLESS.contains(&name)),
        _ => false,
    }
}

/// Whether people wrote a service of their own, or over one of the packages, that opens more than
/// single ports.
fn is_wide(reading: &mut Reading<'_>, service: &str) -> Option<bool> {
    let path = format!("{SERVICES}/{service}.xml");
    let wide = |tags: &[Tag<'_>]| {
        tags.iter().any(|tag| opens(tag) || ["source-port", "include"].contains(&tag.name))
    };
    Some(ask(reading, &path, wide)? == Some(true))
}
