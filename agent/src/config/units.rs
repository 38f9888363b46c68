//! Durations and sizes as people write them: a number and its unit.

use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// A value without its unit, or with one that is none. The message says how to write it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error(
        "`{0}` is no duration; write numbers with ms, s, m, h or d, such as \"90s\" or \"1h30m\""
    )]
    Duration(String),
    #[error("`{0}` is no size; write a number with B, KiB, MiB, GiB or TiB, such as \"256MiB\"")]
    Size(String),
    #[error("`{0}` is too large")]
    TooLarge(String),
    #[error("`{text}` is too short; at least {least}")]
    TooShort { text: String, least: &'static str },
}

/// In milliseconds, the largest first.
const DURATIONS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// In bytes; units of a thousand are written as the International System writes them.
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// `90s`, `1h30m`, `500ms`: whole numbers, each unit at most once, the largest first.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let wrong = || UnitError::Duration(text.to_owned());
    let mut rest = text.trim();
    let (mut total, mut units) = (0u64, &DURATIONS[..]);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest).ok_or_else(wrong)?;
        let place = units.iter().position(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let part = number.and_then(|number| number.checked_mul(units[place].1));
        total = part
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| UnitError::TooLarge(text.to_owned()))?;
        (units, rest) = (&units[place + 1..], after);
    }
    Ok(Duration::from_millis(total))
}

/// `256MiB`, `1GB`, `4096B`, in bytes.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let wrong = || UnitError::Size(text.to_owned());
    let (number, unit, after) = number_and_unit(text.trim()).ok_or_else(wrong)?;
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    if !after.is_empty() {
        return Err(wrong());
    }
    let size = number.and_then(|number| number.checked_mul(*bytes));
    size.ok_or_else(|| UnitError::TooLarge(text.to_owned()))
}

/// A number, nothing where it does not fit; the letters after it; the rest.
fn number_and_unit(text: &str) -> Option<(Option<u64>, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    if number.is_empty() {
        return None;
    }
    let rest = rest.trim_start();
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(letters);
    Some((number.parse().ok(), unit, after.trim_start()))
}

pub(super) fn duration<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(value)?).map_err(serde::de::Error::custom)
}

/// A duration of at least a second.
pub(super) fn from_1s<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    at_least(value, Duration::from_secs(1), "1s")
}

/// A duration of at least a minute.
pub(super) fn from_1m<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    at_least(value, Duration::from_secs(60), "1m")
}

fn at_least<'de, D: Deserializer<'de>>(
    value: D,
    least: Duration,
    name: &'static str,
) -> Result<Duration, D::Error> {
    let text = String::deserialize(value)?;
    match parse_duration(&text) {
        Ok(duration) if duration < least => {
            Err(serde::de::Error::custom(UnitError::TooShort { text, least: name }))
        }
        other => other.map_err(serde::de::Error::custom),
    }
}

pub(super) fn size<'de, D: Deserializer<'de>>(value: D) -> Result<u64, D::Error> {
    parse_size(&String::deserialize(value)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, ms) in [
            ("0s", 0),
            ("500ms", 500),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            (" 1 h 30 m ", 5_400_000),
            ("30d", 2_592_000_000),
            ("1m1ms", 60_001),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "1", "h", "-1h", "1.5h", "1H", "30m1h", "1h1h", "1w", "1h,", "１h"] {
            assert_eq!(parse_duration(text), Err(UnitError::Duration(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn sizes_have_units_and_mib_is_not_mb() {
        for (text, bytes) in [
            ("0B", 0),
            ("4096B", 4096),
            ("256MiB", 256 << 20),
            ("1 GB", 1_000_000_000),
            ("2kB", 2000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "256", "256M", "256mb", "MiB", "1MiB1KiB", "1.5GiB"] {
            assert_eq!(parse_size(text), Err(UnitError::Size(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_too_large_and_not_something_else() {
        for text in ["99999999999999999999s", "18446744073709551615d", "18446744073709551615ms1d"] {
            let error = parse_duration(text).expect_err(text);
            assert!(!matches!(error, UnitError::TooShort { .. }), "{error}");
        }
        let large = "18446744073709551615TiB".to_owned();
        assert_eq!(parse_size(&large), Err(UnitError::TooLarge(large)));
    }
}
