//! One host: where it stands, what it sent, what that was judged to be.

use super::control::{Offenders, why_unknown};
use super::counts::{Ledger, Standing};
use super::exceptions::ExceptionLink;
use super::hosts;
use super::inherited::InheritedLink;
use super::input::{Now, Rule};
use super::isms::scope_path;
use super::marks::{self, Mark, Outcome};
use super::page::{
    Frame, Pair, When, age, control_path, count, drift_path, facts_path, plural, result_path,
};
use super::timeline::Timeline;
use crate::gap::{self, Gap};
use crate::judge::Off;
use crate::overview::{ExceptedResults, InheritedResults};
use crate::store::model::{DriftRow, HostRow, KindRow, ResultRow};
use askama::Template;
use evidence::{HostId, Status, kinds};
use std::collections::BTreeMap;

/// Gaps on the page; the API has them all.
const MAX_GAPS: usize = 60;

#[derive(Template)]
#[template(path = "host.html")]
pub struct HostPage {
    pub frame: Frame,
    id: HostId,
    pub name: String,
    pub group: String,
    /// Controls as its group and as it alone shows them.
    pub group_path: String,
    pub controls_path: String,
    pub word: &'static str,
    pub key: &'static str,
    pub verdict: String,
    pub identity: Vec<Pair>,
    pub kinds: Vec<KindLine>,
    pub kinds_say: String,
    pub failing: Vec<FailLine>,
    pub unknown: Vec<UnknownLine>,
    pub inherited: Vec<InheritedLine>,
    pub pass: Vec<QuietLine>,
    pub not_applicable: Vec<QuietLine>,
    /// Rules that are switched off for it, with the reason.
    pub off: Vec<(String, String)>,
    /// Denominator of the results.
    pub rules: usize,
    pub timeline: Option<Timeline>,
    /// Open ones, the latest first.
    pub drifts: Vec<DriftLine>,
    /// When nothing, or not all, was seen.
    pub gaps: Vec<GapLine>,
    /// `seen 13 d 4 h of the 14 d 0 h that were expected`.
    pub gaps_say: String,
    pub gaps_more: Option<String>,
}

pub struct DriftLine {
    pub path: String,
    pub what: String,
    pub severity: String,
    pub cause: String,
    pub since: When,
    pub age: String,
}

pub struct KindLine {
    pub name: String,
    pub title: String,
    pub path: String,
    pub mark: Mark,
    pub unread: String,
    pub since: When,
    pub collected: Option<When>,
    pub received: Option<When>,
}

/// A time in which nothing, or not all, was seen.
pub struct GapLine {
    /// Empty: the whole host.
    pub kind: String,
    pub why: String,
    pub from: When,
    /// None: it goes on.
    pub to: Option<When>,
    pub length: String,
}

pub struct RuleName {
    pub id: String,
    /// Where its result is explained.
    pub why: String,
    pub title: String,
    pub severity: &'static str,
    pub controls: Vec<ControlLink>,
}

pub struct ControlLink {
    pub id: String,
    pub path: String,
}

pub struct FailLine {
    pub rule: RuleName,
    pub offenders: Offenders,
    pub remediation: String,
    pub since: When,
    pub age: String,
    pub exception: Option<ExceptionLink>,
}

pub struct UnknownLine {
    pub rule: RuleName,
    pub reason: String,
    pub since: Option<When>,
}

/// A rule that somebody else shows to hold.
pub struct InheritedLine {
    pub rule: RuleName,
    pub since: When,
    pub by: Option<InheritedLink>,
}

pub struct QuietLine {
    pub rule: RuleName,
    pub since: When,
}

impl HostPage {
    /// With what was in the last days.
    #[must_use]
    pub fn with_past(self, timeline: Timeline) -> Self {
        Self { timeline: Some(timeline), ..self }
    }

    /// With the exceptions that cover what fails.
    #[must_use]
    pub fn with_exceptions(mut self, excepted: &ExceptedResults) -> Self {
        for line in &mut self.failing {
            let by = excepted.get(&(self.id, line.rule.id.clone()));
            line.exception = by.map(ExceptionLink::of);
        }
        self
    }

    /// With the statements that inherited results stand on.
    #[must_use]
    pub fn with_inherited(mut self, inherited: &InheritedResults) -> Self {
        for line in &mut self.inherited {
            let by = inherited.get(&(self.id, line.rule.id.clone()));
            line.by = by.map(InheritedLink::of);
        }
        self
    }

    /// With what is switched off for it.
    #[must_use]
    pub fn with_off(self, off: &[Off]) -> Self {
        let line = |off: &Off| (off.rule.clone(), off.reason.clone());
        Self { off: off.iter().map(line).collect(), ..self }
    }

    /// With when each kind was collected last, and when that came in.
    #[must_use]
    pub fn with_times(mut self, times: &BTreeMap<String, (i64, i64)>) -> Self {
        for line in &mut self.kinds {
            line.received = times.get(&line.name).map(|(_, us)| When::cell(*us));
        }
        self
    }

