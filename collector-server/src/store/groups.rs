//! Groups: what is said of them. A host may be in a group that nobody described.

use super::acts::{self, Act};
use super::db::{execute, fetch, read};
use super::log::{Appender, LogState};
use super::model::GroupRow;
use super::{Store, StoreError};
use serde::Serialize;
use serde_json::json;

#[derive(sqlx::FromRow)]
struct Columns {
    name: String,
    environment: Option<String>,
    criticality: Option<String>,
    owner: Option<String>,
    deputy: Option<String>,
    fallback: Option<String>,
    ttl_s: Option<i64>,
    hosts: i64,
}

/// What is said of one group.
#[derive(PartialEq, Eq, Serialize, sqlx::FromRow)]
struct Said {
    environment: Option<String>,
    criticality: Option<String>,
    owner: Option<String>,
    deputy: Option<String>,
    fallback: Option<String>,
    ttl_s: Option<i64>,
}

impl Store {
    /// Every group that was described or has a host in service, by name.
    pub async fn groups(&self) -> Result<Vec<GroupRow>, StoreError> {
        let sql = "SELECT n.name, g.environment, g.criticality, g.owner, g.deputy,
                     g.fallback, g.ttl_s,
                     (SELECT COUNT(*) FROM host h WHERE h.host_group = n.name
                      AND h.state IN ('enrolling', 'active', 'maintenance')) AS hosts
                   FROM (SELECT name FROM host_group UNION SELECT host_group FROM host
                         WHERE state IN ('enrolling', 'active', 'maintenance')) n
                   LEFT JOIN host_group g ON g.name = n.name ORDER BY n.name";
        let rows = read!(&self.db, all, Columns, sql)?;
        let group = |row: Columns| GroupRow {
            name: row.name,
            environment: row.environment,
            criticality: row.criticality,
            owner: row.owner,
            deputy: row.deputy,
            fallback: row.fallback,
            ttl_s: row.ttl_s,
            hosts: row.hosts,
        };
        Ok(rows.into_iter().map(group).collect())
    }

    /// Describes groups, all or none, each a logged act; `hosts` is not read. None if nothing
    /// changes: nothing is written then.
    pub async fn describe_groups(
        &self,
        groups: &[GroupRow],
        actor: &str,
        now_us: i64,
    ) -> Result<Option<LogState>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let mut changed = false;
        for group in groups {
            let sql = "SELECT environment, criticality, owner, deputy, fallback, ttl_s
                       FROM host_group WHERE name = $1";
            let before = fetch!(&mut tx, optional, Said, sql, group.name.clone())?;
            let now = Said {
                environment: group.environment.clone(),
                criticality: group.criticality.clone(),
                owner: group.owner.clone(),
                deputy: group.deputy.clone(),
                fallback: group.fallback.clone(),
                ttl_s: group.ttl_s,
            };
            if before.as_ref() == Some(&now) {
                continue;
            }
            changed = true;
            let sql = "INSERT INTO host_group (name, environment, criticality, owner, deputy,
                       fallback, ttl_s, changed_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                       ON CONFLICT (name) DO UPDATE
                       SET environment = excluded.environment, criticality = excluded.criticality,
                           owner = excluded.owner, deputy = excluded.deputy,
                           fallback = excluded.fallback, ttl_s = excluded.ttl_s,
                           changed_us = excluded.changed_us";
            execute!(
                &mut tx,
                sql,
                group.name.clone(),
                now.environment.clone(),
                now.criticality.clone(),
                now.owner.clone(),
                now.deputy.clone(),
                now.fallback.clone(),
                now.ttl_s,
                now_us
            )?;
            let act = Act {
                at_us: now_us,
                actor: actor.to_owned(),
                act: "group_described".to_owned(),
                detail: json!({
                    "group": group.name, "before": before, "after": now,
                }),
            };
            acts::append(&mut tx, &mut log, &act).await?;
        }
        if !changed {
            return Ok(None);
        }
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(state))
    }
}
