//! The lockout of the kind `password_policy` against Linux-PAM with its own modules: stacks are put
//! in the place of /etc/pam.d in a mount namespace, wrong passwords are given, and then the right one.
//! Needs unshare(1), a C compiler, perl and the modules of libpam; no service or account of this
//! machine is asked.

use evidence::kinds::PasswordPolicy;
use evidence::kinds::password_policy::LockoutModule;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const PASSWORD: &str = "the right one";
const MOST: usize = 5;

struct Driver {
    _directory: tempfile::TempDir,
    program: PathBuf,
    hash: String,
}

fn driver() -> &'static Driver {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let directory = tempfile::tempdir().expect("directory");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lockout_oracle/driver.c");
        let program = directory.path().join("driver");
        let status =
            Command::new("cc").arg("-o").arg(&program).arg(source).arg("-l:libpam.so.0").status();
        assert!(status.expect("cc").success());
        let script = "print crypt(shift, '$6$rounds=1000$salt$')";
        let output = Command::new("perl").args(["-e", script, PASSWORD]).output().expect("perl");
        let hash = String::from_utf8(output.stdout).expect("text");
        Driver { _directory: directory, program, hash }
    })
}

/// Where this machine has its modules.
fn modules() -> PathBuf {
    let machine = std::env::consts::ARCH;
    let places =
        [format!("/usr/lib/{machine}-linux-gnu/security"), "/usr/lib64/security".to_owned()];
    let mut places = places.iter().map(PathBuf::from);
    places.find(|place| place.join("pam_faillock.so").exists()).expect("modules")
}

/// A root with the service `svc` and nothing else. Modules are there by name.
fn machine(service: &str, faillock: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(path, text).expect("written");
    };
    let hash = &driver().hash;
    write("etc/passwd", "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/:/bin/sh\n");
    write("etc/shadow", &format!("root:{hash}:20000::::::\nada:{hash}:20000::::::\n"));
    write("etc/group", "root:x:0:\nada:x:1000:\n");
    write("etc/nsswitch.conf", "passwd: files\nshadow: files\ngroup: files\n");
    write("etc/login.defs", "");
    write("etc/security/faillock.conf", faillock);
    write("etc/pam.d/svc", service);
    write("etc/pam.d/other", "auth requisite pam_deny.so\naccount requisite pam_deny.so\n");
    for module in ["deny", "env", "faillock", "localuser", "permit", "unix"] {
        let path = modules().join(format!("pam_{module}.so"));
        write(&path.display().to_string(), "");
    }
    root
}

/// After how many wrong passwords the right one is refused, of 0 to [`MOST`]; `None` where it never
/// is. And whether a wrong one is let in.
fn libpam_says(root: &Path, user: &str) -> (Option<usize>, bool) {
    let script = "mount --bind \"$0\" /etc && mount -t tmpfs none /run && mkdir /run/faillock && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-ec", script]).arg(root.join("etc"));
    command.arg(&driver().program).args(["svc", user, PASSWORD, &MOST.to_string()]);
    let output = command.output().expect("unshare");
    let text = String::from_utf8(output.stdout).expect("text");
    let said = text.trim().split_once(' ');
    let (digits, let_in) =
        said.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (digits.find('0'), let_in != "0")
}

/// After how many wrong passwords the evaluator says that ordinary users are locked out, and root;
/// the inner `None` for never.
fn agent_says(root: &Path) -> Option<(Option<usize>, bool)> {
    let host = Host::rooted(root).expect("root");
    let collected = collectors::find("password_policy").expect("registered").collect(&host);
    let facts: PasswordPolicy =
        serde_json::from_value(collected.facts.expect("facts").data).expect("typed");
    let lockout = facts.lockout?;
    let locks = lockout.module != LockoutModule::None && lockout.deny > 0;
    let deny = locks.then(|| usize::try_from(lockout.deny).expect("small"));
    Some((deny, lockout.even_deny_root))
}

