//! Pages of an export, from the store.

use super::{Ask, Key, Record, Refused, What};
use crate::judge::RuleSet;
use crate::overview::silence;
use crate::store::model::{DriftRow, HostRow, ResultRow};
use crate::store::{DriftFilter, KindSpan, ResultSpan, Store, StoreError};
use evidence::HostId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Records of a page, about: a host's are never cut.
const PAGE: usize = 500;
/// Hosts that are looked up at once.
const HOSTS: i64 = 50;
/// States of one kind of one host in a period.
const STATES: i64 = 100_000;

/// Some records as text, and where the export goes on; none after its end.
pub struct Page {
    pub text: String,
    pub next: Option<Key>,
}

/// The next page.
pub async fn page(store: &Store, rules: &RuleSet, ask: &Ask) -> Result<Page, Refused> {
    let (records, next) = match ask.what {
        What::Drifts => drifts(store, rules, ask).await?,
        _ => of_hosts(store, rules, ask).await?,
    };
    let mut text = String::new();
    for (mut record, key) in records {
        record.insert("cursor".to_owned(), json!(ask.cursor(&key)));
        ask.format.write(ask.what, &record, &mut text);
    }
    Ok(Page { text, next })
}

type Records = Vec<(Record, Key)>;

fn record(value: Value) -> Record {
    match value {
        Value::Object(map) => map,
        _ => Record::new(),
    }
}

async fn of_hosts(
    store: &Store,
    rules: &RuleSet,
    ask: &Ask,
) -> Result<(Records, Option<Key>), StoreError> {
    let (mut from, mut within) = match &ask.after {
        Some(Key::Host(host, word, us)) => (Some(*host), Some((word.clone(), *us))),
        _ => (None, None),
    };
    let mut records: Records = vec![];
    loop {
        // The host that a page ended in comes first again: some of its records may be left.
        let ids = store.host_ids_from(from, HOSTS).await?;
        let last_page = (ids.len() as i64) < HOSTS;
        for id in &ids {
            let after = within.take().filter(|_| from == Some(*id));
            let held = of_host(store, rules, ask, *id).await?;
            let beyond = |(word, us): (&str, i64)| {
                after.as_ref().is_none_or(|(w, u)| (word, us) > (w.as_str(), *u))
            };
            let held = held.into_iter().filter(|(_, key)| match key {
                Key::Host(_, word, us) => beyond((word, *us)),
                Key::Drift(..) => true,
            });
            records.extend(held);
            if records.len() >= PAGE {
                let next = Some(Key::Host(*id, END.to_owned(), i64::MAX));
                return Ok((records, next));
            }
        }
        match ids.last() {
            Some(last) if !last_page => {
                (from, within) = (Some(*last), Some((END.to_owned(), i64::MAX)));
            }
            _ => return Ok((records, None)),
        }
    }
}

/// Comes after every word of a record.
const END: &str = "\u{10FFFF}";

async fn of_host(
    store: &Store,
    rules: &RuleSet,
    ask: &Ask,
    id: HostId,
) -> Result<Records, StoreError> {
    let Some(host) = store.host_at(id, &ask.moment).await? else { return Ok(vec![]) };
    match ask.what {
        What::Hosts => Ok(vec![(of_itself(&host, ask), Key::Host(id, String::new(), 0))]),
        What::Evidence => evidence(store, ask, &host).await,
        What::Results => match ask.from_us {
            None => results(store, rules, ask, host).await,
            Some(from_us) => spans(store, rules, ask, &host, from_us).await,
        },
        What::Drifts => Ok(vec![]),
    }
}

fn of_itself(host: &HostRow, ask: &Ask) -> Record {
    record(json!({
        "host": host.id, "host_name": host.name, "group": host.group, "state": host.state,
        "silent": host.is_silent(ask.moment.at_us), "enrolled_us": host.enrolled_us,
        "last_received_us": host.last_received_us, "valid_until_us": host.valid_until_us(),
        "revoked_us": host.revoked_us, "agent": host.agent, "manifest": host.manifest,
    }))
}

async fn evidence(store: &Store, ask: &Ask, host: &HostRow) -> Result<Records, StoreError> {
    let moment = &ask.moment;
    let mut spans: Vec<KindSpan> = match ask.from_us {
        None => {
            let rows = store.kind_rows_at(host.id, moment).await?;
            rows.into_iter().map(|row| KindSpan { row, to_us: None }).collect()
        }
        Some(from_us) => store.kind_spans_of(host.id, from_us, moment, STATES).await?,
    };
    spans.sort_by(|a, b| (&a.row.kind, a.row.since_us).cmp(&(&b.row.kind, b.row.since_us)));
    let times = store.collected_at(host.id, Some(moment)).await?;
    let mut records = vec![];
    for KindSpan { row, to_us } in spans {
        // When a state that is over was collected last is not kept beside it.
        let (observed, received) = match (to_us, times.get(&row.kind)) {
            (None, Some((observed, received))) => (Some(*observed), Some(*received)),
            _ => (None, None),
        };
        let until = match to_us {
            Some(us) => Some(us),
            None => host.valid_until_us(),
        };
        let sources: Vec<&str> = row.sources.iter().map(|source| source.path.as_str()).collect();
        let held = record(json!({
            "host": host.id, "host_name": host.name, "group": host.group, "kind": row.kind,
            "status": row.status, "facts": row.facts, "unread": row.unread, "sources": sources,
            "from_us": row.since_us, "to_us": to_us, "observed_us": observed,
            "received_us": received, "valid_until_us": until,
            "erased_us": store.erased(row.facts).await?,
        }));
        records.push((held, Key::Host(host.id, row.kind, row.since_us)));
    }
    Ok(records)
}

