//! What people of the demonstration record (`records.toml`), checked as what a form sends.

use super::fleet::DAY_US;
use super::site::{People, Site};
use crate::catalogue::Catalogue;
use crate::record::{Approver, Register, Says};
use crate::store::RecordKey;
use anyhow::{Context, anyhow};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;

const RECORDS: &str = include_str!("records.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    record: Vec<Recorded>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    register: String,
    title: String,
    owner: String,
    day: i64,
    days: Option<i64>,
    #[serde(default)]
    waits: bool,
    /// `@6` is the sixth day of the demonstration.
    fields: BTreeMap<String, String>,
}

impl Recorded {
    fn says(&self, begin_us: i64) -> anyhow::Result<Says> {
        let day = |days: i64| {
            let time = Timestamp::from_microsecond(begin_us + days * DAY_US)?;
            Ok::<_, anyhow::Error>(time.to_zoned(TimeZone::UTC).date().to_string())
        };
        let word = |(id, word): (&String, &String)| {
            let days = word.strip_prefix('@').map(str::parse).transpose()?;
            Ok((id.clone(), days.map_or_else(|| Ok(word.clone()), day)?))
        };
        Ok(Says {
            title: self.title.clone(),
            owner: self.owner.clone(),
            effective: day(self.day)?,
            valid_until: self.days.map_or(Ok(String::new()), |days| day(self.day + days))?,
            fields: self.fields.iter().map(word).collect::<anyhow::Result<_>>()?,
            ..Says::default()
        })
    }
}

/// Records what is recorded on this day since the demonstration began, and has it approved.
pub(super) async fn of_day(site: &Site, people: &People, day: i64) -> anyhow::Result<()> {
    let file: File = toml::from_str(RECORDS).context("the records of the demonstration")?;
    let begin_us = site.now_us() - day * DAY_US;
    let catalogue = Catalogue::builtin()?;
    for recorded in file.record.iter().filter(|recorded| recorded.day == day) {
        let register = site.registers.get(&recorded.register).context("a register")?;
        let says = recorded.says(begin_us)?.tidy(register);
        says.check(register, |id| catalogue.get(id).is_some())
            .map_err(|wrong| anyhow!("{}: {wrong}", recorded.title))?;
        for isms in site.store.all_isms().await? {
            record(site, people, (&isms.id, register), (&says, recorded.waits)).await?;
        }
    }
    Ok(())
}

async fn record(
    site: &Site,
    people: &People,
    (isms, register): (&str, &Register),
    (says, waits): (&Says, bool),
) -> anyhow::Result<()> {
    let (author, now_us) = (&people["control_owner"], site.now_us());
    let of = (isms, register.id.as_str());
    let made = site.store.make_record(of, (says, None), register.approval, author, now_us).await?;
    let id = made?;
    if waits || !register.approval {
        return Ok(());
    }
    let approver = match register.approver {
        Approver::Lead => &people["compliance_lead"],
        Approver::RiskOwner => &people["risk_owner"],
    };
    let key = RecordKey { isms, register: &register.id, id: &id };
    let by = (approver.as_str(), approver.as_str());
    site.store.decide_record(key, 1, (true, ""), by, now_us).await??;
    Ok(())
}
