//! What a kind says that it reads is what it reads: every source of every fixture is among the
//! paths of its contract, and no path is named that nothing reads.

use evidenced_agent::collectors::{self, Collector};
use evidenced_agent::host::{Fixture, Host};
use std::collections::BTreeSet;
use std::path::Path;

/// Every source that the kind tried in its fixtures.
fn sources(collector: &Collector) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(collector.kind);
    let entries = std::fs::read_dir(folder).expect("fixtures");
    let collected = entries.map(|entry| {
        let text = std::fs::read_to_string(entry.expect("entry").path()).expect("fixture");
        collector.collect(&Host::fixture(Fixture::parse(&text).expect("fixture")))
    });
    collected.flat_map(|collected| collected.sources).map(|source| source.path).collect()
}

/// `*` stands for anything.
fn fits(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[test]
fn a_pattern_fits_what_it_says() {
    for (pattern, path, expected) in [
        ("/etc/passwd", "/etc/passwd", true),
        ("/etc/passwd", "/etc/passwd-", false),
        ("/etc/ssh/*", "/etc/ssh/sshd_config.d/a.conf", true),
        ("/etc/ssh/*", "/etc/sshd", false),
        ("*/sysctl.d/*", "/usr/lib/sysctl.d/", true),
        ("*/sysctl.d/*.conf", "/usr/lib/sysctl.d/a", false),
        ("/a/*/b", "/a/x/b", true),
        ("/a/*/b", "/a/x/c", false),
    ] {
        assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
    }
}

#[test]
fn every_source_of_a_fixture_is_among_what_its_kind_says_it_reads() {
    let mut wrong = Vec::new();
    for collector in collectors::ALL {
        let about = collector.info().expect("contract").about;
        for source in sources(collector) {
            let others = collectors::ALL
                .iter()
                .filter(|other| about.also_reads.contains(&format!("`{}`", other.kind)));
            let others = others.flat_map(|other| other.info().expect("contract").about.reads);
            let mut patterns = about.reads.iter().chain(others);
            let named = patterns.any(|pattern| fits(pattern, &source));
            // Configuration can name any file.
            let follows = about.also_reads.contains("files that")
                || (about.also_reads.contains("every directory") && !source.starts_with("/proc/"))
                || (about.also_reads.contains("over netlink") && source.starts_with("/netlink/"));
            if !named && !follows {
                wrong.push(format!("{}: {source} is read and not named", collector.kind));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_kind_names_nothing_that_its_fixtures_do_not_read() {
    let mut wrong = Vec::new();
    for collector in collectors::ALL {
        let sources = sources(collector);
        let about = collector.info().expect("contract").about;
        for pattern in about.reads {
            if !sources.iter().any(|source| fits(pattern, source)) {
                wrong.push(format!("{}: {pattern} is named and not read", collector.kind));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
