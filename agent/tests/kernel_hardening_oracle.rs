//! The kind `kernel_hardening` against the programs that decide: sysctl(8) on this machine, and
//! systemd-analyze(1), sysctl(8) and modprobe(8) on generated files. Needs root, for a mount
//! namespace of its own, and the packages kmod, procps, systemd and util-linux.

use evidence::kinds::KernelHardening;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).env("LC_ALL", "C").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn collect(host: &Host) -> KernelHardening {
    let collected = collectors::find("kernel_hardening").expect("registered").collect(host);
    let facts = collected.facts.unwrap_or_else(|| panic!("{:?}", collected.sources));
    serde_json::from_value(facts.data).expect("typed")
}

/// `name = value` lines.
fn assignments(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

#[test]
fn this_machine_runs_with_the_values_sysctl_prints() {
    let printed = assignments(&run("sysctl", &["-a"]));
    let running = collect(&Host::live().expect("root")).sysctl.expect("values");
    assert!(running.len() > 20, "{running:?}");
    for (name, value) in &running {
        assert_eq!(printed.get(name), Some(&value.to_string()), "{name}");
    }
}

const DIRECTORIES: [&str; 4] = ["etc", "run", "usr/local/lib", "usr/lib"];

fn root(directory: &str, files: &[(usize, usize, String)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    for place in DIRECTORIES {
        std::fs::create_dir_all(root.path().join(place).join(directory)).expect("directory");
    }
    for (place, name, text) in files {
        let path = format!("{}/{directory}/{name}0-own.conf", DIRECTORIES[*place]);
        std::fs::write(root.path().join(path), text).expect("file");
    }
    root
}

fn files(lines: &'static [&'static str]) -> impl Strategy<Value = Vec<(usize, usize, String)>> {
    let text = prop::collection::vec(prop::sample::select(lines), 0..4)
        .prop_map(|lines| lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    prop::collection::vec((0usize..4, 1usize..5, text), 1..6)
}

/// Values that `sysctl` would write for these files in the order systemd gives them.
fn sysctl_says(root: &Path) -> BTreeMap<String, String> {
    let argument = format!("--root={}", root.display());
    let merged = run("systemd-analyze", &[&argument, "cat-config", "sysctl.d"]);
    let file = root.join("merged.conf");
    std::fs::write(&file, merged).expect("file");
    assignments(&run("sysctl", &["--dry-run", "-p", file.to_str().expect("path")]))
}

/// What modprobe reads, with the directories of `root` mounted over the machine's own.
fn modprobe_says(root: &Path) -> Vec<(String, String)> {
    let mounts = DIRECTORIES.map(|place| {
        format!("mkdir -p /{place}/modprobe.d && mount --bind {0}/{place}/modprobe.d /{place}/modprobe.d", root.display())
    });
    let script = format!("{} && modprobe -c", mounts.join(" && "));
    let text = run("unshare", &["--mount", "sh", "-ec", &script]);
    assert!(text.contains("End of configuration"), "modprobe did not run: {text}");
    let lines = text.lines().filter_map(|line| line.strip_prefix("install ")?.split_once(' '));
    lines.map(|(name, command)| (name.to_owned(), command.trim().to_owned())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn settings_are_merged_as_systemd_and_sysctl_merge_them(files in files(&[
        "kernel.randomize_va_space = 2", "kernel/randomize_va_space=1", "-fs.suid_dumpable = 1",
        " fs.suid_dumpable =0 ", "# fs.suid_dumpable = 2", "; fs.suid_dumpable = 2", "",
        "net.ipv4.conf.all.rp_filter = 1", "net.ipv4.tcp_syncookies = 2", "net/ipv4/tcp_syncookies = 0",
    ])) {
        let root = root("sysctl.d", &files);
        let says = sysctl_says(root.path());
        let ours = collect(&Host::rooted(root.path()).expect("root")).sysctl_configured;
        let ours = ours.expect("values").into_iter().map(|(name, value)| (name, value.to_string()));
        prop_assert_eq!(ours.collect::<BTreeMap<_, _>>(), says);
    }

    #[test]
    fn a_module_is_blocked_where_modprobe_runs_nothing_for_it(files in files(&[
        "install usb-storage /bin/false", "install usb_storage /sbin/modprobe x", "blacklist udf",
        "install dccp /bin/true", "#install dccp /bin/true", "install\tudf  /usr/bin/false",
        "install udf echo", "install sctp \\", "/bin/true", "options rds x=1", "install rds",
    ])) {
        let root = root("modprobe.d", &files);
        let says = modprobe_says(root.path());
        let nothing = ["/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true"];
        let blocked = collect(&Host::rooted(root.path()).expect("root")).modules_blocked.expect("read");
        for module in ["usb_storage", "dccp", "udf", "sctp", "rds"] {
            let first = says.iter().find(|(name, _)| name.replace('-', "_") == module);
            let expect = first.is_some_and(|(_, command)| nothing.contains(&command.as_str()));
            prop_assert_eq!(blocked.contains(&module.to_owned()), expect, "{} {:?}", module, says);
        }
    }
}
