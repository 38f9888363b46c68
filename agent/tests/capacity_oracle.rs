//! The kind `capacity` of this machine, beside what nproc(1), /proc/meminfo and df(1) say. Needs
//! the package coreutils.

use evidence::kinds::Capacity;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use std::process::Command;

fn out(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env("LC_ALL", "C").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn collected() -> Capacity {
    let collector = collectors::find("capacity").expect("kind");
    let collected = collector.collect(&Host::live().expect("this machine"));
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

#[test]
fn processors_and_memory_are_what_the_tools_say() {
    let capacity = collected();
    let online = out("nproc", &["--all"]).trim().parse::<i64>().expect("a number");
    assert_eq!(capacity.cpus, Some(online));
    let meminfo = std::fs::read_to_string("/proc/meminfo").expect("meminfo");
    let kib = |name: &str| {
        let line = meminfo.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_ascii_whitespace().nth(1).expect("a number").parse::<i64>().expect("a number")
    };
    assert_eq!(capacity.memory_mib, Some(kib("MemTotal:") / 1024));
    assert_eq!(capacity.swap_mib, Some(kib("SwapTotal:") / 1024));
}

#[test]
fn file_systems_are_as_full_as_df_says() {
    let filesystems = collected().filesystems.expect("file systems");
    assert!(!filesystems.is_empty());
    for one in filesystems {
        let said = out("df", &["-B1", "--output=size,avail", &one.mount]);
        let mut numbers = said.lines().nth(1).expect("a line").split_ascii_whitespace();
        let mut number = || numbers.next().expect("a number").parse::<f64>().expect("a number");
        let (size, available) = (number(), number());
        let used = (size - available) * 100.0 / size;
        // Others write meanwhile: a step more or less.
        let step = one.used_pct as f64;
        assert!((step - 10.0..=step + 5.0).contains(&used), "{}: {used} of {step}", one.mount);
    }
}
