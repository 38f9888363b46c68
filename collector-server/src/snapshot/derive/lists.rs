//! `lists/*.csv`: whole populations, for spreadsheets. No cell is a formula.

use super::fleet::{Fleet, effective, is_in_service};
use super::{Out, Output, put, time};
use crate::expected::cell::closed;
use crate::expected::reconcile;
use crate::judge::{Outcome, ParamShown};
use crate::record::write_csv;
use crate::snapshot::SnapshotError;
use crate::snapshot::document::HostDocument;
use crate::snapshot::sample;
use crate::store::model::{HostRow, HostState};
use std::collections::BTreeMap;

/// Populations that a sample is drawn of.
pub(super) const DAYS: &str = "sample/days.txt";
pub(super) const FAILURES: &str = "sample/failures.txt";

/// Lists with a line for each host, or many; written while hosts are read.
pub(super) struct Lists {
    hosts: List,
    results: List,
    deviations: List,
    members: List,
    silences: List,
    /// The items that a sample is drawn of, if one is.
    items: Option<[Box<dyn Out>; 2]>,
}

struct List {
    name: &'static str,
    out: Box<dyn Out>,
}

impl List {
    fn open(
        out: &mut dyn Output,
        name: &'static str,
        columns: &[&str],
    ) -> Result<Self, SnapshotError> {
        let mut list = Self { name, out: out.open(name)? };
        list.write(columns.join(",").as_bytes())?;
        list.write(b"\r\n")?;
        Ok(list)
    }

    fn row(&mut self, cells: &[String]) -> Result<(), SnapshotError> {
        let cells: Vec<_> = cells.iter().map(|cell| closed(cell)).collect();
        self.write((cells.join(",") + "\r\n").as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let failed = |source| SnapshotError::File { path: self.name.into(), source };
        self.out.write_all(bytes).map_err(failed)
    }

    fn end(self) -> Result<(), SnapshotError> {
        let failed = |source| SnapshotError::File { path: self.name.into(), source };
        self.out.end().map_err(failed)
    }
}

fn at(us: Option<i64>) -> String {
    us.map(time).unwrap_or_default()
}

impl Lists {
    pub(super) fn open(out: &mut dyn Output, sampled: bool) -> Result<Self, SnapshotError> {
        let items = match sampled {
            true => Some([out.open(DAYS)?, out.open(FAILURES)?]),
            false => None,
        };
        Ok(Self {
            items,
            hosts: List::open(
                out,
                "lists/hosts.csv",
                &[
                    "host",
                    "name",
                    "group",
                    "state",
                    "in_scope",
                    "silent_since",
                    "enrolled",
                    "last_observed",
                    "last_received",
                    "agent",
                    "pass",
                    "fail",
                    "unknown",
                    "not_applicable",
                    "judged_again",
                ],
            )?,
            results: List::open(
                out,
                "lists/results.csv",
                &[
                    "host",
                    "name",
                    "group",
                    "rule",
                    "severity",
                    "controls",
                    "outcome",
                    "reason",
                    "offenders",
                    "since",
                    "excepted",
                    "log_index",
                ],
            )?,
            deviations: List::open(
                out,
                "lists/deviations.csv",
                &[
                    "host",
                    "name",
                    "group",
                    "rule",
                    "severity",
                    "controls",
                    "from",
                    "to",
                    "lasted_s",
                    "past_limit",
                    "exception",
                    "offenders",
                ],
            )?,
            members: List::open(
                out,
                "lists/members.csv",
                &["host", "name", "group", "population", "member", "from", "to"],
            )?,
            silences: List::open(
                out,
                "lists/silences.csv",
                &["host", "name", "group", "from", "to"],
            )?,
        })
    }

