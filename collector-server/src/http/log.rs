//! `/log`: the log itself, for whoever checks it. Checkpoint, tiles and entries as C2SP
//! `tlog-tiles` has them, and a proof for each leaf as C2SP `tlog-proof`.
//!
//! An entry is the bytes of a leaf. That of a check-in is what the host signed: its id, hashes and
//! times; facts are not in it. That of an act is a salted hash of it. So the log can be given away
//! whole, and what was erased elsewhere is not in it.

use super::problem::Problem;
use crate::app::App;
use crate::log;
use crate::log::tiles::{Resource, WIDTH, What};
use crate::seat::LOG_READER;
use crate::store::StoredLeaf;
use axum::Router;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use evidence::Digest;

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
/// What is named by its place in an append-only log never changes.
const FOREVER: &str = "private, max-age=31536000, immutable";

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/log/checkpoint", get(checkpoint))
        .route("/log/tile/{*name}", get(tile))
        .route("/log/proof/{name}", get(proof))
}

/// Whoever may read the log: anybody if it is open, else a seat or a token.
struct LogReader;

impl FromRequestParts<App> for LogReader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if app.config.people.open_log {
            return Ok(Self);
        }
        if let Some(token) = parts.headers.get(AUTHORIZATION) {
            let token = token.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            let hash = token.map(|token| Digest::of(token.as_bytes()));
            if let Some(hash) = hash
                && app.store.api_seat(hash).await?.as_deref() == Some(LOG_READER)
            {
                return Ok(Self);
            }
        }
        super::api::Reader::from_request_parts(parts, app).await.map(|_| Self)
    }
}

async fn checkpoint(State(app): State<App>, _: LogReader) -> Result<Response, Problem> {
    let note = app.keys.now().signer.checkpoint(app.store.log().await?).note;
    Ok(([(CONTENT_TYPE, TEXT)], note).into_response())
}

async fn tile(
    State(app): State<App>,
    _: LogReader,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("the log has no such tile");
    let Resource { what, index, width } = Resource::parse(&name).ok_or_else(missing)?;
    let bytes = match what {
        What::Hashes(level) => {
            let mut hashes = app.store.log_tile(level, index).await?;
            let wanted = width as usize * 32;
            if hashes.len() < wanted {
                return Err(missing());
            }
            hashes.truncate(wanted);
            hashes
        }
        What::Entries => entries(&app, index, width).await?.ok_or_else(missing)?,
    };
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, FOREVER)], bytes).into_response())
}

/// A bundle of `width` entries; none if the log has not so many, or does not keep one of them.
async fn entries(app: &App, index: u64, width: u64) -> Result<Option<Vec<u8>>, Problem> {
    let Some(first) = index.checked_mul(WIDTH) else { return Ok(None) };
    let leaves = app.store.leaves(first, width as i64).await?;
    let size = app.store.log().await?.size;
    let kept = leaves.iter().all(|(_, leaf)| !matches!(leaf, StoredLeaf::Unreadable { .. }));
    if leaves.len() as u64 != width || first + width > size || !kept {
        return Ok(None);
    }
    let entries: Vec<_> = leaves.iter().map(|(_, leaf)| leaf.bytes()).collect();
    Ok(log::tiles::bundle(&entries))
}

async fn proof(
    State(app): State<App>,
    _: LogReader,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("the log has no such leaf");
    let index = name.strip_suffix(".tlog-proof").and_then(|index| index.parse::<u64>().ok());
    let index = index.ok_or_else(missing)?;
    let proof = log::prove(&app.store, &app.keys.now().signer, index).await?;
    let proof = proof.ok_or_else(missing)?;
    let file = format!("attachment; filename=\"{index}.tlog-proof\"");
    Ok(([(CONTENT_TYPE, TEXT.to_owned()), (CONTENT_DISPOSITION, file)], proof.to_string())
        .into_response())
}
