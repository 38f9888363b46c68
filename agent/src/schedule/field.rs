//! One field of a crontab(5) line: `*`, `*/2`, `7`, `1-5`, `10-50/10`, names, and lists of these.

use super::ScheduleError;

/// A field's meaning.
pub(super) struct Grammar {
    name: &'static str,
    min: u8,
    max: u8,
    /// Names for numbers from `min` on.
    names: &'static [&'static str],
}

pub(super) const MINUTE: Grammar = Grammar { name: "minute", min: 0, max: 59, names: &[] };
pub(super) const HOUR: Grammar = Grammar { name: "hour", min: 0, max: 23, names: &[] };
pub(super) const DAY: Grammar = Grammar { name: "day-of-month", min: 1, max: 31, names: &[] };
pub(super) const MONTH: Grammar = Grammar {
    name: "month",
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 0 and 7 are Sunday.
pub(super) const WEEKDAY: Grammar = Grammar {
    name: "weekday",
    min: 0,
    max: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// The numbers a field allows: bit `n` for number `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    bits: u64,
    star: bool,
}

impl Field {
    /// Whether the field restricts its day. `*/2` does not in this sense: it begins with `*`.
    pub(super) fn is_restricted(self) -> bool {
        !self.star
    }

    fn numbers(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |number| self.bits & (1 << number) != 0)
    }

    pub(super) fn list(self) -> String {
        self.numbers().map(|number| number.to_string()).collect::<Vec<_>>().join(",")
    }

    /// Weekdays by name: the `cron` crate numbers them differently.
    pub(super) fn names(self) -> String {
        let bits = if self.bits & (1 << 7) != 0 { self.bits | 1 } else { self.bits };
        let names = WEEKDAY.names.iter().enumerate();
        let chosen = names.filter(|(number, _)| bits & (1 << number) != 0);
        chosen.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
    }
}

impl Grammar {
    pub(super) fn read(&self, text: &str) -> Result<Field, ScheduleError> {
        let mut bits = 0;
        for item in text.split(',') {
            bits |= self.item(item).map_err(|reason| ScheduleError::Field {
                field: self.name,
                text: text.to_owned(),
                reason,
            })?;
        }
        Ok(Field { bits, star: text.starts_with('*') })
    }

    /// `RANGE` or `RANGE/STEP`.
    fn item(&self, item: &str) -> Result<u64, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.max_of_star()),
            Some((from, to)) => (self.number(from)?, self.number(to)?),
            None if step.is_some() => {
                return Err(format!("a step needs a range: `{range}-{}/…`", self.max));
            }
            None => (self.number(range)?, self.number(range)?),
        };
        if from > to {
            return Err("the range runs backwards".to_owned());
        }
        let step = match step.map(str::parse::<usize>) {
            None => 1,
            Some(Ok(step)) if step > 0 => step,
            Some(_) => return Err("the step is not a number above zero".to_owned()),
        };
        Ok((from..=to).step_by(step).fold(0, |bits, number| bits | 1 << number))
    }

    /// `*` does not count Sunday twice.
    fn max_of_star(&self) -> u8 {
        if self.max == 7 { 6 } else { self.max }
    }

    fn number(&self, text: &str) -> Result<u8, String> {
        if let Some(at) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(self.min + at as u8);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u8>() {
            Ok(number) if digits && (self.min..=self.max).contains(&number) => Ok(number),
            _ => Err(format!("`{text}` is not in {}–{}", self.min, self.max)),
        }
    }
}
