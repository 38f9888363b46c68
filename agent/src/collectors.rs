//! One file per kind, with the stem of its contract in `evidence/src/kinds`. A kind is registered
//! by its `mod` line and its line in [`ALL`]; a forgotten line does not compile.

mod accounts;
mod audit;
mod authorized_keys;
mod backup;
mod capacity;
mod certificates;
mod containers;
pub mod declared;
mod endpoint_protection;
mod file_integrity;
mod file_permissions;
mod file_walk;
mod firewall;
mod host_os;
mod kernel;
mod kernel_clock;
mod kernel_hardening;
mod listening_ports;
mod logging;
mod logins;
mod mac;
mod meta;
mod package_updates;
mod packages;
mod password_policy;
mod platform_trust;
mod services;
mod session_lock;
pub mod ssh_server;
mod storage;
mod sudo;
mod systemd;
mod time_sync;

use crate::host::{Failure, Host, Reading};
use evidence::kinds::about::Privilege;
use evidence::kinds::{Kind, KindInfo};
use evidence::{Facts, KindEntry, Source, Status};

/// How one kind is gathered.
pub struct Collector {
    /// Name of the kind.
    pub kind: &'static str,
    /// When it is gathered by default: a five-field crontab(5) expression, UTC.
    pub schedule: &'static str,
    /// Whether it needs the running system; with `--root` it is then `unsupported`.
    pub live_only: bool,
    collect: fn(&mut Reading<'_>) -> Result<Facts, Failure>,
}

/// Every collector, by kind.
pub const ALL: &[Collector] = &[
    accounts::COLLECTOR,
    audit::COLLECTOR,
    authorized_keys::COLLECTOR,
    backup::COLLECTOR,
    capacity::COLLECTOR,
    certificates::COLLECTOR,
    containers::COLLECTOR,
    endpoint_protection::COLLECTOR,
    file_integrity::COLLECTOR,
    file_permissions::COLLECTOR,
    file_walk::COLLECTOR,
    firewall::COLLECTOR,
    host_os::COLLECTOR,
    kernel::COLLECTOR,
    kernel_hardening::COLLECTOR,
    listening_ports::COLLECTOR,
    logging::COLLECTOR,
    logins::COLLECTOR,
    mac::COLLECTOR,
    meta::COLLECTOR,
    package_updates::COLLECTOR,
    packages::COLLECTOR,
    password_policy::COLLECTOR,
    platform_trust::COLLECTOR,
    services::COLLECTOR,
    session_lock::COLLECTOR,
    ssh_server::COLLECTOR,
    storage::COLLECTOR,
    sudo::COLLECTOR,
    time_sync::COLLECTOR,
];

/// What one collection gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Collected {
    pub status: Status,
    pub facts: Option<Facts>,
    pub sources: Vec<Source>,
    pub unread: Vec<String>,
}

impl Collected {
    fn of(reading: Reading<'_>, outcome: Result<Facts, Failure>) -> Self {
        let (sources, unread) = reading.finish();
        match outcome {
            Ok(facts) => {
                let status = if unread.is_empty() { Status::Ok } else { Status::Partial };
                Self { status, facts: Some(facts), sources, unread }
            }
            Err(Failure(status)) => Self { status, facts: None, sources, unread: vec![] },
        }
    }

    /// The kind's entry in a manifest.
    pub fn entry(&self) -> KindEntry {
        KindEntry {
            status: self.status,
            facts: self.facts.as_ref().map(Facts::id),
            sources: self.sources.clone(),
            unread: self.unread.clone(),
        }
    }
}

impl Collector {
    /// Gathers the kind. Never fails: what went wrong is the status.
    pub fn collect(&self, host: &Host) -> Collected {
        let mut reading = Reading::new(host);
        let outcome = if self.live_only && !host.is_live() {
            Err(Failure(Status::Unsupported))
        } else {
            (self.collect)(&mut reading)
        };
        Collected::of(reading, outcome)
    }

    /// The contract of the kind.
    pub fn info(&self) -> Option<&'static KindInfo> {
        evidence::kinds::find(self.kind)
    }
}

/// Typed facts as they travel. What cannot be written as canonical JSON is no evidence.
fn facts<K: Kind>(data: K) -> Result<Facts, Failure> {
    Facts::of(&data).map_err(|_| Failure(Status::ParseError))
}

pub fn find(kind: &str) -> Option<&'static Collector> {
    ALL.iter().find(|collector| collector.kind == kind)
}

/// The kinds that say less without a privilege.
pub fn needing(privilege: Privilege) -> impl Iterator<Item = &'static str> {
    let needs = move |collector: &&Collector| {
        let needs = collector.info().map_or(&[][..], |info| info.about.needs);
        needs.iter().any(|(one, _)| *one == privilege)
    };
    ALL.iter().filter(needs).map(|collector| collector.kind)
}
