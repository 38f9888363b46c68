//! The overview: can it be trusted, what is open, the controls as one picture.

pub use crate::log_check::LogCheck;

use super::counts::{Counts, Ledger, Population, Standing};
use super::hosts::expected_says;
use super::input::{Control, Now, Rule, Severity, Theme};
use super::page::{Frame, Pair, When, age, control_path, count, drift_path, host_path, plural};
use super::picture::{self, Tally, ThemeRow};
use crate::expected::{Found, Reconciled};
use crate::store::model::{DriftRow, LogHead};
use askama::Template;
use evidence::HostId;
use std::collections::BTreeMap;

/// Failing rules that the overview shows; the controls have them all.
const MAX_RULES: usize = 20;
/// Open drifts that it shows.
const MAX_DRIFTS: usize = 8;

/// What the page is built from.
pub struct Input<'a> {
    pub now: Now<'a>,
    /// Open drifts, as many as were read.
    pub drifts: &'a [DriftRow],
    /// There are more than were read.
    pub more_drifts: bool,
    pub log: LogHead,
    pub check: LogCheck,
    /// The newest checkpoint that arrived somewhere outside: its size, and when.
    pub anchored: Option<(u64, i64)>,
}

#[derive(Template)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    pub frame: Frame,
    pub trust: Trust,
    pub open: Open,
    pub drifts: Vec<Drift>,
    /// `12 open, latest first`.
    pub drifts_say: String,
    pub controls: usize,
    pub tally: Vec<Tally>,
    pub themes: Vec<ThemeRow>,
    pub reach: Reach,
}

pub fn page(frame: Frame, input: &Input<'_>) -> OverviewPage {
    let now = &input.now;
    let ledger = Ledger::of(now);
    OverviewPage {
        frame,
        trust: trust(input, &ledger.population),
        open: open(now, &ledger),
        drifts: drifts(input),
        drifts_say: drifts_say(input),
        controls: now.controls.len(),
        tally: picture::tally(now.controls),
        themes: picture::themes(now.controls),
        reach: reach(now.controls),
    }
}

impl OverviewPage {
    /// The page with what the list of expected hosts says.
    #[must_use]
    pub fn with_expected(mut self, reconciled: Option<&Reconciled>) -> Self {
        self.trust.expected = reconciled.map(|reconciled| {
            let reporting = reconciled.count(Found::Reporting);
            format!(
                "{} of {} report: {}.",
                count(reporting as u64),
                plural(reconciled.expected(), "expected host"),
                expected_says(reconciled)
            )
        });
        self
    }
}

/// The verdict, the bar, its sum, and the proof.
pub struct Trust {
    /// The log did not hold: said before all else.
    pub broken: Option<String>,
    pub enrolled: usize,
    /// `3 of 5 enrolled hosts report.`
    pub verdict: String,
    /// `2` others are unknown; none when all report.
    pub others: Option<String>,
    pub bar_label: String,
    pub segments: Vec<Segment>,
    pub terms: Vec<Term>,
    pub proof: Vec<Pair>,
    /// How many of the expected hosts report; none without a list.
    pub expected: Option<String>,
}

/// A piece of the bar, in units of its view box.
#[derive(Debug, PartialEq, Eq)]
pub struct Segment {
    pub class: &'static str,
    pub x: usize,
    pub width: usize,
}

/// A term of the sum under the bar.
pub struct Term {
    pub count: String,
    pub key: &'static str,
    pub word: &'static str,
    pub note: String,
}

