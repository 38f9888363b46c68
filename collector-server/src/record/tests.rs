use super::*;
use crate::expected::BadFile;

const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23
const REGISTER: &str = r#"
[[register]]
id = "things"
title = "Things"
purpose = "Tests."
clauses = ["9.2"]
controls = ["A.5.1", "A.5.2"]
cadence_days = 10
validity_days = 60
apart = [["auditor", "audited"]]
task = { due = "due", done = "done" }

[[register.field]]
id = "auditor"
label = "Auditor"
kind = "line"
[[register.field]]
id = "audited"
label = "Audited"
kind = "line"
[[register.field]]
id = "due"
label = "Due"
kind = "day"
[[register.field]]
id = "done"
label = "Done"
kind = "day"
[[register.field]]
id = "likelihood"
label = "Likelihood"
kind = "level"
choices = ["rare", "likely", "certain"]
[[register.field]]
id = "consequence"
label = "Consequence"
kind = "level"
choices = ["small", "large"]
[[register.field]]
id = "notes"
label = "Notes"
kind = "text"

[[register.score]]
label = "Risk"
of = ["likelihood", "consequence"]
band = [{ up_to = 2, word = "low" }, { up_to = 6, word = "high" }]
above = { limit = 2, needs = "notes" }
"#;

fn register() -> Register {
    parse("r.toml", REGISTER, |_| true).expect("register").remove(0)
}

fn registers() -> Registers {
    let own = tempfile::tempdir().expect("directory");
    std::fs::write(own.path().join("r.toml"), REGISTER).expect("write");
    Registers::load(own.path(), |_| true).expect("registers")
}

fn says(effective: &str, valid_until: &str) -> Says {
    Says {
        title: "One".into(),
        owner: "lead".into(),
        effective: effective.into(),
        valid_until: valid_until.into(),
        ..Says::default()
    }
}

fn field(mut says: Says, id: &str, text: &str) -> Says {
    says.fields.insert(id.to_owned(), text.to_owned());
    says
}

fn revision(n: i64, says: Says, approved: Option<bool>) -> Revision {
    let decided =
        approved.map(|_| Decision { by: "owner".into(), at_us: NOW - 10 + n, note: String::new() });
    let by = format!("author {n}");
    Revision { n, says, by, at_us: NOW - 100 + n, needs_approval: true, approved, decided }
}

fn record(revisions: Vec<Revision>) -> Record {
    Record {
        id: "r1".into(),
        isms: "i".into(),
        register: "things".into(),
        recorded_by: "lead".into(),
        recorded_us: NOW - 100,
        revisions,
        withdrawn: None,
    }
}

fn check(says: &Says) -> Result<(), Wrong> {
    says.check(&register(), |id| id.starts_with("A.5."))
}

#[test]
fn what_a_record_says_is_held_to_its_register() {
    let good = says("2026-11-01", "");
    assert_eq!(check(&good), Ok(()));
    let refused = |says: Says| check(&says).expect_err("refused").to_string();
    for (says, word) in [
        (Says { title: " ".into(), ..good.clone() }, "title is missing"),
        (Says { owner: "a\nb".into(), ..good.clone() }, "owner has more than 200"),
        (says("2026-13-01", ""), "no day"),
        (says("1", ""), "no day"),
        (says("2026-11-02", "2026-11-01"), "ends before"),
        (Says { link: "javascript:alert(1)".into(), ..good.clone() }, "https"),
        (Says { link_sha256: "ab".repeat(32), ..good.clone() }, "of a link"),
        (Says { about: ["A.9.9".to_owned()].into(), ..good.clone() }, "neither a control"),
        (field(good.clone(), "colour", "red"), "no field `colour`"),
        (field(good.clone(), "due", "soon"), "no day"),
        (field(good.clone(), "likelihood", "often"), "not one of rare, likely, certain"),
    ] {
        assert!(refused(says).contains(word), "{word}");
    }
    assert_eq!(check(&says("2026-11-01", "2026-11-01")), Ok(()), "a day is whole");
    let linked = Says {
        link: "https://docs.example.org/a?b=1".into(),
        link_sha256: "ab".repeat(32),
        ..good
    };
    assert_eq!(check(&linked), Ok(()));
}

#[test]
fn nobody_audits_their_own_work_and_a_high_score_needs_its_words() {
    let good = says("2026-11-01", "");
    let both = |a: &str, b: &str| field(field(good.clone(), "auditor", a), "audited", b);
    assert_eq!(check(&both("lead", "platform")), Ok(()));
    assert!(matches!(check(&both("Lead", "lead")), Err(Wrong::Apart(..))));
    assert_eq!(check(&both("lead", "")), Ok(()), "nobody is not the same body");
    let risk = |a: &str, b: &str| field(field(good.clone(), "likelihood", a), "consequence", b);
    assert_eq!(check(&risk("rare", "large")), Ok(()));
    assert!(matches!(check(&risk("likely", "large")), Err(Wrong::Above(_, 4, 2, _))));
    assert_eq!(check(&field(risk("likely", "large"), "notes", "moved away")), Ok(()));
    let score = scored(&risk("certain", "large"), &register()).remove(0);
    assert_eq!((score.value, score.word.as_str()), (6, "high"));
    assert!(scored(&field(good, "likelihood", "rare"), &register()).is_empty(), "half of it");
}

