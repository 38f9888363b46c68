//! Stacks of PAM against the library that decides, libpam: a module that returns what it is told
//! and says that it ran, in a private directory of services (pam_start_confdir(3)). Needs a C
//! compiler and libpam.so.0; no service of this machine is asked.

use evidenced_agent::formats::pam::stack::{Handler, StackError, stack};
use evidenced_agent::formats::pam::{self, Facility, walk};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Success, a refusal, "ignore me", a password that has to be changed, and an odd error.
const OUTCOMES: [usize; 5] = [pam::SUCCESS, pam::AUTH_ERR, pam::IGNORE, pam::NEW_AUTHTOK_REQD, 4];

struct Programs {
    _directory: tempfile::TempDir,
    probe: PathBuf,
    driver: PathBuf,
}

fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let directory = tempfile::tempdir().expect("directory");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pam_oracle");
        let compile = |source: &str, name: &str, flags: &[&str]| {
            let out = directory.path().join(name);
            let mut command = Command::new("cc");
            command.arg("-o").arg(&out).arg(sources.join(source)).args(flags);
            assert!(command.status().expect("cc").success(), "{source}");
            out
        };
        let probe = compile("probe.c", "probe.so", &["-shared", "-fPIC"]);
        let driver = compile("driver.c", "driver", &["-l:libpam.so.0"]);
        Programs { _directory: directory, probe, driver }
    })
}

/// Lines that end the library itself (Linux-PAM 1.5.2: a line without a module, an include of
/// itself) are not asked of it.
///
/// Files of a directory of services, with PROBE for the module and ROOT for the directory.
type Files = BTreeMap<String, String>;

fn files(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// For each combination of outcomes of `probes` probes, whether the service `svc` lets in and which
/// probes ran.
fn libpam_says(files: &Files, probes: u8, codes: &[usize]) -> Vec<(bool, u8)> {
    let programs = programs();
    let root = tempfile::tempdir().expect("directory");
    for (name, text) in files {
        let text = text.replace("PROBE", &programs.probe.display().to_string());
        let mut text = text.replace("ROOT", &root.path().display().to_string());
        // Some releases look for what is included in /etc/pam.d only, whatever the directory.
        for name in files.keys() {
            for word in ["include", "substack"] {
                let path = root.path().join(name).display().to_string();
                text = text.replace(&format!("{word} {name}\n"), &format!("{word} {path}\n"));
            }
        }
        std::fs::write(root.path().join(name), text).expect("written");
    }
    let codes: Vec<_> = codes.iter().map(usize::to_string).collect();
    let mut command = Command::new(&programs.driver);
    command.arg(root.path()).args(["svc", &probes.to_string()]).args(codes);
    let output = command.output().expect("the driver");
    assert!(output.status.success(), "{files:#?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let parsed = text.lines().map(|line| {
        let (outcome, trace) = line.split_once(' ').expect("two words");
        let ran = trace.bytes().fold(0, |ran, digit| ran | 1 << (digit - b'0'));
        (outcome == "1", ran)
    });
    parsed.collect()
}

/// The steps as they are read here; `None` where the library refuses the service.
fn steps(files: &Files) -> Option<Vec<Handler>> {
    let parse = |text: &str| pam::parse(text, false);
    let mut open = |name: &str| {
        let file = files.get(name.strip_prefix("ROOT/").unwrap_or(name));
        file.map(|text| parse(text)).transpose()
    };
    let lines = |name: &str| files.get(name).map(|text| parse(text).expect("lines"));
    let mut load = |name| match stack(&lines(name)?, Facility::Auth, &mut open) {
        Ok(steps) => Some(steps),
        Err(StackError::Missing) => None,
        Err(other) => panic!("{other:?}"),
    };
    match files.contains_key("svc") {
        // Another service stands in for what a service does not say.
        true => load("svc").and_then(|steps| match steps.is_empty() {
            true => load("other"),
            false => Some(steps),
        }),
        false => load("other"),
    }
}

fn number(handler: &Handler) -> usize {
    handler.what.arguments().first().and_then(|word| word.parse().ok()).expect("a number")
}

/// The same as [`libpam_says`], read here.
fn own_say(steps: &[Handler], probes: u8, codes: &[usize]) -> Vec<(bool, u8)> {
    let combinations = codes.len().pow(u32::from(probes));
    let one = |combination: usize| {
        let code = |probe: usize| codes[combination / codes.len().pow(probe as u32) % codes.len()];
        let mut outcomes = |handler: &Handler, ran: u8| match handler.what.module() {
            Some("PROBE") => vec![(code(number(handler)), ran | 1 << number(handler))],
            _ => vec![(pam::MODULE_UNKNOWN, ran)],
        };
        let endings = walk::endings(steps, &mut outcomes).expect("few ways");
        assert_eq!(endings.len(), 1, "one outcome each has one ending");
        endings.into_iter().next().expect("an ending")
    };
    (0..combinations).map(one).collect()
}

