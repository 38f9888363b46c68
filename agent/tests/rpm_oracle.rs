//! The kind `packages` against rpm itself: databases that rpm made, in SQLite with and without a
//! write-ahead log, and in Berkeley DB. Needs root, for `rpm --root`, and the packages rpm,
//! db5.3-util and python3. Debian 12's rpm writes no ndb: a recorded one is among the fixtures.

use evidence::Status;
use evidence::kinds::Packages;
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::host::Host;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

const FORMAT: &str = "%{NAME}\t%{EVR}\t%{ARCH}\t%{SOURCERPM}\t%{VENDOR}\n";

/// Name, epoch, version, release, further lines of the spec.
const STUBS: [(&str, &str, &str, &str, &str); 10] = [
    ("bash", "", "5.1.8", "9.el9", "Vendor: Example Linux"),
    ("bash", "", "5.1.8", "10.el9", "Vendor: Example Linux"),
    ("openssl", "1", "3.0.7", "24.el9", ""),
    ("openssl", "1", "3.2.2", "6.el9_5.1", "Vendor: Somebody Else, Inc."),
    ("zero", "0", "1.0~rc1", "1", ""),
    ("kernel-core", "", "5.14.0", "503.11.1.el9_5", "Provides: installonlypkg(kernel)"),
    ("kernel-core", "", "5.14.0", "503.40.1.el9_5", "Provides: installonlypkg(kernel)"),
    (
        "snap",
        "",
        "1.0^20260101git",
        "1",
        "%package -n child\nSummary: x\n%description -n child\nx\n%files -n child",
    ),
    ("filesystem", "", "3.16", "5.el9", ""),
    // Its header is longer than a page of any of the databases.
    ("large", "", "1", "1", "%define many %(seq -s ' ' 20000 29999)\nProvides: %many"),
];

/// The stubs, built once: a directory of packages.
fn stubs() -> &'static Path {
    static BUILT: OnceLock<tempfile::TempDir> = OnceLock::new();
    let top = BUILT.get_or_init(|| {
        let top = tempfile::tempdir().expect("directory");
        for (name, epoch, version, release, more) in STUBS {
            let epoch = if epoch.is_empty() { String::new() } else { format!("Epoch: {epoch}\n") };
            let spec = format!(
                "Name: {name}\n{epoch}Version: {version}\nRelease: {release}\nSummary: x\n\
                 License: none\nBuildArch: noarch\n{more}\n%description\nx\n%files\n"
            );
            // What begins another package comes after the description of the first.
            let spec = match more.starts_with("%package") {
                true => format!("{}\n{more}\n", spec.replace(more, "")),
                false => spec,
            };
            let path = top.path().join("stub.spec");
            std::fs::write(&path, spec).expect("spec");
            let mut build = Command::new("rpmbuild");
            build.arg("-bb").arg("--quiet").arg("--define");
            build.arg(format!("_topdir {}", top.path().display())).arg(&path);
            build.args(["--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.rpm"]);
            run(build.env("HOME", top.path()));
        }
        top
    });
    top.path()
}

fn package(name: &str) -> PathBuf {
    stubs().join(format!("RPMS/{name}.rpm"))
}

fn file_of(place: usize) -> PathBuf {
    let (name, _, version, release, _) = STUBS[place];
    package(&format!("{name}-{version}-{release}"))
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    output.stdout
}

struct Root {
    directory: tempfile::TempDir,
    database: &'static str,
}

impl Root {
    fn new(database: &'static str) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        std::fs::create_dir_all(directory.path().join(&database[1..])).expect("directory");
        Self { directory, database }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(&self.database[1..]).join(name)
    }

    fn rpm(&self, arguments: &[&str]) -> Vec<u8> {
        let mut rpm = Command::new("rpm");
        rpm.arg("--root").arg(self.directory.path()).args(["--dbpath", self.database]);
        run(rpm.args(arguments))
    }

    fn install(&self, places: &[usize]) {
        let files: Vec<_> = places.iter().map(|place| file_of(*place)).collect();
        let mut arguments = vec!["-i", "--nodeps", "--force"];
        arguments.extend(files.iter().map(|file| file.to_str().expect("path")));
        self.rpm(&arguments);
    }

