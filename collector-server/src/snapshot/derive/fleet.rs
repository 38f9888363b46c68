//! All hosts in one pass: what is counted of them, and what the report and OSCAL name. What grows
//! with hosts times rules is kept in a few bytes each.

use super::lists::Lists;
use crate::catalogue::Catalogue;
use crate::judge::{Judge, Outcome, Reason, Severity};
use crate::overview::{outcome, reason};
use crate::record::{Registers, claims, support};
use crate::snapshot::SnapshotError;
use crate::snapshot::document::{
    ExceptionDocument, ExpectedDocument, Head, HostDocument, IsmsDocument, RecordsDocument,
    RulesDocument,
};
use crate::snapshot::files::Documents;
use crate::snapshot::rules::Shelf;
use crate::snapshot::sample::{self, Draw};
use crate::status::{ControlStatus, OpenResult, control_state};
use evidence::{Digest, HostId, Status};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Deviations of one control that the report names; lists/deviations.csv has all.
const NAMED: usize = 60;

/// A host, as lists of hosts show it.
#[derive(Debug, Clone)]
pub(super) struct HostLine {
    pub(super) host: HostId,
    pub(super) name: String,
    pub(super) group: String,
    pub(super) state: String,
    pub(super) in_service: bool,
    pub(super) silent_since_us: Option<i64>,
    pub(super) observed_us: Option<i64>,
    pub(super) next_due_s: i64,
    pub(super) received_us: Option<i64>,
    pub(super) disagrees: usize,
    /// Of its document.
    pub(super) digest: Digest,
}

/// A result that holds at the end. A few bytes: there is one for each rule on each host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) host: u32,
    pub(super) rule: u16,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<Reason>,
    pub(super) since_s: i64,
    pub(super) excepted: bool,
}

/// A failure, open or closed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deviation {
    /// Worst and longest first.
    order: (std::cmp::Reverse<Severity>, std::cmp::Reverse<i64>),
    pub(super) host: u32,
    pub(super) rule: String,
    pub(super) from_us: i64,
    /// None: it was open at the end.
    pub(super) to_us: Option<i64>,
    pub(super) severity: Severity,
    pub(super) past_limit: bool,
    pub(super) exception: Option<String>,
    pub(super) offenders: Vec<String>,
}

/// What a rule says of the fleet.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) counts: BTreeMap<Outcome, u64>,
    pub(super) failing: Vec<u32>,
    pub(super) unknown: Vec<(u32, Option<Reason>)>,
    pub(super) deviations: u64,
    pub(super) closed: u64,
}

/// A kind over all hosts: where it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct KindTally {
    pub(super) hosts: u64,
    pub(super) by_status: BTreeMap<Status, u64>,
    pub(super) paths: BTreeMap<String, u64>,
}

pub(super) struct Fleet {
    pub(super) head: Head,
    /// None: this program refuses the rules, so nothing is known of them but their names.
    pub(super) judge: Option<Arc<Judge>>,
    pub(super) catalogue: Catalogue,
    pub(super) statements: Vec<IsmsDocument>,
    pub(super) expected: ExpectedDocument,
    pub(super) exceptions: Vec<ExceptionDocument>,
    /// None in archives of before there were records.
    pub(super) records: Option<RecordsDocument>,
    pub(super) hosts: Vec<HostLine>,
    pub(super) rules: BTreeMap<String, Tally>,
    pub(super) kinds: BTreeMap<String, KindTally>,
    /// By control, the worst first.
    pub(super) deviations: BTreeMap<String, BTreeSet<Deviation>>,
    pub(super) controls: Vec<(crate::catalogue::Control, ControlStatus)>,
    pub(super) disagreeing: u64,
    /// What was drawn: days of hosts, and failures.
    pub(super) drawn: Option<[Draw; 2]>,
    names: Vec<String>,
    held: BTreeMap<String, Vec<Held>>,
}

