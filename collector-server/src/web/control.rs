//! One control: the verdict, its rules with denominators, who fails, who cannot be judged, and
//! what host evidence does not show.

use super::applicability::Stand;
use super::controls::CountCells;
use super::counts::{Counts, Ledger, Standing};
use super::exceptions::ExceptionLink;
use super::input::{Control, Now, Rule, Severity};
use super::marks::{Mark, Outcome};
use super::page::{Frame, Pair, When, age, control_path, count, host_path, plural, rule_path};
use super::period::{PeriodPart, Tolerance};
use super::records::ControlLine;
use crate::judge::Off;
use crate::overview::ExceptedResults;
use crate::store::model::{HostRow, ResultRow};
use askama::Template;
use evidence::HostId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Failing hosts shown per rule, and hosts shown that cannot be judged.
const MAX_HOSTS: usize = 50;
/// Offenders shown per host and rule.
const MAX_OFFENDERS: usize = 10;

#[derive(Template)]
#[template(path = "control.html")]
pub struct ControlPage {
    pub frame: Frame,
    pub id: String,
    pub title: String,
    pub theme: &'static str,
    pub previous: Option<Neighbour>,
    pub next: Option<Neighbour>,
    pub mark: Mark,
    pub verdict: String,
    /// `5 hosts`: the denominator.
    pub enrolled: String,
    pub rules: Vec<RuleRow>,
    pub failing: Vec<FailGroup>,
    pub unknown: Vec<UnknownRow>,
    /// `3 of 5 hosts`.
    pub unknown_says: String,
    pub unknown_more: Option<String>,
    pub shown: Option<String>,
    pub not_shown: Vec<String>,
    pub mapping: Vec<Pair>,
    /// What is looked at, if it is not the organisation.
    pub scope: Option<String>,
    /// What Statements of Applicability say, beside the evidence state.
    pub stands: Vec<Stand>,
    /// What people's records say of it, register by register.
    pub records: Vec<ControlLine>,
    pub tolerance: Option<Tolerance>,
    pub period: Option<PeriodPart>,
    pub may_change: bool,
    /// Rules of it that are switched off: which, for whom, why.
    pub off: Vec<OffLine>,
}

pub struct OffLine {
    pub id: String,
    pub path: String,
    pub hosts: String,
    pub reason: String,
}

/// What people say of a control, and what became of it over a period.
#[derive(Default)]
pub struct Said {
    pub scope: Option<String>,
    pub stands: Vec<Stand>,
    pub records: Vec<ControlLine>,
    pub tolerance: Option<Tolerance>,
    pub period: Option<PeriodPart>,
    pub may_change: bool,
}

impl ControlPage {
    /// The page with what is said of the control, and what became of it.
    #[must_use]
    pub fn with_said(mut self, said: Said) -> Self {
        self.scope = said.scope;
        self.stands = said.stands;
        let count = |word: &str| said.records.iter().filter(|line| line.mark.word == word).count();
        if !said.records.is_empty() {
            let (held, stale) = (count("in force"), count("stale"));
            let of = plural(said.records.len(), "register");
            let says = format!(
                " Of {of} that cover it, {held} hold records in force, {stale} are past their time."
            );
            self.verdict.push_str(&says);
        }
        self.records = said.records;
        self.tolerance = said.tolerance;
        self.period = said.period;
        self.may_change = said.may_change;
        self
    }

    /// With those of the rules switched off that support it.
    #[must_use]
    pub fn with_off(self, off: &[&Off]) -> Self {
        let mine = off.iter().filter(|off| off.controls.contains(&self.id));
        let line = |off: &&Off| OffLine {
            id: off.rule.clone(),
            path: rule_path(&off.rule),
            hosts: off.group.clone().unwrap_or_else(|| "all hosts".to_owned()),
            reason: off.reason.clone(),
        };
        Self { off: mine.map(line).collect(), ..self }
    }
}

pub struct Neighbour {
    pub id: String,
    pub path: String,
}

pub struct RuleRow {
    pub id: String,
    pub title: String,
    pub severity: &'static str,
    pub counts: CountCells,
    pub since: Option<When>,
    pub age: String,
}