    fn says(&self, options: &[&str]) -> Vec<String> {
        let text = self.rpm(&[options, &["-qa", "--qf", FORMAT]].concat());
        let text = String::from_utf8(text).expect("UTF-8");
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    fn collect(&self) -> Collected {
        let host = Host::rooted(self.directory.path()).expect("root");
        collectors::find("packages").expect("registered").collect(&host)
    }

    fn packages(&self) -> Packages {
        let collected = self.collect();
        let facts = collected.facts.unwrap_or_else(|| panic!("{:?}", collected.sources));
        serde_json::from_value(facts.data).expect("typed")
    }
}

/// Items as rpm prints them.
fn lines(packages: &Packages) -> Vec<String> {
    let line = |p: &evidence::kinds::packages::Package| {
        let own = p.version.split_once(':').map_or(p.version.as_str(), |(_, version)| version);
        let source = p.source.as_ref().unwrap_or(&p.name);
        let version = p.source_version.as_deref().unwrap_or(own);
        let vendor = p.vendor.as_deref().unwrap_or("(none)");
        format!("{}\t{}\t{}\t{source}-{version}.src.rpm\t{vendor}", p.name, p.version, p.arch)
    };
    let mut lines: Vec<_> = packages.items.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn a_database_is_read_as_rpm_reads_it_after_upgrades_and_erasures() {
    for database in ["/var/lib/rpm", "/usr/lib/sysimage/rpm"] {
        let root = Root::new(database);
        root.install(&[0, 2, 4, 5, 7, 8, 9]);
        assert_eq!(lines(&root.packages()), root.says(&[]));
        root.install(&[6]);
        root.rpm(&["-U", "--nodeps", file_of(1).to_str().expect("path")]);
        root.rpm(&["-U", "--nodeps", file_of(3).to_str().expect("path")]);
        root.rpm(&["-e", "--nodeps", "snap"]);
        root.rpm(&["-i", "--nodeps", package("child-1.0^20260101git-1").to_str().expect("path")]);
        let found = root.packages();
        let says = root.says(&[]);
        assert_eq!(lines(&found), says);
        assert!(says.iter().any(|line| line.starts_with("openssl\t1:3.2.2-6.el9_5.1")), "{says:?}");
        assert!(says.iter().any(|line| line.starts_with("child\t") && line.contains("\tsnap-")));
        let kernels = found.items.iter().filter(|item| item.name == "kernel-core").count();
        assert_eq!((kernels, found.broken, found.held), (2, vec![], Some(vec![])));
    }
}

/// Two versions of a package that may not stand beside each other, as an interrupted upgrade
/// leaves them.
#[test]
fn a_package_that_is_there_twice_is_broken_and_a_kernel_is_not() {
    let root = Root::new("/var/lib/rpm");
    root.install(&[0, 1, 5, 6]);
    let found = root.packages();
    assert_eq!(lines(&found), root.says(&[]));
    assert_eq!(found.broken, ["bash duplicate"]);
}

/// Somebody who reads the database, and so keeps rpm from merging its log.
struct Reader(Child);

impl Reader {
    fn of(database: &Path) -> Self {
        let program = "import sqlite3, sys\n\
                       c = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                       c.execute('begin')\n\
                       c.execute('select count(*) from Packages').fetchall()\n\
                       print('ready', flush=True)\n\
                       sys.stdin.read()\n";
        let mut command = Command::new("python3");
        command.arg("-c").arg(program).arg(database);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
        let mut line = String::new();
        let output = child.stdout.take().expect("output");
        BufReader::new(output).read_line(&mut line).expect("line");
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn what_only_the_log_holds_is_read_and_a_damaged_log_is_refused() {
    let root = Root::new("/var/lib/rpm");
    root.install(&[0, 8]);
    let before = root.says(&[]);
    let reader = Reader::of(&root.path("rpmdb.sqlite"));
    root.install(&[3, 5, 9]);
    root.rpm(&["-e", "--nodeps", "filesystem"]);
    let says = root.says(&[]);
    let log = std::fs::read(root.path("rpmdb.sqlite-wal")).expect("log");
    assert!(log.len() > 10_000, "{}", log.len());
    assert_eq!(lines(&root.packages()), says);

    // The same files without the log are those of before: it is the log that was read.
    let copy = Root::new("/var/lib/rpm");
    std::fs::copy(root.path("rpmdb.sqlite"), copy.path("rpmdb.sqlite")).expect("copied");
    drop(reader);
    assert_eq!(lines(&copy.packages()), before);
    std::fs::write(copy.path("rpmdb.sqlite-wal"), &log).expect("log");
    assert_eq!(lines(&copy.packages()), says);

    // Of a frame its page, its mark and its sums count; a byte that changed is never a shorter list.
    for at in (0..log.len()).step_by(log.len() / 150) {
        let mut damaged = log.clone();
        damaged[at] ^= 0x10;
        std::fs::write(copy.path("rpmdb.sqlite-wal"), &damaged).expect("log");
        let collected = copy.collect();
        assert_eq!(collected.status, Status::ParseError, "byte {at}");
    }
    // A log that was cut ends within a page, or before it: where a transaction ended nobody can tell.
    for end in
        (1..log.len()).step_by(997).filter(|end| (end - 32 * usize::from(*end > 31)) % 4120 != 0)
    {
        std::fs::write(copy.path("rpmdb.sqlite-wal"), &log[..end]).expect("log");
        assert_eq!(copy.collect().status, Status::ParseError, "cut at {end}");
    }
}

#[test]
fn damage_to_the_database_never_hides_a_package() {
    let root = Root::new("/var/lib/rpm");
    root.install(&[0, 2, 4, 5, 8]);
    let whole = std::fs::read(root.path("rpmdb.sqlite")).expect("database");
    let names = |packages: &Packages| {
        packages.items.iter().map(|item| item.name.clone()).collect::<Vec<_>>()
    };
    let before = names(&root.packages());
    let mut refused = 0;
    for at in (0..whole.len()).filter(|at| whole[*at] != 0).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] = !damaged[at];
        std::fs::write(root.path("rpmdb.sqlite"), &damaged).expect("database");
        let collected = root.collect();
        match collected.facts {
            Some(facts) => {
                let found: Packages = serde_json::from_value(facts.data).expect("typed");
                assert_eq!(names(&found), before, "byte {at}");
            }
            None => refused += 1,
        }
    }
    assert!(refused > 50, "{refused}");
    for end in (1..whole.len()).step_by(whole.len() / 100) {
        std::fs::write(root.path("rpmdb.sqlite"), &whole[..end]).expect("database");
        assert!(root.collect().facts.is_none(), "cut at {end}");
    }
    std::fs::write(root.path("rpmdb.sqlite"), "").expect("database");
    assert_eq!(root.collect().status, Status::ParseError);
}

/// The headers that rpm exports, each with its magic.
fn exported(root: &Root) -> Vec<Vec<u8>> {
    let mut rpmdb = Command::new("rpmdb");
    rpmdb.arg("--root").arg(root.directory.path()).args(["--dbpath", root.database, "--exportdb"]);
    let bytes = run(&mut rpmdb);
    let mut rest = &bytes[..];
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().expect("four"));
        let length = 8 + 16 * number(8) as usize + number(12) as usize;
        headers.push(rest[8..8 + length].to_vec());
        rest = &rest[8 + length..];
    }
    headers
}