fn agree(files: &Files, probes: u8, codes: &[usize]) {
    let library = libpam_says(files, probes, codes);
    let Some(steps) = steps(files) else {
        assert!(library.iter().all(|ending| *ending == (false, 0)), "{files:?}: {library:?}");
        return;
    };
    assert_eq!(own_say(&steps, probes, codes), library, "{files:#?}");
    // All outcomes at once are the outcomes of each.
    let mut any = |handler: &Handler, ran: u8| match handler.what.module() {
        Some("PROBE") => codes.iter().map(|code| (*code, ran | 1 << number(handler))).collect(),
        _ => vec![(pam::MODULE_UNKNOWN, ran)],
    };
    let all = walk::endings(&steps, &mut any).expect("few ways");
    let each: BTreeSet<_> = library.into_iter().collect();
    assert!(all.is_superset(&each), "{files:#?}");
    // Modules that occur once in a stack are free to return anything.
    let mut numbers: Vec<_> =
        steps.iter().filter(|s| s.what.module() == Some("PROBE")).map(number).collect();
    numbers.sort_unstable();
    if numbers.windows(2).all(|pair| pair[0] != pair[1]) {
        assert_eq!(all, each, "{files:#?}");
    }
}

#[test]
fn libpam_makes_of_every_form_what_it_is_read_as() {
    for (what, service, others) in [
        ("sufficient", "auth sufficient PROBE 0\nauth required PROBE 1\n", &[][..]),
        (
            "required",
            "auth required PROBE 0\nauth sufficient PROBE 1\nauth required PROBE 2\n",
            &[],
        ),
        ("requisite", "auth requisite PROBE 0\nauth required PROBE 1\n", &[]),
        ("optional alone", "auth optional PROBE 0\n", &[]),
        ("optional, others", "auth optional PROBE 0\nauth optional PROBE 1\n", &[]),
        ("letters", "AUTH Required PROBE 0\n", &[]),
        ("no such facility", "bogus required PROBE 0\nauth sufficient PROBE 1\n", &[]),
        ("no such facility, optional", "bogus optional PROBE 0\nauth sufficient PROBE 1\n", &[]),
        ("no control", "auth sufficient PROBE 1\nauth\n", &[]),
        ("no such control", "auth sufficent PROBE 0\nauth sufficient PROBE 1\n", &[]),
        ("broken pairs", "auth [success=ok default] PROBE 0\nauth sufficient PROBE 1\n", &[]),
        ("jump of none", "auth [success=0 default=ignore] PROBE 0\nauth sufficient PROBE 1\n", &[]),
        (
            "pairs with blanks",
            "auth [ success = 1  default=bad ] PROBE 0\nauth required PROBE 1\nauth required PROBE 2\n",
            &[],
        ),
        (
            "default first",
            "auth [default=ignore success=done auth_err=die] PROBE 0\nauth required PROBE 1\n",
            &[],
        ),
        ("no default", "auth [success=ok] PROBE 0\nauth sufficient PROBE 1\n", &[]),
        (
            "pairs run together",
            "auth [success=okdefault=ignore] PROBE 0\nauth sufficient PROBE 1\n",
            &[],
        ),
        ("ignore is ok", "auth [ignore=ok default=ok] PROBE 0\nauth required PROBE 1\n", &[]),
        (
            "bad success",
            "auth [success=bad default=ignore] PROBE 0\nauth sufficient PROBE 1\n",
            &[],
        ),
        (
            "reset",
            "auth required PROBE 0\nauth [success=reset default=ignore] PROBE 1\nauth required PROBE 2\n",
            &[],
        ),
        (
            "jump past the end",
            "auth [success=2 default=ignore] PROBE 0\nauth required PROBE 1\n",
            &[],
        ),
        (
            "jump to the end",
            "auth [success=1 default=ignore] PROBE 0\nauth required PROBE 1\n",
            &[],
        ),
        (
            "missing, required",
            "auth sufficient PROBE 0\nauth required no_such.so\nauth required PROBE 1\n",
            &[],
        ),
        ("missing, quiet", "-auth required no_such.so\nauth required PROBE 1\n", &[]),
        ("missing, quiet, optional", "-auth optional no_such.so\nauth required PROBE 1\n", &[]),
        ("missing, sufficient", "auth sufficient no_such.so\nauth required PROBE 1\n", &[]),
        ("comment", "auth required PROBE 0 # [x\nauth sufficient PROBE 1 #\n", &[]),
        ("continued", "auth \\\n required \\\n PROBE 0\nauth required PROBE 1\n", &[]),
        ("bracketed argument", "auth required PROBE [0] [a b]\nauth required PROBE 1\n", &[]),
        (
            "include",
            "auth include b\nauth required PROBE 2\n",
            &[("b", "auth sufficient PROBE 0\nauth required PROBE 1\naccount required PROBE 3\n")],
        ),
        (
            "substack",
            "auth substack b\nauth required PROBE 2\n",
            &[("b", "auth sufficient PROBE 0\nauth required PROBE 1\n")],
        ),
        (
            "die in a substack",
            "auth substack b\nauth sufficient PROBE 2\n",
            &[("b", "auth requisite PROBE 0\nauth required PROBE 1\n")],
        ),
        (
            "reset in a substack",
            "auth optional PROBE 0\nauth substack b\n",
            &[("b", "auth required PROBE 1\nauth [default=reset] PROBE 2\n")],
        ),
        (
            "jump over a substack",
            "auth [success=1 default=ignore] PROBE 0\nauth substack b\nauth required PROBE 2\n",
            &[("b", "auth required PROBE 1\nauth required PROBE 3\n")],
        ),
        (
            "jump in a substack",
            "auth substack b\nauth required PROBE 2\n",
            &[("b", "auth [success=1 default=ignore] PROBE 0\nauth required PROBE 1\n")],
        ),
        (
            "jump in an include",
            "auth include b\nauth required PROBE 2\nauth required PROBE 3\n",
            &[("b", "auth [success=2 default=ignore] PROBE 0\nauth required PROBE 1\n")],
        ),
        (
            "jump out of a substack",
            "auth substack b\nauth required PROBE 2\n",
            &[("b", "auth [success=2 default=ignore] PROBE 0\nauth required PROBE 1\n")],
        ),
        (
            "missing include",
            "auth sufficient PROBE 0\nauth include nothing\nauth required PROBE 1\n",
            &[],
        ),
        (
            "missing substack",
            "auth sufficient PROBE 0\nauth substack nothing\nauth required PROBE 1\n",
            &[],
        ),
        (
            "missing include of another facility",
            "session include nothing\nauth required PROBE 0\n",
            &[],
        ),
        (
            "@include",
            "@include b\nauth required PROBE 2\n",
            &[("b", "auth sufficient PROBE 0\nauth required PROBE 1\n")],
        ),
        (
            "@include in an include",
            "auth include b\nauth required PROBE 2\n",
            &[
                ("b", "@include c\n"),
                ("c", "account required PROBE 3\nauth sufficient PROBE 0\nauth required PROBE 1\n"),
            ],
        ),
        ("missing @include", "auth required PROBE 0\n@include nothing\n", &[]),
        ("absolute include", "auth include ROOT/b\n", &[("b", "auth required PROBE 0\n")]),
        (
            "nothing for the facility",
            "account required PROBE 0\n",
            &[("other", "auth required PROBE 1\n")],
        ),
        (
            "other facilities only",
            "account required PROBE 0\n",
            &[("other", "account required PROBE 1\n")],
        ),
    ] {
        let mut all = files(others);
        all.insert("svc".to_owned(), service.to_owned());
        all.entry("other".to_owned()).or_insert_with(|| "auth requisite no_such.so\n".to_owned());
        println!("{what}");
        agree(&all, 4, &OUTCOMES);
    }
}