fn trust(input: &Input<'_>, population: &Population) -> Trust {
    let enrolled = population.enrolled();
    let reporting = population.count(Standing::Reporting);
    let others = enrolled - reporting;
    let verdict = match others {
        0 if enrolled == 1 => "The one enrolled host reports.".to_owned(),
        0 => format!("All {} enrolled hosts report.", count(enrolled as u64)),
        _ => {
            format!("{} of {} report.", count(reporting as u64), plural(enrolled, "enrolled host"))
        }
    };
    let terms = terms(input, population);
    let says: Vec<String> =
        terms.iter().map(|term| format!("{} {}", term.count, term.word)).collect();
    Trust {
        broken: match &input.check {
            LogCheck::Broken { why, .. } => Some(why.clone()),
            LogCheck::NotYet { .. } | LogCheck::Held { .. } => None,
        },
        enrolled,
        verdict,
        others: (others > 0).then(|| count(others as u64)),
        bar_label: format!("{}: {}.", plural(enrolled, "enrolled host"), says.join(", ")),
        segments: segments(population),
        terms,
        proof: proof(input),
        expected: None,
    }
}

fn terms(input: &Input<'_>, population: &Population) -> Vec<Term> {
    let now = &input.now;
    let in_standing =
        |standing| now.hosts.iter().filter(move |host| Standing::of(host, now.at_us) == standing);
    let ago = |word: &str, us: Option<i64>| match us {
        Some(us) => format!("{word} {} ({})", When::of(us).text, age(us, now.at_us)),
        None => String::new(),
    };
    let last = in_standing(Standing::Reporting).filter_map(|host| host.last_received_us).max();
    let longest = in_standing(Standing::Silent).filter_map(|host| host.last_received_us).min();
    let oldest = in_standing(Standing::Enrolling).map(|host| host.enrolled_us).min();
    [
        (Standing::Reporting, ago("last", last)),
        (Standing::Silent, ago("longest since", longest)),
        (Standing::Enrolling, ago("nothing received; oldest", oldest)),
    ]
    .into_iter()
    .map(|(standing, note)| Term {
        count: count(population.count(standing) as u64),
        key: standing.key(),
        word: standing.word(),
        note,
    })
    .collect()
}

/// Pieces of a bar 1,200 wide: none invisible, two apart, together the whole.
fn segments(population: &Population) -> Vec<Segment> {
    const WIDTH: usize = 1200;
    const GAP: usize = 3;
    const LEAST: usize = 6;
    let parts: Vec<(Standing, usize)> =
        [Standing::Reporting, Standing::Silent, Standing::Enrolling]
            .into_iter()
            .map(|standing| (standing, population.count(standing)))
            .filter(|(_, hosts)| *hosts > 0)
            .collect();
    let total: usize = parts.iter().map(|(_, hosts)| hosts).sum();
    let room = WIDTH - GAP * parts.len().saturating_sub(1);
    let mut widths: Vec<usize> =
        parts.iter().map(|(_, hosts)| (room * hosts / total.max(1)).max(LEAST)).collect();
    let spare = room as isize - widths.iter().sum::<usize>() as isize;
    if let Some(widest) = widths.iter_mut().max() {
        *widest = widest.saturating_add_signed(spare);
    }
    let mut x = 0;
    let mut segments = Vec::new();
    for ((standing, _), width) in parts.into_iter().zip(widths) {
        segments.push(Segment { class: standing.key(), x, width });
        x += width + GAP;
    }
    segments
}

