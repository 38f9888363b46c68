//! Exports: results, drifts, hosts and evidence of a moment or a period, as JSON lines, CSV, or OCSF
//! Compliance Findings. Read in pages of bounded size; every record carries a cursor that names its
//! place and pins the moment, so that an export goes on where it was cut off.

mod forms;
mod ocsf;
mod reading;
#[cfg(test)]
mod tests;

pub use forms::{Format, header};
pub use reading::{Page, page};

use crate::moment::Moment;
use crate::store::StoreError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::HostId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::str::FromStr;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Results,
    Drifts,
    Hosts,
    Evidence,
}

impl What {
    pub fn word(self) -> &'static str {
        match self {
            Self::Results => "results",
            Self::Drifts => "drifts",
            Self::Hosts => "hosts",
            Self::Evidence => "evidence",
        }
    }

    /// Columns, in order; those of CSV, and the keys of JSON lines.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Results => &[
                "host",
                "host_name",
                "group",
                "rule",
                "title",
                "severity",
                "controls",
                "outcome",
                "reason",
                "offenders",
                "exception",
                "from_us",
                "to_us",
                "known",
                "cause",
                "received_us",
                "valid_until_us",
                "cursor",
            ],
            Self::Drifts => &[
                "id",
                "drift",
                "host",
                "host_name",
                "group",
                "rule",
                "kind",
                "title",
                "controls",
                "cause",
                "severity",
                "from",
                "to",
                "offenders",
                "opened_us",
                "resolved_us",
                "cursor",
            ],
            Self::Hosts => &[
                "host",
                "host_name",
                "group",
                "state",
                "silent",
                "enrolled_us",
                "last_received_us",
                "valid_until_us",
                "revoked_us",
                "agent",
                "manifest",
                "cursor",
            ],
            Self::Evidence => &[
                "host",
                "host_name",
                "group",
                "kind",
                "status",
                "facts",
                "unread",
                "sources",
                "from_us",
                "to_us",
                "observed_us",
                "received_us",
                "valid_until_us",
                "erased_us",
                "cursor",
            ],
        }
    }
}

impl FromStr for What {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let all = [Self::Results, Self::Drifts, Self::Hosts, Self::Evidence];
        all.into_iter().find(|what| what.word() == text).ok_or(Refused::What)
    }
}

/// Which export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub what: What,
    pub format: Format,
    /// None: of the moment; else of the period since, which the moment ends.
    pub from_us: Option<i64>,
    pub moment: Moment,
    /// Where it goes on.
    pub after: Option<Key>,
}

/// The place of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// Within a host, what comes after this word and time.
    Host(HostId, String, i64),
    /// Drifts, the latest first: when it opened, urgency, id.
    Drift(i64, i64, String),
}

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("export one of results, drifts, hosts, evidence")]
    What,
    #[error("the form is one of jsonl, csv, ocsf")]
    Form,
    #[error("OCSF is for results and drifts; take jsonl or csv for hosts and evidence")]
    NoFinding,
    #[error("this cursor is none that an export gave out")]
    Cursor,
    #[error("a cursor holds its own moment; leave at, known, from and to out")]
    CursorAlone,
    #[error("{0}")]
    Rules(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One record: its columns by name.
pub type Record = Map<String, Value>;

#[derive(Serialize, Deserialize)]
struct Cursor {
    w: What,
    f: Option<i64>,
    a: i64,
    k: i64,
    u: i64,
    p: Key,
}

impl Ask {
    /// The cursor that goes on after a place.
    fn cursor(&self, place: &Key) -> String {
        let Moment { at_us, known, known_us } = self.moment;
        let place = place.clone();
        let cursor =
            Cursor { w: self.what, f: self.from_us, a: at_us, k: known, u: known_us, p: place };
        serde_json::to_vec(&cursor).map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_default()
    }

    /// The export that a cursor goes on with.
    pub fn resume(what: What, format: Format, cursor: &str) -> Result<Self, Refused> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor.trim()).map_err(|_| Refused::Cursor)?;
        let held: Cursor = serde_json::from_slice(&bytes).map_err(|_| Refused::Cursor)?;
        if held.w != what {
            return Err(Refused::Cursor);
        }
        let moment = Moment { at_us: held.a, known: held.k, known_us: held.u };
        Self { what, format, from_us: held.f, moment, after: Some(held.p) }.checked()
    }

    /// Refuses what has no such form.
    pub fn checked(self) -> Result<Self, Refused> {
        let finding = matches!(self.what, What::Results | What::Drifts);
        if self.format == Format::Ocsf && !finding {
            return Err(Refused::NoFinding);
        }
        Ok(self)
    }
}
