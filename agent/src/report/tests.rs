use super::*;
use crate::collectors;
use crate::host::Fixture;
use evidence::Facts;

const DEBIAN: &str = "\
-- /var/lib/dpkg/status --
Package: base-files
Status: install ok installed
Architecture: amd64
Version: 12.4

-- /snap denied dir --
";

fn host(text: &str) -> Host {
    Host::fixture(Fixture::parse(text).expect("fixture"))
}

fn packages_of(text: &str) -> Collection {
    gather(&host(text), "/image", &Kinds::default(), &["packages".to_owned()], 1_800_000_000)
        .expect("known")
}

fn collected(status: Status, data: Option<Value>) -> Collected {
    let facts = data.map(|data| Facts::new("packages", 1, data).expect("facts"));
    Collected { status, facts, sources: vec![], unread: vec![] }
}

fn one(kind: &str, collected: Collected) -> Collection {
    let kinds = [(kind.to_owned(), collected)].into();
    Collection { root: "/".to_owned(), collected_at_s: 0, kinds }
}

#[test]
fn the_document_is_the_one_of_the_interface() {
    let document = packages_of(DEBIAN).to_json();
    let sources = document["kinds"]["packages"]["sources"].clone();
    assert_eq!(
        document,
        json!({
            "schema": "evidenced/1",
            "collected_at_s": 1_800_000_000,
            "root": "/image",
            "kinds": {"packages": {
                "status": "partial",
                "sources": sources,
                "unread": ["snaps"],
                "facts": {"kind": "packages", "v": 1, "data": {
                    "manager": "dpkg",
                    "count": 1,
                    "items": [{"name": "base-files", "version": "12.4", "arch": "amd64"}],
                    "held": [],
                    "broken": [],
                    "flatpaks": 0,
                }},
            }},
        })
    );
    assert!(
        sources
            .as_array()
            .expect("sources")
            .contains(&json!({"path": "/snap/", "status": "denied"}))
    );
}

#[test]
fn a_kind_without_facts_has_no_key_for_them() {
    let document = packages_of("").to_json();
    let packages = document["kinds"]["packages"].as_object().expect("object");
    assert_eq!(packages["status"], "absent");
    assert!(!packages.contains_key("facts"));
}

#[test]
fn no_name_means_every_kind_and_a_wrong_one_is_corrected() {
    let all = gather(&host(DEBIAN), "/", &Kinds::default(), &[], 0).expect("all");
    assert!(all.kinds.keys().eq(collectors::ALL.iter().map(|collector| collector.kind)));
    let error = gather(&host(DEBIAN), "/", &Kinds::default(), &["pakages".to_owned()], 0)
        .expect_err("unknown");
    assert_eq!(error.to_string(), "unknown kind `pakages`; did you mean `packages`?");
    let error = schema(&Kinds::default(), "database").expect_err("unknown").to_string();
    assert!(error.starts_with("unknown kind `database`; known: "), "{error}");
}

#[test]
fn the_table_says_why_something_is_not_ok_and_nothing_else() {
    let table = packages_of(DEBIAN).to_table(80);
    assert_eq!(
        table,
        "KIND      STATUS   FACTS             WHY\n\
         packages  partial  6 fields, 1 item  not read: snaps\n\
         \u{20}                                    /snap/ denied\n"
    );
    let table = packages_of(&DEBIAN.replace("/snap denied dir", "/snap dir")).to_table(80);
    assert!(table.ends_with("\npackages  ok      7 fields, 1 item\n"), "{table}");
    let table = packages_of(&DEBIAN.replace("Version: 12.4\n", "")).to_table(120);
    let why = "none   /var/lib/dpkg/status parse_error: line 1: the package has no `Version`\n";
    assert!(table.ends_with(why), "{table}");
}

#[test]
fn long_reasons_wrap_within_the_width() {
    let cut = DEBIAN.replace("\n\n-- /snap", "\n-- /snap");
    let table = packages_of(&cut).to_table(60);
    assert!(table.lines().all(|line| line.chars().count() <= 60), "{table}");
    assert!(table.lines().count() > 3, "{table}");
}

#[test]
fn a_long_list_of_faults_is_cut_and_says_so() {
    let mut faulty = collected(Status::Denied, None);
    faulty.sources = (0..20)
        .map(|n| Source {
            path: format!("/etc/{n}"),
            status: Status::Denied,
            size_bytes: None,
            modified_s: None,
            note: None,
        })
        .collect();
    let table = one("packages", faulty).to_table(80);
    assert!(table.contains("and 12 more: see --format json"), "{table}");
    assert_eq!(table.matches(" denied\n").count(), MAX_REASONS, "{table}");
}

#[test]
fn names_of_the_machine_cannot_move_the_cursor() {
    let mut odd = collected(Status::Partial, Some(json!({"a": 1})));
    odd.unread = vec!["x\u{1b}[2Jy\u{9b}z".to_owned()];
    let table = one("packages", odd).to_table(80);
    assert!(table.contains("1 field ") && !table.contains(['\u{1b}', '\u{9b}']), "{table}");
}

#[test]
fn kinds_and_their_schemas_are_those_of_the_contract() {
    let table = kinds_table(&Kinds::default());
    for collector in collectors::ALL {
        let line = table.lines().find(|line| line.starts_with(&format!("{} ", collector.kind)));
        let info = collector.info().expect("contract");
        assert!(line.is_some_and(|line| line.ends_with(info.title)), "{table}");
        let schema: Value =
            serde_json::from_str(&schema(&Kinds::default(), collector.kind).expect("kind"))
                .expect("JSON");
        assert!(schema["properties"].is_object());
    }
}

#[test]
fn kinds_as_json_say_what_is_read_what_stays_and_what_a_privilege_opens() {
    let kinds = kinds_json(&Kinds::default());
    let accounts = kinds["kinds"].as_array().expect("a list").iter();
    let accounts = accounts.clone().find(|kind| kind["kind"] == "accounts").expect("accounts");
    assert!(accounts["reads"].as_array().is_some_and(|it| it.contains(&json!("/etc/shadow"))));
    assert_eq!(accounts["needs"][0]["privilege"], "CAP_DAC_READ_SEARCH");
    assert_eq!(accounts["cost"], "light");
    assert_eq!(accounts["schedule"], "0 * * * *");
    assert!(accounts["stays"][0].as_str().is_some_and(|it| it.starts_with("password hashes")));
}
