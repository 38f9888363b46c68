//! What dpkg-query says of a database, and that the facts of `packages` are the same. Needs dpkg.

use evidence::kinds::Packages;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const FORMAT: &str = "${Package}\t${Version}\t${Architecture}\t${source:Package}\t\
                      ${source:Version}\t${db:Status-Status}\t${db:Status-Eflag}\t\
                      ${db:Status-Want}\n";

/// One line of dpkg-query in [`FORMAT`].
pub(super) type Line = Vec<String>;

/// What dpkg says of a database, or nothing where it refuses it.
pub(super) fn dpkg_says(admindir: &Path) -> Option<Vec<Line>> {
    let output = Command::new("dpkg-query")
        .env("LC_ALL", "C")
        .args(["--admindir", admindir.to_str().expect("path"), "-W", "-f", FORMAT])
        .output()
        .expect("dpkg-query");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect());
    output.status.success().then(|| lines.collect())
}

/// Items as dpkg-query writes them: name, version, architecture, source, its version.
fn items(packages: &Packages) -> BTreeSet<Line> {
    let line = |package: &evidence::kinds::packages::Package| {
        let source = package.source.as_ref().unwrap_or(&package.name);
        let version = package.source_version.as_ref().unwrap_or(&package.version);
        [&package.name, &package.version, &package.arch, source, version].map(String::clone).into()
    };
    packages.items.iter().map(line).collect()
}

pub(super) fn assert_same(packages: &Packages, dpkg: &[Line]) {
    let in_state = |line: &&Line, states: &[&str]| states.contains(&line[5].as_str());
    let configured = ["installed", "triggers-awaited", "triggers-pending"];
    let expect: BTreeSet<Line> =
        dpkg.iter().filter(|l| in_state(l, &configured)).map(|l| l[..5].to_vec()).collect();
    assert_eq!(items(packages), expect);
    assert_eq!(packages.count, expect.len() as i64);

    let bare = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    let gone = ["not-installed", "config-files"];
    let held = dpkg.iter().filter(|l| l[7] == "hold" && !in_state(l, &gone));
    let held: BTreeSet<_> = held.map(|l| l[0].clone()).collect();
    assert_eq!(packages.held.iter().flatten().map(|n| bare(n)).collect::<BTreeSet<_>>(), held);

    let settled = ["not-installed", "config-files", "installed"];
    let broken = dpkg.iter().filter(|l| l[6] == "reinstreq" || !in_state(l, &settled));
    let broken: BTreeSet<_> = broken.map(|l| (l[0].clone(), l[5].clone())).collect();
    let ours = packages.broken.iter().map(|line| {
        let mut words = line.split(' ');
        (bare(words.next().expect("name")), words.next().expect("state").to_owned())
    });
    assert_eq!(ours.collect::<BTreeSet<_>>(), broken);
}
