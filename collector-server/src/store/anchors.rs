//! Checkpoints on their way to places outside, and what came back. Each row is an outbox of its
//! own: it is tried until it is done.

use super::db::{execute, fetch, read};
use super::log::signed;
use super::{Store, StoreError};

/// Where a checkpoint goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnchorSort {
    /// A time-stamping authority.
    Tsa,
    /// A directory, a file each.
    Directory,
    Webhook,
}

/// One checkpoint for one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueAnchor {
    pub size: u64,
    pub sort: AnchorSort,
    pub target: String,
    pub note: String,
    pub created_us: i64,
    /// Attempts before this one.
    pub attempts: i64,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchored {
    Done { at_us: i64, stamped_us: Option<i64>, token: Option<Vec<u8>> },
    Failed { next_us: i64, error: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorRow {
    pub due: DueAnchor,
    pub done_us: Option<i64>,
    pub stamped_us: Option<i64>,
    pub token: Option<Vec<u8>>,
    pub error: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    size: i64,
    sort: String,
    target: String,
    note: String,
    created_us: i64,
    attempts: i64,
    done_us: Option<i64>,
    stamped_us: Option<i64>,
    token: Option<Vec<u8>>,
    error: Option<String>,
}

impl AnchorSort {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tsa => "tsa",
            Self::Directory => "directory",
            Self::Webhook => "webhook",
        }
    }

    fn from_word(word: &str) -> Result<Self, StoreError> {
        match word {
            "tsa" => Ok(Self::Tsa),
            "directory" => Ok(Self::Directory),
            "webhook" => Ok(Self::Webhook),
            other => Err(StoreError::corrupt(format!("an anchor of sort {other}"))),
        }
    }
}

impl Row {
    fn read(self) -> Result<AnchorRow, StoreError> {
        let due = DueAnchor {
            size: self.size.unsigned_abs(),
            sort: AnchorSort::from_word(&self.sort)?,
            target: self.target,
            note: self.note,
            created_us: self.created_us,
            attempts: self.attempts,
        };
        let (done_us, stamped_us) = (self.done_us, self.stamped_us);
        Ok(AnchorRow { due, done_us, stamped_us, token: self.token, error: self.error })
    }
}

impl Store {
    /// The size and time of the last checkpoint that was meant to go out.
    pub async fn last_anchored(&self) -> Result<Option<(u64, i64)>, StoreError> {
        let sql = "SELECT size, created_us FROM anchor ORDER BY created_us DESC LIMIT 1";
        let row = read!(&self.db, optional, (i64, i64), sql)?;
        Ok(row.map(|(size, at_us)| (size.unsigned_abs(), at_us)))
    }

    /// Puts a checkpoint on its way to each place.
    pub async fn anchor(
        &self,
        size: u64,
        note: &str,
        places: &[(AnchorSort, String)],
        now_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO anchor (size, sort, target, note, created_us, attempts, next_us)
                   VALUES ($1, $2, $3, $4, $5, 0, $5) ON CONFLICT DO NOTHING";
        for (sort, target) in places {
            let (sort, target) = (sort.as_str().to_owned(), target.clone());
            execute!(&mut tx, sql, signed(size), sort, target, note.to_owned(), now_us)?;
        }
        tx.commit().await
    }

    /// Takes what is due; others leave it alone until `until_us`.
    pub async fn take_anchors(
        &self,
        now_us: i64,
        until_us: i64,
        limit: i64,
    ) -> Result<Vec<DueAnchor>, StoreError> {
        let mut tx = self.db.begin().await?;
        // Asked again for each row: another collector may have taken it since they were chosen.
        let sql = "UPDATE anchor SET next_us = $2
                   WHERE done_us IS NULL AND next_us <= $1 AND (size, sort, target) IN
                     (SELECT size, sort, target FROM anchor
                      WHERE done_us IS NULL AND next_us <= $1 ORDER BY next_us, size LIMIT $3)
                   RETURNING size, sort, target, note, created_us, attempts, done_us, stamped_us,
                             token, error";
        let rows = fetch!(&mut tx, all, Row, sql, now_us, until_us, limit)?;
        tx.commit().await?;
        rows.into_iter().map(|row| Ok(row.read()?.due)).collect()
    }

    /// Notes how an attempt ended.
    pub async fn anchored(&self, due: &DueAnchor, how: &Anchored) -> Result<(), StoreError> {
        let (sort, target) = (due.sort.as_str().to_owned(), due.target.clone());
        let mut tx = self.db.begin().await?;
        match how {
            Anchored::Done { at_us, stamped_us, token } => {
                let sql = "UPDATE anchor SET done_us = $4, stamped_us = $5, token = $6,
                           attempts = attempts + 1, error = NULL
                           WHERE size = $1 AND sort = $2 AND target = $3";
                let token = token.clone();
                execute!(&mut tx, sql, signed(due.size), sort, target, *at_us, *stamped_us, token)?;
            }
            Anchored::Failed { next_us, error } => {
                let sql = "UPDATE anchor SET next_us = $4, error = $5, attempts = attempts + 1
                           WHERE size = $1 AND sort = $2 AND target = $3";
                execute!(&mut tx, sql, signed(due.size), sort, target, *next_us, error.clone())?;
            }
        }
        tx.commit().await
    }

    /// Checkpoints that went out or are to, newest first.
    pub async fn anchors(&self, limit: i64) -> Result<Vec<AnchorRow>, StoreError> {
        let sql = "SELECT size, sort, target, note, created_us, attempts, done_us, stamped_us,
                          token, error
                   FROM anchor ORDER BY created_us DESC, size DESC, sort, target LIMIT $1";
        let rows = read!(&self.db, all, Row, sql, limit)?;
        rows.into_iter().map(Row::read).collect()
    }

    /// The newest one that arrived: its size, and when.
    pub async fn newest_anchor(&self) -> Result<Option<(u64, i64)>, StoreError> {
        let sql = "SELECT size, done_us FROM anchor WHERE done_us IS NOT NULL
                   ORDER BY created_us DESC LIMIT 1";
        let row = read!(&self.db, optional, (i64, i64), sql)?;
        Ok(row.map(|(size, at_us)| (size.unsigned_abs(), at_us)))
    }
}
