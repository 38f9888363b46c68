//! Management systems, statements, groups, people and accounts, and a control with what is said.

use crate::data::{Data, NOW};
use crate::render::frame;
use anyhow::Context;
use askama::Template;
use evidence::HostId;
use evidenced_collector::applicability::{Entry, Ground, Implementation, whole};
use evidenced_collector::expected::BadLine;
use evidenced_collector::patch::{Patch, Rating, Standing, Start};
use evidenced_collector::people_list::{Finding, Review, Sort};
use evidenced_collector::period::{Coverage, Failure, Period};
use evidenced_collector::status::{ControlStatus, EvidenceState, Tolerance};
use evidenced_collector::store::model::GroupRow;
use evidenced_collector::store::{Isms, IsmsText, ToleranceRow, Tolerated, Version, VersionState};
use evidenced_collector::web::page::Room;
use evidenced_collector::web::{applicability, control, isms, patch, people_list, period};
use std::collections::BTreeMap;

const DAY: i64 = 86_400_000_000;

pub(crate) fn hosting() -> Isms {
    Isms {
        id: "01KQ0000000000000000000001".into(),
        text: IsmsText {
            name: "Hosting <b>Zürich</b>".into(),
            legal_entity: "Example AG".into(),
            scope_statement: "Hosting of customers' systems\nin two data centres.".into(),
            certificate: Some("17-4711, Example Cert".into()),
        },
        created_us: NOW - 300 * DAY,
        changed_us: NOW - 20 * DAY,
        groups: ["web-prod".to_owned(), "nobody's".to_owned()].into(),
    }
}

fn groups() -> Vec<GroupRow> {
    let web = GroupRow {
        name: "web-prod".into(),
        environment: Some("production".into()),
        criticality: Some("high".into()),
        owner: Some("platform".into()),
        deputy: Some("<i>network</i>".into()),
        fallback: Some("operations".into()),
        ttl_s: None,
        hosts: 3,
    };
    vec![web, GroupRow { name: "lab".into(), ..GroupRow::default() }]
}

fn version(number: i64, state: VersionState) -> Version {
    let submitted = (state != VersionState::Draft).then_some(NOW - 3 * DAY);
    let approved = (state == VersionState::Approved).then_some(NOW - 2 * DAY);
    Version {
        isms: hosting().id,
        version: number,
        state,
        authors: vec!["2".into()],
        begun_us: NOW - 5 * DAY,
        submitted_us: submitted,
        submitted_by: submitted.map(|_| "2".into()),
        approved_us: approved,
        approved_by: approved.map(|_| "1".into()),
        known: approved.map(|_| 12),
    }
}

fn entries(data: &Data) -> Vec<Entry> {
    let applies = Entry {
        applicable: Some(true),
        grounds: [Ground::Risk, Ground::Legal].into(),
        implementation: Some(Implementation::Partly),
        references: vec!["P-7".into(), "<script>alert(1)</script>".into()],
        ..Entry::empty("A.8.5")
    };
    let not = Entry {
        applicable: Some(false),
        justification: "no such thing here".into(),
        ..Entry::empty("A.5.1")
    };
    whole(&[applies, not], data.controls.iter().map(|control| control.id.as_str()))
}

fn statement(
    data: &Data,
    versions: &[Version],
    me: &str,
    said: Option<applicability::Said>,
) -> anyhow::Result<String> {
    let (hosting, entries) = (hosting(), entries(data));
    let controls: BTreeMap<_, _> = data
        .controls
        .iter()
        .map(|control| (control.id.clone(), (control.title.clone(), control.state)))
        .collect();
    let input = applicability::Input {
        isms: &hosting,
        versions,
        version: versions.first(),
        entries: &entries,
        controls: &controls,
        me,
        may_change: me != "viewer",
        said,
    };
    Ok(applicability::page(frame(Some(Room::Isms), data), input).render()?)
}

fn one(data: &Data, may_change: bool) -> anyhow::Result<String> {
    let (hosting, groups) = (hosting(), groups());
    let versions = [version(2, VersionState::Draft), version(1, VersionState::Approved)];
    let input = isms::Input {
        now: data.now(),
        isms: &hosting,
        groups: &groups,
        versions: &versions,
        may_change,
        refused: None,
    };
    Ok(isms::one(frame(Some(Room::Isms), data), &input).render()?)
}

fn people(data: &Data, review: &Review, listed: bool) -> anyhow::Result<String> {
    let bad = BadLine { line: 3, reason: "`x` is no day".into(), remedy: "write it".into() };
    let input = people_list::Input {
        hosts: &data.hosts,
        review,
        imported_us: listed.then_some(NOW - DAY),
        may_change: listed,
        said: listed.then(|| people_list::Said::Bad(vec![bad])),
    };
    Ok(people_list::page(frame(Some(Room::People), data), input).render()?)
}

fn review(data: &Data) -> Review {
    let hosts: Vec<HostId> = data.hosts.iter().map(|host| host.id).collect();
    let finding = |sort, person: Option<&str>| Finding {
        sort,
        privileged: sort == Sort::Leaver,
        person: person.map(str::to_owned),
        account: "<u>x</u>".into(),
        unit: person.map(|_| "platform".into()),
        unit_before: (sort == Sort::Mover).then(|| "sales".into()),
        since_day: Some(20_700),
        hosts: hosts.iter().copied().collect(),
        unsure: hosts.iter().take(1).copied().collect(),
    };
    let findings = vec![
        finding(Sort::Leaver, Some("Somebody")),
        finding(Sort::Mover, Some("<b>Somebody</b> else")),
        finding(Sort::NoPerson, None),
        finding(Sort::Early, Some("A third")),
    ];
    Review { findings, people: 3, hosts_read: 4, hosts: 5, hosts_with_directories: 1 }
}

