//! `report.html`: the whole for people, in one file that prints: nothing is loaded from elsewhere.

use super::fleet::{Deviation, Fleet};
use super::{lists, time};
use crate::applicability::Entry;
use crate::catalogue::Control;
use crate::expected::reconcile;
use crate::judge::Outcome;
use crate::snapshot::SnapshotError;
use crate::snapshot::document::ExceptionDocument;
use crate::status::{ControlStatus, EvidenceState};
use crate::web::page::plural;
use askama::Template;
use std::collections::BTreeSet;

/// Sources of a kind that are named; the manifests have all.
const SOURCES: usize = 8;
/// Offenders that are named in one line.
const OFFENDERS: usize = 6;

#[derive(Template)]
#[template(path = "snapshot_report.html")]
struct Report<'a> {
    organisation: &'a str,
    /// At the foot of printed pages.
    footer: String,
    label: &'a str,
    recipient: &'a str,
    purpose: &'a str,
    of: String,
    origin: &'a str,
    size: u64,
    root: String,
    program: &'a str,
    rules: String,
    left_out: String,
    hosts: usize,
    in_service: usize,
    silent: usize,
    unjudged: u64,
    disagreeing: u64,
    expected: Option<String>,
    missing: Vec<String>,
    isms: Vec<Isms<'a>>,
    sampled: Option<String>,
    states: Vec<Count>,
    controls: Vec<Section<'a>>,
    silent_controls: Vec<&'a Control>,
    exceptions: Vec<Accepted<'a>>,
    doubtful: Vec<Doubtful<'a>>,
}

/// A management system.
struct Isms<'a> {
    name: &'a str,
    legal_entity: &'a str,
    scope: &'a str,
    certificate: &'a str,
    groups: String,
    statement: String,
}

struct Count {
    mark: &'static str,
    word: &'static str,
    controls: usize,
}

/// A control of which hosts show something.
struct Section<'a> {
    control: &'a Control,
    anchor: String,
    mark: &'static str,
    word: &'static str,
    /// Pass, fail, unknown, not applicable.
    counts: [u64; 4],
    past_limit: u64,
    verdict: String,
    claims: Vec<Claim<'a>>,
    rules: Vec<RuleLine>,
    sources: Vec<SourceLine>,
    deviations: Vec<DeviationLine>,
    more: u64,
    exceptions: Vec<&'a str>,
    not_shown: Vec<String>,
}

/// What a Statement of Applicability says.
struct Claim<'a> {
    isms: &'a str,
    applicable: &'static str,
    grounds: String,
    implementation: &'static str,
    justification: &'a str,
    owner: &'a str,
}

struct RuleLine {
    id: String,
    title: String,
    severity: &'static str,
    counts: [u64; 4],
    parameters: String,
}

struct SourceLine {
    kind: String,
    hosts: u64,
    statuses: String,
    paths: String,
}

struct DeviationLine {
    host: String,
    rule: String,
    severity: &'static str,
    from: String,
    to: String,
    lasted: String,
    past_limit: bool,
    exception: String,
    offenders: String,
}

struct Accepted<'a> {
    row: &'a ExceptionDocument,
    rules: String,
    until: String,
    decided: String,
}

struct Doubtful<'a> {
    name: &'a str,
    why: String,
}

pub(super) fn html(fleet: &Fleet) -> Result<String, SnapshotError> {
    let (head, pins) = (&fleet.head, &fleet.head.pins);
    let asked = &head.asked;
    let of = match pins.is_period() {
        true => format!("{} to {}", time(pins.from_us), time(pins.at_us)),
        false => time(pins.at_us),
    };
    let (said, silent): (Vec<_>, Vec<_>) =
        fleet.controls.iter().partition(|(_, status)| status.state != EvidenceState::None);
    let found = reconcile(&fleet.expected.entries, &lists::rows(fleet), pins.at_us);
    let missing = found.lines.iter().filter(|line| line.state.word() == "missing");
    let doubtful = fleet.hosts.iter().filter_map(doubt);
    let left_out: Vec<_> = head.left_out.iter().map(String::as_str).collect();
    let report = Report {
        organisation: &head.organisation,
        footer: css(&format!("Evidence of {}, {of}", head.organisation)),
        label: &asked.label,
        recipient: &asked.recipient,
        purpose: &asked.purpose,
        of,
        origin: &head.origin,
        size: pins.known_size,
        root: head.root.to_string(),
        program: &head.program,
        rules: head.rules.map(|id| id.to_string()).unwrap_or_default(),
        left_out: left_out.join(", "),
        hosts: fleet.hosts.len(),
        in_service: fleet.hosts.iter().filter(|host| host.in_service).count(),
        silent: fleet
            .hosts
            .iter()
            .filter(|host| host.in_service && host.silent_since_us.is_some())
            .count(),
        unjudged: head.unjudged,
        disagreeing: fleet.disagreeing,
        expected: fleet.expected.imported_us.map(|_| found.says()),
        missing: missing.map(|line| line.name.clone()).take(100).collect(),
        isms: fleet.statements.iter().map(isms).collect(),
        sampled: asked.sample.as_ref().map(|asked| asked.seed.clone()),
        states: states(fleet),
        controls: said.iter().map(|(control, status)| section(fleet, control, status)).collect(),
        silent_controls: silent.iter().map(|(control, _)| control).collect(),
        exceptions: fleet.exceptions.iter().map(accepted).collect(),
        doubtful: doubtful.take(200).collect(),
    };
    report.render().map_err(|error| SnapshotError::Other(error.to_string()))
}

