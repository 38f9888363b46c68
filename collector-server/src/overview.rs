//! What holds now, over all hosts: the answer behind the overview, the controls API and the
//! command line's summary.

use crate::catalogue::{Catalogue, Control};
use crate::config::{Config, DurationText};
use crate::judge::{Outcome, Reason, RuleSet, Severity};
use crate::moment::Moment;
use crate::patch::{self, PatchLimits};
use crate::record::{Claim, Registers, claims, support};
use crate::scope::Scope;
use crate::status::{ControlStatus, OpenResult, RepairLimits, Tolerance, control_state};
use crate::store::model::{HostRow, HostState, ResultRow};
use crate::store::{Excepted, Inherited, Store, StoreError};
use evidence::HostId;
use std::collections::{BTreeMap, BTreeSet};

pub struct Overview {
    pub hosts: Vec<HostRow>,
    /// Of the organisation, in the order of the catalogue.
    pub controls: Vec<(Control, ControlStatus)>,
    /// Results that hold now. Those of a silent host are unknown (`not_reporting`), but for its
    /// failures: nothing ended them. A failure holds since it was last none, whoever offended
    /// meanwhile. One that approved evidence of somebody else covers is `inherited`.
    pub results: Vec<ResultRow>,
    pub terms: Terms,
    /// Failures among them that an approved exception covers.
    pub excepted: ExceptedResults,
    /// What covers the inherited ones among them, and what the host itself shows.
    pub inherited: InheritedResults,
}

/// What results are measured by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    pub limits: RepairLimits,
    /// By ISMS (empty: the organisation) and control.
    pub tolerances: BTreeMap<(String, String), Tolerance>,
    /// Host and rule of failures under an approved exception.
    pub excepted: BTreeSet<(HostId, String)>,
    /// Host and rule of failures over updates: whether they are past the limits of patches.
    pub patches: BTreeMap<(HostId, String), bool>,
    /// Silent hosts, and since when (microseconds).
    pub silent: BTreeMap<HostId, i64>,
    pub records: RecordTerms,
}

/// What people's records say, and the management systems that each have their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordTerms {
    pub claims: Vec<Claim>,
    pub isms: Vec<String>,
}

impl RecordTerms {
    /// Reads them: as they are, or as they were known at a moment.
    pub async fn load(
        store: &Store,
        registers: &Registers,
        moment: Option<&Moment>,
        now_us: i64,
    ) -> Result<Self, StoreError> {
        let known_us = moment.map_or(i64::MAX, Moment::decided_us);
        let isms = store.all_isms().await?.into_iter().filter(|isms| isms.created_us <= known_us);
        let isms: Vec<_> = isms.map(|isms| isms.id).collect();
        let records = store.records(None).await?;
        let records: Vec<_> = records.iter().filter_map(|record| record.at(known_us)).collect();
        Ok(Self { claims: claims(registers, &isms, &records, now_us), isms })
    }

    /// Puts what they say beside what hosts show. Records are of management systems: of a group or a
    /// host they say nothing.
    fn lay(&self, scope: &Scope, controls: &mut [(Control, ControlStatus)]) {
        let isms = match scope {
            Scope::Organisation => self.isms.clone(),
            Scope::Isms(id) => vec![id.clone()],
            Scope::Group(_) | Scope::Host(_) => return,
        };
        let mut support = support(&self.claims, &isms);
        for (control, status) in controls {
            if let Some(support) = support.remove(&control.id) {
                let hosts_can_show = control.host_evidence.is_some();
                *status = status.clone().with_records(hosts_can_show, support);
            }
        }
    }
}

impl Terms {
    /// The tolerance of a control: that of the ISMS, if it has one, else the organisation's.
    pub fn tolerance(&self, isms: Option<&str>, control: &str) -> Option<Tolerance> {
        let of = |isms: &str| self.tolerances.get(&(isms.to_owned(), control.to_owned()));
        isms.and_then(of).or_else(|| of("")).copied()
    }
}

/// How long failures and updates may stay open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    pub repair: RepairLimits,
    pub patch: PatchLimits,
}

/// By host and rule.
pub type ExceptedResults = BTreeMap<(HostId, String), Excepted>;

/// By host and rule.
pub type InheritedResults = BTreeMap<(HostId, String), Inherited>;

