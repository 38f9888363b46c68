//! The products this agent knows, as data.

use evidence::kinds::endpoint_protection::{ProductKind, ProductName};

/// A product: its packages on any family, programs that are its own, directories in which nothing
/// else lies, and its units as control groups below `system.slice`.
pub(super) struct Known {
    pub(super) name: ProductName,
    pub(super) kind: ProductKind,
    pub(super) packages: &'static [&'static str],
    pub(super) programs: &'static [&'static str],
    /// Ending with `/`: programs in them bear versions in their names.
    directories: &'static [&'static str],
    pub(super) units: &'static [&'static str],
    pub(super) local_signatures: bool,
}

impl Known {
    /// Whether the link `exe` of a process leads to a program of it. An update leaves the old one
    /// running, without a file.
    pub(super) fn is_program(&self, exe: &str) -> bool {
        let exe = exe.strip_suffix(" (deleted)").unwrap_or(exe);
        let below = self.directories.iter().any(|directory| exe.starts_with(directory));
        below || self.programs.contains(&exe)
    }
}

/// The on-access scanner of ClamAV: a part of that product.
pub(super) const CLAMONACC: Known = Known {
    name: ProductName::Clamav,
    kind: ProductKind::Av,
    packages: &[],
    programs: &["/usr/sbin/clamonacc", "/usr/bin/clamonacc"],
    directories: &[],
    units: &["clamav-clamonacc.service", "clamonacc.service"],
    local_signatures: true,
};

/// By name.
pub(super) const KNOWN: &[Known] = &[
    Known {
        name: ProductName::Chkrootkit,
        kind: ProductKind::Rootkit,
        packages: &["chkrootkit"],
        programs: &["/usr/sbin/chkrootkit", "/usr/bin/chkrootkit"],
        directories: &[],
        units: &[],
        local_signatures: false,
    },
    Known {
        name: ProductName::Clamav,
        kind: ProductKind::Av,
        // The daemon first: its version is that of the product.
        packages: &["clamav-daemon", "clamd", "clamav-server", "clamav"],
        programs: &["/usr/sbin/clamd", "/usr/bin/clamscan"],
        directories: &[],
        units: &["clamav-daemon.service", "clamd.service", "system-clamd.slice/clamd@scan.service"],
        local_signatures: true,
    },
    Known {
        name: ProductName::CrowdstrikeFalcon,
        kind: ProductKind::Edr,
        packages: &["falcon-sensor"],
        programs: &["/opt/CrowdStrike/falcond", "/opt/CrowdStrike/falcon-sensor"],
        directories: &["/opt/CrowdStrike/"],
        units: &["falcon-sensor.service"],
        local_signatures: false,
    },
    Known {
        name: ProductName::Defender,
        kind: ProductKind::Edr,
        packages: &["mdatp"],
        programs: &["/opt/microsoft/mdatp/sbin/wdavdaemon"],
        directories: &["/opt/microsoft/mdatp/"],
        units: &["mdatp.service"],
        local_signatures: true,
    },
    Known {
        name: ProductName::Eset,
        kind: ProductKind::Av,
        packages: &["efs", "eea"],
        programs: &["/opt/eset/efs/sbin/startd", "/opt/eset/eea/sbin/startd"],
        directories: &["/opt/eset/efs/", "/opt/eset/eea/"],
        units: &["efs.service", "eea.service"],
        local_signatures: true,
    },
    Known {
        name: ProductName::Falco,
        kind: ProductKind::Hids,
        packages: &["falco"],
        programs: &["/usr/bin/falco"],
        directories: &[],
        units: &[
            "falco.service",
            "falco-bpf.service",
            "falco-kmod.service",
            "falco-modern-bpf.service",
        ],
        local_signatures: false,
    },
    Known {
        name: ProductName::Freshclam,
        kind: ProductKind::Updater,
        packages: &["clamav-freshclam", "clamav-update"],
        programs: &["/usr/bin/freshclam"],
        directories: &[],
        units: &["clamav-freshclam.service"],
        local_signatures: false,
    },
    Known {
        name: ProductName::Maldet,
        kind: ProductKind::Av,
        // A shell script: that its monitor runs is never proven.
        packages: &["maldet"],
        programs: &["/usr/local/maldetect/maldet", "/usr/local/sbin/maldet"],
        directories: &["/usr/local/maldetect/"],
        units: &["maldet.service"],
        local_signatures: true,
    },
    Known {
        name: ProductName::Rkhunter,
        kind: ProductKind::Rootkit,
        packages: &["rkhunter"],
        programs: &["/usr/bin/rkhunter", "/usr/local/bin/rkhunter"],
        directories: &[],
        units: &[],
        local_signatures: false,
    },
    Known {
        name: ProductName::Sentinelone,
        kind: ProductKind::Edr,
        packages: &["sentinelagent", "SentinelAgent"],
        programs: &["/opt/sentinelone/bin/sentinelone-agent", "/opt/sentinelone/bin/sentinelctl"],
        directories: &["/opt/sentinelone/"],
        units: &["sentinelone.service"],
        local_signatures: false,
    },
    Known {
        name: ProductName::Sophos,
        kind: ProductKind::Edr,
        packages: &[],
        programs: &["/opt/sophos-spl/base/bin/sophos_watchdog"],
        directories: &["/opt/sophos-spl/"],
        units: &["sophos-spl.service"],
        local_signatures: true,
    },
    Known {
        name: ProductName::Tetragon,
        kind: ProductKind::Hids,
        packages: &["tetragon"],
        programs: &["/usr/local/bin/tetragon", "/usr/bin/tetragon"],
        directories: &[],
        units: &["tetragon.service"],
        local_signatures: false,
    },
    Known {
        name: ProductName::TrendMicro,
        kind: ProductKind::Edr,
        packages: &["ds-agent", "ds_agent"],
        programs: &["/opt/ds_agent/ds_agent"],
        directories: &["/opt/ds_agent/"],
        units: &["ds_agent.service"],
        local_signatures: true,
    },
    Known {
        name: ProductName::Wazuh,
        kind: ProductKind::Hids,
        packages: &["wazuh-agent"],
        programs: &["/var/ossec/bin/wazuh-agentd"],
        directories: &["/var/ossec/bin/"],
        units: &["wazuh-agent.service"],
        local_signatures: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_by_name_and_every_path_is_absolute() {
        assert!(KNOWN.windows(2).all(|pair| pair[0].name < pair[1].name));
        for known in KNOWN {
            assert!(
                known.programs.iter().all(|path| path.starts_with('/') && !path.ends_with('/'))
            );
            assert!(
                known.directories.iter().all(|path| path.starts_with('/') && path.ends_with('/'))
            );
            assert!(!known.programs.is_empty());
        }
    }

    #[test]
    fn a_program_of_the_same_name_elsewhere_is_another() {
        let clamav = KNOWN.iter().find(|known| known.name == ProductName::Clamav).expect("there");
        assert!(clamav.is_program("/usr/sbin/clamd"));
        assert!(clamav.is_program("/usr/sbin/clamd (deleted)"));
        assert!(!clamav.is_program("/home/ada/clamd"));
        assert!(!clamav.is_program("/usr/sbin/clamd-wrapper"));
        let falcon = KNOWN.iter().find(|k| k.name == ProductName::CrowdstrikeFalcon);
        let falcon = falcon.expect("there");
        assert!(falcon.is_program("/opt/CrowdStrike/falcon-sensor16303"));
        assert!(!falcon.is_program("/opt/CrowdStrikeX/falcon-sensor"));
    }
}
