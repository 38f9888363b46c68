//! Change windows are kept, and drifts that open in one say so.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::log::Appender;
use super::{Store, StoreError};
use crate::window::{Wanted, goes_with_its_kind};
use serde_json::json;
use std::collections::BTreeMap;

/// SQL: whether the drift `d` lies in a window that still holds. `$now` is the parameter of the time.
macro_rules! excused {
    ($now:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM change_window cw WHERE cw.id = d.window_id
                     AND cw.cancelled_us IS NULL AND cw.to_us > ",
            $now,
            ")"
        )
    };
}
pub(super) use excused;

/// A window as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRow {
    pub id: String,
    pub from_us: i64,
    pub to_us: i64,
    pub ticket: String,
    pub created_by: String,
    pub created_us: i64,
    pub cancelled_us: Option<i64>,
    /// Names by sort: `group`, `host`; `rule`, `kind`, `population`.
    pub names: BTreeMap<String, Vec<String>>,
    /// Drifts that opened in it, and how many of them are open.
    pub drifts: i64,
    pub open: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowRefusal {
    #[error("there is no such window")]
    Unknown,
    #[error("it is over, or cancelled already")]
    Over,
}

#[derive(sqlx::FromRow)]
struct Columns {
    id: String,
    from_us: i64,
    to_us: i64,
    ticket: String,
    created_by: String,
    created_us: i64,
    cancelled_us: Option<i64>,
    drifts: i64,
    open: i64,
}