/// The word of a result that stands on what somebody else showed.
pub const INHERITED: &str = "inherited";

/// Reads what holds at `now_us`.
pub async fn load(
    store: &Store,
    rules: &RuleSet,
    catalogue: &Catalogue,
    limits: &Limits,
    now_us: i64,
) -> Result<Overview, StoreError> {
    let hosts = store.hosts().await?;
    let mut results = store.open_results(None, None).await?;
    // A rule that no longer judges has no say, though its last results stay on record.
    results.retain(|row| rules.get(&row.rule).is_some());
    let failing = store.failing_since().await?;
    for row in &mut results {
        // Another offender is no repair: the clock goes on.
        if let Some(since_us) = failing.get(&(row.host, row.rule.clone())) {
            row.since_us = *since_us;
        }
    }
    let silent = silence(&hosts, &mut results, now_us);
    let inherited = inherit(store.inherited_rules(now_us).await?, &hosts, &mut results);
    let excepted = store.excepted(now_us).await?;
    let patches = patch::verdicts(store, rules, &hosts, &results, &limits.patch, None, now_us);
    let terms = Terms {
        limits: limits.repair,
        tolerances: store.tolerances().await?,
        excepted: excepted.keys().cloned().collect(),
        patches: patches.await?,
        silent,
        records: RecordTerms::default(),
    };
    let all = hosts.iter().map(|host| host.id).collect();
    let controls = statuses(&results, &terms, (rules, catalogue), (None, &all), now_us);
    Ok(Overview { hosts, controls, results, terms, excepted, inherited })
}

/// Reads what held at a moment, as was known then, by the rules that judged then. Limits of repair
/// and what is said of groups are those of now.
pub async fn load_at(
    store: &Store,
    rules: &RuleSet,
    catalogue: &Catalogue,
    limits: &Limits,
    moment: &Moment,
) -> Result<Overview, StoreError> {
    let hosts = store.hosts_at(moment).await?;
    let mut results = store.results_at(None, moment.at_us, moment.known).await?;
    results.retain(|row| rules.get(&row.rule).is_some());
    let failing = store.failing_since_at(moment).await?;
    for row in &mut results {
        if let Some(since_us) = failing.get(&(row.host, row.rule.clone())) {
            row.since_us = *since_us;
        }
    }
    let silent = silence(&hosts, &mut results, moment.at_us);
    let inherited = inherit(store.inherited_rules_at(moment).await?, &hosts, &mut results);
    let excepted = store.excepted_at(&hosts, &results, moment).await?;
    let (then, at_us) = (Some(moment), moment.at_us);
    let patches = patch::verdicts(store, rules, &hosts, &results, &limits.patch, then, at_us);
    let terms = Terms {
        limits: limits.repair,
        tolerances: store.tolerances_at(moment).await?,
        excepted: excepted.keys().cloned().collect(),
        patches: patches.await?,
        silent,
        records: RecordTerms::default(),
    };
    let all = hosts.iter().map(|host| host.id).collect();
    let controls = statuses(&results, &terms, (rules, catalogue), (None, &all), moment.at_us);
    Ok(Overview { hosts, controls, results, terms, excepted, inherited })
}

impl Overview {
    /// Controls as the results of these hosts and the records of the scope show them; of an ISMS, with
    /// its tolerances.
    pub fn within(
        &self,
        judged_by: (&RuleSet, &Catalogue),
        (scope, hosts): (&Scope, &BTreeSet<HostId>),
        now_us: i64,
    ) -> Vec<(Control, ControlStatus)> {
        let of = (scope.isms(), hosts);
        let mut controls = statuses(&self.results, &self.terms, judged_by, of, now_us);
        self.terms.records.lay(scope, &mut controls);
        controls
    }

    /// With what people's records say of the organisation's controls.
    #[must_use]
    pub fn with_records(mut self, records: RecordTerms) -> Self {
        records.lay(&Scope::Organisation, &mut self.controls);
        self.terms.records = records;
        self
    }
}

