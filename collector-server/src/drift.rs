//! Drift: what changed between two states of a host, why, and which of it deserves a person. Pure.

use crate::population::{self, Population};
use crate::store::ListVersion;
use crate::store::model::{DriftRow, ResultRow};
use evidence::{HostId, KindEntry, Status};
use std::collections::{BTreeMap, BTreeSet};

/// Why a result changed; one per transition, computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The facts the rule reads are others.
    HostChanged,
    /// The same facts on another day.
    TimePassed,
    /// The evidence no longer proves anything.
    EvidenceLost,
    /// The same facts under other rules.
    RuleChanged,
    /// The kind's version rose and its sources did not change.
    AgentChanged,
    /// A person moved the host to another group.
    ScopeChanged,
    /// A person changed an approved list that the rule reads.
    ListChanged,
}

impl Cause {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HostChanged => "host_changed",
            Self::TimePassed => "time_passed",
            Self::EvidenceLost => "evidence_lost",
            Self::RuleChanged => "rule_changed",
            Self::AgentChanged => "agent_changed",
            Self::ScopeChanged => "scope_changed",
            Self::ListChanged => "list_changed",
        }
    }

    /// Whether a transition of this cause is a drift of the host. The others are told once, for
    /// all hosts.
    pub fn is_of_the_host(self) -> bool {
        matches!(self, Self::HostChanged | Self::TimePassed | Self::EvidenceLost)
    }
}

/// A kind as two states are compared: its entry, and the version of its facts where it matters
/// (other facts from the same sources).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindView {
    pub entry: KindEntry,
    pub v: Option<i64>,
}

/// One state of a host.
#[derive(Debug, Clone, Default)]
pub struct HostView {
    pub kinds: BTreeMap<String, KindView>,
    /// By rule.
    pub results: BTreeMap<String, ResultRow>,
    /// The rule set that judged.
    pub rules: Option<evidence::Digest>,
    /// The group of the host and the version of its approved lists that judged.
    pub lists: Option<ListVersion>,
    /// Those rules are others than before because the host is in another group.
    pub moved: bool,
    /// The group's lists changed since the last judgement: rules that read them, by rule, as the
    /// lists that held before would have this state.
    pub by_old_lists: BTreeMap<String, ResultRow>,
}

/// What a rule says of itself to drift.
#[derive(Debug, Clone)]
pub struct RuleView {
    /// Kinds it reads.
    pub evidence: Vec<String>,
    pub severity: String,
}

/// What is to be written.
#[derive(Debug, Clone, Default)]
pub struct Drifts {
    pub opened: Vec<DriftRow>,
    /// `(drift, subject)` that this state ends.
    pub resolved: Vec<(String, String)>,
    /// The kind that changed, by rule of a regression.
    pub kinds: BTreeMap<String, String>,
    /// Rules that fail now for a cause that is not of the host.
    pub announced: Vec<(Cause, String)>,
}

/// The cause of a rule's transition between two states.
pub fn cause(before: &HostView, after: &HostView, rule: &str, view: &RuleView) -> Cause {
    let unknown = after.results.get(rule).is_some_and(|result| result.outcome == "unknown");
    let of = |state: &HostView, kind: &String| state.kinds.get(kind).cloned();
    let changed: Vec<_> = changed(before, after, view).collect();
    let rules_changed = before.rules.is_some() && before.rules != after.rules;
    let alone = list_alone(before, after, rule);
    if alone == Some(true) {
        return Cause::ListChanged;
    }
    if changed.is_empty() {
        let listed = population::of_rule(rule).next().is_some() && alone.is_none();
        return match list_cause(before, after).filter(|_| listed) {
            _ if rules_changed && after.moved => Cause::ScopeChanged,
            Some(cause) => cause,
            None if rules_changed => Cause::RuleChanged,
            None => Cause::TimePassed,
        };
    }
    if unknown {
        return Cause::EvidenceLost;
    }
    let agent_only = changed.iter().all(|kind| match (of(before, kind), of(after, kind)) {
        // Facts that were not there before are no other version of any.
        (Some(KindView { entry: a, v: Some(old) }), Some(KindView { entry: b, v: Some(new) })) => {
            new > old && a.sources == b.sources
        }
        _ => false,
    });
    if agent_only { Cause::AgentChanged } else { Cause::HostChanged }
}

