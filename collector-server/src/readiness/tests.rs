use super::*;
use crate::applicability::Ground;
use crate::catalogue::Catalogue;
use crate::record::{Decision, Revision, Says};
use crate::store::IsmsText;

const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23

struct Place {
    isms: Isms,
    registers: Registers,
    records: Vec<Record>,
    controls: Vec<(Control, ControlStatus)>,
    entries: Vec<Entry>,
}

fn status(state: EvidenceState) -> ControlStatus {
    let none = std::iter::empty();
    let limits = crate::status::RepairLimits::default();
    let status = crate::status::control_state(none, &limits, None, NOW / 1_000_000);
    ControlStatus { state, ..status }
}

fn entry(control: &str) -> Entry {
    Entry {
        applicable: Some(true),
        grounds: [Ground::Risk].into(),
        implementation: Some(Implementation::Implemented),
        owner: "platform".into(),
        ..Entry::empty(control)
    }
}

/// A management system in which nothing is wrong: every register has a record in force, and every
/// control operates.
fn ready() -> Place {
    let catalogue = Catalogue::builtin().expect("catalogue");
    let registers = Registers::builtin(|id| catalogue.get(id).is_some()).expect("registers");
    let records = registers.all().iter().map(|register| record(&register.id, "2026-11-20"));
    let records = records.collect();
    let controls = catalogue.controls().iter();
    let controls: Vec<_> =
        controls.map(|control| (control.clone(), status(EvidenceState::Operating))).collect();
    let entries = controls.iter().map(|(control, _)| entry(&control.id)).collect();
    let text = IsmsText { name: "Hosting".into(), ..IsmsText::default() };
    let groups = ["web".to_owned()].into();
    let isms = Isms { id: "i".into(), text, created_us: 0, changed_us: 0, groups };
    Place { isms, registers, records, controls, entries }
}

fn record(register: &str, effective: &str) -> Record {
    let says = Says {
        title: format!("Of {register}"),
        owner: "lead".into(),
        effective: effective.into(),
        ..Says::default()
    };
    let decided = Some(Decision { by: "owner".into(), at_us: NOW, note: String::new() });
    let revision = Revision {
        n: 1,
        says,
        by: "lead".into(),
        at_us: NOW,
        needs_approval: true,
        approved: Some(true),
        decided,
    };
    Record {
        id: format!("id-{register}"),
        isms: "i".into(),
        register: register.into(),
        recorded_by: "lead".into(),
        recorded_us: NOW,
        revisions: vec![revision],
        withdrawn: None,
    }
}

impl Place {
    fn input(&self) -> Input<'_> {
        Input {
            isms: &self.isms,
            registers: &self.registers,
            records: &self.records,
            controls: &self.controls,
            entries: Some(&self.entries),
            statement_waits: false,
            findings: &[],
            exceptions: &[],
            now_us: NOW,
        }
    }

    fn says(&mut self, register: &str) -> &mut Says {
        let found = self.records.iter_mut().find(|record| record.register == register);
        &mut found.expect("record").revisions[0].says
    }

    fn set(&mut self, register: &str, field: &str, text: &str) {
        self.says(register).fields.insert(field.into(), text.into());
    }

    fn state(&mut self, control: &str, state: EvidenceState) {
        let found = self.controls.iter_mut().find(|(held, _)| held.id == control);
        found.expect("control").1 = status(state);
    }

    /// What is found: what it is about, what is wrong, and where it is mended.
    fn found(&self) -> Vec<(String, Lack, String)> {
        let gaps = check(&self.input()).into_iter();
        gaps.map(|gap| (gap.about, gap.lack, gap.mend)).collect()
    }
}

