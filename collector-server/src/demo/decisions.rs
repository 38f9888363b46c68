//! What people of the demonstration decide, day by day.

use super::fleet::{DAY_US, Host};
use super::records;
use super::scope::{people, state_applicability};
use super::script::GROUPS;
use super::site::{People, Site};
use crate::approved::Standing;
use crate::exception::{Scope, Wanted};
use crate::finding::{Finding, Grade, Source};
use crate::store::{AlertFilter, Decision, NewReview};
use crate::{inherited, window};
use anyhow::Context;
use std::collections::BTreeSet;

/// Those that are learnt and accepted.
const POPULATIONS: [&str; 3] = ["privileged-people", "root-keys", "listening-ports"];

/// What is decided on a day of the quarter, and what an organisation says once, by the days `since` the
/// demonstration began.
pub(super) async fn of_day(
    site: &Site,
    hosts: &[Host],
    day: i64,
    since: i64,
) -> anyhow::Result<()> {
    let people = people(site).await?;
    if since == 0 {
        state_applicability(site, &people).await?;
    }
    records::of_day(site, &people, since).await?;
    match day {
        2 => accept_what_is_there(site, &people).await?,
        9 => inherit(site, &people).await?,
        10 => except(site, &people, hosts).await?,
        49 => announce(site, &people).await?,
        62 => begin_review(site, &people).await?,
        67 => sign_review(site, &people).await?,
        72 => raise(site, &people).await?,
        86 => ask_for_more(site, &people).await?,
        _ => {}
    }
    if day % 7 == 1 {
        take_on(site, &people, day).await?;
    }
    Ok(())
}

/// What is there is learnt, and accepted in every group but one: there somebody still has to.
async fn accept_what_is_there(site: &Site, people: &People) -> anyhow::Result<()> {
    let (actor, now_us) = (&people["control_owner"], site.now_us());
    for group in GROUPS.iter().map(|group| group.name) {
        for population in POPULATIONS {
            site.store.learn_list(group, population, actor, now_us).await??;
            let members = site.store.list_members(group, population).await?;
            let members: BTreeSet<_> = members.into_iter().map(|member| member.member).collect();
            if group == "office" || members.is_empty() {
                continue;
            }
            let decision = Decision {
                standing: Standing::Accepted,
                members,
                expires_us: None,
                note: "as agreed with the owner of the group".into(),
            };
            site.store.decide_members(group, population, &decision, actor, now_us).await??;
        }
    }
    Ok(())
}

/// The provider of the machines answers for their disks.
async fn inherit(site: &Site, people: &People) -> anyhow::Result<()> {
    let now_us = site.now_us();
    let wanted = inherited::Wanted {
        rules: [("bak-exists".to_owned(), "high".to_owned())].into(),
        group: "search".into(),
        provider: "Storage provider".into(),
        source: "https://provider.example/assurance/backup".into(),
        source_hash: String::new(),
        reason: "Volumes of this group are copied daily by the provider, whose report says so."
            .into(),
        until_us: now_us + 180 * DAY_US,
    };
    let id = site.store.request_inherited(&wanted, &people["operator"], now_us).await?;
    let by = crate::store::Decider::in_person(&people["risk_owner"]);
    site.store.decide_inherited(&id, by, true, "The report was read.", now_us).await??;
    Ok(())
}

async fn except(site: &Site, people: &People, hosts: &[Host]) -> anyhow::Result<()> {
    let now_us = site.now_us();
    let wanted = Wanted {
        rules: [("log-remote".to_owned(), "high".to_owned())].into(),
        scope: Scope::Group("build".into()),
        reason: "The central log cannot take what build hosts write before its next extension."
            .into(),
        measure: "Logs of a build are kept with its artefacts for 90 days.".into(),
        ticket: "CHG-1042".into(),
        risk: "R-17".into(),
        until_us: now_us + 120 * DAY_US,
    };
    let id = site.store.request_exception(&wanted, None, &people["operator"], now_us).await??;
    let text = "Accepted until the extension.";
    site.store.decide_exception(&id, &people["risk_owner"], true, text, now_us).await??;
    // One that was refused.
    let Some(host) = hosts.iter().find(|host| host.group == "mail") else { return Ok(()) };
    let wanted = Wanted {
        rules: [("log-remote".to_owned(), "high".to_owned())].into(),
        scope: Scope::Host(host.id),
        reason: "Mail logs hold addresses.".into(),
        measure: "None.".into(),
        ticket: "CHG-1043".into(),
        risk: "R-18".into(),
        until_us: now_us + 90 * DAY_US,
    };
    let id = site.store.request_exception(&wanted, None, &people["operator"], now_us).await??;
    let text = "The central log is covered by the same rules on privacy.";
    site.store.decide_exception(&id, &people["risk_owner"], false, text, now_us).await??;
    Ok(())
}

