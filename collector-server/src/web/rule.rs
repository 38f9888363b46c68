//! One rule: what it asks, with which parameters, of whom, and what it found.

use super::control::Offenders;
use super::controls::CountCells;
use super::counts::Ledger;
use super::host::ControlLink;
use super::input::Now;
use super::marks::{Mark, Outcome};
use super::page::{Frame, Pair, When, age, control_path, count, host_path, plural, result_path};
use crate::judge::{self, ParamShown, RuleSet};
use askama::Template;

/// Hosts that fail, on the page.
const MAX_HOSTS: usize = 100;

#[derive(Template)]
#[template(path = "rule.html")]
pub struct RulePage {
    pub frame: Frame,
    pub id: String,
    pub title: String,
    pub says: String,
    pub controls: Vec<ControlLink>,
    /// None: it judges no host.
    pub counts: Option<CountCells>,
    pub forms: Vec<Form>,
    pub off: Vec<(String, String)>,
    /// What it said last of hosts that it judges no more.
    pub last: Vec<(Mark, String)>,
    pub rationale: String,
    pub remediation: String,
    pub not_shown: Option<String>,
    pub expressions: Vec<Pair>,
    pub about: Vec<Pair>,
    pub failing: Vec<FailLine>,
    pub more: Option<String>,
}

/// A rule's parameters for some hosts.
pub struct Form {
    pub hosts: String,
    pub params: Vec<ParamLine>,
}

pub struct ParamLine {
    pub name: String,
    pub value: String,
    pub origin: String,
    pub adopted: bool,
}

pub struct FailLine {
    pub host: String,
    pub host_path: String,
    pub path: String,
    pub group: String,
    pub offenders: Offenders,
    pub since: When,
    pub age: String,
}

/// The page of a rule; none if it judges no host and is not switched off.
pub fn page(
    frame: Frame,
    now: &Now<'_>,
    rules: &RuleSet,
    id: &str,
    last: &[(String, i64)],
) -> Option<RulePage> {
    let off: Vec<_> = rules.off().into_iter().filter(|off| off.rule == id).collect();
    let rule = rules.get(id);
    let (title, controls) = match (rule, off.first()) {
        (Some(rule), _) => (rule.title.clone(), rule.controls.clone()),
        (None, Some(off)) => (off.title.clone(), off.controls.clone()),
        (None, None) => return None,
    };
    let ledger = Ledger::of(now);
    let link = |id: &String| ControlLink { id: id.clone(), path: control_path(id) };
    let (failing, more) = failing(now, &ledger, id);
    let text =
        |of: fn(&judge::Rule) -> &String| rule.map(|rule| of(rule).clone()).unwrap_or_default();
    let named = |off: &&judge::Off| {
        let hosts = off.group.clone().unwrap_or_else(|| "all hosts".to_owned());
        (hosts, off.reason.clone())
    };
    Some(RulePage {
        frame,
        id: id.to_owned(),
        title,
        says: says(rule),
        controls: controls.iter().map(link).collect(),
        counts: rule.map(|rule| CountCells::of(&ledger.rule(&rule.id))),
        forms: rule.map(|rule| forms(rules, rule)).unwrap_or_default(),
        off: off.iter().map(named).collect(),
        last: last
            .iter()
            .map(|(outcome, hosts)| {
                (Outcome::from_word(outcome).mark(), plural(*hosts as usize, "host"))
            })
            .collect(),
        rationale: text(|rule| &rule.rationale),
        remediation: text(|rule| &rule.remediation),
        not_shown: rule.and_then(|rule| rule.not_shown.clone()),
        expressions: rule.map(expressions).unwrap_or_default(),
        about: rule.map(about).unwrap_or_default(),
        failing,
        more,
    })
}

fn says(rule: Option<&judge::Rule>) -> String {
    let Some(rule) = rule else { return "It is switched off, and judges no host.".to_owned() };
    let whose = if rule.own { "your own" } else { "of the product" };
    let hosts = match rule.groups.is_empty() {
        true => String::new(),
        false => format!(", for hosts of {} alone", rule.groups.join(", ")),
    };
    format!(
        "A rule {whose}, profile {}, severity {}{hosts}",
        rule.profile.as_str(),
        rule.severity.as_str()
    )
}

/// The parameters it has for hosts of groups that nothing is said of, then where they are others.
fn forms(rules: &RuleSet, rule: &judge::Rule) -> Vec<Form> {
    if rule.params.is_empty() {
        return vec![];
    }
    let form = |hosts: String, rule: &judge::Rule| {
        let line = |param: ParamShown| ParamLine {
            name: param.name,
            value: param.value.to_string(),
            adopted: param.policy_ref.is_some(),
            origin: param.origin,
        };
        Form { hosts, params: ParamShown::of(rule).into_iter().map(line).collect() }
    };
    let everywhere = rules.rule_of("", &rule.id);
    let mut forms: Vec<_> =
        everywhere.map(|rule| form("all other hosts".to_owned(), rule)).into_iter().collect();
    for group in rules.groups() {
        let Some(here) = rules.rule_of(group, &rule.id) else { continue };
        let same = |other: &judge::Rule| {
            (&other.params, &other.policies) == (&here.params, &here.policies)
        };
        if !everywhere.is_some_and(same) {
            forms.push(form(format!("group {group}"), here));
        }
    }
    if let [only] = forms.as_mut_slice()
        && everywhere.is_some()
    {
        only.hosts = "all hosts".to_owned();
    }
    forms
}

fn expressions(rule: &judge::Rule) -> Vec<Pair> {
    let applies = rule.applies.iter().map(|text| Pair::mono("Applies if", text.clone()));
    let guards = rule.guards.iter().map(|text| Pair::mono("Judges if", text.clone()));
    let verdict = Pair::mono("Asks", rule.expression.clone());
    applies.chain(guards).chain([verdict]).collect()
}

fn about(rule: &judge::Rule) -> Vec<Pair> {
    let reads: Vec<_> = rule.reads.iter().map(String::as_str).collect();
    vec![
        Pair::said("Kinds read", rule.evidence.join(", ")),
        Pair::mono("Facts read", reads.join(", ")),
        Pair::said("Reads the day", if rule.reads_today { "yes" } else { "no" }),
        Pair::said("Examples", format!("{}, all behave", rule.examples)),
        Pair::mono("Version", rule.digest.to_string()),
    ]
}

fn failing(now: &Now<'_>, ledger: &Ledger<'_>, id: &str) -> (Vec<FailLine>, Option<String>) {
    let fails = |row: &&crate::store::model::ResultRow| {
        row.rule == id && ledger.population.judged(row) == Some(Outcome::Fail)
    };
    let mut rows: Vec<_> = now.results.iter().filter(fails).collect();
    rows.sort_by_key(|row| (row.since_us, row.host));
    let more = rows.len().saturating_sub(MAX_HOSTS);
    rows.truncate(MAX_HOSTS);
    let line = |row: &crate::store::model::ResultRow| {
        let host = now.hosts.iter().find(|host| host.id == row.host)?;
        Some(FailLine {
            host: host.name.clone(),
            host_path: host_path(host.id),
            path: result_path(host.id, id),
            group: host.group.clone(),
            offenders: Offenders::of(&row.offenders),
            since: When::cell(row.since_us),
            age: age(row.since_us, now.at_us),
        })
    };
    let lines = rows.into_iter().filter_map(line).collect();
    (lines, (more > 0).then(|| format!("and {} more hosts", count(more as u64))))
}
