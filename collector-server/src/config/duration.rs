//! Durations as people write them: a number and `s`, `m`, `h` or `d`.

use serde::Deserialize;
use std::time::Duration;

/// A duration read from text such as `90s`, `15m`, `1h`, `14d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationText(pub Duration);

impl std::str::FromStr for DurationText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "not a duration: `{text}`; write a number and a unit, such as 90s, 15m, 1h or 14d"
            )
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(seconds).map(Duration::from_secs).map(Self).ok_or_else(wrong)
    }
}

impl std::fmt::Display for DurationText {
    /// In the largest unit that says it whole.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        for (unit, of) in [("d", 86_400), ("h", 3600), ("m", 60)] {
            if seconds >= of && seconds.is_multiple_of(of) {
                return write!(f, "{}{unit}", seconds / of);
            }
        }
        write!(f, "{seconds}s")
    }
}

impl DurationText {
    /// Reads one that is not nothing.
    pub fn positive(text: &str) -> Result<Self, String> {
        let duration: Self = text.parse()?;
        if duration.0.is_zero() {
            return Err(format!("`{text}` is too short: at least 1s"));
        }
        Ok(duration)
    }
}

pub(super) fn from_1s<'de, D: serde::Deserializer<'de>>(
    value: D,
) -> Result<DurationText, D::Error> {
    DurationText::positive(&String::deserialize(value)?).map_err(serde::de::Error::custom)
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_number_and_a_unit() {
        let read = |text: &str| text.parse::<DurationText>().map(|d| d.0.as_secs());
        assert_eq!(read("90s"), Ok(90));
        assert_eq!(read("1h"), Ok(3600));
        assert_eq!(read("14d"), Ok(14 * 86_400));
        assert!(DurationText::positive("0h").is_err());
        let shown = |text: &str| text.parse().map(|d: DurationText| d.to_string());
        for text in ["90s", "15m", "1h", "30d", "0s"] {
            assert_eq!(shown(text).as_deref(), Ok(text));
        }
        for text in ["", "14", "d", "-1d", "1.5h", "1 h", "1w", "99999999999999999999d"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
