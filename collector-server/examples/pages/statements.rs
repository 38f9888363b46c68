//! Inherited evidence and findings, with texts that try to be markup.

use crate::data::{Data, NOW};
use crate::render::frame;
use askama::Template;
use evidenced_collector::finding::{Finding, Grade, Source, State};
use evidenced_collector::store::{FindingRow, Inherited, InheritedRow};
use evidenced_collector::web::page::Room;
use evidenced_collector::web::{findings, inherited};

const DAY: i64 = 86_400_000_000;

fn statement(n: usize) -> InheritedRow {
    InheritedRow {
        id: format!("01INHERITED{n}"),
        host_group: "<i>build</i>".into(),
        provider: "the cloud \"<b>\"".into(),
        source: "https://example.org/report?a=1&b=<b>".into(),
        source_hash: if n == 1 { "ab".repeat(32) } else { String::new() },
        reason: "its disks are encrypted below".into(),
        requested_by: "1".into(),
        requested_us: NOW - 30 * DAY,
        until_us: NOW + 300 * DAY,
        decision: (n > 0).then(|| "approved".to_owned()),
        decided_by: (n > 0).then(|| "2".to_owned()),
        decided_us: (n > 0).then_some(NOW - 29 * DAY),
        note: (n > 0).then(|| "read on the day".to_owned()),
        ended_us: (n == 2).then_some(NOW - DAY),
        ended_by: (n == 2).then(|| "cli:root as lead".to_owned()),
        end_note: (n == 2).then(|| "moved away".to_owned()),
        rules: ["sto-data-encrypted".to_owned(), "sto-swap-encrypted".to_owned()].into(),
    }
}

pub(crate) fn list(data: &Data, may_request: bool) -> anyhow::Result<String> {
    let rows: Vec<_> = (0..3).map(statement).collect();
    let groups = ["web-prod".to_owned(), "<i>build</i>".to_owned()];
    let input = inherited::ListInput {
        now_us: NOW,
        rows: if data.hosts.is_empty() { &[] } else { &rows },
        people: &[],
        groups: &groups,
        may_request,
        max_us: 400 * DAY,
        form: inherited::Form { reason: "\"quoted\" <b>".into(), ..Default::default() },
        refused: (!may_request).then(|| "the link begins with https://.".to_owned()),
    };
    Ok(inherited::list(frame(Some(Room::Decisions), data), input).render()?)
}

pub(crate) fn one(data: &Data, n: usize) -> anyhow::Result<String> {
    let row = statement(n);
    let by = Inherited {
        statement: row.id.clone(),
        provider: row.provider.clone(),
        until_us: row.until_us,
        outcome: "unknown".into(),
    };
    let keys: Vec<_> =
        data.hosts.iter().take(3).map(|host| (host.id, "sto-data-encrypted".to_owned())).collect();
    let input = inherited::OneInput {
        now_us: NOW,
        row: &row,
        covers: if n == 1 { keys.iter().map(|key| (key, &by)).collect() } else { vec![] },
        hosts: &data.hosts,
        people: &[],
        may_decide: true,
        may_end: true,
        refused: (n == 2).then(|| "it is not active.".to_owned()),
    };
    Ok(inherited::one(frame(Some(Room::Decisions), data), &input).render()?)
}

fn finding(n: i64, state: State) -> FindingRow {
    let said = |text: &str| if n > 1 { text.to_owned() } else { String::new() };
    FindingRow {
        id: "01FINDING".into(),
        raised_by: "1".into(),
        raised_us: NOW - 40 * DAY,
        state,
        revision: n,
        by: "cli:root as lead".into(),
        at_us: NOW - (40 - n) * DAY,
        finding: Finding {
            title: "root logs in by password on <b>web</b>".into(),
            grade: if n > 2 { Grade::Major } else { Grade::Minor },
            source: Source::Alert,
            source_name: "01ALERT".into(),
            about: ["A.8.5".to_owned(), "8.1".to_owned()].into(),
            description: "Nine hosts of the group let root in.".into(),
            owner: "platform".into(),
            due_us: NOW - DAY,
            correction: said("keys only"),
            root_cause: said("the image was built before the baseline"),
            similar_cases: said("the image of the database hosts"),
            action: said("images are judged before they are released"),
            effectiveness: if n > 2 {
                said("no new host failed for a month")
            } else {
                String::new()
            },
        },
    }
}

pub(crate) fn findings(data: &Data, may_raise: bool) -> anyhow::Result<String> {
    let rows = [finding(1, State::Open), finding(2, State::Corrected), finding(3, State::Closed)];
    let input = findings::ListInput {
        now_us: NOW,
        rows: if data.hosts.is_empty() { &[] } else { &rows },
        may_raise,
        form: findings::Form { title: "\"quoted\" <b>".into(), ..Default::default() },
        refused: (!may_raise).then(|| "the owner is missing.".to_owned()),
    };
    Ok(findings::list(frame(Some(Room::Decisions), data), input).render()?)
}

pub(crate) fn a_finding(data: &Data, state: State) -> anyhow::Result<String> {
    let all = [(3, State::Closed), (2, State::Corrected), (1, State::Open)];
    let rows: Vec<_> = all
        .into_iter()
        .skip_while(|(_, of)| *of != state)
        .map(|(n, state)| finding(n, state))
        .collect();
    let input = findings::OneInput {
        now_us: NOW,
        rows: &rows,
        people: &[],
        drift: Some("01DRIFT".into()),
        may_keep: true,
        may_close: true,
        again: None,
    };
    let page = findings::one(frame(Some(Room::Decisions), data), input);
    Ok(page.map(|page| page.render()).transpose()?.unwrap_or_default())
}
