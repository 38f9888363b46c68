//! The kind `package_updates` against apt itself: on this machine, and on roots made up for it.
//! Needs apt and dpkg.

use evidence::kinds::PackageUpdates;
use evidence::kinds::package_updates::{KeptBack, Update};
use evidence::{Facts, Status};
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::formats::apt_conf::AptConf;
use evidenced_agent::formats::dpkg_version::compare;
use evidenced_agent::host::Host;
use proptest::prelude::*;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn collect(host: &Host) -> Collected {
    collectors::find("package_updates").expect("registered").collect(host)
}

fn updates(facts: &Facts) -> PackageUpdates {
    serde_json::from_value(facts.data.clone()).expect("typed")
}

/// What apt says with this configuration; empty for the one of the machine.
fn apt(program: &str, config: Option<&Path>, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").args(arguments);
    if let Some(config) = config {
        command.env("APT_CONFIG", config);
    }
    let output = command.output().expect(program);
    let (out, error) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8(out).expect("UTF-8")
}

/// Installed version and candidate by name.
fn policy(config: Option<&Path>, names: &[&str]) -> BTreeMap<String, (String, String)> {
    let text = apt("apt-cache", config, &[&["policy"], names].concat());
    let (mut policy, mut name) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            name = heading.to_owned();
            policy.insert(name.clone(), (String::new(), String::new()));
        } else if let Some(version) = line.strip_prefix("  Installed: ") {
            policy.get_mut(&name).expect("package").0 = version.to_owned();
        } else if let Some(version) = line.strip_prefix("  Candidate: ") {
            policy.get_mut(&name).expect("package").1 = version.to_owned();
        }
    }
    policy
}

/// What an upgrade would install, by name: no older versions.
fn upgrades(config: Option<&Path>) -> BTreeMap<String, String> {
    let text = apt("apt-get", config, &["-s", "-q", "-y", "--allow-downgrades", "dist-upgrade"]);
    let mut upgrades = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("Inst ")) {
        let mut words = line.split_whitespace();
        let name = words.next().expect("name").to_owned();
        let Some(old) = words.next().and_then(|word| word.strip_prefix('[')) else { continue };
        let new = words.next().expect("version").trim_start_matches('(');
        if compare(new, old.trim_end_matches(']')) == Ordering::Greater {
            upgrades.insert(name, new.to_owned());
        }
    }
    upgrades
}

/// The candidates of all packages are those of apt, and so is what would be installed.
fn assert_same(pending: &[Update], config: Option<&Path>, names: &[&str]) {
    let pending: BTreeMap<_, _> =
        pending.iter().map(|update| (update.name.as_str(), update)).collect();
    let mut due = BTreeMap::new();
    for (name, (installed, candidate)) in policy(config, names) {
        let is_later =
            candidate != "(none)" && compare(&candidate, &installed) == Ordering::Greater;
        match pending.get(name.as_str()) {
            None => assert!(!is_later, "{name}: apt would install {candidate}"),
            Some(update) => {
                assert_eq!(update.installed, installed, "{name}");
                if update.kept_back == KeptBack::Pin
                    || (update.candidate != candidate && update.security)
                {
                    let apt_has = if is_later { &candidate } else { &installed };
                    assert_eq!(compare(&update.candidate, apt_has), Ordering::Greater, "{name}");
                } else {
                    assert_eq!((&update.candidate, is_later), (&candidate, true), "{name}");
                }
                if is_later && !matches!(update.kept_back, KeptBack::Hold | KeptBack::Phasing) {
                    due.insert(name.clone(), candidate);
                }
            }
        }
    }
    assert_eq!(due, upgrades(config));
}

