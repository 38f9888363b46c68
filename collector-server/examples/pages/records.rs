//! Pages of records and the readiness check.

use crate::data::{Data, NOW};
use crate::render::frame;
use crate::scope::hosting;
use anyhow::Context;
use askama::Template;
use evidence::Digest;
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::expected::{BadFile, BadLine};
use evidenced_collector::readiness::{Gap, Lack};
use evidenced_collector::record::{Attached, Claim, Decision, Record, Registers, Revision, Says};
use evidenced_collector::web::page::Room;
use evidenced_collector::web::records::form::{Sheet, sent_of};
use evidenced_collector::web::records::{self, Imported, one};
use evidenced_collector::web::{control, readiness};

const DAY: i64 = 86_400_000_000;

fn registers() -> anyhow::Result<Registers> {
    let catalogue = Catalogue::builtin()?;
    Ok(Registers::builtin(|id| catalogue.get(id).is_some())?)
}

fn revision(n: i64, says: Says, approved: Option<bool>) -> Revision {
    let note = "<i>read</i>".to_owned();
    let decided = approved.map(|_| Decision { by: "owner".into(), at_us: NOW - DAY, note });
    let at_us = NOW - (10 - n) * DAY;
    Revision { n, says, by: "lead".into(), at_us, needs_approval: true, approved, decided }
}

fn risk(title: &str, levels: [&str; 4], valid_until: &str) -> Says {
    let [likelihood, consequence, left, rest] = levels;
    let fields = [
        ("basis", "scenario"),
        ("scenario", "A supplier's update carries <b>malicious</b> code.\nIt reaches every host."),
        ("affects", "several of them"),
        ("likelihood", likelihood),
        ("consequence", consequence),
        ("treatment", "modify"),
        ("plan", "Updates wait three days in a test group."),
        ("residual_likelihood", left),
        ("residual_consequence", rest),
    ];
    Says {
        title: title.into(),
        owner: "platform".into(),
        about: ["A.5.21".to_owned(), "A.8.19".to_owned()].into(),
        effective: "2026-03-01".into(),
        valid_until: valid_until.into(),
        link: "https://docs.example.org/risks/17".into(),
        link_sha256: "ab".repeat(32),
        file: Some(Attached {
            name: "assessment.pdf".into(),
            bytes: 48_211,
            sha256: Digest::of(b"a"),
        }),
        fields: fields.map(|(id, text)| (id.to_owned(), text.to_owned())).into(),
    }
}

fn record(register: &str, n: u8, revisions: Vec<Revision>) -> Record {
    Record {
        id: format!("01KQ00000000000000000001{n:02}"),
        isms: hosting().id,
        register: register.into(),
        recorded_by: "lead".into(),
        recorded_us: NOW - 9 * DAY,
        revisions,
        withdrawn: None,
    }
}

fn all_records() -> Vec<Record> {
    let high = ["likely", "severe", "unlikely", "severe"];
    let low = ["rare", "minor", "rare", "minor"];
    let held = |title: &str, until: &str| revision(1, risk(title, high, until), Some(true));
    let next = revision(2, risk("Malicious update, again", low, "2027-09-01"), None);
    let said = |register: &str, n, until: &str| {
        let says = Says { fields: [].into(), ..risk(register, low, until) };
        record(register, n, vec![revision(1, says, Some(true))])
    };
    vec![
        record("risks", 1, vec![held("Malicious update", "2027-03-01"), next]),
        record("risks", 2, vec![held("Loss of a data centre <b>", "2026-11-01")]),
        record("risks", 3, vec![held("Lost laptop", "2026-12-10")]),
        record("risks", 4, vec![revision(1, risk("Flood", low, ""), None)]),
        said("context", 5, "2027-04-05"),
        said("scope", 6, "2026-10-01"),
        said("audits", 7, ""),
    ]
}