#[test]
fn a_record_without_a_last_day_takes_that_of_its_register() {
    assert_eq!(says("2026-11-01", "").tidy(&register()).valid_until, "2026-12-31");
    assert_eq!(says("2026-11-01", "2026-11-05").tidy(&register()).valid_until, "2026-11-05");
    let open = Register { validity_days: None, ..register() };
    assert_eq!(says("2026-11-01", "").tidy(&open).valid_until, "");
}

#[test]
fn a_record_counts_once_it_is_approved_and_until_its_last_day_is_over() {
    let standing = |revisions| record(revisions).standing(NOW);
    let held = |until: &str| revision(1, says("2026-11-01", until), Some(true));
    assert_eq!(standing(vec![held("2027-06-01")]), Standing::InForce);
    assert_eq!(standing(vec![held("")]), Standing::InForce);
    assert_eq!(standing(vec![held("2026-11-23")]), Standing::Due, "today is its last day");
    assert_eq!(standing(vec![held("2026-11-22")]), Standing::Expired);
    for approved in [None, Some(false)] {
        let only = revision(1, says("2026-11-01", ""), approved);
        assert_eq!(standing(vec![only]), Standing::Unapproved, "{approved:?}");
        // A revision that is not approved takes nothing away, and adds nothing.
        let next = revision(2, says("2026-11-01", "2028-01-01"), approved);
        assert_eq!(standing(vec![held("2026-11-22"), next]), Standing::Expired, "{approved:?}");
    }
    let later = revision(2, says("2026-12-01", "2027-12-01"), Some(true));
    assert_eq!(standing(vec![later.clone()]), Standing::ToCome);
    assert_eq!(standing(vec![held("2027-06-01"), later.clone()]), Standing::InForce);
    let owed = |revisions| {
        let all = owing(&registers(), &[("i".into(), "I".into())], &[record(revisions)], NOW);
        all.into_iter().filter(|owing| owing.subject == "record r1").map(|o| o.due_us).next()
    };
    assert_eq!(owed(vec![held("2026-11-29"), later.clone()]), end_of("2026-11-29"), "a gap");
    assert_eq!(owed(vec![held("2026-11-30"), later.clone()]), end_of("2027-12-01"), "no gap");
    assert_eq!(owed(vec![held("2026-11-30")]), end_of("2026-11-30"));
    assert_eq!(owed(vec![held("2026-12-05"), later]), end_of("2027-12-01"), "renewed already");
    let withdrawn = Record { withdrawn: held("").decided, ..record(vec![held("")]) };
    assert_eq!(withdrawn.standing(NOW), Standing::Withdrawn);
}

#[test]
fn the_past_has_what_was_known_then() {
    let row = record(vec![
        revision(1, says("2026-11-01", ""), Some(true)),
        revision(2, says("2026-11-02", ""), Some(true)),
    ]);
    assert_eq!(row.at(NOW - 100), None);
    let first = row.at(NOW - 99).expect("recorded");
    assert_eq!((first.revisions.len(), first.revisions[0].approved), (1, None));
    let approved = row.at(NOW - 9).expect("recorded");
    assert_eq!(approved.revisions[0].approved, Some(true));
    assert_eq!(approved.revisions[1].approved, None, "decided a moment later");
    assert_eq!(row.at(NOW).as_ref(), Some(&row));
    assert_eq!(row.authors().len(), 0);
    assert_eq!(approved.authors(), ["author 2"].into());
}

#[test]
fn a_register_waits_for_its_next_record_and_a_control_for_its_evidence() {
    let state = |revisions: Vec<Revision>| {
        let rows: Vec<_> = if revisions.is_empty() { vec![] } else { vec![record(revisions)] };
        (register_state(&register(), "i", &rows, NOW), rows)
    };
    let (none, rows) = state(vec![]);
    assert_eq!((none.word(), none.overdue, none.next_us), ("no record", false, None));
    let isms = ["i".to_owned()];
    let of = |rows: &[Record], about: &str| {
        let claims = claims(&registers(), &isms, rows, NOW);
        support(&claims, &isms).get(about).copied().expect("covered")
    };
    assert_eq!(of(&rows, "A.5.2").counting, 0, "a record that is missing supports nothing");
    let held = |day: &str| revision(1, says(day, ""), Some(true));
    let (fresh, rows) = state(vec![held("2026-11-13")]);
    assert_eq!((fresh.word(), fresh.overdue), ("due", false), "the tenth day is not over");
    assert_eq!((of(&rows, "A.5.2").counting, of(&rows, "A.5.2").stale), (1, 0));
    let (late, rows) = state(vec![held("2026-11-12")]);
    assert_eq!((late.word(), late.overdue), ("overdue", true));
    assert_eq!(of(&rows, "A.5.2").stale, 1);
    let (waits, rows) = state(vec![revision(1, says("2026-11-13", ""), None)]);
    assert_eq!((waits.word(), waits.waiting), ("unapproved", 1));
    assert_eq!(of(&rows, "A.5.2").counting, 0);
    // A record that names a control is no evidence for another.
    let own = Says { about: ["A.5.1".to_owned()].into(), ..says("2026-11-13", "") };
    let (_, rows) = state(vec![revision(1, own, Some(true))]);
    assert_eq!((of(&rows, "A.5.1").counting, of(&rows, "A.5.2").counting), (1, 0));
    // Of two management systems each has its own.
    let two = ["i".to_owned(), "j".to_owned()];
    let found = support(&claims(&registers(), &two, &rows, NOW), &two);
    assert!(!found["A.5.1"].everywhere && of(&rows, "A.5.1").everywhere);
}

