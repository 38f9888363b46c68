//! The outbox: steps of alerts that are to be told, and what became of telling them. Every verb
//! can be repeated after a crash; a message keeps its id, so that whoever hears it twice can tell.

use super::db::{Db, execute, fetch, read};
use super::{Store, StoreError};
use std::collections::BTreeSet;

/// Messages that are taken at once.
const AT_ONCE: i64 = 50;
/// Hosts of an alert that are named.
const NAMED: i64 = 50;

/// A step in an alert's life that waits to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// Its id, and that of every message that tells it.
    pub event: String,
    pub alert: String,
    /// `opened`, `resolved` …
    pub what: String,
    pub lane: String,
    pub at_us: i64,
}

/// A message for one channel, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    pub channel: String,
    pub body: String,
    /// It is not told earlier.
    pub not_before_us: i64,
}

/// A message for one channel, taken to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Due {
    pub event: String,
    pub channel: String,
    pub alert: String,
    pub body: String,
    pub created_us: i64,
    /// When it could first be told.
    pub not_before_us: i64,
    /// Attempts before this one.
    pub attempts: i64,
    /// What the channel's receiver calls what it made of this alert ([`Store::reference`]).
    #[sqlx(default)]
    pub reference: Option<String>,
}

/// What a channel was told of an alert, and where the alert stands.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// `open`, `acknowledged`, `resolved`.
    pub state: String,
    /// Whether this channel was told of it before.
    pub told: bool,
}

/// Where an alert is: hosts by name, their groups, and the teams that own these; each in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertPlaces {
    /// The first [`NAMED`].
    pub hosts: Vec<String>,
    pub groups: Vec<String>,
    pub owners: Vec<String>,
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub at_us: i64,
    /// Of HTTP; none without an answer.
    pub status: Option<u16>,
    pub error: Option<String>,
    /// `waiting`, `delivered`, `given_up`, `not_needed`.
    pub state: &'static str,
    /// When it is tried next.
    pub next_us: i64,
    /// What the receiver calls what it made of it.
    pub reference: Option<String>,
}

/// Which deliveries. Newest first.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub alert: Option<String>,
    /// `waiting`, `delivered`, `given_up`, `not_needed`.
    pub state: Option<String>,
    pub channel: Option<String>,
    /// Those after this one: when it was made, event, channel.
    pub after: Option<(i64, String, String)>,
    pub limit: i64,
}

/// A message and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    pub event: String,
    pub channel: String,
    pub alert: String,
    pub what: String,
    pub state: String,
    pub created_us: i64,
    pub next_us: i64,
    pub done_us: Option<i64>,
    /// When, status, error; the first one first.
    pub attempts: Vec<(i64, Option<i64>, Option<String>)>,
}

impl Store {
    /// Steps that wait to be told, oldest first.
    pub async fn untold(&self) -> Result<Vec<Untold>, StoreError> {
        let sql = "SELECT e.id, e.alert, e.event, a.lane, e.at_us FROM alert_event e
                   JOIN alert a ON a.id = e.alert WHERE NOT e.told ORDER BY e.at_us, e.alert, e.n
                   LIMIT $1";
        let rows = read!(&self.db, all, (String, String, String, String, i64), sql, AT_ONCE * 4)?;
        let untold = |(event, alert, what, lane, at_us)| Untold { event, alert, what, lane, at_us };
        Ok(rows.into_iter().map(untold).collect())
    }

