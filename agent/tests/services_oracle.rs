//! The kind `services` against systemctl(1) with `--root`, a message bus with a systemd that is none,
//! and crontab(1). Needs the packages systemd, dbus, python3-dbus, python3-gi and cron.

use evidence::kinds::Services;
use evidence::kinds::services::Init;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
    std::fs::write(path, text).expect("written");
}

fn collect(root: &Path) -> Services {
    let host = Host::rooted(root).expect("root");
    let collected = collectors::find("services").expect("registered").collect(&host);
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

fn systemctl(root: &Path, words: &[&str]) -> String {
    let mut command = Command::new("systemctl");
    command.arg(format!("--root={}", root.display())).args(words);
    let output = command.env("SYSTEMD_PAGER", "").output().expect("systemctl");
    String::from_utf8(output.stdout).expect("UTF-8")
}

const UNITS: [&str; 6] =
    ["a.service", "b.service", "c.socket", "d.timer", "tty@.service", "e.service"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn units_are_enabled_as_systemctl_says(
        acts in prop::collection::vec((0usize..6, prop::sample::select(vec!["enable", "disable", "mask", "unmask"])), 0..10),
        local in prop::collection::vec(any::<bool>(), 6),
    ) {
        let root = tempfile::tempdir().expect("directory");
        write(root.path(), "usr/lib/systemd/systemd", "");
        for (unit, local) in UNITS.iter().zip(&local) {
            let place = if *local { "etc" } else { "usr/lib" };
            let alias = if *unit == "b.service" { "Alias=other.service\n" } else { "" };
            let kind = if unit.ends_with("timer") { "[Timer]\nOnCalendar=daily\n" } else { "[Service]\nExecStart=/bin/true\n" };
            let kind = if unit.ends_with("socket") { "[Socket]\nListenStream=1\n" } else { kind };
            write(root.path(), &format!("{place}/systemd/system/{unit}"), &format!("{kind}[Install]\nWantedBy=multi-user.target\n{alias}"));
        }
        for (unit, act) in &acts {
            let name = UNITS[*unit].replace("tty@", "tty@1");
            systemctl(root.path(), &[act, &name]);
        }
        // An instance of a template is no file of its own: `list-unit-files` leaves it out.
        let names = UNITS.map(|unit| unit.replace("tty@", "tty@1"));
        let is_enabled = |name: &&String| systemctl(root.path(), &["is-enabled", name]).trim() == "enabled";
        let told: Vec<String> = names.iter().filter(is_enabled).cloned().collect();
        let told: BTreeSet<String> = told.into_iter().collect();
        let ours: BTreeSet<String> = collect(root.path()).enabled.expect("read").into_iter().collect();
        prop_assert_eq!(ours, told, "{:?} {:?}", acts, local);
    }
}

/// A bus in a mount namespace of its own, and the agent as it runs there.
#[test]
fn what_is_active_and_what_failed_comes_over_the_bus() {
    let files = tempfile::tempdir().expect("directory");
    let config = r#"<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<auth>EXTERNAL</auth><policy context="default"><allow own="*"/><allow send_destination="*"/>
<allow eavesdrop="true"/></policy></busconfig>"#;
    write(files.path(), "bus.conf", config);
    let mut units = vec![
        ("ssh.service".to_owned(), "loaded", "active"),
        ("backup.service".to_owned(), "loaded", "failed"),
        ("data.mount".to_owned(), "loaded", "failed"),
        ("gone.service".to_owned(), "not-found", "inactive"),
        ("x.socket".to_owned(), "loaded", "active"),
        ("user@1000.service".to_owned(), "loaded", "active"),
        ("run-r1.service".to_owned(), "loaded", "failed"),
    ];
    // Names of all lengths: every padding occurs.
    units.extend(
        (1..60).map(|length| (format!("{}.service", "n".repeat(length)), "loaded", "active")),
    );
    let script = "mount -t tmpfs tmpfs /run && mkdir -p /run/dbus /run/systemd/system && \
        dbus-daemon --config-file=\"$0\" --fork --print-pid >/run/bus.pid && \
        { /usr/bin/python3 \"$@\"; code=$?; kill $(cat /run/bus.pid); exit $code; }";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script]);
    command.arg(files.path().join("bus.conf"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/systemd.py"));
    command.arg(serde_json::to_string(&units).expect("JSON"));
    command.arg(env!("CARGO_BIN_EXE_evidenced-agent"));
    command.args(["collect", "--kind", "services", "--format", "json"]);
    let output = command.output().expect("unshare");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let data = said["kinds"]["services"]["facts"]["data"].clone();
    let services: Services = serde_json::from_value(data).expect("typed");
    assert_eq!(services.init, Some(Init::Systemd));
    assert_eq!(services.failed.expect("told"), ["backup.service", "data.mount"]);
    let mut active: Vec<String> = (1..60).map(|n| format!("{}.service", "n".repeat(n))).collect();
    active.push("ssh.service".to_owned());
    active.sort();
    assert_eq!(services.active.expect("told"), active);
}

/// What crontab(1) takes is a table for us too, and what it refuses is none.
#[test]
fn tables_are_those_that_crontab_takes() {
    let file = tempfile::NamedTempFile::new().expect("file");
    for (line, jobs) in [
        ("*/5 0-3,7 * jan,feb mon-fri /opt/x --password y", Some(1)),
        ("@reboot /opt/x\n@daily /opt/y", Some(2)),
        ("MAILTO=\"\"\n# x\n\n0 4 1 * * cd /tmp; /opt/x", Some(1)),
        ("PATH = /bin:/usr/bin\n0 4 1 * * x", Some(1)),
        ("0 4 * *", None),
        ("@sometimes /opt/x", None),
        ("a b c d e /opt/x", None),
        // It runs nothing.
        ("0 4 * * *", Some(0)),
    ] {
        std::fs::write(file.path(), format!("{line}\n")).expect("written");
        let takes = Command::new("crontab").arg("-n").arg(file.path()).output().expect("crontab");
        let root = tempfile::tempdir().expect("directory");
        write(
            root.path(),
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n",
        );
        write(root.path(), "var/spool/cron/crontabs/ada", &format!("{line}\n"));
        let services = collect(root.path());
        let found = services.jobs.map(|jobs| jobs.len());
        assert_eq!(takes.status.success(), jobs.is_some(), "{line}: {takes:?}");
        // Fields of letters that name no month are taken by us; the table is then cron's to refuse.
        if line != "a b c d e /opt/x" {
            assert_eq!(found, jobs, "{line}");
        }
    }
}

/// find(1) on real modes and owners.
#[test]
fn a_script_that_others_may_change_is_found_by_its_modes() {
    for (directory, script, expect) in [
        (0o755, 0o755, false),
        (0o755, 0o757, true),
        (0o755, 0o775, false),
        (0o757, 0o755, true),
        (0o1777, 0o755, false),
        (0o1777, 0o757, true),
    ] {
        let root = tempfile::tempdir().expect("directory");
        write(root.path(), "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        write(root.path(), "opt/jobs/x.sh", "");
        write(root.path(), "etc/cron.d/x", "@daily root /usr/bin/link\n");
        std::fs::create_dir_all(root.path().join("usr/bin")).expect("directory");
        symlink("/opt/jobs/x.sh", root.path().join("usr/bin/link")).expect("link");
        let mode = |path: &str, mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(root.path().join(path), permissions).expect("mode");
        };
        mode("opt/jobs", directory);
        mode("opt/jobs/x.sh", script);
        let mut find = Command::new("find");
        find.arg(root.path().join("opt/jobs"));
        let found = !find_others(&mut find).output().expect("find").stdout.is_empty();
        let jobs = collect(root.path()).jobs.expect("read");
        assert_eq!(found, expect, "find: {directory:o} {script:o}");
        assert_eq!(jobs[0].target_writable_by_others, Some(expect), "{directory:o} {script:o}");
    }
}

fn find_others(command: &mut Command) -> &mut Command {
    command.args(["(", "-type", "d", "-perm", "-0002", "!", "-perm", "-1000", ")"]);
    command.args(["-o", "(", "-type", "f", "-perm", "-0002", ")"])
}
