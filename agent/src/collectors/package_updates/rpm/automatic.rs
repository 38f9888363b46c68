//! Updates that come by themselves: dnf-automatic and its timers. When it last ran to its end no
//! file tells.

use super::sources::sections;
use crate::collectors::systemd;
use crate::formats::dnf_conf::Section;
use crate::formats::rpm_header::Header;
use crate::host::Reading;
use evidence::kinds::package_updates::{Automatic, LastResult, Mechanism};

const PACKAGES: [&str; 2] = ["dnf-automatic", "dnf5-plugin-automatic"];
/// What a later one says holds.
const FILES: [&str; 3] = [
    "/usr/share/dnf5/dnf5-plugins/automatic.conf",
    "/etc/dnf/automatic.conf",
    "/etc/dnf/dnf5-plugins/automatic.conf",
];
/// Does what the configuration says.
const TIMERS: [&str; 2] = ["dnf-automatic.timer", "dnf5-automatic.timer"];
/// Installs, whatever the configuration says.
const INSTALLS: &str = "dnf-automatic-install.timer";

/// `None` where it cannot be told whether updates come by themselves.
pub(super) fn facts(
    installed: &[Header],
    main: &[Section],
    reading: &mut Reading<'_>,
) -> Option<Automatic> {
    let is_installed = installed.iter().any(|one| PACKAGES.contains(&one.name.as_str()));
    let settings = settings(reading)?;
    let value = |section: &str, key: &str| {
        let own = settings.iter().rev().filter(|one| one.name == section);
        own.filter_map(|one| one.value(key)).next()
    };
    let applies = settings.iter().rev().filter(|one| one.name == "commands");
    let applies = applies.filter_map(|one| one.switch("apply_updates")).next();
    // What is neither yes nor no makes the program stop.
    let applies = applies.unwrap_or(Some(false))?;
    let by_timer = systemd::enabled(reading, INSTALLS).ok()?;
    let mut scheduled = by_timer;
    for timer in TIMERS {
        scheduled |= systemd::enabled(reading, timer).ok()?;
    }
    let scheduled = is_installed && scheduled;
    let kind = value("commands", "upgrade_type").unwrap_or("default");
    let upgrades = is_installed && (applies || by_timer);
    let security_allowed = upgrades && ["default", "security"].contains(&kind);
    let excluded =
        |section: &Section| section.words("exclude").len() + section.words("excludepkgs").len();
    let excluded: usize =
        main.iter().chain(settings.iter().filter(|one| one.name == "base")).map(excluded).sum();
    reading.gaps([("automatic.ran", is_installed)]);
    Some(Automatic {
        mechanism: if is_installed { Mechanism::DnfAutomatic } else { Mechanism::None },
        enabled: scheduled && upgrades && security_allowed,
        // It refreshes before it looks.
        refreshes: scheduled,
        upgrades,
        scheduled,
        security_allowed,
        excluded: i64::try_from(excluded).unwrap_or(i64::MAX),
        ran: (!is_installed).then_some(false),
        last_success_day: None,
        last_result: Some(LastResult::Unknown),
    })
}

fn settings(reading: &mut Reading<'_>) -> Option<Vec<Section>> {
    let mut settings = Vec::new();
    for path in FILES {
        settings.extend(sections(path, reading)?);
    }
    Some(settings)
}
