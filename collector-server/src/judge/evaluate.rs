//! Evaluates rules over the state of a host: applies → status gate → guard → expression.

use super::cel::{self, Answer, EvalError, Scope};
use super::load::RuleSet;
use super::memo::{Key, KindKey, Memo};
use super::outcome::{HostState, KindState, Outcome, Reason, RuleResult};
use super::rule::{Expression, Rule};
use super::shape::{Known, Shape};
use evidence::{Digest, Manifest, Status};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A rule set, with a memory of what it has judged.
pub struct Judge {
    pub(super) rules: Arc<RuleSet>,
    memo: Memo,
}

/// A result without the name of its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) outcome: Outcome,
    pub(super) offenders: Vec<String>,
    pub(super) reason: Option<Reason>,
}

impl Judged {
    fn of(outcome: Outcome) -> Self {
        Self { outcome, offenders: Vec::new(), reason: None }
    }

    fn unknown(reason: Reason) -> Self {
        Self { reason: Some(reason), ..Self::of(Outcome::Unknown) }
    }
}

impl Judge {
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self { rules, memo: Memo::default() }
    }

    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The rules, to keep.
    pub fn rule_set(&self) -> Arc<RuleSet> {
        Arc::clone(&self.rules)
    }

    /// One result per rule, in the order of the rule set, for a host of a group that nothing is
    /// said of. What is equal across a fleet (rule, statuses, facts, and the day if the rule reads
    /// it) is judged once.
    pub fn judge(&self, host: &HostState, today: i64) -> Vec<RuleResult> {
        self.judge_in("", host, today)
    }

    /// [`Judge::judge`], with the rules of a group.
    pub fn judge_in(&self, group: &str, host: &HostState, today: i64) -> Vec<RuleResult> {
        let kinds = host.kinds.iter().map(|(kind, state)| {
            let facts = state.facts.as_ref().map(|facts| facts.id());
            (kind.as_str(), KindKey::of(state.status, facts, &state.unread))
        });
        self.complete(self.recall_kinds(group, &kinds.collect(), today), host)
    }

    /// What is remembered of the state that a manifest describes, for a host of a group, so that
    /// only facts have to be read that are new in the fleet. `held` are the facts that the host has
    /// sent.
    pub fn recall(
        &self,
        group: &str,
        manifest: &Manifest,
        held: &BTreeSet<Digest>,
        today: i64,
    ) -> Recalled {
        let kinds = manifest.kinds.iter().map(|(kind, entry)| {
            let facts = entry.facts.filter(|id| held.contains(id));
            (kind.as_str(), KindKey::of(entry.status, facts, &entry.unread))
        });
        self.recall_kinds(group, &kinds.collect(), today)
    }

    fn recall_kinds(&self, group: &str, kinds: &BTreeMap<&str, KindKey>, today: i64) -> Recalled {
        let numbers = self.rules.resolved.of(group).rules.iter();
        let keyed = numbers.filter_map(|n| Some(key(self.variant(*n)?, *n, kinds, today)));
        let keys: Vec<_> = keyed.collect();
        let judged = match self.rules.is_refused() {
            true => {
                keys.iter().map(|_| Some(Arc::new(Judged::unknown(Reason::RuleError)))).collect()
            }
            false => self.memo.look_up(&keys),
        };
        let missing = keys.iter().zip(&judged).filter(|(_, judged)| judged.is_none());
        let missing = missing.filter_map(|(key, _)| self.variant(key.rule));
        let needs = missing.flat_map(|rule| &rule.evidence).cloned().collect();
        Recalled { keys, judged, needs, today }
    }

    fn variant(&self, number: u32) -> Option<&Rule> {
        self.rules.resolved.variants.get(number as usize)
    }

    /// Judges what was not remembered. `host` is the state that was recalled; facts of the kinds
    /// that [`Recalled::needs`] does not name may be absent from it.
    pub fn complete(&self, recalled: Recalled, host: &HostState) -> Vec<RuleResult> {
        let Recalled { keys, mut judged, needs, today } = recalled;
        let rules: Vec<_> = keys.iter().filter_map(|key| self.variant(key.rule)).collect();
        if !needs.is_empty() {
            let known = self.rules.known();
            let evaluated = cel::on_large_stack(|| {
                evaluate_missing(&rules, known, &mut judged, (host, &needs), today);
            });
            if evaluated.is_some() {
                self.memo.keep(keys.into_iter().zip(judged.iter().flatten().cloned()));
            }
            let failed = || Arc::new(Judged::unknown(Reason::RuleError));
            judged.iter_mut().filter(|judged| judged.is_none()).for_each(|j| *j = Some(failed()));
        }
        let result = |(rule, judged): (&&Rule, &Arc<Judged>)| RuleResult {
            rule: rule.id.clone(),
            outcome: judged.outcome,
            offenders: judged.offenders.clone(),
            reason: judged.reason,
        };
        rules.iter().zip(judged.iter().flatten()).map(result).collect()
    }
}