#[test]
fn this_machine_has_the_updates_apt_says() {
    let collected = collect(&Host::live().expect("root"));
    let updates = updates(&collected.facts.expect("facts"));
    assert!(updates.repositories.is_some_and(|all| !all.is_empty()), "{:?}", collected.sources);
    // Lists may be missing: images come without them. Then nothing is said.
    let files = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    let has_lists = names.into_iter().any(|name| name.contains("_Packages"));
    assert_eq!(updates.pending.is_some(), has_lists, "{:?}", collected.sources);
    let Some(pending) = updates.pending else { return };
    let names =
        Command::new("dpkg-query").args(["-W", "-f", "${Package}\n"]).output().expect("dpkg");
    let names = String::from_utf8(names.stdout).expect("UTF-8");
    let names: Vec<_> = names.lines().collect();
    let named: BTreeMap<_, _> =
        pending.iter().map(|update| (update.name.as_str(), update)).collect();
    for (name, (installed, candidate)) in policy(None, &names) {
        let is_later =
            candidate != "(none)" && compare(&candidate, &installed) == Ordering::Greater;
        let ours = named.get(name.as_str()).filter(|update| update.kept_back != KeptBack::Pin);
        assert_eq!(
            ours.map(|update| update.candidate.as_str()),
            is_later.then_some(&*candidate),
            "{name}"
        );
    }
}

/// An archive of a made-up root.
struct Suite {
    line: &'static str,
    /// Below the lists, up to `InRelease`.
    stem: &'static str,
    path: &'static str,
    release: &'static str,
    is_security: bool,
}

const SUITES: [Suite; 6] = [
    Suite {
        line: "deb http://mirror.example/debian bookworm main",
        stem: "mirror.example_debian_dists_bookworm_",
        path: "main/binary-amd64/Packages",
        release: "Origin: Debian\nLabel: Debian\nSuite: stable\nVersion: 12.8\nCodename: bookworm\n",
        is_security: false,
    },
    Suite {
        line: "deb [arch=amd64] http://u:p@security.example/ bookworm-security main",
        stem: "security.example_dists_bookworm-security_",
        path: "main/binary-amd64/Packages",
        release: "Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nVersion: 12\nCodename: bookworm-security\n",
        is_security: true,
    },
    Suite {
        line: "deb https://mirror.example:8443/debian bookworm-updates main",
        stem: "mirror.example:8443_debian_dists_bookworm-updates_",
        path: "main/binary-amd64/Packages",
        release: "Origin: Debian\nLabel: Debian\nSuite: stable-updates\nVersion: 12-updates\nCodename: bookworm-updates\n",
        is_security: false,
    },
    Suite {
        line: "deb http://mirror.example/debian bookworm-backports main",
        stem: "mirror.example_debian_dists_bookworm-backports_",
        path: "main/binary-amd64/Packages",
        release: "Origin: Debian Backports\nLabel: Debian Backports\nSuite: stable-backports\nCodename: bookworm-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n",
        is_security: false,
    },
    Suite {
        line: "deb http://mirror.example/debian rc-buggy main",
        stem: "mirror.example_debian_dists_rc-buggy_",
        path: "main/binary-amd64/Packages",
        release: "Origin: Debian\nLabel: Debian\nSuite: experimental\nCodename: rc-buggy\nNotAutomatic: yes\n",
        is_security: false,
    },
    Suite {
        line: "deb [trusted=yes] file:/srv/own_repo ./",
        stem: "_srv_own%5frepo_._",
        path: "Packages",
        release: "Origin: Own\nLabel: Own/x\nSuite: own\n",
        is_security: false,
    },
];

const VERSIONS: [&str; 7] =
    ["1.0-1", "1.0-1+deb12u1", "1.0-1+deb12u2", "1.1~bpo12+1", "1.1-1", "1:0.9-1", "0.9~rc1-1"];

/// One package: what is installed, whether it is held, and which suite has which versions.
#[derive(Debug, Clone)]
struct Package {
    installed: usize,
    is_held: bool,
    /// Every suite's versions, as bits.
    has: Vec<u8>,
    phased: Option<u8>,
}

#[derive(Debug, Clone)]
struct Machine {
    suites: Vec<bool>,
    packages: Vec<Package>,
    preferences: Vec<String>,
    conf: Vec<&'static str>,
    ending: &'static str,
}

fn package() -> impl Strategy<Value = Package> {
    let has = prop::collection::vec(prop_oneof![3 => Just(0u8), 4 => 0u8..128], SUITES.len());
    (0usize..VERSIONS.len(), prop::bool::weighted(0.15), has, prop::option::weighted(0.3, 1u8..99))
        .prop_map(|(installed, is_held, has, phased)| Package { installed, is_held, has, phased })
}