fn status() -> ControlStatus {
    ControlStatus {
        state: EvidenceState::Deviating,
        pass: 3,
        fail: 2,
        unknown: 0,
        not_applicable: 0,
        hosts: 3,
        open_deviations: 2,
        inherited: 0,
        excepted: 0,
        unseen: 0,
        unseen_since_s: None,
        past_limit: 0,
        failing_hosts: 2,
        judged_hosts: 3,
        tolerance: None,
        tolerance_exceeded: true,
        oldest_fail_s: None,
        records: None,
    }
}

/// A control with what is said of it, and what became of it.
fn control_page(data: &Data) -> anyhow::Result<String> {
    let tolerance = Tolerance { max_hosts: Some(1), max_percent: Some(5) };
    let said = Tolerated {
        isms: None,
        control: "A.8.5".into(),
        tolerance: Some(tolerance),
        owner: "platform".into(),
        reason: "<b>old</b> printers".into(),
    };
    let row = ToleranceRow { said, from_us: NOW - 30 * DAY };
    let host = data.hosts.first().context("a host")?.id;
    let of = Period {
        from_us: NOW - 90 * DAY,
        to_us: NOW,
        states_us: [(EvidenceState::Operating, 70 * DAY), (EvidenceState::Deviating, 20 * DAY)]
            .into(),
        hosts: 4,
        opened: 3,
        repaired: 2,
        open: 1,
        mean_repair_us: Some(4 * DAY),
        coverage: Coverage { expected_us: 360 * DAY, covered_us: 350 * DAY },
        longest: Some(Failure { host, rule: "x".into(), from_us: NOW - 40 * DAY, to_us: None }),
    };
    let entry = entries(data).into_iter().find(|entry| entry.control == "A.8.5");
    let stand = (version(1, VersionState::Approved), entry.context("an entry")?);
    let page = control::page(frame(Some(Room::Controls), data), &data.now(), "A.8.5");
    let page = page.context("control")?.with_said(control::Said {
        scope: Some("the group web".into()),
        records: vec![],
        stands: applicability::stands(&[hosting()], &[stand]),
        tolerance: Some(period::tolerance(&row, &status())),
        period: Some(period::part(&of, &data.hosts)),
        may_change: true,
    });
    Ok(page.render()?)
}

fn patches(data: &Data, some: bool) -> anyhow::Result<String> {
    let host = data.hosts.first().context("a host")?.id;
    let found = Standing::ALL.map(|standing| {
        let unrated = matches!(standing, Standing::Unrated | Standing::ClosedUnrated);
        let closed = standing > Standing::WithinLimit;
        let patch = Patch {
            package: "<s>openssl</s>".into(),
            candidate: "3.0.15-1".into(),
            severity: if unrated { Rating::Unknown } else { Rating::Critical },
            start: if unrated { Start::FirstSeen } else { Start::Publication },
            start_us: NOW - 20 * DAY,
            due_us: (!unrated).then_some(NOW - 13 * DAY),
            closed_us: closed.then_some(NOW - DAY),
            standing,
        };
        (host, patch)
    });
    let patches = if some { &found[..] } else { &[] };
    let input = patch::Input { hosts: &data.hosts, patches, scope: None, days: 90, now_us: NOW };
    Ok(patch::page(frame(Some(Room::Controls), data), input).render()?)
}

pub(crate) fn all(data: &Data) -> anyhow::Result<Vec<(String, String)>> {
    let frame = || frame(Some(Room::Isms), data);
    let submitted = [version(2, VersionState::Submitted), version(1, VersionState::Approved)];
    let draft = [version(1, VersionState::Draft)];
    let bad = BadLine { line: 2, reason: "`<x>` is no ground".into(), remedy: "write it".into() };
    let bad = applicability::Said::Bad(vec![bad]);
    let approved = [version(1, VersionState::Approved)];
    let entry = entries(data).into_iter().find(|entry| entry.control == "A.8.5");
    let entry = entry.context("an entry")?;
    let state = evidenced_collector::web::marks::State::Deviating;
    let entry = applicability::entry_page(
        frame(),
        &hosting(),
        &entry,
        ("Secure authentication".into(), state),
        Some("it contradicts itself.".into()),
    );
    let pages = [
        ("isms", isms::list(frame(), &[hosting()], &approved, true, None).render()?),
        ("isms-none", isms::list(frame(), &[], &[], false, Some("x".into())).render()?),
        ("isms-one", one(data, true)?),
        ("isms-viewer", one(data, false)?),
        ("groups", isms::groups(frame(), &groups(), true).render()?),
        ("groups-none", isms::groups(frame(), &[], false).render()?),
        ("applicability", statement(data, &submitted, "1", None)?),
        ("applicability-author", statement(data, &submitted, "2", None)?),
        ("applicability-draft", statement(data, &draft, "1", Some(bad))?),
        ("applicability-none", statement(data, &[], "viewer", None)?),
        ("applicability-entry", entry.render()?),
        ("people-list", people(data, &review(data), true)?),
        ("people-list-none", people(data, &Review::default(), false)?),
        ("control-said", control_page(data)?),
        ("patches", patches(data, true)?),
        ("patches-none", patches(data, false)?),
    ];
    Ok(pages.map(|(name, html)| (name.to_owned(), html)).into())
}