/// The hosts that fail one rule.
pub struct FailGroup {
    pub id: String,
    pub title: String,
    pub severity: &'static str,
    pub fail: String,
    pub rationale: String,
    pub remediation: String,
    pub rows: Vec<FailRow>,
    pub more: Option<String>,
}

pub struct FailRow {
    pub host: String,
    pub path: String,
    pub group: String,
    pub offenders: Offenders,
    pub since: When,
    pub age: String,
    /// The host has gone silent: this is what it said last.
    pub silent: bool,
    pub exception: Option<ExceptionLink>,
    id: HostId,
}

impl ControlPage {
    /// With the exceptions that cover what fails.
    #[must_use]
    pub fn with_exceptions(mut self, excepted: &ExceptedResults) -> Self {
        for group in &mut self.failing {
            for row in &mut group.rows {
                let by = excepted.get(&(row.id, group.id.clone()));
                row.exception = by.map(ExceptionLink::of);
            }
        }
        self
    }
}

/// What offends, cut to what can be read.
pub struct Offenders {
    pub shown: Vec<String>,
    pub more: Option<String>,
}

impl Offenders {
    pub fn of(offenders: &[String]) -> Self {
        let shown: Vec<String> = offenders.iter().take(MAX_OFFENDERS).cloned().collect();
        let more = offenders.len() - shown.len();
        Self { shown, more: (more > 0).then(|| format!("and {} more", count(more as u64))) }
    }
}

/// A host that cannot be judged for one reason.
pub struct UnknownRow {
    pub host: String,
    pub path: String,
    pub reason: String,
    /// `3 of 11 rules`.
    pub rules: String,
    pub ids: Vec<String>,
    pub since: Option<When>,
}

/// The page of a control; none when the catalogue does not have it.
pub fn page(frame: Frame, now: &Now<'_>, id: &str) -> Option<ControlPage> {
    let at = now.controls.iter().position(|control| control.id == id)?;
    let control = now.controls.get(at)?;
    let ledger = Ledger::of(now);
    let mut rules: Vec<(&Rule, Counts)> =
        now.rules_of(id).map(|rule| (rule, ledger.rule(&rule.id))).collect();
    rules.sort_by_key(|(rule, c)| {
        (c.fail == 0, rule.severity, Reverse(c.fail), Reverse(c.unknown), &rule.id)
    });
    let enrolled = ledger.population.enrolled();
    let (unknown, unknown_hosts, unknown_left) = unknown(now, &ledger, &rules);
    let neighbour = |at: Option<usize>| {
        let control = now.controls.get(at?)?;
        Some(Neighbour { id: control.id.clone(), path: control_path(&control.id) })
    };
    Some(ControlPage {
        frame,
        id: control.id.clone(),
        title: control.title.clone(),
        theme: control.theme.title(),
        previous: neighbour(at.checked_sub(1)),
        next: neighbour(at.checked_add(1)),
        mark: control.state.mark(),
        verdict: verdict(control, ledger.control(now, id), now.at_us),
        enrolled: plural(enrolled, "enrolled host"),
        rules: rules.iter().map(|(rule, counts)| rule_row(rule, counts, now.at_us)).collect(),
        failing: failing(now, &ledger, &rules),
        unknown,
        unknown_says: format!("{} of {}", count(unknown_hosts as u64), plural(enrolled, "host")),
        unknown_more: (unknown_left > 0).then(|| plural(unknown_left, "more line")),
        shown: control.host_evidence.clone(),
        not_shown: not_shown(control, &rules),
        mapping: mapping(control, &rules, now.rules.len()),
        scope: None,
        records: vec![],
        stands: vec![],
        tolerance: None,
        period: None,
        may_change: false,
        off: vec![],
    })
}

