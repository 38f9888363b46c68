//! Which rules judge the hosts of which group, and with which parameters.
//!
//! A group that nothing is said of has the rules of all hosts. Rules that are the same for several
//! groups are one variant, so that what is equal across a fleet is judged once, whatever its groups.

use super::check::Purpose;
use super::load::{Draft, Loader, RuleSet, digest};
use super::overlay::{Off, Set};
use super::rule::{Profile, Rule, SourceFile, Written};
use evidence::Digest;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Different forms of rules that there may be.
const MAX_VARIANTS: usize = 10_000;

/// Rules for all groups.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolved {
    /// Every form of every rule.
    pub(super) variants: Vec<Rule>,
    /// Every rule once.
    pub(super) all: Vec<Rule>,
    /// For hosts of groups that nothing is said of.
    everywhere: Selection,
    groups: BTreeMap<String, Selection>,
}

/// The rules of one group.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    /// Places among the variants, in the order of the files.
    pub(super) rules: Vec<u32>,
    off: Vec<Off>,
}

impl Resolved {
    pub(super) fn of(&self, group: &str) -> &Selection {
        self.groups.get(group).unwrap_or(&self.everywhere)
    }

    fn rules_of(&self, group: &str) -> impl Iterator<Item = &Rule> {
        let numbers = self.of(group).rules.iter();
        numbers.filter_map(|number| self.variants.get(*number as usize))
    }

    /// Lets go of the rules of other profiles.
    pub(super) fn retain(&mut self, profiles: &[Profile]) {
        self.keep(|rule| profiles.contains(&rule.profile));
        for selection in std::iter::once(&mut self.everywhere).chain(self.groups.values_mut()) {
            selection.off.retain(|off| profiles.contains(&off.profile));
        }
    }

    /// Lets go of all rules but some.
    pub(super) fn keep(&mut self, wanted: impl Fn(&Rule) -> bool) {
        let kept = self.variants.iter().zip(0..).filter(|(rule, _)| wanted(rule));
        let kept: BTreeSet<u32> = kept.map(|(_, number)| number).collect();
        for selection in std::iter::once(&mut self.everywhere).chain(self.groups.values_mut()) {
            selection.rules.retain(|number| kept.contains(number));
        }
        self.all.retain(wanted);
    }
}

impl RuleSet {
    /// The rules of hosts of a group, as they judge there.
    pub fn rules_of(&self, group: &str) -> impl Iterator<Item = &Rule> {
        self.resolved.rules_of(group)
    }

    /// A rule as it judges hosts of a group; none if it does not.
    pub fn rule_of(&self, group: &str, id: &str) -> Option<&Rule> {
        self.rules_of(group).find(|rule| rule.id == id)
    }

    /// Whether a rule judges hosts of a group.
    pub fn judges(&self, group: &str, id: &str) -> bool {
        self.rules_of(group).any(|rule| rule.id == id)
    }

    /// Rules that are switched off for hosts of a group.
    pub fn off_of(&self, group: &str) -> &[Off] {
        &self.resolved.of(group).off
    }

    /// Every rule that is switched off for any host, once for each group that is named.
    pub fn off(&self) -> Vec<&Off> {
        let everywhere = self.resolved.everywhere.off.iter();
        let groups = self.resolved.groups.values().flat_map(|selection| &selection.off);
        everywhere.chain(groups.filter(|off| off.group.is_some())).collect()
    }

    /// Groups that something is said of.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.resolved.groups.keys().map(String::as_str)
    }

    /// Names the rules of a group's hosts: other ones have another name.
    pub fn id_of(&self, group: &str) -> Digest {
        match self.resolved.groups.contains_key(group) {
            true => Digest::of_parts(&[self.id().as_bytes(), b" group ", group.as_bytes()]),
            false => self.id(),
        }
    }

    /// Whether a name is of these rules, for whatever group.
    pub fn has(&self, id: Digest) -> bool {
        id == self.id() || self.groups().any(|group| self.id_of(group) == id)
    }
}

/// A rule's form for some hosts: parameters, and the policies they follow.
type Form = (BTreeMap<String, Value>, BTreeMap<String, String>);

