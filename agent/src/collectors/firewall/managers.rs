//! Firewalls in files, and whether they are loaded at boot.

mod firewalld;

use super::super::systemd;
use super::fate_of;
use crate::formats::nf_tables::Probe;
use crate::formats::packet_filter::{Fate as Found, Filter, Hook};
use crate::formats::{iptables_save, nft_conf};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::firewall::{Configured, Fate, Manager};

/// Where distributions keep the ruleset of nftables.service.
const NFTABLES: [&str; 3] =
    ["/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/nftables.nft"];
/// Rules of IPv4 and of IPv6, and the services that load them.
const IPTABLES: [(&str, &str, &str); 3] = [
    ("/etc/iptables/rules.v4", "/etc/iptables/rules.v6", "netfilter-persistent.service"),
    ("/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables", "iptables.service"),
    ("/etc/iptables/rules-save", "/etc/iptables/rules6-save", "iptables"),
];
const UFW: &str = "/etc/ufw/ufw.conf";
const UFW_DEFAULTS: &str = "/etc/default/ufw";

type Fates = (Option<Fate>, Option<Fate>);

/// All of them; `None` where it is not known whether there are more.
pub(super) fn configured(
    reading: &mut Reading<'_>,
    outside: Option<&[String]>,
) -> Option<Vec<Configured>> {
    let found = [
        firewalld::configured(reading),
        iptables(reading, outside),
        nftables(reading, outside),
        ufw(reading, outside),
    ];
    let found: Option<Vec<_>> = found.into_iter().collect();
    Some(found?.into_iter().flatten().collect())
}

/// The outer `None`: not known whether it is there. The inner one: it is not.
type Perhaps = Option<Option<Configured>>;

fn nftables(reading: &mut Reading<'_>, outside: Option<&[String]>) -> Perhaps {
    for path in NFTABLES {
        let text = match reading.config(path) {
            Err(ReadError::Absent) => continue,
            Err(ReadError::Denied) => return None,
            other => other.ok(),
        };
        let [four, six] = [false, true].map(|is_ipv6| {
            let probe = Probe { is_ipv6, outside };
            let filter = nft_conf::parse(text.as_deref()?, &probe).map_err(|why| {
                reading.note(path, why.to_string());
            });
            input(&filter.ok()?)
        });
        let enabled = is_enabled(reading, "nftables.service", "nftables");
        return Some(Some(one(Manager::Nftables, enabled, (four, six))));
    }
    Some(None)
}

fn input(filter: &Filter) -> Option<Fate> {
    filter.fate(Hook::Input).map(fate_of)
}

fn one(manager: Manager, enabled: Option<bool>, (four, six): Fates) -> Configured {
    Configured { manager, enabled, input_default: four, ipv6_input_default: six }
}

fn iptables(reading: &mut Reading<'_>, outside: Option<&[String]>) -> Perhaps {
    for (four, six, service) in IPTABLES {
        let rules = match rules(reading, four, &Probe { is_ipv6: false, outside }) {
            Err(Failure(Status::Absent)) => continue,
            Err(Failure(Status::Denied)) => return None,
            other => other.ok(),
        };
        // Without a file of its own IPv6 is not filtered.
        let six = match self::rules(reading, six, &Probe { is_ipv6: true, outside }) {
            Err(Failure(Status::Absent)) => Some(Fate::Accept),
            other => other.ok().and_then(|filter| input(&filter)),
        };
        let script = service.strip_suffix(".service").unwrap_or(service);
        let enabled = is_enabled(reading, service, script);
        return Some(Some(one(Manager::Iptables, enabled, (rules.and_then(|f| input(&f)), six))));
    }
    Some(None)
}

fn rules(reading: &mut Reading<'_>, path: &str, probe: &Probe<'_>) -> Result<Filter, Failure> {
    let text = reading.config(path)?;
    iptables_save::parse(&text, probe).map_err(|line| {
        reading.malformed(path, format!("line {line}: not of iptables-restore"));
        Failure(Status::ParseError)
    })
}

/// By its unit, or a link of OpenRC. `None` where that was not read.
fn is_enabled(reading: &Reading<'_>, unit: &str, script: &str) -> Option<bool> {
    if systemd::is_installed(reading).ok()? {
        return systemd::enabled(reading, unit).ok();
    }
    for level in ["sysinit", "boot", "default"] {
        match reading.lstat(&format!("/etc/runlevels/{level}/{script}")) {
            Ok(_) => return Some(true),
            Err(ReadError::Absent) => {}
            Err(_) => return None,
        }
    }
    Some(false)
}

/// `KEY=VALUE` of a shell, the last of a key; comments and blanks around it are taken away.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let lines = text.lines().filter_map(|line| line.trim().split_once('='));
    let mut values = lines.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim());
    values.next_back().map(|value| value.trim_matches(['"', '\'']))
}

/// ufw loads itself at boot where both its unit and its own switch are on.
fn ufw(reading: &mut Reading<'_>, outside: Option<&[String]>) -> Perhaps {
    let text = match reading.config(UFW) {
        Err(ReadError::Absent) => return Some(None),
        Err(ReadError::Denied) => return None,
        other => other.ok(),
    };
    let switch = text.as_deref().and_then(|text| match value(text, "ENABLED") {
        Some(word) if word.eq_ignore_ascii_case("yes") => Some(true),
        Some(word) if word.eq_ignore_ascii_case("no") => Some(false),
        None => Some(false),
        Some(_) => None,
    });
    let enabled = match switch {
        Some(true) => is_enabled(reading, "ufw.service", "ufw"),
        other => other,
    };
    let fates = reading
        .config(UFW_DEFAULTS)
        .ok()
        .map_or((None, None), |text| ufw_fates(reading, &text, outside));
    Some(Some(one(Manager::Ufw, enabled, fates)))
}

/// The policy, unless rules that people added let everybody in before it.
fn ufw_fates(reading: &mut Reading<'_>, text: &str, outside: Option<&[String]>) -> Fates {
    let policy = match value(text, "DEFAULT_INPUT_POLICY") {
        Some("DROP") => Some(Found::Drop),
        Some("REJECT") => Some(Found::Reject),
        Some("ACCEPT") => Some(Found::Accept),
        _ => None,
    };
    let mut fate = |path: &str, is_ipv6, chain: &str| {
        let mut filter = rules(reading, path, &Probe { is_ipv6, outside }).ok()?;
        // What comes after the rules of people.
        let after = match policy? {
            Found::Accept => return Some(Fate::Accept),
            other => other,
        };
        let key = ("filter".to_owned(), chain.to_owned());
        let mut own = filter.chains.remove(&key)?;
        let base = crate::formats::packet_filter::Base { hook: Hook::Input, drops: true };
        own.base = Some(base);
        filter.chains.insert(key, own);
        match filter.fate(Hook::Input)? {
            Found::Drop | Found::Reject => Some(fate_of(after)),
            Found::Accept => Some(Fate::Accept),
        }
    };
    let four = fate("/etc/ufw/user.rules", false, "ufw-user-input");
    let six = match value(text, "IPV6") {
        Some(word) if word.eq_ignore_ascii_case("yes") => {
            fate("/etc/ufw/user6.rules", true, "ufw6-user-input")
        }
        // It drops IPv6 altogether where it does not manage it.
        Some(word) if word.eq_ignore_ascii_case("no") => Some(Fate::Drop),
        _ => None,
    };
    (four, six)
}
