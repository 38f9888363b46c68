//! Protection against malware: which products are installed, and whether they run.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Products that this agent knows and that are installed. Others are not recognised, and a scanner at
/// the gateway or in the hypervisor is not seen from inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointProtection {
    /// By name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub products: Option<Vec<Product>>,
}

/// A product that is installed, by the package database or by its program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub name: ProductName,
    pub kind: ProductKind,
    /// Version of its package; absent where it has none that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether its own program runs within its own unit: a process that only has the name is none.
    /// False for what has no service. Absent when its unit has processes of which none can be
    /// shown to be that program, and where control groups cannot be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// Whether files are looked at when they are opened. Of ClamAV only (clamonacc); of others it
    /// is not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realtime: Option<bool>,
    /// Whether it works with signatures that it keeps on the host, and that grow old.
    pub local_signatures: bool,
    /// UTC day on which its daily signatures were made, by their own header. Of ClamAV only; of
    /// others it is not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_day: Option<i64>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ProductName {
    Chkrootkit,
    Clamav,
    /// CrowdStrike Falcon.
    CrowdstrikeFalcon,
    /// Microsoft Defender for Endpoint.
    Defender,
    /// ESET Server Security, ESET Endpoint Antivirus.
    Eset,
    Falco,
    /// The updater of ClamAV's signatures.
    Freshclam,
    /// Linux Malware Detect.
    Maldet,
    Rkhunter,
    Sentinelone,
    /// Sophos Protection for Linux.
    Sophos,
    Tetragon,
    /// Trend Micro Deep Security Agent.
    TrendMicro,
    Wazuh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProductKind {
    /// Looks for malware in files.
    Av,
    /// Looks at what programs do, and can stop them.
    Edr,
    /// Watches and reports; stops nothing by itself.
    Hids,
    /// Looks for known rootkits when it is started.
    Rootkit,
    /// Fetches signatures for another product.
    Updater,
}

impl Kind for EndpointProtection {
    const NAME: &'static str = "endpoint_protection";
    const V: i64 = 1;
    const TITLE: &'static str = "Protection against malware";
    const ABOUT: About = About {
        purpose: "Whether protection against malware is installed, runs, and knows what is new.",
        reads: &[
            "/etc/clamav/clamd.conf",
            "/etc/clamd*",
            "*/daily.cvd",
            "*/daily.cld",
            "/sys/fs/cgroup/system.slice/*",
        ],
        also_reads: "the package database, as `packages` reads it; /proc/PID/exe of processes in the products' units",
        stays: &["what a product found"],
        needs: &[(
            Privilege::SysPtrace,
            "whether the processes of a unit are the product's program",
        )],
        cost: Cost::Light,
        people: "",
    };
}