    /// Makes a step's messages, and notes that it is told. False if another
    /// collector was quicker, or the alert became part of another meanwhile: none is made then.
    pub async fn tell(
        &self,
        untold: &Untold,
        messages: &[NewMessage],
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE alert_event SET told = $2 WHERE id = $1 AND NOT told";
        if execute!(&mut tx, sql, untold.event.clone(), true)? == 0 {
            return Ok(false);
        }
        for NewMessage { channel, body, not_before_us } in messages {
            let sql = "INSERT INTO delivery (event, channel, alert, body, state, created_us,
                       attempts, next_us, not_before_us)
                       VALUES ($1, $2, $3, $4, 'waiting', $5, 0, $6, $6) ON CONFLICT DO NOTHING";
            let (event, alert) = (untold.event.clone(), untold.alert.clone());
            let (channel, body) = (channel.clone(), body.clone());
            let next_us = now_us.max(*not_before_us);
            execute!(
                &mut tx,
                sql,
                event.clone(),
                channel.clone(),
                alert.clone(),
                body.clone(),
                now_us,
                next_us
            )?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Takes messages that are due; nobody else takes them before `until_us`. Oldest first.
    pub async fn take_due(&self, now_us: i64, until_us: i64) -> Result<Vec<Due>, StoreError> {
        let sql = match &self.db {
            Db::Sqlite { .. } => {
                "UPDATE delivery SET next_us = $2 WHERE (event, channel) IN
                 (SELECT event, channel FROM delivery WHERE state = 'waiting' AND next_us <= $1
                  ORDER BY created_us, event LIMIT $3)
                 RETURNING event, channel, alert, body, created_us, not_before_us, attempts"
            }
            Db::Postgres(_) => {
                "UPDATE delivery SET next_us = $2 WHERE (event, channel) IN
                 (SELECT event, channel FROM delivery WHERE state = 'waiting' AND next_us <= $1
                  ORDER BY created_us, event LIMIT $3 FOR UPDATE SKIP LOCKED)
                 RETURNING event, channel, alert, body, created_us, not_before_us, attempts"
            }
        };
        let mut tx = self.db.begin().await?;
        let mut due = fetch!(&mut tx, all, Due, sql, now_us, until_us, AT_ONCE)?;
        tx.commit().await?;
        due.sort_by(|a, b| (a.created_us, &a.event).cmp(&(b.created_us, &b.event)));
        Ok(due)
    }

    /// Gives back at once what a collector that is no more had taken. Only where there can be no
    /// other collector: elsewhere what was taken comes back by itself.
    pub async fn release_taken(&self, now_us: i64) -> Result<(), StoreError> {
        if matches!(self.db, Db::Postgres(_)) {
            return Ok(());
        }
        // One that was cut off cannot be told from one that waits for its next attempt; a restart
        // is a good moment to try both.
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE delivery SET next_us = CASE WHEN not_before_us > $1 THEN not_before_us
                   ELSE $1 END WHERE state = 'waiting' AND next_us > $1";
        execute!(&mut tx, sql, now_us)?;
        tx.commit().await
    }

    /// Keeps how an attempt ended.
    pub async fn attempted(&self, due: &Due, attempt: &Attempt) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql =
            "UPDATE delivery SET state = $3, attempts = attempts + 1, next_us = $4, done_us = $5,
                   reference = $6 WHERE event = $1 AND channel = $2 AND state = 'waiting'";
        let done = (attempt.state != "waiting").then_some(attempt.at_us);
        let (event, channel) = (due.event.clone(), due.channel.clone());
        execute!(
            &mut tx,
            sql,
            event.clone(),
            channel.clone(),
            attempt.state,
            attempt.next_us,
            done,
            attempt.reference.clone()
        )?;
        let sql = "INSERT INTO delivery_attempt (event, channel, n, at_us, status, error)
                   SELECT $1, $2, COALESCE(MAX(n), 0) + 1, $3, $4, $5
                   FROM delivery_attempt WHERE event = $1 AND channel = $2";
        let status = attempt.status.map(i64::from);
        let error = attempt.error.clone();
        execute!(
            &mut tx,
            sql,
            event.clone(),
            channel.clone(),
            attempt.at_us,
            status,
            error.clone()
        )?;
        tx.commit().await
    }