fn register(data: &Data, id: &str, sheet: bool, bad: bool) -> anyhow::Result<String> {
    let registers = registers()?;
    let register = registers.get(id).context("register")?;
    let mut records = all_records();
    records.retain(|record| record.register == id);
    let line = BadLine { line: 3, reason: "`<x>` is no day".into(), remedy: "write one".into() };
    let input = records::RegisterInput {
        isms: &hosting(),
        register,
        records: &records,
        sheet: sheet.then(|| Sheet::of(register, &[].into(), None, 0)),
        refused: bad.then(|| "The title is missing; write it.".to_owned()),
        imported: bad.then(|| Imported::Bad(BadFile(vec![line]))),
        now_us: NOW,
    };
    Ok(records::register(frame(Some(Room::Records), data), input).render()?)
}

fn record_page(data: &Data, n: usize, may: bool) -> anyhow::Result<String> {
    let registers = registers()?;
    let register = registers.get("risks").context("register")?;
    let all = all_records();
    let record = all.get(n).context("a record")?;
    let last = record.last().context("a revision")?;
    let sheet = Sheet::of(register, &sent_of(&last.says), last.says.file.as_ref(), last.n);
    let input = one::Input {
        isms: &hosting(),
        register,
        record,
        people: &[],
        sheet: may.then_some(sheet),
        may_decide: may,
        refused: may.then(|| "somebody revised it meanwhile.".to_owned()),
        now_us: NOW,
    };
    let page = one::page(frame(Some(Room::Records), data), input);
    Ok(page.context("a page")?.render()?)
}

fn gaps() -> Vec<Gap> {
    let gap = |about: &str, lack, says: &str| Gap {
        about: about.into(),
        lack,
        says: says.into(),
        mend: format!("/isms/{}/records", hosting().id),
    };
    vec![
        gap("4.2", Lack::Missing, "there is no record of “Interested parties”"),
        gap("4.3", Lack::Stale, "“scope <b>” expired on 2026-10-01"),
        gap("6.1.2", Lack::Unapproved, "“Flood” waits for approval"),
        gap("9.2.2", Lack::Contradictory, "the auditor of “Audit 2026” owns A.8.5"),
        gap("A.5.2", Lack::Missing, "there is no evidence of it"),
        gap("A.7.4", Lack::Contradictory, "it is said to be implemented, and nothing shows it"),
    ]
}

fn of_control(data: &Data) -> anyhow::Result<String> {
    let claim = |register: &str, counting, expired| Claim {
        isms: hosting().id,
        register: register.into(),
        about: "A.5.1".into(),
        counting,
        waiting: 1,
        expired,
        overdue: false,
        stale_us: (expired > 0).then_some(NOW - 40 * DAY),
    };
    let claims = [claim("policies", 3, 0), claim("documents", 2, 1), claim("roles", 0, 0)];
    let (registers, isms) = (registers()?, [hosting()]);
    let page = control::page(frame(Some(Room::Controls), data), &data.now(), "A.5.1");
    let said = control::Said {
        records: records::of_control("A.5.1", &claims, (&registers, &isms)),
        ..control::Said::default()
    };
    Ok(page.context("control")?.with_said(said).render()?)
}

pub(crate) fn all(data: &Data) -> anyhow::Result<Vec<(String, String)>> {
    let frame = || frame(Some(Room::Records), data);
    let (registers, known) = (registers()?, all_records());
    let both = (&registers, known.as_slice());
    let pages = [
        ("records", records::all(frame(), &[hosting()], both, NOW).render()?),
        ("records-none", records::all(frame(), &[], both, NOW).render()?),
        ("registers", records::registers(frame(), &hosting(), both, NOW).render()?),
        ("register-risks", register(data, "risks", true, false)?),
        ("register-refused", register(data, "objectives", true, true)?),
        ("register-viewer", register(data, "risks", false, false)?),
        ("record", record_page(data, 0, true)?),
        ("record-viewer", record_page(data, 0, false)?),
        ("record-expired", record_page(data, 1, false)?),
        ("control-records", of_control(data)?),
        ("readiness", readiness::page(frame(), &hosting(), &gaps()).render()?),
        ("readiness-none", readiness::page(frame(), &hosting(), &[]).render()?),
    ];
    Ok(pages.into_iter().map(|(name, html)| (name.to_owned(), html)).collect())
}
