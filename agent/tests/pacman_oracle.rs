//! The kind `packages` against pacman itself, on databases made up for it. Needs the package
//! pacman-package-manager.

use evidence::Status;
use evidence::kinds::Packages;
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::host::Host;
use proptest::prelude::*;
use std::path::Path;
use std::process::Command;

fn collect(root: &Path) -> Collected {
    collectors::find("packages").expect("registered").collect(&Host::rooted(root).expect("root"))
}

/// `name version`, as `pacman -Q` prints it.
fn lines(collected: &Collected) -> Vec<String> {
    let facts = collected.facts.as_ref().unwrap_or_else(|| panic!("{:?}", collected.sources));
    let packages: Packages = serde_json::from_value(facts.data.clone()).expect("typed");
    packages.items.iter().map(|item| format!("{} {}", item.name, item.version)).collect()
}

/// What pacman says, and whether it complained.
fn pacman_says(root: &Path) -> (Vec<String>, bool) {
    let mut pacman = Command::new("pacman");
    pacman.env("LC_ALL", "C").arg("-Q").arg("--root").arg(root);
    pacman.arg("--config").arg(root.join("etc/pacman.conf"));
    let output = pacman.arg("--dbpath").arg(root.join("var/lib/pacman")).output().expect("pacman");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    (lines, output.status.success() && output.stderr.is_empty())
}

/// A package's directory and its description, now and then with something odd in it.
fn package(name: String) -> impl Strategy<Value = (String, String)> {
    const VERSIONS: &[&str] = &["1.0-1", "2:6.11.5.arch1-1", "20260101.r3.gabc-2"];
    const EXTRAS: &[&str] = &[
        "",
        "%BASE%\nbase\n\n",
        "%LICENSE%\nGPL2\nMIT\n\n",
        "%FUTURE%\nunknown\n\n",
        "%DEPENDS%\nglibc>=2.38\n%odd\n\n",
        "\n\n",
    ];
    (
        prop::sample::select(VERSIONS),
        prop::sample::select(EXTRAS),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    )
        .prop_map(move |(version, extra, other_name, no_version)| {
            let inside = if other_name { "other" } else { &name };
            let shown =
                if no_version { String::new() } else { format!("%VERSION%\n{version}\n\n") };
            let text = format!(
                "%NAME%\n{inside}\n\n{shown}{extra}%ARCH%\nany\n\n%INSTALLDATE%\n1790000000\n\n"
            );
            (format!("{name}-{version}"), text)
        })
}

fn root(packages: &[(String, String)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    let local = root.path().join("var/lib/pacman/local");
    std::fs::create_dir_all(&local).expect("directory");
    std::fs::create_dir_all(root.path().join("etc")).expect("directory");
    std::fs::write(root.path().join("etc/pacman.conf"), "[options]\n").expect("written");
    std::fs::write(local.join("ALPM_DB_VERSION"), "9\n").expect("written");
    for (directory, text) in packages {
        std::fs::create_dir_all(local.join(directory)).expect("directory");
        std::fs::write(local.join(directory).join("desc"), text).expect("written");
        std::fs::write(local.join(directory).join("files"), "%FILES%\n").expect("written");
    }
    root
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    /// Where pacman has nothing to say against a database, both give the same list; where it does,
    /// the agent gives none. Name and version pacman takes from the directory, whatever the
    /// description says; to the agent one that lacks them, or has others, was damaged.
    #[test]
    fn a_database_is_read_as_pacman_reads_it(
        packages in (1usize..5).prop_flat_map(|n| (0..n).map(|i| package(format!("p{i}-x"))).collect::<Vec<_>>()),
    ) {
        let root = root(&packages);
        let collected = collect(root.path());
        let whole = packages
            .iter()
            .all(|(_, text)| text.contains("%VERSION%") && !text.contains("%NAME%
other"));
        match pacman_says(root.path()) {
            (says, true) if whole => prop_assert_eq!(lines(&collected), says),
            _ => prop_assert_eq!(collected.status, Status::ParseError),
        }
    }
}

/// Cut at any byte, a description is refused, or the cut lost nothing that is told.
#[test]
fn a_description_that_was_cut_never_makes_another_package() {
    let text = "%NAME%\nlinux\n\n%VERSION%\n6.11.5.arch1-1\n\n%BASE%\nlinux\n\n%ARCH%\nx86_64\n\n\
                %INSTALLDATE%\n1790000000\n\n";
    for end in 0..text.len() {
        let root = root(&[("linux-6.11.5.arch1-1".to_owned(), text[..end].to_owned())]);
        let collected = collect(root.path());
        if collected.facts.is_some() {
            assert_eq!(lines(&collected), ["linux 6.11.5.arch1-1"], "cut at {end}");
        }
    }
}