    /// What the receiver of a channel called what it made last of an alert: a ticket.
    pub async fn reference(
        &self,
        alert: &str,
        channel: &str,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT reference FROM delivery WHERE alert = $1 AND channel = $2
                   AND reference IS NOT NULL ORDER BY created_us DESC, event DESC LIMIT 1";
        let (alert, channel) = (alert.to_owned(), channel.to_owned());
        let row = read!(&self.db, optional, (String,), sql, alert.clone(), channel.clone())?;
        Ok(row.map(|(reference,)| reference))
    }

    /// Where an alert stands, and whether a channel was told of it.
    pub async fn standing(&self, alert: &str, channel: &str) -> Result<Standing, StoreError> {
        let sql = "SELECT a.state, EXISTS (SELECT 1 FROM delivery d WHERE d.alert = a.id
                   AND d.channel = $2 AND d.state = 'delivered') AS told
                   FROM alert a WHERE a.id = $1";
        let (alert, channel) = (alert.to_owned(), channel.to_owned());
        Ok(read!(&self.db, one, Standing, sql, alert.clone(), channel.clone())?)
    }

    /// Where an alert is.
    pub async fn alert_places(&self, alert: &str) -> Result<AlertPlaces, StoreError> {
        let sql = "SELECT h.name FROM alert_host x JOIN host h ON h.id = x.host
                   WHERE x.alert = $1 ORDER BY h.name LIMIT $2";
        let hosts = read!(&self.db, all, (String,), sql, alert.to_owned(), NAMED)?;
        let sql = "SELECT DISTINCT h.host_group, g.owner FROM alert_host x
                   JOIN host h ON h.id = x.host LEFT JOIN host_group g ON g.name = h.host_group
                   WHERE x.alert = $1 ORDER BY h.host_group";
        let groups = read!(&self.db, all, (String, Option<String>), sql, alert.to_owned())?;
        let owners: BTreeSet<_> = groups.iter().filter_map(|(_, owner)| owner.clone()).collect();
        Ok(AlertPlaces {
            hosts: hosts.into_iter().map(|(name,)| name).collect(),
            groups: groups.into_iter().map(|(group, _)| group).collect(),
            owners: owners.into_iter().collect(),
        })
    }

    /// Deliveries with their attempts, newest first.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        type Row = (String, String, String, String, String, i64, i64, Option<i64>);
        let sql = "SELECT d.event, d.channel, d.alert, e.event, d.state, d.created_us, d.next_us,
                   d.done_us FROM delivery d JOIN alert_event e ON e.id = d.event
                   WHERE ($1 = '' OR d.alert = $1) AND ($2 = '' OR d.state = $2)
                     AND ($3 = '' OR d.channel = $3)
                     AND (d.created_us < $4 OR (d.created_us = $4
                          AND (d.event < $5 OR (d.event = $5 AND d.channel < $6))))
                   ORDER BY d.created_us DESC, d.event DESC, d.channel DESC LIMIT $7";
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let after = filter.after.clone();
        let (at, event, channel) = after.unwrap_or((i64::MAX, String::new(), String::new()));
        let (alert, state, only) =
            (text(&filter.alert), text(&filter.state), text(&filter.channel));
        let rows = read!(
            &self.db,
            all,
            Row,
            sql,
            alert.clone(),
            state.clone(),
            only.clone(),
            at,
            event.clone(),
            channel.clone(),
            filter.limit
        )?;
        let mut found = Vec::with_capacity(rows.len());
        for (event, channel, alert, what, state, created_us, next_us, done_us) in rows {
            let sql = "SELECT at_us, status, error FROM delivery_attempt
                       WHERE event = $1 AND channel = $2 ORDER BY n";
            type Tried = (i64, Option<i64>, Option<String>);
            let attempts = read!(&self.db, all, Tried, sql, event.clone(), channel.clone())?;
            found.push(DeliveryRow {
                event,
                channel,
                alert,
                what,
                state,
                created_us,
                next_us,
                done_us,
                attempts,
            });
        }
        Ok(found)
    }
}
