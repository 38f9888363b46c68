use super::*;
use proptest::prelude::*;

const CONTROLS: [&str; 3] = ["A.5.1", "A.8.2", "A.8.5"];

fn known() -> BTreeSet<&'static str> {
    CONTROLS.into()
}

fn read(text: &str) -> Result<Vec<Entry>, String> {
    parse(text.as_bytes(), &known()).map_err(|bad| bad.to_string())
}

fn applies(control: &str) -> Entry {
    Entry {
        applicable: Some(true),
        grounds: [Ground::Risk].into(),
        implementation: Some(Implementation::Implemented),
        ..Entry::empty(control)
    }
}

#[test]
fn a_line_says_whether_why_how_far_and_who() {
    let text = "control;applicable;grounds;justification;implementation;owner;references\n\
                A.8.2;Yes;\"risk;legal\";;Implemented;platform;\"P-7; P-8\"\n\
                A.5.1;no;;\"no offices, no paper\";;;\n";
    let entries = read(text).expect("entries");
    let expected = Entry {
        grounds: [Ground::Legal, Ground::Risk].into(),
        owner: "platform".into(),
        references: vec!["P-7".into(), "P-8".into()],
        ..applies("A.8.2")
    };
    assert_eq!(entries[0], expected);
    assert_eq!(
        (entries[1].applicable, entries[1].justification.as_str()),
        (Some(false), "no offices, no paper")
    );
}

#[test]
fn every_bad_line_is_named_with_its_remedy() {
    let text = "control,applicable,grounds,justification,implementation\n\
                A.8.2,yes,,,implemented\n\
                A.9.9,yes,risk,,implemented\n\
                8.5,yes,risk,,implemented\n\
                A.8.5,no,,,\n\
                A.8.5,maybe,,,\n\
                A.8.5,no,,not ours,planned\n\
                A.8.5,yes,fear,,\n\
                A.8.5,yes,risk,,done\n\
                A.8.5,,risk,,\n\
                A.5.1,yes,risk,,implemented\n\
                A.5.1,yes,risk,,implemented\n\
                A.8.5,yes\n";
    let error = read(text).expect_err("refused");
    let lines: Vec<&str> = error.lines().collect();
    let expected = [
        "line 2: A.8.2: an applicable control has no ground; give at least one of",
        "line 3: there is no control `A.9.9`; write an id of the catalogue",
        "line 4: there is no control `8.5`; write A.8.5",
        "line 5: A.8.5: a control that does not apply has no justification; say why",
        "line 6: `maybe` is not yes or no; write yes, no, or nothing",
        "line 7: A.8.5: a control that does not apply has an implementation status; leave it",
        "line 8: `fear` is no ground; write legal, contractual, business, risk",
        "line 9: `done` is no implementation status; write not_implemented, planned",
        "line 10: A.8.5: nobody has decided whether it applies; leave the rest empty",
        "line 12: A.5.1 is in line 11 already; keep one of the two",
        "line 13: it has 2 fields, the first line 5; put quotes",
    ];
    assert_eq!(lines.len(), expected.len(), "{error}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\nis not\n{expected}");
    }
    assert!(read("control,applicable\n").expect_err("empty").contains("lists no control"));
}

#[test]
fn an_entry_is_submitted_only_when_it_is_decided_and_its_status_is_said() {
    assert_eq!(applies("A.8.2").missing(), None);
    let unsaid = Entry { implementation: None, ..applies("A.8.2") };
    assert!(unsaid.check().is_ok() && unsaid.missing().is_some());
    assert!(Entry::empty("A.8.2").missing().is_some());
    let no = Entry {
        applicable: Some(false),
        justification: "no such thing".into(),
        ..Entry::empty("A.8.2")
    };
    assert_eq!(no.missing(), None);
}

#[test]
fn the_sum_adds_up_to_all_controls() {
    let entries = whole(&[applies("A.8.2")], CONTROLS.into_iter());
    assert_eq!(entries.len(), 3);
    assert_eq!(Sum::of(&entries).says(), "3 controls = 1 implemented + 2 undecided");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        text in "[=+@a\\-' ]{0,12}",
        owner in "[=@a']{0,4}",
        references in proptest::collection::vec("[=+a']{1,4}", 0..3),
        grounds in proptest::collection::btree_set(0..4usize, 1..4),
        status in proptest::option::of(0..4usize),
    ) {
        let entry = Entry {
            grounds: grounds.into_iter().map(|n| Ground::ALL[n]).collect(),
            justification: text.trim().to_owned(),
            implementation: status.map(|n| Implementation::ALL[n]),
            owner,
            references,
            ..applies("A.8.2")
        };
        let text = write(std::slice::from_ref(&entry), |_| ("=title".into(), "deviating".into()));
        for cell in text.lines().nth(1).unwrap_or_default().split("\",\"") {
            prop_assert!(!cell.trim_start_matches('"').starts_with(['=', '+', '-', '@']));
        }
        prop_assert_eq!(parse(text.as_bytes(), &known()).map_err(|e| e.to_string()), Ok(vec![entry]));
    }
}