/// A migration that needs an account for a week.
async fn announce(site: &Site, people: &People) -> anyhow::Result<()> {
    let now_us = site.now_us();
    let wanted = window::Wanted {
        from_us: now_us,
        to_us: now_us + 9 * DAY_US,
        groups: ["app".to_owned()].into(),
        hosts: BTreeSet::new(),
        rules: BTreeSet::new(),
        kinds: ["accounts".to_owned(), "sudo".to_owned()].into(),
        populations: ["privileged-people".to_owned()].into(),
        ticket: "CHG-1101".into(),
    };
    site.store.create_windows(&[wanted], &people["operator"], now_us).await?;
    Ok(())
}

async fn begin_review(site: &Site, people: &People) -> anyhow::Result<()> {
    let now_us = site.now_us();
    let new = NewReview {
        group: "database".into(),
        leavers: BTreeSet::new(),
        due_us: now_us + 14 * DAY_US,
    };
    site.store.start_review(&new, &people["compliance_lead"], now_us).await??;
    Ok(())
}

async fn sign_review(site: &Site, people: &People) -> anyhow::Result<()> {
    let (actor, now_us) = (&people["compliance_lead"], site.now_us());
    let reviews = site.store.reviews().await?;
    let review = reviews.first().context("a review")?;
    let rows = site.store.review_members(&review.id).await?.iter().map(|row| row.n).collect();
    site.store.decide_review(&review.id, &rows, true, actor, now_us).await??;
    site.store.sign_review(&review.id, actor, now_us).await??;
    Ok(())
}

async fn raise(site: &Site, people: &People) -> anyhow::Result<()> {
    let now_us = site.now_us();
    let finding = Finding {
        title: "Auditing stood still on build hosts for days before anybody asked".into(),
        grade: Grade::Minor,
        source: Source::Audit,
        source_name: "Internal audit of logging".into(),
        about: ["A.8.15".to_owned(), "A.8.16".to_owned()].into(),
        description: "The alert was open for two days without an owner.".into(),
        owner: people["control_owner"].clone(),
        due_us: now_us + 14 * DAY_US,
        correction: String::new(),
        root_cause: String::new(),
        similar_cases: String::new(),
        action: String::new(),
        effectiveness: String::new(),
    };
    site.store.raise_finding(&finding, &people["compliance_lead"], now_us).await?;
    Ok(())
}

/// A request that waits for its decision.
async fn ask_for_more(site: &Site, people: &People) -> anyhow::Result<()> {
    let now_us = site.now_us();
    let wanted = Wanted {
        rules: [("upd-no-security-pending".to_owned(), "high".to_owned())].into(),
        scope: Scope::Group("search".into()),
        reason: "The vendor supports the update from its next release on.".into(),
        measure: "The hosts are reached from the application network alone.".into(),
        ticket: "CHG-1188".into(),
        risk: "R-23".into(),
        until_us: now_us + 30 * DAY_US,
    };
    site.store.request_exception(&wanted, None, &people["operator"], now_us).await??;
    Ok(())
}

/// Somebody looks at what is open, and takes on what is older than three days.
async fn take_on(site: &Site, people: &People, day: i64) -> anyhow::Result<()> {
    let now_us = site.now_us();
    let filter = AlertFilter { state: Some("open".into()), limit: 100, ..AlertFilter::default() };
    for alert in site.store.alerts(&filter).await? {
        if alert.opened_us + 3 * DAY_US < now_us {
            let note = format!("OPS-{}", 2000 + day);
            site.store.acknowledge(&alert.id, &people["operator"], &note, now_us).await??;
        }
    }
    Ok(())
}
