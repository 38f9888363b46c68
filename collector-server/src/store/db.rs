//! One SQL text, two drivers. `Db` is a connection pool and `Tx` a transaction on either backend;
//! the macros run the same statement on whichever it is. Dialect bits are one `match`.

use super::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

#[derive(Clone)]
pub(super) enum Db {
    /// One writer, several readers: SQLite has one write lock, and waiting for it in a pool is
    /// cheaper than `SQLITE_BUSY`.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
    },
    Postgres(PgPool),
}

pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs a statement in a transaction; gives the number of rows it touched.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $tx {
            $crate::store::db::Tx::Sqlite(t) => sqlx::query($sql)$(.bind($bind))*
                .execute(&mut **t).await.map(|done| done.rows_affected()),
            $crate::store::db::Tx::Postgres(t) => sqlx::query($sql)$(.bind($bind))*
                .execute(&mut **t).await.map(|done| done.rows_affected()),
        }
    };
}

/// Reads rows in a transaction: `fetch!(tx, optional | all | one, Type, "SQL", binds…)`.
macro_rules! fetch {
    (@ $how:ident, $tx:expr, $row:ty, $sql:expr $(, $bind:expr)*) => {
        match $tx {
            $crate::store::db::Tx::Sqlite(t) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*
                .$how(&mut **t).await,
            $crate::store::db::Tx::Postgres(t) => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*
                .$how(&mut **t).await,
        }
    };
    ($tx:expr, optional, $($rest:tt)*) => { fetch!(@ fetch_optional, $tx, $($rest)*) };
    ($tx:expr, all, $($rest:tt)*) => { fetch!(@ fetch_all, $tx, $($rest)*) };
    ($tx:expr, one, $($rest:tt)*) => { fetch!(@ fetch_one, $tx, $($rest)*) };
}

/// Reads rows outside a transaction: `read!(db, optional | all | one, Type, "SQL", binds…)`.
macro_rules! read {
    (@ $how:ident, $db:expr, $row:ty, $sql:expr $(, $bind:expr)*) => {
        match $db {
            $crate::store::db::Db::Sqlite { read, .. } =>
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.$how(read).await,
            $crate::store::db::Db::Postgres(pool) =>
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.$how(pool).await,
        }
    };
    ($db:expr, optional, $($rest:tt)*) => { read!(@ fetch_optional, $db, $($rest)*) };
    ($db:expr, all, $($rest:tt)*) => { read!(@ fetch_all, $db, $($rest)*) };
    ($db:expr, one, $($rest:tt)*) => { read!(@ fetch_one, $db, $($rest)*) };
}

/// Runs one statement for many rows, in as few runs as their number allows:
/// `execute_rows!(tx, "INSERT … VALUES ", COLUMNS, " ON CONFLICT …", rows, |row| binds…)`.
macro_rules! execute_rows {
    ($tx:expr, $before:expr, $columns:expr, $after:expr, $rows:expr,
     |$row:ident| $($bind:expr),+ $(,)?) => {
        let mut rows = $rows.into_iter();
        for length in $crate::store::db::runs(rows.len()) {
            let run = rows.by_ref().take(length);
            let sql = $crate::store::db::rows_sql($tx, $before, $columns, length, $after);
            let sql = sqlx::AssertSqlSafe(sql);
            match $tx {
                $crate::store::db::Tx::Sqlite(t) => {
                    let mut query = sqlx::query(sql);
                    for $row in run { query = query$(.bind($bind))+; }
                    query.execute(&mut **t).await?;
                }
                $crate::store::db::Tx::Postgres(t) => {
                    let mut query = sqlx::query(sql);
                    for $row in run { query = query$(.bind($bind))+; }
                    query.execute(&mut **t).await?;
                }
            }
        }
    };
}

/// [`execute_rows`] for a query; what it gives is added to `found`.
macro_rules! fetch_rows {
    ($tx:expr, $type:ty, $before:expr, $columns:expr, $after:expr, $rows:expr, $found:expr,
     |$row:ident| $($bind:expr),+ $(,)?) => {
        let mut rows = $rows.into_iter();
        for length in $crate::store::db::runs(rows.len()) {
            let run = rows.by_ref().take(length);
            let sql = $crate::store::db::rows_sql($tx, $before, $columns, length, $after);
            let sql = sqlx::AssertSqlSafe(sql);
            match $tx {
                $crate::store::db::Tx::Sqlite(t) => {
                    let mut query = sqlx::query_as::<_, $type>(sql);
                    for $row in run { query = query$(.bind($bind))+; }
                    $found.extend(query.fetch_all(&mut **t).await?);
                }
                $crate::store::db::Tx::Postgres(t) => {
                    let mut query = sqlx::query_as::<_, $type>(sql);
                    for $row in run { query = query$(.bind($bind))+; }
                    $found.extend(query.fetch_all(&mut **t).await?);
                }
            }
        }
    };
}