fn statuses(
    results: &[ResultRow],
    terms: &Terms,
    (rules, catalogue): (&RuleSet, &Catalogue),
    (isms, hosts): (Option<&str>, &BTreeSet<HostId>),
    now_us: i64,
) -> Vec<(Control, ControlStatus)> {
    let by_rule = group(results.iter().filter(|row| hosts.contains(&row.host)));
    let names: BTreeMap<_, _> = hosts.iter().map(|host| (*host, host.to_string())).collect();
    let status = |control: &Control| {
        let rules = rules.rules().iter();
        let rules = rules.filter(|rule| rule.controls.contains(&control.id));
        let open = rules.flat_map(|rule| {
            let rows = by_rule.get(rule.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            rows.iter().copied().filter_map(|row| {
                Some(open_result(row, rule.severity, names.get(&row.host)?, terms))
            })
        });
        let tolerance = terms.tolerance(isms, &control.id);
        control_state(open, &terms.limits, tolerance, now_us.div_euclid(1_000_000))
    };
    let controls = catalogue.controls().iter();
    controls.map(|control| (control.clone(), status(control))).collect()
}

/// What a silent or retired host said last is no evidence of now. Only a pass or a result that does
/// not apply ends a failure, and silence is neither: it stays. Gives the silent hosts, and since
/// when.
pub(crate) fn silence(
    hosts: &[HostRow],
    results: &mut Vec<ResultRow>,
    now_us: i64,
) -> BTreeMap<HostId, i64> {
    let gone = |host: &&HostRow| matches!(host.state, HostState::Ended | HostState::Retired);
    let gone: Vec<_> = hosts.iter().filter(gone).map(|host| host.id).collect();
    results.retain(|row| !gone.contains(&row.host));
    let silent = hosts.iter().filter(|host| host.is_silent(now_us));
    let silent: BTreeMap<_, _> = silent.map(|host| (host.id, host.silent_since_us())).collect();
    for row in results.iter_mut() {
        let Some(since) = silent.get(&row.host) else { continue };
        if !matches!(row.outcome.as_str(), "not_applicable" | "fail") {
            row.outcome = Outcome::Unknown.as_str().to_owned();
            row.reason = Some(Reason::NotReporting.as_str().to_owned());
            row.offenders.clear();
            row.since_us = *since;
        }
    }
    silent
}

/// Marks what approved statements cover, by group and rule, on hosts that report. What a host shows
/// itself as passing stands on the host.
fn inherit(
    statements: BTreeMap<(String, String), Inherited>,
    hosts: &[HostRow],
    results: &mut [ResultRow],
) -> InheritedResults {
    if statements.is_empty() {
        return InheritedResults::new();
    }
    let groups: BTreeMap<_, _> = hosts.iter().map(|host| (host.id, host.group.as_str())).collect();
    let mut found = InheritedResults::new();
    for row in results.iter_mut() {
        let silent = row.reason.as_deref() == Some(Reason::NotReporting.as_str());
        if silent || !matches!(row.outcome.as_str(), "fail" | "unknown") {
            continue;
        }
        let group = groups.get(&row.host).map(|group| (*group).to_owned());
        let by = group.and_then(|group| statements.get(&(group, row.rule.clone())));
        if let Some(by) = by {
            let outcome = std::mem::replace(&mut row.outcome, INHERITED.to_owned());
            found.insert((row.host, row.rule.clone()), Inherited { outcome, ..by.clone() });
        }
    }
    found
}

fn group<'a>(
    results: impl Iterator<Item = &'a ResultRow>,
) -> BTreeMap<&'a str, Vec<&'a ResultRow>> {
    let mut by_rule: BTreeMap<&str, Vec<&ResultRow>> = BTreeMap::new();
    for row in results {
        by_rule.entry(&row.rule).or_default().push(row);
    }
    by_rule
}

fn open_result<'a>(
    row: &'a ResultRow,
    severity: Severity,
    host: &'a str,
    terms: &Terms,
) -> OpenResult<'a> {
    let key = || (row.host, row.rule.clone());
    let fails = row.outcome == Outcome::Fail.as_str();
    OpenResult {
        rule: &row.rule,
        host,
        severity,
        outcome: outcome(&row.outcome),
        reason: row.reason.as_deref().and_then(reason),
        since_s: row.since_us.div_euclid(1_000_000),
        excepted: fails && terms.excepted.contains(&key()),
        unseen_since_s: terms
            .silent
            .get(&row.host)
            .filter(|_| fails || row.outcome == INHERITED)
            .map(|us| us.div_euclid(1_000_000)),
        inherited: row.outcome == INHERITED,
        past_limit: if fails { terms.patches.get(&key()).copied() } else { None },
    }
}

