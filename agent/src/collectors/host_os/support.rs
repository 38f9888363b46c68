//! When the maker's support ends.

use crate::formats::distro_info::{self, Release, day};
use crate::host::Reading;
use evidence::kinds::host_os::{Support, SupportSource};
use std::collections::BTreeMap;

/// Ends of regular, long-term and extended support, from distro-info-data 0.58+deb12u7; for hosts
/// without that package.
const BUILTIN: &[(&str, &str, [&str; 3])] = &[
    ("debian", "10", ["2022-09-10", "2024-06-30", "2029-06-30"]),
    ("debian", "11", ["2024-08-14", "2026-08-31", "2031-06-30"]),
    ("debian", "12", ["2026-07-11", "2028-06-30", "2033-06-30"]),
    ("debian", "13", ["2028-08-09", "2030-06-30", "2035-06-30"]),
    ("ubuntu", "18.04", ["2023-05-31", "2023-05-31", "2028-04-26"]),
    ("ubuntu", "20.04", ["2025-05-29", "2025-05-29", "2030-04-23"]),
    ("ubuntu", "22.04", ["2027-06-01", "2027-06-01", "2032-04-21"]),
    ("ubuntu", "24.04", ["2029-05-31", "2029-05-31", "2034-04-25"]),
];

/// Support of the release; without a known one the field is unread. Testing and sid have no
/// VERSION_ID, though they may carry the codename of a release to come.
pub(super) fn read(
    reading: &mut Reading<'_>,
    path: &str,
    release: &BTreeMap<String, String>,
    id: &str,
    version: Option<&str>,
) -> Option<Support> {
    let support = match release.get("SUPPORT_END") {
        Some(date) => {
            let end = day(date);
            if end.is_none() {
                reading.malformed(path, "SUPPORT_END is not a date");
            }
            end.map(|end| tiers(end, None, None, SupportSource::OsRelease))
        }
        None => version.and_then(|version| of_version(reading, id, version)),
    };
    if support.is_none() {
        reading.unread("support");
    }
    support
}

/// The host's own table, unless its row lacks a tier that the built-in one knows: tables older than
/// a release say nothing of its later tiers.
fn of_version(reading: &mut Reading<'_>, id: &str, version: &str) -> Option<Support> {
    if id != "debian" && id != "ubuntu" {
        return None;
    }
    let row = from_host(reading, id, version);
    let whole = |row: &Release| {
        row.extended_end_day.is_some() && (id == "ubuntu" || row.lts_end_day.is_some())
    };
    let support = |row: Release| {
        let (lts, extended) = (row.lts_end_day, row.extended_end_day);
        Some(tiers(row.standard_end_day?, lts, extended, SupportSource::DistroInfo))
    };
    match row {
        Some(row) if whole(&row) => support(row).or_else(|| builtin(id, version)),
        Some(row) => builtin(id, version).or_else(|| support(row)),
        None => builtin(id, version),
    }
}

fn from_host(reading: &mut Reading<'_>, id: &str, version: &str) -> Option<Release> {
    let path = format!("/usr/share/distro-info/{id}.csv");
    // Without it the built-in table answers; the source says why.
    let text = reading.text(&path).ok()?;
    match distro_info::release(&text, version) {
        Ok(row) => row,
        Err(error) => {
            reading.malformed(&path, error.to_string());
            None
        }
    }
}

fn builtin(id: &str, version: &str) -> Option<Support> {
    let known = BUILTIN.iter().find(|(of, name, _)| *of == id && *name == version);
    let (_, _, [standard, lts, extended]) = known?;
    Some(tiers(day(standard)?, day(lts), day(extended), SupportSource::Builtin))
}

fn tiers(standard: i64, lts: Option<i64>, extended: Option<i64>, source: SupportSource) -> Support {
    let lts_end_day = lts.unwrap_or(standard);
    let extended_end_day = extended.unwrap_or(lts_end_day);
    Support { standard_end_day: standard, lts_end_day, extended_end_day, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs the package distro-info-data.
    #[test]
    fn the_builtin_table_says_what_the_real_one_says() {
        for (id, version, [standard, lts, extended]) in BUILTIN {
            let path = format!("/usr/share/distro-info/{id}.csv");
            let text = std::fs::read_to_string(&path).expect("package distro-info-data");
            let row = distro_info::release(&text, version).expect("table").expect("row");
            assert_eq!(row.standard_end_day, day(standard), "{id} {version}");
            assert_eq!(row.lts_end_day.or(row.standard_end_day), day(lts), "{id} {version}");
            assert_eq!(row.extended_end_day, day(extended), "{id} {version}");
        }
    }
}
