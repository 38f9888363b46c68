//! Exceptions, approved lists, access reviews, change windows.

use crate::data::{Data, NOW};
use crate::render::frame;
use askama::Template;
use evidenced_collector::approved::Standing;
use evidenced_collector::exception::Scope;
use evidenced_collector::overview::ExceptedResults;
use evidenced_collector::population;
use evidenced_collector::store::{
    CoverRow, Excepted, ExceptionRow, ListRow, MemberRow, PersonRow, ReviewMember, ReviewRow,
    WindowRow,
};
use evidenced_collector::web::exceptions::{self, Form, ListInput, OneInput, Said};
use evidenced_collector::web::page::Room;
use evidenced_collector::web::{lists, reviews, windows};

const DAY: i64 = 86_400_000_000;

fn person(id: &str, name: &str, seat: &str) -> PersonRow {
    PersonRow {
        id: id.into(),
        name: name.into(),
        seat: seat.into(),
        created_us: NOW - 400 * DAY,
        has_password: true,
        disabled_us: None,
    }
}

fn people() -> [PersonRow; 2] {
    [person("1", "operator one", "operator"), person("2", "risk owner", "risk_owner")]
}

fn row(n: usize, data: &Data) -> ExceptionRow {
    let decided = n > 0;
    let scope = match (n, data.hosts.get(1)) {
        (0, _) => Scope::Organisation,
        (1, Some(host)) => Scope::Host(host.id),
        _ => Scope::Group("<i>build</i>".into()),
    };
    ExceptionRow {
        id: format!("01EXCEPTION{n}"),
        scope,
        rules: [("ssh-root-login".to_owned(), "high".to_owned())].into(),
        reason: "<script>alert('a reason')</script>".into(),
        measure: "reached through the jump host only".into(),
        ticket: if n == 0 { String::new() } else { "OPS-4711".into() },
        risk: "R-17".into(),
        requested_by: "1".into(),
        requested_us: NOW - 50 * DAY,
        until_us: NOW + (30 - 20 * n as i64) * DAY,
        renews: (n == 1).then(|| "01EXCEPTION2".to_owned()),
        renewals: n as i64,
        decision: decided.then(|| "approved".to_owned()),
        decided_by: decided.then(|| "2".to_owned()),
        decided_us: decided.then_some(NOW - 49 * DAY),
        note: decided.then(|| "until the new image is out".to_owned()),
        ended_us: (n == 2).then_some(NOW - 12 * DAY),
        ended_by: (n == 2).then(|| "1".to_owned()),
        end_note: (n == 2).then(|| "mended".to_owned()),
        covers: 0,
        needed_us: (n == 2).then_some(NOW - 12 * DAY),
    }
}

/// Every failure of the second host is under an exception.
pub(crate) fn excepted(data: &Data) -> ExceptedResults {
    let Some(host) = data.hosts.get(1) else { return ExceptedResults::new() };
    let failing = data.results.iter().filter(|row| row.host == host.id && row.outcome == "fail");
    let by = || Excepted { exception: "01EXCEPTION1".into(), until_us: NOW + 10 * DAY };
    failing.map(|row| ((row.host, row.rule.clone()), by())).collect()
}

fn list(data: &Data, may_request: bool, refused: Option<String>) -> anyhow::Result<String> {
    let rows: Vec<_> = (0..3).map(|n| row(n, data)).collect();
    let groups = ["web-prod".to_owned(), "<i>build</i>".to_owned()];
    let input = ListInput {
        now_us: NOW,
        rows: if data.hosts.is_empty() { &[] } else { &rows },
        hosts: &data.hosts,
        people: &people(),
        groups: &groups,
        may_request,
        unneeded_us: 30 * DAY,
        max_us: 180 * DAY,
        form: Form { reason: "\"quoted\" <b>".into(), ..Form::default() },
        refused,
    };
    Ok(exceptions::list(frame(Some(Room::Decisions), data), input).render()?)
}

pub(crate) fn exceptions(data: &Data, may_request: bool) -> anyhow::Result<String> {
    list(data, may_request, None)
}

pub(crate) fn refused(data: &Data) -> anyhow::Result<String> {
    list(data, true, Some("There is no host <b>web</b>.".into()))
}

pub(crate) fn exception(data: &Data, n: usize) -> anyhow::Result<String> {
    let host = data.hosts.first().map(|host| host.id.to_string()).unwrap_or_default();
    let cover = |to_us: Option<i64>| CoverRow {
        host: host.clone(),
        name: "<b>web</b>".into(),
        rule: "ssh-root-login".into(),
        from_us: NOW - 40 * DAY,
        to_us,
        ended: to_us.map(|_| "evidence".to_owned()),
    };
    let covers = [cover(None), cover(Some(NOW - DAY))];
    let input = OneInput {
        now_us: NOW,
        row: &row(n, data),
        covers: if n == 0 { &[] } else { &covers },
        hosts: &data.hosts,
        people: &people(),
        may_decide: true,
        may_withdraw: true,
        may_renew: true,
        unneeded_us: 30 * DAY,
        said: (n == 2).then(|| Said::Refused("it is not active".into())),
    };
    Ok(exceptions::one(frame(Some(Room::Decisions), data), &input).render()?)
}

