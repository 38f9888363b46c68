//! What the machine starts from.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Firmware, Secure Boot, TPM. Of the running machine: a container has that of the machine around
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlatformTrust {
    /// Absent where it cannot be told, as on machines with a device tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_mode: Option<BootMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secure_boot: Option<SecureBoot>,
    pub tpm: Tpm,
    /// By the firmware itself (SMBIOS).
    pub firmware: Firmware,
    /// Whether an IOMMU is in use, which keeps devices from foreign memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iommu: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BootMode {
    Uefi,
    /// An x86 machine without UEFI.
    Bios,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecureBoot {
    /// The firmware verifies what it starts, and nothing on the way was told not to.
    Enabled,
    Disabled,
    /// The firmware takes any key.
    SetupMode,
    /// It verifies, and shim was told not to (`mokutil --disable-validation`).
    ShimDisabled,
    /// BIOS, or an UEFI without the variable.
    Unsupported,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tpm {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// 1 or 2; absent without one, and where the kernel does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_major: Option<i64>,
}

/// As the firmware names itself; each is absent where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Firmware {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// As written, mostly `MM/DD/YYYY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

impl Kind for PlatformTrust {
    const NAME: &'static str = "platform_trust";
    const V: i64 = 1;
    const TITLE: &'static str = "Firmware and Secure Boot";
    const ABOUT: About = About {
        purpose: "What the machine starts from: firmware, Secure Boot, TPM.",
        reads: &[
            "/sys/class/dmi/id/*",
            "/sys/class/iommu/",
            "/sys/class/tpm/*",
            "/sys/firmware/efi/efivars/*",
        ],
        also_reads: "",
        stays: &["serial numbers and UUIDs of the hardware"],
        needs: &[],
        cost: Cost::Light,
        people: "",
    };
}