impl Store {
    /// Keeps windows, all or none, each a logged act; gives their ids.
    pub async fn create_windows(
        &self,
        windows: &[Wanted],
        actor: &str,
        now_us: i64,
    ) -> Result<Vec<String>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let mut ids = vec![];
        for window in windows {
            let id = ulid::Ulid::generate().to_string();
            insert(&mut tx, &id, window, (actor, now_us)).await?;
            let act = Act {
                at_us: now_us,
                actor: actor.to_owned(),
                act: "window_created".to_owned(),
                detail: json!({
                    "window": id, "from_us": window.from_us, "to_us": window.to_us,
                    "groups": window.groups, "hosts": window.hosts, "rules": window.rules,
                    "kinds": window.kinds, "populations": window.populations,
                    "ticket": window.ticket,
                }),
            };
            acts::append(&mut tx, &mut log, &act).await?;
            ids.push(id);
        }
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(ids)
    }

    /// Cancels a window: it excuses nothing any more, and what is open in it is alerted.
    pub async fn cancel_window(
        &self,
        id: &str,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<(), WindowRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT to_us, cancelled_us FROM change_window WHERE id = $1";
        let row = fetch!(&mut tx, optional, (i64, Option<i64>), sql, id.to_owned())?;
        let Some((to_us, cancelled_us)) = row else { return Ok(Err(WindowRefusal::Unknown)) };
        if to_us <= now_us || cancelled_us.is_some() {
            return Ok(Err(WindowRefusal::Over));
        }
        let sql = "UPDATE change_window SET cancelled_us = $2 WHERE id = $1";
        execute!(&mut tx, sql, id.to_owned(), now_us)?;
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: "window_cancelled".to_owned(),
            detail: json!({"window": id}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Windows, the latest first.
    pub async fn windows(&self, limit: i64) -> Result<Vec<WindowRow>, StoreError> {
        let sql = "SELECT w.id, w.from_us, w.to_us, w.ticket, w.created_by, w.created_us,
                     w.cancelled_us,
                     (SELECT COUNT(*) FROM drift d WHERE d.window_id = w.id) AS drifts,
                     (SELECT COUNT(*) FROM drift d
                      WHERE d.window_id = w.id AND d.resolved_us IS NULL) AS open
                   FROM change_window w ORDER BY w.from_us DESC, w.id DESC LIMIT $1";
        let rows = read!(&self.db, all, Columns, sql, limit)?;
        let mut windows = vec![];
        for row in rows {
            let sql = "SELECT sort, name FROM window_name WHERE window_id = $1 ORDER BY name";
            let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (sort, name) in read!(&self.db, all, (String, String), sql, row.id.clone())? {
                names.entry(sort).or_default().push(name);
            }
            windows.push(WindowRow {
                id: row.id,
                from_us: row.from_us,
                to_us: row.to_us,
                ticket: row.ticket,
                created_by: row.created_by,
                created_us: row.created_us,
                cancelled_us: row.cancelled_us,
                names,
                drifts: row.drifts,
                open: row.open,
            });
        }
        Ok(windows)
    }

    /// What drifts are about, and the windows they opened in, of those opened between two moments:
    /// by drift.
    pub async fn drift_subjects(
        &self,
        from_us: i64,
        to_us: i64,
    ) -> Result<BTreeMap<String, (String, Option<String>)>, StoreError> {
        let sql = "SELECT id, subject, window_id FROM drift WHERE opened_us BETWEEN $1 AND $2";
        type Row = (String, String, Option<String>);
        let rows = read!(&self.db, all, Row, sql, from_us, to_us)?;
        Ok(rows.into_iter().map(|(id, subject, window)| (id, (subject, window))).collect())
    }

    /// The window that a drift opened in: its id, end and ticket.
    pub async fn window_of(
        &self,
        drift: &str,
    ) -> Result<Option<(String, i64, String)>, StoreError> {
        let sql = "SELECT w.id, w.to_us, w.ticket FROM change_window w
                   JOIN drift d ON d.window_id = w.id WHERE d.id = $1";
        Ok(read!(&self.db, optional, (String, i64, String), sql, drift.to_owned())?)
    }
}

async fn insert(
    tx: &mut Tx,
    id: &str,
    window: &Wanted,
    (actor, now_us): (&str, i64),
) -> Result<(), StoreError> {
    let sql = "INSERT INTO change_window (id, from_us, to_us, ticket, created_by, created_us)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let (from_us, to_us) = (window.from_us, window.to_us);
    let ticket = window.ticket.trim().to_owned();
    execute!(tx, sql, id.to_owned(), from_us, to_us, ticket.clone(), actor.to_owned(), now_us)?;
    let hosts = window.hosts.iter().map(ToString::to_string).collect();
    let names = [
        ("group", &window.groups),
        ("host", &hosts),
        ("rule", &window.rules),
        ("kind", &window.kinds),
        ("population", &window.populations),
    ];
    for (sort, names) in names {
        for name in names {
            let sql = "INSERT INTO window_name (window_id, sort, name) VALUES ($1, $2, $3)";
            execute!(tx, sql, id.to_owned(), sort, name.clone())?;
        }
    }
    Ok(())
}

/// The window that expects this drift, if one does: the one that ends last.
pub(super) async fn window_for(
    tx: &mut Tx,
    (drift, subject, grouping): (&str, &str, &str),
    host: &str,
    opened_us: i64,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT w.id FROM change_window w
               WHERE w.cancelled_us IS NULL AND w.from_us <= $1 AND w.to_us > $1
                 AND EXISTS (SELECT 1 FROM window_name s JOIN host h ON h.id = $2
                             WHERE s.window_id = w.id
                               AND ((s.sort = 'group' AND s.name = h.host_group)
                                 OR (s.sort = 'host' AND s.name = h.id)))
                 AND EXISTS (SELECT 1 FROM window_name x WHERE x.window_id = w.id
                   AND ((x.sort = 'rule' AND $3 = 'regression' AND x.name = $4)
                     OR (x.sort = 'kind' AND $6 = 1 AND $3 IN ('regression', 'evidence_lost')
                         AND x.name = $5)
                     OR (x.sort = 'population' AND $3 = 'change' AND x.name = $5)))
               ORDER BY w.to_us DESC, w.id LIMIT 1";
    let row = fetch!(
        tx,
        optional,
        (String,),
        sql,
        opened_us,
        host.to_owned(),
        drift.to_owned(),
        subject.to_owned(),
        grouping.to_owned(),
        i64::from(goes_with_its_kind(subject))
    )?;
    Ok(row.map(|(id,)| id))
}
