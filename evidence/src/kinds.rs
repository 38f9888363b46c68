//! The kinds of evidence: typed facts. A field's doc comment is its reference, and its JSON Schema
//! is what rules are checked against when they are loaded.
//!
//! A field that is an `Option` is an absent key when it was not read. A list that was not read is
//! an absent key too: an empty list says that there are none.

pub mod about;
pub mod accounts;
pub mod audit;
pub mod authorized_keys;
pub mod backup;
pub mod capacity;
pub mod certificates;
pub mod containers;
pub mod endpoint_protection;
pub mod file_integrity;
pub mod file_permissions;
pub mod file_walk;
pub mod firewall;
pub mod host_os;
pub mod kernel;
pub mod kernel_hardening;
pub mod listening_ports;
pub mod logging;
pub mod logins;
pub mod mac;
pub mod meta;
pub mod package_updates;
pub mod packages;
pub mod password_policy;
pub mod platform_trust;
pub mod services;
pub mod session_lock;
pub mod ssh_server;
pub mod storage;
pub mod sudo;
pub mod time_sync;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use about::About;
pub use accounts::Accounts;
pub use audit::Audit;
pub use authorized_keys::AuthorizedKeys;
pub use backup::Backup;
pub use capacity::Capacity;
pub use certificates::Certificates;
pub use containers::Containers;
pub use endpoint_protection::EndpointProtection;
pub use file_integrity::FileIntegrity;
pub use file_permissions::FilePermissions;
pub use file_walk::FileWalk;
pub use firewall::Firewall;
pub use host_os::HostOs;
pub use kernel::Kernel;
pub use kernel_hardening::KernelHardening;
pub use listening_ports::ListeningPorts;
pub use logging::Logging;
pub use logins::Logins;
pub use mac::Mac;
pub use meta::Meta;
pub use package_updates::PackageUpdates;
pub use packages::Packages;
pub use password_policy::PasswordPolicy;
pub use platform_trust::PlatformTrust;
pub use services::Services;
pub use session_lock::SessionLock;
pub use ssh_server::SshServer;
pub use storage::Storage;
pub use sudo::Sudo;
pub use time_sync::TimeSync;

/// Typed facts of one kind.
pub trait Kind: Serialize + DeserializeOwned + JsonSchema {
    /// Name in TOML, SQL, JSON and on pages.
    const NAME: &'static str;
    /// Version of the facts.
    const V: i64;
    /// What it is, for people.
    const TITLE: &'static str;
    /// Facts about people: own retention, erasable bodies.
    const PERSONAL: bool = false;
    /// What people are told about it.
    const ABOUT: About;
}

/// A kind without its type.
#[derive(Clone, Copy)]
pub struct KindInfo {
    pub name: &'static str,
    pub v: i64,
    pub title: &'static str,
    pub personal: bool,
    pub about: About,
    schema: fn() -> Schema,
}

impl KindInfo {
    const fn of<K: Kind>() -> Self {
        Self {
            name: K::NAME,
            v: K::V,
            title: K::TITLE,
            personal: K::PERSONAL,
            about: K::ABOUT,
            schema: || schema_for!(K),
        }
    }

    /// JSON Schema (2020-12) of the kind's `data`.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }
}

/// Every kind there is, by name.
pub const ALL: &[KindInfo] = &[
    KindInfo::of::<Accounts>(),
    KindInfo::of::<Audit>(),
    KindInfo::of::<AuthorizedKeys>(),
    KindInfo::of::<Backup>(),
    KindInfo::of::<Capacity>(),
    KindInfo::of::<Certificates>(),
    KindInfo::of::<Containers>(),
    KindInfo::of::<EndpointProtection>(),
    KindInfo::of::<FileIntegrity>(),
    KindInfo::of::<FilePermissions>(),
    KindInfo::of::<FileWalk>(),
    KindInfo::of::<Firewall>(),
    KindInfo::of::<HostOs>(),
    KindInfo::of::<Kernel>(),
    KindInfo::of::<KernelHardening>(),
    KindInfo::of::<ListeningPorts>(),
    KindInfo::of::<Logging>(),
    KindInfo::of::<Logins>(),
    KindInfo::of::<Mac>(),
    KindInfo::of::<Meta>(),
    KindInfo::of::<PackageUpdates>(),
    KindInfo::of::<Packages>(),
    KindInfo::of::<PasswordPolicy>(),
    KindInfo::of::<PlatformTrust>(),
    KindInfo::of::<Services>(),
    KindInfo::of::<SessionLock>(),
    KindInfo::of::<SshServer>(),
    KindInfo::of::<Storage>(),
    KindInfo::of::<Sudo>(),
    KindInfo::of::<TimeSync>(),
];

pub fn find(name: &str) -> Option<&'static KindInfo> {
    ALL.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_says_what_it_is_for_and_a_personal_one_what_it_says_about_people() {
        for kind in ALL {
            assert!(kind.about.purpose.ends_with('.'), "{}", kind.name);
            assert!(!kind.about.reads.is_empty(), "{}", kind.name);
            assert_eq!(kind.personal, !kind.about.people.is_empty(), "{}", kind.name);
        }
    }

    #[test]
    fn kinds_are_listed_once_by_name_and_have_a_schema() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
        for kind in ALL {
            assert!(kind.schema().get("properties").is_some(), "{}", kind.name);
            assert_eq!(find(kind.name).map(|found| found.v), Some(kind.v));
        }
    }
}