/// A document that must be there.
pub(super) fn document<T: DeserializeOwned>(
    from: &mut dyn Documents,
    name: &str,
) -> Result<T, SnapshotError> {
    let bytes =
        from.bytes(name)?.ok_or_else(|| SnapshotError::Other(format!("{name} is missing")))?;
    serde_json::from_slice(&bytes).map_err(|error| SnapshotError::Other(format!("{name}: {error}")))
}

/// A document that archives of before have not.
fn optional<T: DeserializeOwned>(
    from: &mut dyn Documents,
    name: &str,
) -> Result<Option<T>, SnapshotError> {
    let Some(bytes) = from.bytes(name)? else { return Ok(None) };
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| SnapshotError::Other(format!("{name}: {error}")))
}

impl Fleet {
    pub(super) fn read(
        from: &mut dyn Documents,
        shelf: &Shelf,
        head: Head,
        mut lists: Lists,
    ) -> Result<Self, SnapshotError> {
        let judge = match head.rules {
            Some(id) => {
                let rules: RulesDocument = document(from, &format!("rules/{id}.json"))?;
                shelf.judge(&rules)
            }
            None => None,
        };
        let builtin = Catalogue::builtin().map_err(|e| SnapshotError::Other(e.to_string()))?;
        let catalogue = judge.as_ref().map_or(builtin, |judge| judge.rules().catalogue().clone());
        let mut fleet = Self {
            judge,
            catalogue,
            statements: document(from, "statements.json")?,
            expected: document(from, "expected.json")?,
            exceptions: document(from, "exceptions.json")?,
            records: optional(from, "records.json")?,
            hosts: vec![],
            rules: BTreeMap::new(),
            kinds: BTreeMap::new(),
            deviations: BTreeMap::new(),
            controls: vec![],
            disagreeing: 0,
            drawn: head.asked.sample.as_ref().map(|asked| [Draw::new(asked), Draw::new(asked)]),
            names: vec![],
            held: BTreeMap::new(),
            head,
        };
        for name in from.names("hosts/")? {
            let bytes = from.bytes(&name)?.unwrap_or_default();
            let host: HostDocument = serde_json::from_slice(&bytes)
                .map_err(|error| SnapshotError::Other(format!("{name}: {error}")))?;
            fleet.add(&host, Digest::of(&bytes));
            fleet.draw(&host);
            lists.host(&fleet, &host)?;
        }
        lists.end()?;
        fleet.control_states();
        Ok(fleet)
    }

    fn draw(&mut self, host: &HostDocument) {
        let Some([of_days, of_failures]) = &mut self.drawn else { return };
        let (days, failures) = sample::items(host, &self.head.pins);
        days.into_iter().for_each(|item| of_days.add(item));
        failures.into_iter().for_each(|item| of_failures.add(item));
    }

    /// Whether a control was asked for.
    pub(super) fn is_asked(&self, control: &str) -> bool {
        let asked = &self.head.asked.controls;
        asked.is_empty() || asked.contains(control)
    }

    pub(super) fn severity(&self, rule: &str) -> Severity {
        let rule = self.judge.as_ref().and_then(|judge| judge.rules().get(rule));
        rule.map_or(Severity::Info, |rule| rule.severity)
    }

    pub(super) fn controls_of(&self, rule: &str) -> &[String] {
        let rule = self.judge.as_ref().and_then(|judge| judge.rules().get(rule));
        rule.map_or(&[], |rule| rule.controls.as_slice())
    }

