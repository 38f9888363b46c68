//! Defects that no fixture can say: sparse files, loops of links, sockets, names that are no text, and
//! very many users, each beside its near miss.

use crate::on_disk::on_disk;
use crate::try_case::{machine_text, says_of};
use evidenced_agent::host::Host;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

struct Defect {
    name: &'static str,
    kind: &'static str,
    fixture: &'static str,
    rule: &'static str,
    /// What the rule says with the defect; without, and with the near miss, it passes.
    says: &'static str,
    defect: fn(&Path),
    near_miss: &'static str,
    near: fn(&Path),
}

const ROOT_LOGIN: &str = "ssh-no-root-password-login";
const UNREAD: &str = "unknown fact_missing";
const OPEN: &str = "alice ALL=(ALL) NOPASSWD: ALL\n";

const DEFECTS: &[Defect] = &[
    Defect {
        name: "a sparse file of a gigabyte in place of passwd",
        kind: "accounts",
        fixture: "debian_as_installed",
        rule: "acc-uid0-only-root",
        says: "unknown truncated",
        defect: |root| stretch(&root.join("etc/passwd"), 1 << 30),
        near_miss: "a comment of a megabyte",
        near: |root| append(&root.join("etc/passwd"), &format!("#{}\n", "x".repeat(1 << 20))),
    },
    Defect {
        name: "a sparse file of a gigabyte as a drop-in of sshd",
        kind: "ssh_server",
        fixture: "debian_default",
        rule: ROOT_LOGIN,
        says: UNREAD,
        defect: |root| stretch(&root.join("etc/ssh/sshd_config.d/big.conf"), 1 << 30),
        near_miss: "one beside the drop-ins",
        near: |root| stretch(&root.join("etc/ssh/sshd_config.d/big"), 1 << 30),
    },
    Defect {
        name: "a file that lost its contents in a crash and kept its length",
        kind: "sudo",
        fixture: "debian_as_installed",
        rule: "sudo-authenticate",
        says: "unknown parse_error",
        defect: |root| {
            let path = root.join("etc/sudoers");
            let length = fs::metadata(&path).expect("file").len();
            fs::write(&path, "").expect("written");
            stretch(&path, length);
        },
        near_miss: "a file that another program was still writing",
        near: |root| stretch(&root.join("etc/sudoers.tmp"), 400),
    },
    Defect {
        name: "two links that lead to each other",
        kind: "ssh_server",
        fixture: "debian_default",
        rule: ROOT_LOGIN,
        says: UNREAD,
        defect: |root| {
            symlink("b.conf", root.join("etc/ssh/sshd_config.d/a.conf")).expect("link");
            symlink("a.conf", root.join("etc/ssh/sshd_config.d/b.conf")).expect("link");
        },
        near_miss: "a link to a link to a file",
        near: |root| {
            symlink("b.conf", root.join("etc/ssh/sshd_config.d/a.conf")).expect("link");
            symlink("../../motd", root.join("etc/ssh/sshd_config.d/b.conf")).expect("link");
            fs::write(root.join("etc/motd"), "# no setting\n").expect("written");
        },
    },
    Defect {
        name: "os-release is a link out of the root, where a supported release is",
        kind: "host_os",
        fixture: "debian_12_image",
        rule: "upd-os-supported",
        says: "unknown absent",
        defect: |root| {
            let text = fs::read(root.join("usr/lib/os-release")).expect("os-release");
            fs::write(beside(root), text).expect("written");
            relink(root, &beside(root));
        },
        near_miss: "a link that climbs over the root stays at it",
        near: |root| {
            fs::rename(root.join("usr/lib/os-release"), root.join("release")).expect("moved");
            relink(root, Path::new("../../../../../../../../release"));
        },
    },
    Defect {
        name: "a socket in place of a drop-in of sshd",
        kind: "ssh_server",
        fixture: "debian_default",
        rule: ROOT_LOGIN,
        says: UNREAD,
        defect: |root| socket(&root.join("etc/ssh/sshd_config.d/s.conf")),
        near_miss: "a socket beside the drop-ins",
        near: |root| socket(&root.join("etc/ssh/sshd_config.d/s.sock")),
    },
    Defect {
        name: "a drop-in of sudo beside a socket, which sudo passes over",
        kind: "sudo",
        fixture: "debian_as_installed",
        rule: "sudo-no-nopasswd",
        says: "fail: /etc/sudoers.d/t:1",
        defect: |root| {
            socket(&root.join("etc/sudoers.d/s"));
            fs::write(root.join("etc/sudoers.d/t"), OPEN).expect("written");
        },
        near_miss: "the socket alone",
        near: |root| socket(&root.join("etc/sudoers.d/s")),
    },
    Defect {
        name: "the name of a drop-in of sudo is not UTF-8",
        kind: "sudo",
        fixture: "debian_as_installed",
        rule: "sudo-no-nopasswd",
        says: UNREAD,
        defect: |root| fs::write(odd(root, "etc/sudoers.d", b"caf\xe9"), OPEN).expect("written"),
        near_miss: "one that sudo passes over",
        near: |root| fs::write(odd(root, "etc/sudoers.d", b"caf\xe9.x"), OPEN).expect("written"),
    },
    Defect {
        name: "the name of a drop-in of sshd is not UTF-8",
        kind: "ssh_server",
        fixture: "debian_default",
        rule: ROOT_LOGIN,
        says: UNREAD,
        defect: |root| {
            let path = odd(root, "etc/ssh/sshd_config.d", b"caf\xe9.conf");
            fs::write(path, "PermitRootLogin yes\n").expect("written");
        },
        near_miss: "one that the pattern does not take",
        near: |root| {
            let path = odd(root, "etc/ssh/sshd_config.d", b"caf\xe9.off");
            fs::write(path, "PermitRootLogin yes\n").expect("written");
        },
    },
    Defect {
        name: "the last of a hundred thousand users is a superuser",
        kind: "accounts",
        fixture: "debian_as_installed",
        rule: "acc-uid0-only-root",
        says: "fail: toor",
        defect: |root| many(root, 100_000, "toor:x:0:0::/:/usr/sbin/nologin\n"),
        near_miss: "a hundred thousand comments, and the last user is none",
        near: |root| {
            let toor = "toor:x:60000:0::/:/usr/sbin/nologin\n";
            append(&root.join("etc/passwd"), &("# nobody\n".repeat(100_000) + toor));
        },
    },
];

