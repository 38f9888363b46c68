//! What happens in the quarter of the demonstration, as data.

use super::facts::Change;

/// Days that the script is of.
pub(super) const DAYS: i64 = 91;

pub(super) struct Group {
    pub(super) name: &'static str,
    /// Its share of the hosts.
    pub(super) parts: usize,
    pub(super) isms: &'static str,
    pub(super) criticality: &'static str,
    pub(super) owner: &'static str,
    pub(super) deputy: &'static str,
}

const fn group(
    name: &'static str,
    parts: usize,
    isms: &'static str,
    criticality: &'static str,
    owner: &'static str,
    deputy: &'static str,
) -> Group {
    Group { name, parts, isms, criticality, owner, deputy }
}

/// Hosts by hundredths.
pub(super) const GROUPS: [Group; 8] = [
    group("web", 24, "Hosting", "high", "Web platform", "Operations"),
    group("app", 20, "Hosting", "high", "Application operations", "Web platform"),
    group("database", 10, "Hosting", "critical", "Data platform", "Operations"),
    group("proxy", 6, "Hosting", "high", "Operations", "Web platform"),
    group("search", 8, "Hosting", "medium", "Data platform", "Operations"),
    group("mail", 4, "Internal IT", "high", "Internal IT", "Operations"),
    group("build", 12, "Internal IT", "medium", "Developer tools", "Internal IT"),
    group("office", 16, "Internal IT", "low", "Internal IT", "Operations"),
];

pub(super) enum Happening {
    /// From then on this is what became of hosts, by their numbers, the end left out.
    Becomes {
        group: &'static str,
        hosts: (usize, usize),
        changes: &'static [Change],
    },
    FallsSilent {
        group: &'static str,
        host: usize,
    },
    ComesBack {
        group: &'static str,
        host: usize,
    },
}

const fn becomes(
    day: i64,
    group: &'static str,
    hosts: (usize, usize),
    changes: &'static [Change],
) -> (i64, Happening) {
    (day, Happening::Becomes { group, hosts, changes })
}

/// Day of the quarter, and what happens on it.
const HAPPENINGS: [(i64, Happening); 27] = [
    // A rollout that goes wrong, and is taken back two days later.
    becomes(6, "web", (0, 40), &[Change::RootLogin]),
    becomes(8, "web", (0, 40), &[]),
    becomes(14, "database", (1, 2), &[Change::SecondRoot]),
    becomes(15, "database", (1, 2), &[]),
    // Patch days: what waits is installed within a week, but for what is forgotten.
    becomes(18, "app", (0, 60), &[Change::UpdatesWait]),
    becomes(22, "app", (0, 60), &[]),
    becomes(30, "office", (0, 50), &[Change::UpdatesWait]),
    becomes(36, "office", (3, 50), &[]),
    becomes(25, "build", (2, 4), &[Change::DiskFull]),
    becomes(27, "build", (2, 4), &[]),
    (33, Happening::FallsSilent { group: "proxy", host: 2 }),
    (38, Happening::ComesBack { group: "proxy", host: 2 }),
    becomes(41, "mail", (0, 1), &[Change::LogStopped]),
    becomes(44, "mail", (0, 1), &[]),
    becomes(50, "app", (4, 5), &[Change::Operator("temp-migration")]),
    becomes(57, "app", (4, 5), &[]),
    becomes(60, "office", (8, 14), &[Change::ClockLoose]),
    becomes(66, "office", (8, 14), &[]),
    becomes(70, "build", (5, 8), &[Change::AuditOff]),
    // What is open on the last day.
    (79, Happening::FallsSilent { group: "office", host: 5 }),
    becomes(80, "search", (0, 3), &[Change::UpdatesWait]),
    becomes(84, "app", (7, 8), &[Change::Operator("vendor-support")]),
    becomes(86, "mail", (1, 2), &[Change::AccountsDenied]),
    becomes(88, "web", (10, 13), &[Change::RootLogin]),
    becomes(89, "database", (2, 3), &[Change::SecondRoot]),
    becomes(90, "proxy", (0, 2), &[Change::LogStopped]),
    becomes(90, "office", (9, 11), &[Change::DiskFull]),
];

pub(super) fn of_day(day: i64) -> impl Iterator<Item = &'static (i64, Happening)> {
    HAPPENINGS.iter().filter(move |(of, _)| *of == day)
}
