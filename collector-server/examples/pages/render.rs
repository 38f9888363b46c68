//! Every page, in the states that matter, from the example's data.

use crate::data::{Data, NOW, empty, full};
use crate::{decisions, drifts, people, records, rules, scope, statements};
use anyhow::Context;
use askama::Template;
use evidenced_collector::finding::State;
use evidenced_collector::gap::{Gap, Why};
use evidenced_collector::moment::Moment;
use evidenced_collector::web::hosts::KindCount;
use evidenced_collector::web::login::Refused;
use evidenced_collector::web::overview::LogCheck;
use evidenced_collector::web::page::{Frame, Picks, Room};
use evidenced_collector::web::past::{Past, carry};
use evidenced_collector::web::{
    control, controls, empty as nothing, facts, host, hosts, login, overview,
};
use jiff::tz::TimeZone;

/// File names without their ending, and pages.
pub(crate) fn all() -> anyhow::Result<Vec<(String, String)>> {
    let full = full()?;
    let mut pages = vec![
        ("login".to_owned(), login::page(None).render()?),
        ("login-refused".to_owned(), login::page(Some(Refused::Link)).render()?),
        ("login-wait".to_owned(), login::page(Some(Refused::Wait(64))).render()?),
        ("account".to_owned(), people::account(&full)?),
        ("account-first".to_owned(), people::first(&full)?),
        ("people".to_owned(), people::people(&full, true, None)?),
        ("people-link".to_owned(), people::with_link(&full)?),
        ("people-viewer".to_owned(), people::people(&full, false, None)?),
        ("enrolment".to_owned(), people::enrolment(&full)?),
        ("enrolment-empty".to_owned(), people::enrolment(&empty())?),
        ("enrolment-token".to_owned(), people::enrolment_with_token(&full)?),
        ("drift".to_owned(), drifts::list(&full, false)?),
        ("drift-one".to_owned(), drifts::one(&full, false)?),
        ("drift-taken".to_owned(), drifts::one(&full, true)?),
        ("exceptions".to_owned(), decisions::exceptions(&full, true)?),
        ("exceptions-refused".to_owned(), decisions::refused(&full)?),
        ("exceptions-empty".to_owned(), decisions::exceptions(&empty(), false)?),
        ("exception-waiting".to_owned(), decisions::exception(&full, 0)?),
        ("exception-active".to_owned(), decisions::exception(&full, 1)?),
        ("exception-over".to_owned(), decisions::exception(&full, 2)?),
        ("inherited".to_owned(), statements::list(&full, true)?),
        ("inherited-empty".to_owned(), statements::list(&empty(), false)?),
        ("inherited-waiting".to_owned(), statements::one(&full, 0)?),
        ("inherited-active".to_owned(), statements::one(&full, 1)?),
        ("inherited-over".to_owned(), statements::one(&full, 2)?),
        ("findings".to_owned(), statements::findings(&full, true)?),
        ("findings-empty".to_owned(), statements::findings(&empty(), false)?),
        ("finding-open".to_owned(), statements::a_finding(&full, State::Open)?),
        ("finding-corrected".to_owned(), statements::a_finding(&full, State::Corrected)?),
        ("finding-closed".to_owned(), statements::a_finding(&full, State::Closed)?),
        ("lists".to_owned(), decisions::lists(&full)?),
        ("lists-empty".to_owned(), decisions::lists(&empty())?),
        ("list".to_owned(), decisions::a_list(&full, true, true)?),
        ("list-to-learn".to_owned(), decisions::a_list(&full, false, true)?),
        ("list-viewer".to_owned(), decisions::a_list(&full, true, false)?),
        ("list-empty".to_owned(), decisions::a_list(&empty(), true, true)?),
        ("reviews".to_owned(), decisions::reviews(&full, true)?),
        ("reviews-empty".to_owned(), decisions::reviews(&empty(), false)?),
        ("review-open".to_owned(), decisions::review(&full, false)?),
        ("review-signed".to_owned(), decisions::review(&full, true)?),
        ("windows".to_owned(), decisions::windows(&full, true)?),
        ("windows-empty".to_owned(), decisions::windows(&empty(), false)?),
        ("drift-empty".to_owned(), drifts::list(&empty(), false)?),
        ("drift-more".to_owned(), drifts::list(&full, true)?),
        ("not-found".to_owned(), nothing::not_found(frame(None, &full), "host `x`").render()?),
        (
            "refused".to_owned(),
            nothing::refused(frame(None, &full), "Only an administrator may do this.").render()?,
        ),
        ("failed".to_owned(), nothing::failed(frame(None, &full)).render()?),
        ("overview".to_owned(), overview(&full, held())?),
        ("overview-empty".to_owned(), overview(&empty(), LogCheck::NotYet { read: 0, of: 0 })?),
        ("overview-first".to_owned(), {
            let frame = frame(Some(Room::Overview), &full).without_password(true);
            overview_in(frame, &full, held())?
        }),
        ("overview-broken".to_owned(), overview(&full, broken())?),
        ("controls".to_owned(), {
            controls::page(frame(Some(Room::Controls), &full), &full.now()).render()?
        }),
        ("hosts".to_owned(), hosts_page(&full)?),
        ("hosts-empty".to_owned(), hosts_page(&empty())?),
    ];
    pages.extend(scope::all(&full)?);
    pages.extend(records::all(&full)?);
    pages.extend(rules::all(&full)?);
    for id in ["A.8.5", "A.8.15", "A.8.13", "A.5.1", "A.8.9", "A.8.24"] {
        let page = control::page(frame(Some(Room::Controls), &full), &full.now(), id);
        let page = page.context("control")?.with_exceptions(&decisions::excepted(&full));
        pages.push((format!("control-{id}"), page.render()?));
    }
    for row in &full.hosts {
        let results: Vec<_> = full.results.iter().filter(|r| r.host == row.id).cloned().collect();
        let now = evidenced_collector::web::input::Now { results: &results, ..full.now() };
        let kinds = full.kinds.get(&row.id).map(Vec::as_slice).unwrap_or_default();
        let times = kinds.iter().map(|kind| (kind.kind.clone(), (NOW, NOW + 1))).collect();
        let page = host::page(in_the_past(Room::Hosts, &full, None), &now, row, kinds)
            .with_times(&times)
            .with_gaps(&gaps(), (NOW - 14 * DAY, NOW))
            .with_past(drifts::timeline(&full, row))
            .with_drifts(&drifts::of_host(&full, row), &full.now())
            .with_exceptions(&decisions::excepted(&full));
        pages.push((format!("host-{}", full.file_name(row)), page.render()?));
        for kind in kinds {
            let facts = kind.facts.and_then(|id| full.bodies.get(&id));
            let before = full.before.get(&(row.id, kind.kind.clone()));
            let history = drifts::history(kind, before);
            let previous = before.zip(history.get(1));
            let previous = previous.map(|((_, facts), span)| (span, facts.as_ref()));
            let input = facts::Input {
                now_us: NOW,
                host: row,
                row: kind,
                received_us: Some(NOW - 5_000_000),
                erased_us: facts.is_none().then_some(NOW - 60_000_000),
                facts,
                previous,
                history: &history,
            };
            let page = facts::page(frame(Some(Room::Hosts), &full), &input).render()?;
            pages.push((format!("facts-{}-{}", full.file_name(row), kind.kind), page));
        }
    }
    // The same as of another moment, with its links.
    if let Some(row) = full.hosts.first() {
        let past = in_the_past(Room::Hosts, &full, Some(NOW - 30 * DAY));
        let now = evidenced_collector::web::input::Now { results: &[], ..full.now() };
        let page = host::page(past, &now, row, &[]).with_gaps(&[], (NOW - 14 * DAY, NOW));
        let at = [("at".to_owned(), "2026-10-24".to_owned())];
        pages.push(("host-past".to_owned(), carry(&page.render()?, &at)));
    }
    Ok(pages)
}

