//! What people are told about a kind: what it is for, what it reads, what it keeps to itself.

use serde::Serialize;

/// The reference of a kind beside its facts.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct About {
    /// What it is for, in a sentence.
    pub purpose: &'static str,
    /// Paths that are read. `*` stands for anything, `/` too; a path with `/` at its end is a
    /// directory whose names are read.
    pub reads: &'static [&'static str],
    /// What is read beside them: files that others name, calls to the kernel. Empty if nothing is.
    pub also_reads: &'static str,
    /// What is read, or lies beside it, and never leaves the host.
    pub stays: &'static [&'static str],
    /// What needs a privilege, and is unread without it.
    #[serde(serialize_with = "needs")]
    pub needs: &'static [(Privilege, &'static str)],
    pub cost: Cost,
    /// What it says about people, and why; empty for a kind that is not personal.
    pub people: &'static str,
}

/// A capability, capabilities(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Privilege {
    #[serde(rename = "CAP_AUDIT_CONTROL")]
    AuditControl,
    /// Reads any file, and writes none.
    #[serde(rename = "CAP_DAC_READ_SEARCH")]
    DacReadSearch,
    #[serde(rename = "CAP_MAC_ADMIN")]
    MacAdmin,
    #[serde(rename = "CAP_NET_ADMIN")]
    NetAdmin,
    /// Looks into processes of others.
    #[serde(rename = "CAP_SYS_PTRACE")]
    SysPtrace,
}

impl Privilege {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuditControl => "CAP_AUDIT_CONTROL",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Self::MacAdmin => "CAP_MAC_ADMIN",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysPtrace => "CAP_SYS_PTRACE",
        }
    }
}

/// Processor time of one collection on a usual server, all caches warm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Up to 10 ms.
    Light,
    /// Up to 100 ms.
    Moderate,
    /// More, at the lowest priority, and within a budget.
    Heavy,
}

impl Cost {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Moderate => "moderate",
            Self::Heavy => "heavy",
        }
    }
}

fn needs<S: serde::Serializer>(
    needs: &&'static [(Privilege, &'static str)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Need {
        privilege: Privilege,
        without_it_unread: &'static str,
    }
    serializer.collect_seq(
        needs
            .iter()
            .map(|(privilege, unread)| Need { privilege: *privilege, without_it_unread: unread }),
    )
}
