use super::*;
use evidence::kinds;
use serde_json::json;

fn entry(status: Status, unread: &[&str]) -> KindEntry {
    let unread = unread.iter().map(|path| (*path).to_owned()).collect();
    KindEntry { status, facts: None, sources: vec![], unread }
}

fn members(id: &str, kinds: &[(&str, KindEntry, Value)]) -> Option<Vec<String>> {
    let facts: BTreeMap<_, _> = kinds
        .iter()
        .map(|(kind, _, data)| (*kind, Facts::new(kind, 1, data.clone()).expect("facts")))
        .collect();
    let seen = |kind: &str| {
        let (_, entry, _) = kinds.iter().find(|(name, ..)| *name == kind)?;
        Some(Seen { entry, facts: facts.get(kind) })
    };
    let found = find(id).expect("a population").members(seen);
    found.map(|members| members.into_iter().collect())
}

fn keys() -> Value {
    json!({"entries": [
        {"user": "root", "uid": 0, "fingerprint": "SHA256:one"},
        {"user": "toor", "uid": 0, "fingerprint": "SHA256:two"},
        {"user": "anna", "uid": 1000, "fingerprint": "SHA256:three"},
    ]})
}

#[test]
fn members_are_read_as_declared() {
    let ok = || entry(Status::Ok, &[]);
    let kinds = [("authorized_keys", ok(), keys())];
    assert_eq!(members("root-keys", &kinds).expect("known"), ["SHA256:one", "SHA256:two"]);
    assert_eq!(members("authorized-keys", &kinds).expect("known"), ["anna SHA256:three"]);
    let ports = json!({"tcp": [
        {"key": "tcp/22", "scope": "any"}, {"key": "tcp/25", "scope": "loopback"},
    ], "udp": [{"key": "udp/123", "scope": "specific"}]});
    let kinds = [("listening_ports", ok(), ports)];
    assert_eq!(members("listening-ports", &kinds).expect("known"), ["tcp/22", "udp/123"]);
    let kinds = [
        ("accounts", ok(), json!({"privileged_users": ["root", "anna"]})),
        ("sudo", ok(), json!({"resolved_principals": ["berta", "root"]})),
    ];
    assert_eq!(members("privileged-people", &kinds).expect("known"), ["anna", "berta", "root"]);
}

#[test]
fn what_was_not_read_is_unknown_and_not_empty() {
    let check =
        |entry: KindEntry, data: Value| members("root-keys", &[("authorized_keys", entry, data)]);
    let empty = json!({"entries": []});
    assert_eq!(check(entry(Status::Ok, &[]), empty.clone()), Some(vec![]));
    assert_eq!(check(entry(Status::NotApplicable, &[]), json!({})), Some(vec![]));
    for status in [Status::Absent, Status::Denied, Status::Truncated, Status::Timeout] {
        assert_eq!(check(entry(status, &[]), empty.clone()), None, "{status:?}");
    }
    assert_eq!(check(entry(Status::Partial, &["entries.uid"]), empty.clone()), None);
    assert_eq!(check(entry(Status::Partial, &["files"]), empty.clone()), Some(vec![]));
    assert_eq!(check(entry(Status::Ok, &[]), json!({"files": []})), None);
    assert_eq!(check(entry(Status::Ok, &[]), json!({"entries": [{"uid": 0}]})), None);
    assert_eq!(
        check(entry(Status::Ok, &[]), json!({"entries": [{"fingerprint": "SHA256:x"}]})),
        None,
        "whose it is was not read"
    );
    assert_eq!(members("root-keys", &[]), None);
    // One source of two is not enough.
    let accounts = json!({"privileged_users": ["root"]});
    let kinds = [("accounts", entry(Status::Ok, &[]), accounts)];
    assert_eq!(members("privileged-people", &kinds), None);
}

#[test]
fn a_member_without_end_is_cut_and_still_told_apart() {
    let one = |last: &str| {
        let facts = json!({"enabled": [format!("{}{last}", "ü".repeat(400))]});
        members("enabled-units", &[("services", entry(Status::Ok, &[]), facts)]).expect("known")
    };
    assert!(one("a")[0].len() < 400);
    assert_ne!(one("a"), one("b"));
}

/// The schema of a field at a path, through lists.
pub(crate) fn field<'a>(schema: &'a Value, root: &'a Value, path: &[&str]) -> Option<&'a Value> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return field(root.pointer(reference.strip_prefix('#')?)?, root, path);
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        return any.iter().find_map(|schema| field(schema, root, path));
    }
    let Some((first, rest)) = path.split_first() else { return Some(schema) };
    match schema.get("items") {
        Some(items) => field(items, root, path),
        None => field(schema.get("properties")?.get(first)?, root, rest),
    }
}

#[test]
fn every_population_reads_what_the_kinds_have() {
    let file: File = toml::from_str(BUILTIN).expect("populations");
    assert_eq!(file.population, all());
    let ids: BTreeSet<_> = all().iter().map(|population| &population.id).collect();
    assert_eq!(ids.len(), all().len());
    for population in all() {
        let known = ["low", "medium", "high", "critical"];
        assert!(known.contains(&population.severity.as_str()), "{}", population.id);
        assert!(!population.id.contains([':', ' ', '/']), "{}", population.id);
        for from in &population.from {
            let kind = kinds::find(&from.kind).expect("a kind");
            let root = serde_json::to_value(kind.schema()).expect("schema");
            let list: Vec<&str> = from.list.split('.').collect();
            let entries = field(&root, &root, &list);
            assert!(entries.is_some(), "{}: {}", population.id, from.list);
            let template = from.member.clone().unwrap_or_default();
            let in_text = template.split('{').skip(1).filter_map(|part| part.split('}').next());
            for name in in_text.chain(from.only.keys().chain(from.but.keys()).map(String::as_str)) {
                let path: Vec<&str> = list.iter().copied().chain([name]).collect();
                assert!(field(&root, &root, &path).is_some(), "{}: {name}", population.id);
            }
        }
    }
}