fn append(path: &Path, text: &str) {
    let before = fs::read_to_string(path).expect("file");
    fs::write(path, before + text).expect("written");
}

/// Without blocks: holes read as NUL.
fn stretch(path: &Path, length: u64) {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    file.and_then(|file| file.set_len(length)).expect("length");
}

fn socket(path: &Path) {
    drop(UnixListener::bind(path).expect("socket"));
}

fn odd(root: &Path, directory: &str, name: &[u8]) -> PathBuf {
    root.join(directory).join(OsStr::from_bytes(name))
}

/// A place outside of the root that exists here.
fn beside(root: &Path) -> PathBuf {
    root.join("../outside-of-the-root")
}

/// `/etc/os-release` as a link; the file that it led to is gone.
fn relink(root: &Path, target: &Path) {
    let link = root.join("etc/os-release");
    fs::remove_file(&link).expect("removed");
    let _ = fs::remove_file(root.join("usr/lib/os-release"));
    symlink(target, link).expect("link");
}

fn many(root: &Path, count: usize, last: &str) {
    let mut text = String::new();
    for number in 0..count {
        let _ = writeln!(text, "u{number}:x:{}:100::/:/usr/sbin/nologin", 100_000 + number);
    }
    append(&root.join("etc/passwd"), &(text + last));
}

/// What the rule says after the change.
fn says(one: &Defect, change: fn(&Path)) -> String {
    let fixture = machine_text(one.kind, one.fixture).and_then(|text| text.fixture());
    let outer = tempfile::tempdir().expect("directory");
    let root = on_disk(&fixture.expect("fixture"));
    let inner = outer.path().join("root");
    fs::rename(root.keep(), &inner).expect("moved");
    change(&inner);
    let host = Host::rooted(&inner).expect("root");
    says_of(one.kind, &host).remove(one.rule).expect("the rule")
}

#[test]
fn what_no_fixture_can_say_is_judged_as_it_is() {
    let mut text = String::new();
    for one in DEFECTS {
        let found =
            [("base", "pass", says(one, |_| ())), ("defect", one.says, says(one, one.defect))];
        let near = ("near miss", "pass", says(one, one.near));
        for (what, expected, found) in found.into_iter().chain([near]) {
            if expected != found {
                let _ = writeln!(
                    text,
                    "{}: {} | {}: {}: {what}: expected {expected}, found {found}",
                    one.kind, one.name, one.near_miss, one.rule
                );
            }
        }
    }
    assert!(text.is_empty(), "\n{text}");
}
