//! Every row of every table, in a form that both backends read: for backups, and to move from one
//! backend to the other. Tables and columns are those that the database has, so that no migration
//! has to be remembered here.

use super::db::{Db, read};
use super::{Store, StoreError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _, Row as _, Sqlite, Transaction};
use sqlx::{Postgres, QueryBuilder};

/// Rows read at once.
const PAGE: i64 = 100;
/// Most values that one statement writes; SQLite takes 32,766.
const MOST_VALUES: usize = 8000;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    Integer,
    Text,
    Bytes,
    Boolean,
}

/// A table's columns, by name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableShape {
    pub table: String,
    pub columns: Vec<(String, Holds)>,
}

impl Holds {
    fn from_type(declared: &str) -> Result<Self, StoreError> {
        match declared.to_ascii_lowercase().as_str() {
            "bigint" | "integer" => Ok(Self::Integer),
            "text" => Ok(Self::Text),
            "blob" | "bytea" => Ok(Self::Bytes),
            "boolean" => Ok(Self::Boolean),
            other => Err(StoreError::corrupt(format!("a column of type {other}"))),
        }
    }
}

/// A moment of the whole store: a transaction that reads.
pub struct Dump(DumpTx);

enum DumpTx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A store that is being filled, in one transaction.
pub struct Filling(DumpTx);

const SQLITE_TABLES: &str = "SELECT m.name, c.name, c.type FROM sqlite_master m
    JOIN pragma_table_info(m.name) c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations'
    ORDER BY m.name, c.name";
const POSTGRES_TABLES: &str = "SELECT t.relname::text, a.attname::text, y.typname::text
    FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid JOIN pg_type y ON y.oid = a.atttypid
    WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind IN ('r', 'p')
      AND a.attnum > 0 AND NOT a.attisdropped AND t.relname <> '_sqlx_migrations'
    ORDER BY t.relname::text COLLATE \"C\", a.attname::text COLLATE \"C\"";

impl Store {
    /// Begins to read everything as it is now; check-ins go on meanwhile.
    pub async fn dump(&self) -> Result<Dump, StoreError> {
        Ok(Dump(match &self.db {
            // WAL: a reader sees what was committed when it first read.
            Db::Sqlite { read, .. } => DumpTx::Sqlite(read.begin().await?),
            Db::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
                DumpTx::Postgres(tx)
            }
        }))
    }

    /// The newest migration that the tables have.
    pub async fn migration(&self) -> Result<i64, StoreError> {
        let sql = "SELECT MAX(version) FROM _sqlx_migrations";
        let (version,) = read!(&self.db, one, (i64,), sql)?;
        Ok(version)
    }

    /// Begins to fill a store that holds nothing yet; none if it holds something.
    pub async fn fill(&self) -> Result<Option<Filling>, StoreError> {
        let sql = "SELECT COUNT(*) FROM setting";
        let (settings,) = read!(&self.db, one, (i64,), sql)?;
        if settings > 0 || self.log().await?.size > 0 {
            return Ok(None);
        }
        self.defer_references(true).await?;
        let mut filling = Filling(match &self.db {
            Db::Sqlite { write, .. } => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                tx.execute("PRAGMA defer_foreign_keys = ON").await?;
                DumpTx::Sqlite(tx)
            }
            Db::Postgres(pool) => DumpTx::Postgres(pool.begin().await?),
        });
        // Rows that migrations made; those of the backup take their place.
        for shape in filling.0.shapes().await? {
            let sql = format!("DELETE FROM {}", shape.table);
            match &mut filling.0 {
                DumpTx::Sqlite(tx) => {
                    sqlx::query(AssertSqlSafe(sql)).execute(&mut **tx).await.map(drop)?
                }
                DumpTx::Postgres(tx) => {
                    sqlx::query(AssertSqlSafe(sql)).execute(&mut **tx).await.map(drop)?
                }
            }
        }
        Ok(Some(filling))
    }

    /// Ends what [`Store::fill`] began: references between tables are checked at once again.
    pub async fn filled(&self) -> Result<(), StoreError> {
        self.defer_references(false).await
    }

    /// PostgreSQL checks references after each statement, unless it is told otherwise for each.
    async fn defer_references(&self, deferred: bool) -> Result<(), StoreError> {
        let Db::Postgres(pool) = &self.db else { return Ok(()) };
        let sql = "SELECT conrelid::regclass::text, conname::text FROM pg_constraint
                   WHERE contype = 'f' AND connamespace = current_schema()::regnamespace";
        let how = if deferred { "DEFERRABLE INITIALLY DEFERRED" } else { "NOT DEFERRABLE" };
        let mut tx = pool.begin().await?;
        for (table, name) in sqlx::query_as::<_, (String, String)>(sql).fetch_all(&mut *tx).await? {
            let sql = format!("ALTER TABLE {table} ALTER CONSTRAINT \"{name}\" {how}");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }
}