/// A database of Berkeley DB with these headers, made by its own tool.
fn berkeley(headers: &[Vec<u8>], page_bytes: u32, order: u32) -> Root {
    let root = Root::new("/var/lib/rpm");
    let mut dump = format!(
        "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize={page_bytes}\ndb_lorder={order}\n\
         HEADER=END\n"
    );
    let key = |n: u32| hex::encode(n.to_le_bytes());
    let last = u32::try_from(headers.len()).expect("few");
    writeln!(dump, " {}\n {}", key(0), key(last + 1)).expect("text");
    for (header, number) in headers.iter().zip(1..) {
        writeln!(dump, " {}\n {}", key(number), hex::encode(header)).expect("text");
    }
    dump.push_str("DATA=END\n");
    let mut load = Command::new("db5.3_load");
    load.arg(root.path("Packages")).stdin(Stdio::piped());
    let mut child = load.spawn().expect("db5.3_load");
    child.stdin.take().expect("input").write_all(dump.as_bytes()).expect("written");
    assert!(child.wait().expect("ended").success());
    root
}

#[test]
fn a_database_of_berkeley_db_is_read_as_rpm_reads_it() {
    let source = Root::new("/var/lib/rpm");
    source.install(&[0, 2, 4, 5, 6, 8, 9]);
    let few = exported(&source);
    // As many as make the table double its buckets again and again.
    let many: Vec<_> = few.iter().cycle().take(400).cloned().collect();
    let before = source.says(&[]);
    for (headers, page_bytes, order) in
        [(&few, 4096, 1234), (&few, 4096, 4321), (&few, 512, 1234), (&many, 4096, 1234)]
    {
        let root = berkeley(headers, page_bytes, order);
        let says = root.says(&["--define", "_db_backend bdb_ro"]);
        assert_eq!(says.len(), headers.len());
        let mut says = says;
        says.dedup();
        assert_eq!(says, before);
        assert_eq!(lines(&root.packages()), says);
    }
    let root = berkeley(&few, 4096, 1234);
    let whole = std::fs::read(root.path("Packages")).expect("database");
    for end in (1..whole.len()).step_by(whole.len() / 100) {
        std::fs::write(root.path("Packages"), &whole[..end]).expect("database");
        assert!(root.collect().facts.is_none(), "cut at {end}");
    }
}

#[derive(Debug, Clone)]
enum Act {
    Install(usize),
    Upgrade(usize),
    Erase(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let place = || 0..STUBS.len();
    prop_oneof![
        place().prop_map(Act::Install),
        place().prop_map(Act::Upgrade),
        place().prop_map(Act::Erase),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_history_leaves_what_rpm_says(acts in prop::collection::vec(act(), 6)) {
        let root = Root::new("/usr/lib/sysimage/rpm");
        root.install(&[8]);
        for act in acts {
            let path = |place| file_of(place).to_str().expect("path").to_owned();
            match act {
                Act::Install(place) => root.install(&[place]),
                Act::Upgrade(place) => {
                    root.rpm(&["-U", "--nodeps", "--force", &path(place)]);
                }
                Act::Erase(place) => {
                    let name = STUBS[place].0;
                    let installed = root.says(&[]).iter().any(|line| line.split('\t').next() == Some(name));
                    if installed && name != "filesystem" {
                        root.rpm(&["-e", "--nodeps", "--allmatches", name]);
                    }
                }
            }
            prop_assert_eq!(lines(&root.packages()), root.says(&[]));
        }
    }
}
