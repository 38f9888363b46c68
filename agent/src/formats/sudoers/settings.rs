//! What lines of `Defaults` come to: for each setting the weakest value that anyone is given.

use super::{Scope, Setting, SyntaxError, Value};
use std::collections::BTreeMap;

/// Flags that are looked at, with their built-in value; `use_pty` depends on the release.
const FLAGS: [(&str, bool); 10] = [
    ("authenticate", true),
    ("env_reset", true),
    ("log_allowed", true),
    ("log_output", false),
    ("noexec", false),
    ("rootpw", false),
    ("runaspw", false),
    ("setenv", false),
    ("targetpw", false),
    ("use_pty", false),
];
/// Texts that are looked at. Without a value all of them are off, but for the first two.
const TEXTS: [&str; 6] =
    ["syslog", "syslog_goodpri", "exempt_group", "logfile", "runas_default", "secure_path"];
const PRIORITIES: [&str; 9] =
    ["alert", "crit", "debug", "emerg", "err", "info", "none", "notice", "warning"];
const FACILITIES: [&str; 13] = [
    "authpriv", "auth", "daemon", "user", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7", "cron",
];

/// Values of one setting: the one for everyone, then those of narrower lines.
#[derive(Debug, Clone)]
struct Values<T> {
    everyone: T,
    /// For users and hosts: a later line for everyone replaces them.
    replaceable: Vec<T>,
    /// For targets and commands: sudo looks at them last.
    late: Vec<T>,
}

impl<T> Values<T> {
    fn new(everyone: T) -> Self {
        Self { everyone, replaceable: Vec::new(), late: Vec::new() }
    }

    fn set(&mut self, scope: Scope, value: T) {
        match scope {
            Scope::Everyone => {
                self.everyone = value;
                self.replaceable.clear();
            }
            Scope::User | Scope::Host => self.replaceable.push(value),
            Scope::Runas | Scope::Command => self.late.push(value),
        }
    }

    fn all(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.everyone).chain(&self.replaceable).chain(&self.late)
    }
}

/// All settings that are looked at.
#[derive(Debug, Clone)]
pub struct Settings {
    flags: BTreeMap<&'static str, Values<bool>>,
    texts: BTreeMap<&'static str, Values<String>>,
    /// Seconds; negative: it never ends.
    timeout: Values<i64>,
}

impl Settings {
    /// The values built into sudo; `use_pty` is on from 1.9.14, and how long a password is remembered
    /// the builder says.
    pub fn built_in(use_pty: bool, timeout_s: i64) -> Self {
        let flag = |(name, on)| (name, Values::new(if name == "use_pty" { use_pty } else { on }));
        let text = |name| {
            let value = match name {
                "syslog" => "authpriv",
                "syslog_goodpri" => "notice",
                _ => "",
            };
            (name, Values::new(value.to_owned()))
        };
        Self {
            flags: FLAGS.into_iter().map(flag).collect(),
            texts: TEXTS.into_iter().map(text).collect(),
            timeout: Values::new(timeout_s),
        }
    }

    /// Puts a setting over those before it. sudo passes over a value it does not understand; what
    /// holds then is not worth guessing.
    pub fn apply(&mut self, scope: Scope, setting: &Setting) -> Result<(), SyntaxError> {
        let refuse = |what| Err(SyntaxError { line: setting.line, what });
        let name = setting.name.as_str();
        if let Some(values) = self.flags.get_mut(name) {
            match setting.value {
                Value::On => values.set(scope, true),
                Value::Off => values.set(scope, false),
                Value::Set(_) | Value::Edit => return refuse("a flag with a value"),
            }
        } else if let Some(values) = self.texts.get_mut(name) {
            let value = match &setting.value {
                Value::On if name == "syslog" => "authpriv",
                Value::Off if name != "runas_default" => "",
                Value::Set(text) if name == "syslog" && !is_facility(text) => {
                    return refuse("no facility of syslog");
                }
                Value::Set(text) if name == "syslog_goodpri" && !PRIORITIES.contains(&&**text) => {
                    return refuse("no priority of syslog");
                }
                Value::Set(text) if name == "syslog_goodpri" && text == "none" => "",
                Value::Set(text) if name == "logfile" && !text.starts_with('/') => {
                    return refuse("a log file without a whole path");
                }
                Value::Set(text) => text,
                Value::On | Value::Off | Value::Edit => return refuse("a setting without a value"),
            };
            values.set(scope, value.to_owned());
        } else if name == "timestamp_timeout" {
            match &setting.value {
                Value::Off => self.timeout.set(scope, 0),
                Value::Set(text) => match seconds(text) {
                    Some(value) => self.timeout.set(scope, value),
                    None => return refuse("a timeout that is no number of minutes"),
                },
                Value::On | Value::Edit => return refuse("a timeout without a value"),
            }
        }
        Ok(())
    }

    /// Whether the flag is on for everyone, everywhere.
    pub fn always(&self, flag: &str) -> bool {
        self.flags.get(flag).is_some_and(|values| values.all().all(|on| *on))
    }

    /// Whether the flag is on for anyone.
    pub fn ever(&self, flag: &str) -> bool {
        self.flags.get(flag).is_some_and(|values| values.all().any(|on| *on))
    }

    /// The flag as lines for everyone leave it.
    pub fn for_everyone(&self, flag: &str) -> bool {
        self.flags.get(flag).is_some_and(|values| values.everyone)
    }

    /// Whether the text is set for everyone, everywhere.
    pub fn is_always_set(&self, name: &str) -> bool {
        self.texts.get(name).is_some_and(|values| values.all().all(|text| !text.is_empty()))
    }

    /// The text for everyone; empty where it is off for someone.
    pub fn strongest_text(&self, name: &str) -> String {
        let values = self.texts.get(name).filter(|_| self.is_always_set(name));
        values.map(|values| values.everyone.clone()).unwrap_or_default()
    }

    /// The first text that is set for anyone; empty where there is none.
    pub fn any_text(&self, name: &str) -> String {
        let values = self.texts.get(name).into_iter().flat_map(Values::all);
        values.into_iter().find(|text| !text.is_empty()).cloned().unwrap_or_default()
    }

    /// The longest timeout in seconds; `None` where it never ends for someone.
    pub fn longest_timeout_s(&self) -> Option<i64> {
        let never = self.timeout.all().any(|seconds| *seconds < 0);
        self.timeout.all().copied().max().filter(|_| !never)
    }
}

fn is_facility(text: &str) -> bool {
    FACILITIES.contains(&text)
}

/// Minutes with a fraction, as seconds, rounded up.
fn seconds(minutes: &str) -> Option<i64> {
    let (negative, number) = match minutes.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, minutes.strip_prefix('+').unwrap_or(minutes)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let scale = 10_i64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = fraction.parse::<i64>().ok()?.checked_mul(60)?;
    let rounded = part / scale + i64::from(part % scale > 0);
    let seconds = whole.parse::<i64>().ok()?.checked_mul(60)?.checked_add(rounded)?;
    Some(if negative { -seconds } else { seconds })
}
