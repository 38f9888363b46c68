//! The kind `firewall`: the kernel's nf_tables over netlink, for which CAP_NET_ADMIN is needed, and
//! what ufw, firewalld, nftables and iptables have in files. Without that capability only the files
//! speak: what they would load, and nothing about what holds.
//!
//! Rules of the old x_tables are told by getsockopt(2) alone, which this program has no safe way to
//! ask: where tables of it are in use, a default is only known if nf_tables refuses. How many rules
//! there are is left out, for fail2ban changes it by itself. A NAT table, raw tables and netdev hooks
//! refuse nothing that counts here.

mod live;
mod managers;

use super::{Collector, facts};
use crate::formats::packet_filter;
use crate::host::{Failure, Reading};
use evidence::kinds::Kind;
use evidence::kinds::firewall::{Configured, Fate, Firewall, FirewallSource};
use live::Live;

pub(super) const COLLECTOR: Collector = Collector {
    kind: Firewall::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

fn collect(reading: &mut Reading<'_>) -> Result<Firewall, Failure> {
    let outside = live::outside(reading);
    let live = live::read(reading, outside.as_deref());
    let ipv6_enabled = live::ipv6_enabled(reading);
    let configured = managers::configured(reading, outside.as_deref());
    let persistent = configured.as_deref().and_then(persistent);
    let source = if live.is_some() { FirewallSource::Netlink } else { FirewallSource::Files };
    let live = live.unwrap_or_default();
    let unclear = |unclear: fn(&Configured) -> bool| {
        configured.as_ref().is_some_and(|all| all.iter().any(unclear))
    };
    reading.gaps([
        ("active", live.active.is_none()),
        ("input_default", live.input.is_none()),
        ("ipv6_input_default", live.ipv6_input.is_none()),
        ("forward_default", live.forward.is_none()),
        ("ipv6_forward_default", live.ipv6_forward.is_none()),
        ("ipv6_enabled", ipv6_enabled.is_none()),
        ("legacy_tables", live.legacy.is_none()),
        ("configured", configured.is_none()),
        ("configured.enabled", unclear(|one| one.enabled.is_none())),
        ("configured.input_default", unclear(|one| one.input_default.is_none())),
        ("configured.ipv6_input_default", unclear(|one| one.ipv6_input_default.is_none())),
        ("persistent", persistent.is_none()),
    ]);
    let Live { active, input, ipv6_input, forward, ipv6_forward, legacy } = live;
    Ok(Firewall {
        source,
        active,
        input_default: input,
        ipv6_input_default: ipv6_input,
        forward_default: forward,
        ipv6_forward_default: ipv6_forward,
        ipv6_enabled,
        legacy_tables: legacy,
        configured,
        persistent,
    })
}

/// One that surely refuses and is surely loaded is enough; none is sure only where none may be.
fn persistent(configured: &[Configured]) -> Option<bool> {
    let refuses = |one: &Configured| match (one.enabled, one.input_default) {
        (Some(false), _) | (_, Some(Fate::Accept)) => Some(false),
        (Some(true), Some(_)) => Some(true),
        _ => None,
    };
    if configured.iter().any(|one| refuses(one) == Some(true)) {
        return Some(true);
    }
    configured.iter().all(|one| refuses(one).is_some()).then_some(false)
}

fn fate_of(fate: packet_filter::Fate) -> Fate {
    match fate {
        packet_filter::Fate::Accept => Fate::Accept,
        packet_filter::Fate::Drop => Fate::Drop,
        packet_filter::Fate::Reject => Fate::Reject,
    }
}
