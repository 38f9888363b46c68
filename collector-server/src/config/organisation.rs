//! What is the organisation's own: its time zone, and how long it keeps what.

use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Of dates and times that say none.
    pub time_zone: ZoneName,
}

impl Organisation {
    pub fn zone(&self) -> TimeZone {
        self.time_zone.zone()
    }
}

/// A time zone that this machine knows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct ZoneName {
    pub name: String,
    zone: TimeZone,
}

impl ZoneName {
    pub fn zone(&self) -> TimeZone {
        self.zone.clone()
    }
}

impl TryFrom<String> for ZoneName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let zone = match name.as_str() {
            "UTC" => Ok(TimeZone::UTC),
            name => TimeZone::get(name),
        };
        match zone {
            Ok(zone) => Ok(Self { name, zone }),
            Err(_) => Err(format!(
                "this machine knows no time zone `{name}`; write a name such as Europe/Zurich, and \
                 install tzdata if it is one"
            )),
        }
    }
}

/// How many months bodies of facts are kept; 0 is for ever.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    pub months: u32,
    pub personal_months: u32,
    pub kinds: BTreeMap<String, u32>,
}
