//! What a running agent remembers of files: a change is told whatever was done to hide it, and what
//! did not change is not read again. Over real files, as only a kernel dates them; in the directory
//! of the build, which lies on a disk.

use evidence::kinds::file_integrity::FileIntegrity;
use evidence::kinds::package_updates::PackageUpdates;
use evidence::{Facts, Status};
use evidenced_agent::clock::Moment;
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::host::Host;
use std::fs::{self, File, FileTimes};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;
use tempfile::TempDir;

/// What a program is as its package brought it, with its MD5 sum, and something equally long.
const ONE: (&str, &str) = ("one", "f97c5d29941bfb1b2fdab0874906ab82");
const TWO: &str = "two";
const HOUR_S: i64 = 3600;

/// A host with two programs of packages, seen by an agent that goes on running.
struct Watched {
    root: TempDir,
    host: Host,
    /// How long after all that happens to its files it is looked at, in seconds.
    later_s: Arc<AtomicI64>,
}

impl Watched {
    fn new(write: impl Fn(&Path)) -> Self {
        let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("directory");
        write(root.path());
        let (host, later_s) = seen(root.path());
        Self { root, host, later_s }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// What a collection says, and how many bytes it read.
    fn collect(&self, kind: &str) -> (Collected, u64) {
        let before = self.host.bytes_read();
        let collected = collectors::find(kind).expect("kind").collect(&self.host);
        (collected, self.host.bytes_read() - before)
    }

    fn wait_s(&self, seconds: i64) {
        self.later_s.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// A host that an hour has passed on since its files were written.
fn seen(root: &Path) -> (Host, Arc<AtomicI64>) {
    let later_s = Arc::new(AtomicI64::new(HOUR_S));
    let of_clock = later_s.clone();
    let now = move || {
        let (now, later_s) = (Moment::now(), of_clock.load(Ordering::SeqCst));
        Moment { wall_s: now.wall_s + later_s, up_s: now.up_s.saturating_add_signed(later_s) }
    };
    (Host::rooted(root).expect("root").remembering(Box::new(now)), later_s)
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("parent")).expect("directory");
    fs::write(path, text).expect("written");
}

fn programs(root: &Path) {
    let sums = format!("{sum}  usr/bin/a\n{sum}  usr/bin/b\n", sum = ONE.1);
    put(root, "var/lib/dpkg/info/tool.md5sums", &sums);
    put(root, "var/lib/dpkg/info/tool.list", "/.\n/usr\n/usr/bin\n/usr/bin/a\n/usr/bin/b\n");
    put(root, "var/lib/dpkg/status", "Package: tool\nStatus: install ok installed\n\n");
    put(root, "usr/bin/a", ONE.0);
    put(root, "usr/bin/b", ONE.0);
}

/// Programs that are changed, and those that are gone.
fn found(collected: &Collected) -> (Vec<String>, Vec<String>) {
    let facts = collected.facts.as_ref().expect("facts");
    let facts: FileIntegrity = serde_json::from_value(facts.data.clone()).expect("typed");
    let programs = facts.programs.expect("programs");
    assert_eq!(programs.checked, 2);
    let paths = |all: Vec<evidence::kinds::file_integrity::Changed>| {
        all.into_iter().map(|one| one.path).collect()
    };
    (paths(programs.modified), paths(programs.missing))
}

fn modified(host: &Watched) -> Vec<String> {
    found(&host.collect("file_integrity").0).0
}

#[test]
fn what_did_not_change_is_not_read_again_and_the_answer_is_the_same() {
    let host = Watched::new(programs);
    let (first, read) = host.collect("file_integrity");
    assert!(read > 6, "{read}");
    let (again, read) = host.collect("file_integrity");
    assert_eq!((again, read), (first, 0));
}

#[test]
fn an_edit_in_place_of_the_same_length_is_told_though_its_time_was_set_back() {
    let host = Watched::new(programs);
    assert!(modified(&host).is_empty());
    let path = host.path("/usr/bin/a");
    let before = fs::metadata(&path).expect("file").modified().expect("time");
    let mut file = File::options().write(true).open(&path).expect("file");
    file.rewind().expect("start");
    file.write_all(TWO.as_bytes()).expect("written");
    file.set_times(FileTimes::new().set_modified(before)).expect("time");
    let after = fs::metadata(&path).expect("file");
    assert_eq!((after.modified().expect("time"), after.len()), (before, 3));
    assert_eq!(modified(&host), ["/usr/bin/a"]);
    // It stays told, and is healed by its own contents alone.
    host.wait_s(2 * HOUR_S);
    assert_eq!(modified(&host), ["/usr/bin/a"]);
    fs::write(&path, ONE.0).expect("written");
    assert!(modified(&host).is_empty());
}

#[test]
fn a_file_that_takes_the_place_of_another_is_told_and_so_is_a_link() {
    let host = Watched::new(programs);
    assert!(modified(&host).is_empty());
    let (a, b, other) = (host.path("/usr/bin/a"), host.path("/usr/bin/b"), host.path("/other"));
    let before = fs::metadata(&a).expect("file").modified().expect("time");
    fs::write(&other, TWO).expect("written");
    File::open(&other).expect("file").set_modified(before).expect("time");
    fs::rename(&other, &a).expect("renamed");
    assert_eq!(modified(&host), ["/usr/bin/a"]);
    fs::write(&other, TWO).expect("written");
    fs::remove_file(&b).expect("removed");
    symlink("../../other", &b).expect("link");
    assert_eq!(modified(&host), ["/usr/bin/a", "/usr/bin/b"]);
    fs::remove_file(&b).expect("removed");
    let (collected, _) = host.collect("file_integrity");
    let expected = (vec!["/usr/bin/a".to_owned()], vec!["/usr/bin/b".to_owned()]);
    assert_eq!(found(&collected), expected);
}

#[test]
fn a_file_that_was_changed_lately_is_not_remembered() {
    let host = Watched::new(programs);
    // The collection begins in the minute of the change.
    host.wait_s(-HOUR_S + 30);
    assert!(modified(&host).is_empty());
    assert!(host.collect("file_integrity").1 > 6);
    host.wait_s(60);
    assert!(host.collect("file_integrity").1 > 6);
    assert_eq!(host.collect("file_integrity").1, 0);
    // A clock that was set back behind the change: nobody knows when that was.
    host.wait_s(-2 * HOUR_S);
    fs::write(host.path("/usr/bin/a"), ONE.0).expect("written");
    for _ in 0..2 {
        assert_eq!(host.collect("file_integrity").1, 3);
    }
}

#[test]
fn every_file_is_read_again_within_a_day() {
    let host = Watched::new(programs);
    let all = host.collect("file_integrity").1;
    let mut read = 0;
    for _ in 0..23 {
        host.wait_s(HOUR_S);
        read += host.collect("file_integrity").1;
    }
    assert_eq!(read, all, "each once");
}

#[test]
fn one_root_is_not_answered_by_another_and_one_run_never() {
    let (one, other) = (Watched::new(programs), Watched::new(programs));
    fs::write(other.path("/usr/bin/b"), TWO).expect("written");
    assert!(modified(&one).is_empty());
    assert_eq!(modified(&other), ["/usr/bin/b"]);
    let plain = Host::rooted(one.root.path()).expect("root");
    let collector = collectors::find("file_integrity").expect("kind");
    let first = (collector.collect(&plain), plain.bytes_read());
    assert_eq!((collector.collect(&plain), plain.bytes_read() / 2), first);
}

#[test]
fn what_cannot_be_read_is_asked_for_each_time() {
    let host = Watched::new(programs);
    assert!(modified(&host).is_empty());
    let sums = host.path("/var/lib/dpkg/info/tool.md5sums");
    // root reads whatever its mode is: a directory in its place is as unreadable.
    fs::rename(&sums, host.path("/kept")).expect("renamed");
    fs::create_dir(&sums).expect("directory");
    host.wait_s(HOUR_S);
    for _ in 0..2 {
        let (collected, _) = host.collect("file_integrity");
        assert_eq!(collected.status, Status::Partial);
        assert!(collected.unread.contains(&"programs".to_owned()), "{:?}", collected.unread);
    }
    fs::remove_dir(&sums).expect("removed");
    fs::rename(host.path("/kept"), &sums).expect("renamed");
    assert!(modified(&host).is_empty());
}

const RELEASE: &str = "Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\n\
    Codename: bookworm-security\nDate: Wed, 25 Nov 2026 20:00:00 UTC\nSHA256:\n";
const LISTS: &str = "var/lib/apt/lists/mirror.example_debian_dists_bookworm-security_";

fn package(version: &str) -> String {
    format!("Package: openssl\nVersion: {version}\nArchitecture: amd64\n\n")
}

fn list(root: &Path, version: &str) {
    let list = package(version);
    let zeros = "0".repeat(64);
    let release = format!("{RELEASE} {zeros} {} main/binary-amd64/Packages\n", list.len());
    put(root, &format!("{LISTS}Release"), &release);
    put(root, &format!("{LISTS}main_binary-amd64_Packages"), &list);
}

fn apt(root: &Path) {
    let installed = |name: &str, version: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\
             Maintainer: Nobody <nobody@example.org>\nDescription: made up\n\n"
        )
    };
    let status: String =
        [("apt", "2.6.1"), ("base-files", "12"), ("dpkg", "1.21"), ("openssl", "3.0.14-1")]
            .map(|(name, version)| installed(name, version))
            .concat();
    put(root, "var/lib/dpkg/status", &status);
    for name in ["apt", "base-files", "dpkg", "openssl"] {
        put(root, &format!("var/lib/dpkg/info/{name}.list"), "/.\n");
    }
    put(root, "etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n");
    put(root, "etc/apt/sources.list", "deb http://mirror.example/debian bookworm-security main\n");
    list(root, "3.0.15-1");
}