#[test]
fn a_task_is_owed_until_it_is_done() {
    let owed = |says: Says| {
        let rows = [record(vec![revision(1, says, Some(true))])];
        let all = owing(&registers(), &[("i".into(), "I".into())], &rows, NOW);
        all.into_iter().filter(|owing| owing.subject == "task r1").count()
    };
    let open = field(says("2026-11-20", ""), "due", "2026-11-30");
    assert_eq!(owed(open.clone()), 1);
    assert_eq!(owed(field(open, "done", "2026-11-21")), 0);
    assert_eq!(owed(says("2026-11-20", "")), 0);
}

fn read(text: &str, known: &BTreeMap<String, Says>) -> Result<Vec<Line>, BadFile> {
    parse_csv(text.as_bytes(), &register(), known, |_| true)
}

#[test]
fn a_register_is_written_as_csv_and_read_back() {
    let mut full = field(says("2026-11-01", "2027-01-01"), "notes", "=cmd()\nand, \"more\"");
    full.title = "-1+1".into();
    full.about = ["A.5.1".to_owned(), "9.2".to_owned()].into();
    let file = Attached { name: "a.pdf".into(), bytes: 3, sha256: Digest::of(b"abc") };
    full.file = Some(file);
    let row = record(vec![revision(1, full.clone(), Some(true))]);
    let text = write_csv(&register(), &[&row], NOW);
    assert!(text.contains("\"'-1+1\"") && text.contains("\"'=cmd()"), "{text}");
    let known = BTreeMap::from([("r1".to_owned(), full.clone())]);
    let lines = read(&text, &known).expect("lines");
    assert_eq!(lines, [Line { id: Some("r1".into()), says: full.clone() }]);
    // A column that is left out changes nothing.
    let short = "id,title,owner,effective\nr1,-1+1,lead,2026-11-01\n";
    assert_eq!(read(short, &known).expect("lines")[0].says, full);
}

#[test]
fn every_bad_line_is_named_with_its_remedy_and_nothing_is_taken() {
    let known = BTreeMap::from([("r1".to_owned(), says("2026-11-01", ""))]);
    let head = "id,title,owner,effective,likelihood";
    let text = format!(
        "{head}\n,New,lead,2026-11-01,rare\n,,lead,2026-11-01,\nr9,X,lead,2026-11-01,\n\
         r1,X,lead,2026-11-01,often\nr1,X,lead,2026-11-01,\n"
    );
    let BadFile(bad) = read(&text, &known).expect_err("bad");
    let lines: Vec<_> = bad.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [3, 4, 5, 6], "{bad:?}");
    let BadFile(other) = read(&text.replace('\n', "\r\n"), &known).expect_err("bad");
    assert_eq!(other, bad, "as spreadsheets end their lines");
    assert!(bad.iter().all(|bad| !bad.remedy.is_empty() && !bad.reason.is_empty()));
    let wrong = read("title,owner,effective,colour\nX,lead,2026-11-01,red\n", &known);
    assert!(wrong.expect_err("column").to_string().contains("no column `colour`"));
    assert!(read("title,owner\nX,lead\n", &known).is_err());
    assert!(read(head, &known).is_err(), "nothing in it");
}

#[test]
fn a_review_begins_with_what_is_known() {
    let gathered = Gathered {
        at: "2026-11-23 08:42 UTC".into(),
        controls: vec![("operating".into(), 40), ("none".into(), 53), ("stale".into(), 0)],
        nonconformities_open: 2,
        ..Gathered::default()
    };
    let text = assemble(Inputs::ManagementReview, &gathered);
    assert!(text.contains("93 controls by evidence state = 40 operating + 53 none"), "{text}");
    assert!(text.contains("nonconformities: 2 open") && text.contains("no register `audits`"));
    assert!(assemble(Inputs::Measurement, &gathered).contains("no results"));
}
