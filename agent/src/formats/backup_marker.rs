//! The marker of a backup job (docs/backup-markers.md): one JSON object about its last run.

use serde::Deserialize;

/// The newest version of the contract.
const VERSION: i64 = 1;
/// Times are seconds since the epoch, from 2001 on: milliseconds, and clocks that were never set,
/// are mistakes.
const TIMES: std::ops::Range<i64> = 1_000_000_000..100_000_000_000;
const MAX_NAME_BYTES: usize = 64;

/// Keys that this version does not know are refused: half of a statement is another statement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    v: i64,
    /// When the last run ended.
    pub finished_s: i64,
    /// How it ended; what a signal ended has 128 and the signal's number.
    pub exit_code: i64,
    /// When the last run that succeeded ended, if the last one did not.
    succeeded_s: Option<i64>,
    pub tool: Option<String>,
    pub destination: Option<Destination>,
    pub encryption: Option<Encryption>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    Local,
    Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    Tool,
    Transport,
    None,
}

impl Marker {
    /// Err says what is wrong, never with a word of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let marker: Self = serde_json::from_str(text)
            .map_err(|error| format!("line {}: not a marker", error.line().max(1)))?;
        if marker.v != VERSION {
            return Err("a version of the contract that this agent does not know".to_owned());
        }
        let times = std::iter::once(marker.finished_s).chain(marker.succeeded_s);
        if times.into_iter().any(|time| !TIMES.contains(&time)) {
            return Err("a time that is not in seconds since 1970".to_owned());
        }
        if marker.succeeded_s.is_some_and(|succeeded| succeeded > marker.finished_s) {
            return Err("the last success is later than the last run".to_owned());
        }
        if marker.tool.as_deref().is_some_and(|tool| !is_name(tool)) {
            return Err("`tool` is not the name of a program".to_owned());
        }
        Ok(marker)
    }

    pub fn last_run_succeeded(&self) -> bool {
        self.exit_code == 0
    }

    /// When the last run that succeeded ended.
    pub fn last_success_s(&self) -> Option<i64> {
        if self.last_run_succeeded() { Some(self.finished_s) } else { self.succeeded_s }
    }
}

/// The name of a job, a tool or a unit: no path, no address, no room for a password with a command.
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{"v":1,"finished_s":1700000000,"exit_code":0}"#;

    #[test]
    fn a_run_that_ended_with_0_is_the_last_success() {
        let marker = Marker::parse(GOOD).expect("a marker");
        assert_eq!(marker.last_success_s(), Some(1_700_000_000));
    }

    #[test]
    fn a_failed_run_keeps_the_success_before_it_and_is_none_itself() {
        let text = r#"{"v":1,"finished_s":1700000000,"exit_code":1,"succeeded_s":1699000000}"#;
        let marker = Marker::parse(text).expect("a marker");
        assert!(!marker.last_run_succeeded());
        assert_eq!(marker.last_success_s(), Some(1_699_000_000));
        let text = r#"{"v":1,"finished_s":1700000000,"exit_code":1}"#;
        assert_eq!(Marker::parse(text).expect("a marker").last_success_s(), None);
    }

    #[test]
    fn what_the_contract_does_not_say_is_refused() {
        for bad in [
            "",
            "{}",
            r#"{"v":2,"finished_s":1700000000,"exit_code":0}"#,
            r#"{"v":1,"finished_s":1700000000,"exit_code":"0"}"#,
            r#"{"v":1,"finished_s":1700000000,"exit_code":0,"exit_code":1}"#,
            r#"{"v":1,"finished_s":1700000000,"exit_code":0,"success":true}"#,
            r#"{"v":1,"finished_s":1700000000000,"exit_code":0}"#,
            r#"{"v":1,"finished_s":1700000000,"exit_code":1,"succeeded_s":1700000001}"#,
            r#"{"v":1,"finished_s":1700000000,"exit_code":0,"tool":"restic -r sftp:h"}"#,
            r#"{"v":1,"finished_s":1700000000,"exit_code":0,"destination":"cloud"}"#,
            r#"{"v":1,"finished_s":1700000000,"exit_code":0} {}"#,
        ] {
            assert!(Marker::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_part_of_a_marker_is_a_marker(length in 0..GOOD.len()) {
            prop_assert!(Marker::parse(&GOOD[..length]).is_err());
        }

        #[test]
        fn every_text_has_an_answer(text in "(?s).{0,200}") {
            let _ = (Marker::parse(&text), is_name(&text));
        }
    }
}