    /// Writes the lines of a host.
    pub(super) fn host(&mut self, fleet: &Fleet, host: &HostDocument) -> Result<(), SnapshotError> {
        let who = [host.host.to_string(), host.name.clone(), host.group.clone()];
        let mut counts: BTreeMap<Outcome, u64> = BTreeMap::new();
        for (held, rule) in effective(host) {
            *counts.entry(held.outcome).or_default() += 1;
            let row = host.results.iter().find(|row| row.rule == rule && row.holds());
            let fails = held.outcome == Outcome::Fail;
            let offenders = row.filter(|_| fails).map(|row| row.offenders.join("; "));
            let known = row.map(|row| row.known.to_string()).unwrap_or_default();
            let about = [
                rule.to_owned(),
                fleet.severity(rule).as_str().to_owned(),
                fleet.controls_of(rule).join(" "),
                held.outcome.as_str().to_owned(),
                held.reason.map(|reason| reason.as_str().to_owned()).unwrap_or_default(),
                offenders.unwrap_or_default(),
                time(held.since_s.saturating_mul(1_000_000)),
                if held.excepted { "yes" } else { "" }.to_owned(),
                known,
            ];
            self.results.row(&[who.as_slice(), &about].concat())?;
        }
        self.host_line(host, &counts)?;
        let number = u32::try_from(fleet.hosts.len().saturating_sub(1)).unwrap_or(u32::MAX);
        for deviation in fleet.deviations_of(host, number) {
            let end_us = deviation.to_us.unwrap_or(fleet.head.pins.at_us);
            let about = [
                deviation.rule.clone(),
                deviation.severity.as_str().to_owned(),
                fleet.controls_of(&deviation.rule).join(" "),
                time(deviation.from_us),
                at(deviation.to_us),
                (end_us - deviation.from_us).div_euclid(1_000_000).to_string(),
                if deviation.past_limit { "yes" } else { "" }.to_owned(),
                deviation.exception.clone().unwrap_or_default(),
                deviation.offenders.join("; "),
            ];
            self.deviations.row(&[who.as_slice(), &about].concat())?;
        }
        for member in &host.members {
            let about = [
                member.population.clone(),
                member.member.clone(),
                time(member.from_us),
                at(member.to_us),
            ];
            self.members.row(&[who.as_slice(), &about].concat())?;
        }
        for (from_us, to_us) in &host.silences {
            self.silences.row(&[who.as_slice(), &[time(*from_us), at(*to_us)]].concat())?;
        }
        if let Some([of_days, of_failures]) = &mut self.items {
            let (days, failures) = sample::items(host, &fleet.head.pins);
            let failed = |source| SnapshotError::File { path: "sample".into(), source };
            for item in days {
                of_days.write_all(format!("{item}\n").as_bytes()).map_err(failed)?;
            }
            for item in failures {
                of_failures.write_all(format!("{item}\n").as_bytes()).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn host_line(
        &mut self,
        host: &HostDocument,
        counts: &BTreeMap<Outcome, u64>,
    ) -> Result<(), SnapshotError> {
        let count = |outcome| counts.get(&outcome).copied().unwrap_or_default().to_string();
        let last = host.last.as_ref();
        let again = match (&host.rules, host.judged, host.disagrees.is_empty()) {
            (None, ..) => "no",
            (Some(_), false, _) => "waits",
            (Some(_), true, true) => "equal",
            (Some(_), true, false) => "DIFFERENT",
        };
        self.hosts.row(&[
            host.host.to_string(),
            host.name.clone(),
            host.group.clone(),
            host.state.clone(),
            if is_in_service(host) { "yes" } else { "no" }.to_owned(),
            at(host.silent_since_us),
            time(host.enrolled_us),
            at(last.map(|last| last.observed_us)),
            at(last.map(|last| last.received_us)),
            last.map(|last| last.agent.clone()).unwrap_or_default(),
            count(Outcome::Pass),
            count(Outcome::Fail),
            count(Outcome::Unknown),
            count(Outcome::NotApplicable),
            again.to_owned(),
        ])
    }

    pub(super) fn end(self) -> Result<(), SnapshotError> {
        for list in [self.hosts, self.results, self.deviations, self.members, self.silences] {
            list.end()?;
        }
        for out in self.items.into_iter().flatten() {
            out.end().map_err(|source| SnapshotError::File { path: "sample".into(), source })?;
        }
        Ok(())
    }
}

/// Lists that need all hosts at once.
pub(super) fn of_fleet(fleet: &Fleet, out: &mut dyn Output) -> Result<(), SnapshotError> {
    expected(fleet, out)?;
    exceptions(fleet, out)?;
    parameters(fleet, out)?;
    records(fleet, out)?;
    controls(fleet, out)
}

/// Each register that has a record, as it is exported.
fn records(fleet: &Fleet, out: &mut dyn Output) -> Result<(), SnapshotError> {
    let Some(document) = &fleet.records else { return Ok(()) };
    for register in &document.registers {
        let mine = document.records.iter().filter(|record| record.register == register.id);
        let mine: Vec<_> = mine.collect();
        if mine.is_empty() {
            continue;
        }
        let text = write_csv(register, &mine, fleet.head.pins.at_us);
        put(out, &format!("lists/records-{}.csv", register.id), text.as_bytes())?;
    }
    Ok(())
}

fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = columns.join(",") + "\r\n";
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| closed(cell)).collect();
        text += &(cells.join(",") + "\r\n");
    }
    text
}

/// Hosts as the reconciliation takes them.
pub(super) fn rows(fleet: &Fleet) -> Vec<HostRow> {
    let state = |word: &str| {
        let word = serde_json::Value::String(word.to_owned());
        serde_json::from_value(word).unwrap_or(HostState::Retired)
    };
    let row = |host: &super::fleet::HostLine| HostRow {
        id: host.host,
        name: host.name.clone(),
        group: host.group.clone(),
        state: state(&host.state),
        enrolled_us: 0,
        last_received_us: host.received_us,
        next_due_s: host.received_us.map(|_| host.next_due_s),
        agent: None,
        manifest: None,
        revoked_us: host.silent_since_us.filter(|_| host.received_us.is_some()),
    };
    fleet.hosts.iter().map(row).collect()
}

fn expected(fleet: &Fleet, out: &mut dyn Output) -> Result<(), SnapshotError> {
    let found = reconcile(&fleet.expected.entries, &rows(fleet), fleet.head.pins.at_us);
    let text = table(
        &["name", "state", "host", "group", "owner", "note"],
        found.lines.iter().map(|line| {
            vec![
                line.name.clone(),
                line.state.word().to_owned(),
                line.host.map(|host| host.to_string()).unwrap_or_default(),
                line.group.clone(),
                line.owner.clone().unwrap_or_default(),
                line.note.clone().unwrap_or_default(),
            ]
        }),
    );
    put(out, "lists/expected.csv", text.as_bytes())
}

fn exceptions(fleet: &Fleet, out: &mut dyn Output) -> Result<(), SnapshotError> {
    let text = table(
        &[
            "exception",
            "state",
            "scope",
            "name",
            "rules",
            "reason",
            "measure",
            "ticket",
            "risk",
            "requested_by",
            "requested",
            "decided_by",
            "decided",
            "until",
            "ended",
            "ended_by",
        ],
        fleet.exceptions.iter().map(|row| {
            let rules: Vec<_> = row.rules.keys().cloned().collect();
            vec![
                row.id.clone(),
                row.state.clone(),
                row.scope.clone(),
                row.scope_name.clone(),
                rules.join(" "),
                row.reason.clone(),
                row.measure.clone(),
                row.ticket.clone(),
                row.risk.clone(),
                row.requested_by.clone(),
                time(row.requested_us),
                row.decided_by.clone().unwrap_or_default(),
                at(row.decided_us),
                time(row.until_us),
                at(row.ended_us),
                row.ended_by.clone().unwrap_or_default(),
            ]
        }),
    );
    put(out, "lists/exceptions.csv", text.as_bytes())
}

fn parameters(fleet: &Fleet, out: &mut dyn Output) -> Result<(), SnapshotError> {
    let rules = fleet.judge.iter().flat_map(|judge| judge.rules().rules());
    let mut rows = vec![];
    for rule in rules {
        for param in ParamShown::of(rule) {
            rows.push(vec![
                rule.id.clone(),
                rule.title.clone(),
                param.name,
                param.value.to_string(),
                param.origin,
            ]);
        }
    }
    let text = table(&["rule", "title", "parameter", "value", "origin"], rows.into_iter());
    put(out, "lists/parameters.csv", text.as_bytes())
}

fn controls(fleet: &Fleet, out: &mut dyn Output) -> Result<(), SnapshotError> {
    let text = table(
        &[
            "control",
            "title",
            "evidence_state",
            "pass",
            "fail",
            "unknown",
            "not_applicable",
            "hosts",
            "open_deviations",
            "past_limit",
            "excepted",
            "not_shown",
        ],
        fleet.controls.iter().map(|(control, status)| {
            let numbers = [
                status.pass,
                status.fail,
                status.unknown,
                status.not_applicable,
                status.hosts,
                status.open_deviations,
                status.past_limit,
                status.excepted,
            ];
            let head =
                [control.id.clone(), control.title.clone(), status.state.as_str().to_owned()];
            let numbers = numbers.iter().map(u64::to_string);
            let last = [control.not_shown.clone().unwrap_or_default()];
            head.into_iter().chain(numbers).chain(last).collect()
        }),
    );
    put(out, "lists/controls.csv", text.as_bytes())
}
