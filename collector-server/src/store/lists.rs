//! Approved lists: learnt, decided member by member, and what a change of them does to hosts. Each
//! step of a person is an act in the log.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::log::Appender;
use super::members::list_of;
use super::{Store, StoreError};
use crate::approved::{List, Standing};
use crate::population;
use evidence::HostId;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The list of a population for a group, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    pub group: String,
    pub population: String,
    /// None: nobody learnt it yet.
    pub learnt_us: Option<i64>,
    /// Members that hosts of the group show.
    pub present: i64,
    pub accepted: i64,
    pub proposed: i64,
    /// Present, and neither accepted nor proposed.
    pub deviating: i64,
}

/// A member of a list, or one that only hosts show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    pub member: String,
    /// None: it is on no list.
    pub standing: Option<Standing>,
    /// Hosts in service that show it.
    pub hosts: i64,
    /// Since when the first of them does.
    pub since_us: Option<i64>,
    pub decided_by: Option<String>,
    pub decided_us: Option<i64>,
    pub expires_us: Option<i64>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListRefusal {
    #[error("there is no such population")]
    UnknownPopulation,
    #[error("no host in service is in this group")]
    UnknownGroup,
    #[error("this list was learnt already; decide on its members one by one")]
    Learnt,
    #[error("nobody learnt this list yet")]
    NotLearnt,
    #[error("no member is named")]
    NoMembers,
    #[error("a member is neither on the list nor on a host of the group")]
    UnknownMember,
}

/// A group, and how often its lists were changed.
pub type ListVersion = (String, i64);

/// What a person says of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub standing: Standing,
    pub members: BTreeSet<String>,
    /// Only of members that are accepted.
    pub expires_us: Option<i64>,
    pub note: String,
}

