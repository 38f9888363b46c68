use super::*;
use serde_json::json;

fn ask(what: What, format: Format) -> Ask {
    let moment = Moment { at_us: 7, known: 5, known_us: i64::MAX };
    Ask { what, format, from_us: None, moment, after: None }
}

fn result() -> Record {
    let value = json!({
        "host": "01J", "host_name": "=cmd|' /C calc'!A0", "group": "web", "rule": "a-rule",
        "title": "A rule", "severity": "high", "controls": ["A.8.5", "A.8.2"], "outcome": "fail",
        "offenders": ["+1", "root"], "reason": null, "exception": null, "from_us": 3_000_000,
        "to_us": null, "known": 4, "cause": "host_changed", "cursor": "x",
    });
    match value {
        Value::Object(map) => map,
        _ => Record::new(),
    }
}

fn written(format: Format, record: &Record) -> String {
    let mut out = String::new();
    format.write(What::Results, record, &mut out);
    out
}

#[test]
fn a_cursor_goes_on_with_the_same_moment_and_with_no_other_export() {
    let place = Key::Host(HostId::from(9), "a-rule".into(), 3);
    let first = ask(What::Results, Format::Csv);
    let cursor = first.cursor(&place);
    let resumed = Ask::resume(What::Results, Format::Csv, &cursor).expect("resumed");
    assert_eq!(resumed, Ask { after: Some(place), ..first });
    for (what, text) in [(What::Hosts, cursor.as_str()), (What::Results, "x"), (What::Results, "")]
    {
        assert!(matches!(Ask::resume(what, Format::Csv, text), Err(Refused::Cursor)), "{text}");
    }
}

#[test]
fn no_cell_of_an_export_is_a_formula_and_no_line_is_broken() {
    let text = written(Format::Csv, &result());
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows: Vec<_> = reader.records().map(|row| row.expect("row")).collect();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(row.len(), What::Results.columns().len());
    for cell in row {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
    }
    assert!(row.iter().any(|cell| cell.starts_with("'=cmd")));
    assert_eq!(header(Format::Csv, What::Results).split(',').count(), row.len());
}

#[test]
fn a_finding_says_fail_only_of_a_failure_and_pass_only_of_a_pass() {
    let said = |outcome: &str, exception: Value| {
        let mut record = result();
        record.insert("outcome".into(), json!(outcome));
        record.insert("exception".into(), exception);
        let value: Value = serde_json::from_str(&written(Format::Ocsf, &record)).expect("JSON");
        (value["compliance"]["status_id"].clone(), value["status_id"].clone())
    };
    for (outcome, status) in [("pass", 1), ("fail", 3), ("unknown", 0), ("not_applicable", 99)] {
        assert_eq!(said(outcome, Value::Null), (json!(status), json!(1)), "{outcome}");
    }
    // An exception suppresses the finding, and the check still fails.
    assert_eq!(said("fail", json!("E-1")), (json!(3), json!(3)));
}

#[test]
fn hosts_and_evidence_are_no_findings() {
    for what in [What::Hosts, What::Evidence] {
        assert!(matches!(ask(what, Format::Ocsf).checked(), Err(Refused::NoFinding)));
        assert!(ask(what, Format::Csv).checked().is_ok());
    }
}