impl Loader {
    /// Puts together what judges each group.
    pub(super) fn resolve(&mut self, files: &[SourceFile], bases: &[(Rule, &Written)]) -> Resolved {
        let mut by_rule: BTreeMap<String, Vec<Set>> = BTreeMap::new();
        for set in std::mem::take(&mut self.settings) {
            by_rule.entry(set.rule.clone()).or_default().push(set);
        }
        let mut variants = Variants { files, by_rule, made: vec![], numbers: BTreeMap::new() };
        let everywhere = self.select(None, bases, &mut variants);
        let mut groups = BTreeMap::new();
        for group in self.named.clone() {
            let selection = self.select(Some(&group), bases, &mut variants);
            groups.insert(group, selection);
        }
        let made = variants.made;
        let selections = || std::iter::once(&everywhere).chain(groups.values());
        let mut first: BTreeMap<&str, &Rule> = BTreeMap::new();
        for number in selections().flat_map(|selection| &selection.rules) {
            if let Some(rule) = made.get(*number as usize) {
                first.entry(rule.id.as_str()).or_insert(rule);
            }
        }
        let all = bases.iter().filter_map(|(rule, _)| first.get(rule.id.as_str()));
        let all = all.map(|rule| (*rule).clone()).collect();
        Resolved { variants: made, all, everywhere, groups }
    }

    fn select(
        &mut self,
        group: Option<&str>,
        bases: &[(Rule, &Written)],
        variants: &mut Variants,
    ) -> Selection {
        let mut selection = Selection::default();
        for (base, written) in bases {
            let here = |named: &String| Some(named.as_str()) == group;
            if !base.groups.is_empty() && !base.groups.iter().any(here) {
                continue;
            }
            let off = |group: Option<&str>| {
                let key = (base.id.clone(), group.map(str::to_owned));
                let reason = self.off.get(&key)?.clone();
                Some(Off::of(base, key.1, reason))
            };
            match off(None).or_else(|| group.and_then(|group| off(Some(group)))) {
                Some(off) => selection.off.push(off),
                None => selection.rules.extend(self.variant(group, base, written, variants)),
            }
        }
        selection
    }

    /// The form of a rule for hosts of a group.
    fn variant(
        &mut self,
        group: Option<&str>,
        base: &Rule,
        written: &Written,
        variants: &mut Variants,
    ) -> Option<u32> {
        let mut form: Form = (base.params.clone(), BTreeMap::new());
        let mut last: Option<Set> = None;
        let sets = variants.by_rule.get(&base.id).map(Vec::as_slice).unwrap_or_default();
        let (general, special): (Vec<_>, Vec<_>) =
            sets.iter().filter(|set| set.is_for(group)).partition(|set| set.groups.is_none());
        for set in general.into_iter().chain(special) {
            if let Some(value) = &set.value {
                form.0.insert(set.name.clone(), value.clone());
            }
            form.1.insert(set.name.clone(), set.policy_ref.clone());
            last = Some(set.clone());
        }
        let key = (base.id.clone(), serde_json::to_string(&form).unwrap_or_default());
        if let Some(number) = variants.numbers.get(&key) {
            return *number;
        }
        let file = last.as_ref().and_then(|set| Some((*variants.files.get(set.file)?, set.at)));
        let rule = match file {
            Some((file, at)) => self.with_form(base, written, form, file, at),
            None => Some(base.clone()),
        };
        if variants.made.len() == MAX_VARIANTS {
            let message = format!("there are at most {MAX_VARIANTS} forms of rules");
            let (file, at) = file.or(Some((*variants.files.first()?, 0)))?;
            self.refuse(file, Some(&base.id), at, message);
        }
        let number = rule.and_then(|rule| {
            let number = u32::try_from(variants.made.len()).ok()?;
            variants.made.push(rule);
            Some(number)
        });
        variants.numbers.insert(key, number);
        number
    }

    /// A rule with other parameters, checked again: what a parameter says can decide whether an
    /// expression names good values or bad ones.
    fn with_form(
        &mut self,
        base: &Rule,
        written: &Written,
        (params, policies): Form,
        file: SourceFile,
        at: usize,
    ) -> Option<Rule> {
        let draft = Draft { file, id: &base.id, evidence: &base.evidence, params: &params };
        let parts = [
            (&written.applies, Purpose::Applies),
            (&written.guard, Purpose::Guard),
            (&written.passes, Purpose::Passes),
            (&written.offenders, Purpose::Offenders),
        ];
        for (source, purpose) in parts {
            let Some(source) = source else { continue };
            if let Err(message) = self.recheck(&draft, source.get_ref(), purpose) {
                self.refuse(file, Some(&base.id), at, format!("with these parameters: {message}"));
                return None;
            }
        }
        let mut compiled = (*base.compiled).clone();
        compiled.params = Value::Object(params.clone().into_iter().collect());
        let rule = Rule { params, policies, compiled: Arc::new(compiled), ..base.clone() };
        Some(Rule { digest: digest(&rule), ..rule })
    }
}

/// Forms of rules that were made.
struct Variants<'a> {
    files: &'a [SourceFile<'a>],
    by_rule: BTreeMap<String, Vec<Set>>,
    made: Vec<Rule>,
    /// None: it was refused.
    numbers: BTreeMap<(String, String), Option<u32>>,
}