impl DumpTx {
    async fn shapes(&mut self) -> Result<Vec<TableShape>, StoreError> {
        type Row = (String, String, String);
        let rows: Vec<Row> = match self {
            Self::Sqlite(tx) => sqlx::query_as(SQLITE_TABLES).fetch_all(&mut **tx).await?,
            Self::Postgres(tx) => {
                let rows: Vec<Row> = sqlx::query_as(POSTGRES_TABLES).fetch_all(&mut **tx).await?;
                let plain = |name: String| match name.as_str() {
                    "int8" | "int4" => "bigint".to_owned(),
                    "bool" => "boolean".to_owned(),
                    _ => name,
                };
                rows.into_iter()
                    .map(|(table, column, holds)| (table, column, plain(holds)))
                    .collect()
            }
        };
        let mut shapes: Vec<TableShape> = vec![];
        for (table, column, declared) in rows {
            let holds = Holds::from_type(&declared)?;
            match shapes.last_mut() {
                Some(shape) if shape.table == table => shape.columns.push((column, holds)),
                _ => shapes.push(TableShape { table, columns: vec![(column, holds)] }),
            }
        }
        Ok(shapes)
    }
}

impl Dump {
    /// All tables, by name.
    pub async fn shapes(&mut self) -> Result<Vec<TableShape>, StoreError> {
        self.0.shapes().await
    }

    /// Every row of a table, page by page.
    pub async fn rows(
        &mut self,
        shape: &TableShape,
        mut each: impl FnMut(Vec<Vec<Value>>) -> std::io::Result<()>,
    ) -> Result<(), StoreError> {
        let names: Vec<_> = shape.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let (names, table) = (names.join(", "), &shape.table);
        let told = |error: std::io::Error| StoreError::Database(sqlx::Error::Io(error));
        match &mut self.0 {
            DumpTx::Sqlite(tx) => {
                let sql = format!(
                    "SELECT {names}, rowid AS \"rowid of it\" FROM {table} WHERE rowid > $1
                     ORDER BY rowid LIMIT {PAGE}"
                );
                let mut after = i64::MIN;
                loop {
                    let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(after);
                    let rows = query.fetch_all(&mut **tx).await?;
                    let Some(last) = rows.last() else { return Ok(()) };
                    after = last.try_get(shape.columns.len())?;
                    let read = |row| values(row, shape);
                    each(rows.iter().map(read).collect::<Result<_, _>>()?).map_err(told)?;
                }
            }
            DumpTx::Postgres(tx) => {
                let sql = format!("DECLARE dump NO SCROLL CURSOR FOR SELECT {names} FROM {table}");
                sqlx::query(AssertSqlSafe(sql)).execute(&mut **tx).await?;
                let fetch = format!("FETCH {PAGE} FROM dump");
                loop {
                    let query = sqlx::query(AssertSqlSafe(fetch.clone())).persistent(false);
                    let rows = query.fetch_all(&mut **tx).await?;
                    if rows.is_empty() {
                        break;
                    }
                    let read = |row| values(row, shape);
                    each(rows.iter().map(read).collect::<Result<_, _>>()?).map_err(told)?;
                }
                tx.execute("CLOSE dump").await?;
                Ok(())
            }
        }
    }
}

