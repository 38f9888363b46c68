//! Facts as rows: one path and one value each, grouped by the first part of the path.

use serde_json::Value;

/// A list of plain values up to this many characters stays on one line.
const MAX_INLINE: usize = 800;
/// Characters shown of one value.
const MAX_VALUE: usize = 1_000;

/// The facts under one key; the first group holds the plain values at the top.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// Empty for the plain values at the top.
    pub name: String,
    pub rows: Vec<Fact>,
}

/// One fact.
#[derive(Debug, PartialEq, Eq)]
pub struct Fact {
    /// Below the group: `maxauthtries`, `[0].criteria`. Empty when the group is the value.
    pub path: String,
    /// As JSON, so that `"no"` and `false` look different.
    pub value: String,
    /// `path:line` that decided it, where the kind says so; empty otherwise.
    pub from: String,
}

/// The key under which a kind says which line decided a setting: setting → `path:line`.
const ORIGINS: &str = "origins";
/// The group whose settings it speaks of.
const SETTINGS: &str = "global";

impl Fact {
    fn computed(path: String, value: String) -> Self {
        Self { path, value, from: String::new() }
    }
}

/// All facts of a kind's `data`, in the order of their keys.
pub fn groups(data: &Value) -> Vec<Group> {
    let Value::Object(members) = data else {
        return vec![Group { name: String::new(), rows: rows_of(data) }];
    };
    let mut plain = Group { name: String::new(), rows: Vec::new() };
    let mut groups = Vec::new();
    for (key, member) in members.iter().filter(|(key, _)| *key != ORIGINS) {
        match inline(member) {
            Some(value) => {
                let value = dated(key, member).unwrap_or(value);
                plain.rows.push(Fact::computed(key.clone(), value));
            }
            None => groups.push(Group { name: key.clone(), rows: rows_of(member) }),
        }
    }
    for group in groups.iter_mut().filter(|group| group.name == SETTINGS) {
        for row in &mut group.rows {
            let origin = members.get(ORIGINS).and_then(|origins| origins.get(&row.path));
            row.from = origin.and_then(Value::as_str).unwrap_or_default().to_owned();
        }
    }
    if !plain.rows.is_empty() {
        groups.insert(0, plain);
    }
    groups
}

/// Takes the first `limit` rows of the groups; what is over stays behind.
pub fn take(groups: Vec<Group>, limit: usize) -> (Vec<Group>, Vec<Group>) {
    let mut left = limit;
    let (mut taken, mut behind) = (Vec::new(), Vec::new());
    for mut group in groups {
        let rest = group.rows.split_off(left.min(group.rows.len()));
        left -= group.rows.len();
        if !rest.is_empty() {
            behind.push(Group { name: group.name.clone(), rows: rest });
        }
        if !group.rows.is_empty() {
            taken.push(group);
        }
    }
    (taken, behind)
}

pub fn len(groups: &[Group]) -> usize {
    groups.iter().map(|group| group.rows.len()).sum()
}

fn rows_of(value: &Value) -> Vec<Fact> {
    let mut rows = Vec::new();
    walk(value, String::new(), &mut rows);
    rows
}

fn walk(value: &Value, path: String, rows: &mut Vec<Fact>) {
    if let Some(inlined) = inline(value) {
        let value = dated(&path, value).unwrap_or(inlined);
        rows.push(Fact::computed(path, value));
        return;
    }
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, format!("{path}[{at}]"), rows);
            }
        }
        Value::Object(members) => {
            let dot = if path.is_empty() { "" } else { "." };
            for (key, member) in members {
                walk(member, format!("{path}{dot}{key}"), rows);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A day with its date: facts count days since 1970, which nobody reads.
fn dated(path: &str, value: &Value) -> Option<String> {
    let day = value.as_i64().filter(|_| path.ends_with("_day"))?;
    let seconds = day.checked_mul(86_400)?;
    let date = jiff::Timestamp::from_second(seconds).ok()?.strftime("%Y-%m-%d").to_string();
    Some(format!("{day} ({date})"))
}

/// JSON with spaces, so that a long value breaks between its words.
pub(super) fn spaced(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), spaced(value))
            };
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

