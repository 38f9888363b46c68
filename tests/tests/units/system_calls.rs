//! The units' `SystemCallFilter=` against what the programs ask of the kernel.

use crate::{UNITS, values};
use evidenced_tests::{Agent, Collector, Ended, Store, holds, traced};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// System calls by set, as this systemd knows them.
struct Sets(BTreeMap<String, Vec<String>>);

impl Sets {
    fn read() -> Self {
        let output = Command::new("systemd-analyze").arg("syscall-filter").output().expect("sets");
        let (mut sets, mut name) = (BTreeMap::<String, Vec<String>>::new(), String::new());
        for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
            match line.trim() {
                set if line.starts_with('@') => name = set.to_owned(),
                "" => {}
                member if member.starts_with('#') => {}
                member => sets.entry(name.clone()).or_default().push(member.to_owned()),
            }
        }
        Self(sets)
    }

    fn members(&self, word: &str) -> BTreeSet<String> {
        match word.starts_with('@') {
            false => [word.to_owned()].into(),
            true => self.0[word].iter().flat_map(|member| self.members(member)).collect(),
        }
    }

    /// What a unit's lines leave (systemd.exec(5)): the first allows, `~` takes away.
    fn allowed(&self, unit: &str) -> BTreeSet<String> {
        // Allowed whatever an allow list says.
        let mut allowed = self.members("@default");
        for line in values(unit, "SystemCallFilter") {
            let (words, takes) = match line.strip_prefix('~') {
                Some(words) => (words, true),
                None => (line.as_str(), false),
            };
            for call in words.split(' ').flat_map(|word| self.members(word)) {
                if takes {
                    allowed.remove(&call)
                } else {
                    allowed.insert(call)
                };
            }
        }
        allowed
    }
}

/// Names of the calls in a trace: `PID name(…`, or `PID <... name resumed>…`.
fn calls(log: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(log).expect("a trace");
    let call = |line: &str| {
        let (_, line) = line.split_once(' ')?;
        let name = line.trim_start().strip_prefix("<... ").unwrap_or(line.trim_start());
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        (end > 0).then(|| name[..end].to_owned())
    };
    text.lines().filter_map(call).collect()
}

/// With the bounds of its unit, which the agent would otherwise ask for itself.
fn bounded(command: &Command) -> Command {
    let bounds = ["--data=268435456", "--nofile=1024", "--core=0", "nice", "-n", "10"];
    let mut bounded = Command::new("prlimit");
    bounded.args(bounds).arg(command.get_program()).args(command.get_args());
    bounded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bounded
}

#[tokio::test]
async fn the_units_allow_every_system_call_that_the_programs_make() {
    let directory = tempfile::tempdir().expect("a directory");
    let logs = UNITS.map(|unit| directory.path().join(unit));
    let mut collector = Collector::start(Store::Sqlite).await;
    assert!(collector.stop().await.success());
    collector.trace = Some(logs[1].clone());
    collector.restart().await;
    let agent = Agent::enrolled(&collector).await;
    Ended::of(bounded(&traced(&agent.report_command(), &logs[0]))).await.out();
    let api = collector.api();
    holds("the report", async || api.log_size().await >= 3).await;
    assert!(collector.stop().await.success());

    let sets = Sets::read();
    for (unit, log) in UNITS.iter().zip(&logs) {
        let (mut made, allowed) = (calls(log), sets.allowed(unit));
        assert!(made.len() > 40 && made.contains("fsync"), "{unit}: {made:?}");
        // SQLite hands its files to the owner of the database, if it runs as root; here it does.
        made.remove("fchown");
        let refused: Vec<_> = made.difference(&allowed).collect();
        assert!(refused.is_empty(), "{unit} would refuse {refused:?}");
    }
    assert!(!sets.allowed(UNITS[0]).contains("init_module"));
}