/// By the books of Debian and of authselect, and what goes wrong with them.
const STACKS: [(&str, &str, Option<usize>); 20] = [
    (
        "as the manual has it",
        "auth required pam_faillock.so preauth\nauth sufficient pam_unix.so\nauth [default=die] pam_faillock.so authfail\nauth required pam_deny.so\naccount required pam_faillock.so\naccount required pam_unix.so\n",
        Some(3),
    ),
    (
        "as Debian's common-auth is changed",
        "auth required pam_faillock.so preauth\nauth [success=1 default=ignore] pam_unix.so\nauth [default=die] pam_faillock.so authfail\nauth sufficient pam_faillock.so authsucc\nauth required pam_permit.so\naccount required pam_unix.so\n",
        Some(3),
    ),
    (
        "as authselect writes it",
        "auth required pam_env.so\nauth required pam_faillock.so preauth silent\nauth sufficient pam_unix.so\nauth required pam_faillock.so authfail\nauth required pam_deny.so\naccount required pam_faillock.so\naccount required pam_unix.so\n",
        Some(3),
    ),
    (
        "an argument over the file",
        "auth required pam_faillock.so preauth deny=2\nauth sufficient pam_unix.so\nauth [default=die] pam_faillock.so authfail deny=2\naccount required pam_unix.so\n",
        Some(2),
    ),
    (
        "the numbers of the two steps differ",
        "auth required pam_faillock.so preauth deny=2\nauth sufficient pam_unix.so\nauth [default=die] pam_faillock.so authfail deny=4\naccount required pam_unix.so\n",
        Some(4),
    ),
    (
        "requisite before",
        "auth requisite pam_faillock.so preauth\nauth sufficient pam_unix.so\nauth [default=die] pam_faillock.so authfail\naccount required pam_unix.so\n",
        Some(3),
    ),
    (
        "no step of the account phase",
        "auth required pam_faillock.so preauth\nauth sufficient pam_unix.so\nauth [default=die] pam_faillock.so authfail\naccount required pam_permit.so\n",
        Some(3),
    ),
    (
        "pam_unix is sufficient before anything",
        "auth sufficient pam_unix.so\nauth required pam_faillock.so preauth\nauth [default=die] pam_faillock.so authfail\naccount required pam_unix.so\n",
        None,
    ),
    (
        "nobody counts",
        "auth required pam_faillock.so preauth\nauth sufficient pam_unix.so\nauth required pam_deny.so\naccount required pam_faillock.so\naccount required pam_unix.so\n",
        None,
    ),
    (
        "counted behind what ends it",
        "auth required pam_faillock.so preauth\nauth requisite pam_unix.so\nauth [default=die] pam_faillock.so authfail\naccount required pam_unix.so\n",
        None,
    ),
    (
        "dies at the password",
        "auth required pam_faillock.so preauth\nauth [success=ok default=die] pam_unix.so\nauth [default=die] pam_faillock.so authfail\naccount required pam_unix.so\n",
        None,
    ),
    (
        "who is locked is let in",
        "auth optional pam_faillock.so preauth\nauth sufficient pam_unix.so\nauth [default=die] pam_faillock.so authfail\naccount required pam_unix.so\n",
        None,
    ),
    (
        "counted, and nobody looks at it",
        "auth sufficient pam_unix.so\nauth [default=die] pam_faillock.so authfail\naccount required pam_unix.so\n",
        None,
    ),
    (
        "the account phase looks at it",
        "auth sufficient pam_unix.so\nauth [default=die] pam_faillock.so authfail\naccount required pam_faillock.so\naccount required pam_unix.so\n",
        None,
    ),
    (
        "the jump lands on the count",
        "auth required pam_faillock.so preauth\nauth [success=ignore default=1] pam_unix.so\nauth [default=die] pam_faillock.so authfail\nauth required pam_deny.so\naccount required pam_unix.so\n",
        None,
    ),
    (
        "the jump passes the gate by",
        "auth [success=1 default=ignore] pam_permit.so\nauth required pam_faillock.so preauth\nauth sufficient pam_unix.so\nauth [default=die] pam_faillock.so authfail\naccount required pam_unix.so\n",
        None,
    ),
    (
        "what is counted is forgotten at once",
        "auth required pam_faillock.so preauth\nauth [success=2 default=ignore] pam_unix.so\nauth optional pam_faillock.so authfail\nauth required pam_deny.so\nauth required pam_faillock.so authsucc\naccount required pam_unix.so\n",
        None,
    ),
    (
        "the count is reset behind itself",
        "auth [success=2 default=ignore] pam_unix.so\nauth [default=ignore] pam_faillock.so authfail\nauth [default=ignore] pam_faillock.so authsucc\nauth requisite pam_faillock.so preauth\nauth required pam_unix.so use_first_pass\naccount required pam_unix.so\n",
        None,
    ),
    (
        "pam_unix asks twice",
        "auth required pam_faillock.so preauth\nauth sufficient pam_unix.so\nauth sufficient pam_unix.so try_first_pass\nauth [default=die] pam_faillock.so authfail\naccount required pam_unix.so\n",
        Some(3),
    ),
    (
        "a number of zero",
        "auth required pam_faillock.so preauth deny=0\nauth sufficient pam_unix.so\nauth [default=die] pam_faillock.so authfail deny=0\naccount required pam_unix.so\n",
        None,
    ),
];

