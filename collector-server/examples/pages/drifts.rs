//! Drift, timelines, states that were.

use crate::data::{Data, NOW};
use crate::render::frame;
use anyhow::Context;
use askama::Template;
use evidence::Facts;
use evidenced_collector::store::model::{AlertRow, DriftRow, HostRow, KindRow};
use evidenced_collector::store::{CauseRow, ChainRow, KindSpan, Receipt};
use evidenced_collector::web::drift::{self, Asked, Evidence, Input, One, OneInput};
use evidenced_collector::web::page::Room;
use evidenced_collector::web::timeline::{self, Timeline};

const HOUR: i64 = 3_600_000_000;

fn asked() -> Asked {
    Asked { state: "open".into(), ..Asked::default() }
}

fn causes(data: &Data) -> Vec<CauseRow> {
    let cause = |(n, row): (usize, &DriftRow)| {
        let host = data.hosts.iter().find(|host| host.id == row.host);
        let n = i64::try_from(n).unwrap_or(0);
        CauseRow {
            id: row.id.clone(),
            drift: row.drift.clone(),
            subject: row.rule.clone().or(row.kind.clone()).unwrap_or_default(),
            cause: row.cause.clone(),
            severity: if n == 3 { "critical".into() } else { row.severity.clone() },
            from_state: row.from.clone(),
            to_state: row.to.clone(),
            hosts: 1 + n * n,
            host_name: host.map(|host| host.name.clone()).unwrap_or_default(),
            group_name: host.map(|host| host.group.clone()).unwrap_or_default(),
            n_groups: if n > 2 { 3 } else { 1 },
            first_us: row.opened_us,
            last_us: row.opened_us,
            resolved_us: row.resolved_us,
            rank: if n == 3 { 0 } else { 1 },
        }
    };
    data.drifts.iter().enumerate().map(cause).collect()
}

fn page(data: &Data, more: bool, one: Option<One>) -> anyhow::Result<String> {
    let asked = asked();
    let groups = ["app-prod".to_owned(), "<b>web</b>".to_owned()];
    let causes = causes(data);
    let open = i64::try_from(causes.len())?;
    let input = Input {
        asked: &asked,
        groups: &groups,
        causes: &causes,
        more,
        open: (open * 3, open),
        rules: &data.rules,
        one,
    };
    Ok(drift::page(frame(Some(Room::Drift), data), input).render()?)
}

pub(crate) fn list(data: &Data, more: bool) -> anyhow::Result<String> {
    page(data, more, None)
}

fn alert(drift: &DriftRow, taken: bool) -> AlertRow {
    AlertRow {
        id: "alert".into(),
        title: "SSH password authentication is off".into(),
        drift: drift.drift.clone(),
        cause: drift.cause.clone(),
        grouping: drift.kind.clone(),
        subjects: drift.rule.iter().cloned().collect(),
        severity: drift.severity.clone(),
        lane: "queue".into(),
        state: if taken { "acknowledged".into() } else { "open".into() },
        hosts: 2,
        flapping: false,
        opened_us: drift.opened_us,
        gained_us: drift.opened_us,
        acknowledged_us: taken.then_some(NOW - HOUR),
        acknowledged_by: taken.then(|| "1".into()),
        note: taken.then(|| "Switched off again with the next rollout, <b>today</b>.".into()),
        resolved_us: None,
        merged_into: None,
    }
}

/// The first cause, with its alert.
pub(crate) fn one(data: &Data, taken: bool) -> anyhow::Result<String> {
    let first = data.drifts.first().context("a drift")?;
    let like = data.hosts.get(1).map(|host| DriftRow { host: host.id, ..first.clone() });
    let mut rows = vec![first.clone()];
    rows.extend(like);
    rows[0].offenders = vec!["/etc/ssh/sshd_config.d/50-cloud-init.conf:1".to_owned()];
    let kind = "ssh_server".to_owned();
    let before = data.before.get(&(first.host, kind.clone())).cloned().context("a state before")?;
    let after = data.kinds.get(&first.host).into_iter().flatten().find(|row| row.kind == kind);
    let mut after = after.cloned().context("a state")?;
    if let Some(source) = after.sources.get_mut(1) {
        source.size_bytes = Some(31);
    }
    let body = after.facts.and_then(|id| data.bodies.get(&id)).cloned();
    let alert = alert(first, taken);
    let evidence = [Evidence { before, after: (after, body) }];
    let input = OneInput {
        now: data.now(),
        rows: &rows,
        more: false,
        evidence: &evidence,
        alert: Some((&alert, "Administrator".to_owned())),
        may_change: true,
        may_raise: false,
        findings: &[],
        excepted: &crate::decisions::excepted(data),
    };
    page(data, false, Some(One::of(&input).context("one")?))
}

pub(crate) fn of_host(data: &Data, host: &HostRow) -> Vec<DriftRow> {
    data.drifts.iter().filter(|row| row.host == host.id).cloned().collect()
}

/// The state that holds and the one before it.
pub(crate) fn history(row: &KindRow, before: Option<&(KindRow, Option<Facts>)>) -> Vec<KindSpan> {
    let mut history = vec![KindSpan { row: row.clone(), to_us: None }];
    history.extend(
        before
            .map(|(row_before, _)| KindSpan { row: row_before.clone(), to_us: Some(row.since_us) }),
    );
    let oldest = before.map(|(row_before, _)| KindSpan {
        row: KindRow { since_us: row_before.since_us - 700 * HOUR, ..row_before.clone() },
        to_us: Some(row_before.since_us),
    });
    history.extend(oldest);
    history
}

pub(crate) fn timeline(data: &Data, host: &HostRow) -> Timeline {
    let mut spans: Vec<KindSpan> = data
        .kinds
        .get(&host.id)
        .into_iter()
        .flatten()
        .flat_map(|row| history(row, data.before.get(&(host.id, row.kind.clone()))))
        .collect();
    spans.sort_by(|a, b| (&a.row.kind, a.row.since_us).cmp(&(&b.row.kind, b.row.since_us)));
    let last = host.last_received_us;
    let receipts: Vec<Receipt> = (0..400)
        .rev()
        .filter(|hours| !(100..131).contains(hours))
        .filter_map(|hours| Some(Receipt { received_us: last? - hours * HOUR, next_due_s: 3600 }))
        .collect();
    let chain = |n: u64, hours: i64| ChainRow {
        chain: evidence::ChainId::from_parts(n, 7),
        begun_us: NOW - hours * HOUR,
        check_ins: hours,
    };
    let chains = [chain(1, 2000), chain(2, 100)];
    let input =
        timeline::Input { now_us: NOW, spans: &spans, receipts: &receipts, chains: &chains };
    timeline::of(&input)
}