const DAY: i64 = 86_400_000_000;

fn gaps() -> Vec<Gap> {
    let gap = |kind: Option<&str>, why, status, from: i64, to: i64| Gap {
        kind: kind.map(str::to_owned),
        why,
        status,
        from_us: NOW - from * DAY,
        to_us: NOW - to * DAY,
    };
    vec![
        gap(None, Why::Silent, None, 9, 7),
        gap(None, Why::CollectorOutage, None, 7, 6),
        gap(Some("<logins>"), Why::Denied, Some(evidence::Status::Denied), 6, 0),
    ]
}

/// A frame that can show other moments, and shows one.
fn in_the_past(room: Room, data: &Data, at_us: Option<i64>) -> Frame {
    let moment = |at_us| Moment { at_us, known: 41, known_us: i64::MAX };
    let past = at_us.map(|at_us| Past {
        instead: Some("The rules of then are <no more>.".to_owned()),
        ..Past::of(&moment(at_us), false, "/hosts?page=2", &TimeZone::UTC)
    });
    let rest = vec![("page".to_owned(), "<2>".to_owned())];
    frame(Some(room), data).at(past, Picks { zone: "Europe/Zurich".to_owned(), rest })
}

pub(crate) fn frame(room: Option<Room>, data: &Data) -> Frame {
    Frame::inside(room, NOW, data.log).with_sign_out("/logout")
}

fn held() -> LogCheck {
    LogCheck::Held { size: 1_204_866, at_us: NOW - 20_000_000, whole_us: NOW - 3_900_000_000 }
}

fn broken() -> LogCheck {
    LogCheck::Broken { at_us: NOW, why: "leaf 12 is not under the root of size 40.".to_owned() }
}

fn overview(data: &Data, check: LogCheck) -> anyhow::Result<String> {
    overview_in(frame(Some(Room::Overview), data), data, check)
}

fn overview_in(frame: Frame, data: &Data, check: LogCheck) -> anyhow::Result<String> {
    let input = overview::Input {
        now: data.now(),
        drifts: &data.drifts,
        more_drifts: false,
        log: data.log,
        check,
        anchored: None,
    };
    Ok(overview::page(frame, &input).render()?)
}

fn hosts_page(data: &Data) -> anyhow::Result<String> {
    let count = |rows: &Vec<evidenced_collector::store::model::KindRow>| KindCount {
        ok: rows.iter().filter(|row| host::is_seen(row.status)).count(),
        of: rows.len(),
    };
    let kinds = data.kinds.iter().map(|(id, rows)| (*id, count(rows))).collect();
    Ok(hosts::page(frame(Some(Room::Hosts), data), &data.now(), &kinds, 1).render()?)
}
