//! Management systems: the list, and one of them with its scope and its controls by evidence state.

use super::input::Now;
use super::page::{Frame, Pair, When, count, plural, segment};
use super::picture::{self, Tally};
use crate::store::model::GroupRow;
use crate::store::{Isms, Version, VersionState};
use askama::Template;

pub fn isms_path(id: &str) -> String {
    format!("/isms/{}", segment(id))
}

/// Controls as the hosts of a scope show them.
pub fn scope_path(scope: &str) -> String {
    format!("/controls?scope={}", segment(scope))
}

#[derive(Template)]
#[template(path = "isms_list.html")]
pub struct ListPage {
    pub frame: Frame,
    pub may_change: bool,
    pub refused: Option<String>,
    pub rows: Vec<Line>,
}

pub struct Line {
    pub path: String,
    pub name: String,
    pub legal_entity: String,
    pub certificate: String,
    pub groups: String,
    pub statement: String,
}

/// The list; `approved` are the newest approved versions.
pub fn list(
    frame: Frame,
    all: &[Isms],
    approved: &[Version],
    may_change: bool,
    refused: Option<String>,
) -> ListPage {
    let line = |isms: &Isms| {
        let version = approved.iter().find(|version| version.isms == isms.id);
        Line {
            path: isms_path(&isms.id),
            name: isms.text.name.clone(),
            legal_entity: isms.text.legal_entity.clone(),
            certificate: isms.text.certificate.clone().unwrap_or_else(|| "none".to_owned()),
            groups: count(isms.groups.len() as u64),
            statement: match version {
                Some(version) => format!("version {} approved", version.version),
                None => "none approved".to_owned(),
            },
        }
    };
    ListPage { frame, may_change, refused, rows: all.iter().map(line).collect() }
}

#[derive(Template)]
#[template(path = "isms_one.html")]
pub struct OnePage {
    pub frame: Frame,
    pub name: String,
    pub path: String,
    pub may_change: bool,
    pub refused: Option<String>,
    pub about: Vec<Pair>,
    pub statement: String,
    pub tally: Vec<Tally>,
    pub controls_path: String,
    /// `12 enrolled hosts in 3 groups`.
    pub says: String,
    pub groups: Vec<GroupLine>,
    /// Groups that can be added.
    pub others: Vec<String>,
    /// Where its Statement of Applicability stands.
    pub applicability: String,
    pub legal_entity: String,
    pub certificate: String,
}

pub struct GroupLine {
    pub name: String,
    pub path: String,
    pub environment: String,
    pub criticality: String,
    pub owner: String,
    pub deputy: String,
    pub fallback: String,
    pub hosts: String,
}

/// What one management system is drawn from.
pub struct Input<'a> {
    /// Its hosts and controls only.
    pub now: Now<'a>,
    pub isms: &'a Isms,
    pub groups: &'a [GroupRow],
    pub versions: &'a [Version],
    pub may_change: bool,
    pub refused: Option<String>,
}

pub fn one(frame: Frame, input: &Input<'_>) -> OnePage {
    let isms = input.isms;
    let hosts = super::counts::Population::of(input.now.hosts, input.now.at_us).enrolled();
    let certificate = isms.text.certificate.clone();
    OnePage {
        frame,
        name: isms.text.name.clone(),
        path: isms_path(&isms.id),
        may_change: input.may_change,
        refused: input.refused.clone(),
        about: vec![
            Pair::said("Legal entity", isms.text.legal_entity.clone()),
            Pair::said("Certificate", certificate.clone().unwrap_or_else(|| "none".to_owned())),
            Pair::said("Described", When::of(isms.changed_us).text),
        ],
        statement: isms.text.scope_statement.clone(),
        tally: picture::tally(input.now.controls),
        controls_path: scope_path(&format!("isms:{}", isms.id)),
        says: format!(
            "{} in {}",
            plural(hosts, "enrolled host"),
            plural(isms.groups.len(), "group")
        ),
        groups: isms.groups.iter().map(|name| group_line(name, input.groups)).collect(),
        others: input
            .groups
            .iter()
            .map(|group| group.name.clone())
            .filter(|name| !isms.groups.contains(name))
            .collect(),
        applicability: applicability_says(input.versions),
        legal_entity: isms.text.legal_entity.clone(),
        certificate: certificate.unwrap_or_default(),
    }
}

/// A group as tables show it; one that nobody described has only its name.
pub fn group_line(name: &str, groups: &[GroupRow]) -> GroupLine {
    let group = groups.iter().find(|group| group.name == name);
    let word = |word: Option<&String>, none: &str| word.cloned().unwrap_or_else(|| none.to_owned());
    GroupLine {
        name: name.to_owned(),
        path: scope_path(&format!("group:{name}")),
        environment: word(group.and_then(|g| g.environment.as_ref()), "not said"),
        criticality: word(group.and_then(|g| g.criticality.as_ref()), "not said"),
        owner: word(group.and_then(|g| g.owner.as_ref()), "no owner"),
        deputy: word(group.and_then(|g| g.deputy.as_ref()), "none"),
        fallback: word(group.and_then(|g| g.fallback.as_ref()), "none"),
        hosts: group.map(|g| count(g.hosts.unsigned_abs())).unwrap_or_else(|| "0".to_owned()),
    }
}

/// Where the versions of a statement stand.
pub fn applicability_says(versions: &[Version]) -> String {
    let approved = versions.iter().find(|v| v.state == VersionState::Approved);
    let open = versions.first().filter(|v| v.state != VersionState::Approved);
    let approved = match approved.and_then(|v| Some((v.version, v.approved_us?))) {
        Some((number, us)) => format!("Version {number} was approved {}.", When::of(us).text),
        None => "No version was approved yet.".to_owned(),
    };
    match open {
        Some(open) => format!(
            "{approved} Version {} is {}.",
            open.version,
            match open.state {
                VersionState::Submitted => "submitted, and waits for approval",
                _ => "a draft",
            }
        ),
        None => approved,
    }
}

#[derive(Template)]
#[template(path = "groups.html")]
pub struct GroupsPage {
    pub frame: Frame,
    pub says: String,
    pub rows: Vec<GroupLine>,
    pub may_change: bool,
}

/// Every group that was described or has hosts.
pub fn groups(frame: Frame, groups: &[GroupRow], may_change: bool) -> GroupsPage {
    let ownerless = groups.iter().filter(|group| group.owner.is_none()).count();
    GroupsPage {
        frame,
        says: format!("{}, {ownerless} without an owner", plural(groups.len(), "group")),
        rows: groups.iter().map(|group| group_line(&group.name, groups)).collect(),
        may_change,
    }
}
