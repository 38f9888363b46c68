//! The kind `packages` against dpkg itself: on this machine, and on databases made up for it.
//! Needs dpkg and apt-mark.

#[path = "oracle/dpkg.rs"]
mod dpkg;

use dpkg::{assert_same, dpkg_says};
use evidence::kinds::Packages;
use evidence::{Facts, Status};
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::host::Host;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn collect(host: &Host) -> Collected {
    collectors::find("packages").expect("registered").collect(host)
}

fn packages(facts: &Facts) -> Packages {
    serde_json::from_value(facts.data.clone()).expect("typed")
}

#[test]
fn this_machine_has_the_packages_dpkg_says() {
    let collected = collect(&Host::live().expect("root"));
    assert_eq!(collected.status, Status::Ok, "{:?}", collected.sources);
    let packages = packages(&collected.facts.expect("facts"));
    let dpkg = dpkg_says(Path::new("/var/lib/dpkg")).expect("dpkg");
    assert!(dpkg.len() > 50, "dpkg knows only {} packages", dpkg.len());
    assert_same(&packages, &dpkg);
    let held = Command::new("apt-mark").arg("showhold").output().expect("apt-mark");
    let held = String::from_utf8(held.stdout).expect("UTF-8");
    assert_eq!(packages.held.expect("held"), held.lines().collect::<Vec<_>>());
}

/// A root with a database of dpkg.
struct Root(tempfile::TempDir);

impl Root {
    fn new(status: &[u8], journal: &[String]) -> Self {
        let root = Self(tempfile::tempdir().expect("directory"));
        for directory in ["updates", "info"] {
            std::fs::create_dir_all(root.admindir().join(directory)).expect("directory");
        }
        std::fs::write(root.admindir().join("status"), status).expect("status");
        for (number, text) in journal.iter().enumerate() {
            let path = root.admindir().join(format!("updates/{number:04}"));
            std::fs::write(path, text).expect("journal");
        }
        root
    }

    fn admindir(&self) -> std::path::PathBuf {
        self.0.path().join("var/lib/dpkg")
    }

    fn collect(&self) -> Collected {
        collect(&Host::rooted(self.0.path()).expect("root"))
    }
}

/// A stanza as dpkg writes it, now and then with something odd in it.
fn stanza(name: String) -> impl Strategy<Value = String> {
    const STATES: &[&str] = &[
        "install ok installed",
        "install ok installed",
        "hold ok installed",
        "hold ok config-files",
        "deinstall ok config-files",
        "purge ok not-installed",
        "install reinstreq half-installed",
        "install ok unpacked",
        "hold ok half-configured",
        "install reinstreq installed",
        "Install OK Installed",
        "install ok triggers-awaited",
        "install ok triggers-pending",
        "install ok",
        "install ok instaled",
    ];
    const DESCRIPTIONS: &[&str] =
        &["short", "short\n long: text\n .\n Package: x\n more", "\n begins below", "short\n \n x"];
    const SOURCES: &[&str] = &["", "Source: src\n", "Source: src (1:2-3)\n", "Source: a b (1) c\n"];
    let versions = ["1.0-1", "2:1.2~rc1+dfsg-3.1+b2", "1_0", ""];
    let extras =
        ["", "Conffiles:\n /etc/x 00 obsolete\n /etc/y 01\n", "Version: 9\n", "Homepage:\n"];
    (
        prop::sample::select(STATES),
        prop::sample::select(DESCRIPTIONS),
        prop::sample::select(SOURCES),
        prop_oneof![9 => 0usize..2, 1 => 2usize..4],
        prop_oneof![9 => 0usize..2, 1 => 2usize..4],
        prop::bool::weighted(0.95),
    )
        .prop_map(move |(state, description, source, version, extra, has_arch)| {
            let arch = if has_arch { "Architecture: amd64\n" } else { "" };
            let triggers = match state.rsplit(' ').next() {
                Some("triggers-awaited") => "Triggers-Awaited: base-files\n",
                Some("triggers-pending") => "Triggers-Pending: /usr/x\n",
                _ => "",
            };
            let (version, extra) = (versions[version], extras[extra]);
            format!(
                "Package: {name}\nStatus: {state}\nMaintainer: x\n{arch}{source}{triggers}\
                 Version: {version}\n{extra}Description: {description}\n"
            )
        })
}