    fn add(&mut self, host: &HostDocument, digest: Digest) {
        let number = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        self.disagreeing += u64::from(!host.disagrees.is_empty());
        self.hosts.push(HostLine {
            host: host.host,
            name: host.name.clone(),
            group: host.group.clone(),
            state: host.state.clone(),
            in_service: is_in_service(host),
            silent_since_us: host.silent_since_us,
            observed_us: host.last.as_ref().map(|last| last.observed_us),
            received_us: host.last.as_ref().map(|last| last.received_us),
            next_due_s: host.last.as_ref().map_or(0, |last| last.next_due_s),
            disagrees: host.disagrees.len(),
            digest,
        });
        if is_in_service(host) {
            for kind in host.kinds.iter().filter(|kind| kind.to_us.is_none()) {
                let tally = self.kinds.entry(kind.kind.clone()).or_default();
                tally.hosts += 1;
                *tally.by_status.entry(kind.entry.status).or_default() += 1;
                for source in &kind.entry.sources {
                    *tally.paths.entry(source.path.clone()).or_default() += 1;
                }
            }
        }
        for (held, rule) in effective(host) {
            self.add_result(Held { host: number, ..held }, rule);
        }
        for deviation in self.deviations_of(host, number) {
            self.add_deviation(deviation);
        }
    }

    fn add_result(&mut self, held: Held, rule: &str) {
        let controls: Vec<String> =
            self.controls_of(rule).iter().filter(|id| self.is_asked(id)).cloned().collect();
        if controls.is_empty() && !self.head.asked.controls.is_empty() {
            return;
        }
        let number = match self.names.iter().position(|name| name == rule) {
            Some(number) => number,
            None => {
                self.names.push(rule.to_owned());
                self.names.len() - 1
            }
        };
        let held = Held { rule: u16::try_from(number).unwrap_or(u16::MAX), ..held };
        let tally = self.rules.entry(rule.to_owned()).or_default();
        *tally.counts.entry(held.outcome).or_default() += 1;
        match held.outcome {
            Outcome::Fail => tally.failing.push(held.host),
            Outcome::Unknown => tally.unknown.push((held.host, held.reason)),
            Outcome::Pass | Outcome::NotApplicable => {}
        }
        for control in controls {
            self.held.entry(control).or_default().push(held);
        }
    }

    /// Failures of a host that were open at any time of the period, each once however its offenders
    /// changed.
    pub(super) fn deviations_of(&self, host: &HostDocument, number: u32) -> Vec<Deviation> {
        let mut found: BTreeMap<(&str, i64), Deviation> = BTreeMap::new();
        for result in host.results.iter().filter(|result| result.outcome == "fail") {
            let from_us = result.failing_since_us.unwrap_or(result.from_us);
            let severity = self.severity(&result.rule);
            let end_us = result.to_us.unwrap_or(self.head.pins.at_us);
            let limit = self.head.limits.of(severity);
            let lasted_s = (end_us - from_us).div_euclid(1_000_000);
            let covers = |cover: &&crate::snapshot::document::CoverDocument| {
                cover.rule == result.rule
                    && cover.from_us < end_us.max(from_us + 1)
                    && cover.to_us.is_none_or(|to| to > result.from_us)
            };
            let deviation = Deviation {
                order: (std::cmp::Reverse(severity), std::cmp::Reverse(lasted_s)),
                host: number,
                rule: result.rule.clone(),
                from_us,
                to_us: result.to_us,
                severity,
                past_limit: limit.is_some_and(|limit| lasted_s > limit),
                exception: host.covers.iter().find(covers).map(|cover| cover.exception.clone()),
                offenders: result.offenders.clone(),
            };
            // Spans come in order of time: the last one says how it ended.
            found.insert((&result.rule, from_us), deviation);
        }
        found.into_values().collect()
    }

    fn add_deviation(&mut self, deviation: Deviation) {
        let controls = self.controls_of(&deviation.rule).to_vec();
        if controls.iter().any(|id| self.is_asked(id)) || self.head.asked.controls.is_empty() {
            let tally = self.rules.entry(deviation.rule.clone()).or_default();
            tally.deviations += 1;
            tally.closed += u64::from(deviation.to_us.is_some());
        }
        for control in controls.into_iter().filter(|id| self.is_asked(id)).collect::<Vec<_>>() {
            let of = self.deviations.entry(control).or_default();
            of.insert(deviation.clone());
            if of.len() > NAMED {
                of.pop_last();
            }
        }
    }

