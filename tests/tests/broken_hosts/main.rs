//! Broken hosts: each case has one defect, and beside it a near miss, both from the machine to the
//! result: collector, facts, shipped rules.
//!
//! A file `cases/<kind>.toml` holds the cases of a kind. A case edits a sound fixture of
//! `agent/fixtures/<kind>`: the rules it names must pass before and say with the defect what is
//! written; with the near miss they must still pass. A rule that is not named must say the same as
//! before, so that no defect has side effects in silence. A new kind is added by its file.
//!
//! Cases are what administrators write and what scanners that search for words get wrong: drop-ins
//! that win or lose, order, case, comments, includes, aliases, blocks, carriage returns, links.

mod case;
mod machine_text;
mod on_disk;
mod real_files;
mod try_case;

use case::{Cases, File, files};
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use evidenced_collector::judge::{Profile, Rule};
use evidenced_tests::Sound;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use try_case::Trial;

/// Kinds whose file is still to be written. A kind that has one leaves this list.
const WITHOUT_CASES: &[&str] = &[];
/// Least number of cases, all files together.
const MIN_CASES: usize = 150;

/// Every case of a file against fixtures; what differs, by file and case.
fn report(file: &File) -> String {
    let mut text = String::new();
    for (case, base) in file.cases.each() {
        let lines = match Trial::new(&file.kind, case, &base) {
            Ok(trial) => trial.differences(case, |fixture| Host::fixture(fixture.clone())),
            Err(error) => vec![error],
        };
        if !lines.is_empty() {
            let _ = writeln!(text, "{}: {} | {}", file.kind, case.name, case.near_miss);
        }
        lines.iter().for_each(|line| {
            let _ = writeln!(text, "    {line}");
        });
    }
    text
}

#[test]
fn every_defect_flips_its_rules_and_no_near_miss_does() {
    let text: String = files().iter().map(report).collect();
    assert!(text.is_empty(), "\n{text}");
}

#[test]
fn every_kind_has_a_file_and_every_rule_a_case() {
    let files = files();
    let mut known: Vec<_> = files.iter().map(|file| file.kind.as_str()).collect();
    known.extend(WITHOUT_CASES);
    known.sort_unstable();
    let mut kinds: Vec<_> = collectors::ALL.iter().map(|collector| collector.kind).collect();
    kinds.sort_unstable();
    assert_eq!(known, kinds, "each kind once: as a file of cases, or among those without");
    let mut cases = BTreeMap::<&str, usize>::new();
    let mut count = 0;
    for (case, _) in files.iter().flat_map(|file| file.cases.each()) {
        count += 1;
        case.flips.keys().for_each(|rule| *cases.entry(rule).or_default() += 1);
    }
    assert!(count >= MIN_CASES, "{count} cases");
    let rules = Sound::get().judge.rules().rules().iter();
    let is_due = |rule: &&Rule| !rule.evidence.iter().any(|kind| WITHOUT_CASES.contains(&&**kind));
    let lacking = rules.filter(is_due).filter(|rule| {
        let least = if rule.profile == Profile::Essential { 2 } else { 1 };
        cases.get(rule.id.as_str()).copied().unwrap_or_default() < least
    });
    let lacking: Vec<_> = lacking.map(|rule| rule.id.as_str()).collect();
    assert!(lacking.is_empty(), "a rule has one case, an essential one two: {lacking:?}");
}

/// What a case of this text is told, on the fixture of a Debian as installed.
fn told(case: &str) -> String {
    let name = "name = \"a case\"\nbase = \"debian_as_installed\"\nnear_miss = \"a near one\"\n";
    let cases = Cases::parse(&format!("[[case]]\n{name}{case}")).expect("cases");
    report(&File { kind: "accounts".to_owned(), cases })
}

#[test]
fn a_case_that_shows_nothing_is_refused_with_its_file_and_name() {
    let toor = r#"{ in = "/etc/passwd", append = "toor:x:0:0::/root:/bin/bash\n" }"#;
    let bob = r#"{ in = "/etc/passwd", append = "bob:x:100:0::/root:/bin/bash\n" }"#;
    let flips = "flips = { acc-uid0-only-root = [\"toor\"] }";
    let none = r#"{ in = "/etc/passwd", replace = "nobody:", with = "" }"#;
    for (defect, near, flips, expected) in [
        (none, bob, flips, "defect: /etc/passwd has \"nobody:\" 0 times, not once"),
        (toor, none, flips, "near miss: /etc/passwd has \"nobody:\" 0 times, not once"),
        (toor, "", flips, "the near miss is the base"),
        (toor, toor, flips, "the near miss is the defect"),
        (toor, bob, "flips = { acc-uid-zero = \"fail\" }", "acc-uid-zero: does not read accounts"),
        (toor, bob, "flips = { ssh-no-x11 = \"fail\" }", "ssh-no-x11: does not read accounts"),
        (
            toor,
            bob,
            "flips = { acc-uid0-only-root = [\"bob\"] }",
            "acc-uid0-only-root: defect: expected fail: bob, found fail: toor",
        ),
        (toor, bob, flips, "acc-system-nologin: defect: expected pass as before, found fail: toor"),
        (
            toor,
            toor.replace("toor", "bob").as_str(),
            flips,
            "near miss: expected pass, found fail: bob",
        ),
    ] {
        let text = told(&format!("defect = [{defect}]\nnear = [{near}]\n{flips}\n"));
        assert!(text.starts_with("accounts: a case | a near one\n"), "{text}");
        assert!(text.contains(expected), "expected {expected} in\n{text}");
    }
}

#[test]
fn a_base_that_does_not_pass_is_refused() {
    let cases = "[base.b]\nfixture = \"second_uid_0\"\n[[case]]\nname = \"a case\"\nbase = \"b\"\n\
        near_miss = \"a near one\"\ndefect = [{ remove = \"/etc/passwd\" }]\n\
        near = [{ remove = \"/etc/login.defs\" }]\nflips = { acc-uid0-only-root = \"fail\" }\n";
    let cases = Cases::parse(cases).expect("cases");
    let text = report(&File { kind: "accounts".to_owned(), cases });
    assert!(text.contains("acc-uid0-only-root: base: expected pass, found fail:"), "{text}");
}
