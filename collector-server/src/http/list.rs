//! Lists are `{"items":[…],"next":CURSOR|null}`; asked again with `cursor=CURSOR` they go on after the
//! last item. `limit` is how many items at most.

use super::problem::Problem;
use axum::Json;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most items of one page.
const MAX_ITEMS: usize = 10_000;

#[derive(Serialize)]
pub(super) struct List<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// A list that is whole.
pub(super) fn list<T>(items: Vec<T>) -> Json<List<T>> {
    Json(List { items, next: None })
}

/// Which page of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<usize>,
}

/// How many items a page holds at most.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(MAX_ITEMS) {
        limit @ 1..=MAX_ITEMS => Ok(limit),
        _ => Err(Problem::bad_request(format!("limit is a number from 1 to {MAX_ITEMS}"))),
    }
}

/// A cursor is the key of the last item, as JSON in base64.
pub(super) fn key<K: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<K>, Problem> {
    let read = |cursor: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    let refused = || Problem::bad_request("this cursor is none that a list gave out");
    cursor.map(|cursor| read(cursor).ok_or_else(refused)).transpose()
}

/// One page of what was read with room for one more: that one says that there is a next page.
pub(super) fn page<R, K: Serialize>(
    mut rows: Vec<R>,
    limit: usize,
    key: impl Fn(&R) -> K,
    item: impl Fn(&R) -> Value,
) -> Json<List<Value>> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more).and_then(|row| serde_json::to_vec(&key(row)).ok());
    let next = last.map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    Json(List { items: rows.iter().map(item).collect(), next })
}
