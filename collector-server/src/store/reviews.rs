//! Access reviews are kept: started over what hosts show, decided row by row, signed. A removal
//! stays open until evidence shows the member gone from every host of its group.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::lists::list_changed;
use super::log::Appender;
use super::overdue::{Owed, settle};
use super::{Isms, Store, StoreError};
use crate::population;
use crate::review::{Class, Decided, Present, classify, digest};
use evidence::Digest;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A review in numbers.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ReviewRow {
    pub id: String,
    /// Empty: every group.
    pub host_group: String,
    pub started_by: String,
    pub started_us: i64,
    pub due_us: i64,
    pub signed_by: Option<String>,
    pub signed_us: Option<i64>,
    /// What was signed, hexadecimal.
    pub digest: Option<String>,
    pub members: i64,
    pub undecided: i64,
    /// Removals that were decided, and those that evidence has not shown yet.
    pub removals: i64,
    pub open_removals: i64,
}

/// A member that is reviewed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ReviewMember {
    /// 0, 1, 2 … of the review, in the order to look at.
    pub n: i64,
    pub host_group: String,
    pub population: String,
    pub member: String,
    pub class: String,
    pub hosts: i64,
    pub since_us: i64,
    pub decision: Option<String>,
    pub decided_by: Option<String>,
    pub decided_us: Option<i64>,
    /// When evidence showed it gone.
    pub gone_us: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReviewRefusal {
    #[error("there is no such review")]
    Unknown,
    #[error("hosts show nobody to review there")]
    Nobody,
    #[error("a review of this is open already")]
    Open,
    #[error("it is signed")]
    Signed,
    #[error("not every member is decided on")]
    Undecided,
}

/// How a review is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReview {
    /// Empty: every group.
    pub group: String,
    /// Accounts of people who left, as far as is known.
    pub leavers: BTreeSet<String>,
    pub due_us: i64,
}

/// How often access is reviewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewPeriods {
    pub every_us: i64,
    /// By the id of an ISMS: for its groups.
    pub by_isms: BTreeMap<String, i64>,
}

impl ReviewPeriods {
    pub fn every(every_us: i64) -> Self {
        Self { every_us, by_isms: BTreeMap::new() }
    }

    /// The shortest of the ISMSs of each group that has one.
    fn by_group(&self, isms: &[Isms]) -> BTreeMap<String, i64> {
        let mut shortest: BTreeMap<String, i64> = BTreeMap::new();
        for isms in isms {
            let Some(every_us) = self.by_isms.get(&isms.id) else { continue };
            for group in &isms.groups {
                let held = shortest.entry(group.clone()).or_insert(*every_us);
                *held = (*held).min(*every_us);
            }
        }
        shortest
    }
}

/// The sort of overdue drifts that reviews are.
const REVIEW: &str = "review";

/// SQL: removals `w` of signed reviews that no host of their group shows any more.
macro_rules! gone {
    () => {
        "FROM review_member w JOIN review r ON r.id = w.review
         WHERE w.decision = 'remove' AND w.gone_us IS NULL AND r.signed_us IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM host_member m JOIN host h ON h.id = m.host
             WHERE m.population = w.population AND m.member = w.member AND m.to_us IS NULL
               AND h.host_group = w.host_group
               AND h.state IN ('enrolling', 'active', 'maintenance'))"
    };
}