    /// With the times of the last `length_us` in which nothing, or not all, was seen.
    #[must_use]
    pub fn with_gaps(mut self, gaps: &[Gap], (from_us, to_us): (i64, i64)) -> Self {
        let line = |gap: &Gap| GapLine {
            kind: gap.kind.clone().unwrap_or_default(),
            why: match gap.status {
                Some(status) => format!("{} ({})", gap.why.says(), status.as_str()),
                None => gap.why.says().to_owned(),
            },
            from: When::cell(gap.from_us),
            to: (gap.to_us < to_us).then(|| When::cell(gap.to_us)),
            length: super::period::length(gap.to_us - gap.from_us),
        };
        let mut shown: Vec<&Gap> = gaps.iter().collect();
        shown.sort_by_key(|gap| (gap.kind.is_some(), std::cmp::Reverse(gap.from_us)));
        let more = shown.len().saturating_sub(MAX_GAPS);
        let (expected, covered) = gap::coverage(gaps, (from_us, to_us));
        let length = super::period::length;
        self.gaps_say =
            format!("seen {} of the {} that were expected", length(covered), length(expected));
        self.gaps = shown.into_iter().take(MAX_GAPS).map(line).collect();
        self.gaps_more = (more > 0).then(|| plural(more, "more gap"));
        self
    }

    /// With its open drifts.
    #[must_use]
    pub fn with_drifts(self, drifts: &[DriftRow], now: &Now<'_>) -> Self {
        let line = |row: &DriftRow| DriftLine {
            path: drift_path(&row.id),
            what: super::drift::what_of(row, now.rules),
            severity: row.severity.clone(),
            cause: row.cause.clone(),
            since: When::cell(row.opened_us),
            age: age(row.opened_us, now.at_us),
        };
        Self { drifts: drifts.iter().map(line).collect(), ..self }
    }
}

/// `now.results` are those of this host.
pub fn page(frame: Frame, now: &Now<'_>, host: &HostRow, kinds: &[KindRow]) -> HostPage {
    let now = Now { hosts: std::slice::from_ref(host), ..*now };
    let standing = Standing::of(host, now.at_us);
    let mut page = HostPage {
        frame,
        id: host.id,
        name: host.name.clone(),
        group: host.group.clone(),
        group_path: scope_path(&format!("group:{}", host.group)),
        controls_path: scope_path(&format!("host:{}", host.id)),
        word: hosts::word(host, standing),
        key: standing.key(),
        verdict: String::new(),
        identity: identity(host, now.at_us),
        kinds: kind_lines(host, kinds),
        kinds_say: kinds_say(kinds),
        failing: vec![],
        unknown: vec![],
        inherited: vec![],
        pass: vec![],
        not_applicable: vec![],
        off: vec![],
        rules: now.rules.iter().filter(|rule| rule.coverage.has(&host.group)).count(),
        timeline: None,
        drifts: vec![],
        gaps: vec![],
        gaps_say: String::new(),
        gaps_more: None,
    };
    if standing.is_enrolled() {
        judge(&mut page, &now, host, standing);
    }
    page.verdict = verdict(&page, host, standing, now.at_us);
    page
}

/// Puts every rule in exactly one of the four lists, the most urgent and the oldest first.
fn judge(page: &mut HostPage, now: &Now<'_>, host: &HostRow, standing: Standing) {
    let ledger = Ledger::of(now);
    let judging = now.rules.iter().filter(|rule| rule.coverage.has(&host.group));
    let mut rules: Vec<(&Rule, Option<&ResultRow>)> =
        judging.map(|rule| (rule, worst(now, &ledger, host, &rule.id))).collect();
    rules.sort_by_key(|(rule, result)| (rule.severity, result.map(|r| r.since_us), &rule.id));
    for (rule, result) in rules {
        if let Some((reason, since)) = why_unknown(host, result, &ledger, standing) {
            let since = since.map(When::cell);
            page.unknown.push(UnknownLine { rule: name(host, rule), reason, since });
            continue;
        }
        let Some(result) = result else { continue };
        let since = When::cell(result.since_us);
        match Outcome::from_word(&result.outcome) {
            Outcome::Fail => page.failing.push(FailLine {
                rule: name(host, rule),
                offenders: Offenders::of(&result.offenders),
                remediation: rule.remediation.clone(),
                since,
                age: age(result.since_us, now.at_us),
                exception: None,
            }),
            Outcome::NotApplicable => {
                page.not_applicable.push(QuietLine { rule: name(host, rule), since });
            }
            Outcome::Inherited => {
                page.inherited.push(InheritedLine { rule: name(host, rule), since, by: None })
            }
            Outcome::Pass => page.pass.push(QuietLine { rule: name(host, rule), since }),
            // Was dealt with above: an unknown has a reason.
            Outcome::Unknown => {}
        }
    }
}