fn pending(facts: Option<&Facts>) -> Option<Vec<String>> {
    let data = facts.expect("facts").data.clone();
    let updates: PackageUpdates = serde_json::from_value(data).expect("typed");
    let line = |update: evidence::kinds::package_updates::Update| {
        format!("{} {} {:?}", update.name, update.candidate, update.kept_back)
    };
    updates.pending.map(|all| all.into_iter().map(line).collect())
}

/// Each change of one of the files that an answer rests on, and what is then said.
#[test]
fn lists_that_did_not_change_are_not_read_and_any_change_has_all_of_it_read_anew() {
    let host = Watched::new(apt);
    let due = || pending(host.collect("package_updates").0.facts.as_ref());
    let lines = |lines: &[&str]| Some(lines.iter().map(|line| (*line).to_owned()).collect());
    let same = || {
        let (again, read) = host.collect("package_updates");
        assert_eq!((read, again.status), (0, Status::Partial), "no process was looked into");
        again
    };
    assert_eq!(due(), lines(&["openssl 3.0.15-1 No"]));
    let of_lists = |source: &evidence::Source| source.path.contains("/apt/lists/");
    let sources: Vec<_> = same().sources.into_iter().filter(of_lists).collect();
    assert!(sources.len() >= 3, "{sources:?}");
    assert!(sources.iter().all(|source| source.status == Status::Ok), "{sources:?}");
    list(host.root.path(), "3.0.16-1");
    assert_eq!(due(), lines(&["openssl 3.0.16-1 No"]));
    same();
    // What was not there, and a directory that was not.
    put(
        host.root.path(),
        "etc/apt/preferences",
        "Package: openssl\nPin: version 3.0.14*\nPin-Priority: 1001\n",
    );
    assert_eq!(due(), lines(&["openssl 3.0.16-1 Pin"]));
    same();
    fs::remove_file(host.path("/etc/apt/preferences")).expect("removed");
    put(host.root.path(), "etc/apt/apt.conf.d/10x", "APT::Architectures { \"amd64\"; };\n");
    assert_eq!(due(), lines(&["openssl 3.0.16-1 No"]));
    same();
    // A list that is gone reads as none, never as nothing that waits.
    fs::remove_file(host.path(&format!("{LISTS}main_binary-amd64_Packages"))).expect("removed");
    assert_eq!(due(), None);
}

#[test]
fn an_answer_ends_within_a_day() {
    let host = Watched::new(apt);
    assert!(host.collect("package_updates").1 > 0);
    let mut read_at = vec![];
    for hour in 1..=23 {
        host.wait_s(HOUR_S);
        if host.collect("package_updates").1 > 0 {
            read_at.push(hour);
        }
    }
    assert!(matches!(read_at.as_slice(), [12..=23]), "{read_at:?}");
}

#[test]
fn a_mode_that_is_taken_away_is_a_change() {
    let host = Watched::new(apt);
    assert!(host.collect("package_updates").1 > 0);
    assert_eq!(host.collect("package_updates").1, 0);
    let path = host.path("/etc/apt/sources.list");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
    let now = SystemTime::now();
    File::open(&path).expect("file").set_modified(now).expect("time");
    assert!(host.collect("package_updates").1 > 0);
}