/// The value on one line, when it is plain or a short list of plain values.
pub(super) fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Object(members) if members.is_empty() => Some("{}".to_owned()),
        Value::Object(_) => None,
        Value::Array(items) => {
            if items.iter().any(|item| item.is_object() || item.is_array()) {
                return None;
            }
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            let line = format!("[{}]", items.join(", "));
            (items.len() < 2 || line.chars().count() <= MAX_INLINE).then(|| cut(line))
        }
        plain => Some(cut(plain.to_string())),
    }
}

pub(super) fn cut(text: String) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((at, _)) => {
            let all = text.chars().count();
            format!("{} … cut, {all} characters", text.get(..at).unwrap_or_default())
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(data: &Value) -> Vec<String> {
        groups(data)
            .into_iter()
            .flat_map(|group| {
                let name = group.name;
                group.rows.into_iter().map(move |row| format!("{name}|{}|{}", row.path, row.value))
            })
            .collect()
    }

    #[test]
    fn plain_values_come_first_and_nested_ones_by_their_path() {
        let data = json!({
            "global": {"ports": [22, 2222], "usepam": "yes"},
            "installed": true,
            "matches": [{"criteria": "User backup", "settings": {"forcecommand": "/x"}}],
            "none": [],
        });
        assert_eq!(
            lines(&data),
            [
                "|installed|true",
                "|none|[]",
                "global|ports|[22, 2222]",
                "global|usepam|\"yes\"",
                "matches|[0].criteria|\"User backup\"",
                "matches|[0].settings.forcecommand|\"/x\"",
            ]
        );
    }

    #[test]
    fn a_setting_says_which_line_decided_it() {
        let data = json!({
            "global": {"usepam": "yes", "x11forwarding": "no"},
            "origins": {"usepam": "/etc/ssh/sshd_config:85"},
        });
        let groups = groups(&data);
        assert_eq!(groups.len(), 1);
        let from: Vec<_> = groups[0].rows.iter().map(|row| row.from.as_str()).collect();
        assert_eq!(from, ["/etc/ssh/sshd_config:85", ""]);
    }

    #[test]
    fn a_day_is_shown_with_its_date_and_a_number_of_days_is_not() {
        let data = json!({"lts_end_day": 21365, "min_days": 0, "support": {"end_day": 0}, "today_day": "x"});
        assert_eq!(
            lines(&data),
            [
                "|lts_end_day|21365 (2028-06-30)",
                "|min_days|0",
                "|today_day|\"x\"",
                "support|end_day|0 (1970-01-01)"
            ]
        );
    }

    #[test]
    fn a_nested_value_is_the_same_json_with_spaces() {
        let value = json!({"a": [1, {"b": "c,d:e"}], "f": {}, "g": []});
        let text = spaced(&value);
        assert_eq!(text, r#"{"a": [1, {"b": "c,d:e"}], "f": {}, "g": []}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
    }

    #[test]
    fn a_long_list_has_a_row_for_each_item_and_a_long_value_says_that_it_was_cut() {
        let list: Vec<String> = (0..100).map(|n| format!("package-{n}")).collect();
        assert_eq!(len(&groups(&json!({ "list": list }))), 100);
        let long = lines(&json!({"text": "é".repeat(5_000)})).remove(0);
        assert!(long.ends_with("cut, 5002 characters") && long.len() < 3_000, "{long}");
    }

    #[test]
    fn no_row_is_lost_between_what_is_taken_and_what_stays_behind() {
        let data = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": [{"f": 1}, {"f": 2}, {"f": 3}]});
        for limit in 0..8 {
            let (taken, behind) = take(groups(&data), limit);
            assert_eq!(len(&taken), limit.min(6));
            assert_eq!(len(&taken) + len(&behind), 6);
            assert!(taken.iter().chain(&behind).all(|group| !group.rows.is_empty()));
        }
    }
}
