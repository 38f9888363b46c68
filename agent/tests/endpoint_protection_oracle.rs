//! The kind `endpoint_protection` against sigtool(1), which reads the header of a database as ClamAV
//! does. Needs the package clamav.

use evidence::kinds::EndpointProtection;
use evidenced_agent::collectors;
use evidenced_agent::formats::clamav_database::{HEADER_BYTES, build_day};
use evidenced_agent::host::{Fixture, Host};
use proptest::prelude::*;
use std::process::Command;

const DAY_S: i64 = 86_400;

fn header(time: &str, seconds: Option<i64>) -> Vec<u8> {
    let md5 = "0123456789abcdef0123456789abcdef";
    let mut text = format!("ClamAV-VDB:{time}:27820:2077000:90:{md5}:AbC/+d:builder");
    if let Some(seconds) = seconds {
        text += &format!(":{seconds}");
    }
    let mut bytes = text.into_bytes();
    bytes.resize(HEADER_BYTES, b' ');
    bytes.extend_from_slice(b"\x1f\x8bno archive");
    bytes
}

/// `Build time: 22 Nov 2026 09:30 +0000`, as seconds by date(1). It refuses the database afterwards,
/// for the signature is none.
fn sigtool(bytes: &[u8]) -> Option<i64> {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("daily.cvd");
    std::fs::write(&path, bytes).expect("written");
    let output = Command::new("sigtool")
        .arg("--info")
        .arg(&path)
        .output()
        .expect("sigtool (install the package clamav)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let time = text.lines().find_map(|line| line.strip_prefix("Build time: "))?;
    let date = Command::new("date").args(["-u", "+%s", "-d", time]).output().expect("date");
    assert!(date.status.success(), "{time}");
    let text = String::from_utf8(date.stdout).expect("UTF-8");
    Some(text.trim().parse().expect("seconds"))
}

fn moment(seconds: i64, offset_minutes: i64) -> String {
    let local = chrono::DateTime::from_timestamp(seconds + offset_minutes * 60, 0).expect("a time");
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
    format!("{} {sign}{hours:02}{minutes:02}", local.format("%d %b %Y %H-%M"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_day_of_a_header_is_that_of_its_build_time(
        seconds in 1_000_000_000_i64..2_000_000_000,
        offset in -11 * 60_i64..=13 * 60,
        with_seconds in any::<bool>(),
    ) {
        let seconds = seconds - seconds % 60;
        let bytes = header(&moment(seconds, offset), with_seconds.then_some(seconds));
        let said = sigtool(&bytes).expect("a build time");
        prop_assert_eq!(said, seconds, "the header was made as intended");
        prop_assert_eq!(build_day(&bytes), Some(said.div_euclid(DAY_S)));
    }

    #[test]
    fn what_sigtool_takes_for_no_header_has_no_day(
        at in 0_usize..60,
        byte in prop_oneof![any::<u8>(), proptest::sample::select(b"\n\r\t\0 :-".to_vec())],
    ) {
        let mut bytes = header("22 Nov 2026 09-30 +0000", Some(1_795_339_800));
        bytes[at] = byte;
        if sigtool_refuses(&bytes) {
            prop_assert_eq!(build_day(&bytes), None);
        }
    }
}

fn sigtool_refuses(bytes: &[u8]) -> bool {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("daily.cvd");
    std::fs::write(&path, bytes).expect("written");
    let output = Command::new("sigtool").arg("--info").arg(&path).output().expect("sigtool");
    !String::from_utf8_lossy(&output.stdout).contains("Build time: ")
}

#[test]
fn a_database_on_a_machine_has_the_day_that_sigtool_says() {
    let seconds = 1_795_339_800;
    let bytes = header(&moment(seconds, -300), Some(seconds));
    let said = sigtool(&bytes).expect("a build time");
    let text = "live\n-- /var/lib/dpkg/status --\nPackage: clamav\nStatus: install ok installed\n\
                Architecture: amd64\nVersion: 1.4.6\n\n";
    let mut fixture = Fixture::parse(text).expect("fixture");
    fixture.replace("/var/lib/clamav/daily.cvd", bytes);
    let collector = collectors::find("endpoint_protection").expect("registered");
    let collected = collector.collect(&Host::fixture(fixture));
    let facts: EndpointProtection =
        serde_json::from_value(collected.facts.expect("facts").data).expect("typed");
    let products = facts.products.expect("products");
    assert_eq!(products[0].signature_day, Some(said.div_euclid(DAY_S)));
}
