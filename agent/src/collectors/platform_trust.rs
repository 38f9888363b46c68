//! The kind `platform_trust`: variables of UEFI, the TPM's and the firmware's entries in /sys. Needs
//! no privilege: the firmware's serial numbers, which do, are not read. Only of a running system.

use super::{Collector, facts};
use crate::host::{Failure, ReadError, Reading};
use evidence::kinds::Kind;
use evidence::kinds::platform_trust::{BootMode, Firmware, PlatformTrust, SecureBoot, Tpm};

pub(super) const COLLECTOR: Collector = Collector {
    kind: PlatformTrust::NAME,
    schedule: "0 4 * * *",
    live_only: true,
    collect: |reading| collect(reading).and_then(facts),
};

const EFI: &str = "/sys/firmware/efi";
const DMI: &str = "/sys/class/dmi/id";
const TPM: &str = "/sys/class/tpm";
const IOMMU: &str = "/sys/class/iommu";
/// UEFI Specification, 3.3: globally defined variables.
const SECURE_BOOT: &str =
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SETUP_MODE: &str = "/sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Where shim says that it was told not to verify.
const SHIM: &str = "/sys/firmware/efi/efivars/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23";
/// Four bytes of attributes and the value.
const MAX_VARIABLE_BYTES: u64 = 64;

fn collect(reading: &mut Reading<'_>) -> Result<PlatformTrust, Failure> {
    let boot_mode = boot_mode(reading);
    let secure_boot = match boot_mode {
        Some(BootMode::Uefi) => secure_boot(reading),
        Some(BootMode::Bios) => Some(SecureBoot::Unsupported),
        None => None,
    };
    let firmware = Firmware {
        vendor: dmi(reading, "bios_vendor"),
        version: dmi(reading, "bios_version"),
        date: dmi(reading, "bios_date"),
    };
    let facts = PlatformTrust {
        boot_mode,
        secure_boot,
        tpm: tpm(reading),
        firmware,
        iommu: iommu(reading),
    };
    let has_tpm = facts.tpm.present != Some(false);
    reading.gaps([
        ("boot_mode", facts.boot_mode.is_none()),
        ("secure_boot", facts.secure_boot.is_none()),
        ("tpm.present", facts.tpm.present.is_none()),
        ("tpm.version_major", has_tpm && facts.tpm.version_major.is_none()),
        ("firmware.vendor", facts.firmware.vendor.is_none()),
        ("firmware.version", facts.firmware.version.is_none()),
        ("firmware.date", facts.firmware.date.is_none()),
        ("iommu", facts.iommu.is_none()),
    ]);
    Ok(facts)
}

/// Without UEFI a machine with an SMBIOS has a BIOS; one with a device tree has neither.
fn boot_mode(reading: &mut Reading<'_>) -> Option<BootMode> {
    match (reading.stat(EFI), reading.stat(DMI)) {
        (Ok(_), _) => Some(BootMode::Uefi),
        (Err(ReadError::Absent), Ok(_)) => Some(BootMode::Bios),
        _ => None,
    }
}

fn secure_boot(reading: &mut Reading<'_>) -> Option<SecureBoot> {
    // Where the variables are not mounted nothing is known of them.
    let variables = reading.list("/sys/firmware/efi/efivars").ok()?;
    if variables.is_empty() {
        return None;
    }
    let Some(verifies) = flag(reading, SECURE_BOOT)? else { return Some(SecureBoot::Unsupported) };
    // Whoever has the one has the other.
    let setup = flag(reading, SETUP_MODE)??;
    let unverified = flag(reading, SHIM)?.unwrap_or(false);
    Some(match (verifies, setup, unverified) {
        (_, true, _) => SecureBoot::SetupMode,
        (false, ..) => SecureBoot::Disabled,
        (true, _, true) => SecureBoot::ShimDisabled,
        (true, _, false) => SecureBoot::Enabled,
    })
}

/// A variable of one byte. The inner none: there is no such variable; the outer: it was not read.
fn flag(reading: &mut Reading<'_>, path: &str) -> Option<Option<bool>> {
    match reading.bytes(path, MAX_VARIABLE_BYTES) {
        Ok(bytes) => match bytes.as_slice() {
            [_, _, _, _, 0] => Some(Some(false)),
            [_, _, _, _, 1] => Some(Some(true)),
            _ => {
                reading.malformed(path, "not four bytes of attributes and 0 or 1");
                None
            }
        },
        Err(ReadError::Absent) => Some(None),
        Err(_) => None,
    }
}

fn tpm(reading: &mut Reading<'_>) -> Tpm {
    let names = match reading.list(TPM) {
        Ok(names) => names,
        Err(ReadError::Absent) => return Tpm { present: Some(false), version_major: None },
        Err(_) => return Tpm { present: None, version_major: None },
    };
    let Some(first) = names.iter().find(|name| name.starts_with("tpm")) else {
        return Tpm { present: Some(false), version_major: None };
    };
    let version = reading.text(&format!("{TPM}/{first}/tpm_version_major")).ok();
    let version_major = version.and_then(|text| text.trim().parse().ok());
    Tpm { present: Some(true), version_major }
}

fn iommu(reading: &mut Reading<'_>) -> Option<bool> {
    match reading.list(IOMMU) {
        Ok(names) => Some(!names.is_empty()),
        Err(ReadError::Absent) => Some(false),
        Err(_) => None,
    }
}

fn dmi(reading: &mut Reading<'_>, name: &str) -> Option<String> {
    let text = reading.text(&format!("{DMI}/{name}")).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