/// The state in a sentence, and the hosts in one that adds up.
fn verdict(control: &Control, counts: Option<Counts>, now_us: i64) -> String {
    let Some(counts) = counts else {
        return match control.host_evidence {
            Some(_) => "No active rule looks at this control.".to_owned(),
            None => "Hosts cannot show this control.".to_owned(),
        };
    };
    let oldest = match counts.oldest_fail_us {
        Some(us) => {
            format!("; the oldest failure since {}, {}", When::of(us).text, age(us, now_us))
        }
        None => String::new(),
    };
    let none = match counts.not_applicable {
        0 => String::new(),
        n => format!(", to {} no rule applies", count(n as u64)),
    };
    let unseen = match control.unseen {
        Some((n, since_us)) if n > 0 => {
            format!(", {} of them not seen since {}", count(n), When::of(since_us).text)
        }
        _ => String::new(),
    };
    let open = match control.open_deviations {
        0 => String::new(),
        n => format!(", with {}{unseen}", plural(n as usize, "open deviation")),
    };
    let inherited = match counts.inherited {
        0 => String::new(),
        n => format!(", {} stand on inherited evidence", count(n as u64)),
    };
    format!(
        "{}{open}{oldest}. Of {}, {} pass every rule that applies, {} fail at least one, {} \
         more cannot be judged by at least one{inherited}{none}.",
        capital(control.state.meaning()),
        plural(counts.sum(), "enrolled host"),
        count(counts.pass as u64),
        count(counts.fail as u64),
        count(counts.unknown as u64),
    )
}

pub(super) fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn rule_row(rule: &Rule, counts: &Counts, now_us: i64) -> RuleRow {
    RuleRow {
        id: rule.id.clone(),
        title: rule.title.clone(),
        severity: rule.severity.word(),
        counts: CountCells::of(counts),
        since: counts.oldest_fail_us.map(When::cell),
        age: counts.oldest_fail_us.map(|us| age(us, now_us)).unwrap_or_default(),
    }
}

fn failing(now: &Now<'_>, ledger: &Ledger<'_>, rules: &[(&Rule, Counts)]) -> Vec<FailGroup> {
    let hosts: BTreeMap<HostId, &HostRow> = now.hosts.iter().map(|h| (h.id, h)).collect();
    let group = |(rule, counts): &(&Rule, Counts)| {
        let mut rows: Vec<(&HostRow, &ResultRow)> = now
            .results
            .iter()
            .filter(|r| r.rule == rule.id && ledger.population.judged(r) == Some(Outcome::Fail))
            .filter_map(|result| hosts.get(&result.host).map(|host| (*host, result)))
            .collect();
        rows.sort_by_key(|(host, result)| (result.since_us, &host.name));
        let more = rows.len().saturating_sub(MAX_HOSTS);
        rows.truncate(MAX_HOSTS);
        FailGroup {
            id: rule.id.clone(),
            title: rule.title.clone(),
            severity: rule.severity.word(),
            fail: format!("{} of {}", count(counts.fail as u64), plural(counts.sum(), "host")),
            rationale: rule.rationale.clone(),
            remediation: rule.remediation.clone(),
            rows: rows.into_iter().map(|row| fail_row(row, now.at_us)).collect(),
            more: (more > 0).then(|| plural(more, "more host")),
        }
    };
    rules.iter().filter(|(_, counts)| counts.fail > 0).map(group).collect()
}

fn fail_row((host, result): (&HostRow, &ResultRow), now_us: i64) -> FailRow {
    FailRow {
        host: host.name.clone(),
        path: host_path(host.id),
        group: host.group.clone(),
        offenders: Offenders::of(&result.offenders),
        since: When::cell(result.since_us),
        age: age(result.since_us, now_us),
        silent: Standing::of(host, now_us) == Standing::Silent,
        exception: None,
        id: host.id,
    }
}