fn preference() -> impl Strategy<Value = String> {
    let packages = prop::sample::select(vec![
        "*",
        "*",
        "*",
        "p0",
        "p1 p2",
        "p?",
        "/^p[0-2]$/",
        "src:s1",
        "src:s*",
        "p0:amd64",
        "p1:i386",
        "p2:any",
        "P0",
    ]);
    let pins = prop::sample::select(vec![
        "release a=stable",
        "release n=bookworm-security",
        "release o=Debian",
        "release l=Debian-Security",
        "release a=stable-*",
        "release n=/^book/",
        "release o=debian, a=EXPERIMENTAL",
        "release v=12*",
        "release 12.8",
        "release bookworm-backports",
        "release c=main",
        "release b=amd64",
        "release *",
        "release a=now",
        "release l=Own/*",
        "origin mirror.example",
        "origin \"security.example\"",
        "origin \"\"",
        "origin *.example",
        "version 1.0*",
        "version 1.1-1",
        "version *",
        "version /deb12/",
        "release x",
        "colour red",
    ]);
    let priorities = prop::sample::select(vec![
        -10, -1, 1, 50, 99, 100, 101, 499, 500, 501, 989, 990, 991, 1000, 1001, 32767,
    ]);
    (packages, pins, priorities, prop::bool::weighted(0.1)).prop_map(
        |(package, pin, priority, never)| {
            let never = never && package == "*";
            let priority = if never { "never".to_owned() } else { priority.to_string() };
            format!(
                "Explanation: made up\nPackage: {package}\nPin: {pin}\nPin-Priority: {priority}\n"
            )
        },
    )
}

fn machine() -> impl Strategy<Value = Machine> {
    let conf = prop::sample::subsequence(
        vec![
            "APT::Get::Always-Include-Phased-Updates \"true\";",
            "#clear APT::Get::Always-Include-Phased-Updates;",
            "APT { Default-Release \"bookworm\"; };",
        ],
        0..=3,
    );
    (
        prop::collection::vec(prop::bool::weighted(0.8), SUITES.len()),
        prop::collection::vec(package(), 4),
        prop::collection::vec(preference(), 0..4),
        conf,
        prop::sample::select(vec!["", ".gz", ".xz", ".lz4", ".zst"]),
    )
        .prop_map(|(mut suites, packages, preferences, conf, ending)| {
            // apt refuses a default release that no source has.
            suites[0] = true;
            Machine { suites, packages, preferences, conf, ending }
        })
}

struct Root(tempfile::TempDir);

impl Root {
    fn new(machine: &Machine) -> Self {
        let root = Self(tempfile::tempdir().expect("directory"));
        root.write("var/lib/dpkg/status", &status(machine));
        root.write("var/lib/dpkg/arch", "amd64\ni386\n");
        root.write("etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n");
        root.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        root.write("etc/apt/preferences.d/one", &machine.preferences.join("\n"));
        root.write(
            "etc/apt/preferences.d/not.read",
            "Package: *\nPin: release *\nPin-Priority: 7\n",
        );
        root.write("etc/apt/apt.conf.d/50own", &machine.conf.join("\n"));
        let on = || SUITES.iter().zip(&machine.suites).enumerate().filter(|(_, (_, on))| **on);
        let lines: Vec<_> = on().map(|(_, (suite, _))| suite.line).collect();
        root.write("etc/apt/sources.list", &lines.join("\n"));
        for (index, (suite, _)) in on() {
            root.suite(suite, &list(machine, index), machine.ending);
        }
        for directory in [
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/log/apt",
            "etc/apt/trusted.gpg.d",
            "var/lib/dpkg/info",
        ] {
            std::fs::create_dir_all(root.path().join(directory)).expect("directory");
        }
        let path = root.path().display();
        root.write(
            "oracle.conf",
            &format!(
                "Dir \"{path}\"; Dir::State::status \"{path}/var/lib/dpkg/status\";\n\
             APT::Architecture \"amd64\"; APT::Architectures {{ \"amd64\"; \"i386\"; }};\n\
             APT::Machine-ID \"0123456789abcdef0123456789abcdef\";\n\
             Debug::NoLocking \"true\"; Dir::Cache::pkgcache \"\"; Dir::Cache::srcpkgcache \"\";\n"
            ),
        );
        root
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(&path, text).expect("written");
        path
    }