pub(crate) fn lists(data: &Data) -> anyhow::Result<String> {
    let row = |group: &str, population: &str, learnt| ListRow {
        group: group.into(),
        population: population.into(),
        learnt_us: learnt,
        present: 4,
        accepted: 2,
        proposed: 1,
        deviating: i64::from(learnt.is_some()),
    };
    let rows = [
        row("<i>build</i>", "root-keys", None),
        row("web-prod", "privileged-people", Some(NOW - 9 * DAY)),
        row("web-prod", "root-keys", Some(NOW - 9 * DAY)),
    ];
    let rows = if data.hosts.is_empty() { &rows[..0] } else { &rows };
    Ok(lists::all(frame(Some(Room::Decisions), data), rows).render()?)
}

pub(crate) fn a_list(data: &Data, learnt: bool, may_keep: bool) -> anyhow::Result<String> {
    let row = |member: &str, standing, hosts| MemberRow {
        member: member.into(),
        standing: if learnt { standing } else { None },
        hosts,
        since_us: (hosts > 0).then_some(NOW - 20 * DAY),
        decided_by: standing.map(|_| "1".to_owned()),
        decided_us: standing.map(|_| NOW - 8 * DAY),
        expires_us: (standing == Some(Standing::Accepted)).then_some(NOW + 90 * DAY),
        note: standing.map(|_| "<b>as</b> agreed".to_owned()),
    };
    let rows = [
        row("<script>alert('a member')</script>", None, 1),
        row("anna", Some(Standing::Proposed), 3),
        row("bert", Some(Standing::Refused), 1),
        row("root", Some(Standing::Accepted), 4),
        row("old", Some(Standing::Accepted), 0),
    ];
    let input = lists::Input {
        now_us: NOW,
        group: "web-prod",
        population: population::find("privileged-people").expect("a population"),
        learnt_us: learnt.then_some(NOW - 9 * DAY),
        rows: if data.hosts.is_empty() { &[] } else { &rows },
        people: &people(),
        may_keep,
        refused: (!may_keep).then(|| "no member is named.".to_owned()),
    };
    Ok(lists::one(frame(Some(Room::Decisions), data), &input).render()?)
}

fn review_row(signed: bool) -> ReviewRow {
    ReviewRow {
        id: "01REVIEW".into(),
        host_group: "web-prod".into(),
        started_by: "1".into(),
        started_us: NOW - 40 * DAY,
        due_us: NOW - 10 * DAY,
        signed_by: signed.then(|| "2".to_owned()),
        signed_us: signed.then_some(NOW - 12 * DAY),
        digest: signed.then(|| "0123456789abcdef".repeat(4)),
        members: 4,
        undecided: if signed { 0 } else { 2 },
        removals: 1,
        open_removals: 1,
    }
}

pub(crate) fn reviews(data: &Data, may_review: bool) -> anyhow::Result<String> {
    let rows = [review_row(false), ReviewRow { host_group: String::new(), ..review_row(true) }];
    let input = reviews::ListInput {
        now_us: NOW,
        rows: if data.hosts.is_empty() { &[] } else { &rows },
        groups: &["web-prod".to_owned(), "<i>build</i>".to_owned()],
        people: &people(),
        may_review,
        refused: None,
    };
    Ok(reviews::list(frame(Some(Room::Decisions), data), &input).render()?)
}

pub(crate) fn review(data: &Data, signed: bool) -> anyhow::Result<String> {
    let member = |n: i64, class: &str, member: &str, decision: Option<&str>| ReviewMember {
        n,
        host_group: "web-prod".into(),
        population: "privileged-people".into(),
        member: member.into(),
        class: class.into(),
        hosts: 3,
        since_us: NOW - 300 * DAY,
        decision: decision.map(str::to_owned),
        decided_by: decision.map(|_| "1".to_owned()),
        decided_us: decision.map(|_| NOW - 13 * DAY),
        gone_us: None,
    };
    let open = |decision| if signed { Some(decision) } else { None };
    let members = [
        member(0, "leaver", "<b>bert</b>", Some("remove")),
        member(1, "changed", "anna", Some("keep")),
        member(2, "unchanged", "root", open("keep")),
        member(3, "unchanged", "zoe", open("keep")),
    ];
    let input = reviews::OneInput {
        now_us: NOW,
        row: &review_row(signed),
        members: &members,
        people: &people(),
        may_review: true,
        refused: (!signed).then(|| "not every member is decided on.".to_owned()),
    };
    Ok(reviews::one(frame(Some(Room::Decisions), data), &input).render()?)
}

pub(crate) fn windows(data: &Data, may_plan: bool) -> anyhow::Result<String> {
    let row = |n: i64, cancelled: bool| WindowRow {
        id: format!("01WINDOW{n}"),
        from_us: NOW - n * DAY,
        to_us: NOW + (1 - n) * DAY,
        ticket: "CHG-<b>1</b>".into(),
        created_by: "1".into(),
        created_us: NOW - 9 * DAY,
        cancelled_us: cancelled.then_some(NOW),
        names: [
            ("group".to_owned(), vec!["web-prod".to_owned()]),
            ("kind".to_owned(), vec!["packages".to_owned(), "kernel".to_owned()]),
        ]
        .into(),
        drifts: 7,
        open: n,
    };
    let (holds, over, cancelled) = (row(0, false), row(3, false), row(1, true));
    let rows = [(&holds, "holds"), (&over, "over"), (&cancelled, "cancelled")];
    let input = windows::Input {
        rows: if data.hosts.is_empty() { &[] } else { &rows },
        hosts: &data.hosts,
        people: &people(),
        groups: &["web-prod".to_owned()],
        may_plan,
        form: windows::Form { ticket: "\"quoted\"".into(), ..windows::Form::default() },
        refused: (!may_plan).then(|| "it has no ticket.".to_owned()),
    };
    Ok(windows::page(frame(Some(Room::Decisions), data), input).render()?)
}
