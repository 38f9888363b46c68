//! What the demonstration says of the organisation: people, management systems, groups, expected
//! hosts, Statements of Applicability.

use super::fleet::Host;
use super::script::GROUPS;
use super::site::{ACTOR, People, Site};
use crate::applicability::{Entry, Ground, Implementation};
use crate::catalogue::Catalogue;
use crate::expected::Expected;
use crate::store::model::GroupRow;
use crate::store::{IsmsText, Membership, Person};
use anyhow::Context;
use evidence::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// Seat, and what its holder is called.
const PEOPLE: [(&str, &str); 5] = [
    ("compliance_lead", "Compliance lead"),
    ("control_owner", "Control owner"),
    ("risk_owner", "Risk owner"),
    ("operator", "Operator"),
    ("viewer", "Management"),
];

/// Name, legal entity and scope of a management system.
const ISMS: [(&str, &str, &str); 2] = [
    (
        "Hosting",
        "Example Hosting Ltd",
        "Operation of the hosting platform: web, application, database, proxy and search services.",
    ),
    (
        "Internal IT",
        "Example organisation",
        "Internal services and workplaces: mail, build and office systems.",
    ),
];

/// Controls that neither management system applies, and why.
const NOT_APPLICABLE: [(&str, &str); 2] = [
    ("A.7.6", "There are no secure areas: all equipment stands in the provider's data centre."),
    ("A.8.30", "No development is outsourced."),
];

/// Everything that is said before the first host reports.
pub(super) async fn describe(site: &Site, hosts: &[Host]) -> anyhow::Result<()> {
    let now_us = site.now_us();
    for (seat, name) in PEOPLE {
        site.store.create_person(&Person::new(name, seat)?, ACTOR, now_us).await?;
    }
    let groups: Vec<_> = GROUPS
        .iter()
        .map(|group| GroupRow {
            name: group.name.into(),
            environment: Some(
                if group.name == "build" { "development" } else { "production" }.into(),
            ),
            criticality: Some(group.criticality.into()),
            owner: Some(group.owner.into()),
            deputy: Some(group.deputy.into()),
            fallback: Some("Compliance".into()),
            ..GroupRow::default()
        })
        .collect();
    site.store.describe_groups(&groups, ACTOR, now_us).await?;
    for (name, legal_entity, scope_statement) in ISMS {
        let text = IsmsText {
            name: name.into(),
            legal_entity: legal_entity.into(),
            scope_statement: scope_statement.into(),
            certificate: None,
        };
        let isms = site.store.create_isms(&text, ACTOR, now_us).await??;
        for group in GROUPS.iter().filter(|group| group.isms == name) {
            let (group, belongs, from_us) = (group.name.to_owned(), true, now_us);
            let said = Membership { isms: isms.clone(), group, belongs, from_us, reason: None };
            site.store.scope_isms(&said, ACTOR, now_us).await??;
        }
    }
    expect(site, hosts).await
}

/// All hosts, and one that never comes.
async fn expect(site: &Site, hosts: &[Host]) -> anyhow::Result<()> {
    let owner =
        |group: &str| GROUPS.iter().find(|of| of.name == group).map(|group| group.owner.to_owned());
    let entry = |name: String, group: &str| Expected {
        key: name.clone(),
        name,
        group: group.to_owned(),
        owner: owner(group),
        tags: BTreeMap::new(),
    };
    let mut entries: Vec<_> = hosts.iter().map(|host| entry(host.name(), host.group)).collect();
    entries.push(entry("database-99.example.org".into(), "database"));
    let file = Digest::of(serde_json::to_string(&entries)?.as_bytes());
    site.store.expect_hosts(&entries, file, ACTOR, site.now_us()).await?;
    Ok(())
}

/// The person of each seat.
pub(super) async fn people(site: &Site) -> anyhow::Result<People> {
    let rows = site.store.people().await?;
    let of = |(seat, _): &(&'static str, &str)| {
        let person = rows.iter().find(|person| person.seat == *seat);
        Ok((*seat, person.with_context(|| format!("nobody is a {seat}"))?.id.clone()))
    };
    PEOPLE.iter().map(of).collect()
}

/// Writes a Statement of Applicability for each management system, and has it approved by another.
pub(super) async fn state_applicability(site: &Site, people: &People) -> anyhow::Result<()> {
    let (author, approver, now_us) =
        (&people["control_owner"], &people["compliance_lead"], site.now_us());
    let catalogue = Catalogue::builtin()?;
    let entries: Vec<_> = catalogue.controls().iter().map(|control| entry(&control.id)).collect();
    let controls: Vec<_> = catalogue.controls().iter().map(|control| control.id.as_str()).collect();
    for isms in site.store.all_isms().await? {
        let id = isms.id.as_str();
        site.store.write_applicability(id, &entries, None, author, now_us).await??;
        let version = site.store.submit_applicability(id, &controls, author, now_us).await??;
        site.store.approve_applicability(id, (version, now_us), approver, now_us).await??;
    }
    Ok(())
}

fn entry(control: &str) -> Entry {
    let no = NOT_APPLICABLE.iter().find(|(of, _)| *of == control);
    let technical = control.starts_with("A.8.");
    Entry {
        control: control.to_owned(),
        applicable: Some(no.is_none()),
        grounds: match no {
            Some(_) => BTreeSet::new(),
            None if technical => [Ground::Risk].into(),
            None => [Ground::Risk, Ground::Business].into(),
        },
        justification: no.map_or("", |(_, why)| why).to_owned(),
        implementation: no.is_none().then_some(Implementation::Implemented),
        owner: if technical { "Operations" } else { "Compliance" }.to_owned(),
        references: vec![],
    }
}