fn proof(input: &Input<'_>) -> Vec<Pair> {
    let now = &input.now;
    let check = match &input.check {
        LogCheck::NotYet { of: 0, .. } => "not checked since the collector started".to_owned(),
        LogCheck::NotYet { read, of } => format!(
            "not checked since the collector started: {} of {} leaves read",
            count(*read),
            count(*of)
        ),
        // Of a page of the past: the log was checked since, and what was there then is in it.
        LogCheck::Held { size, at_us, .. } if *at_us > now.at_us => {
            format!("verified since, {}, up to size {}", When::of(*at_us).text, count(*size))
        }
        LogCheck::Held { size, at_us, whole_us } => format!(
            "verified up to size {}, {} ({} ago); re-read from its first leaf {} ago",
            count(*size),
            When::of(*at_us).text,
            age(*at_us, now.at_us),
            age(*whole_us, now.at_us)
        ),
        LogCheck::Broken { at_us, .. } => format!("check failed, {}", When::of(*at_us).text),
    };
    let anchored = match input.anchored {
        Some((size, at_us)) => format!(
            "outside up to size {}, {} ({} ago)",
            count(size),
            When::of(at_us).text,
            age(at_us, now.at_us)
        ),
        None => "nowhere outside: only the hosts witness this log; see [anchor] in collector.toml"
            .to_owned(),
    };
    let last = match now.hosts.iter().filter_map(|host| host.last_received_us).max() {
        Some(us) => format!("{}, {} ago", When::of(us).text, age(us, now.at_us)),
        None => "nothing yet".to_owned(),
    };
    vec![
        Pair::said("Log", check),
        Pair::said("Anchored", anchored),
        Pair::said("Size", count(input.log.size)),
        Pair::mono("Root", input.log.root.to_string()),
        Pair::said("Last received", last),
        Pair::said("Judged by", plural(now.rules.len(), "rule")),
    ]
}

/// What fails.
pub struct Open {
    /// `3 of 40 rules fail on at least one of 5 hosts`.
    pub says: String,
    /// All judgements, which add up.
    pub sum: String,
    pub groups: Vec<SeverityGroup>,
    /// Failing rules that are not shown here.
    pub more: Option<String>,
}

pub struct SeverityGroup {
    pub word: &'static str,
    pub rules: String,
    pub rows: Vec<FailingRule>,
}

pub struct FailingRule {
    pub id: String,
    pub title: String,
    /// The first control it is mapped to.
    pub path: Option<String>,
    pub controls: String,
    /// `8 of 412 hosts`.
    pub fail: String,
    pub unknown: String,
    pub since: Option<When>,
    pub age: String,
}

fn open(now: &Now<'_>, ledger: &Ledger<'_>) -> Open {
    let enrolled = ledger.population.enrolled();
    let counts: Vec<(&Rule, Counts)> =
        now.rules.iter().map(|rule| (rule, ledger.rule(&rule.id))).collect();
    let mut failing: Vec<&(&Rule, Counts)> = counts.iter().filter(|(_, c)| c.fail > 0).collect();
    failing.sort_by_key(|(rule, counts)| {
        (rule.severity, std::cmp::Reverse(counts.fail), counts.oldest_fail_us, &rule.id)
    });
    let shown = &failing[..failing.len().min(MAX_RULES)];
    let group = |severity: Severity| {
        let of = |rules: &[&(&Rule, Counts)]| {
            rules.iter().filter(|(rule, _)| rule.severity == severity).count()
        };
        let rows: Vec<FailingRule> = shown
            .iter()
            .filter(|(rule, _)| rule.severity == severity)
            .map(|(rule, counts)| failing_rule(rule, counts, enrolled, now.at_us))
            .collect();
        let rules = plural(of(&failing), "rule");
        (!rows.is_empty()).then(|| SeverityGroup { word: severity.word(), rules, rows })
    };
    let more = failing.len() - shown.len();
    Open {
        says: format!(
            "{} of {} fail on at least one host",
            failing.len(),
            plural(now.rules.len(), "rule")
        ),
        sum: sum(&counts, enrolled),
        groups: Severity::ALL.into_iter().filter_map(group).collect(),
        more: (more > 0).then(|| plural(more, "more failing rule")),
    }
}

/// Every judgement of every host, by outcome.
fn sum(counts: &[(&Rule, Counts)], enrolled: usize) -> String {
    let total = |of: fn(&Counts) -> usize| {
        count(counts.iter().map(|(_, counts)| of(counts)).sum::<usize>() as u64)
    };
    format!(
        "{} × {} = {} judgements: {} fail, {} unknown, {}{} pass, {} not applicable.",
        plural(counts.len(), "rule"),
        plural(enrolled, "host"),
        total(Counts::sum),
        total(|c| c.fail),
        total(|c| c.unknown),
        match counts.iter().map(|(_, counts)| counts.inherited).sum::<usize>() {
            0 => String::new(),
            n => format!("{} inherited, ", count(n as u64)),
        },
        total(|c| c.pass),
        total(|c| c.not_applicable),
    )
}