fn one(place: &Place) -> (String, Lack, String) {
    let mut found = place.found();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn is(about: &str, lack: Lack, mend: &str) -> (String, Lack, String) {
    (about.to_owned(), lack, mend.to_owned())
}

#[test]
fn where_everything_is_there_nothing_is_found() {
    assert_eq!(ready().found(), []);
}

#[test]
fn a_control_without_evidence_is_missing_and_contradicts_who_says_that_it_is_implemented() {
    let mut place = ready();
    place.state("A.7.1", EvidenceState::None);
    let mend = "/isms/i/records/physical";
    assert_eq!(one(&place), is("A.7.1", Lack::Contradictory, mend));
    let at = place.entries.iter().position(|entry| entry.control == "A.7.1").expect("entry");
    place.entries[at].implementation = Some(Implementation::Planned);
    assert_eq!(one(&place), is("A.7.1", Lack::Missing, mend));
    place.entries[at] = Entry { applicable: Some(false), ..Entry::empty("A.7.1") };
    assert_eq!(place.found(), [], "what does not apply needs no evidence");
    place.state("A.8.5", EvidenceState::Stale);
    assert_eq!(one(&place), is("A.8.5", Lack::Stale, "/controls/A.8.5"));
}

#[test]
fn a_statement_that_nobody_approved_or_that_leaves_something_open_is_found() {
    let mut place = ready();
    place.entries.retain(|entry| entry.control != "A.5.2");
    let mend = "/isms/i/applicability";
    assert_eq!(one(&place), is("A.5.2", Lack::Missing, mend));
    let input = Input { entries: None, ..place.input() };
    let gaps = check(&input);
    assert_eq!((gaps.len(), gaps[0].lack, gaps[0].mend.as_str()), (1, Lack::Unapproved, mend));
}

#[test]
fn a_register_without_a_record_one_past_its_time_and_one_nobody_approved_are_found() {
    let mut place = ready();
    place.records.retain(|record| record.register != "scope");
    assert_eq!(one(&place), is("4.3", Lack::Missing, "/isms/i/records/scope"));
    let mut place = ready();
    place.says("scope").valid_until = "2026-11-22".into();
    let mend = "/isms/i/records/scope/id-scope";
    let found = place.found();
    assert!(found.contains(&is("4.3", Lack::Stale, mend)), "{found:?}");
    let mut place = ready();
    let scope = place.records.iter_mut().find(|record| record.register == "scope");
    scope.expect("record").revisions[0].approved = None;
    assert!(place.found().contains(&is("4.3", Lack::Unapproved, mend)));
    let mut place = ready();
    place.says("log_review").effective = "2026-10-01".into();
    assert_eq!(one(&place), is("A.8.15", Lack::Stale, "/isms/i/records/log_review"));
}

#[test]
fn an_auditor_who_owns_what_is_audited_is_found_and_another_is_not() {
    let mut place = ready();
    place.says("audits").about.insert("A.8.5".into());
    place.set("audits", "auditor", "somebody else");
    assert_eq!(place.found(), []);
    place.set("audits", "auditor", "Platform");
    let mend = "/isms/i/records/audits/id-audits";
    assert_eq!(one(&place), is("9.2.2", Lack::Contradictory, mend));
}

#[test]
fn risks_that_speak_against_themselves_are_found() {
    let mut place = ready();
    for (field, text) in [
        ("likelihood", "rare"),
        ("consequence", "minor"),
        ("residual_likelihood", "likely"),
        ("residual_consequence", "minor"),
    ] {
        place.set("risks", field, text);
    }
    let mend = "/isms/i/records/risks/id-risks";
    assert_eq!(one(&place), is("6.1.2", Lack::Contradictory, mend));
    place.set("risks", "residual_likelihood", "rare");
    assert_eq!(place.found(), []);
    place.set("risks", "treatment", "modify");
    assert_eq!(one(&place), is("6.1.3", Lack::Missing, "/isms/i/records/risk_treatment"));
    place.set("risk_treatment", "risk", "of risks");
    assert_eq!(place.found(), []);
    place.set("risks", "exceptions", "01X");
    assert_eq!(one(&place), is("6.1.3", Lack::Contradictory, mend));
}

#[test]
fn a_task_past_its_day_a_review_before_the_last_audit_and_a_lost_register_are_found() {
    let mut place = ready();
    place.set("objectives", "due", "2026-11-22");
    let mend = "/isms/i/records/objectives/id-objectives";
    assert_eq!(one(&place), is("6.2", Lack::Stale, mend));
    place.set("objectives", "done", "2026-11-22");
    place.says("audits").effective = "2026-11-21".into();
    let mend = "/isms/i/records/management_review";
    assert_eq!(one(&place), is("9.3.2", Lack::Stale, mend));
    let mut place = ready();
    place.records.push(record("gone", "2026-11-20"));
    assert_eq!(one(&place), is("7.5", Lack::Contradictory, "/isms/i/records"));
}

#[test]
fn clauses_come_in_their_order_and_before_controls() {
    let mut place = ready();
    place.records.clear();
    let found = place.found();
    let clauses: Vec<_> = found.iter().map(|(about, ..)| about.as_str()).collect();
    let at = |wanted: &str| clauses.iter().position(|about| *about == wanted).expect(wanted);
    assert!(at("4.1") < at("9.3") && at("9.3") < at("A.5.19") && at("6.2") < at("9.1"));
}
