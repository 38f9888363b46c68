//! Every page, in the states that matter, from the example's data.

use crate::data::{Data, NOW, empty, full};
use crate::{drifts, people, rules};
use anyhow::Context;
use askama::Template;
use evidenced_collector::web::hosts::KindCount;
use evidenced_collector::web::login::Refused;
use evidenced_collector::web::overview::LogCheck;
use evidenced_collector::web::page::{Frame, Room};
use evidenced_collector::web::{
    control, controls, empty as nothing, facts, host, hosts, login, overview,
};

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
        ("drift-empty".to_owned(), drifts::list(&empty(), false)?),
        ("drift-more".to_owned(), drifts::list(&full, true)?),
        ("not-found".to_owned(), nothing::not_found(frame(None, &full), "host `x`").render()?),
        (
            "refused".to_owned(),
            nothing::refused(frame(None, &full), "Only an administrator may do this.").render()?,
        ),
        ("failed".to_owned(), nothing::failed(frame(None, &full)).render()?),
        ("overview".to_owned(), overview(&full, held())?),
        ("overview-empty".to_owned(), overview(&empty(), LogCheck::NotYet)?),
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
    pages.extend(rules::all(&full)?);
    for id in ["A.8.5", "A.8.15", "A.8.13", "A.5.1", "A.8.9", "A.8.24"] {
        let page = control::page(frame(Some(Room::Controls), &full), &full.now(), id);
        pages.push((format!("control-{id}"), page.context("control")?.render()?));
    }
    for row in &full.hosts {
        let results: Vec<_> = full.results.iter().filter(|r| r.host == row.id).cloned().collect();
        let now = evidenced_collector::web::input::Now { results: &results, ..full.now() };
        let kinds = full.kinds.get(&row.id).map(Vec::as_slice).unwrap_or_default();
        let page = host::page(frame(Some(Room::Hosts), &full), &now, row, kinds)
            .with_past(drifts::timeline(&full, row))
            .with_drifts(&drifts::of_host(&full, row), &full.now());
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
                facts,
                previous,
                history: &history,
            };
            let page = facts::page(frame(Some(Room::Hosts), &full), &input).render()?;
            pages.push((format!("facts-{}-{}", full.file_name(row), kind.kind), page));
        }
    }
    Ok(pages)
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