/// What is remembered of one state, and what has to be read to judge the rest of it.
pub struct Recalled {
    keys: Vec<Key>,
    judged: Vec<Option<Arc<Judged>>>,
    needs: BTreeSet<String>,
    today: i64,
}

impl Recalled {
    /// Whether the facts of this kind have to be read.
    pub fn needs(&self, kind: &str) -> bool {
        self.needs.contains(kind)
    }

    /// Whether every rule is remembered.
    pub fn is_whole(&self) -> bool {
        self.needs.is_empty()
    }
}

fn evaluate_missing(
    rules: &[&Rule],
    known: &Known,
    judged: &mut [Option<Arc<Judged>>],
    (host, needs): (&HostState, &BTreeSet<String>),
    today: i64,
) {
    let is_needed = |kind: &str| needs.contains(kind);
    let strangers = strangers(host, known, is_needed);
    let seen = Seen { host, strangers: &strangers, known };
    let mut scope = bind(Scope::new(today), host, is_needed);
    for (rule, judged) in rules.iter().zip(judged) {
        judged.get_or_insert_with(|| Arc::new(evaluate(rule, &seen, &mut scope)));
    }
}

fn key(rule: &Rule, number: u32, kinds: &BTreeMap<&str, KindKey>, today: i64) -> Key {
    Key {
        rule: number,
        kinds: rule.evidence.iter().map(|kind| kinds.get(kind.as_str()).copied()).collect(),
        today: rule.reads_today.then_some(today),
    }
}

impl KindKey {
    fn of(status: Status, facts: Option<Digest>, unread: &[String]) -> Self {
        let digest = || Digest::of(unread.join("\n").as_bytes());
        Self { status, facts, unread: (!unread.is_empty()).then(digest) }
    }
}

fn bind<'v>(
    mut scope: Scope<'v>,
    host: &'v HostState,
    is_needed: impl Fn(&str) -> bool,
) -> Scope<'v> {
    for (kind, state) in host.kinds.iter().filter(|(kind, _)| is_needed(kind)) {
        if let Some(facts) = &state.facts {
            scope.bind(kind, &facts.data);
        }
    }
    scope
}

/// Judges one rule by an example. Call it on a large stack.
pub(super) fn judge_example(rule: &Rule, known: &Known, host: &HostState, today: i64) -> Judged {
    judge_within(rule, known, host, Scope::bounded(today, cel::EXAMPLE_STEPS)).0
}

/// Judges one rule without a memory, and says what decided. Call it on a large stack.
pub(super) fn judge_traced(
    rule: &Rule,
    known: &Known,
    host: &HostState,
    today: i64,
) -> (Judged, Trace) {
    judge_within(rule, known, host, Scope::new(today))
}

fn judge_within<'v>(
    rule: &'v Rule,
    known: &Known,
    host: &'v HostState,
    scope: Scope<'v>,
) -> (Judged, Trace) {
    let is_needed = |kind: &str| rule.evidence.iter().any(|needed| needed == kind);
    let strangers = strangers(host, known, is_needed);
    let mut scope = bind(scope, host, is_needed);
    let seen = Seen { host, strangers: &strangers, known };
    let mut trace = Trace::default();
    let judged = evaluate_traced(rule, &seen, &mut scope, &mut trace);
    (judged, trace)
}

