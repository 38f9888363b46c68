//! The kind `audit` against auditctl(8) and the kernel: rules are loaded into the kernel, told by it,
//! and must record what the same rules record as files. The rules are taken away afterwards. Needs
//! the package auditd, and root where nobody else has rules.

use evidence::kinds::Audit;
use evidence::kinds::audit::AuditSource;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::path::Path;
use std::process::{Command, Output};

fn auditctl(arguments: &[&str]) -> Output {
    Command::new("auditctl").args(arguments).output().expect("auditctl")
}

/// The kernel's rules, for this test alone.
struct Kernel {
    _lock: std::fs::File,
}

impl Kernel {
    fn take() -> Self {
        let path = std::env::temp_dir().join("evidenced-audit-oracle.lock");
        let lock = std::fs::File::create(path).expect("lock");
        lock.lock().expect("locked");
        let rules = auditctl(&["-l"]);
        let text = String::from_utf8_lossy(&rules.stdout).into_owned();
        assert_eq!(text.trim(), "No rules", "this machine has rules of its own: not touched");
        Self { _lock: lock }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        auditctl(&["-D"]);
    }
}

fn collect(host: &Host) -> Audit {
    let collected = collectors::find("audit").expect("registered").collect(host);
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

/// A root with the programs and policies of this machine.
fn root(rules: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(path, text).expect("written");
    };
    for name in ["sudo", "su", "passwd", "chsh", "chfn", "newgrp", "gpasswd", "pkexec", "chage"] {
        let path = format!("/usr/bin/{name}");
        if Path::new(&path).exists() {
            write(&path, "");
        }
    }
    for path in ["/etc/selinux/config", "/etc/apparmor.d/x"] {
        if Path::new(path).exists()
            || Path::new(path).parent().is_some_and(|p| p.ends_with("apparmor.d") && p.exists())
        {
            write(path, "");
        }
    }
    write("/etc/audit/rules.d/50-x.rules", rules);
    root
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

fn line() -> impl Strategy<Value = String> {
    let call = one_of(&[
        "unlink,unlinkat,rename,renameat",
        "unlink",
        "rename,renameat",
        "execve",
        "all",
        "init_module,finit_module,delete_module",
        "adjtimex,settimeofday,clock_settime",
        "chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr",
        "openat",
    ]);
    let field = one_of(&[
        "",
        "",
        "",
        " -F auid>=1000 -F auid!=unset",
        " -F auid!=-1",
        " -F success=1",
        " -F exit=-EACCES",
        " -F uid=0",
        " -C uid!=euid",
        " -F euid=0",
        " -F a0=0x0",
        " -F a0=1",
        " -F auid>=500",
        " -F auid>1000",
        " -k x",
        " -F exe=/usr/bin/mv",
        " -F path=/etc/passwd",
    ]);
    let how = one_of(&["always,exit", "always,exit", "always,exit", "exit,always", "never,exit"]);
    let arch = one_of(&[" -F arch=b64", " -F arch=b32"]);
    let both = (how, call, field, any::<bool>()).prop_map(|(how, call, field, both)| {
        let one = |arch| format!("-a {how} -F arch={arch} -S {call}{field}\n");
        if both { format!("{}{}", one("b64"), one("b32")) } else { one("b64") }
    });
    let path = one_of(&[
        "/etc/passwd",
        "/etc/shadow",
        "/etc/group",
        "/etc/gshadow",
        "/etc/security/opasswd",
        "/etc/sudoers",
        "/etc/localtime",
        "/var/log/wtmp",
        "/var/log/lastlog",
        "/usr/bin/su",
        "/usr/bin/sudo",
    ]);
    let watch = (path, one_of(&["", " -p wa", " -p wa -k y", " -p r", " -p x", " -p rwxa"]))
        .prop_map(|(path, perm)| format!("-w {path}{perm}\n"));
    let tree = one_of(&[
        "-w /etc/sudoers.d -p wa\n",
        "-w /etc -p wa\n",
        "-a always,exit -F dir=/etc -F perm=wa\n",
    ]);
    let other = one_of(&[
        "-a never,task\n",
        "-a always,exclude -F msgtype=CWD\n",
        "-a always,exclude -F msgtype=PATH\n",
        "-a never,user -F uid=7\n",
        "-A never,exit -F path=/etc/shadow\n",
        "-a never,exit -F dir=/etc/ssl\n",
        "-a always,exit -F path=/etc/group -F perm=wa -F auid>=1000\n",
    ]);
    prop_oneof![
        6 => both,
        6 => watch,
        3 => tree.prop_map(str::to_owned),
        1 => (other, arch).prop_map(|(line, _)| line.to_owned()),
    ]
}

#[test]
fn rules_record_in_the_kernel_what_they_record_in_files() {
    let _kernel = Kernel::take();
    let live = Host::live().expect("host");
    let mut runner = TestRunner::deterministic();
    let (mut compared, mut recorded) = (0, 0);
    for _ in 0..150 {
        let lines = prop::collection::vec(line(), 1..14).new_tree(&mut runner).expect("generated");
        let text = lines.current().concat();
        auditctl(&["-D"]);
        let root = root(&text);
        let file = root.path().join("etc/audit/rules.d/50-x.rules");
        // auditctl stops at the first rule that the kernel has already.
        if !auditctl(&["-R", file.to_str().expect("UTF-8")]).status.success() {
            continue;
        }
        let told = String::from_utf8(auditctl(&["-l"]).stdout).expect("UTF-8");
        let told = told.lines().filter(|line| line.starts_with('-')).count();
        let (kernel, files) = (collect(&live), collect(&Host::rooted(root.path()).expect("root")));
        assert_eq!(kernel.source, AuditSource::Netlink);
        assert_eq!(files.source, AuditSource::Files);
        assert_eq!(kernel.rules_loaded, i64::try_from(told).ok(), "{text}");
        assert_eq!(kernel.coverage, files.configured, "{text}");
        let coverage = serde_json::to_value(kernel.coverage.expect("coverage")).expect("JSON");
        let words = coverage.as_object().expect("an object").values();
        recorded += words.filter(|word| **word == true).count();
        compared += 1;
    }
    assert!(compared > 60 && recorded > 60, "{compared} compared, {recorded} recorded");
}

#[test]
fn the_state_is_that_of_auditctl() {
    let told = String::from_utf8(auditctl(&["-s"]).stdout).expect("UTF-8");
    let word = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse::<i64>().ok()).expect("a number")
    };
    let audit = collect(&Host::live().expect("host"));
    assert_eq!(audit.enabled, Some(word("enabled")));
    assert_eq!(audit.daemon_active, Some(word("pid") != 0));
    assert_eq!(audit.has_lost, Some(word("lost") != 0));
}
