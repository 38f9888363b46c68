//! The kind `password_policy` against the library that judges new passwords, libpwquality, by its
//! module for Debian's own Python. Needs the package python3-pwquality.

use evidence::kinds::PasswordPolicy;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Prints what libpwquality makes of a file and its directory, then of arguments: minlen less the
/// credits that count twice, minclass, dictcheck, enforce_for_root, enforcing; or `refused`.
const SCRIPT: &str = r#"
import pwquality, sys
settings = pwquality.PWQSettings()
try:
    settings.read_config(sys.argv[1])
except Exception:
    print("refused")
    sys.exit()
for word in sys.argv[2:]:
    settings.set_option(word)
credits = sum(max(0, n) for n in (settings.dcredit, settings.ucredit, settings.lcredit, settings.ocredit))
print(settings.minlen, credits, settings.minclass, settings.dictcheck, settings.enforce_for_root, settings.enforcing)
"#;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
    std::fs::write(path, text).expect("written");
}

/// A root whose service `passwd` asks pam_pwquality with `arguments`.
fn machine(arguments: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    for module in ["unix", "pwquality"] {
        write(root.path(), &format!("usr/lib/x86_64-linux-gnu/security/pam_{module}.so"), "");
    }
    let arguments = arguments.join(" ");
    let stack = format!(
        "password requisite pam_pwquality.so {arguments}\npassword required pam_unix.so use_authtok\n"
    );
    write(root.path(), "etc/pam.d/passwd", &stack);
    // The library refuses a missing file that it was given by name.
    write(root.path(), "etc/security/pwquality.conf", "");
    root
}

fn collect(root: &Path) -> PasswordPolicy {
    let host = Host::rooted(root).expect("root");
    let collected = collectors::find("password_policy").expect("registered").collect(&host);
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

/// minlen, credits, minclass, dictcheck, enforce_for_root, enforcing.
fn library_says(root: &Path, arguments: &[&str]) -> Option<[i64; 6]> {
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-").arg(root.join("etc/security/pwquality.conf")).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
    child.stdin.take().expect("input").write_all(SCRIPT.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("python3");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    if text.trim() == "refused" {
        return None;
    }
    let numbers: Vec<i64> =
        text.split_whitespace().map(|word| word.parse().expect("number")).collect();
    Some(numbers.try_into().expect("six numbers"))
}

fn agree(root: &Path, arguments: &[&str]) {
    let facts = collect(root);
    let Some([minlen, credits, minclass, dictcheck, for_root, enforcing]) =
        library_says(root, arguments)
    else {
        assert_eq!((facts.minlen, facts.quality_module), (None, None));
        return;
    };
    let all = (facts.minlen, facts.minclass, facts.dictcheck, facts.enforce_for_root);
    let shortest = (minlen - credits).max((minlen + 1) / 2);
    let want = match enforcing {
        0 => (Some(0), Some(0), Some(false), Some(false)),
        _ => (Some(shortest), Some(minclass.max(0)), Some(dictcheck != 0), Some(for_root != 0)),
    };
    assert_eq!(all, want);
}

#[test]
fn every_form_of_a_line_is_what_libpwquality_makes_of_it() {
    for text in [
        "",
        "# minlen = 20\n\n",
        "minlen = 14\n",
        "  minlen=9 # more\n",
        "minlen\t9\n",
        "MINLEN = 11\n",
        "minlen = 012\n",
        "minlen = 0\n",
        "minlen = -5\n",
        "minlen\n",
        "minlen = x\n",
        "minlen = 8x\n",
        "minlen==9\n",
        "minlen = 9 10\n",
        "bogus = 1\n",
        "minclass = 9\n",
        "dcredit = 1\nucredit=1\nlcredit=1\nocredit=1\n",
        "dcredit = -1\nucredit = 3\n",
        "dictcheck = 0\n",
        "enforce_for_root\n",
        "enforce_for_root = 0\n",
        "enforcing = 0\n",
        "badwords = a b c\n",
        "minlen = 20\nminlen = 10\n",
    ] {
        let root = machine(&[]);
        write(root.path(), "etc/security/pwquality.conf", text);
        println!("{text}");
        agree(root.path(), &[]);
    }
}

/// With credits for every class no password is shorter than what is said here, and one of that many
/// characters is long enough.
#[test]
fn credits_shorten_a_password_by_what_is_taken_off() {
    const CHECK: &str = r#"
import pwquality, sys
settings = pwquality.PWQSettings()
for word in ["dictcheck=0", "usercheck=0", "minlen=12", "dcredit=1", "ucredit=1", "ocredit=2"]:
    settings.set_option(word)
def is_long_enough(password):
    try:
        settings.check(password, None, None)
        return True
    except pwquality.PWQError as error:
        assert error.args[0] == pwquality.PWQ_ERROR_MIN_LENGTH, error
        return False
print(is_long_enough("qJ7!x?mz"), is_long_enough("qJ7!x?m"))
"#;
    let arguments = ["minlen=12", "dcredit=1", "ucredit=1", "ocredit=2"];
    let root = machine(&arguments);
    assert_eq!(collect(root.path()).minlen, Some(8));
    let mut command = Command::new("/usr/bin/python3");
    let output = command.args(["-c", CHECK]).output().expect("python3");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "True False\n", "{errors}");
}

const PLACES: [&str; 5] = [
    "etc/security/pwquality.conf",
    "etc/security/pwquality.conf.d/10-a.conf",
    "etc/security/pwquality.conf.d/9.conf",
    "etc/security/pwquality.conf.d/B.conf",
    "etc/security/pwquality.conf.d/c.disabled",
];
const NAMES: [&str; 7] =
    ["minlen", "minclass", "dictcheck", "dcredit", "ucredit", "lcredit", "ocredit"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn files_and_arguments_count_in_the_order_of_libpwquality(
        lines in prop::collection::vec((0usize..PLACES.len(), 0usize..NAMES.len(), -2i64..20), 0..12),
        arguments in prop::collection::vec((0usize..NAMES.len(), -2i64..20), 0..3),
    ) {
        let words: Vec<_> = arguments.iter().map(|(name, n)| format!("{}={n}", NAMES[*name])).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let root = machine(&words);
        for (place, path) in PLACES.iter().enumerate() {
            let mut text = String::new();
            for (_, name, number) in lines.iter().filter(|(here, _, _)| *here == place) {
                let _ = writeln!(text, "{} = {number}", NAMES[*name]);
            }
            write(root.path(), path, &text);
        }
        agree(root.path(), &words);
    }
}

/// The stacks of this machine are understood, whoever installed what.
#[test]
fn the_stacks_of_this_machine_are_understood() {
    let facts = collect(Path::new("/"));
    let services = facts.services.expect("services");
    assert!(services.iter().any(|service| service.login.is_some()));
    assert!(services.iter().any(|service| service.change.is_some()));
}