fn failing_rule(rule: &Rule, counts: &Counts, enrolled: usize, now_us: i64) -> FailingRule {
    FailingRule {
        id: rule.id.clone(),
        title: rule.title.clone(),
        path: rule.controls.first().map(|control| control_path(control)),
        controls: rule.controls.join(", "),
        fail: format!("{} of {}", count(counts.fail as u64), plural(enrolled, "host")),
        unknown: count(counts.unknown as u64),
        since: counts.oldest_fail_us.map(When::cell),
        age: counts.oldest_fail_us.map(|us| age(us, now_us)).unwrap_or_default(),
    }
}

/// A change that deserves a person.
pub struct Drift {
    pub what: String,
    /// Where its cause is shown.
    pub cause: String,
    /// Name and address; none for what is of no host.
    pub host: Option<(String, String)>,
    /// `regression, high; host_changed`: kind, severity, cause.
    pub kind: String,
    pub since: When,
}

fn drifts(input: &Input<'_>) -> Vec<Drift> {
    let names: BTreeMap<HostId, &str> =
        input.now.hosts.iter().map(|host| (host.id, host.name.as_str())).collect();
    let mut rows: Vec<&DriftRow> =
        input.drifts.iter().filter(|d| d.resolved_us.is_none()).collect();
    // One check-in often opens several: the most urgent of them leads.
    let urgency = |row: &DriftRow| Severity::from_word(&row.severity).unwrap_or(Severity::Low);
    rows.sort_by_key(|row| (std::cmp::Reverse(row.opened_us), urgency(row), row.id.clone()));
    rows.truncate(MAX_DRIFTS);
    rows.into_iter()
        .map(|row| Drift {
            what: super::drift::what_of(row, input.now.rules),
            cause: drift_path(&row.id),
            host: (row.host != HostId::nil()).then(|| {
                let name = names.get(&row.host);
                (
                    name.map_or_else(|| row.host.to_string(), |n| (*n).to_owned()),
                    host_path(row.host),
                )
            }),
            kind: format!("{}, {}; {}", row.drift.replace('_', " "), row.severity, row.cause),
            since: When::cell(row.opened_us),
        })
        .collect()
}

fn drifts_say(input: &Input<'_>) -> String {
    let open = input.drifts.iter().filter(|drift| drift.resolved_us.is_none()).count();
    let at_least = if input.more_drifts { "more than " } else { "" };
    let shown =
        if open > MAX_DRIFTS { format!("; the latest {MAX_DRIFTS}") } else { String::new() };
    format!("{at_least}{} open{shown}", count(open as u64))
}

/// How far host evidence reaches.
pub struct Reach {
    pub with: usize,
    pub without: usize,
    pub total: usize,
    pub rows: Vec<ReachRow>,
}

pub struct ReachRow {
    pub theme: &'static str,
    pub with: usize,
    pub without: usize,
    pub total: usize,
}

fn reach(controls: &[Control]) -> Reach {
    let of = |theme: Option<Theme>| {
        let of_theme = controls.iter().filter(|c| theme.is_none_or(|theme| c.theme == theme));
        let (with, without): (Vec<_>, Vec<_>) = of_theme.partition(|c| c.host_evidence.is_some());
        (with.len(), without.len())
    };
    let row = |theme: Theme| {
        let (with, without) = of(Some(theme));
        ReachRow { theme: theme.title(), with, without, total: with + without }
    };
    let (with, without) = of(None);
    Reach { with, without, total: with + without, rows: Theme::ALL.into_iter().map(row).collect() }
}

#[cfg(test)]
mod tests;