    fn suite(&self, suite: &Suite, list: &str, ending: &str) {
        let lists = "var/lib/apt/lists";
        let release = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{}Date: Tue, 24 Nov 2026 10:00:00 UTC\n\
             Architectures: amd64\nComponents: main\nSHA256:\n {} {} {}\n-----BEGIN PGP SIGNATURE-----\n\nx\n\
             -----END PGP SIGNATURE-----\n",
            suite.release,
            "0".repeat(64),
            list.len(),
            suite.path
        );
        self.write(&format!("{lists}/{}InRelease", suite.stem), &release);
        let path =
            self.write(&format!("{lists}/{}{}", suite.stem, suite.path.replace('/', "_")), list);
        let program = match ending {
            ".gz" => "gzip",
            ".xz" => "xz",
            ".lz4" => "lz4",
            ".zst" => "zstd",
            _ => return,
        };
        let packed = PathBuf::from(format!("{}{ending}", path.display()));
        let done = Command::new(program).arg("-c").arg(&path).output().expect(program);
        assert!(done.status.success());
        std::fs::write(packed, done.stdout).expect("packed");
        std::fs::remove_file(path).expect("removed");
    }

    fn config(&self) -> PathBuf {
        self.path().join("oracle.conf")
    }

    fn collect(&self) -> Collected {
        collect(&Host::rooted(self.path()).expect("root"))
    }
}

const PROGRAM: &str = "Architecture: amd64\nMaintainer: x\n";

fn status(machine: &Machine) -> String {
    let mut text = String::new();
    for name in ["base-files", "apt", "dpkg"] {
        let _ = writeln!(
            text,
            "Package: {name}\nStatus: install ok installed\n{PROGRAM}Version: 1\nDescription: x\n"
        );
    }
    for (index, package) in machine.packages.iter().enumerate() {
        let want = if package.is_held { "hold" } else { "install" };
        let version = VERSIONS[package.installed];
        let _ = writeln!(
            text,
            "Package: p{index}\nStatus: {want} ok installed\n{PROGRAM}Source: s{index}\nVersion: {version}\nDescription: x\n"
        );
    }
    text
}

/// The list of one suite.
fn list(machine: &Machine, suite: usize) -> String {
    let mut text = String::new();
    for (index, package) in machine.packages.iter().enumerate() {
        for (bit, version) in
            VERSIONS.iter().enumerate().filter(|(bit, _)| package.has[suite] >> bit & 1 == 1)
        {
            // apt upgrades nothing whose installed version is phased itself; no archive has both.
            let phased = package
                .phased
                .filter(|_| package.installed != bit)
                // Which of two lists apt believes of one version is not settled here.
                .filter(|_| (0..SUITES.len()).all(|s| s == 2 || package.has[s] >> bit & 1 == 0))
                .filter(|_| bit == 2 && suite == 2);
            let phased = phased.map(|share| format!("Phased-Update-Percentage: {share}\n"));
            let _ = writeln!(
                text,
                "Package: p{index}\n{PROGRAM}Source: s{index}\nVersion: {version}\n{}Filename: x\nSize: 1\nDescription: x\n",
                phased.unwrap_or_default()
            );
        }
    }
    text
}

