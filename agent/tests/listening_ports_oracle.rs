//! The kind `listening_ports` against ss(8), in a network and a process namespace of their own:
//! nothing listens there but what the test opens. Needs root, and the packages iproute2, perl-base
//! and util-linux.

use evidence::kinds::ListeningPorts;
use evidence::kinds::listening_ports::{Ip, Scope, Socket};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

const AGENT: &str = env!("CARGO_BIN_EXE_evidenced-agent");
const OPENER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/sockets.pl");

/// What is opened by root: every class of address, both versions of IP, and what does not listen.
const OF_ROOT: &[&str] = &[
    "tcp,0.0.0.0,22",
    "tcp,127.0.0.1,80",
    "tcp,127.0.0.2,80",
    "tcp,::1,80",
    "tcp,::,81",
    "tcp,::,82,v6only",
    "tcp,fe80::7,83",
    "tcp,::ffff:127.0.0.1,84",
    "tcp,::ffff:0.0.0.0,85",
    "tcp,198.51.100.7,443",
    "tcp,169.254.7.7,443",
    "tcp,2001:db8::7,443",
    "tcp,127.0.0.1,45000",
    "tcp,127.0.0.1,80,connect",
    "udp,0.0.0.0,53",
    "udp,::,53,v6only",
    "udp,::,54",
    "udp,127.0.0.1,323",
    "udp,224.0.0.251,5353",
    "udp,255.255.255.255,67",
    "udp,ff02::fb,5353",
    "udp,0.0.0.0,51820",
    "udp,0.0.0.0,45000",
    "udp,127.0.0.1,53,connect",
];
const OF_NOBODY: &[&str] = &["tcp,2001:db8::7,8080", "tcp,0.0.0.0,8443", "udp,127.0.0.1,8125"];
const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

/// What the shell in the namespace printed: the words of ss, and what the agent says.
struct Outcome {
    ss: Vec<Vec<String>>,
    agent: Value,
}

/// Opens the sockets and asks both. `how` is put before the agent's command.
fn both_say(how: &str) -> Outcome {
    let directory = tempfile::tempdir().expect("directory");
    let ready = directory.path().display();
    let (of_root, of_nobody) = (OF_ROOT.join(" "), OF_NOBODY.join(" "));
    let script = format!(
        "set -e
        mkfifo {ready}/root {ready}/nobody
        ip link set lo up
        for address in 198.51.100.7/32 169.254.7.7/32 2001:db8::7/128 fe80::7/64; do
            ip addr add $address dev lo
        done
        perl {OPENER} {of_root} >{ready}/root &
        read answer <{ready}/root; [ \"$answer\" = ready ]
        {NOBODY} perl {OPENER} {of_nobody} >{ready}/nobody &
        read answer <{ready}/nobody; [ \"$answer\" = ready ]
        ss -H -lntuep
        echo ---
        {how} {AGENT} collect --kind listening_ports --format json"
    );
    let mut command = Command::new("unshare");
    command.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &script]);
    let output = command.env("LC_ALL", "C").output().expect("unshare");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (ss, agent) = text.split_once("---\n").unwrap_or_else(|| panic!("{text}{error}"));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    let document: Value = serde_json::from_str(agent).unwrap_or_else(|e| panic!("{e}: {error}"));
    Outcome {
        ss: ss.lines().map(words).collect(),
        agent: document["kinds"]["listening_ports"].clone(),
    }
}

impl Outcome {
    fn facts(&self) -> ListeningPorts {
        serde_json::from_value(self.agent["facts"]["data"].clone()).expect("typed")
    }
}

