//! Every page, in the states that matter, from the example's data.

use crate::data::{Data, NOW, empty, full};
use anyhow::Context;
use askama::Template;
use evidenced_collector::web::hosts::KindCount;
use evidenced_collector::web::overview::LogCheck;
use evidenced_collector::web::page::{Frame, Room};
use evidenced_collector::web::{
    control, controls, empty as nothing, facts, host, hosts, login, overview,
};

/// File names without their ending, and pages.
pub(crate) fn all() -> anyhow::Result<Vec<(String, String)>> {
    let full = full()?;
    let mut pages = vec![
        ("login".to_owned(), login::page(false).render()?),
        ("login-refused".to_owned(), login::page(true).render()?),
        ("not-found".to_owned(), nothing::not_found(frame(None, &full), "host `x`").render()?),
        ("refused".to_owned(), nothing::refused(frame(None, &full)).render()?),
        ("failed".to_owned(), nothing::failed(frame(None, &full)).render()?),
        ("overview".to_owned(), overview(&full, held())?),
        ("overview-empty".to_owned(), overview(&empty(), LogCheck::NotYet)?),
        ("overview-broken".to_owned(), overview(&full, broken())?),
        ("controls".to_owned(), {
            controls::page(frame(Some(Room::Controls), &full), &full.now()).render()?
        }),
        ("hosts".to_owned(), hosts_page(&full)?),
        ("hosts-empty".to_owned(), hosts_page(&empty())?),
    ];
    for id in ["A.8.5", "A.8.15", "A.8.13", "A.5.1", "A.8.9", "A.8.24"] {
        let page = control::page(frame(Some(Room::Controls), &full), &full.now(), id);
        pages.push((format!("control-{id}"), page.context("control")?.render()?));
    }
    for row in &full.hosts {
        let results: Vec<_> = full.results.iter().filter(|r| r.host == row.id).cloned().collect();
        let now = evidenced_collector::web::input::Now { results: &results, ..full.now() };
        let kinds = full.kinds.get(&row.id).map(Vec::as_slice).unwrap_or_default();
        let page = host::page(frame(Some(Room::Hosts), &full), &now, row, kinds);
        pages.push((format!("host-{}", full.file_name(row)), page.render()?));
        for kind in kinds {
            let facts = kind.facts.and_then(|id| full.bodies.get(&id));
            let before = full.before.get(&(row.id, kind.kind.clone()));
            let previous = before.map(|(row, facts)| (row, facts.as_ref()));
            let input = facts::Input { now_us: NOW, host: row, row: kind, facts, previous };
            let page = facts::page(frame(Some(Room::Hosts), &full), &input).render()?;
            pages.push((format!("facts-{}-{}", full.file_name(row), kind.kind), page));
        }
    }
    Ok(pages)
}

fn frame(room: Option<Room>, data: &Data) -> Frame {
    Frame::inside(room, NOW, data.log).with_sign_out("/logout")
}

fn held() -> LogCheck {
    LogCheck::Held { size: 1_204_866, at_us: NOW - 120_000_000 }
}

fn broken() -> LogCheck {
    LogCheck::Broken { at_us: NOW, why: "leaf 12 is not under the root of size 40.".to_owned() }
}

fn overview(data: &Data, check: LogCheck) -> anyhow::Result<String> {
    let input = overview::Input {
        now: data.now(),
        drifts: &data.drifts,
        more_drifts: false,
        log: data.log,
        check,
    };
    Ok(overview::page(frame(Some(Room::Overview), data), &input).render()?)
}

fn hosts_page(data: &Data) -> anyhow::Result<String> {
    let count = |rows: &Vec<evidenced_collector::store::model::KindRow>| KindCount {
        ok: rows.iter().filter(|row| host::is_seen(row.status)).count(),
        of: rows.len(),
    };
    let kinds = data.kinds.iter().map(|(id, rows)| (*id, count(rows))).collect();
    Ok(hosts::page(frame(Some(Room::Hosts), data), &data.now(), &kinds, 1).render()?)
}
