//! What a form with a file sends (RFC 7578), read whole within its limit.

use crate::http::people::Trouble;
use crate::http::problem::Problem;
use axum::body::Bytes;
use axum::extract::Multipart;
use axum::extract::multipart::MultipartError;
use std::collections::BTreeMap;

/// Texts by name, and the file that was chosen.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) texts: BTreeMap<String, String>,
    /// Its name and its bytes.
    pub(super) file: Option<(String, Bytes)>,
}

impl Received {
    pub(super) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The revision that a form follows.
    pub(super) fn revision(&self) -> i64 {
        self.text("revision").parse().unwrap_or_default()
    }
}

fn broken(error: &MultipartError) -> Trouble {
    Trouble::Asked(format!(
        "The form could not be read, and nothing was kept: {}.",
        error.body_text()
    ))
}

/// Reads the form; a browser sends an empty file where none was chosen.
pub(super) async fn receive(mut form: Multipart) -> Result<Received, Trouble> {
    let mut received = Received::default();
    while let Some(field) = form.next_field().await.map_err(|e| broken(&e))? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            let file_name = field.file_name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(|e| broken(&e))?;
            if !(file_name.is_empty() && bytes.is_empty()) {
                received.file = Some((file_name, bytes));
            }
            continue;
        }
        let text = field.text().await.map_err(|e| broken(&e))?;
        if received.texts.insert(name, text).is_some() {
            return Err(Problem::bad_request("a field of the form is there twice").into());
        }
    }
    Ok(received)
}
