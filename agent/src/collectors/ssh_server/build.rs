//! Who built the server. What OpenSSH takes for granted its builders change: where it is not known
//! what a build takes for granted, only what is written counts.

use super::effective::Effective;
use crate::collectors::host_os;
use crate::host::Reading;
use evidence::kinds::host_os::Family;
use evidence::kinds::packages::Manager;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// Compared with the real one, settings and lists, for some releases.
    Debian,
    /// Settings are those of OpenSSH; lists of algorithms are not known.
    Upstream,
    /// Some settings are built in another way too: SUSE, and whom nobody knows.
    Other,
}

/// Settings that SUSE builds in another way, by release: PAM is on, and root may log in.
const DIFFERING: [&str; 2] = ["permitrootlogin", "usepam"];

impl Build {
    pub(super) fn of(reading: &mut Reading<'_>, manager: Manager) -> Self {
        match manager {
            Manager::Dpkg => Self::Debian,
            Manager::Apk | Manager::Pacman => Self::Upstream,
            Manager::Rpm => match host_os::family_of(reading) {
                Ok(Family::Rhel) => Self::Upstream,
                _ => Self::Other,
            },
        }
    }

    /// Whether every setting is known: what the build changes must be written.
    pub(super) fn is_known(self, effective: &Effective<'_>) -> bool {
        self != Self::Other || DIFFERING.iter().all(|name| effective.is_written(name))
    }
}
