//! The kind `package_updates` against dnf itself: roots of RPM packages, repositories that
//! createrepo_c made, and what dnf says of them from its cache. Needs root, and the packages dnf,
//! createrepo-c and rpm.

use evidence::kinds::PackageUpdates;
use evidence::kinds::package_updates::{KeptBack, Severity, Update};
use evidence::{Source, Status};
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::host::Host;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

const OWN: &str = "Example Linux";
const OTHER: &str = "Somebody Else";

/// Name, epoch, version, release, vendor, and whether it is for all architectures.
type Stub = (&'static str, &'static str, &'static str, &'static str, &'static str, bool);

const INSTALLED: [Stub; 9] = [
    ("dnf", "", "4.14.0", "9.el9", OWN, true),
    ("glibc", "", "2.34", "100.el9", OWN, false),
    ("bash", "", "5.1.8", "9.el9", OWN, false),
    ("openssl", "1", "3.0.7", "24.el9", OWN, false),
    ("kernel-core", "", "5.14.0", "503.11.1.el9_5", OWN, false),
    ("kernel-core", "", "5.14.0", "503.40.1.el9_5", OWN, false),
    ("turns", "", "1.0", "1", OWN, true),
    ("candidate", "", "1.0~rc1", "1", OWN, true),
    ("tool", "", "1", "1", OTHER, true),
];
/// In a repository with advisories.
const BASE: [Stub; 10] = [
    ("glibc", "", "2.34", "101.el9", OWN, false),
    ("bash", "", "5.1.8", "9.el9", OWN, false),
    ("openssl", "1", "3.0.7", "27.el9", OWN, false),
    ("openssl", "1", "3.0.7", "28.el9", OWN, false),
    ("kernel-core", "", "5.14.0", "503.11.1.el9_5", OWN, false),
    ("kernel-core", "", "5.14.0", "570.1.1.el9_6", OWN, false),
    // Older, though its version looks larger.
    ("dnf", "", "4.9.0", "99.el9", OWN, true),
    ("turns", "", "1.1", "1", OWN, false),
    ("candidate", "", "1.0", "1", OWN, true),
    ("unrelated", "", "7", "1", OWN, true),
];
/// In one without.
const OTHERS: [Stub; 2] =
    [("tool", "", "2", "1", OTHER, true), ("bash", "", "9.9", "1", OTHER, false)];

/// Advisories: id, type, severity, day of issue, and a package.
const ADVISORIES: [(&str, &str, &str, &str, Stub); 5] = [
    ("EX-2026:1", "security", "Important", "2026-11-20 10:00:00", BASE[2]),
    ("EX-2026:2", "security", "Low", "2026-11-22", BASE[3]),
    ("EX-2026:3", "bugfix", "None", "2026-11-21 10:00:00", BASE[0]),
    ("EX-2026:4", "security", "Moderate", "2026-11-18 10:00:00", BASE[5]),
    // Installed already.
    ("EX-2026:5", "security", "Critical", "2026-11-01 10:00:00", INSTALLED[2]),
];

fn run(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    // dnf says with 100 that something waits.
    let is_good = output.status.success() || output.status.code() == Some(100);
    assert!(is_good, "{command:?}: {error}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The packages, built once.
fn stub(stub: Stub) -> PathBuf {
    static BUILT: OnceLock<tempfile::TempDir> = OnceLock::new();
    let top = BUILT.get_or_init(|| {
        let top = tempfile::tempdir().expect("directory");
        let all: BTreeSet<Stub> = INSTALLED.into_iter().chain(BASE).chain(OTHERS).collect();
        for stub in all {
            build(top.path(), stub);
        }
        top
    });
    top.path().join("RPMS").join(file_name(stub))
}

fn file_name((name, _, version, release, ..): Stub) -> String {
    format!("{name}-{version}-{release}.rpm")
}

fn build(top: &Path, stub: Stub) {
    let (name, epoch, version, release, vendor, is_for_all) = stub;
    let epoch = if epoch.is_empty() { String::new() } else { format!("Epoch: {epoch}\n") };
    let arch = if is_for_all { "BuildArch: noarch\n" } else { "" };
    let several = if name == "kernel-core" { "Provides: installonlypkg(kernel)\n" } else { "" };
    let spec = format!(
        "Name: {name}\n{epoch}Version: {version}\nRelease: {release}\nSummary: x\nLicense: none\n\
         Vendor: {vendor}\n{arch}{several}%description\nx <&> \"y\"\n%files\n"
    );
    let path = top.join("stub.spec");
    fs::write(&path, spec).expect("spec");
    let mut command = Command::new("rpmbuild");
    command.args(["-bb", "--quiet", "--define"]).arg(format!("_topdir {}", top.display()));
    command.args(["--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.rpm"]);
    run(command.env("HOME", top).arg(path));
}

/// What rpm calls the architecture of this machine.
fn native() -> String {
    run(Command::new("rpm").args(["--eval", "%_arch"])).trim().to_owned()
}

struct Root {
    directory: tempfile::TempDir,
}

impl Root {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let root = Self { directory };
        for path in ["etc/dnf", "etc/yum.repos.d", "var/lib/rpm", "root"] {
            fs::create_dir_all(root.path(path)).expect("directory");
        }
        // Where the rpm of Debian has its database.
        std::os::unix::fs::symlink("../var/lib/rpm", root.path("root/.rpmdb")).expect("link");
        let mut rpm = Command::new("rpm");
        rpm.arg("--root").arg(root.directory.path()).args(["--dbpath", "/var/lib/rpm"]);
        rpm.args(["-i", "--nodeps", "--force", "--ignorearch"]);
        run(rpm.args(INSTALLED.map(stub)));
        root.write("etc/dnf/dnf.conf", "[main]\ngpgcheck=1\n");
        root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        fs::write(path, text).expect("written");
    }

    /// Makes a repository and configures it.
    fn repository(&self, id: &str, stubs: &[Stub], advisories: bool, settings: &str) {
        let place = self.path("srv").join(id);
        fs::create_dir_all(&place).expect("directory");
        for one in stubs {
            fs::copy(stub(*one), place.join(file_name(*one))).expect("copied");
        }
        run(Command::new("createrepo_c").args(["-q", "--general-compress-type=xz"]).arg(&place));
        if advisories {
            let path = self.path("srv/updateinfo.xml");
            fs::write(&path, updateinfo()).expect("written");
            let mut modify = Command::new("modifyrepo_c");
            run(modify.arg("--mdtype=updateinfo").arg(&path).arg(place.join("repodata")));
        }
        let text = format!("[{id}]\nname={id}\nbaseurl=file://{}\n{settings}\n", place.display());
        self.write(&format!("etc/yum.repos.d/{id}.repo"), &text);
    }

    fn dnf(&self, arguments: &[&str]) -> String {
        let mut dnf = Command::new("dnf");
        dnf.arg("--installroot").arg(self.directory.path());
        run(dnf.args(["--releasever", "9", "-q", "--disableplugin=*"]).args(arguments))
    }

    fn refresh(&self) {
        self.dnf(&["--refresh", "makecache"]);
    }

    /// Name and version of what dnf would install.
    fn due(&self) -> BTreeMap<String, String> {
        let text = self.dnf(&["-C", "check-update"]);
        let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let lines = words.filter(|words| words.len() == 3);
        let name = |word: &str| word.rsplit_once('.').expect("architecture").0.to_owned();
        lines.map(|words| (name(words[0]), words[1].to_owned())).collect()
    }

    /// Security advisories that dnf says are not applied.
    fn advised(&self) -> BTreeSet<String> {
        let text = self.dnf(&["-C", "updateinfo", "list", "--available", "--security"]);
        text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    }

    fn collect(&self) -> Collected {
        let host = Host::rooted(self.directory.path()).expect("root");
        collectors::find("package_updates").expect("registered").collect(&host)
    }

    fn updates(&self) -> PackageUpdates {
        let collected = self.collect();
        let facts = collected.facts.unwrap_or_else(|| panic!("{:?}", collected.sources));
        serde_json::from_value(facts.data).expect("typed")
    }

    fn pending(&self) -> Vec<Update> {
        let collected = self.collect();
        let unread = collected.unread.contains(&"pending".to_owned());
        assert!(!unread, "{:?}", collected.sources);
        self.updates().pending.expect("pending")
    }

    /// A file of the metadata of a repository in the cache of dnf.
    fn cached(&self, id: &str, part: &str) -> PathBuf {
        let caches = fs::read_dir(self.path("var/cache/dnf")).expect("cache").flatten();
        let prefix = format!("{id}-");
        let is_own = |path: &PathBuf| {
            path.is_dir()
                && path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix))
        };
        let place = caches.map(|entry| entry.path()).find(is_own).expect("repository");
        let files = fs::read_dir(place.join("repodata")).expect("metadata").flatten();
        let is_part = |path: &PathBuf| path.to_string_lossy().contains(part);
        files.map(|entry| entry.path()).find(is_part).expect("part")
    }

    /// Agrees with dnf on everything that dnf would install, and on the advisories.
    fn agree(&self) -> Vec<Update> {
        let pending = self.pending();
        let free = |update: &&Update| !matches!(update.kept_back, KeptBack::Pin);
        let ours: BTreeMap<_, _> = pending
            .iter()
            .filter(free)
            .map(|update| (update.name.clone(), update.candidate.clone()))
            .collect();
        assert_eq!(ours, self.due());
        let advised = pending.iter().filter(free).flat_map(|update| update.advisories.clone());
        assert_eq!(advised.flatten().collect::<BTreeSet<_>>(), self.advised());
        pending
    }
}

