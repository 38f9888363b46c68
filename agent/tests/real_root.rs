//! The collectors on real Debian root file systems, beside the tools those roots hold. The roots
//! are made by `tests/roots`; every one that is complete is read, and bookworm must be there.
//! Needs root, for shadow(5) and chroot(2), and the package dpkg.

#[path = "oracle/dpkg.rs"]
mod dpkg;
#[path = "oracle/accounts.rs"]
mod people;
#[path = "oracle/sshd.rs"]
mod sshd;

use evidence::kinds::accounts::PasswordState;
use evidence::kinds::{Accounts, HostOs, Kind, Packages, SshServer};
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A root file system that `tests/roots` completed.
struct Root(PathBuf);

impl Root {
    fn all() -> Vec<Self> {
        let uid = rustix::process::geteuid();
        assert!(uid.is_root(), "this test calls chroot(2): run it as root");
        let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/roots");
        let complete = |suite: &&str| roots.join(format!("{suite}.complete")).exists();
        let suites: Vec<_> =
            ["bullseye", "bookworm", "trixie"].into_iter().filter(complete).collect();
        assert!(
            suites.contains(&"bookworm"),
            "there is no .cache/roots/bookworm: run tests/roots first"
        );
        suites.into_iter().map(|suite| Self(roots.join(suite))).collect()
    }

    /// What one of the root's own programs prints.
    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("chroot");
        command.arg(&self.0).args(arguments);
        let path = "/usr/sbin:/usr/bin:/sbin:/bin";
        let output = command.env_clear().env("PATH", path).env("LC_ALL", "C").output();
        let output = output.expect("chroot");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {arguments:?}: {error}", self.0.display());
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Facts of a kind, and what of them was not read.
    fn facts<K: Kind>(&self) -> (K, Vec<String>) {
        let host = Host::rooted(&self.0).expect("root");
        let collected = collectors::find(K::NAME).expect("registered").collect(&host);
        let facts = collected.facts.unwrap_or_else(|| panic!("{:?}", collected.sources));
        (serde_json::from_value(facts.data).expect("typed"), collected.unread)
    }
}

#[test]
fn accounts_are_those_that_the_roots_own_tools_name() {
    for root in Root::all() {
        let (found, unread) = root.facts::<Accounts>();
        assert_eq!(unread, [""; 0]);
        let passwd = root.run(&["getent", "-s", "files", "passwd"]);
        assert_eq!(people::as_getent(&found.users), people::without_fields(&passwd, &[1, 4]));
        let groups = root.run(&["getent", "-s", "files", "group"]);
        assert_eq!(people::groups_as_getent(&found), people::sorted_members(&groups));
        let status: Vec<_> = found.users.iter().map(people::as_passwd_status).collect();
        let printed = root.run(&["passwd", "-S", "-a"]);
        assert_eq!(status, printed.lines().map(with_iso_date).collect::<Vec<_>>());
        let member_of = |user: &str| -> Vec<String> {
            let groups = root.run(&["id", "-Gn", user]);
            let mut names: Vec<_> = groups.split_whitespace().map(str::to_owned).collect();
            names.sort();
            names
        };
        for user in &found.users {
            assert_eq!(user.groups, Some(member_of(&user.name)), "{}", user.name);
        }
        assert_same_expiry(&root, &found);
        assert_variety(&found);
    }
}

/// A line of `passwd -S`; bullseye's prints `MM/DD/YYYY`.
fn with_iso_date(line: &str) -> String {
    let word = |word: &str| match word.split('/').collect::<Vec<_>>()[..] {
        [month, day, year] => format!("{year}-{month}-{day}"),
        _ => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Expiry days beside field 8 of `getent shadow`.
fn assert_same_expiry(root: &Root, found: &Accounts) {
    let shadow = root.run(&["getent", "-s", "files", "shadow"]);
    let days = shadow.lines().map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        (fields[0].to_owned(), fields[7].parse::<i64>().ok())
    });
    let ours = found.users.iter().map(|user| {
        let password = user.password.as_ref().expect("password");
        (user.name.clone(), password.expire_day)
    });
    assert_eq!(ours.collect::<BTreeMap<_, _>>(), days.collect());
}

/// The root holds what the comparison is for; otherwise it would prove little.
fn assert_variety(found: &Accounts) {
    let state = |name: &str| {
        let user = found.users.iter().find(|user| user.name == name).expect(name);
        let password = user.password.as_ref().expect("password");
        (password.state, user.enabled, user.human)
    };
    assert_eq!(state("alice"), (PasswordState::Set, Some(true), Some(true)));
    assert_eq!(state("bob"), (PasswordState::Locked, Some(true), Some(true)));
    assert_eq!(state("carol"), (PasswordState::Disabled, Some(true), Some(true)));
    assert_eq!(state("dave"), (PasswordState::Disabled, Some(false), Some(true)));
    assert_eq!(state("runner"), (PasswordState::Disabled, Some(true), Some(false)));
    let privileged = found.privileged_users.as_ref().expect("privileged");
    assert_eq!(privileged, &["alice", "root"]);
}

#[test]
fn packages_are_those_that_dpkg_lists() {
    for root in Root::all() {
        let (found, unread) = root.facts::<Packages>();
        assert_eq!(unread, [""; 0]);
        let dpkg = dpkg::dpkg_says(&root.0.join("var/lib/dpkg")).expect("dpkg");
        assert!(dpkg.len() > 80, "{} packages", dpkg.len());
        dpkg::assert_same(&found, &dpkg);
    }
}

#[test]
fn the_ssh_server_is_configured_as_its_own_sshd_prints() {
    for root in Root::all() {
        let (found, _) = root.facts::<SshServer>();
        assert_eq!(found.unresolved.as_deref(), Some(&[][..]));
        let printed = sshd::reported(sshd::parsed(&root.run(&["/usr/sbin/sshd", "-T"])));
        assert_eq!(printed["maxauthtries"], ["4"], "the drop-in of tests/roots is not read");
        sshd::assert_same(&found, &printed);
        for key in found.host_keys.expect("host keys") {
            let line = root.run(&["ssh-keygen", "-l", "-f", &format!("{}.pub", key.path)]);
            let words: Vec<_> = line.split_whitespace().collect();
            assert_eq!(key.bits.map(|bits| bits.to_string()).as_deref(), Some(words[0]));
            assert_eq!(key.fingerprint.as_deref(), Some(words[1]));
            assert!(!key.group_read && !key.other_read, "{}", key.path);
        }
    }
}

#[test]
fn the_system_is_what_the_roots_shell_reads_it_to_be() {
    for root in Root::all() {
        let (found, unread) = root.facts::<HostOs>();
        let fields = [
            ("ID", Some(found.id)),
            ("VERSION_ID", found.version_id),
            ("VERSION_CODENAME", found.codename),
            ("VARIANT_ID", found.variant_id),
            ("ID_LIKE", Some(found.id_like.join(" "))),
        ];
        for (name, value) in fields {
            let want =
                root.run(&["sh", "-c", &format!(". /etc/os-release; printf %s \"${name}\"")]);
            assert_eq!(value.unwrap_or_default(), want, "{name}");
        }
        assert!(found.support.is_some());
        let live = ["chassis", "in_container", "is_workstation", "virtualisation"];
        let mut unread: Vec<_> = unread.iter().map(String::as_str).collect();
        unread.sort_unstable();
        assert_eq!(unread, live);
    }
}
