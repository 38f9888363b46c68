//! The kind `backup` against the programs that write what it reads: the supplied marker writer, by
//! itself and as the supplied drop-in has it called, and repositories that restic(1) and borg(1)
//! make. Needs the packages restic, borgbackup and systemd.

use evidence::Status;
use evidence::kinds::Backup;
use evidence::kinds::backup::{Destination, Encryption, Job, Repository, ToolName};
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::host::Host;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const DAY_S: i64 = 86_400;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// A root with the state directory of an agent that runs as somebody else, if we may make one.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    let state = state(root.path());
    fs::create_dir_all(&state).expect("state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).expect("mode");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&state, Some(65_534), Some(65_534)).expect("owner");
        // The writer works as that owner, who has to get there.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    }
    root
}

fn state(root: &Path) -> PathBuf {
    root.join("var/lib/evidenced-agent")
}

fn marker(root: &Path, name: &str) -> PathBuf {
    state(root).join("markers/backup.d").join(name).with_extension("json")
}

fn collect(root: &Path) -> Collected {
    let host = Host::rooted(root).expect("root");
    collectors::find("backup").expect("registered").collect(&host)
}

fn facts(root: &Path) -> Backup {
    let collected = collect(root);
    assert!(
        collected.sources.iter().all(|s| matches!(s.status, Status::Ok | Status::Absent)),
        "{:?}",
        collected.sources
    );
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

fn jobs(root: &Path) -> Vec<Job> {
    facts(root).jobs.expect("jobs")
}

fn writer(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(deploy().join("backup-marker"));
    command.args(words.iter().take(1)).arg("--state").arg(state(root)).args(words.iter().skip(1));
    command.current_dir("/");
    command
}

fn write(root: &Path, words: &[&str]) -> Output {
    writer(root, words).output().expect("the writer")
}

fn today() -> i64 {
    let output = Command::new("date").arg("+%s").output().expect("date");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.trim().parse::<i64>().expect("seconds").div_euclid(DAY_S)
}

fn is_about_today(day: Option<i64>, before: i64) -> bool {
    day.is_some_and(|day| (before..=today()).contains(&day))
}

#[test]
fn a_job_that_ends_well_leaves_a_marker_that_is_believed() {
    let root = machine();
    let before = today();
    let words = ["files", "--tool", "restic", "--destination", "remote", "--encryption", "tool"];
    let output = write(root.path(), &[&words[..], &["--", "sh", "-c", "echo copied"]].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"copied\n", "the job's own output, and nothing more");
    let found = jobs(root.path());
    let [job] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(job.name, "files");
    assert!(job.last_run_succeeded && job.has_succeeded);
    assert!(is_about_today(job.last_success_day, before), "{job:?}");
    assert_eq!(job.tool.as_deref(), Some("restic"));
    assert_eq!(
        (job.destination, job.encryption),
        (Some(Destination::Remote), Some(Encryption::Tool))
    );
    let meta = marker(root.path(), "files").symlink_metadata().expect("marker");
    assert_eq!(meta.uid(), state(root.path()).metadata().expect("state").uid());
    assert_eq!(meta.mode() & 0o7777, 0o644);
    let names = fs::read_dir(state(root.path()).join("markers/backup.d")).expect("directory");
    assert_eq!(names.count(), 1, "nothing is left beside it");
}

#[test]
fn a_job_that_fails_says_so_ends_as_its_command_and_keeps_the_day_of_the_last_success() {
    let root = machine();
    let path = marker(root.path(), "files");
    assert!(write(root.path(), &["files", "--", "true"]).status.success());
    // As if it had been five days ago.
    let text = fs::read_to_string(&path).expect("marker");
    let at: i64 = text
        .split("\"finished_s\":")
        .nth(1)
        .and_then(|t| t.split(',').next()?.parse().ok())
        .expect("a time");
    fs::write(&path, text.replace(&at.to_string(), &(at - 5 * DAY_S).to_string()))
        .expect("written");
    for code in [7, 9] {
        let output = write(root.path(), &["files", "--", "sh", "-c", &format!("exit {code}")]);
        assert_eq!(output.status.code(), Some(code), "the second failure keeps it as well");
        let found = jobs(root.path());
        let [job] = found.as_slice() else { panic!("{found:?}") };
        assert!(!job.last_run_succeeded && job.has_succeeded);
        assert_eq!(job.last_success_day, Some((at - 5 * DAY_S).div_euclid(DAY_S)));
    }
    // Without a success before it there is none.
    assert_eq!(write(root.path(), &["db", "--", "false"]).status.code(), Some(1));
    let found = jobs(root.path());
    let job = found.iter().find(|job| job.name == "db").expect("db");
    assert!(!job.last_run_succeeded && !job.has_succeeded && job.last_success_day.is_none());
}

#[test]
fn a_command_that_is_not_there_is_no_success() {
    let root = machine();
    let output = write(root.path(), &["files", "--", "/nonexistent/restic"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(!jobs(root.path())[0].last_run_succeeded);
}

#[test]
fn a_name_or_a_word_that_could_be_more_than_a_word_is_refused() {
    let root = machine();
    for words in [
        &["../x", "--", "true"][..],
        &[".x", "--", "true"],
        &["a b", "--", "true"],
        &["a", "--tool", "r\",\"exit_code\":0", "--", "true"],
        &["a", "--destination", "cloud", "--", "true"],
        &["a", "--encryption"],
        &["a", "--colour", "red", "--", "true"],
        &["a", "--"],
    ] {
        assert_eq!(write(root.path(), words).status.code(), Some(2), "{words:?}");
        assert!(!state(root.path()).join("markers").exists(), "{words:?}");
    }
}

#[test]
fn a_backup_does_not_fail_because_its_marker_cannot_be_written() {
    let root = tempfile::tempdir().expect("directory");
    let output = write(root.path(), &["files", "--", "true"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not be written"));
}

/// The owner of the state directory may be taken over: what he makes of it must not lead root's
/// writes elsewhere.
#[test]
fn root_writes_nothing_through_a_link_of_the_agents_user() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root has more rights than the owner.
    }
    let root = machine();
    let elsewhere = root.path().join("etc/cron.d");
    fs::create_dir_all(&elsewhere).expect("directory");
    let markers = state(root.path()).join("markers");
    fs::create_dir(&markers).expect("markers");
    std::os::unix::fs::symlink(&elsewhere, markers.join("backup.d")).expect("link");
    let output = write(root.path(), &["files", "--", "true"]);
    assert!(output.status.success());
    assert_eq!(fs::read_dir(&elsewhere).expect("directory").count(), 0);
    assert_eq!(collect(root.path()).facts.expect("facts").data.get("jobs"), None);
}

/// systemd.exec(5) says what `ExecStopPost=` is given.
fn after_unit(root: &Path, result: &str, code: &str, status: &str) -> (Option<i32>, Job) {
    let conf = fs::read_to_string(deploy().join("systemd/backup-marker.conf")).expect("drop-in");
    let line =
        conf.lines().find_map(|line| line.strip_prefix("ExecStopPost=+")).expect("a command");
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("/usr/lib/evidenced-agent/backup-marker"));
    let words: Vec<_> = words.map(|word| if word == "%N" { "files" } else { word }).collect();
    let mut command = writer(root, &words);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("SERVICE_RESULT", result);
    for (name, value) in [("EXIT_CODE", code), ("EXIT_STATUS", status)] {
        if !value.is_empty() {
            command.env(name, value);
        }
    }
    let output = command.output().expect("the writer");
    (output.status.code(), jobs(root).pop().expect("a job"))
}

#[test]
fn the_drop_in_takes_only_a_clean_exit_for_a_success() {
    let root = machine();
    for (result, code, status) in [
        ("exit-code", "exited", "1"),
        ("signal", "killed", "TERM"),
        ("oom-kill", "killed", "KILL"),
        ("timeout", "killed", "TERM"),
        ("timeout", "exited", "0"),
        ("success", "killed", "TERM"),
        ("success", "exited", "1"),
        ("success", "", ""),
        ("start-limit-hit", "", ""),
    ] {
        let (ended, job) = after_unit(root.path(), result, code, status);
        assert_eq!(ended, Some(0), "the unit is not to fail by it");
        assert!(!job.last_run_succeeded && !job.has_succeeded, "{result} {code} {status}");
    }
    let (_, job) = after_unit(root.path(), "success", "exited", "0");
    assert!(job.last_run_succeeded && job.destination == Some(Destination::Remote));
}

#[test]
fn systemd_understands_the_drop_in() {
    let directory = tempfile::tempdir().expect("directory");
    let unit = directory.path().join("files.service");
    fs::write(&unit, "[Service]\nType=oneshot\nExecStart=/bin/true\n").expect("written");
    let drop_ins = directory.path().join("files.service.d");
    fs::create_dir(&drop_ins).expect("directory");
    let conf = fs::read_to_string(deploy().join("systemd/backup-marker.conf")).expect("drop-in");
    // Where the program is on this machine, which need not have it installed.
    let program = deploy().join("backup-marker");
    let conf = conf.replace("/usr/lib/evidenced-agent/backup-marker", &program.to_string_lossy());
    let verify = |conf: &str| {
        fs::write(drop_ins.join("evidenced.conf"), conf).expect("written");
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(&unit)
            .output()
            .expect("systemd-analyze");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours: Vec<_> = said.lines().filter(|line| line.contains("files.service")).collect();
        ours.join("\n")
    };
    assert_eq!(verify(&conf), "");
    assert_ne!(verify(&conf.replace("ExecStopPost", "ExecStopsPost")), "");
}

#[test]
fn a_reader_never_meets_half_a_marker() {
    let root = machine();
    assert!(write(root.path(), &["files", "--", "true"]).status.success());
    std::thread::scope(|scope| {
        let writers = scope.spawn(|| {
            for _ in 0..25 {
                assert!(write(root.path(), &["files", "--", "true"]).status.success());
            }
        });
        while !writers.is_finished() {
            assert_eq!(jobs(root.path()).len(), 1);
        }
    });
}

fn program(home: &Path, name: &str, arguments: &[&str]) -> Output {
    let output = Command::new(name)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("RESTIC_PASSWORD", "invented")
        .env("BORG_PASSPHRASE", "invented")
        .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes")
        .output()
        .unwrap_or_else(|error| panic!("{name} (install restic and borgbackup): {error}"));
    assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
    output
}

fn repositories(root: &Path) -> Vec<Repository> {
    facts(root).repositories.expect("repositories")
}

#[test]
fn encryption_and_the_day_of_the_manifest_are_those_of_real_repositories_of_borg() {
    let root = tempfile::tempdir().expect("directory");
    let home = root.path().join("root");
    fs::create_dir(&home).expect("home");
    let before = today();
    let modes = [
        ("none", Encryption::None),
        ("authenticated", Encryption::None),
        ("authenticated-blake2", Encryption::None),
        ("repokey", Encryption::Tool),
        ("repokey-blake2", Encryption::Tool),
        ("keyfile", Encryption::Tool),
        ("keyfile-blake2", Encryption::Tool),
    ];
    let mut expected = Vec::new();
    for (mode, encryption) in modes {
        let path = root.path().join(mode);
        let path = path.to_str().expect("UTF-8");
        program(&home, "borg", &["init", "--encryption", mode, path]);
        let info = program(&home, "borg", &["info", "--json", path]);
        let info: serde_json::Value = serde_json::from_slice(&info.stdout).expect("JSON");
        assert_eq!(info["encryption"]["mode"], mode);
        let id = info["repository"]["id"].as_str().expect("an id")[..8].to_owned();
        expected.push((id, encryption));
    }
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    let found = repositories(root.path());
    for one in &found {
        assert_eq!(one.tool, ToolName::Borg);
        assert!(is_about_today(one.last_change_day, before), "{one:?}");
    }
    let found: Vec<_> = found.into_iter().map(|r| (r.id, r.encryption.expect("known"))).collect();
    assert_eq!(found, expected);
}

/// Why what borg remembers is no success: a deletion of the only archive moves it as well.
#[test]
fn deleting_a_backup_looks_to_borg_like_making_one() {
    let root = tempfile::tempdir().expect("directory");
    let home = root.path().join("root");
    fs::create_dir(&home).expect("home");
    let repository = root.path().join("r");
    let repository = repository.to_str().expect("UTF-8");
    program(&home, "borg", &["init", "--encryption", "none", repository]);
    program(&home, "borg", &["create", &format!("{repository}::one"), "/etc/hostname"]);
    let id = fs::read_dir(home.join(".config/borg/security")).expect("directory").next();
    let path = id.expect("one").expect("entry").path().join("manifest-timestamp");
    let created = fs::read_to_string(&path).expect("a time");
    program(&home, "borg", &["delete", &format!("{repository}::one")]);
    assert!(fs::read_to_string(&path).expect("a time") > created);
    assert_eq!(jobs(root.path()), []);
}

#[test]
fn a_cache_of_restic_shows_the_newest_snapshot_and_a_mere_listing_makes_the_same() {
    let root = tempfile::tempdir().expect("directory");
    let home = root.path().join("root");
    fs::create_dir(&home).expect("home");
    let repository = root.path().join("r");
    let repository = repository.to_str().expect("UTF-8");
    let before = today();
    let restic = |home: &Path, words: &[&str]| {
        program(home, "restic", &[&["--quiet", "--repo", repository], words].concat())
    };
    restic(&home, &["init"]);
    restic(&home, &["snapshots"]);
    let id = |home: &Path| {
        let config = restic(home, &["cat", "config"]);
        let config: serde_json::Value = serde_json::from_slice(&config.stdout).expect("JSON");
        config["id"].as_str().expect("an id")[..8].to_owned()
    };
    let repository_of = |root: &Path| {
        let mut found = repositories(root);
        let one = found.pop().expect("a repository");
        assert!(found.is_empty());
        (one.tool, one.id, one.last_change_day)
    };
    let expected = id(&home);
    assert_eq!(repository_of(root.path()), (ToolName::Restic, expected.clone(), None));
    restic(&home, &["backup", "/etc/hostname"]);
    let (_, _, day) = repository_of(root.path());
    assert!(is_about_today(day, before), "{day:?}");
    // Another host, which has never backed up.
    let other = tempfile::tempdir().expect("directory");
    let home = other.path().join("root");
    fs::create_dir(&home).expect("home");
    restic(&home, &["snapshots"]);
    let (_, id, day) = repository_of(other.path());
    assert!(id == expected && is_about_today(day, before));
    assert_eq!(jobs(other.path()), []);
}
