//! Management systems (ISMS): what they are, and which groups belong to them, as spans.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::log::{Appender, LogState, signed};
use super::{Store, StoreError};
use crate::scope::{GroupTimes, joined};
use crate::span::{Change, Span, assert_over};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Longest name of an ISMS or a legal entity, and longest scope statement.
const MAX_NAME: usize = 200;
const MAX_STATEMENT: usize = 4000;

/// What people say of an ISMS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsmsText {
    pub name: String,
    pub legal_entity: String,
    pub scope_statement: String,
    /// Number and body of its certificate.
    #[serde(default)]
    pub certificate: Option<String>,
}

/// A management system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Isms {
    pub id: String,
    #[serde(flatten)]
    pub text: IsmsText,
    pub created_us: i64,
    pub changed_us: i64,
    /// The groups that belong to it now.
    pub groups: BTreeSet<String>,
}

/// A group's membership of an ISMS: `in` or `out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpan {
    pub group: String,
    pub span: Span<String>,
}

/// Says that a group belongs to an ISMS, or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub isms: String,
    pub group: String,
    pub belongs: bool,
    /// It has been so since then.
    pub from_us: i64,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IsmsRefusal {
    #[error("there is no such ISMS")]
    Unknown,
    #[error("an ISMS of this name is there already")]
    NameTaken,
    #[error(
        "name, legal entity and certificate have at most {MAX_NAME} characters, on one line; name and legal entity are needed"
    )]
    Name,
    #[error("a scope statement has 1 to {MAX_STATEMENT} characters")]
    Statement,
    #[error("a group has a name of one line")]
    Group,
}

impl IsmsText {
    fn checked(&self) -> Result<Self, IsmsRefusal> {
        let line =
            |text: &str| text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control);
        let (name, entity) = (self.name.trim(), self.legal_entity.trim());
        let certificate =
            self.certificate.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let fits = [name, entity].iter().all(|text| !text.is_empty() && line(text));
        if !fits || !certificate.is_none_or(line) {
            return Err(IsmsRefusal::Name);
        }
        let statement = self.scope_statement.trim();
        let odd = |c: char| c.is_control() && c != '\n' && c != '\r';
        if statement.is_empty()
            || statement.chars().count() > MAX_STATEMENT
            || statement.chars().any(odd)
        {
            return Err(IsmsRefusal::Statement);
        }
        Ok(Self {
            name: name.to_owned(),
            legal_entity: entity.to_owned(),
            scope_statement: statement.to_owned(),
            certificate: certificate.map(str::to_owned),
        })
    }
}

#[derive(sqlx::FromRow)]
struct Columns {
    id: String,
    name: String,
    legal_entity: String,
    scope_statement: String,
    certificate: Option<String>,
    created_us: i64,
    changed_us: i64,
}

