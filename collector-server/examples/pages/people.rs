//! Accounts, people, enrolment.

use crate::data::{Data, NOW};
use crate::render::frame;
use askama::Template;
use evidenced_collector::store::{PersonRow, SessionRow, TokenRow};
use evidenced_collector::web::people::Said;
use evidenced_collector::web::{account, enrolment, page::Room, people};

const HOUR: i64 = 3_600_000_000;

fn person(n: i64, name: &str, seat: &str) -> PersonRow {
    PersonRow {
        id: n.to_string(),
        name: name.into(),
        seat: seat.into(),
        created_us: NOW - n * 300 * HOUR,
        has_password: n != 3,
        disabled_us: (n == 4).then_some(NOW - HOUR),
    }
}

fn session(n: i64, source: &str) -> SessionRow {
    SessionRow {
        id: n.to_string(),
        person: "1".into(),
        name: "Administrator".into(),
        seat: "administrator".into(),
        has_password: true,
        by_link: n == 2,
        source: source.into(),
        started_us: NOW - n * 5 * HOUR,
        seen_us: NOW - (n - 1) * HOUR,
    }
}

pub(crate) fn account(data: &Data) -> anyhow::Result<String> {
    let sessions = [session(1, "192.0.2.10"), session(2, "2001:db8::17")];
    let input = account::Input {
        now_us: NOW,
        name: "Administrator",
        seat: "administrator",
        has_password: true,
        asks_for_current: true,
        sessions: &sessions,
        session: "1",
        notice: Some(account::Notice::PasswordSet),
    };
    Ok(account::page(frame(None, data), &input).render()?)
}

pub(crate) fn first(data: &Data) -> anyhow::Result<String> {
    let sessions = [SessionRow { by_link: true, has_password: false, ..session(1, "192.0.2.10") }];
    let input = account::Input {
        now_us: NOW,
        name: "Administrator",
        seat: "administrator",
        has_password: false,
        asks_for_current: false,
        sessions: &sessions,
        session: "1",
        notice: Some(account::Notice::Differ),
    };
    Ok(account::page(frame(None, data), &input).render()?)
}

pub(crate) fn people(data: &Data, may_change: bool, said: Option<Said>) -> anyhow::Result<String> {
    let people = [
        person(1, "Administrator", "administrator"),
        person(2, "auditor", "viewer"),
        person(3, "<b>new</b> one", "viewer"),
        person(4, "gone", "administrator"),
    ];
    let input = people::Input { people: &people, me: "1", may_change, said };
    Ok(people::page(frame(Some(Room::People), data), &input).render()?)
}

pub(crate) fn with_link(data: &Data) -> anyhow::Result<String> {
    let link = "https://evidenced.example.org/login?link=invented-and-worth-nothing-xxxxxxxxxxxxx";
    let expires_us = NOW + 24 * HOUR;
    let said = Said::Link { name: "auditor".into(), link: link.into(), expires_us };
    people(data, true, Some(said))
}

fn input<'a>(data: &'a Data, tokens: &'a [TokenRow]) -> enrolment::Input<'a> {
    enrolment::Input {
        now_us: NOW,
        hosts: &data.hosts,
        tokens,
        renewals: &[],
        server: "https://evidenced.example.org:8443",
        may_change: true,
        said: None,
    }
}

fn token(group: &str, uses_left: i64, hours: i64) -> TokenRow {
    TokenRow {
        id: format!("{uses_left:012x}"),
        group: group.into(),
        uses: uses_left + 1,
        uses_left,
        created_us: NOW - HOUR,
        expires_us: NOW + hours * HOUR,
        cidrs: vec![],
        revoked_us: None,
    }
}

pub(crate) fn enrolment(data: &Data) -> anyhow::Result<String> {
    let tokens = [token("web-prod", 1, 1), token("<i>build</i>", 250, 700)];
    let tokens = if data.hosts.is_empty() { &[][..] } else { &tokens[..] };
    let frame = frame(Some(Room::Enrolment), data);
    Ok(enrolment::page(frame, &input(data, tokens)).render()?)
}

pub(crate) fn enrolment_with_token(data: &Data) -> anyhow::Result<String> {
    let said = enrolment::Said::Token {
        token: "ev1.invented-token-worth-nothing.0000000000000000000000000000000000000000".into(),
        group: "web-prod".into(),
        uses: 3,
        expires_us: NOW + HOUR,
    };
    let tokens = [token("web-prod", 3, 1)];
    let input = enrolment::Input { said: Some(said), ..input(data, &tokens) };
    Ok(enrolment::page(frame(Some(Room::Enrolment), data), &input).render()?)
}