fn updateinfo() -> String {
    let native = native();
    let update = |(id, kind, severity, issued, stub): (&str, &str, &str, &str, Stub)| {
        let (name, epoch, version, release, _, is_for_all) = stub;
        let arch = if is_for_all { "noarch" } else { &native };
        let epoch = if epoch.is_empty() { "0" } else { epoch };
        format!(
            "<update from=\"x\" status=\"final\" type=\"{kind}\" version=\"1\"><id>{id}</id>\
             <title>t</title><issued date=\"{issued}\"/><severity>{severity}</severity>\
             <description>&lt;d&gt;</description><references/><pkglist><collection short=\"x\">\
             <name>x</name><package name=\"{name}\" version=\"{version}\" release=\"{release}\" \
             epoch=\"{epoch}\" arch=\"{arch}\" src=\"s\"><filename>f.rpm</filename></package>\
             </collection></pkglist></update>\n"
        )
    };
    format!("<?xml version=\"1.0\"?>\n<updates>\n{}</updates>\n", ADVISORIES.map(update).concat())
}

fn base_alone() -> Root {
    let root = Root::new();
    root.repository("base", &BASE, true, "enabled=1\ngpgcheck=1");
    root.refresh();
    root
}

fn of<'u>(pending: &'u [Update], name: &str) -> &'u Update {
    pending
        .iter()
        .find(|update| update.name == name)
        .unwrap_or_else(|| panic!("{name}: {pending:?}"))
}