fn doubt(host: &super::fleet::HostLine) -> Option<Doubtful<'_>> {
    let why = match (host.disagrees, host.silent_since_us, host.observed_us) {
        (0, None, Some(_)) => return None,
        (0, Some(us), _) if host.in_service => format!("silent since {}", time(us)),
        (0, _, None) if host.in_service => "it has never reported".to_owned(),
        (0, ..) => return None,
        (n, ..) => format!("{n} results on record are not those that the rules give"),
    };
    Some(Doubtful { name: &host.name, why })
}

fn isms(isms: &crate::snapshot::document::IsmsDocument) -> Isms<'_> {
    let groups: Vec<_> = isms.groups.iter().map(String::as_str).collect();
    let statement = match &isms.statement {
        Some(said) => format!(
            "version {}, approved {} by {}",
            said.version,
            time(said.approved_us),
            said.approved_by
        ),
        None => "none was approved".to_owned(),
    };
    Isms {
        name: &isms.name,
        legal_entity: &isms.legal_entity,
        scope: &isms.scope_statement,
        certificate: isms.certificate.as_deref().unwrap_or("none was named"),
        groups: if groups.is_empty() { "none".to_owned() } else { groups.join(", ") },
        statement,
    }
}

fn mark(state: EvidenceState) -> &'static str {
    match state {
        EvidenceState::Operating => "●",
        EvidenceState::Deviating => "▲",
        EvidenceState::Blind => "◧",
        EvidenceState::Stale => "◆",
        EvidenceState::None => "○",
    }
}

fn states(fleet: &Fleet) -> Vec<Count> {
    let all = [
        EvidenceState::Deviating,
        EvidenceState::Blind,
        EvidenceState::Stale,
        EvidenceState::Operating,
        EvidenceState::None,
    ];
    let count = |state| fleet.controls.iter().filter(|(_, status)| status.state == state).count();
    all.into_iter()
        .map(|state| Count { mark: mark(state), word: state.as_str(), controls: count(state) })
        .collect()
}

fn section<'a>(fleet: &'a Fleet, control: &'a Control, status: &ControlStatus) -> Section<'a> {
    let speaks = |rule: &str| fleet.controls_of(rule).contains(&control.id);
    let rules: Vec<_> = fleet.rules.iter().filter(|(id, _)| speaks(id)).collect();
    let kinds: BTreeSet<String> = rules
        .iter()
        .flat_map(|(id, _)| rule(fleet, id).map(|rule| rule.evidence.clone()))
        .flatten()
        .collect();
    let named = fleet.deviations.get(&control.id);
    let deviations: Vec<_> =
        named.into_iter().flatten().map(|deviation| deviation_line(fleet, deviation)).collect();
    let all: u64 = rules.iter().map(|(_, tally)| tally.deviations).sum();
    let covers = |row: &&ExceptionDocument| row.rules.keys().any(|rule| speaks(rule));
    let mut not_shown: Vec<String> = control.not_shown.iter().cloned().collect();
    not_shown.extend(rules.iter().filter_map(|(id, _)| {
        let rule = rule(fleet, id)?;
        Some(format!("{}: {}", rule.title, rule.not_shown.as_ref()?))
    }));
    Section {
        control,
        anchor: format!("c-{}", control.id),
        mark: mark(status.state),
        word: status.state.as_str(),
        counts: [status.pass, status.fail, status.unknown, status.not_applicable],
        past_limit: status.past_limit,
        verdict: verdict(status),
        claims: claims(fleet, &control.id),
        rules: rules.iter().map(|(id, tally)| rule_line(fleet, id, tally)).collect(),
        sources: kinds.iter().filter_map(|kind| source_line(fleet, kind)).collect(),
        more: all.saturating_sub(deviations.len() as u64),
        deviations,
        exceptions: fleet.exceptions.iter().filter(covers).map(|row| row.id.as_str()).collect(),
        not_shown,
    }
}

fn rule<'a>(fleet: &'a Fleet, id: &str) -> Option<&'a crate::judge::Rule> {
    fleet.judge.as_ref().and_then(|judge| judge.rules().get(id))
}

