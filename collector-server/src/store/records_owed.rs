//! What records owe by a day: a drift once it is overdue, and before that an alert that says so 30, 7
//! and 1 days ahead, once each.

use super::alerts;
use super::db::{Tx, execute, fetch, read};
use super::overdue::{Owed, settle};
use super::{Store, StoreError};
use crate::alert::{Candidate, Lane};
use crate::clock::DAY_US;
use crate::record::{Owing, Registers, owing};
use evidence::HostId;
use std::collections::BTreeMap;

/// The sort of overdue drifts that records are.
const RECORD: &str = "record";
/// Days ahead that somebody is reminded, and how urgent it is then.
const REMINDERS: [(i64, &str); 3] = [(1, "high"), (7, "medium"), (30, "low")];

impl Store {
    /// Says what is overdue, and reminds of what will be. True if anything changed.
    pub async fn watch_records(
        &self,
        registers: &Registers,
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let isms = self.all_isms().await?.into_iter();
        let isms: Vec<_> = isms.map(|isms| (isms.id, isms.text.name)).collect();
        let all = owing(registers, &isms, &self.records(None).await?, now_us);
        let owed: Vec<_> = all.iter().map(owed).collect();
        let reminders = self.reminders(&all, now_us).await?;
        if reminders.is_empty() && !self.is_unsettled(RECORD, &owed, now_us).await? {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, "UPDATE heartbeat SET at_us = at_us WHERE id = 1")?;
        if !reminders.is_empty() {
            alerts::lock(&mut tx).await?;
            for step in &reminders {
                step.take(&mut tx, now_us).await?;
            }
        }
        settle(&mut tx, RECORD, &owed, now_us).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Reminders to give, and those to end.
    async fn reminders(&self, all: &[Owing], now_us: i64) -> Result<Vec<Step>, StoreError> {
        let sql = "SELECT subject, due_us, days FROM record_reminder";
        let rows = read!(&self.db, all, (String, i64, i64), sql)?;
        let given: BTreeMap<_, _> =
            rows.into_iter().map(|(s, due, days)| (s, (due, days))).collect();
        let mut steps = vec![];
        let mut wanted = BTreeMap::new();
        for owing in all.iter().filter(|owing| owing.due_us > now_us) {
            let left = owing.due_us - now_us;
            let near = REMINDERS.into_iter().find(|(days, _)| left <= days * DAY_US);
            let Some((days, severity)) = near else { continue };
            wanted.insert(owing.subject.clone(), owing.due_us);
            match given.get(&owing.subject) {
                Some((due_us, last)) if *due_us == owing.due_us && *last <= days => {}
                _ => steps.push(Step::Remind { owing: owing.clone(), days, severity }),
            }
        }
        let over = given.keys().filter(|subject| !wanted.contains_key(*subject));
        steps.extend(over.cloned().map(Step::End));
        Ok(steps)
    }
}

fn owed(owing: &Owing) -> Owed {
    Owed {
        subject: owing.subject.clone(),
        says: format!("{} is overdue", owing.says),
        severity: "medium".to_owned(),
        due_us: owing.due_us,
    }
}

/// What is done about a reminder.
enum Step {
    Remind {
        owing: Owing,
        days: i64,
        severity: &'static str,
    },
    /// It is renewed or overdue: that is told by itself.
    End(String),
}

impl Step {
    async fn take(&self, tx: &mut Tx, now_us: i64) -> Result<(), StoreError> {
        match self {
            Self::Remind { owing, days, severity } => {
                remind(tx, owing, (*days, severity), now_us).await
            }
            Self::End(subject) => end(tx, subject, now_us).await,
        }
    }
}

/// An alert of its own for each reminder: each is told by itself, and the nearest stands.
async fn remind(
    tx: &mut Tx,
    owing: &Owing,
    (days, severity): (i64, &str),
    now_us: i64,
) -> Result<(), StoreError> {
    // Another collector may have been here first.
    let sql = "SELECT due_us, days FROM record_reminder WHERE subject = $1";
    let given = fetch!(tx, optional, (i64, i64), sql, owing.subject.clone())?;
    if given.is_some_and(|(due_us, last)| due_us == owing.due_us && last <= days) {
        return Ok(());
    }
    close(tx, &owing.subject, now_us).await?;
    let day = crate::web::page::When::day(owing.due_us - 1).text;
    let candidate = Candidate {
        host: HostId::nil(),
        sort: "overdue".to_owned(),
        cause: "time_passed".to_owned(),
        grouping: RECORD.to_owned(),
        signature: signature(&owing.subject),
        subjects: [owing.subject.clone()].into(),
        severity: severity.to_owned(),
        lane: Lane::Queue,
        says: format!("{} is due by {day}", owing.says),
        drifts: vec![],
    };
    let id = alerts::open(tx, &candidate, now_us).await?;
    alerts::event(tx, &id, "opened", Some(true), true, now_us).await?;
    let sql = "INSERT INTO record_reminder (subject, due_us, days) VALUES ($1, $2, $3)
               ON CONFLICT (subject) DO UPDATE SET due_us = excluded.due_us, days = excluded.days";
    execute!(tx, sql, owing.subject.clone(), owing.due_us, days)?;
    Ok(())
}

fn signature(subject: &str) -> String {
    format!("due record {subject}")
}

async fn close(tx: &mut Tx, subject: &str, now_us: i64) -> Result<(), StoreError> {
    let sql = "SELECT id FROM alert WHERE signature = $1 AND state <> 'resolved'";
    for (id,) in fetch!(tx, all, (String,), sql, signature(subject))? {
        alerts::close(tx, &id, true, now_us).await?;
    }
    Ok(())
}

async fn end(tx: &mut Tx, subject: &str, now_us: i64) -> Result<(), StoreError> {
    close(tx, subject, now_us).await?;
    execute!(tx, "DELETE FROM record_reminder WHERE subject = $1", subject.to_owned())?;
    Ok(())
}
