//! Runs the examples of a rule: a rule that does not do what it shows is refused.

use super::evaluate::judge_example;
use super::outcome::{HostState, KindState, Outcome, today_day};
use super::rule::{Example, Rule};
use super::shape::Known;
use evidence::{Facts, Status};
use std::sync::Arc;

/// What is wrong with the examples as a whole, if anything.
pub(super) fn missing<'a>(examples: impl Iterator<Item = &'a Example> + Clone) -> Option<String> {
    let missing = [Outcome::Pass, Outcome::Fail]
        .into_iter()
        .filter(|outcome| !examples.clone().any(|example| example.expect == *outcome))
        .map(Outcome::as_str);
    let missing: Vec<_> = missing.collect();
    (!missing.is_empty()).then(|| format!("no example expects {}", missing.join(" or ")))
}

/// Runs one example; the error says how it does not behave.
pub(super) fn run(rule: &Rule, known: &Known, example: &Example) -> Result<(), String> {
    let judged = judge_example(rule, known, &host(rule, known, example)?, today(rule, example)?);
    let described = |outcome: Outcome, detail: String| match detail.is_empty() {
        true => outcome.as_str().to_owned(),
        false => format!("{} ({detail})", outcome.as_str()),
    };
    let detail = match judged.reason {
        Some(reason) => reason.as_str().to_owned(),
        None => judged.offenders.join(", "),
    };
    if judged.outcome != example.expect {
        let got = described(judged.outcome, detail);
        return Err(format!("expects {}, gives {got}", example.expect.as_str()));
    }
    if example.offenders.as_ref().is_some_and(|offenders| *offenders != judged.offenders) {
        return Err(format!("gives other offenders: {detail}"));
    }
    if example.reason.is_some() && example.reason != judged.reason {
        return Err(format!("gives another reason: {detail}"));
    }
    Ok(())
}

fn today(rule: &Rule, example: &Example) -> Result<i64, String> {
    let Some(text) = &example.today else {
        return if rule.reads_today { Err("needs `today`".to_owned()) } else { Ok(0) };
    };
    let date: jiff::civil::Date =
        text.parse().map_err(|_| format!("`{text}` is not a date such as 2026-11-22"))?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| error.to_string())?;
    Ok(today_day(midnight.timestamp().as_second()))
}

fn host(rule: &Rule, known: &Known, example: &Example) -> Result<HostState, String> {
    let named = example.facts.keys().chain(example.status.keys()).chain(example.unread.keys());
    let mut host = HostState::default();
    for kind in named {
        if !rule.evidence.contains(kind) {
            return Err(format!("`{kind}` is not in the rule's evidence"));
        }
        host.kinds.insert(kind.clone(), state(kind, known, example)?);
    }
    Ok(host)
}

fn state(kind: &str, known: &Known, example: &Example) -> Result<KindState, String> {
    let found = known.v(kind).zip(known.shape(kind));
    let (v, shape) = found.ok_or_else(|| format!("unknown kind `{kind}`"))?;
    let mut facts = None;
    if let Some(data) = example.facts.get(kind) {
        if let Some(misfit) = shape.misfit(data, kind) {
            return Err(misfit);
        }
        let body = Facts::new(kind, v, data.clone()).map_err(|error| error.to_string())?;
        facts = Some(Arc::new(body));
    }
    let unread = example.unread.get(kind).cloned().unwrap_or_default();
    let default = if unread.is_empty() { Status::Ok } else { Status::Partial };
    Ok(KindState { status: example.status.get(kind).copied().unwrap_or(default), unread, facts })
}