/// Words in the store are those of the enums; another word would be corruption, and counts as
/// unknown.
pub(crate) fn outcome(word: &str) -> Outcome {
    let word = serde_json::Value::String(word.to_owned());
    serde_json::from_value(word).unwrap_or(Outcome::Unknown)
}

/// Why a result is unknown; none for a word that is no reason.
pub(crate) fn reason(word: &str) -> Option<Reason> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

/// The limits of a configuration.
pub fn limits(config: &Config) -> Limits {
    let limits = &config.repair_limits;
    let repair = RepairLimits {
        critical_s: seconds(&limits.critical),
        high_s: seconds(&limits.high),
        medium_s: seconds(&limits.medium),
        low_s: seconds(&limits.low),
    };
    Limits { repair, patch: config.patch_limits.clone() }
}

fn seconds(text: &DurationText) -> i64 {
    i64::try_from(text.0.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u128, received_us: i64) -> HostRow {
        HostRow {
            id: HostId::from(n),
            name: format!("host-{n}"),
            group: "default".into(),
            state: HostState::Active,
            enrolled_us: 0,
            last_received_us: Some(received_us),
            next_due_s: Some(10),
            agent: None,
            manifest: None,
            revoked_us: None,
        }
    }

    fn row(host: &HostRow, outcome: &str) -> ResultRow {
        ResultRow {
            host: host.id,
            rule: "a-rule".into(),
            outcome: outcome.into(),
            reason: None,
            offenders: vec![],
            since_us: 1,
            known: 0,
            cause: None,
        }
    }

    #[test]
    fn a_statement_covers_what_does_not_pass_on_hosts_of_its_group_that_report() {
        let other = HostRow { group: "db".into(), ..host(2, 0) };
        let hosts = [host(1, 0), other];
        let unknown = |reason: &str| ResultRow {
            reason: Some(reason.to_owned()),
            ..row(&hosts[0], "unknown")
        };
        let rule = |rule: &str, of: ResultRow| ResultRow { rule: rule.to_owned(), ..of };
        let mut results = [
            row(&hosts[0], "fail"),
            row(&hosts[0], "pass"),
            unknown("unsupported"),
            unknown("not_reporting"),
            row(&hosts[1], "fail"),
            rule("another", row(&hosts[0], "fail")),
        ];
        let by = Inherited {
            statement: "s".into(),
            until_us: 9,
            outcome: String::new(),
            provider: "p".into(),
        };
        let statements = [(("default".to_owned(), "a-rule".to_owned()), by)].into();
        let found = inherit(statements, &hosts, &mut results);
        let said: Vec<_> = results.iter().map(|row| row.outcome.as_str()).collect();
        assert_eq!(said, ["inherited", "pass", "inherited", "unknown", "fail", "fail"]);
        assert_eq!(found.len(), 1, "by host and rule");
    }

    #[test]
    fn what_a_silent_host_said_last_is_unknown_and_what_a_retired_one_said_is_gone() {
        let now_us = 100_000_000;
        let (fresh, silent) = (host(1, now_us - 19_000_000), host(2, now_us - 21_000_000));
        let retired = HostRow { state: HostState::Retired, ..host(3, now_us) };
        let revoked = HostRow { revoked_us: Some(now_us - 1), ..host(4, now_us - 2) };
        let hosts = [fresh, silent, retired, revoked];
        let mut results: Vec<_> = hosts.iter().map(|host| row(host, "pass")).collect();
        results.push(row(&hosts[1], "fail"));
        silence(&hosts, &mut results, now_us);
        let said: Vec<_> =
            results.iter().map(|r| (r.outcome.as_str(), r.reason.as_deref())).collect();
        let silent = ("unknown", Some("not_reporting"));
        let failed = ("fail", None);
        assert_eq!(said, [("pass", None), silent, silent, failed], "nothing ended the failure");
        assert_eq!(results[3].since_us, 1);
        assert_eq!(results[1].since_us, now_us - 1_000_000);
        assert_eq!(results[2].since_us, now_us - 1, "since its identity was revoked");
    }
}
