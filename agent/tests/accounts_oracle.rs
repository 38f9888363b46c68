//! The collector of accounts beside the programs that decide: getent(1), id(1) and passwd(1), on
//! the running machine and on generated root directories. Needs root, for shadow(5) and chroot(2),
//! and the packages libc-bin, passwd, perl-base and util-linux.

#[path = "oracle/accounts.rs"]
mod printed;

use evidence::Status;
use evidence::kinds::Accounts;
use evidence::kinds::accounts::{PasswordState, User};
use evidenced_agent::collectors;
use evidenced_agent::formats::passwd::{self, shown};
use evidenced_agent::formats::password_field::PasswordField;
use evidenced_agent::host::Host;
use printed::{
    as_getent, as_passwd_status, colons, groups_as_getent, sorted_members, without_fields,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn require_root() {
    let uid = rustix::process::geteuid();
    assert!(uid.is_root(), "this test reads /etc/shadow and calls chroot(2): run it as root");
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).env("LC_ALL", "C").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn accounts(host: &Host) -> Accounts {
    let collected = collectors::find("accounts").expect("accounts").collect(host);
    let facts = collected.facts.unwrap_or_else(|| panic!("{:?}", collected.sources));
    serde_json::from_value(facts.data).expect("typed")
}

#[test]
fn the_running_machine_has_the_accounts_that_its_own_tools_name() {
    require_root();
    let found = accounts(&Host::live().expect("host"));
    let passwd = run("getent", &["-s", "files", "passwd"]);
    assert_eq!(as_getent(&found.users), without_fields(&passwd, &[1, 4]));
    let groups = run("getent", &["-s", "files", "group"]);
    assert_eq!(groups_as_getent(&found), sorted_members(&groups));
    let status: Vec<_> = found.users.iter().map(as_passwd_status).collect();
    let want: Vec<_> = run("passwd", &["-S", "-a"]).lines().map(str::to_owned).collect();
    assert_eq!(status, want);
    for user in &found.users {
        let groups = run("id", &["-Gn", &user.name]);
        let want: BTreeSet<_> = groups.split_whitespace().collect();
        let groups = user.groups.as_ref().expect("groups");
        assert_eq!(
            groups.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            want,
            "{}",
            user.name
        );
    }
}

/// A root directory in which the C library's own getent and id run.
struct Chroot(tempfile::TempDir);

impl Chroot {
    fn new() -> Self {
        require_root();
        let root = Self(tempfile::tempdir().expect("directory"));
        for program in ["/usr/bin/getent", "/usr/bin/id"] {
            root.copy(program);
            let libraries = run("ldd", &[program]);
            libraries.split_whitespace().filter(|w| w.starts_with('/')).for_each(|w| root.copy(w));
        }
        root.write(
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\ngshadow: files\n",
        );
        root.write("/etc/login.defs", "UID_MIN 1000\nUID_MAX 60000\n");
        root
    }

    fn copy(&self, path: &str) {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        self.write(path, bytes);
        let target = self.path(path);
        let mode = std::fs::metadata(path).expect("mode").permissions();
        std::fs::set_permissions(target, mode).expect("mode");
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        let target = self.path(path);
        std::fs::create_dir_all(target.parent().unwrap_or(Path::new("/"))).expect("directory");
        std::fs::write(target, contents).expect("file");
    }

    fn run(&self, arguments: &[&str]) -> String {
        let root = self.0.path().display().to_string();
        run("chroot", &[&[root.as_str()], arguments].concat())
    }

    fn accounts(&self) -> Accounts {
        accounts(&Host::rooted(self.0.path()).expect("root"))
    }
}

/// One line at a time, for the library carries an overflow over to the next line.
#[test]
fn a_line_is_an_account_exactly_when_the_library_says_so() {
    let root = Chroot::new();
    let numbers = ["0", "00", "-0", "+7", " 7", "7 ", "", "-1", "0x7", "4294967295", "4294967296"];
    let mut lines: Vec<String> =
        numbers.iter().map(|n| format!("a:x:{n}:1:c:/home/a:/bin/sh")).collect();
    lines.extend(numbers.iter().map(|n| format!("a:x:1:{n}:c:/home/a:/bin/sh")));
    let odd =
        ["a:x:1:1", "a:x:1", "a:x", "a", ":x:1:1::/:", "#a:x:1:1::/:", "  a:x:1:1::/:/bin/sh"];
    lines.extend(odd.map(str::to_owned));
    lines.extend(["a:x:1:1::/:/bin/sh\r", "\t#a:x:1:1::/:", "c++:x:1:1::/:"].map(str::to_owned));
    for line in lines {
        root.write("/etc/passwd", format!("{line}\n"));
        let getent = without_fields(&root.run(&["/usr/bin/getent", "passwd"]), &[1, 4]);
        let records = passwd::passwd(format!("{line}\n").as_bytes());
        let ours: Vec<_> = records
            .lines
            .iter()
            .map(|l| colons(&[&shown(&l.name), &l.uid, &l.gid, &shown(&l.home), &shown(&l.shell)]))
            .collect();
        // lines() of the expected text ends at a carriage return too.
        let ours: Vec<_> = ours.iter().map(|line| line.trim_end_matches('\r')).collect();
        assert_eq!(ours, getent, "{line:?}");
    }
}

#[test]
fn a_shadow_line_is_read_exactly_when_the_library_reads_it() {
    let root = Chroot::new();
    let days = ["", "0", "19000", "-1", "4294967295", "99999999999", "soon", " 5", "5 ", "010"];
    let mut lines: Vec<String> = days.iter().map(|d| format!("a:*:{d}:0:99999:7:5:{d}:")).collect();
    let odd = ["a:*", "a:*:", "a:*:1:2:3", "a:*:1:2:3:", "a:*:1:2:3:4:5", "a::1:2:3:4:5:6:7", "a"];
    lines.extend(odd.map(str::to_owned));
    lines.extend(["a:*:1:2:3:4:5:6:\r", "a:*:1:2:3:4:5:6:x", "a:*:1:2:3:  "].map(str::to_owned));
    for line in lines {
        root.write("/etc/shadow", format!("{line}\n"));
        let getent = root.run(&["/usr/bin/getent", "shadow"]);
        let want: Vec<_> = getent.lines().map(|l| l.split(':').skip(2).take(6).collect()).collect();
        let ours: Vec<Vec<String>> = passwd::shadow(format!("{line}\n").as_bytes())
            .lines
            .iter()
            .map(|l| {
                let days = [l.last_change_day, l.min_days, l.max_days, l.warn_days];
                let days = days.into_iter().chain([l.inactive_days, l.expire_day]);
                days.map(|day| day.map_or(String::new(), |day| day.to_string())).collect()
            })
            .collect();
        assert_eq!(ours, want as Vec<Vec<&str>>, "{line:?}");
    }
}

/// Hashes as libxcrypt makes them now, for every scheme it has.
#[test]
fn a_real_hash_is_a_set_password_of_its_scheme() {
    let settings = [
        ("$y$j9T$abcdefgh", "yescrypt"),
        ("$gy$j9T$abcdefgh", "gost-yescrypt"),
        ("$7$CU..../....abcdefgh", "scrypt"),
        ("$2b$05$abcdefghijklmnopqrstuu", "bcrypt"),
        ("$2y$05$abcdefghijklmnopqrstuu", "bcrypt"),
        ("$6$abcdefgh", "sha512"),
        ("$6$rounds=1000$abcdefgh", "sha512"),
        ("$5$abcdefgh", "sha256"),
        ("$1$abcdefgh", "md5"),
        ("_J9..abcd", "bsdi"),
        ("ab", "des"),
        ("$3$", "unknown"),
        ("$sha1$1000$abcdefgh", "unknown"),
    ];
    for (setting, scheme) in settings {
        let hash = run("perl", &["-e", "print crypt('example', shift)", setting]);
        assert!(hash.len() >= 13, "{setting}: {hash}");
        for (text, state) in [
            (hash.clone(), PasswordState::Set),
            (format!("!{hash}"), PasswordState::Locked),
            (format!("*{hash}"), PasswordState::Disabled),
        ] {
            let field = PasswordField::new(text.as_bytes());
            assert_eq!(field.state(), state, "{setting}");
            assert_eq!(field.scheme().map(|found| found.as_str()), Some(scheme), "{setting}");
        }
    }
}

fn password_text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "*",
        "!",
        "!!",
        "!*",
        "*LK*",
        "$y$j9T$invented$invented",
        "!$6$invented$invented",
        "!!$y$j9T$invented$invented",
        "$1$invented$invented",
        "inINVENTEDxyz",
        "$6$",
        "$5$a$b",
    ])
}

