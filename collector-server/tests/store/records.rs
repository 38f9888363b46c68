//! Records: revisions, approval by another, files that nobody else gets at, what is owed.

use crate::alerts::alerts;
use crate::exceptions::{acts, person};
use evidence::Digest;
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::moment::Moment;
use evidenced_collector::record::{Attached, Line, Registers, Says, Standing};
use evidenced_collector::store::{IsmsText, RecordKey, RecordRefusal, Store};

const DAY: i64 = 86_400_000_000;
/// 2026-11-23.
const AT: i64 = 1_795_392_000_000_000;

async fn isms(store: &Store, name: &str) -> String {
    let text = IsmsText {
        name: name.into(),
        legal_entity: "Example".into(),
        scope_statement: "All of it".into(),
        certificate: None,
    };
    store.create_isms(&text, "lead", AT - DAY).await.expect("store").expect("created")
}

fn registers() -> Registers {
    let catalogue = Catalogue::builtin().expect("catalogue");
    Registers::builtin(|id| catalogue.get(id).is_some()).expect("registers")
}

fn says(title: &str, valid_until: &str) -> Says {
    Says {
        title: title.into(),
        owner: "platform".into(),
        effective: "2026-11-20".into(),
        valid_until: valid_until.into(),
        ..Says::default()
    }
}

fn file(bytes: &[u8]) -> Option<Attached> {
    let (bytes, sha256) = (bytes.len() as u64, Digest::of(bytes));
    Some(Attached { name: "report.pdf".into(), bytes, sha256 })
}

async fn make(store: &Store, isms: &str, says: &Says, by: &str) -> String {
    let made = store.make_record((isms, "policies"), (says, None), true, by, AT).await;
    made.expect("store").expect("made")
}

pub(crate) async fn a_record_counts_once_another_approved_it_and_keeps_every_revision(
    store: &Store,
) {
    let lead = person(store, "lead", "compliance_lead").await;
    let owner = person(store, "owner", "risk_owner").await;
    let isms = isms(store, "Hosting").await;
    let id = make(store, &isms, &says("Policy", ""), &lead).await;
    let key = RecordKey { isms: &isms, register: "policies", id: &id };
    let decide = async |revision, approve, by: &str, at_us| {
        let done = store.decide_record(key, revision, (approve, "read"), (by, by), at_us).await;
        done.expect("store")
    };
    let revise = async |revision, title: &str, by: &str, at_us| {
        let says = says(title, "");
        let done = store.revise_record(key, revision, (&says, None), true, by, at_us).await;
        done.expect("store")
    };
    let one = async || store.record_of(key).await.expect("store").expect("record");
    assert_eq!(decide(1, true, &lead, AT + 1).await, Err(RecordRefusal::OwnWork));
    // Whoever changes a word makes the rest of it nobody's own work no less.
    assert_eq!(revise(1, "Policy of 2026", &owner, AT + 2).await, Ok(()));
    assert_eq!(decide(2, true, &lead, AT + 3).await, Err(RecordRefusal::OwnWork));
    assert_eq!(decide(2, true, "cli:root as third", AT + 3).await, Ok(()));
    assert_eq!(one().await.standing(AT + 3), Standing::InForce);
    assert_eq!(decide(2, true, "third", AT + 4).await, Err(RecordRefusal::NotWaiting));
    // The next is decided on by itself, and what held holds on meanwhile.
    assert_eq!(revise(1, "Late", &lead, AT + 5).await, Err(RecordRefusal::Meanwhile));
    assert_eq!(revise(2, "Policy of 2027", &owner, AT + 5).await, Ok(()));
    assert_eq!(one().await.held(AT + 6).map(|held| held.n), Some(2));
    assert_eq!(decide(2, true, &lead, AT + 6).await, Err(RecordRefusal::Meanwhile));
    assert_eq!(decide(3, false, &lead, AT + 6).await, Ok(()));
    let record = one().await;
    let said: Vec<_> = record.revisions.iter().map(|r| (r.n, r.word())).collect();
    assert_eq!(said, [(1, "waits for approval"), (2, "approved"), (3, "returned")]);
    assert_eq!(record.held(AT + 6).map(|held| held.says.title.as_str()), Some("Policy of 2026"));
    for (act, n) in
        [("record_made", 1), ("record_revised", 2), ("record_approved", 1), ("record_returned", 1)]
    {
        assert_eq!(acts(store, act).await, n, "{act}");
    }
    store.withdraw_record(key, "wrong", &lead, AT + 7).await.expect("store").expect("withdrawn");
    assert_eq!(one().await.standing(AT + 7), Standing::Withdrawn);
    assert_eq!(revise(3, "Again", &lead, AT + 8).await, Err(RecordRefusal::Withdrawn));
    // A moment before, it was in force.
    let moment = Moment { at_us: AT + 6, known: i64::MAX, known_us: i64::MAX };
    let then = one().await.at(moment.decided_us()).expect("recorded");
    assert_eq!(then.standing(AT + 6), Standing::InForce);
}