#[test]
fn stacks_lock_where_it_is_said_that_they_do_and_nowhere_else() {
    for (what, stack, expected) in STACKS {
        let root = machine(stack, "");
        let (locks, wrong_is_in) = libpam_says(root.path(), "ada");
        assert!(!wrong_is_in, "{what}: a wrong password is let in");
        let (said, _) = agent_says(root.path()).expect("understood");
        println!("{what}: libpam {locks:?}, said {said:?}");
        match said {
            Some(deny) => assert!(locks.is_some_and(|locks| locks <= deny), "{what}"),
            None => assert_eq!(expected, None, "{what}"),
        }
        assert_eq!(said, expected, "{what}");
    }
}

/// What people put together, in any order.
const LINES: [&str; 24] = [
    "auth required pam_faillock.so preauth",
    "auth required pam_faillock.so preauth",
    "auth requisite pam_faillock.so preauth",
    "auth optional pam_faillock.so preauth",
    "auth [success=ignore default=bad] pam_faillock.so preauth",
    "auth sufficient pam_unix.so",
    "auth sufficient pam_unix.so",
    "auth required pam_unix.so",
    "auth [success=1 default=ignore] pam_unix.so",
    "auth [success=2 default=ignore] pam_unix.so",
    "auth [success=1 default=bad] pam_unix.so",
    "auth [success=done new_authtok_reqd=done ignore=ignore default=bad] pam_unix.so",
    "auth sufficient pam_unix.so try_first_pass",
    "auth [default=die] pam_faillock.so authfail",
    "auth [default=die] pam_faillock.so authfail",
    "auth required pam_faillock.so authfail",
    "auth optional pam_faillock.so authfail",
    "auth sufficient pam_faillock.so authsucc",
    "auth required pam_faillock.so authsucc",
    "auth required pam_deny.so",
    "auth requisite pam_deny.so",
    "auth required pam_permit.so",
    "auth optional pam_permit.so",
    "auth [default=1] pam_permit.so",
];
const ACCOUNTS: [&str; 3] = [
    "account required pam_unix.so\n",
    "account required pam_faillock.so\naccount required pam_unix.so\n",
    "account sufficient pam_localuser.so\naccount required pam_faillock.so\n",
];
const FILES: [&str; 4] =
    ["", "deny = 2\n", "# deny = 1\nunlock_time=0\n", "deny=4\neven_deny_root\n"];

fn stacks() -> impl Strategy<Value = (String, &'static str)> {
    let lines = prop::collection::vec(prop::sample::select(&LINES[..]), 2..6);
    // Half of them have at least a gate and a count.
    let lines = (lines, any::<bool>()).prop_map(|(mut lines, by_the_book)| {
        if by_the_book {
            lines.insert(0, LINES[0]);
            lines.push(LINES[13]);
        }
        lines
    });
    let account = prop::sample::select(&ACCOUNTS[..]);
    (lines, account, prop::sample::select(&FILES[..])).prop_map(|(lines, account, file)| {
        let lines: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
        (lines + account, file)
    })
}

/// One way, for whatever stack: who is said to be locked out is. Where a wrong password lets in,
/// there is nothing to lock.
#[test]
fn nobody_is_let_in_who_is_said_to_be_locked_out() {
    let mut runner = TestRunner::deterministic();
    let mut said_to_lock = 0;
    for _ in 0..500 {
        let (stack, file) = stacks().new_tree(&mut runner).expect("generated").current();
        let root = machine(&stack, file);
        let Some((Some(deny), for_root)) = agent_says(root.path()) else { continue };
        let (locks, wrong_is_in) = libpam_says(root.path(), "ada");
        if wrong_is_in || locks == Some(0) {
            continue;
        }
        said_to_lock += 1;
        assert!(locks.is_some_and(|locks| locks <= deny), "{stack}{file}{locks:?} {deny}");
        let (locks, _) = libpam_says(root.path(), "root");
        assert_eq!(locks.is_some(), for_root, "root: {stack}{file}");
    }
    assert!(said_to_lock >= 20, "{said_to_lock} stacks");
}