/// Hosts and reasons, the most rules first; how many hosts, and how many lines are left out.
fn unknown(
    now: &Now<'_>,
    ledger: &Ledger<'_>,
    rules: &[(&Rule, Counts)],
) -> (Vec<UnknownRow>, usize, usize) {
    let held: BTreeMap<(HostId, &str), &ResultRow> =
        now.results.iter().map(|r| ((r.host, r.rule.as_str()), r)).collect();
    // Per host and reason: the rules, and since when the oldest holds.
    let mut found: BTreeMap<(HostId, String), UnknownLine<'_>> = BTreeMap::new();
    for host in now.hosts {
        let standing = Standing::of(host, now.at_us);
        let judging = rules.iter().filter(|(rule, _)| rule.coverage.has(&host.group));
        for (rule, _) in judging.filter(|_| standing.is_enrolled()) {
            let result = held.get(&(host.id, rule.id.as_str())).copied();
            let Some((reason, since)) = why_unknown(host, result, ledger, standing) else {
                continue;
            };
            let line = found.entry((host.id, reason)).or_insert_with(|| UnknownLine {
                host,
                ids: Vec::new(),
                since,
            });
            line.ids.push(&rule.id);
            line.since = line.since.min(since);
        }
    }
    let hosts: BTreeSet<HostId> = found.keys().map(|(host, _)| *host).collect();
    let mut lines: Vec<(String, UnknownLine<'_>)> =
        found.into_iter().map(|((_, reason), line)| (reason, line)).collect();
    lines.sort_by_key(|(_, line)| (Reverse(line.ids.len()), &line.host.name));
    let left = lines.len().saturating_sub(MAX_HOSTS);
    lines.truncate(MAX_HOSTS);
    let rows =
        lines.into_iter().map(|(reason, line)| unknown_row(reason, line, rules.len())).collect();
    (rows, hosts.len(), left)
}

struct UnknownLine<'a> {
    host: &'a HostRow,
    ids: Vec<&'a str>,
    since: Option<i64>,
}

fn unknown_row(reason: String, line: UnknownLine<'_>, of: usize) -> UnknownRow {
    let all = line.ids.len() == of;
    UnknownRow {
        host: line.host.name.clone(),
        path: host_path(line.host.id),
        reason,
        rules: format!("{} of {}", line.ids.len(), plural(of, "rule")),
        ids: if all { vec![] } else { line.ids.into_iter().map(str::to_owned).collect() },
        since: line.since.map(When::cell),
    }
}

/// Why a rule cannot be judged on a host, and since when; none when it can.
pub(super) fn why_unknown(
    host: &HostRow,
    result: Option<&ResultRow>,
    ledger: &Ledger<'_>,
    standing: Standing,
) -> Option<(String, Option<i64>)> {
    let outcome = result.and_then(|result| ledger.population.judged(result));
    if outcome.is_some_and(|outcome| outcome != Outcome::Unknown) {
        return None;
    }
    Some(match (standing, result) {
        (Standing::Silent, _) => ("not reporting".to_owned(), host.last_received_us),
        (Standing::Enrolling, _) => ("nothing received yet".to_owned(), Some(host.enrolled_us)),
        (_, None) => ("not judged yet".to_owned(), None),
        (_, Some(result)) => {
            let reason = result.reason.clone().unwrap_or_else(|| "no reason given".to_owned());
            (reason, Some(result.since_us))
        }
    })
}

/// What the control and its rules say they do not show, each once.
fn not_shown(control: &Control, rules: &[(&Rule, Counts)]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let of_rules = rules.iter().filter_map(|(rule, _)| rule.not_shown.as_ref());
    for line in control.not_shown.iter().chain(of_rules) {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
    lines
}

fn mapping(control: &Control, rules: &[(&Rule, Counts)], all_rules: usize) -> Vec<Pair> {
    let kinds: BTreeSet<&str> =
        rules.iter().flat_map(|(rule, _)| rule.evidence.iter().map(String::as_str)).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let or_none = |words: String| if words.is_empty() { "none".to_owned() } else { words };
    let by_severity: Vec<String> = Severity::ALL
        .into_iter()
        .map(|severity| (severity, rules.iter().filter(|(r, _)| r.severity == severity).count()))
        .filter(|(_, n)| *n > 0)
        .map(|(severity, n)| format!("{n} {}", severity.word()))
        .collect();
    let rules_say = match rules.len() {
        0 => "none".to_owned(),
        n => format!("{n} of {}: {}", count(all_rules as u64), by_severity.join(", ")),
    };
    vec![
        Pair::said("Type", or_none(control.control_type.join(", "))),
        Pair::said(
            "2013",
            if control.iso2013.is_empty() {
                "new in 2022".to_owned()
            } else {
                control.iso2013.join(", ")
            },
        ),
        Pair::said("Rules", rules_say),
        Pair::said("Kinds read", or_none(kinds.join(", "))),
    ]
}

#[cfg(test)]
mod tests;
