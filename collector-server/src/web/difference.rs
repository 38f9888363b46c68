//! What changed between two states of a kind.
//!
//! Lists are compared by what is in them, not by position: a member that is added at the front is
//! one change and not a change of every row. Members that carry a name are compared by it.

use super::flatten::{cut, inline, spaced};
use super::page::When;
use crate::store::model::KindRow;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Keys that name a member of a list, the first that fits.
const NAMES: &[&str] = &["name", "path", "id", "criteria"];

/// One difference. A side that is none was not there.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    pub path: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl Change {
    /// Sign and word.
    pub fn word(&self) -> &'static str {
        match (&self.before, &self.after) {
            (Some(_), Some(_)) => "~ changed",
            (Some(_), None) => "− gone",
            (None, _) => "+ added",
        }
    }
}

/// All differences, in the order of the paths.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", before, after, &mut changes);
    changes
}

/// Differences in how two states of a kind were read: what is unread, and of every source its
/// status, size, modification and note.
pub fn of_reading(before: &KindRow, after: &KindRow) -> Vec<Change> {
    changes(&reading(before), &reading(after))
}

fn reading(row: &KindRow) -> Value {
    let source = |source: &evidence::Source| {
        let mut members = Map::new();
        members.insert("path".to_owned(), source.path.clone().into());
        members.insert("status".to_owned(), source.status.as_str().into());
        let modified = source.modified_s.map(|s| When::of(s.saturating_mul(1_000_000)).text);
        let optional = [
            ("bytes", source.size_bytes.map(Value::from)),
            ("modified", modified.map(Value::from)),
            ("note", source.note.clone().map(Value::from)),
        ];
        for (name, value) in optional {
            members.extend(value.map(|value| (name.to_owned(), value)));
        }
        Value::Object(members)
    };
    let sources: Vec<Value> = row.sources.iter().map(source).collect();
    serde_json::json!({"sources": sources, "unread": row.unread})
}

fn compare(path: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            members(path, before, after, changes);
        }
        (Value::Array(old), Value::Array(new)) => match (by_name(old), by_name(new)) {
            (Some(old), Some(new)) => {
                pairs(&old, &new, |name| format!("{path}[{name}]"), changes);
            }
            _ => items(path, old, new, changes),
        },
        _ => changes.push(Change {
            path: path.to_owned(),
            before: Some(text(before)),
            after: Some(text(after)),
        }),
    }
}

fn members(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    changes: &mut Vec<Change>,
) {
    let dot = if path.is_empty() { "" } else { "." };
    pairs(&by_key(before), &by_key(after), |key| format!("{path}{dot}{key}"), changes);
}

fn by_key(members: &Map<String, Value>) -> BTreeMap<&str, &Value> {
    members.iter().map(|(key, member)| (key.as_str(), member)).collect()
}

fn pairs(
    before: &BTreeMap<&str, &Value>,
    after: &BTreeMap<&str, &Value>,
    path: impl Fn(&str) -> String,
    changes: &mut Vec<Change>,
) {
    let mut keys: Vec<&str> = before.keys().chain(after.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => compare(&path(key), old, new, changes),
            (old, new) => changes.push(Change {
                path: path(key),
                before: old.map(|value| text(value)),
                after: new.map(|value| text(value)),
            }),
        }
    }
}

/// The members of a list by their name, when every one has its own.
fn by_name(items: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    NAMES.iter().find_map(|key| {
        let named: Option<BTreeMap<&str, &Value>> =
            items.iter().map(|item| Some((item.get(key)?.as_str()?, item))).collect();
        named.filter(|named| named.len() == items.len() && !named.is_empty())
    })
}