/// A row in JSON; bytes are base64, told apart by the column.
fn values<'r, R>(row: &'r R, shape: &TableShape) -> Result<Vec<Value>, StoreError>
where
    R: sqlx::Row,
    usize: sqlx::ColumnIndex<R>,
    Option<i64>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<String>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<Vec<u8>>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<bool>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    let mut values = Vec::with_capacity(shape.columns.len());
    for (at, (_, holds)) in shape.columns.iter().enumerate() {
        values.push(match holds {
            Holds::Integer => row.try_get::<Option<i64>, _>(at)?.into(),
            Holds::Text => row.try_get::<Option<String>, _>(at)?.into(),
            Holds::Boolean => row.try_get::<Option<bool>, _>(at)?.into(),
            Holds::Bytes => {
                row.try_get::<Option<Vec<u8>>, _>(at)?.map(|bytes| STANDARD.encode(bytes)).into()
            }
        });
    }
    Ok(values)
}

impl Filling {
    /// The tables that are to be filled.
    pub async fn shapes(&mut self) -> Result<Vec<TableShape>, StoreError> {
        self.0.shapes().await
    }

    /// Writes rows as [`Dump::rows`] gave them.
    pub async fn write(
        &mut self,
        shape: &TableShape,
        rows: &[Vec<Value>],
    ) -> Result<(), StoreError> {
        let names: Vec<_> = shape.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let begin = format!("INSERT INTO {} ({}) ", shape.table, names.join(", "));
        let holds: Vec<_> = shape.columns.iter().map(|(_, holds)| *holds).collect();
        for run in rows.chunks((MOST_VALUES / holds.len().max(1)).max(1)) {
            let mut parsed = Vec::with_capacity(run.len());
            for row in run {
                let cells = row.iter().zip(&holds).map(|(value, holds)| Cell::read(value, *holds));
                let cells = cells.collect::<Option<Vec<_>>>();
                let cells =
                    cells.filter(|cells| cells.len() == holds.len() && row.len() == cells.len());
                let why =
                    || StoreError::corrupt(format!("a row of table {} in the backup", shape.table));
                parsed.push(cells.ok_or_else(why)?);
            }
            match &mut self.0 {
                DumpTx::Sqlite(tx) => {
                    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(&begin);
                    query.push_values(parsed, |mut row, cells| {
                        for cell in cells {
                            match cell {
                                Cell::Integer(value) => row.push_bind(value),
                                Cell::Text(value) => row.push_bind(value),
                                Cell::Bytes(value) => row.push_bind(value),
                                Cell::Boolean(value) => row.push_bind(value),
                            };
                        }
                    });
                    query.build().persistent(false).execute(&mut **tx).await?;
                }
                DumpTx::Postgres(tx) => {
                    let mut query: QueryBuilder<Postgres> = QueryBuilder::new(&begin);
                    query.push_values(parsed, |mut row, cells| {
                        for cell in cells {
                            match cell {
                                Cell::Integer(value) => row.push_bind(value),
                                Cell::Text(value) => row.push_bind(value),
                                Cell::Bytes(value) => row.push_bind(value),
                                Cell::Boolean(value) => row.push_bind(value),
                            };
                        }
                    });
                    query.build().persistent(false).execute(&mut **tx).await?;
                }
            }
        }
        Ok(())
    }

    /// Makes all of it durable, or none if tables refer to what is not there.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.0 {
            DumpTx::Sqlite(tx) => tx.commit().await?,
            DumpTx::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// A value on its way into a column.
enum Cell {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Boolean(Option<bool>),
}

impl Cell {
    /// None if the value is not what the column holds.
    fn read(value: &Value, holds: Holds) -> Option<Self> {
        Some(match (holds, value) {
            (Holds::Integer, Value::Null) => Self::Integer(None),
            (Holds::Integer, value) => Self::Integer(Some(value.as_i64()?)),
            (Holds::Text, Value::Null) => Self::Text(None),
            (Holds::Text, value) => Self::Text(Some(value.as_str()?.to_owned())),
            (Holds::Bytes, Value::Null) => Self::Bytes(None),
            (Holds::Bytes, value) => Self::Bytes(Some(STANDARD.decode(value.as_str()?).ok()?)),
            (Holds::Boolean, Value::Null) => Self::Boolean(None),
            (Holds::Boolean, value) => Self::Boolean(Some(value.as_bool()?)),
        })
    }
}