/// The step at which a result was decided, and what of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) step: Step,
    /// The kind, the guard, the missing fact or the engine's words.
    pub(super) detail: Option<String>,
}

/// The steps of a judgement, in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Whether the rule applies to this host.
    #[default]
    Applies,
    /// Whether the evidence is whole.
    Gate,
    /// Whether the facts look like a real host's.
    Guard,
    /// The rule's own expression.
    Expression,
}

/// Kind → paths at which its facts do not have the shape of the kind.
type Strangers<'a> = BTreeMap<&'a str, BTreeSet<String>>;

fn strangers<'h>(
    host: &'h HostState,
    known: &Known,
    is_needed: impl Fn(&str) -> bool,
) -> Strangers<'h> {
    let of = |(kind, state): (&'_ String, &KindState)| {
        let mut found = BTreeSet::new();
        if let (Some(facts), Some(shape)) = (&state.facts, known.shape(kind)) {
            shape.strangers(&facts.data, "", &mut found);
        }
        found
    };
    let needed = host.kinds.iter().filter(|(kind, _)| is_needed(kind));
    needed.map(|kind| (kind.0.as_str(), of(kind))).collect()
}

/// A host with what is strange about it.
struct Seen<'a> {
    host: &'a HostState,
    strangers: &'a Strangers<'a>,
    known: &'a Known,
}

fn evaluate<'v>(rule: &'v Rule, seen: &Seen, scope: &mut Scope<'v>) -> Judged {
    evaluate_traced(rule, seen, scope, &mut Trace::default())
}

fn evaluate_traced<'v>(
    rule: &'v Rule,
    seen: &Seen,
    scope: &mut Scope<'v>,
    trace: &mut Trace,
) -> Judged {
    scope.bind("p", &rule.compiled.params);
    decide(rule, seen, scope, trace).unwrap_or_else(|judged| judged)
}

/// `Err` is a result that came before the rule's own expression was reached.
fn decide(rule: &Rule, host: &Seen, scope: &Scope, trace: &mut Trace) -> Result<Judged, Judged> {
    let all: Vec<&str> = rule.evidence.iter().map(String::as_str).collect();
    if let Some(applies) = &rule.compiled.applies {
        let kinds = all.iter().filter(|kind| reads_kind(&applies.reads, kind));
        trace.step = Step::Gate;
        match gate(rule, &kinds.copied().collect::<Vec<_>>(), &applies.reads, host, trace) {
            // A kind that has no meaning here settles it only if nothing else is in doubt.
            Err(judged) if judged.outcome == Outcome::NotApplicable => {
                gate(rule, &all, &rule.reads, host, trace)?;
                return Err(judged);
            }
            gate => gate?,
        }
        trace.step = Step::Applies;
        if !holds(applies, scope, trace)? {
            return Ok(Judged::of(Outcome::NotApplicable));
        }
    }
    trace.step = Step::Gate;
    gate(rule, &all, &rule.reads, host, trace)?;
    trace.step = Step::Guard;
    for (guard, written) in rule.compiled.guards.iter().zip(&rule.guards) {
        if !holds(guard, scope, trace)? {
            trace.detail = Some(written.clone());
            return Err(Judged::unknown(Reason::Guard));
        }
    }
    trace.step = Step::Expression;
    Ok(match run(&rule.compiled.verdict, scope, trace)? {
        Answer::Bool(true) => Judged::of(Outcome::Pass),
        Answer::Texts(offenders) if offenders.is_empty() => Judged::of(Outcome::Pass),
        Answer::Bool(false) => Judged::of(Outcome::Fail),
        Answer::Texts(offenders) => Judged { offenders, ..Judged::of(Outcome::Fail) },
    })
}