fn days() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), (0..40_000_u32).prop_map(|day| day.to_string())]
}

/// Password field, six day fields, supplementary groups; `None` is a user without a shadow line.
type Person = (&'static str, Option<Vec<String>>, BTreeSet<usize>);

fn people() -> impl Strategy<Value = Vec<Person>> {
    let ageing = prop::option::weighted(0.9, prop::collection::vec(days(), 6));
    let groups = prop::collection::btree_set(0..5_usize, 0..4);
    prop::collection::vec((password_text(), ageing, groups), 1..20)
}

fn write_people(root: &Chroot, people: &[Person]) {
    // passwd(1) asks for the name of the user that runs it.
    let mut passwd = "root:x:0:0::/root:/bin/sh\n".to_owned();
    let mut shadow = "root:*:20000::::::\n".to_owned();
    let mut groups = vec![Vec::new(); 5];
    for (at, (password, ageing, member_of)) in people.iter().enumerate() {
        passwd += &format!("u{at}:x:{}:{}::/:/bin/sh\n", 1000 + at, 100 + at % 5);
        if let Some(ageing) = ageing {
            shadow += &format!("u{at}:{password}:{}:\n", ageing.join(":"));
        }
        member_of.iter().for_each(|group| groups[*group].push(format!("u{at}")));
    }
    let line = |(at, members): (usize, &Vec<String>)| {
        format!("g{at}:x:{}:{}\n", 100 + at, members.join(","))
    };
    root.write("/etc/passwd", passwd);
    root.write("/etc/shadow", shadow);
    root.write("/etc/group", groups.iter().enumerate().map(line).collect::<String>());
}

#[test]
fn generated_machines_have_the_states_and_groups_that_the_tools_print() {
    let root = Chroot::new();
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() };
    proptest!(config, |(people in people())| {
        write_people(&root, &people);
        let found = root.accounts();
        let directory = root.0.path().display().to_string();
        let status: Vec<_> = found.users.iter().map(as_passwd_status).collect();
        let want = run("passwd", &["-R", &directory, "-S", "-a"]);
        prop_assert_eq!(status, want.lines().collect::<Vec<_>>());
        for user in found.users.iter().skip(1).take(3) {
            let groups = root.run(&["/usr/bin/id", "-Gn", &user.name]);
            let want: BTreeSet<_> = groups.split_whitespace().collect();
            let groups = user.groups.iter().flatten().map(String::as_str);
            prop_assert_eq!(groups.collect::<BTreeSet<_>>(), want);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let shadow = passwd::shadow(&bytes);
        let fields = shadow.lines.iter().map(|line| (line.password.state(), line.password.scheme()));
        fields.for_each(drop);
        let lines = bytes.split(|byte| *byte == b'\n').count();
        let records = passwd::passwd(&bytes);
        let faults = records.faults.map_or(0, |faults| faults.count);
        prop_assert!(records.lines.len() + records.legacy + faults <= lines);
        passwd::group(&bytes);
        passwd::gshadow(&bytes);
    }

    /// Text of the shape of these files reaches further into the parsers than noise does.
    #[test]
    fn any_near_line_is_an_entry_or_a_fault(line in "[a-z$!*]{1,3}(:[-+ 0-9a,$!*]{0,4}){0,8}") {
        let line = format!("{line}\n");
        let passwd = passwd::passwd(line.as_bytes());
        prop_assert_eq!(passwd.lines.len() + passwd.faults.map_or(0, |faults| faults.count), 1);
        let shadow = passwd::shadow(line.as_bytes());
        prop_assert_eq!(shadow.lines.len() + shadow.faults.map_or(0, |faults| faults.count), 1);
    }

    #[test]
    fn what_is_written_is_read_back(
        name in "[a-z_][a-z0-9_-]{0,30}",
        uid in any::<u32>(), gid in any::<u32>(),
        comment in "[^:\n\0]{0,20}", home in "/[\\PC&&[^:]]{0,20}", shell in "\\PC{0,20}",
    ) {
        let text = format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}\n");
        let records = passwd::passwd(text.as_bytes());
        prop_assert!(records.faults.is_none());
        let line = &records.lines[0];
        prop_assert_eq!((shown(&line.name), line.uid, line.gid), (name, uid, gid));
        prop_assert_eq!((shown(&line.home), shown(&line.shell)), (home, shell));
        prop_assert!(line.password.is_shadowed());
    }
}

/// Modes mean nothing to root, so the test runs a copy of itself as nobody.
#[test]
fn without_privilege_passwords_are_denied_and_users_are_read() {
    const CHILD: &str = "EVIDENCED_TEST_AS_NOBODY";
    const NAME: &str = "without_privilege_passwords_are_denied_and_users_are_read";
    if std::env::var_os(CHILD).is_some() {
        let host = Host::live().expect("host");
        let collected = collectors::find("accounts").expect("accounts").collect(&host);
        assert_eq!(collected.status, Status::Partial);
        let shadow = collected.sources.iter().find(|source| source.path == "/etc/shadow");
        assert_eq!(shadow.map(|source| source.status), Some(Status::Denied));
        for field in ["users.password", "users.enabled", "privileged_users"] {
            assert!(collected.unread.iter().any(|unread| unread == field), "{field}");
        }
        let users = accounts(&host).users;
        assert!(users.iter().any(|user| user.uid == 0));
        assert!(users.iter().all(|user| user.password.is_none() && user.enabled.is_none()));
        return;
    }
    require_root();
    let directory = tempfile::tempdir().expect("directory");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).expect("mode");
    let copy = directory.path().join("test");
    std::fs::copy(std::env::current_exe().expect("path"), &copy).expect("copy");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args(["--exact", NAME])
        .env(CHILD, "1")
        .current_dir("/")
        .output()
        .expect("setpriv");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// The C library takes such names; nothing that makes accounts gives them.
#[test]
fn names_that_are_no_text_make_no_list_of_users() {
    let directory = tempfile::tempdir().expect("directory");
    let etc = directory.path().join("etc");
    std::fs::create_dir(&etc).expect("etc");
    std::fs::write(etc.join("passwd"), b"\xFF:x:1:1::/:/bin/sh\n").expect("passwd");
    let host = Host::rooted(directory.path()).expect("root");
    let collected = collectors::find("accounts").expect("registered").collect(&host);
    assert_eq!((collected.status, collected.facts), (Status::ParseError, None));
}

#[test]
fn a_hundred_thousand_accounts_are_read() {
    let directory = tempfile::tempdir().expect("directory");
    let etc = directory.path().join("etc");
    std::fs::create_dir(&etc).expect("etc");
    let count = 100_000;
    let lines = |line: fn(i64) -> String| (0..count).map(line).collect::<String>();
    let passwd = lines(|at| format!("user{at}:x:{at}:100:Some Body,,,:/home/user{at}:/bin/bash\n"));
    let shadow = lines(|at| format!("user{at}:!$6$invented$invented:20000:0:99999:7:::\n"));
    let members: Vec<_> = (0..count).map(|at| format!("user{at}")).collect();
    let members = members.join(",");
    std::fs::write(etc.join("passwd"), passwd).expect("passwd");
    std::fs::write(etc.join("shadow"), shadow).expect("shadow");
    std::fs::write(etc.join("group"), format!("users:x:100:\nsudo:x:27:{members}\n"))
        .expect("group");
    let found = accounts(&Host::rooted(directory.path()).expect("root"));
    assert_eq!(found.users.len(), 100_000);
    assert_eq!(found.privileged_users.map(|names| names.len()), Some(100_000));
    assert!(found.users.iter().all(|user| user.groups.as_ref().is_some_and(|g| g.len() == 2)));
}