pub(crate) async fn a_record_is_found_in_its_isms_and_register_alone(store: &Store) {
    let (isms, other) = (isms(store, "Hosting").await, isms(store, "Other").await);
    let id = make(store, &isms, &says("Policy", ""), "lead").await;
    for (isms, register) in [(&other, "policies"), (&isms, "roles"), (&other, "roles")] {
        let key = RecordKey { isms, register, id: &id };
        assert_eq!(store.record_of(key).await.expect("store"), None);
        let unknown = Err(RecordRefusal::Unknown);
        let said = (&says("Mine", ""), None);
        let done = store.revise_record(key, 1, said, true, "other", AT + 1).await;
        assert_eq!(done.expect("store"), unknown);
        let done = store.decide_record(key, 1, (true, ""), ("other", "other"), AT + 1).await;
        assert_eq!(done.expect("store"), unknown);
        let done = store.withdraw_record(key, "", "other", AT + 1).await;
        assert_eq!(done.expect("store"), unknown);
        let line = Line { id: Some(id.clone()), says: says("Mine", "") };
        let done = store.import_records((isms, register), &[line], true, "other", AT + 1).await;
        assert_eq!(done.expect("store"), Err(RecordRefusal::Unknown));
    }
    assert_eq!(store.records(Some(&other)).await.expect("store").len(), 0);
    assert_eq!(store.records(None).await.expect("store")[0].revisions.len(), 1);
    let said = says("P", "");
    let nowhere = store.make_record(("none", "policies"), (&said, None), true, "l", AT).await;
    assert_eq!(nowhere.expect("store"), Err(RecordRefusal::UnknownIsms));
}

pub(crate) async fn a_file_is_kept_with_its_record_and_reached_by_no_other(store: &Store) {
    let isms = isms(store, "Hosting").await;
    let bytes = b"%PDF the policy".as_slice();
    let with = Says { file: file(bytes), ..says("Policy", "") };
    let make = async |says: &Says, file: Option<&[u8]>| {
        let made = store.make_record((&isms, "policies"), (says, file), true, "lead", AT).await;
        made.expect("store")
    };
    assert_eq!(make(&with, None).await, Err(RecordRefusal::File), "it was not sent");
    assert_eq!(make(&with, Some(b"another")).await, Err(RecordRefusal::File));
    let id = make(&with, Some(bytes)).await.expect("made");
    assert_eq!(make(&with, None).await, Err(RecordRefusal::File), "by its hash alone");
    let found = store.record_file(Digest::of(bytes)).await.expect("store");
    assert_eq!(found.as_deref(), Some(bytes));
    let key = RecordKey { isms: &isms, register: "policies", id: &id };
    let revise = async |n, says: &Says| {
        store.revise_record(key, n, (says, None), true, "lead", AT).await.expect("store")
    };
    assert_eq!(revise(1, &Says { title: "Next".into(), ..with.clone() }).await, Ok(()), "it stays");
    let larger =
        Says { file: Some(Attached { bytes: 1, ..with.file.clone().expect("file") }), ..with };
    assert_eq!(revise(2, &larger).await, Err(RecordRefusal::File));
    let logged = store.acts(10).await.expect("acts");
    let hash = Digest::of(bytes).to_string();
    let with_hash = logged.iter().filter(|(_, act)| act.detail.to_string().contains(&hash));
    assert_eq!(with_hash.count(), 2, "each revision is logged with the hash of its file");
}