fn run(expression: &Expression, scope: &Scope, trace: &mut Trace) -> Result<Answer, Judged> {
    scope.run(&expression.program).map_err(|error| {
        let (reason, detail) = match error {
            EvalError::Missing(key) => (Reason::FactMissing, key),
            EvalError::Rule(message) => (Reason::RuleError, message),
        };
        trace.detail = Some(detail);
        Judged::unknown(reason)
    })
}

fn holds(expression: &Expression, scope: &Scope, trace: &mut Trace) -> Result<bool, Judged> {
    match run(expression, scope, trace)? {
        Answer::Bool(answer) => Ok(answer),
        Answer::Texts(_) => Err(Judged::unknown(Reason::RuleError)),
    }
}

fn reads_kind(reads: &BTreeSet<String>, kind: &str) -> bool {
    reads.iter().any(|path| below(path, kind).is_some())
}

/// What of `path` comes below `above`: empty when they are equal.
fn below<'a>(path: &'a str, above: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(above)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

/// Whether these kinds are proof for facts at `reads`. A doubt in any of them comes before a kind
/// that has no meaning on the host.
fn gate(
    rule: &Rule,
    kinds: &[&str],
    reads: &BTreeSet<String>,
    seen: &Seen,
    trace: &mut Trace,
) -> Result<(), Judged> {
    let mut has_meaning = true;
    for kind in kinds {
        trace.detail = Some((*kind).to_owned());
        let state = seen.host.kinds.get(*kind).ok_or(Judged::unknown(Reason::NotCollected))?;
        let reason = match state.status {
            Status::Ok | Status::Partial => doubt(rule, kind, state, reads, seen),
            Status::NotApplicable => {
                has_meaning = false;
                None
            }
            Status::Absent => Some(Reason::Absent),
            Status::Denied => Some(Reason::Denied),
            Status::ParseError => Some(Reason::ParseError),
            Status::Unsupported => Some(Reason::Unsupported),
            Status::Timeout => Some(Reason::Timeout),
            Status::Truncated => Some(Reason::Truncated),
            Status::IoError => Some(Reason::IoError),
        };
        if let Some(reason) = reason {
            return Err(Judged::unknown(reason));
        }
    }
    if !has_meaning {
        return Err(Judged::of(Outcome::NotApplicable));
    }
    trace.detail = None;
    Ok(())
}

/// Why facts that were read, wholly or in part, are no proof for this rule.
fn doubt(
    rule: &Rule,
    kind: &str,
    state: &KindState,
    reads: &BTreeSet<String>,
    seen: &Seen,
) -> Option<Reason> {
    let Some(facts) = &state.facts else { return Some(Reason::NotReceived) };
    if rule.since.get(kind).is_some_and(|needed| facts.v < *needed) {
        return Some(Reason::AgentTooOld);
    }
    let silent = state.status == Status::Partial && state.unread.is_empty();
    let unread = state.unread.iter().any(|unread| touches(seen.known, kind, unread, reads));
    if silent || unread {
        return Some(Reason::FactMissing);
    }
    // Facts whose shape nobody looked at prove nothing.
    let Some(strangers) = seen.strangers.get(kind) else { return Some(Reason::RuleError) };
    strangers.iter().any(|path| touches(seen.known, kind, path, reads)).then_some(Reason::RuleError)
}

/// Whether an unread path takes away something at `reads`. Every path that is read ends at a value,
/// or at a list whose membership alone is read, so only equal paths and paths above matter. A path
/// that the kind does not have cannot be placed and takes away everything.
fn touches(known: &Known, kind: &str, unread: &str, reads: &BTreeSet<String>) -> bool {
    let unread_path = format!("{kind}.{unread}");
    !exists(known, kind, unread) || reads.iter().any(|read| below(read, &unread_path).is_some())
}

fn exists(known: &Known, kind: &str, path: &str) -> bool {
    let Some(mut shape) = known.shape(kind) else { return false };
    for step in path.split('.') {
        while let Shape::List(item) = shape {
            shape = item;
        }
        shape = match shape {
            Shape::Record(fields) => match fields.get(step) {
                Some(field) => field,
                None => return false,
            },
            Shape::Map(_) => return true,
            _ => return false,
        };
    }
    true
}