#[test]
fn what_waits_is_what_dnf_would_install_with_the_advisories_that_dnf_names() {
    let root = base_alone();
    let pending = root.agree();
    let openssl = of(&pending, "openssl");
    assert_eq!(
        (openssl.installed.as_str(), openssl.candidate.as_str()),
        ("1:3.0.7-24.el9", "1:3.0.7-28.el9")
    );
    // The gravest advisory, and the day of the first.
    assert_eq!((openssl.security, openssl.severity), (true, Severity::Important));
    assert_eq!(openssl.advised_day, Some(20_777));
    // The newest kernel counts, whatever else is installed.
    let kernel = of(&pending, "kernel-core");
    assert_eq!(kernel.installed, "5.14.0-503.40.1.el9_5");
    assert_eq!((kernel.security, kernel.severity), (true, Severity::Moderate));
    let glibc = of(&pending, "glibc");
    assert_eq!((glibc.security, glibc.severity), (false, Severity::Unknown));
    let facts = root.updates();
    assert_eq!(facts.security_repository, Some(true));
    let repositories = facts.repositories.expect("repositories");
    assert_eq!(
        (repositories[0].security, repositories[0].signature_required),
        (Some(true), Some(true))
    );
}

#[test]
fn a_repository_of_others_comes_without_advisories_and_one_of_the_distribution_must_not() {
    let root = base_alone();
    root.repository("others", &OTHERS[..1], false, "gpgcheck=0");
    root.refresh();
    let pending = root.agree();
    assert!(!of(&pending, "tool").security);
    let repositories = root.updates().repositories.expect("repositories");
    let others = repositories.iter().find(|one| one.suite == "others").expect("others");
    assert_eq!((others.security, others.signature_required), (Some(false), Some(false)));
    // The same packages as in the repository with advisories, and one that is newer than them.
    let newer = ("bash", "", "5.2", "1.el9", OWN, false);
    build(stub(BASE[0]).parent().and_then(Path::parent).expect("top"), newer);
    root.repository("unrated", &[newer], false, "");
    root.refresh();
    assert_eq!(root.due().get("bash").map(String::as_str), Some("5.2-1.el9"));
    assert_eq!(root.updates().pending, None);
}

