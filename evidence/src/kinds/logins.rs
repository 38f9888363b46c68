//! Last logins of local accounts: the day, and which record says so.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the accounts of passwd(5) last opened a session, by every record of logins that the host
/// keeps. Days, never times. A record of a login is proof of it; that none is there proves little
/// by itself: a record can be dead, because nothing writes to it any more, or young. `records` says
/// of each how far it reaches, and rules must ask for one that is alive before they read `unseen`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logins {
    /// The records that exist, in the order of [`Format`].
    pub records: Vec<Record>,
    /// One for each line of passwd(5) whose account is in some record, in the order of the file.
    /// Absent when one of the records was not read whole: a later login may stand in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_logins: Option<Vec<LastLogin>>,
    /// Names of the other lines of passwd(5), in the order of the file: no record holds a login of
    /// theirs. Without a record that is alive this says nothing. Absent as `last_logins`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Vec<String>>,
}

/// The newest login of an account over all records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LastLogin {
    /// Bytes that are not UTF-8 are shown as `\xNN`.
    pub name: String,
    /// UTC days since the epoch.
    pub day: i64,
    /// The record that says so; of several, the first by [`Format`].
    pub proof: Format,
}

/// A form in which logins are recorded.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The SQLite table of pam_lastlog2(8), by name: the last login of each account.
    Lastlog2,
    /// The SQLite table of pam_wtmpdb(8), by name: a history of logins.
    Wtmpdb,
    /// lastlog(5), by uid: the last login of each account.
    Lastlog,
    /// wtmp(5) and the file that was rotated last, by name: a history of logins.
    Wtmp,
}

/// One record of logins, and how far it reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub format: Format,
    /// It keeps the last login of each account, however old. A history forgets what was rotated
    /// away, so there an account without a login has had none since `oldest_day`.
    pub per_account: bool,
    /// It holds a login of an account of passwd(5). Absent, as the days below, when it was not read
    /// whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds_logins: Option<bool>,
    /// Day of the newest login of an account of passwd(5); absent without one. A record whose
    /// newest login is old is dead, or nobody came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_day: Option<i64>,
    /// Day of the oldest entry of any sort in a history; absent without one, and where
    /// `per_account` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_day: Option<i64>,
}

impl Kind for Logins {
    const NAME: &'static str = "logins";
    const V: i64 = 1;
    const TITLE: &'static str = "Last logins of local accounts";
    const PERSONAL: bool = true;
    const ABOUT: About = About {
        purpose: "The day on which each account last logged in, so that accounts nobody uses are found.",
        reads: &[
            "/etc/passwd",
            "/var/log/lastlog",
            "/var/log/wtmp*",
            "/var/lib/lastlog/*",
            "/var/lib/wtmpdb/*",
        ],
        also_reads: "",
        stays: &[
            "times of day, durations, terminals and addresses of logins: only a day leaves",
            "names that belong to no local account",
        ],
        needs: &[],
        cost: Cost::Light,
        people: "The day of the last login of each account, and nothing about when, from where or how long.",
    };
}