/// [`fetch_rows`] outside a transaction.
macro_rules! read_rows {
    ($db:expr, $type:ty, $before:expr, $columns:expr, $after:expr, $rows:expr, $found:expr,
     |$row:ident| $($bind:expr),+ $(,)?) => {
        let mut rows = $rows.into_iter();
        for length in $crate::store::db::runs(rows.len()) {
            let run = rows.by_ref().take(length);
            let numbered = matches!($db, $crate::store::db::Db::Postgres(_));
            let sql =
                $crate::store::db::values_sql(numbered, $before, $columns, length, $after);
            let sql = sqlx::AssertSqlSafe(sql);
            match $db {
                $crate::store::db::Db::Sqlite { read, .. } => {
                    let mut query = sqlx::query_as::<_, $type>(sql);
                    for $row in run { query = query$(.bind($bind))+; }
                    $found.extend(query.fetch_all(read).await?);
                }
                $crate::store::db::Db::Postgres(pool) => {
                    let mut query = sqlx::query_as::<_, $type>(sql);
                    for $row in run { query = query$(.bind($bind))+; }
                    $found.extend(query.fetch_all(pool).await?);
                }
            }
        }
    };
}

pub(super) use {execute, execute_rows, fetch, fetch_rows, read, read_rows};

/// Rows that SQLite's thread may be ahead of who reads them.
const ROW_BUFFER: usize = 256;
/// Rows of one statement. Few sizes, so that few statements have to be prepared and kept; powers of
/// two, so that few are needed for any number of rows: each is a way to the database and back.
const RUNS: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];

/// Lengths of the runs that so many rows go in: [`RUNS`], longest first.
pub(super) fn runs(rows: usize) -> impl Iterator<Item = usize> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let length = RUNS.into_iter().find(|length| *length <= rest)?;
        rest -= length;
        Some(length)
    })
}

/// `before (?, ?), (?, ?) after`, or with `$1`, `$2` … for PostgreSQL. SQLite would take these too,
/// as names, and the driver asks it for the name of each: a walk through all of them every time.
pub(super) fn rows_sql(tx: &Tx, before: &str, columns: usize, rows: usize, after: &str) -> String {
    let numbered = matches!(tx, Tx::Postgres(_));
    values_sql(numbered, before, columns, rows, after)
}

pub(super) fn values_sql(
    numbered: bool,
    before: &str,
    columns: usize,
    rows: usize,
    after: &str,
) -> String {
    let mut sql = String::with_capacity(before.len() + after.len() + rows * columns * 6);
    sql.push_str(before);
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=columns {
            sql.push_str(if column == 1 { "" } else { ", " });
            if numbered {
                let _ = write!(sql, "${}", row * columns + column);
            } else {
                sql.push('?');
            }
        }
        sql.push(')');
    }
    sql.push_str(after);
    sql
}

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…` and brings its tables up to date.
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            Self::open_sqlite(url).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::open_postgres(url).await
        } else {
            Err(StoreError::Url)
        }
    }

    async fn open_sqlite(url: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // A group's rows fit, so that SQLite's thread need not stop for their reader.
            .row_buffer_size(ROW_BUFFER)
            // The command line writes beside a running server.
            .busy_timeout(Duration::from_secs(15));
        let write = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false);
        let write = write.connect_with(options.clone()).await?;
        sqlx::migrate!("migrations/sqlite").run(&write).await?;
        // A file answers or fails; asking it first whether it will costs as much as the query.
        let read = SqlitePoolOptions::new().max_connections(4).test_before_acquire(false);
        let read = read.connect_with(options.read_only(true)).await?;
        Ok(Self::Sqlite { write, read })
    }

    async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)?.application_name("evidenced-collector");
        let pool = PgPoolOptions::new().max_connections(8);
        let pool = pool.acquire_timeout(Duration::from_secs(10)).connect_with(options).await?;
        sqlx::migrate!("migrations/postgres").run(&pool).await?;
        Ok(Self::Postgres(pool))
    }

    /// A transaction that may write. On SQLite it takes the write lock at once, so that it never
    /// has to be upgraded and refused half-way.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(begin_sqlite(write).await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(t) => t.commit().await?,
            Self::Postgres(t) => t.commit().await?,
        }
        Ok(())
    }
}

/// Begins a transaction. SQLite itself rolls one back that meets a full disk, and the driver goes
/// on counting it: the connection would begin none any more, and gives way to a new one.
async fn begin_sqlite(write: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    match write.begin_with("BEGIN IMMEDIATE").await {
        Err(sqlx::Error::InvalidSavePointStatement) => {}
        begun => return begun,
    }
    write.acquire().await?.close().await?;
    write.begin_with("BEGIN IMMEDIATE").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_runs_of_few_sizes_and_none_is_left_out() {
        for count in [0, 1, 3, 4, 63, 64, 150, 512] {
            let found: Vec<_> = runs(count).collect();
            assert_eq!(found.iter().sum::<usize>(), count);
            assert!(found.iter().all(|run| RUNS.contains(run)), "{count}");
            // At most one of each size, but for the longest.
            assert!(found.windows(2).all(|two| two[0] > two[1] || two[0] == RUNS[0]), "{count}");
        }
    }

    #[test]
    fn the_parameters_of_all_rows_are_numbered_through_where_they_have_numbers() {
        assert_eq!(values_sql(true, "a ", 2, 2, " b"), "a ($1, $2), ($3, $4) b");
        assert_eq!(values_sql(false, "a ", 2, 2, " b"), "a (?, ?), (?, ?) b");
    }
}
