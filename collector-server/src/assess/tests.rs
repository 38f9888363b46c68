use super::*;
use crate::catalogue::Catalogue;
use crate::judge::RuleSet;
use serde_json::json;

fn judge() -> Judge {
    let catalogue = Catalogue::builtin().expect("catalogue");
    Judge::new(Arc::new(RuleSet::builtin(&catalogue).expect("rules")))
}

fn document(accounts: Value) -> Value {
    json!({
        "schema": "evidenced/1", "collected_at_s": 1_795_305_600, "root": "/",
        "kinds": {"accounts": accounts},
    })
}

fn assessed(document: &Value) -> Result<Vec<RuleResultWithControls>, AssessError> {
    assess(document.to_string().as_bytes(), &judge(), None)
}

fn two_superusers() -> Value {
    let users = json!([{"name": "root", "uid": 0}, {"name": "to\u{1b}or", "uid": 0}]);
    let facts = json!({"kind": "accounts", "v": 1, "data": {"users": users}});
    document(json!({"status": "ok", "sources": [], "unread": [], "facts": facts}))
}

#[test]
fn a_failure_is_one_line_with_its_controls() {
    let results = assessed(&two_superusers()).expect("results");
    let text = render(&results, Format::Json);
    let line = text.lines().find(|line| line.contains("acc-uid0-only-root")).expect("line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    let want = json!({"rule": "acc-uid0-only-root", "controls": ["A.5.16", "A.8.2"],
        "outcome": "fail", "offenders": ["to\u{1b}or"], "reason": null});
    assert_eq!(line, want);
    assert_eq!(text.lines().count(), results.len());
    assert_eq!(exit_code(&results, true), exit::FAIL);
}

#[test]
fn the_table_puts_failures_first_and_counts_the_rest() {
    let text = render(&assessed(&two_superusers()).expect("results"), Format::Table);
    let rows: Vec<_> = text.lines().collect();
    assert!(rows[1].contains("acc-uid0-only-root") && rows[1].contains("critical"), "{text}");
    assert!(rows[2].contains("unknown"), "{text}");
    assert!(!text.contains('\u{1b}'), "control characters are written out");
    let last = rows.last().expect("counts");
    assert!(last.contains("1 fail") && last.contains("0 not applicable"), "{last}");
}

#[test]
fn a_kind_that_was_not_collected_is_unknown_and_not_success() {
    let results = assessed(&document(json!({"status": "denied"}))).expect("results");
    assert!(results.iter().all(|result| result.outcome == Outcome::Unknown));
    assert_eq!(exit_code(&results, false), exit::UNKNOWN);
    assert_eq!(exit_code(&results, true), exit::PASS);
    assert_eq!(exit_code(&[], false), exit::PASS);
}

#[test]
fn the_day_is_that_of_the_collection() {
    let (_, today) = read(two_superusers().to_string().as_bytes()).expect("document");
    assert_eq!(today, 20_779);
}

#[test]
fn what_is_not_the_agents_document_is_refused() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut document = two_superusers();
        change(&mut document);
        assessed(&document).expect_err("refused").to_string()
    };
    assert_eq!(
        refused(&|d| d["schema"] = json!("evidenced/2")),
        "schema `evidenced/2` is not evidenced/1"
    );
    assert!(refused(&|d| d["kinds"]["accounts"]["status"] = json!("fine")).contains("fine"));
    assert!(refused(&|d| d["extra"] = json!(1)).contains("extra"));
    let facts =
        |d: &mut Value, key: &str, value: Value| d["kinds"]["accounts"]["facts"][key] = value;
    assert!(refused(&|d| facts(d, "kind", json!("packages"))).contains("of kind `packages`"));
    assert!(refused(&|d| facts(d, "data", json!({"users": null}))).contains("null"));
    assert!(assess(b"{\"schema\":1.5}", &judge(), None).is_err());
}