#[test]
fn a_distribution_without_advisories_says_nothing_of_security() {
    let root = Root::new();
    root.repository("stream", &BASE, false, "");
    root.refresh();
    let facts = root.updates();
    assert_eq!((facts.security_repository, facts.pending), (None, None));
    // Nothing newer is there: nothing has to be rated.
    let root = Root::new();
    root.repository("stream", &BASE[1..2], false, "");
    root.refresh();
    let facts = root.updates();
    assert_eq!((facts.security_repository, facts.pending), (None, Some(vec![])));
}

#[test]
fn what_is_excluded_is_not_due_and_a_fix_of_it_is_said_to_be_kept_away() {
    let root = base_alone();
    root.write("etc/dnf/dnf.conf", "[main]\ngpgcheck=1\nexcludepkgs=openssl-1:3.0.7-28*, gl*\n");
    let pending = root.agree_but_for_excluded();
    let openssl = of(&pending, "openssl");
    assert_eq!((openssl.candidate.as_str(), openssl.kept_back), ("1:3.0.7-28.el9", KeptBack::Pin));
    assert!(!pending.iter().any(|update| update.name == "glibc"));
    root.write("etc/dnf/dnf.conf", "[main]\nexclude=openssl\n");
    let pending = root.agree_but_for_excluded();
    assert_eq!(of(&pending, "openssl").kept_back, KeptBack::Pin);
    assert_eq!(of(&pending, "glibc").kept_back, KeptBack::No);
}

impl Root {
    /// dnf knows nothing of what is excluded, but for packages a part of whose versions are.
    fn agree_but_for_excluded(&self) -> Vec<Update> {
        let (pending, due) = (self.pending(), self.due());
        for update in &pending {
            match update.kept_back {
                KeptBack::No => assert_eq!(due.get(&update.name), Some(&update.candidate)),
                _ => assert_ne!(due.get(&update.name), Some(&update.candidate)),
            }
        }
        let known: BTreeSet<_> = pending.iter().map(|update| &update.name).collect();
        assert!(due.keys().all(|name| known.contains(name)), "{due:?}");
        pending
    }
}