pub(crate) async fn a_file_of_records_is_taken_whole_or_not_at_all(store: &Store) {
    let isms = isms(store, "Hosting").await;
    let of = (isms.as_str(), "policies");
    let line = |id: Option<&String>, title: &str| Line { id: id.cloned(), says: says(title, "") };
    let import = async |lines: &[Line]| {
        store.import_records(of, lines, true, "lead", AT).await.expect("store")
    };
    assert_eq!(import(&[line(None, "One"), line(None, "Two")]).await, Ok((2, 0)));
    let ids: Vec<_> = store.records(None).await.expect("store").into_iter().map(|r| r.id).collect();
    let same = [line(Some(&ids[0]), "One"), line(Some(&ids[1]), "Two, changed")];
    let same = if store.records(None).await.expect("store")[0].revisions[0].says.title == "One" {
        same
    } else {
        [line(Some(&ids[1]), "One"), line(Some(&ids[0]), "Two, changed")]
    };
    assert_eq!(import(&same).await, Ok((0, 1)), "what says the same is no revision");
    let gone = "gone".to_owned();
    let half = [line(None, "Three"), line(Some(&gone), "Four")];
    assert_eq!(import(&half).await, Err(RecordRefusal::Unknown));
    assert_eq!(store.records(None).await.expect("store").len(), 2, "not half of it");
}

pub(crate) async fn what_ends_is_reminded_of_three_times_and_overdue_until_it_is_renewed(
    store: &Store,
) {
    let isms = isms(store, "Hosting").await;
    // Its last day is the 45th from now.
    let last = "2027-01-06";
    let id = make(store, &isms, &says("Policy", last), "lead").await;
    let key = RecordKey { isms: &isms, register: "policies", id: &id };
    let registers = registers();
    let watch = async |at_us| store.watch_records(&registers, at_us).await.expect("store");
    let open = async || {
        let all = alerts(store).await;
        let open = all.into_iter().filter(|alert| alert.state != "resolved");
        open.map(|alert| (alert.severity, alert.title)).collect::<Vec<_>>()
    };
    let end = AT + 45 * DAY;
    assert!(!watch(end - 20 * DAY).await, "what nobody approved is not owed");
    let by = ("owner", "owner");
    store.decide_record(key, 1, (true, ""), by, AT).await.expect("store").expect("approved");
    assert!(!watch(end - 30 * DAY - 1).await);
    for (days, severity) in [(30, "low"), (7, "medium"), (1, "high")] {
        assert!(watch(end - days * DAY).await, "{days}");
        assert!(!watch(end - days * DAY).await, "{days}: once");
        let open = open().await;
        assert_eq!(open.len(), 1, "{days}: {open:?}");
        assert_eq!(open[0].0, severity);
        assert!(open[0].1.contains("“Policy” of platform is due by 2027-01-06"), "{open:?}");
    }
    assert!(watch(end).await);
    let late = open().await;
    assert_eq!(late.len(), 1, "{late:?}");
    assert!(late[0].1.contains("is overdue"), "{late:?}");
    let drifts = store
        .drifts(evidenced_collector::store::DriftFilter { host: None, open: Some(true), limit: 10 })
        .await;
    assert_eq!(drifts.expect("store").len(), 1);
    assert!(!watch(end + DAY).await, "once");
    let renewed = says("Policy", "2028-01-06");
    let renew = store.revise_record(key, 1, (&renewed, None), true, "lead", end + DAY).await;
    renew.expect("store").expect("revised");
    assert!(!watch(end + DAY).await, "a renewal that nobody approved renews nothing");
    store.decide_record(key, 2, (true, ""), by, end + DAY).await.expect("store").expect("approved");
    assert!(watch(end + DAY).await);
    assert!(open().await.is_empty());
}