impl Store {
    /// Starts a review over the members that hosts in service show now.
    pub async fn start_review(
        &self,
        new: &NewReview,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<String, ReviewRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT COUNT(*) FROM review WHERE host_group = $1 AND signed_us IS NULL";
        if fetch!(&mut tx, one, (i64,), sql, new.group.clone())?.0 > 0 {
            return Ok(Err(ReviewRefusal::Open));
        }
        let mut rows = vec![];
        for present in present(&mut tx, &new.group).await? {
            let kept = kept_since(&mut tx, &present).await?;
            rows.push((classify(&present, kept, &new.leavers), present));
        }
        if rows.is_empty() {
            return Ok(Err(ReviewRefusal::Nobody));
        }
        rows.sort();
        let id = ulid::Ulid::generate().to_string();
        let sql = "INSERT INTO review (id, host_group, started_by, started_us, due_us)
                   VALUES ($1, $2, $3, $4, $5)";
        let group = new.group.clone();
        execute!(&mut tx, sql, id.clone(), group.clone(), actor.to_owned(), now_us, new.due_us)?;
        for (n, (class, present)) in rows.iter().enumerate() {
            insert(&mut tx, &id, n as i64, *class, present).await?;
        }
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: "review_started".to_owned(),
            detail: json!({
                "review": id, "group": new.group, "due_us": new.due_us, "members": rows.len(),
            }),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(id))
    }

    /// Keeps or removes members of a review that is not signed; `rows` are their numbers.
    pub async fn decide_review(
        &self,
        id: &str,
        rows: &BTreeSet<i64>,
        keep: bool,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<(), ReviewRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        if let Some(refusal) = refuse(&mut tx, id).await? {
            return Ok(Err(refusal));
        }
        let decision = if keep { "keep" } else { "remove" };
        let mut decided = vec![];
        for n in rows {
            let sql = "UPDATE review_member SET decision = $3, decided_by = $4, decided_us = $5
                       WHERE review = $1 AND n = $2";
            let done =
                execute!(&mut tx, sql, id.to_owned(), *n, decision, actor.to_owned(), now_us)?;
            if done > 0 {
                decided.push(*n);
            }
        }
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: format!("review_{decision}"),
            detail: json!({"review": id, "rows": decided}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Signs a review whose members are all decided on: the act holds the digest of every decision.
    /// Lists that were learnt follow it: what it keeps is accepted, what it removes is not.
    pub async fn sign_review(
        &self,
        id: &str,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<Digest, ReviewRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        if let Some(refusal) = refuse(&mut tx, id).await? {
            return Ok(Err(refusal));
        }
        let mut decided = BTreeSet::new();
        for row in rows(&mut tx, id).await? {
            let (Some(decision), Some(by)) = (row.decision, row.decided_by) else {
                return Ok(Err(ReviewRefusal::Undecided));
            };
            let key = (row.host_group, row.population, row.member);
            decided.insert(Decided { key, class: row.class, hosts: row.hosts, decision, by });
        }
        let signed = digest(id, &decided);
        let sql = "UPDATE review SET signed_by = $2, signed_us = $3, digest = $4 WHERE id = $1";
        execute!(&mut tx, sql, id.to_owned(), actor.to_owned(), now_us, signed.to_string())?;
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: "review_signed".to_owned(),
            detail: json!({
                "review": id, "digest": signed, "members": decided.len(),
                "removals": decided.iter().filter(|row| row.decision == "remove").count(),
            }),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        follow(&mut tx, &decided, actor, now_us).await?;
        tx.commit().await?;
        Ok(Ok(signed))
    }

    /// Closes removals that evidence shows. True if there was one.
    pub async fn watch_removals(&self, now_us: i64) -> Result<bool, StoreError> {
        let (gone,) = read!(&self.db, one, (i64,), concat!("SELECT COUNT(*) ", gone!()))?;
        if gone == 0 {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, "UPDATE heartbeat SET at_us = at_us WHERE id = 1")?;
        let sql = concat!(
            "UPDATE review_member SET gone_us = $1 WHERE (review, n) IN (SELECT w.review, w.n ",
            gone!(),
            ")"
        );
        let gone = execute!(&mut tx, sql, now_us)?;
        tx.commit().await?;
        Ok(gone > 0)
    }

    /// Says which reviews are overdue: those past their date, and groups whose last one, or else
    /// whose first host, is older than their period. True if anything changed.
    pub async fn watch_reviews(
        &self,
        periods: &ReviewPeriods,
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let owed = self.owed_reviews(periods).await?;
        if !self.is_unsettled(REVIEW, &owed, now_us).await? {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, "UPDATE heartbeat SET at_us = at_us WHERE id = 1")?;
        let changed = settle(&mut tx, REVIEW, &owed, now_us).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// The next review of each group whose hosts in service show somebody to review; one that is
    /// open is owed at its own date.
    async fn owed_reviews(&self, periods: &ReviewPeriods) -> Result<Vec<Owed>, StoreError> {
        let sql = "SELECT host_group, due_us, signed_us FROM review ORDER BY started_us, id";
        // The last one of each group, and of all groups (empty).
        let mut last: BTreeMap<String, (i64, Option<i64>)> = BTreeMap::new();
        for (group, due_us, signed_us) in read!(&self.db, all, (String, i64, Option<i64>), sql)? {
            last.insert(group, (due_us, signed_us));
        }
        let of_all = last.remove("");
        let open = |held: Option<&(i64, Option<i64>)>| {
            held.filter(|(_, signed_us)| signed_us.is_none()).map(|(due_us, _)| *due_us)
        };
        let mut owed: Vec<_> =
            open(of_all.as_ref()).map(|us| owed_at("", us)).into_iter().collect();
        // A review of a group stays owed, though its hosts left meanwhile.
        let started =
            last.iter().filter_map(|(group, held)| Some(owed_at(group, open(Some(held))?)));
        owed.extend(started);
        let shortest = periods.by_group(&self.all_isms().await?);
        for (group, first_us) in self.reviewed_groups().await? {
            let held = last.get(&group);
            if open(held).is_some() {
                continue;
            }
            let signed = [held, of_all.as_ref()].into_iter().flatten();
            let since_us = signed.filter_map(|(_, us)| *us).max().unwrap_or(first_us);
            let every_us = shortest.get(&group).copied().unwrap_or(periods.every_us);
            owed.push(owed_at(&group, since_us.saturating_add(every_us)));
        }
        Ok(owed)
    }

    /// Groups whose hosts in service show somebody to review, with the enrolment of their first
    /// host.
    async fn reviewed_groups(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let sql = "SELECT h.host_group, MIN(h.enrolled_us) FROM host h
                   WHERE h.state IN ('enrolling', 'active', 'maintenance')
                     AND EXISTS (SELECT 1 FROM host_member m
                                 WHERE m.host = h.id AND m.population = $1 AND m.to_us IS NULL)
                   GROUP BY h.host_group";
        let mut groups: BTreeMap<String, i64> = BTreeMap::new();
        for population in population::all().iter().filter(|population| population.review) {
            let rows = read!(&self.db, all, (String, i64), sql, population.id.clone())?;
            for (group, first_us) in rows {
                let held = groups.entry(group).or_insert(first_us);
                *held = first_us.min(*held);
            }
        }
        Ok(groups)
    }

    /// Reviews, the latest first.
    pub async fn reviews(&self) -> Result<Vec<ReviewRow>, StoreError> {
        let sql = "SELECT r.id, r.host_group, r.started_by, r.started_us, r.due_us, r.signed_by,
                     r.signed_us, r.digest,
                     (SELECT COUNT(*) FROM review_member m WHERE m.review = r.id) AS members,
                     (SELECT COUNT(*) FROM review_member m
                      WHERE m.review = r.id AND m.decision IS NULL) AS undecided,
                     (SELECT COUNT(*) FROM review_member m
                      WHERE m.review = r.id AND m.decision = 'remove') AS removals,
                     (SELECT COUNT(*) FROM review_member m WHERE m.review = r.id
                      AND m.decision = 'remove' AND m.gone_us IS NULL) AS open_removals
                   FROM review r ORDER BY r.started_us DESC, r.id DESC";
        Ok(read!(&self.db, all, ReviewRow, sql)?)
    }

    /// The members of a review, in the order to look at them.
    pub async fn review_members(&self, id: &str) -> Result<Vec<ReviewMember>, StoreError> {
        let sql = "SELECT n, host_group, population, member, class, hosts, since_us, decision,
                     decided_by, decided_us, gone_us
                   FROM review_member WHERE review = $1 ORDER BY n";
        Ok(read!(&self.db, all, ReviewMember, sql, id.to_owned())?)
    }
}

async fn rows(tx: &mut Tx, id: &str) -> Result<Vec<ReviewMember>, StoreError> {
    let sql = "SELECT n, host_group, population, member, class, hosts, since_us, decision,
                 decided_by, decided_us, gone_us
               FROM review_member WHERE review = $1 ORDER BY n";
    Ok(fetch!(tx, all, ReviewMember, sql, id.to_owned())?)
}

async fn refuse(tx: &mut Tx, id: &str) -> Result<Option<ReviewRefusal>, StoreError> {
    let sql = "SELECT signed_us FROM review WHERE id = $1";
    let row = fetch!(tx, optional, (Option<i64>,), sql, id.to_owned())?;
    Ok(match row {
        None => Some(ReviewRefusal::Unknown),
        Some((Some(_),)) => Some(ReviewRefusal::Signed),
        Some((None,)) => None,
    })
}

/// Who is there, in the populations that are reviewed.
async fn present(tx: &mut Tx, group: &str) -> Result<Vec<Present>, StoreError> {
    let sql = "SELECT h.host_group, m.population, m.member, COUNT(DISTINCT m.host), MIN(m.from_us),
                 MAX(m.from_us)
               FROM host_member m JOIN host h ON h.id = m.host
               WHERE m.to_us IS NULL AND h.state IN ('enrolling', 'active', 'maintenance')
                 AND ($1 = '' OR h.host_group = $1)
               GROUP BY h.host_group, m.population, m.member";
    type Row = (String, String, String, i64, i64, i64);
    let rows = fetch!(tx, all, Row, sql, group.to_owned())?;
    let reviewed = |population: &str| population::find(population).is_some_and(|p| p.review);
    let row = |(group, population, member, hosts, since_us, newest_us): Row| Present {
        group,
        population,
        member,
        hosts,
        since_us,
        newest_us,
    };
    Ok(rows.into_iter().filter(|row| reviewed(&row.1)).map(row).collect())
}

/// When the last signed review that looked at this member was started, if it kept it.
async fn kept_since(tx: &mut Tx, present: &Present) -> Result<Option<i64>, StoreError> {
    let sql =
        "SELECT r.started_us, m.decision FROM review_member m JOIN review r ON r.id = m.review
               WHERE m.host_group = $1 AND m.population = $2 AND m.member = $3
                 AND r.signed_us IS NOT NULL ORDER BY r.started_us DESC LIMIT 1";
    let (group, population) = (present.group.clone(), present.population.clone());
    let member = present.member.clone();
    let row = fetch!(
        tx,
        optional,
        (i64, Option<String>),
        sql,
        group.clone(),
        population.clone(),
        member.clone()
    )?;
    Ok(row.filter(|(_, decision)| decision.as_deref() == Some("keep")).map(|(us, _)| us))
}

async fn insert(
    tx: &mut Tx,
    id: &str,
    n: i64,
    class: Class,
    present: &Present,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO review_member (review, n, host_group, population, member, class, hosts,
               since_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    execute!(
        tx,
        sql,
        id.to_owned(),
        n,
        present.group.clone(),
        present.population.clone(),
        present.member.clone(),
        class.as_str(),
        present.hosts,
        present.since_us
    )?;
    Ok(())
}

/// Approved lists say what was signed.
async fn follow(
    tx: &mut Tx,
    decided: &BTreeSet<Decided>,
    actor: &str,
    now_us: i64,
) -> Result<(), StoreError> {
    let mut groups = BTreeSet::new();
    for row in decided {
        let (group, population, member) = row.key.clone();
        let state = if row.decision == "keep" { "accepted" } else { "removed" };
        let sql = "INSERT INTO approved_member (host_group, population, member, state, decided_by,
                     decided_us, note)
                   SELECT $1, $2, $3, $4, $5, $6, 'access review'
                   WHERE EXISTS (SELECT 1 FROM approved_list
                                 WHERE host_group = $1 AND population = $2)
                   ON CONFLICT (host_group, population, member) DO UPDATE
                   SET state = excluded.state, decided_by = excluded.decided_by,
                       decided_us = excluded.decided_us, note = excluded.note
                   WHERE approved_member.state <> excluded.state";
        let written = execute!(
            tx,
            sql,
            group.clone(),
            population.clone(),
            member.clone(),
            state,
            actor.to_owned(),
            now_us
        )?;
        if written > 0 {
            groups.insert(group);
        }
    }
    for group in groups {
        list_changed(tx, &group, now_us).await?;
    }
    Ok(())
}

fn owed_at(group: &str, due_us: i64) -> Owed {
    let of = if group.is_empty() { "all groups".to_owned() } else { format!("group {group}") };
    Owed {
        subject: format!("access review of {of}"),
        says: format!("the access review of {of} is overdue"),
        severity: "medium".to_owned(),
        due_us,
    }
}
