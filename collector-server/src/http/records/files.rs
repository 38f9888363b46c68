//! Files of records: taken up to a size, and given back as attachments that no browser opens in
//! place. What their sender said of their type is not believed and not kept.

use super::{place, refused, settled, shown, unknown};
use crate::app::App;
use crate::http::api::{Asked, Reader};
use crate::http::people::Trouble;
use crate::http::problem::Problem;
use crate::http::rights::Caller;
use crate::http::session::LoggedIn;
use crate::record::{Attached, MAX_FILE, MAX_LINE, Says};
use crate::seat::Right;
use crate::store::RecordKey;
use crate::web::page::segment;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use evidence::Digest;
use serde::Deserialize;
use serde_json::Value;

/// Room for the fields beside a file.
const BESIDE: usize = 1 << 20;

pub(super) fn limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(MAX_FILE + BESIDE)
}

/// A file as it is noted; none of its name that could be a path or another header.
pub(super) fn attached(name: &str, bytes: &[u8]) -> Result<Attached, String> {
    if bytes.is_empty() {
        return Err("The file is empty; choose another.".to_owned());
    }
    if bytes.len() > MAX_FILE {
        return Err(format!("A file has at most {} MiB; link to it instead.", MAX_FILE >> 20));
    }
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let plain: String = last.chars().filter(|c| !c.is_control()).take(MAX_LINE).collect();
    let name = if plain.is_empty() { "document".to_owned() } else { plain };
    Ok(Attached { name, bytes: bytes.len() as u64, sha256: Digest::of(bytes) })
}

/// The file of a revision, for a record of this place.
async fn of_revision(
    app: &App,
    (isms, register, id): (&str, &str, &str),
    revision: i64,
) -> Result<Response, Problem> {
    let (isms, register) = place(app, isms, register).await?;
    let key = RecordKey { isms: &isms.id, register: &register.id, id };
    let record = app.store.record_of(key).await?.ok_or(unknown())?;
    let none = Problem::not_found("this revision has no file");
    let found = record.revisions.into_iter().find(|held| held.n == revision);
    let Some(file) = found.and_then(|held| held.says.file) else { return Err(none) };
    let Some(body) = app.store.record_file(file.sha256).await? else { return Err(none) };
    Ok(as_attachment(&file, body))
}

fn as_attachment(file: &Attached, body: Vec<u8>) -> Response {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' };
    let ascii: String = file.name.chars().map(plain).collect();
    let name =
        format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", segment(&file.name));
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, body).into_response()
}

pub(super) async fn page(
    State(app): State<App>,
    _: LoggedIn,
    Path((isms, register, id, revision)): Path<(String, String, String, i64)>,
) -> Result<Response, Trouble> {
    let missing = |_| Trouble::NotFound(format!("file of revision {revision}"));
    of_revision(&app, (&isms, &register, &id), revision).await.map_err(missing)
}

pub(super) async fn api(
    State(app): State<App>,
    _: Reader,
    Path((isms, register, id, revision)): Path<(String, String, String, i64)>,
) -> Result<Response, Problem> {
    of_revision(&app, (&isms, &register, &id), revision).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutQuery {
    /// The revision that this one follows.
    revision: i64,
    name: String,
}

/// A revision that says the same as the last, with this file.
pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((isms, register, id)): Path<(String, String, String)>,
    Asked(query): Asked<PutQuery>,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    caller.needs(Right::KeepRecords)?;
    let (isms, register) = place(&app, &isms, &register).await?;
    let file = attached(&query.name, &bytes).map_err(Problem::bad_request)?;
    let key = RecordKey { isms: &isms.id, register: &register.id, id: &id };
    let record = app.store.record_of(key).await?.ok_or(unknown())?;
    let last = record.last().ok_or(unknown())?;
    let says = Says { file: Some(file), ..last.says.clone() };
    let (said, now_us) = ((&says, Some(&*bytes)), app.clock.now_us());
    let (after, approval) = (query.revision, register.approval);
    let done = app.store.revise_record(key, after, said, approval, &caller.id, now_us).await?;
    done.map_err(refused)?;
    settled(&app).await?;
    shown(&app, key).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_noted_without_its_path_and_given_back_as_nothing_that_a_browser_opens() {
        let name = |text: &str| attached(text, b"x").expect("attached").name;
        assert_eq!(name("C:\\a\\report.pdf"), "report.pdf");
        assert_eq!(name("../../etc/passwd"), "passwd");
        assert_eq!(name("a\r\nSet-Cookie: b"), "aSet-Cookie: b");
        assert_eq!(name("/"), "document");
        assert!(attached("a", b"").is_err());
        assert!(attached("a", &vec![0; MAX_FILE]).is_ok());
        assert!(attached("a", &vec![0; MAX_FILE + 1]).is_err());
        let file = attached("é\"; x=\".html", b"<script>").expect("attached");
        let response = as_attachment(&file, b"<script>".to_vec());
        let of =
            |name: header::HeaderName| response.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(of(header::CONTENT_TYPE), "application/octet-stream");
        assert_eq!(of(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(
            of(header::CONTENT_DISPOSITION),
            "attachment; filename=\"___ x__.html\"; filename*=UTF-8''%C3%A9%22%3B%20x%3D%22.html"
        );
    }
}