fn database() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    let names = |prefix: &'static str| {
        move |n: usize| (0..n).map(|i| stanza(format!("{prefix}{i}"))).collect::<Vec<_>>()
    };
    ((1usize..6).prop_flat_map(names("p")), (0usize..3).prop_flat_map(names("p")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Where dpkg gives a list, so does the agent, and the same one, unless a package lacks what
    /// the facts cannot leave out; where dpkg refuses, so does the agent.
    #[test]
    fn a_database_is_read_as_dpkg_reads_it((stanzas, journal) in database()) {
        let status: String = stanzas.iter().map(|stanza| format!("{stanza}\n")).collect();
        let root = Root::new(status.as_bytes(), &journal);
        let collected = root.collect();
        let whole = stanzas.iter().chain(&journal).all(|s| s.contains("Architecture"));
        match (dpkg_says(&root.admindir()), collected.facts) {
            (Some(dpkg), Some(facts)) => assert_same(&packages(&facts), &dpkg),
            (Some(dpkg), None) => prop_assert!(!whole, "refused: {dpkg:?} {:?}", collected.sources),
            (None, facts) => prop_assert!(facts.is_none(), "dpkg refuses: {status} {journal:?}"),
        }
    }

    /// Bytes that change on the disk make another list or none, and never a shorter one than dpkg
    /// gives of the same bytes.
    #[test]
    fn damage_never_hides_a_package_that_dpkg_sees(at in 0usize..2000, byte in 0u8..255) {
        let mut status: Vec<u8> = sample().concat().into_bytes();
        let at = at % status.len();
        status[at] = byte;
        let root = Root::new(&status, &[]);
        let Some(facts) = root.collect().facts else { return Ok(()) };
        let output = Command::new("dpkg-query").arg("--admindir").arg(root.admindir())
            .args(["-W", "-f", "${db:Status-Status}\n"]).output().expect("dpkg-query");
        let installed = output.stdout.split(|b| *b == b'\n').filter(|line| *line == b"installed");
        prop_assert!(!output.status.success() || packages(&facts).items.len() >= installed.count());
    }
}

/// Five whole stanzas with their blank lines.
fn sample() -> Vec<String> {
    let stanza = |n: usize| {
        format!(
            "Package: p{n}\nStatus: install ok installed\nMaintainer: x\nArchitecture: amd64\n\
             Source: s (1.{n})\nVersion: 1.{n}-1\nConffiles:\n /etc/x 00\nDescription: y\n z\n\n"
        )
    };
    (0..5).map(stanza).collect()
}

/// Cut at any byte, a database is refused, unless the cut lies exactly between two packages. That
/// one dpkg cannot tell either; the agent can, where there are lists of files.
#[test]
fn a_cut_database_never_reads_as_a_shorter_one() {
    let stanzas = sample();
    let text = stanzas.concat();
    let borders: BTreeSet<usize> =
        (1..stanzas.len()).map(|n| stanzas[..n].iter().map(String::len).sum()).collect();
    for at in 0..text.len() {
        let root = Root::new(&text.as_bytes()[..at], &[]);
        let collected = root.collect();
        assert_eq!(collected.facts.is_some(), borders.contains(&at), "cut at {at}");
        if collected.facts.is_some() {
            for n in 0..stanzas.len() {
                std::fs::write(root.admindir().join(format!("info/p{n}.list")), "").expect("list");
            }
            assert_eq!(root.collect().status, Status::ParseError, "cut between, at {at}");
        }
    }
    let whole = Root::new(text.as_bytes(), &[]).collect().facts.expect("facts");
    assert_eq!(packages(&whole).count, 5);
}

/// A journal is applied as dpkg applies it: a package alone of its name changes its architecture,
/// one of several beside each other does not.
#[test]
fn a_journal_is_applied_as_dpkg_applies_it() {
    let one = |arch: &str, extra: &str, version: &str| {
        format!(
            "Package: one\nStatus: install ok installed\nMaintainer: x\nArchitecture: {arch}\n\
             {extra}Version: {version}\nDescription: y\n"
        )
    };
    let same = "Multi-Arch: same\n";
    let gone = || "Package: one\nStatus: purge ok not-installed\n".to_owned();
    let cases: [(String, Vec<String>); 7] = [
        (one("amd64", "", "1"), vec![one("amd64", "", "2"), one("amd64", "", "3")]),
        (one("amd64", "", "1"), vec![one("all", "", "2")]),
        (one("amd64", "", "1"), vec![one("i386", same, "2")]),
        (one("amd64", same, "1"), vec![one("i386", same, "2")]),
        (one("amd64", same, "1"), vec![gone()]),
        (one("amd64", "", "1"), vec![gone(), one("i386", "", "4")]),
        (
            format!("{}\n{}", one("amd64", same, "1"), one("i386", same, "1")),
            vec![one("i386", same, "2")],
        ),
    ];
    for (status, journal) in cases {
        let root = Root::new(format!("{status}\n").as_bytes(), &journal);
        let facts = root.collect().facts.expect("facts");
        assert_same(&packages(&facts), &dpkg_says(&root.admindir()).expect("dpkg"));
    }
}

/// `dpkg --get-selections` names what is on hold.
#[test]
fn holds_are_those_of_the_selections() {
    let status = sample().concat().replace("p2\nStatus: install", "p2\nStatus: hold");
    let root = Root::new(status.as_bytes(), &[]);
    let output = Command::new("dpkg")
        .arg("--admindir")
        .arg(root.admindir())
        .arg("--get-selections")
        .output()
        .expect("dpkg");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let held: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once('\t').filter(|(_, want)| want.trim() == "hold"))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(packages(&root.collect().facts.expect("facts")).held.as_ref(), Some(&held));
    assert_eq!(held, ["p2"]);
}
