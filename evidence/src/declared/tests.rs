use super::*;

const RESTIC: &str = r#"
kind = "own_restic"
v = 1
title = "Backup by restic"
schedule = "20 * * * *"
file = "/var/lib/restic/last.json"
format = "json"

[[field]]
name = "kept_days"
type = "integer"
from = "policy.kept_days"
about = "How long copies are kept, in days."

[[field]]
name = "tags"
type = "texts"
from = ["labels", "a.b"]
about = "Tags."
default = []
"#;

/// The error of the text with one thing changed.
fn refused(was: &str, is: &str) -> String {
    assert!(RESTIC.contains(was), "{was}");
    Declaration::parse(&RESTIC.replacen(was, is, 1)).expect_err(is).to_string()
}

#[test]
fn a_declaration_says_where_each_field_comes_from_and_what_it_is() {
    let declared = Declaration::parse(RESTIC).expect("valid");
    assert_eq!(declared.kind, "own_restic");
    assert_eq!(declared.origin, Origin::File("/var/lib/restic/last.json".to_owned()));
    assert_eq!(declared.format, Format::Json);
    assert_eq!(declared.repeated, Repeated::Unread);
    assert_eq!(declared.fields[0].from, ["policy", "kept_days"]);
    assert_eq!(declared.fields[1].from, ["labels", "a.b"]);
    assert_eq!(declared.fields[1].default, Some(json!([])));
    let schema = declared.schema();
    assert_eq!(schema["properties"]["kept_days"]["type"], "integer");
    assert_eq!(schema["properties"]["tags"]["items"]["type"], "string");
}

#[test]
fn what_cannot_work_is_refused_with_its_place() {
    let (kind, file) = ("\"own_restic\"", "file = \"/var/lib/restic/last.json\"");
    let cases = [
        (kind, "\"accounts\"", "line 2, column 8: `accounts` is no name of a kind"),
        (kind, "\"own_\"", "is no name of a kind"),
        (kind, "\"own_Restic\"", "is no name of a kind"),
        ("v = 1", "v = 0", "line 3, column 5: `v` counts from 1"),
        ("\"Backup by restic\"", "\" \"", "`title` is empty"),
        (file, "file = \"last.json\"", "absolute path"),
        (file, "file = \"/var/../etc/shadow\"", "absolute path"),
        (file, "", "either `file` or `command`"),
        (file, "file = \"/a\"\ncommand = \"b\"", "either `file` or `command`"),
        ("\"json\"", "\"xml\"", "unknown variant `xml`"),
        ("\"json\"", "\"regex\"", "needs a `pattern`"),
        ("\"json\"", "\"json\"\npattern = \"a\"", "only `regex`"),
        ("\"json\"", "\"exit_code\"", "`exit_code`, and no more"),
        ("\"kept_days\"", "\"tags\"", "line 16, column 8: another field is called `tags`"),
        ("\"kept_days\"", "\"Kept days\"", "is no name of a field"),
        ("\"policy.kept_days\"", "\"policy.\"", "empty key"),
        ("default = []", "default = 7", "`default` of `tags` is not of its type"),
        ("default = []", "standard = 7", "unknown field `standard`"),
    ];
    for (was, is, reason) in cases {
        let error = refused(was, is);
        assert!(error.contains(reason), "{is}: {error}");
    }
    assert!(Declaration::parse(RESTIC.split("[[field]]").next().expect("head")).is_err());
}