fn verdict(status: &ControlStatus) -> String {
    let judged = status.pass + status.fail + status.unknown + status.not_applicable;
    let mut text = format!(
        "{} of {}: {} pass, {} fail, {} unknown, {} not applicable.",
        plural(usize::try_from(judged).unwrap_or(usize::MAX), "result"),
        plural(usize::try_from(status.hosts).unwrap_or(usize::MAX), "host"),
        status.pass,
        status.fail,
        status.unknown,
        status.not_applicable
    );
    if status.fail > 0 {
        text += &format!(
            " Of the failures {} are past their limit and {} lie under an exception.",
            status.past_limit, status.excepted
        );
    }
    if let Some(since_s) = status.oldest_fail_s {
        text += &format!(" The oldest has been open since {}.", time(since_s * 1_000_000));
    }
    if let Some(tolerance) = status.tolerance {
        let held = if status.tolerance_exceeded { "exceeded" } else { "kept" };
        text += &format!(" Its owner tolerates {}: {held}.", tolerance.says());
    }
    text
}

fn claims<'a>(fleet: &'a Fleet, control: &str) -> Vec<Claim<'a>> {
    let claim = |isms: &'a crate::snapshot::document::IsmsDocument| {
        let entries = &isms.statement.as_ref()?.entries;
        let entry: &Entry = entries.iter().find(|entry| entry.control == control)?;
        let grounds: Vec<_> = entry.grounds.iter().map(|ground| ground.word()).collect();
        Some(Claim {
            isms: &isms.name,
            applicable: match entry.applicable {
                Some(true) => "applies",
                Some(false) => "does not apply",
                None => "nobody decided",
            },
            grounds: grounds.join(", "),
            implementation: entry.implementation.map_or("not said", |word| word.word()),
            justification: &entry.justification,
            owner: &entry.owner,
        })
    };
    fleet.statements.iter().filter_map(claim).collect()
}

fn rule_line(fleet: &Fleet, id: &str, tally: &super::fleet::Tally) -> RuleLine {
    let rule = rule(fleet, id);
    let count = |outcome| tally.counts.get(&outcome).copied().unwrap_or_default();
    let all = [Outcome::Pass, Outcome::Fail, Outcome::Unknown, Outcome::NotApplicable];
    let params = rule.map(crate::judge::ParamShown::of).unwrap_or_default();
    let params: Vec<_> =
        params.iter().map(|p| format!("{} = {} ({})", p.name, p.value, p.origin)).collect();
    RuleLine {
        id: id.to_owned(),
        title: rule.map_or_else(|| id.to_owned(), |rule| rule.title.clone()),
        severity: fleet.severity(id).as_str(),
        counts: all.map(count),
        parameters: params.join("; "),
    }
}

fn source_line(fleet: &Fleet, kind: &str) -> Option<SourceLine> {
    let tally = fleet.kinds.get(kind)?;
    let statuses: Vec<_> =
        tally.by_status.iter().map(|(status, hosts)| format!("{hosts} {status}")).collect();
    let mut paths: Vec<_> = tally.paths.iter().collect();
    paths.sort_by_key(|(path, hosts)| (std::cmp::Reverse(**hosts), path.as_str()));
    let shown: Vec<_> = paths.iter().take(SOURCES).map(|(path, _)| path.as_str()).collect();
    let more = match paths.len().saturating_sub(SOURCES) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Some(SourceLine {
        kind: kind.to_owned(),
        hosts: tally.hosts,
        statuses: statuses.join(", "),
        paths: shown.join(", ") + &more,
    })
}

fn deviation_line(fleet: &Fleet, deviation: &Deviation) -> DeviationLine {
    let end_us = deviation.to_us.unwrap_or(fleet.head.pins.at_us);
    let offenders = &deviation.offenders;
    let shown = offenders.iter().take(OFFENDERS).cloned().collect::<Vec<_>>().join(", ");
    let more = match offenders.len().saturating_sub(OFFENDERS) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    DeviationLine {
        host: fleet.hosts[deviation.host as usize].name.clone(),
        rule: rule(fleet, &deviation.rule)
            .map_or(deviation.rule.clone(), |rule| rule.title.clone()),
        severity: deviation.severity.as_str(),
        from: time(deviation.from_us),
        to: deviation.to_us.map_or_else(|| "open".to_owned(), time),
        lasted: lasted((end_us - deviation.from_us).div_euclid(1_000_000)),
        past_limit: deviation.past_limit,
        exception: deviation.exception.clone().unwrap_or_default(),
        offenders: shown + &more,
    }
}

/// `3 d 4 h`, `2 h 5 min`, `40 s`.
fn lasted(seconds: i64) -> String {
    match seconds {
        s if s >= 86_400 => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
        s if s >= 3600 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        s if s >= 60 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

fn accepted(row: &ExceptionDocument) -> Accepted<'_> {
    let rules: Vec<_> = row.rules.keys().map(String::as_str).collect();
    let decided = match (&row.decided_by, row.decided_us) {
        (Some(by), Some(us)) => format!("by {by}, {}", time(us)),
        _ => "nobody decided".to_owned(),
    };
    Accepted { row, rules: rules.join(", "), until: time(row.until_us), decided }
}

/// A text inside a string of CSS: letters, digits, spaces and what cannot end it.
fn css(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric() || " .,:-".contains(*c)).collect()
}