fn of_rule(rules: &RuleSet, host: &HostRow, id: &str) -> (Value, Value, Value) {
    let rule = rules.rule_of(&host.group, id).or_else(|| rules.get(id));
    match rule {
        Some(rule) => (json!(rule.title), json!(rule.severity.as_str()), json!(rule.controls)),
        None => (Value::Null, Value::Null, json!([])),
    }
}

/// As pages show them: of rules that judge; what a silent host said is unknown.
async fn results(
    store: &Store,
    rules: &RuleSet,
    ask: &Ask,
    host: HostRow,
) -> Result<Records, StoreError> {
    let moment = &ask.moment;
    let mut rows = store.results_at(Some(host.id), moment.at_us, moment.known).await?;
    rows.retain(|row| rules.get(&row.rule).is_some());
    let failing = store.failing_since_of(host.id, moment).await?;
    for row in &mut rows {
        if let Some(since_us) = failing.get(&(row.host, row.rule.clone())) {
            row.since_us = *since_us;
        }
    }
    let hosts = [host];
    silence(&hosts, &mut rows, moment.at_us);
    let excepted = store.excepted_at(&hosts, &rows, moment).await?;
    let [host] = hosts;
    rows.sort_by(|a, b| a.rule.cmp(&b.rule));
    let row = |row: ResultRow| {
        let (title, severity, controls) = of_rule(rules, &host, &row.rule);
        let exception = excepted.get(&(row.host, row.rule.clone())).map(|by| &by.exception);
        let key = Key::Host(host.id, row.rule.clone(), row.since_us);
        let held = record(json!({
            "host": host.id, "host_name": host.name, "group": host.group, "rule": row.rule,
            "title": title, "severity": severity, "controls": controls, "outcome": row.outcome,
            "reason": row.reason, "offenders": row.offenders, "exception": exception,
            "from_us": row.since_us, "to_us": null, "known": row.known, "cause": row.cause,
            "received_us": host.last_received_us, "valid_until_us": host.valid_until_us(),
        }));
        (held, key)
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Every result that held at some time in the period, as it was judged.
async fn spans(
    store: &Store,
    rules: &RuleSet,
    ask: &Ask,
    host: &HostRow,
    from_us: i64,
) -> Result<Records, StoreError> {
    let spans = store.result_spans_of(host.id, from_us, &ask.moment).await?;
    let span = |ResultSpan { row, to_us }: ResultSpan| {
        let (title, severity, controls) = of_rule(rules, host, &row.rule);
        let key = Key::Host(host.id, row.rule.clone(), row.since_us);
        let held = record(json!({
            "host": host.id, "host_name": host.name, "group": host.group, "rule": row.rule,
            "title": title, "severity": severity, "controls": controls, "outcome": row.outcome,
            "reason": row.reason, "offenders": row.offenders, "exception": null,
            "from_us": row.since_us, "to_us": to_us, "known": row.known, "cause": row.cause,
            "received_us": null, "valid_until_us": to_us,
        }));
        (held, key)
    };
    Ok(spans.into_iter().map(span).collect())
}

async fn drifts(
    store: &Store,
    rules: &RuleSet,
    ask: &Ask,
) -> Result<(Records, Option<Key>), StoreError> {
    let after = match &ask.after {
        Some(Key::Drift(us, rank, id)) => Some((*us, *rank, id.clone())),
        _ => None,
    };
    let filter = DriftFilter { host: None, open: None, limit: PAGE as i64 };
    let rows = store.drifts_at(filter, after, &ask.moment).await?;
    let rank = |row: &DriftRow| i64::from(crate::alert::rank(&row.severity).min(3));
    let place = |row: &DriftRow| Key::Drift(row.opened_us, rank(row), row.id.clone());
    let next = rows.last().filter(|_| rows.len() == PAGE).map(place);
    let mut hosts: BTreeMap<HostId, Option<HostRow>> = BTreeMap::new();
    let mut records = vec![];
    for row in rows {
        // It was over before the period began.
        if ask.from_us.is_some_and(|from| row.resolved_us.is_some_and(|us| us <= from)) {
            continue;
        }
        let host = match hosts.entry(row.host) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(store.host_at(row.host, &ask.moment).await?),
        };
        let host = host.as_ref();
        let told = host.zip(row.rule.as_deref()).map(|(host, rule)| of_rule(rules, host, rule));
        let (title, _, controls) = told.unwrap_or((Value::Null, Value::Null, json!([])));
        let key = place(&row);
        let held = record(json!({
            "id": row.id, "drift": row.drift, "host": row.host,
            "host_name": host.map(|host| &host.name), "group": host.map(|host| &host.group),
            "rule": row.rule, "kind": row.kind, "title": title, "controls": controls,
            "cause": row.cause, "severity": row.severity, "from": row.from, "to": row.to,
            "offenders": row.offenders, "opened_us": row.opened_us,
            "resolved_us": row.resolved_us,
        }));
        records.push((held, key));
    }
    Ok((records, next))
}