fn worst<'a>(
    now: &Now<'a>,
    ledger: &Ledger<'_>,
    host: &HostRow,
    rule: &str,
) -> Option<&'a ResultRow> {
    let of_rule = now.results.iter().filter(|r| r.host == host.id && r.rule == rule);
    of_rule.min_by_key(|result| (ledger.population.judged(result), result.since_us))
}

fn name(host: &HostRow, rule: &Rule) -> RuleName {
    let link = |id: &String| ControlLink { id: id.clone(), path: control_path(id) };
    RuleName {
        id: rule.id.clone(),
        why: result_path(host.id, &rule.id),
        title: rule.title.clone(),
        severity: rule.severity.word(),
        controls: rule.controls.iter().map(link).collect(),
    }
}

fn verdict(page: &HostPage, host: &HostRow, standing: Standing, now_us: i64) -> String {
    let heard = match host.last_received_us {
        Some(us) => format!("{}, {} ago", When::of(us).text, age(us, now_us)),
        None => "never".to_owned(),
    };
    let n = |n: usize| count(n as u64);
    let results = format!(
        "Of {}, {} fail, {} cannot be judged{}, {} pass, {} do not apply.",
        plural(page.rules, "rule"),
        n(page.failing.len()),
        n(page.unknown.len()),
        match page.inherited.len() {
            0 => String::new(),
            some => format!(", {} stand on inherited evidence", n(some)),
        },
        n(page.pass.len()),
        n(page.not_applicable.len()),
    );
    match standing {
        Standing::Reporting => format!("Last heard {heard}. {results}"),
        Standing::Silent if host.revoked_us.is_some() => format!(
            "Its identity was revoked {}: it cannot report, and what passed then counts as unknown \
             now. Last heard {heard}. {results}",
            host.revoked_us.map(|us| When::of(us).text).unwrap_or_default()
        ),
        Standing::Silent => format!(
            "Last heard {heard}: two promised check-ins are missing, so what passed then counts \
             as unknown now. {results}"
        ),
        Standing::Enrolling => format!(
            "Enrolled {}, and nothing was received yet. {results}",
            When::of(host.enrolled_us).text
        ),
        Standing::Ended | Standing::Retired => {
            format!("Last heard {heard}. It is no longer part of the population and not judged.")
        }
    }
}

fn identity(host: &HostRow, now_us: i64) -> Vec<Pair> {
    let received = match host.last_received_us {
        Some(us) => format!("{}, {} ago", When::of(us).text, age(us, now_us)),
        None => "nothing yet".to_owned(),
    };
    let mut pairs = vec![
        Pair::mono("Host id", host.id.to_string()),
        Pair::said("Group", host.group.clone()),
        Pair::said("Enrolled", When::of(host.enrolled_us).text),
        Pair::said("Last received", received),
    ];
    if let Some(us) = host.revoked_us {
        pairs.push(Pair::said("Identity revoked", When::of(us).text));
    } else if let (Some(us), Some(due_s)) = (host.last_received_us, host.next_due_s) {
        let due_us = us.saturating_add(due_s.saturating_mul(1_000_000));
        let late =
            if due_us < now_us { format!(", {} late", age(due_us, now_us)) } else { String::new() };
        pairs.push(Pair::said("Next due", format!("{}{late}", When::of(due_us).text)));
    }
    if let Some(us) = host.valid_until_us() {
        pairs.push(Pair::said("Counts until", When::of(us).text));
    }
    pairs.push(Pair::said("Agent", host.agent.clone().unwrap_or_else(|| "not known yet".into())));
    if let Some(manifest) = host.manifest {
        pairs.push(Pair::mono("Manifest", manifest.to_string()));
    }
    pairs
}

/// Whether nothing is missing from a kind.
pub fn is_seen(status: Status) -> bool {
    matches!(status, Status::Ok | Status::NotApplicable)
}

fn kind_lines(host: &HostRow, rows: &[KindRow]) -> Vec<KindLine> {
    let mut rows: Vec<&KindRow> = rows.iter().collect();
    rows.sort_by_key(|row| (is_seen(row.status), &row.kind));
    let line = |row: &KindRow| KindLine {
        name: row.kind.clone(),
        title: kinds::find(&row.kind).map(|kind| kind.title.to_owned()).unwrap_or_default(),
        path: facts_path(host.id, &row.kind),
        mark: marks::of_status(row.status),
        unread: if row.unread.is_empty() {
            String::new()
        } else {
            plural(row.unread.len(), "field")
        },
        since: When::cell(row.since_us),
        collected: row.collected_us.map(When::cell),
        received: None,
    };
    rows.into_iter().map(line).collect()
}

fn kinds_say(rows: &[KindRow]) -> String {
    let of = |status| rows.iter().filter(|row| row.status == status).count();
    let (ok, not_applicable) = (of(Status::Ok), of(Status::NotApplicable));
    let short = rows.len() - ok - not_applicable;
    format!(
        "{} = {ok} ok + {not_applicable} not applicable + {short} not fully read",
        plural(rows.len(), "kind")
    )
}

#[cfg(test)]
mod tests;