#[test]
fn a_repository_of_less_priority_gives_nothing_that_another_has() {
    let root = base_alone();
    root.repository("others", &OTHERS, false, "priority=98");
    root.refresh();
    let pending = root.agree();
    assert_eq!(of(&pending, "bash").candidate, "9.9-1");
    root.repository("others", &OTHERS, false, "priority=100");
    root.refresh();
    let pending = root.agree();
    assert!(!pending.iter().any(|update| update.name == "bash"), "{pending:?}");
    assert_eq!(of(&pending, "tool").candidate, "2-1");
}

#[test]
fn a_locked_version_is_on_hold_and_its_fix_is_told() {
    let root = base_alone();
    root.write("etc/dnf/plugins/versionlock.list", "# by hand\nopenssl-1:3.0.7-24.el9.*\n");
    let pending = root.pending();
    assert_eq!(of(&pending, "openssl").kept_back, KeptBack::Hold);
    assert!(of(&pending, "openssl").security);
    assert_eq!(of(&pending, "kernel-core").kept_back, KeptBack::No);
}

#[test]
fn the_day_is_that_of_the_last_refresh_of_the_repository_that_was_asked_longest_ago() {
    let root = base_alone();
    root.repository("others", &OTHERS[..1], false, "");
    root.refresh();
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("time").as_secs();
    let today = i64::try_from(today / 86_400).expect("day");
    assert_eq!(root.updates().metadata_day, Some(today));
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(20_000 * 86_400);
    let set = |id: &str| {
        let file = File::options().write(true).open(root.cached(id, "-primary.xml")).expect("file");
        file.set_times(FileTimes::new().set_modified(long_ago)).expect("time");
    };
    set("base");
    assert_eq!(root.updates().metadata_day, Some(20_000));
    // Nothing is new there, and dnf notes that it asked.
    root.refresh();
    assert_eq!(root.updates().metadata_day, Some(today));
}

/// What is done to the cache, and of which source it is then said.
#[test]
fn metadata_that_is_missing_cut_or_damaged_never_reads_as_nothing_that_waits() {
    type Harm = fn(&Path);
    let remove: Harm = |path| fs::remove_file(path).expect("removed");
    let cut: Harm = |path| {
        let bytes = fs::read(path).expect("file");
        fs::write(path, &bytes[..bytes.len() / 2]).expect("written");
    };
    let damage: Harm = |path| {
        let mut bytes = fs::read(path).expect("file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        fs::write(path, bytes).expect("written");
    };
    let replace: Harm =
        |path| fs::write(path, "<metadata packages=\"0\"></metadata>").expect("written");
    let root = base_alone();
    let good: Vec<_> = ["-primary.xml", "-updateinfo.xml", "repomd.xml"]
        .into_iter()
        .map(|part| root.cached("base", part))
        .map(|path| (fs::read(&path).expect("file"), path))
        .collect();
    for (bytes, path) in &good {
        // What an index says of files that are not read may be damaged and do no harm.
        let is_index = path.ends_with("repomd.xml");
        for harm in [remove, cut, replace, if is_index { cut } else { damage }] {
            harm(path);
            let facts = root.updates();
            let is_bad = |source: &Source| {
                !matches!(source.status, Status::Ok | Status::Absent)
                    || source.path.contains("/var/cache/dnf/") && source.status == Status::Absent
            };
            let sources = root.collect().sources;
            assert_eq!(facts.pending, None, "{}", path.display());
            assert!(sources.iter().any(is_bad), "{}: {sources:?}", path.display());
            fs::write(path, bytes).expect("written");
        }
    }
    root.agree();
    // A repository that was never asked.
    root.repository("others", &OTHERS[..1], false, "");
    let facts = root.updates();
    assert_eq!((facts.pending, facts.metadata_day), (None, None));
    // One that is switched off need not be.
    root.repository("others", &OTHERS[..1], false, "enabled=0");
    assert!(root.updates().pending.is_some());
}
