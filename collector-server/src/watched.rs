//! Watched values: settings that became weaker though no rule fails by it. Pure.

use evidence::Facts;
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;

const BUILTIN: &str = include_str!("../../config/watched.toml");

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    pub id: String,
    pub title: String,
    pub kind: String,
    /// Dotted path.
    pub value: String,
    #[serde(default)]
    pub better: Option<Better>,
    /// Words, the strongest first.
    #[serde(default)]
    pub order: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    Higher,
    Lower,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    watched: Vec<Watched>,
}

/// The values that the program watches.
pub fn all() -> &'static [Watched] {
    static ALL: LazyLock<Vec<Watched>> = LazyLock::new(|| {
        // A test holds the embedded file to this.
        toml::from_str::<File>(BUILTIN).map(|file| file.watched).unwrap_or_default()
    });
    &ALL
}

pub fn find(id: &str) -> Option<&'static Watched> {
    all().iter().find(|watched| watched.id == id)
}

impl Watched {
    /// The value as facts have it; none where it was not read.
    pub fn read(&self, facts: &Facts) -> Option<String> {
        let mut at = &facts.data;
        for step in self.value.split('.') {
            at = at.get(step)?;
        }
        match at {
            Value::String(word) => Some(word.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// Whether `now` is weaker than `was`; values that cannot be compared are not.
    pub fn is_weaker(&self, was: &str, now: &str) -> bool {
        if let Some(better) = self.better {
            let (Ok(was), Ok(now)) = (was.parse::<i64>(), now.parse::<i64>()) else { return false };
            return match better {
                Better::Higher => now < was,
                Better::Lower => now > was,
            };
        }
        let place = |word: &str| self.order.iter().position(|known| known == word);
        matches!((place(was), place(now)), (Some(was), Some(now)) if now > was)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::kinds;
    use serde_json::json;

    #[test]
    fn weaker_is_as_declared_and_what_cannot_be_compared_is_not() {
        let is_weaker = |id, was, now| find(id).expect("watched").is_weaker(was, now);
        assert!(is_weaker("password-length", "14", "12"));
        assert!(!is_weaker("password-length", "12", "14"));
        assert!(!is_weaker("password-length", "12", "12"));
        assert!(is_weaker("ssh-tries", "3", "6"));
        assert!(is_weaker("ssh-root", "no", "prohibit-password"));
        assert!(!is_weaker("ssh-root", "yes", "no"));
        assert!(!is_weaker("ssh-root", "no", "a new word"));
        assert!(!is_weaker("ssh-tries", "3", "many"));
    }

    #[test]
    fn a_value_that_was_not_read_is_none() {
        let read = |data| {
            find("ssh-tries")
                .expect("watched")
                .read(&Facts::new("ssh_server", 1, data).expect("facts"))
        };
        assert_eq!(read(json!({"worst": {"maxauthtries": 6}})).as_deref(), Some("6"));
        assert_eq!(read(json!({"worst": {}})), None);
        assert_eq!(read(json!({})), None);
    }

    #[test]
    fn every_watched_value_is_one_of_a_kind_and_can_be_compared() {
        let file: File = toml::from_str(BUILTIN).expect("watched values");
        assert_eq!(file.watched, all());
        for watched in all() {
            assert!(watched.better.is_some() != (watched.order.len() > 1), "{}", watched.id);
            assert!(crate::population::find(&watched.id).is_none(), "{}", watched.id);
            let kind = kinds::find(&watched.kind).expect("a kind");
            let schema = serde_json::to_value(kind.schema()).expect("schema");
            let mut at = &schema;
            for step in watched.value.split('.') {
                at = crate::population::tests::field(at, &schema, &[step]).expect(&watched.id);
            }
        }
    }
}