/// A line of ss in the words of the facts: key, version, scope, user, program.
fn line(words: &[String]) -> (String, Ip, Scope, i64, String) {
    let (address, port) = words[4].rsplit_once(':').expect("address");
    let address = address.split('%').next().expect("address").trim_matches(['[', ']']);
    let mapped = address.strip_prefix("::ffff:").unwrap_or(address);
    let ip = match mapped {
        "*" | "::" => Ip::V6OrBoth,
        address if address.contains(':') => Ip::V6,
        _ => Ip::V4,
    };
    let scope = match mapped {
        "*" | "::" | "0.0.0.0" => Scope::Any,
        "127.0.0.1" | "127.0.0.2" | "::1" => Scope::Loopback,
        "169.254.7.7" | "fe80::7" => Scope::LinkLocal,
        "224.0.0.251" | "ff02::fb" | "255.255.255.255" => Scope::Multicast,
        "198.51.100.7" | "2001:db8::7" => Scope::Specific,
        other => panic!("{other} is no address of this test"),
    };
    let uid = words.iter().find_map(|word| word.strip_prefix("uid:"));
    let users = words.iter().find_map(|word| word.strip_prefix("users:((\"")).expect("users");
    let program = users.split('"').next().expect("program").to_owned();
    let uid = uid.map_or(0, |uid| uid.parse().expect("number"));
    (format!("{}/{port}", words[0]), ip, scope, uid, program)
}

/// The facts, one for each user and program, these by their file names.
fn entries(sockets: &[Socket]) -> BTreeSet<(String, Ip, Scope, i64, String)> {
    let of = |socket: &Socket| {
        let programs = socket.programs.clone().expect("programs");
        let name = |path: &String| path.rsplit('/').next().expect("name").to_owned();
        let names: Vec<String> = programs.iter().map(name).collect();
        let pairs = socket.uids.iter().flat_map(|uid| names.iter().map(move |n| (*uid, n.clone())));
        pairs
            .map(|(uid, name)| (socket.key.clone(), socket.ip, socket.scope, uid, name))
            .collect::<Vec<_>>()
    };
    sockets.iter().flat_map(of).collect()
}

fn without_holders(facts: &ListeningPorts) -> ListeningPorts {
    let mut facts = facts.clone();
    for socket in facts.tcp.iter_mut().chain(facts.udp.iter_mut()).flatten() {
        socket.programs = None;
        socket.units = None;
    }
    facts
}

#[test]
fn root_sees_what_ss_prints_and_an_ordinary_user_the_same_without_programs() {
    let outcome = both_say("");
    let facts = outcome.facts();
    assert_eq!(outcome.agent["status"], "ok", "{}", outcome.agent);
    let sockets = [facts.tcp.clone().expect("tcp"), facts.udp.clone().expect("udp")].concat();
    let mut printed: BTreeSet<_> = outcome.ss.iter().map(|words| line(words)).collect();
    assert_eq!(outcome.ss.len(), OF_ROOT.len() + OF_NOBODY.len() - 2, "{:?}", outcome.ss);
    // The one port of a client, which is not listed.
    let client = ("udp/45000".to_owned(), Ip::V4, Scope::Any, 0, "perl".to_owned());
    assert!(printed.remove(&client), "{printed:?}");
    let found: BTreeSet<_> = entries(&sockets)
        .into_iter()
        .map(|(key, ip, scope, uid, program)| {
            // The executable may be perl5.36.0, by another name of which it was started.
            let program = if program.starts_with("perl") { "perl".to_owned() } else { program };
            (key, ip, scope, uid, program)
        })
        .collect();
    assert_eq!(found, printed);

    let denied = both_say(NOBODY);
    assert_eq!(denied.agent["status"], "partial");
    assert_eq!(
        denied.agent["unread"],
        serde_json::json!(["tcp.programs", "tcp.units", "udp.programs", "udp.units"])
    );
    // Another run, other processes, other numbers of sockets: nothing of that is in the facts.
    assert_eq!(denied.facts(), without_holders(&facts));
}

/// Clients come and go, processes are started anew: the manifest's entry stays the same.
#[test]
fn an_idle_host_says_the_same_again() {
    let (first, second) = (both_say(""), both_say(""));
    assert_eq!(first.agent, second.agent);
    assert_ne!(first.ss, second.ss, "the same processes twice prove nothing");
}