impl Store {
    /// Proposes what hosts of the group show now as its list.
    pub async fn learn_list(
        &self,
        group: &str,
        population: &str,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<i64, ListRefusal>, StoreError> {
        if population::find(population).is_none() {
            return Ok(Err(ListRefusal::UnknownPopulation));
        }
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        if hosts_of(&mut tx, group).await?.is_empty() {
            return Ok(Err(ListRefusal::UnknownGroup));
        }
        if list_of(&mut tx, group, population).await?.is_some() {
            return Ok(Err(ListRefusal::Learnt));
        }
        let members = present(&mut tx, group, population).await?;
        let sql = "INSERT INTO approved_list (host_group, population, learnt_us, learnt_by)
                   VALUES ($1, $2, $3, $4)";
        let (to, of) = (group.to_owned(), population.to_owned());
        execute!(&mut tx, sql, to.clone(), of.clone(), now_us, actor.to_owned())?;
        for member in &members {
            let sql = "INSERT INTO approved_member (host_group, population, member, state)
                       VALUES ($1, $2, $3, 'proposed')";
            execute!(&mut tx, sql, to.clone(), of.clone(), member.clone())?;
        }
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: "list_learnt".to_owned(),
            detail: json!({"group": group, "population": population, "proposed": members}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        list_changed(&mut tx, group, now_us).await?;
        tx.commit().await?;
        Ok(Ok(members.len() as i64))
    }

    /// Accepts, refuses or removes members of a list that was learnt. Its hosts are judged by it
    /// again.
    pub async fn decide_members(
        &self,
        group: &str,
        population: &str,
        decision: &Decision,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<(), ListRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let Some(list) = list_of(&mut tx, group, population).await? else {
            return Ok(Err(ListRefusal::NotLearnt));
        };
        if decision.members.is_empty() {
            return Ok(Err(ListRefusal::NoMembers));
        }
        let present = present(&mut tx, group, population).await?;
        let known = |member: &String| list.members.contains_key(member) || present.contains(member);
        if !decision.members.iter().all(known) {
            return Ok(Err(ListRefusal::UnknownMember));
        }
        for member in &decision.members {
            let sql = "INSERT INTO approved_member (host_group, population, member, state,
                         decided_by, decided_us, expires_us, note)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                       ON CONFLICT (host_group, population, member) DO UPDATE
                       SET state = excluded.state, decided_by = excluded.decided_by,
                           decided_us = excluded.decided_us, expires_us = excluded.expires_us,
                           note = excluded.note";
            let accepted = decision.standing == Standing::Accepted;
            execute!(
                &mut tx,
                sql,
                group.to_owned(),
                population.to_owned(),
                member.clone(),
                decision.standing.as_str(),
                actor.to_owned(),
                now_us,
                decision.expires_us.filter(|_| accepted),
                decision.note.clone()
            )?;
        }
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: format!("list_members_{}", decision.standing.as_str()),
            detail: json!({
                "group": group, "population": population, "members": decision.members,
                "expires_us": decision.expires_us, "note": decision.note,
            }),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        list_changed(&mut tx, group, now_us).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Ends what was accepted for a time that is over. True if there was anything.
    pub async fn watch_lists(&self, now_us: i64) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) FROM approved_member
                   WHERE state = 'accepted' AND expires_us IS NOT NULL AND expires_us <= $1";
        if read!(&self.db, one, (i64,), sql, now_us)?.0 == 0 {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "UPDATE approved_member SET state = 'expired'
                   WHERE state = 'accepted' AND expires_us IS NOT NULL AND expires_us <= $1
                   RETURNING host_group, population, member";
        let rows = fetch!(&mut tx, all, (String, String, String), sql, now_us)?;
        let expired: BTreeSet<_> = rows.into_iter().collect();
        let act = Act {
            at_us: now_us,
            actor: "collector".to_owned(),
            act: "list_members_expired".to_owned(),
            detail: json!({"members": expired}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        let groups: BTreeSet<_> = expired.into_iter().map(|(group, ..)| group).collect();
        for group in &groups {
            list_changed(&mut tx, group, now_us).await?;
        }
        tx.commit().await?;
        Ok(!groups.is_empty())
    }

    /// Every population of every group with hosts in service, by group.
    pub async fn lists(&self) -> Result<Vec<ListRow>, StoreError> {
        type Row = (String, String, Option<String>, i64);
        let sql = "SELECT h.host_group, m.population, a.state, COUNT(DISTINCT m.member)
                   FROM host_member m JOIN host h ON h.id = m.host
                   LEFT JOIN approved_member a ON a.host_group = h.host_group
                     AND a.population = m.population AND a.member = m.member
                   WHERE m.to_us IS NULL AND h.state IN ('enrolling', 'active', 'maintenance')
                   GROUP BY h.host_group, m.population, a.state";
        let shown = read!(&self.db, all, Row, sql)?;
        let sql = "SELECT host_group, population, learnt_us FROM approved_list";
        let learnt = read!(&self.db, all, (String, String, i64), sql)?;
        let sql = "SELECT host_group, population, state, COUNT(*) FROM approved_member
                   WHERE state IN ('accepted', 'proposed')
                   GROUP BY host_group, population, state";
        let decided = read!(&self.db, all, (String, String, String, i64), sql)?;
        let mut rows: BTreeMap<(String, String), ListRow> = BTreeMap::new();
        fn of(
            rows: &mut BTreeMap<(String, String), ListRow>,
            group: String,
            population: String,
        ) -> &mut ListRow {
            rows.entry((group.clone(), population.clone())).or_insert(ListRow {
                group,
                population,
                learnt_us: None,
                present: 0,
                accepted: 0,
                proposed: 0,
                deviating: 0,
            })
        }
        for (group, population, state, count) in shown {
            let row = of(&mut rows, group, population);
            row.present += count;
            if !matches!(state.as_deref(), Some("accepted" | "proposed")) {
                row.deviating += count;
            }
        }
        for (group, population, state, count) in decided {
            let row = of(&mut rows, group, population);
            if state == "accepted" { row.accepted = count } else { row.proposed = count }
        }
        for (group, population, learnt_us) in learnt {
            of(&mut rows, group, population).learnt_us = Some(learnt_us);
        }
        let row = |mut row: ListRow| {
            // Without a list nothing deviates from it.
            row.deviating = if row.learnt_us.is_some() { row.deviating } else { 0 };
            row
        };
        Ok(rows.into_values().map(row).collect())
    }

    /// Members of one list and those that only hosts show, the ones to decide on first.
    pub async fn list_members(
        &self,
        group: &str,
        population: &str,
    ) -> Result<Vec<MemberRow>, StoreError> {
        let sql = "SELECT m.member, COUNT(DISTINCT m.host), MIN(m.from_us)
                   FROM host_member m JOIN host h ON h.id = m.host
                   WHERE h.host_group = $1 AND m.population = $2 AND m.to_us IS NULL
                     AND h.state IN ('enrolling', 'active', 'maintenance') GROUP BY m.member";
        let (group, population) = (group.to_owned(), population.to_owned());
        let shown =
            read!(&self.db, all, (String, i64, i64), sql, group.clone(), population.clone())?;
        let mut shown: BTreeMap<_, _> = shown.into_iter().map(|(m, n, us)| (m, (n, us))).collect();
        type Row = (String, String, Option<String>, Option<i64>, Option<i64>, Option<String>);
        let sql = "SELECT member, state, decided_by, decided_us, expires_us, note
                   FROM approved_member WHERE host_group = $1 AND population = $2";
        let listed = read!(&self.db, all, Row, sql, group.clone(), population.clone())?;
        let mut rows = vec![];
        for (member, state, decided_by, decided_us, expires_us, note) in listed {
            let (hosts, since_us) = match shown.remove(&member) {
                Some((hosts, since_us)) => (hosts, Some(since_us)),
                None => (0, None),
            };
            let standing = Standing::from_word(&state);
            let standing = standing.ok_or_else(|| StoreError::corrupt(format!("state {state}")))?;
            let standing = Some(standing);
            rows.push(MemberRow {
                member,
                standing,
                hosts,
                since_us,
                decided_by,
                decided_us,
                expires_us,
                note,
            });
        }
        rows.extend(shown.into_iter().map(|(member, (hosts, since_us))| MemberRow {
            member,
            standing: None,
            hosts,
            since_us: Some(since_us),
            decided_by: None,
            decided_us: None,
            expires_us: None,
            note: None,
        }));
        let rank = |row: &MemberRow| match row.standing {
            None => 0,
            Some(Standing::Proposed) => 1,
            Some(Standing::Expired | Standing::Refused) if row.hosts > 0 => 2,
            Some(Standing::Accepted) => 3,
            _ => 4,
        };
        rows.sort_by(|a, b| (rank(a), &a.member).cmp(&(rank(b), &b.member)));
        Ok(rows)
    }

    /// The group of a host, and the version of the group's lists; and those that judged it last.
    pub async fn list_versions(
        &self,
        host: HostId,
    ) -> Result<(ListVersion, Option<ListVersion>), StoreError> {
        let sql = "SELECT h.host_group, COALESCE(v.version, 0), h.judged_group, h.judged_lists
                   FROM host h LEFT JOIN list_version v ON v.host_group = h.host_group
                   WHERE h.id = $1";
        type Row = (String, i64, Option<String>, i64);
        let row = read!(&self.db, optional, Row, sql, host.to_string())?;
        let Some((group, version, judged, by)) = row else { return Ok(Default::default()) };
        Ok(((group, version), judged.map(|group| (group, by))))
    }

    /// The lists of a group that were learnt, by population.
    pub async fn lists_of_group(&self, group: &str) -> Result<BTreeMap<String, List>, StoreError> {
        let sql = "SELECT l.population, m.member, m.state FROM approved_list l
                   LEFT JOIN approved_member m ON m.host_group = l.host_group
                     AND m.population = l.population WHERE l.host_group = $1";
        type Row = (String, Option<String>, Option<String>);
        let rows = read!(&self.db, all, Row, sql, group.to_owned())?;
        let mut lists: BTreeMap<String, List> = BTreeMap::new();
        for (population, member, state) in rows {
            let list = lists.entry(population).or_default();
            let standing = state.as_deref().and_then(Standing::from_word);
            list.members.extend(member.zip(standing));
        }
        Ok(lists)
    }
}

impl Store {
    /// The lists of a group as they were at a version; none if that is not known any more.
    pub async fn lists_at_version(
        &self,
        group: &str,
        version: i64,
    ) -> Result<Option<BTreeMap<String, List>>, StoreError> {
        if version == 0 {
            return Ok(Some(BTreeMap::new())); // None was ever touched.
        }
        let sql = "SELECT h.population, h.member, h.state, h.expires_us FROM list_history h
                   WHERE h.host_group = $1 AND h.version = (
                     SELECT MAX(x.version) FROM list_history x
                     WHERE x.host_group = h.host_group AND x.population = h.population
                       AND x.member = h.member AND x.version <= $2)";
        let rows = read!(&self.db, all, HistoryRow, sql, group.to_owned(), version)?;
        let known = !rows.is_empty();
        let members =
            rows.into_iter().map(|(population, member, state, _)| (population, member, state));
        Ok(if known { Some(of_history(members)?) } else { None })
    }

    /// The lists of a group as they were at a moment, by population, with the end of what was
    /// accepted for a time.
    pub async fn lists_at(
        &self,
        group: &str,
        at_us: i64,
    ) -> Result<BTreeMap<String, List>, StoreError> {
        let sql = "SELECT h.population, h.member, h.state, h.expires_us FROM list_history h
                   WHERE h.host_group = $1 AND h.version = (
                     SELECT MAX(x.version) FROM list_history x
                     WHERE x.host_group = h.host_group AND x.population = h.population
                       AND x.member = h.member AND x.at_us <= $2)";
        let rows = read!(&self.db, all, HistoryRow, sql, group.to_owned(), at_us)?;
        of_history(rows.into_iter().map(|(population, member, state, expires_us)| {
            // Its end counts from its moment, not from when the job came by.
            let over = state == "accepted" && expires_us.is_some_and(|us| us <= at_us);
            (population, member, if over { "expired".to_owned() } else { state })
        }))
    }
}

/// Population, member (empty: the list itself), standing, end.
type HistoryRow = (String, String, String, Option<i64>);

fn of_history(
    rows: impl Iterator<Item = (String, String, String)>,
) -> Result<BTreeMap<String, List>, StoreError> {
    let mut lists: BTreeMap<String, List> = BTreeMap::new();
    for (population, member, state) in rows {
        let list = lists.entry(population).or_default();
        if member.is_empty() {
            continue; // The list was learnt, with whatever members.
        }
        let standing = Standing::from_word(&state);
        let standing = standing.ok_or_else(|| StoreError::corrupt(format!("state {state}")))?;
        list.members.insert(member, standing);
    }
    Ok(lists)
}

/// Hosts of a group that are in service.
async fn hosts_of(tx: &mut Tx, group: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT id FROM host WHERE host_group = $1
               AND state IN ('enrolling', 'active', 'maintenance') ORDER BY id";
    let rows = fetch!(tx, all, (String,), sql, group.to_owned())?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

async fn present(
    tx: &mut Tx,
    group: &str,
    population: &str,
) -> Result<BTreeSet<String>, StoreError> {
    let sql = "SELECT DISTINCT m.member FROM host_member m JOIN host h ON h.id = m.host
               WHERE h.host_group = $1 AND m.population = $2 AND m.to_us IS NULL
                 AND h.state IN ('enrolling', 'active', 'maintenance')";
    let rows = fetch!(tx, all, (String,), sql, group.to_owned(), population.to_owned())?;
    Ok(rows.into_iter().map(|(member,)| member).collect())
}

/// Counts the change, and queues the hosts of the group: the judgement that follows compares them
/// with the list, and says what the change alone did.
pub(super) async fn list_changed(tx: &mut Tx, group: &str, now_us: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO list_version (host_group, version) VALUES ($1, 1)
               ON CONFLICT (host_group) DO UPDATE SET version = list_version.version + 1";
    execute!(tx, sql, group.to_owned())?;
    keep_history(tx, group, now_us).await?;
    let sql = "INSERT INTO judge_job (host, queued_us, generation)
               SELECT id, $1, 0 FROM host WHERE last_index IS NOT NULL AND host_group = $2
               ON CONFLICT (host) DO UPDATE SET generation = judge_job.generation + 1";
    execute!(tx, sql, now_us, group.to_owned())?;
    Ok(())
}

/// Keeps what the lists of a group say now, where it is something else than before.
async fn keep_history(tx: &mut Tx, group: &str, now_us: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO list_history
                 (host_group, population, member, state, expires_us, version, at_us)
               SELECT n.host_group, n.population, n.member, n.state, n.expires_us, v.version, $2
               FROM (SELECT host_group, population, member, state, expires_us
                     FROM approved_member WHERE host_group = $1
                     UNION ALL
                     SELECT host_group, population, '', 'learnt', NULL
                     FROM approved_list WHERE host_group = $1) n
               JOIN list_version v ON v.host_group = n.host_group
               LEFT JOIN list_history o ON o.host_group = n.host_group
                 AND o.population = n.population AND o.member = n.member AND o.version = (
                   SELECT MAX(x.version) FROM list_history x
                   WHERE x.host_group = n.host_group AND x.population = n.population
                     AND x.member = n.member)
               WHERE o.state IS NULL OR o.state <> n.state
                 OR COALESCE(o.expires_us, 0) <> COALESCE(n.expires_us, 0)";
    execute!(tx, sql, group.to_owned(), now_us)?;
    Ok(())
}
