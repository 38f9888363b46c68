//! systemd-timesyncd: timesyncd.conf(5) with its drop-ins.

use super::systemd;
use crate::formats::systemd_config;
use crate::host::{Failure, Reading};
use evidence::kinds::time_sync::{ClientName, Form, TimeSource};

const CONFIGURATION: &str = "timesyncd.conf";
const SECTION: &str = "Time";

/// `NTP=`, and where it names nobody `FallbackNTP=`: the fallback is asked only where no server is
/// known. Each assignment adds to its list, and an empty one empties it.
pub(super) fn sources(reading: &mut Reading<'_>) -> Result<Vec<TimeSource>, Failure> {
    let mut servers = Vec::new();
    let mut fallback = None;
    for (key, value) in systemd::assignments(reading, CONFIGURATION, SECTION)? {
        let list = match key.as_str() {
            "NTP" | "Servers" => &mut servers,
            "FallbackNTP" => fallback.get_or_insert_with(Vec::new),
            _ => continue,
        };
        if value.is_empty() {
            list.clear();
        }
        for server in value.split_ascii_whitespace().map(str::to_owned) {
            if !list.contains(&server) {
                list.push(server);
            }
        }
    }
    if !servers.is_empty() {
        return Ok(servers.into_iter().map(|server| source(Form::Server, server)).collect());
    }
    let fallback = fallback.map(|servers| servers.into_iter().map(|s| source(Form::Fallback, s)));
    let vendor_default = || vec![source(Form::VendorDefault, String::new())];
    Ok(fallback.map_or_else(vendor_default, Iterator::collect))
}

fn source(form: Form, address: String) -> TimeSource {
    TimeSource { client: ClientName::Timesyncd, form, address, nts: false, noselect: false }
}

/// Whether it asks at least once an hour: `PollIntervalMaxSec=`, by default 34 minutes.
pub(super) fn asks_hourly(reading: &mut Reading<'_>) -> Result<bool, Failure> {
    let settings = systemd::merged(reading, CONFIGURATION, SECTION)?;
    let longest = settings.get("PollIntervalMaxSec").filter(|value| !value.is_empty());
    let seconds = longest.map(|value| systemd_config::seconds(value));
    Ok(seconds.is_none_or(|seconds| seconds.is_some_and(|seconds| seconds <= 3600)))
}