/// Whether a version after the installed one, up to `due`, stands among security updates.
fn is_security(machine: &Machine, package: &Package, due: &str) -> bool {
    let after = |version: &str| compare(version, VERSIONS[package.installed]) == Ordering::Greater;
    let is_fix = |suite: usize, bit: usize| {
        let version = VERSIONS[bit];
        package.has[suite] >> bit & 1 == 1
            && after(version)
            && compare(version, due) != Ordering::Greater
    };
    let suites =
        (0..SUITES.len()).filter(|suite| SUITES[*suite].is_security && machine.suites[*suite]);
    suites.into_iter().any(|suite| (0..VERSIONS.len()).any(|bit| is_fix(suite, bit)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn made_up_roots_have_the_updates_apt_says(machine in machine()) {
        let root = Root::new(&machine);
        let collected = root.collect();
        // What runs is not seen in a root.
        prop_assert_eq!(&collected.unread, &["stale_processes"], "{:?}", collected.sources);
        let updates = updates(&collected.facts.expect("facts"));
        let pending = updates.pending.expect("pending");
        let names: Vec<_> = (0..machine.packages.len()).map(|index| format!("p{index}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_same(&pending, Some(&root.config()), &names);
        for update in &pending {
            let index: usize = update.name[1..].parse().expect("index");
            let package = &machine.packages[index];
            prop_assert_eq!(update.security, is_security(&machine, package, &update.candidate));
            prop_assert_eq!(update.kept_back == KeptBack::Hold, package.is_held);
        }
        prop_assert_eq!(updates.security_repository, Some(machine.suites[1]));
        let uris: BTreeSet<_> = updates.repositories.expect("repositories").into_iter().map(|r| r.uri).collect();
        prop_assert!(uris.iter().all(|uri| !uri.contains("u:p")), "{:?}", uris);
    }

    #[test]
    fn a_list_that_is_cut_or_gone_leaves_what_is_pending_unread(machine in machine(), share in 0usize..100, suite in 0usize..6) {
        prop_assume!(machine.suites[suite]);
        let root = Root::new(&machine);
        let suite = &SUITES[suite];
        let path = root.path().join(format!(
            "var/lib/apt/lists/{}{}{}", suite.stem, suite.path.replace('/', "_"), machine.ending
        ));
        let whole = root.collect().facts.expect("facts");
        let bytes = std::fs::read(&path).expect("list");
        prop_assume!(!list(&machine, SUITES.iter().position(|one| one.stem == suite.stem).expect("suite")).is_empty());
        match share {
            0 => std::fs::remove_file(&path).expect("removed"),
            share => std::fs::write(&path, &bytes[..bytes.len() * share / 100]).expect("cut"),
        }
        let collected = root.collect();
        // Behind the last byte of a packed list stands a checksum: without it the list is whole.
        if !collected.unread.contains(&"pending".to_owned()) {
            prop_assert!(share > 80 && !machine.ending.is_empty());
            prop_assert_eq!(collected.facts, Some(whole));
        } else {
            prop_assert_eq!(collected.status, Status::Partial);
        }
    }

    #[test]
    fn configuration_files_say_what_apt_config_says(
        first in statements(), second in statements(), main in statements(),
    ) {
        let root = tempfile::tempdir().expect("directory");
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
            std::fs::write(path, text).expect("written");
        };
        let path = root.path().display();
        write("oracle.conf", &format!("Dir::Etc \"{path}/etc/apt\";\n"));
        write("etc/apt/apt.conf.d/10", &first);
        write("etc/apt/apt.conf.d/20.conf", &second);
        write("etc/apt/apt.conf", &main);
        let output = Command::new("apt-config")
            .env("LC_ALL", "C").env("APT_CONFIG", root.path().join("oracle.conf"))
            .arg("dump").output().expect("apt-config");
        let theirs = String::from_utf8(output.stdout).expect("UTF-8");
        let theirs: Vec<_> = theirs.lines().filter(|line| line.starts_with('X')).map(str::to_owned).collect();
        let mut conf = AptConf::default();
        let read = [first, second, main].iter().try_for_each(|text| conf.read(text));
        prop_assert_eq!(read.is_ok(), output.status.success(), "{:?} {}", read, String::from_utf8_lossy(&output.stderr));
        if read.is_ok() {
            let ours: Vec<_> = conf.dump().into_iter().filter(|line| line.starts_with('X')).collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}

/// A file of statements as people write them.
fn statements() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "X::A \"1\";\n",
        "X::A \"\";\n",
        "x::a 'q';\n",
        "X::B::C yes;\n",
        "X::L { \"one\"; \"two\"; };\n",
        "X::L:: \"three\";\n",
        "X::L \"whole\";\n",
        "X { A \"2\"; B { C \"no\"; D { \"x y\"; }; }; };\n",
        "X::M\n{\n  \"a;b\"; // why\n  \"c{d}\";\n  # none\n};\n",
        "#clear X::L;\n",
        "#clear X::B;\n",
        "// X::A \"9\";\n",
        "# X::A \"8\";\n",
        "/* X::A \"7\";\n more */ X::E \"5\";\n",
        "X::F \"a//b#c\";\n",
        "X::G \"1\"; X::H \"2\";\n",
        "X::I word; \n",
        "X::J \"un%20quoted%41\";\n",
        "X::K\n\"next line\";\n",
        "Xsect \"name\" { A \"1\"; };\n",
        "X::A \"1\" \"2\";\n",
        "X::O \"open\"\n",
        "{ };\n",
        "};\n",
    ]);
    prop::collection::vec(pieces, 0..5).prop_map(|pieces| pieces.concat())
}