    /// What records say of the controls, as on pages.
    fn lay_records(&self, states: &mut [(crate::catalogue::Control, ControlStatus)]) {
        let Some(document) = &self.records else { return };
        let isms: Vec<String> = self.statements.iter().map(|isms| isms.id.clone()).collect();
        let registers = Registers::of(document.registers.clone());
        let claims = claims(&registers, &isms, &document.records, self.head.pins.at_us);
        let mut support = support(&claims, &isms);
        for (control, status) in states {
            if let Some(support) = support.remove(&control.id) {
                let hosts_can_show = control.host_evidence.is_some();
                *status = status.clone().with_records(hosts_can_show, support);
            }
        }
    }

    fn control_states(&mut self) {
        let texts: Vec<String> = self.hosts.iter().map(|host| host.host.to_string()).collect();
        let severities: Vec<Severity> = self.names.iter().map(|name| self.severity(name)).collect();
        let now_s = self.head.pins.at_us.div_euclid(1_000_000);
        let isms = match self.head.asked.isms.len() {
            1 => self.statements.first().map(|isms| isms.id.clone()),
            _ => None,
        };
        let mut states = vec![];
        for control in self.catalogue.controls().iter().filter(|c| self.is_asked(&c.id)) {
            let held = self.held.get(&control.id).map(Vec::as_slice).unwrap_or_default();
            let open = held.iter().map(|held| OpenResult {
                rule: &self.names[usize::from(held.rule)],
                host: &texts[held.host as usize],
                severity: severities[usize::from(held.rule)],
                outcome: held.outcome,
                reason: held.reason,
                since_s: held.since_s,
                excepted: held.excepted,
                past_limit: None,
                unseen_since_s: self.hosts[held.host as usize]
                    .silent_since_us
                    .map(|since_us| since_us.div_euclid(1_000_000)),
                // Archives count what hosts showed by themselves.
                inherited: false,
            });
            let of = |isms: &str| {
                let rows = self.head.tolerances.iter();
                let mut rows = rows.filter(|row| row.isms == isms && row.control == control.id);
                rows.next_back().map(|row| row.tolerance)
            };
            let tolerance = isms.as_deref().and_then(of).or_else(|| of(""));
            states
                .push((control.clone(), control_state(open, &self.head.limits, tolerance, now_s)));
        }
        self.lay_records(&mut states);
        self.controls = states;
    }
}

pub(super) fn is_in_service(host: &HostDocument) -> bool {
    !host.times.is_empty() && !matches!(host.state.as_str(), "ended" | "retired")
}

/// Results that count at the end: what a host said that is silent now is no evidence of now, but for
/// its failures; and what one said that is out of service is none at all.
pub(super) fn effective(host: &HostDocument) -> impl Iterator<Item = (Held, &str)> {
    let counts = is_in_service(host);
    let rows = host.results.iter().filter(move |row| counts && row.holds());
    rows.map(move |row| {
        let said = outcome(&row.outcome);
        let fails = said == Outcome::Fail;
        let covered = |cover: &crate::snapshot::document::CoverDocument| {
            cover.rule == row.rule && cover.to_us.is_none()
        };
        let mut held = Held {
            host: 0,
            rule: 0,
            outcome: said,
            reason: row.reason.as_deref().and_then(reason),
            since_s: row.failing_since_us.unwrap_or(row.from_us).div_euclid(1_000_000),
            excepted: fails && host.covers.iter().any(covered),
        };
        if let Some(since_us) = host.silent_since_us
            // Only a pass or a result that does not apply ends a failure, and silence is neither.
            && !matches!(said, Outcome::NotApplicable | Outcome::Fail)
        {
            held.outcome = Outcome::Unknown;
            held.reason = Some(Reason::NotReporting);
            held.since_s = since_us.div_euclid(1_000_000);
            held.excepted = false;
        }
        (held, row.rule.as_str())
    })
}
