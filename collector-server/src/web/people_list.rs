//! The list of people against the accounts of hosts.

use super::page::{Frame, When, count, host_path, plural};
use crate::expected::BadLine;
use crate::people_list::{Finding, Review, Sort};
use crate::store::model::HostRow;
use askama::Template;
use evidence::HostId;
use std::collections::BTreeMap;

/// Findings of one sort, and hosts of one finding, that are shown.
const MAX_ROWS: usize = 200;
const MAX_HOSTS: usize = 5;

/// What became of the last request.
pub enum Said {
    Bad(Vec<BadLine>),
    Done(String),
}

pub struct Input<'a> {
    pub hosts: &'a [HostRow],
    pub review: &'a Review,
    /// None: there is no list.
    pub imported_us: Option<i64>,
    pub may_change: bool,
    pub said: Option<Said>,
}

#[derive(Template)]
#[template(path = "people_list.html")]
pub struct PeopleListPage {
    pub frame: Frame,
    pub says: String,
    /// What the accounts do not show.
    pub limits: String,
    pub has_list: bool,
    pub may_change: bool,
    pub said: Option<Said>,
    pub parts: Vec<Part>,
}

pub struct Part {
    pub id: &'static str,
    pub title: &'static str,
    pub says: String,
    pub is_movers: bool,
    pub rows: Vec<Row>,
    pub more: Option<String>,
}

pub struct Row {
    pub account: String,
    pub person: String,
    pub unit: String,
    pub privileged: bool,
    pub since: Option<When>,
    pub hosts: Vec<(String, String)>,
    pub more: Option<String>,
    /// Hosts that do not say whether the account works.
    pub unsure: Option<String>,
}

pub fn page(frame: Frame, input: Input<'_>) -> PeopleListPage {
    let review = input.review;
    let names: BTreeMap<HostId, &str> =
        input.hosts.iter().map(|host| (host.id, host.name.as_str())).collect();
    let says = match input.imported_us {
        Some(us) => format!(
            "{} listed, as of the list of {}; {}",
            count(review.people as u64),
            When::of(us).text,
            plural(review.findings.len(), "finding")
        ),
        None => "No list was imported: nobody can be told apart from a leaver".to_owned(),
    };
    let limits = format!(
        "Accounts of {} of {} in service were read. {} of these also take accounts from directories, which \
         nobody enumerated: people who have an account only there are not seen here.",
        count(review.hosts_read as u64),
        plural(review.hosts, "host"),
        count(review.hosts_with_directories as u64)
    );
    PeopleListPage {
        frame,
        says,
        limits,
        has_list: input.imported_us.is_some(),
        may_change: input.may_change,
        said: input.said,
        parts: Sort::ALL.into_iter().filter_map(|sort| part(sort, review, &names)).collect(),
    }
}

fn part(sort: Sort, review: &Review, names: &BTreeMap<HostId, &str>) -> Option<Part> {
    let of: Vec<&Finding> = review.findings.iter().filter(|found| found.sort == sort).collect();
    let privileged = of.iter().filter(|found| found.privileged).count();
    let more = of.len().saturating_sub(MAX_ROWS);
    (!of.is_empty()).then(|| Part {
        id: sort.word(),
        title: match sort {
            Sort::Leaver => "Leavers with live accounts",
            Sort::Mover => "Movers to review",
            Sort::NoPerson => "Accounts without a person",
            Sort::Early => "Accounts before their first day",
        },
        says: format!("{}, {privileged} privileged", count(of.len() as u64)),
        is_movers: sort == Sort::Mover,
        rows: of.iter().take(MAX_ROWS).map(|found| row(found, names)).collect(),
        more: (more > 0).then(|| plural(more, "more line")),
    })
}

fn row(found: &Finding, names: &BTreeMap<HostId, &str>) -> Row {
    let unit = found.unit.clone().unwrap_or_default();
    let host = |id: &HostId| {
        let name = names.get(id).copied().unwrap_or_default().to_owned();
        (host_path(*id), name)
    };
    let more = found.hosts.len().saturating_sub(MAX_HOSTS);
    let unsure = found.unsure.len();
    Row {
        account: found.account.clone(),
        person: found.person.clone().unwrap_or_default(),
        unit: match &found.unit_before {
            Some(before) => format!("{before} → {unit}"),
            None => unit,
        },
        privileged: found.privileged,
        since: found.since_day.map(|day| When::day(day.saturating_mul(86_400_000_000))),
        hosts: found.hosts.iter().take(MAX_HOSTS).map(host).collect(),
        more: (more > 0).then(|| format!("and {} more", count(more as u64))),
        unsure: (unsure > 0)
            .then(|| format!("{} cannot tell whether it works", plural(unsure, "host"))),
    }
}
