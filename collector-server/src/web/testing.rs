//! Rows for the tests of the pages.

use super::input::{Control, Rule, Severity, Theme};
use super::marks::State;
use crate::store::model::{HostRow, HostState, LogHead, ResultRow};
use evidence::{Digest, HostId};

pub(super) const NOW: i64 = 1_795_423_320_000_000;
pub(super) const HOUR: i64 = 3_600_000_000;

pub(super) fn id(n: u64) -> HostId {
    HostId::from_parts(n, 1)
}

pub(super) fn host(n: u64, state: HostState, last: Option<i64>) -> HostRow {
    HostRow {
        id: id(n),
        name: format!("host-{n}"),
        group: "web".into(),
        state,
        enrolled_us: NOW - 100 * HOUR,
        last_received_us: last,
        next_due_s: last.map(|_| 3600),
        agent: None,
        manifest: None,
        revoked_us: None,
    }
}

/// Two hosts that report, a silent one, one that enrols, one retired, one ended.
pub(super) fn fleet() -> Vec<HostRow> {
    vec![
        host(1, HostState::Active, Some(NOW - HOUR / 2)),
        host(2, HostState::Active, Some(NOW - HOUR)),
        host(3, HostState::Active, Some(NOW - 3 * HOUR)),
        host(4, HostState::Enrolling, None),
        host(5, HostState::Retired, Some(NOW - HOUR)),
        host(6, HostState::Ended, Some(NOW - HOUR)),
    ]
}

pub(super) fn result(host: u64, rule: &str, outcome: &str, hours: i64) -> ResultRow {
    ResultRow {
        host: id(host),
        rule: rule.into(),
        outcome: outcome.into(),
        reason: None,
        offenders: vec![],
        since_us: NOW - hours * HOUR,
        known: 1,
        cause: None,
    }
}

pub(super) fn rule(id: &str, severity: Severity, control: &str) -> Rule {
    Rule {
        id: id.into(),
        title: format!("Title of {id}"),
        controls: vec![control.into()],
        severity,
        evidence: vec!["accounts".into()],
        rationale: String::new(),
        remediation: format!("Mend {id}."),
        not_shown: Some("Who holds the key".into()),
        profile: "essential".into(),
        coverage: Default::default(),
    }
}

pub(super) fn control(id: &str, theme: Theme, state: State) -> Control {
    Control {
        id: id.into(),
        title: format!("Title of {id}"),
        theme,
        control_type: vec!["preventive".into()],
        iso2013: vec![],
        host_evidence: (theme == Theme::Technological).then(|| "Effective settings.".into()),
        not_shown: Some("Logins to web applications".into()),
        state,
        open_deviations: 0,
        unseen: None,
    }
}

pub(super) fn log() -> LogHead {
    LogHead { size: 1_204_866, root: Digest::of(b"root") }
}