impl Store {
    /// Makes an ISMS known, and logs it; gives its id.
    pub async fn create_isms(
        &self,
        text: &IsmsText,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<String, IsmsRefusal>, StoreError> {
        let text = match text.checked() {
            Ok(text) => text,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let id = ulid::Ulid::generate().to_string();
        let sql =
            "INSERT INTO isms (id, name, name_key, legal_entity, scope_statement, certificate,
                   created_us, changed_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
                   ON CONFLICT (name_key) DO NOTHING";
        let made = execute!(
            &mut tx,
            sql,
            id.clone(),
            text.name.clone(),
            text.name.to_lowercase(),
            text.legal_entity.clone(),
            text.scope_statement.clone(),
            text.certificate.clone(),
            now_us
        )?;
        if made == 0 {
            return Ok(Err(IsmsRefusal::NameTaken));
        }
        let detail = json!({"isms": id, "after": text});
        act(&mut tx, &mut log, ("isms_created", actor, now_us), detail).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(id))
    }

    /// Says something else of an ISMS, and logs what it was and is. Nothing is written if it is the
    /// same.
    pub async fn describe_isms(
        &self,
        id: &str,
        text: &IsmsText,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<(), IsmsRefusal>, StoreError> {
        let text = match text.checked() {
            Ok(text) => text,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT id, name, legal_entity, scope_statement, certificate, created_us,
                   changed_us FROM isms WHERE id = $1";
        let Some(before) = fetch!(&mut tx, optional, Columns, sql, id.to_owned())? else {
            return Ok(Err(IsmsRefusal::Unknown));
        };
        let before = words(&before);
        if before == text {
            return Ok(Ok(()));
        }
        let key = text.name.to_lowercase();
        let sql = "SELECT id FROM isms WHERE name_key = $1 AND id <> $2";
        let taken = fetch!(&mut tx, optional, (String,), sql, key.clone(), id.to_owned())?;
        if taken.is_some() {
            return Ok(Err(IsmsRefusal::NameTaken));
        }
        let sql = "UPDATE isms SET name = $2, name_key = $3, legal_entity = $4,
                   scope_statement = $5, certificate = $6, changed_us = $7 WHERE id = $1";
        execute!(
            &mut tx,
            sql,
            id.to_owned(),
            text.name.clone(),
            key.clone(),
            text.legal_entity.clone(),
            text.scope_statement.clone(),
            text.certificate.clone(),
            now_us
        )?;
        let detail = json!({"isms": id, "before": before, "after": text});
        act(&mut tx, &mut log, ("isms_described", actor, now_us), detail).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Puts a group into an ISMS or takes it out, from a moment on, and logs it. No result changes
    /// by this, and no drift opens.
    pub async fn scope_isms(
        &self,
        membership: &Membership,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<LogState, IsmsRefusal>, StoreError> {
        let group = membership.group.trim();
        if group.is_empty() || group.chars().any(char::is_control) {
            return Ok(Err(IsmsRefusal::Group));
        }
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let isms = membership.isms.clone();
        let sql = "SELECT id FROM isms WHERE id = $1";
        if fetch!(&mut tx, optional, (String,), sql, isms.clone())?.is_none() {
            return Ok(Err(IsmsRefusal::Unknown));
        }
        let value = if membership.belongs { "in" } else { "out" };
        let detail = json!({
            "isms": isms, "group": group, "value": value, "from_us": membership.from_us,
            "reason": membership.reason,
        });
        let known = act(&mut tx, &mut log, ("isms_scoped", actor, now_us), detail).await?;
        let spans = group_spans(&mut tx, &isms, group).await?;
        for change in assert_over(&spans, membership.from_us, None, value.to_owned()) {
            apply(&mut tx, (&isms, group), change, known).await?;
        }
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(state))
    }

    /// Every ISMS, by name.
    pub async fn all_isms(&self) -> Result<Vec<Isms>, StoreError> {
        let sql = "SELECT id, name, legal_entity, scope_statement, certificate, created_us,
                   changed_us FROM isms ORDER BY name_key";
        let rows = read!(&self.db, all, Columns, sql)?;
        let sql = "SELECT isms, host_group FROM isms_group_span WHERE value = 'in'
                   AND observed_to_us IS NULL AND superseded_known IS NULL";
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (isms, group) in read!(&self.db, all, (String, String), sql)? {
            groups.entry(isms).or_default().insert(group);
        }
        let isms = |row: Columns| Isms {
            groups: groups.remove(&row.id).unwrap_or_default(),
            text: words(&row),
            created_us: row.created_us,
            changed_us: row.changed_us,
            id: row.id,
        };
        Ok(rows.into_iter().map(isms).collect())
    }

    /// An ISMS by its id, or by its name in any case.
    pub async fn isms(&self, text: &str) -> Result<Option<Isms>, StoreError> {
        let key = text.trim().to_lowercase();
        let all = self.all_isms().await?;
        let by_id = all.iter().position(|isms| isms.id == text);
        let by_name = || all.iter().position(|isms| isms.text.name.to_lowercase() == key);
        let at = by_id.or_else(by_name);
        Ok(at.and_then(|at| all.into_iter().nth(at)))
    }

    /// Everything ever said of the groups of an ISMS.
    pub async fn isms_spans(&self, id: &str) -> Result<Vec<GroupSpan>, StoreError> {
        let sql = "SELECT host_group, value, observed_from_us, observed_to_us, known_from,
                   ended_known, superseded_known FROM isms_group_span WHERE isms = $1
                   ORDER BY host_group, observed_from_us, known_from";
        type Row = (String, String, i64, Option<i64>, i64, Option<i64>, Option<i64>);
        let rows = read!(&self.db, all, Row, sql, id.to_owned())?;
        let span = |(group, value, from_us, to_us, known, ended_known, superseded_known): Row| {
            let span = Span { value, from_us, to_us, known, ended_known, superseded_known };
            GroupSpan { group, span }
        };
        Ok(rows.into_iter().map(span).collect())
    }

    /// When each group belonged to an ISMS, as it is known now.
    pub async fn isms_times(&self, id: &str) -> Result<GroupTimes, StoreError> {
        let mut times: GroupTimes = BTreeMap::new();
        for row in self.isms_spans(id).await? {
            if row.span.superseded_known.is_none() && row.span.value == "in" {
                let held = (row.span.from_us, row.span.to_us.unwrap_or(i64::MAX));
                times.entry(row.group).or_default().push(held);
            }
        }
        times.values_mut().for_each(|held| *held = joined(std::mem::take(held)));
        Ok(times)
    }
}

fn words(row: &Columns) -> IsmsText {
    IsmsText {
        name: row.name.clone(),
        legal_entity: row.legal_entity.clone(),
        scope_statement: row.scope_statement.clone(),
        certificate: row.certificate.clone(),
    }
}

/// Logs an act `(what, who, when)`; gives its index.
pub(super) async fn act(
    tx: &mut Tx,
    log: &mut Appender,
    (act, actor, at_us): (&str, &str, i64),
    detail: serde_json::Value,
) -> Result<i64, StoreError> {
    let act = Act { at_us, actor: actor.to_owned(), act: act.to_owned(), detail };
    Ok(signed(acts::append(tx, log, &act).await?))
}

async fn group_spans(
    tx: &mut Tx,
    isms: &str,
    group: &str,
) -> Result<Vec<Span<String>>, StoreError> {
    let sql = "SELECT value, observed_from_us, observed_to_us, known_from, ended_known
               FROM isms_group_span WHERE isms = $1 AND host_group = $2
               AND superseded_known IS NULL ORDER BY observed_from_us";
    type Row = (String, i64, Option<i64>, i64, Option<i64>);
    let rows = fetch!(tx, all, Row, sql, isms.to_owned(), group.to_owned())?;
    let span = |(value, from_us, to_us, known, ended_known): Row| Span {
        value,
        from_us,
        to_us,
        known,
        ended_known,
        superseded_known: None,
    };
    Ok(rows.into_iter().map(span).collect())
}

async fn apply(
    tx: &mut Tx,
    (isms, group): (&str, &str),
    change: Change<String>,
    now: i64,
) -> Result<(), StoreError> {
    let (isms, group) = (isms.to_owned(), group.to_owned());
    match change {
        Change::End { from_us, known, to_us } => {
            let sql = "UPDATE isms_group_span SET observed_to_us = $5, ended_known = $6
                       WHERE isms = $1 AND host_group = $2 AND observed_from_us = $3
                       AND known_from = $4";
            execute!(tx, sql, isms.clone(), group.clone(), from_us, known, to_us, now)?;
        }
        Change::Supersede { from_us, known } => {
            let sql = "UPDATE isms_group_span SET superseded_known = $5
                       WHERE isms = $1 AND host_group = $2 AND observed_from_us = $3
                       AND known_from = $4";
            execute!(tx, sql, isms.clone(), group.clone(), from_us, known, now)?;
        }
        Change::Insert { value, from_us, to_us } => {
            let sql = "INSERT INTO isms_group_span (isms, host_group, value, observed_from_us,
                       observed_to_us, known_from, ended_known)
                       VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let ended = to_us.map(|_| now);
            execute!(
                tx,
                sql,
                isms.clone(),
                group.clone(),
                value.clone(),
                from_us,
                to_us,
                now,
                ended
            )?;
        }
    }
    Ok(())
}