/// Whether it is the changed list that made the difference: the lists that held before would have
/// left the result as it was, or would not have turned it to what it is. None where they are not
/// known, or did not change.
fn list_alone(before: &HostView, after: &HostView, rule: &str) -> Option<bool> {
    let by_old = after.by_old_lists.get(rule)?;
    let (held, now) = (before.results.get(rule)?, after.results.get(rule)?);
    Some(same(held, by_old) || by_old.outcome != now.outcome)
}

/// Whether the host came to other lists, or its lists changed.
fn list_cause(before: &HostView, after: &HostView) -> Option<Cause> {
    match (before.lists.as_ref()?, after.lists.as_ref()?) {
        (a, b) if a.0 != b.0 => Some(Cause::ScopeChanged),
        (a, b) if a.1 != b.1 => Some(Cause::ListChanged),
        _ => None,
    }
}

/// Why the members of a population are to be looked at again; none if nothing changed for it.
pub fn population_cause(
    before: &HostView,
    after: &HostView,
    population: &Population,
) -> Option<Cause> {
    let evidence = population.from.iter().map(|from| from.kind.clone()).collect();
    let view = RuleView { evidence, severity: String::new() };
    if changed(before, after, &view).next().is_none() {
        // A host that was judged before there were populations is looked at once.
        let never = before.lists.is_none().then_some(Cause::ScopeChanged);
        return never.or(list_cause(before, after));
    }
    Some(cause(before, after, "", &view))
}

/// The kinds a rule reads that are not what they were.
fn changed<'a>(
    before: &'a HostView,
    after: &'a HostView,
    view: &'a RuleView,
) -> impl Iterator<Item = &'a String> {
    view.evidence.iter().filter(|kind| match (before.kinds.get(*kind), after.kinds.get(*kind)) {
        (Some(a), Some(b)) => !proves_the_same(&a.entry, &b.entry),
        (None, None) => false,
        _ => true,
    })
}

fn proves_the_same(a: &KindEntry, b: &KindEntry) -> bool {
    a.status == b.status && a.facts == b.facts && a.unread == b.unread
}

/// Fills in the cause of every changed result, and finds the drifts.
pub fn compare(
    host: HostId,
    before: &HostView,
    after: &mut HostView,
    rules: &BTreeMap<String, RuleView>,
    at_us: i64,
) -> Drifts {
    let mut drifts = Drifts::default();
    if before.results.is_empty() {
        return drifts; // A new host has a state, not a drift.
    }
    let causes: BTreeMap<_, _> = after
        .results
        .iter()
        .filter(|(rule, result)| before.results.get(*rule).is_some_and(|b| !same(b, result)))
        .filter_map(|(rule, _)| Some((rule.clone(), cause(before, after, rule, rules.get(rule)?))))
        .collect();
    let kind = |rule: &String| {
        let view = rules.get(rule)?;
        changed(before, after, view).next().or(view.evidence.first()).cloned()
    };
    let mut kinds: BTreeMap<String, String> =
        causes.keys().filter_map(|rule| Some((rule.clone(), kind(rule)?))).collect();
    for (rule, cause) in causes {
        let (Some(held), Some(now)) = (before.results.get(&rule), after.results.get_mut(&rule))
        else {
            continue;
        };
        now.cause = Some(cause.as_str().to_owned());
        let severity = rules.get(&rule).map_or("medium", |view| view.severity.as_str());
        match now.outcome.as_str() {
            "pass" | "not_applicable" => {
                drifts.resolved.push(("regression".to_owned(), rule.clone()));
                // It has outlived its exception no longer.
                drifts.resolved.push(("overdue".to_owned(), rule));
            }
            "fail" if held.outcome != "fail" && !cause.is_of_the_host() => {
                drifts.announced.push((cause, rule));
            }
            "fail" if held.outcome != "fail" => {
                if let Some(kind) = kinds.remove(&rule) {
                    drifts.kinds.insert(rule.clone(), kind);
                }
                drifts.opened.push(regression(host, rule, held, now, cause, severity, at_us));
            }
            _ => {}
        }
    }
    // A rule that judges this host no more has no result that could end what it opened.
    let gone = before.results.keys().filter(|rule| !after.results.contains_key(*rule));
    drifts.resolved.extend(gone.map(|rule| ("regression".to_owned(), rule.clone())));
    compare_kinds(host, before, after, at_us, &mut drifts);
    drifts
}

