//! The outbox: steps of alerts that are to be told, and what became of telling them. Every verb
//! can be repeated after a crash; a message keeps its id, so that whoever hears it twice can tell.

use super::db::{Db, execute, fetch, read};
use super::{Store, StoreError};

/// Messages that are taken at once.
const AT_ONCE: i64 = 50;

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

/// A message for one channel, taken to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Due {
    pub event: String,
    pub channel: String,
    pub body: String,
    pub created_us: i64,
    /// Attempts before this one.
    pub attempts: i64,
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub at_us: i64,
    /// Of HTTP; none without an answer.
    pub status: Option<u16>,
    pub error: Option<String>,
    /// `waiting`, `delivered`, `given_up`.
    pub state: &'static str,
    /// When it is tried next.
    pub next_us: i64,
}

/// Which deliveries. Newest first.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub alert: Option<String>,
    /// `waiting`, `delivered`, `given_up`.
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

    /// Makes a step's messages, `(channel, body)`, and notes that it is told. False if another
    /// collector was quicker, or the alert became part of another meanwhile: none is made then.
    pub async fn tell(
        &self,
        untold: &Untold,
        messages: &[(String, String)],
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE alert_event SET told = $2 WHERE id = $1 AND NOT told";
        if execute!(&mut tx, sql, untold.event.clone(), true)? == 0 {
            return Ok(false);
        }
        for (channel, body) in messages {
            let sql = "INSERT INTO delivery (event, channel, alert, body, state, created_us,
                       attempts, next_us) VALUES ($1, $2, $3, $4, 'waiting', $5, 0, $5)
                       ON CONFLICT DO NOTHING";
            let (event, alert) = (untold.event.clone(), untold.alert.clone());
            execute!(
                &mut tx,
                sql,
                event.clone(),
                channel.clone(),
                alert.clone(),
                body.clone(),
                now_us
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
                 RETURNING event, channel, body, created_us, attempts"
            }
            Db::Postgres(_) => {
                "UPDATE delivery SET next_us = $2 WHERE (event, channel) IN
                 (SELECT event, channel FROM delivery WHERE state = 'waiting' AND next_us <= $1
                  ORDER BY created_us, event LIMIT $3 FOR UPDATE SKIP LOCKED)
                 RETURNING event, channel, body, created_us, attempts"
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
        let sql = "UPDATE delivery SET next_us = $1 WHERE state = 'waiting' AND next_us > $1";
        execute!(&mut tx, sql, now_us)?;
        tx.commit().await
    }

    /// Keeps how an attempt ended.
    pub async fn attempted(&self, due: &Due, attempt: &Attempt) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql =
            "UPDATE delivery SET state = $3, attempts = attempts + 1, next_us = $4, done_us = $5
                   WHERE event = $1 AND channel = $2 AND state = 'waiting'";
        let done = (attempt.state != "waiting").then_some(attempt.at_us);
        let (event, channel) = (due.event.clone(), due.channel.clone());
        execute!(
            &mut tx,
            sql,
            event.clone(),
            channel.clone(),
            attempt.state,
            attempt.next_us,
            done
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