/// Lists as bags: what is in one and not in the other.
fn items(path: &str, before: &[Value], after: &[Value], changes: &mut Vec<Change>) {
    let mut added: Vec<&Value> = after.iter().collect();
    let mut gone = Vec::new();
    for item in before {
        match added.iter().position(|other| *other == item) {
            Some(at) => {
                added.remove(at);
            }
            None => gone.push(item),
        }
    }
    let path = format!("{path}[]");
    let found = changes.len();
    for item in gone {
        changes.push(Change { path: path.clone(), before: Some(text(item)), after: None });
    }
    for item in added {
        changes.push(Change { path: path.clone(), before: None, after: Some(text(item)) });
    }
    if changes.len() == found {
        let order = |items: &[Value]| Some(text(&Value::Array(items.to_vec())));
        changes.push(Change { path, before: order(before), after: order(after) });
    }
}

fn text(value: &Value) -> String {
    inline(value).unwrap_or_else(|| cut(spaced(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Value, after: Value) -> Vec<String> {
        let line = |change: Change| {
            let side = |side: &Option<String>| side.clone().unwrap_or_default();
            let (before, after) = (side(&change.before), side(&change.after));
            format!("{} {} {before}|{after}", change.word(), change.path)
        };
        changes(&before, &after).into_iter().map(line).collect()
    }

    #[test]
    fn values_that_changed_came_and_went_are_told_apart() {
        assert_eq!(
            check(json!({"a": {"b": "no", "c": 1}}), json!({"a": {"b": "yes", "d": true}})),
            ["~ changed a.b \"no\"|\"yes\"", "− gone a.c 1|", "+ added a.d |true"]
        );
        assert_eq!(check(json!({"a": 1}), json!({"a": 1})), [""; 0]);
    }

    #[test]
    fn how_it_was_read_is_compared_source_by_source() {
        let source = |path: &str, bytes: i64, status| evidence::Source {
            path: path.into(),
            status,
            size_bytes: Some(bytes),
            modified_s: Some(1_795_423_320),
            note: None,
        };
        let row = |sources, unread: &[&str]| KindRow {
            host: crate::web::testing::id(1),
            kind: "accounts".into(),
            status: evidence::Status::Ok,
            facts: None,
            sources,
            unread: unread.iter().map(|path| (*path).to_owned()).collect(),
            since_us: 0,
            collected_us: None,
        };
        use evidence::Status::{Denied, Ok};
        let before = row(vec![source("/a", 1, Ok), source("/b", 2, Ok)], &[]);
        let after = row(vec![source("/b", 3, Denied), source("/a", 1, Ok)], &["users.password"]);
        let found: Vec<_> = of_reading(&before, &after)
            .into_iter()
            .map(|change| (change.path, change.before, change.after))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("sources[/b].bytes".to_owned(), text("2"), text("3")),
                ("sources[/b].status".to_owned(), text("\"ok\""), text("\"denied\"")),
                ("unread[]".to_owned(), None, text("\"users.password\"")),
            ]
        );
        assert!(of_reading(&before, &before.clone()).is_empty());
    }

    #[test]
    fn a_member_added_at_the_front_is_one_change() {
        assert_eq!(
            check(json!({"macs": ["a", "b", "b"]}), json!({"macs": ["x", "a", "b"]})),
            ["− gone macs[] \"b\"|", "+ added macs[] |\"x\""]
        );
    }

    #[test]
    fn named_members_are_compared_by_name_and_a_double_name_is_no_name() {
        let user = |name: &str, uid: i64| json!({"name": name, "uid": uid});
        assert_eq!(
            check(
                json!({"users": [user("root", 0), user("ann", 1000)]}),
                json!({"users": [user("toor", 0), user("root", 0), user("ann", 0)]})
            ),
            [
                "~ changed users[ann].uid 1000|0",
                "+ added users[toor] |{\"name\": \"toor\", \"uid\": 0}"
            ]
        );
        assert_eq!(
            check(
                json!({"users": [user("a", 1), user("a", 2)]}),
                json!({"users": [user("a", 1), user("a", 3)]})
            )
            .len(),
            2
        );
    }

    #[test]
    fn another_order_of_the_same_members_is_shown() {
        assert_eq!(
            check(json!({"ciphers": ["a", "b"]}), json!({"ciphers": ["b", "a"]})),
            ["~ changed ciphers[] [\"a\", \"b\"]|[\"b\", \"a\"]"]
        );
    }
}