const CONTROLS: [&str; 16] = [
    "required",
    "requisite",
    "sufficient",
    "optional",
    "[success=1 default=ignore]",
    "[success=2 default=die]",
    "[default=1 ignore=ignore success=ok]",
    "[success=done ignore=1 default=bad]",
    "[success=ok ignore=ok default=reset]",
    "[success=reset default=2]",
    "[auth_err=ok default=bad]",
    "[default=done]",
    "[success=3 auth_err=reset]",
    "[user_unknown=ignore success=ok ignore=ignore default=bad]",
    "[success=bad default=ok]",
    "[success=die ignore=done default=ignore]",
];
const WAYS: [&str; 3] = ["auth include", "auth substack", "@include"];

/// A line: a probe of some control, a module that is not there, or a file of the next level.
fn lines() -> impl Strategy<Value = Vec<(u8, usize)>> {
    prop::collection::vec((0u8..10, 0usize..CONTROLS.len()), 1..4)
}

/// Probes are numbered in the order of the text; beyond six there are none.
fn text(lines: &[(u8, usize)], next: Option<&str>, probes: &mut u8) -> String {
    let line = |(kind, control): &(u8, usize)| match (kind, next) {
        (0, _) => format!("-auth {} no_such.so\n", CONTROLS[*control]),
        (1..=4, Some(next)) => format!("{} {next}\n", WAYS[*control % WAYS.len()]),
        _ if *probes < 5 => {
            *probes += 1;
            format!("auth {} PROBE {}\n", CONTROLS[*control], *probes - 1)
        }
        _ => String::new(),
    };
    lines.iter().map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn generated_stacks_end_as_libpam_ends_them(top in lines(), middle in lines(), bottom in lines()) {
        let mut probes = 0;
        let all = files(&[
            ("svc", &text(&top, Some("b"), &mut probes)),
            ("b", &text(&middle, Some("c"), &mut probes)),
            ("c", &text(&bottom, None, &mut probes)),
            ("other", "auth requisite no_such.so\n"),
        ]);
        agree(&all, probes, &OUTCOMES[..3]);
    }
}