fn same(a: &ResultRow, b: &ResultRow) -> bool {
    (&a.outcome, &a.reason, &a.offenders) == (&b.outcome, &b.reason, &b.offenders)
}

fn regression(
    host: HostId,
    rule: String,
    held: &ResultRow,
    now: &ResultRow,
    cause: Cause,
    severity: &str,
    at_us: i64,
) -> DriftRow {
    DriftRow {
        id: evidence::HostId::generate().to_string(),
        drift: "regression".to_owned(),
        host,
        rule: Some(rule),
        kind: None,
        cause: cause.as_str().to_owned(),
        severity: severity.to_owned(),
        from: held.outcome.clone(),
        to: now.outcome.clone(),
        offenders: now.offenders.clone(),
        opened_us: at_us,
        resolved_us: None,
    }
}

/// Evidence of a kind is lost once, however many rules read it.
fn compare_kinds(
    host: HostId,
    before: &HostView,
    after: &HostView,
    at_us: i64,
    drifts: &mut Drifts,
) {
    let kinds: BTreeSet<_> = before.kinds.keys().chain(after.kinds.keys()).collect();
    for kind in kinds {
        let held = before.kinds.get(kind).map(|view| &view.entry);
        let now = after.kinds.get(kind).map(|view| &view.entry);
        if lost(held, now) {
            drifts.opened.push(DriftRow {
                id: evidence::HostId::generate().to_string(),
                drift: "evidence_lost".to_owned(),
                host,
                rule: None,
                kind: Some(kind.clone()),
                cause: Cause::EvidenceLost.as_str().to_owned(),
                severity: "high".to_owned(),
                from: word(held),
                to: word(now),
                offenders: now.map(|entry| entry.unread.clone()).unwrap_or_default(),
                opened_us: at_us,
                resolved_us: None,
            });
        } else if regained(held, now) {
            drifts.resolved.push(("evidence_lost".to_owned(), kind.clone()));
        }
    }
}

fn word(entry: Option<&KindEntry>) -> String {
    entry.map_or("not_collected", |entry| entry.status.as_str()).to_owned()
}

/// How much a kind proves: everything, all but some fields, nothing.
fn proof(entry: Option<&KindEntry>) -> (u8, BTreeSet<&str>) {
    match entry {
        Some(KindEntry { status: Status::Ok | Status::NotApplicable, .. }) => (2, BTreeSet::new()),
        Some(entry @ KindEntry { status: Status::Partial, .. }) => {
            (1, entry.unread.iter().map(String::as_str).collect())
        }
        _ => (0, BTreeSet::new()),
    }
}

fn lost(held: Option<&KindEntry>, now: Option<&KindEntry>) -> bool {
    let ((held, held_unread), (now, now_unread)) = (proof(held), proof(now));
    now < held || (now == 1 && held == 1 && !now_unread.is_subset(&held_unread))
}

fn regained(held: Option<&KindEntry>, now: Option<&KindEntry>) -> bool {
    let ((held, held_unread), (now, now_unread)) = (proof(held), proof(now));
    now > held || (now == 1 && held == 1 && now_unread.len() < held_unread.len())
}

#[cfg(test)]
mod tests;
