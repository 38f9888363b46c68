//! The kind `firewall` against the kernel itself: rules are loaded by nft(8) and iptables-nft into
//! network namespaces of their own, real packets are sent over a wire into them, and what arrives
//! decides. Needs unshare(1), ip(8), nftables, iptables and Python.

use evidence::kinds::Firewall;
use evidence::kinds::firewall::{Fate, FirewallSource};
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::path::Path;
use std::process::Command;

/// What the kernel let in, and what the agent says of the same namespace and of the same files.
#[derive(Debug)]
struct Tried {
    arrived: [bool; 2],
    live: Firewall,
    files: Firewall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loader {
    Nft,
    Iptables,
    Legacy,
}

fn try_out(loader: Loader, four: &str, six: &str) -> Tried {
    let root = tempfile::tempdir().expect("directory");
    let (name, files): (&str, &[(&str, &str)]) = match loader {
        Loader::Nft => ("nft", &[("nftables.conf", four)]),
        Loader::Iptables => {
            ("iptables", &[("iptables/rules.v4", four), ("iptables/rules.v6", six)])
        }
        Loader::Legacy => ("legacy", &[("iptables/rules.v4", four), ("iptables/rules.v6", six)]),
    };
    let mut command = Command::new("unshare");
    let script = "python3 \"$@\" && \"$AGENT\" collect --kind firewall --format json";
    command.args(["--map-root-user", "--net", "sh", "-ec", script, "sh"]);
    command.env("AGENT", env!("CARGO_BIN_EXE_evidenced-agent"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/probe.py")).arg(name);
    for (name, text) in files {
        let path = root.path().join("etc").join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(&path, text).expect("written");
        command.arg(path);
    }
    let output = command.output().expect("unshare");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{four}\n{six}\n{errors}");
    let mut lines = said.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let (arrived, report): (serde_json::Value, serde_json::Value) =
        (lines.next().expect("probe"), lines.next().expect("report"));
    let live = report["kinds"]["firewall"]["facts"]["data"].clone();
    let live: Firewall = serde_json::from_value(live).expect("typed");
    assert_eq!(live.source, FirewallSource::Netlink);
    let host = Host::rooted(root.path()).expect("root");
    let files = collectors::find("firewall").expect("registered").collect(&host);
    let files = serde_json::from_value(files.facts.expect("facts").data).expect("typed");
    let arrived = ["ipv4", "ipv6"].map(|family| arrived[family].as_bool().expect("a word"));
    Tried { arrived, live, files }
}

fn refuses(fate: Option<Fate>) -> bool {
    matches!(fate, Some(Fate::Drop | Fate::Reject))
}

impl Tried {
    fn live_refuses(&self) -> [bool; 2] {
        [refuses(self.live.input_default), refuses(self.live.ipv6_input_default)]
    }

    fn files_refuse(&self) -> [bool; 2] {
        let one = self.files.configured.as_ref().and_then(|all| all.first()).expect("configured");
        [refuses(one.input_default), refuses(one.ipv6_input_default)]
    }
}

fn chain(policy: &str, rules: &str) -> String {
    format!(
        "flush ruleset\ntable inet filter {{\n chain mine {{\n  tcp dport 22 accept\n }}\n chain shut {{\n  drop\n }}\n chain input {{\n  type filter hook input priority filter; policy {policy};\n  {rules}\n }}\n}}\n"
    )
}

/// Both ways: what is said to be refused does not arrive, and what is said to be let in does.
#[test]
fn the_default_is_what_becomes_of_packets() {
    std::thread::scope(|scope| {
        for (policy, rules) in [
            ("drop", ""),
            ("accept", ""),
            ("drop", "iif lo accept; tcp dport { 22, 80 } accept"),
            ("drop", "iifname \"eth0\" accept"),
            ("drop", "iifname != \"eth0\" accept"),
            ("drop", "udp sport 53 accept"),
            ("drop", "udp dport 1-65535 accept"),
            ("drop", "udp dport 53-100 accept"),
            ("drop", "ct state established,related accept"),
            ("drop", "ct state new accept"),
            ("drop", "ct state vmap { established : accept, invalid : drop }"),
            ("drop", "ct state vmap { new : accept, invalid : drop }"),
            ("drop", "meta l4proto { icmp, ipv6-icmp } accept"),
            ("drop", "meta l4proto { tcp, udp } accept"),
            ("drop", "meta nfproto ipv6 accept"),
            ("accept", "meta nfproto ipv4 drop"),
            ("accept", "counter drop"),
            ("accept", "log prefix \"x\" counter reject with icmpx type admin-prohibited"),
            ("accept", "meta l4proto tcp reject with tcp reset"),
            ("accept", "jump shut"),
            ("accept", "goto mine"),
            ("drop", "goto mine"),
            ("accept", "tcp dport 22 jump shut"),
            ("drop", "limit rate 1000/second accept"),
            ("drop", "pkttype multicast accept"),
            ("drop", "fib daddr type local accept"),
        ] {
            scope.spawn(move || {
                let text = chain(policy, rules);
                let tried = try_out(Loader::Nft, &text, "");
                assert_eq!(tried.live_refuses(), tried.arrived.map(|a| !a), "{text}\n{tried:?}");
                // Which interface leads outside is known of the running system alone.
                if !rules.contains("!=") {
                    assert_eq!(tried.files_refuse(), tried.live_refuses(), "{text}\n{tried:?}");
                }
                assert_eq!(tried.live.legacy_tables, Some(false));
            });
        }
    });
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

/// Rules that somebody may write, with verdicts and jumps.
fn nft_rules() -> impl Strategy<Value = String> {
    let condition = one_of(&[
        "",
        "",
        "iif lo",
        "iifname \"eth0\"",
        "iifname \"eth*\"",
        "iifname \"wg0\"",
        "iifname != \"lo\"",
        "iifname { \"lo\", \"eth0\" }",
        "ip saddr 198.51.100.0/24",
        "ip saddr != 198.51.100.0/24",
        "ip saddr 0.0.0.0/1",
        "ip saddr { 10.0.0.0/8, 93.184.0.0/16 }",
        "ip6 saddr 2001:db8::/32",
        "ip6 saddr 2000::/3",
        "ip daddr 192.0.2.1",
        "udp dport 42000-43000",
        "udp dport { 22, 53 }",
        "udp dport != 22",
        "udp dport { 1-65535 }",
        "udp sport 53",
        "udp dport > 1024",
        "udp dport < 1024",
        "th dport 42424",
        "ct state new",
        "ct state != new",
        "ct state established,related",
        "ct state { new, established }",
        "meta l4proto udp",
        "meta l4proto != icmp",
        "ip protocol udp",
        "ip6 nexthdr udp",
        "meta nfproto ipv4",
        "meta protocol ip6",
        "ct direction original",
        "meta pkttype host",
        "meta mark 0",
        "limit rate over 1/hour",
        "udp length 9",
    ]);
    let verdict = one_of(&[
        "accept",
        "accept",
        "drop",
        "counter drop",
        "reject",
        "jump mine",
        "goto mine",
        "jump shut",
        "return",
        "counter",
        "log",
    ]);
    prop::collection::vec((condition, verdict), 0..5).prop_map(|rules| {
        let line = |(condition, verdict): (&str, &str)| match (condition, verdict) {
            // IPv6 within IPv4, or the other way round, is refused with `reject` by nft.
            (condition, "reject") if condition.starts_with("ip") => format!("{condition} drop"),
            _ => format!("{condition} {verdict}"),
        };
        rules.into_iter().map(line).collect::<Vec<_>>().join("\n  ")
    })
}

fn iptables_rules() -> impl Strategy<Value = String> {
    let condition = one_of(&[
        "",
        "-i lo",
        "-i eth0",
        "-i eth+",
        "! -i lo",
        "-i wg0",
        "-p udp",
        "-p tcp",
        "-p udp -m udp --dport 53",
        "-p udp -m udp --dport 40000:43000",
        "-p udp -m udp --sport 53",
        "-p udp -m udp ! --dport 53",
        "-p udp -m udp --dport 1:65535",
        "-p udp -m multiport --dports 22,53",
        "-p udp -m multiport ! --dports 22,53",
        "-m conntrack --ctstate NEW",
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "-m conntrack ! --ctstate ESTABLISHED",
        "-m state --state NEW",
        "-m state --state ESTABLISHED",
        "-m comment --comment \"-j DROP\"",
        "-m limit --limit 1000/sec",
        "-m addrtype --dst-type LOCAL",
        "-m pkttype --pkt-type multicast",
    ]);
    let verdict = one_of(&["ACCEPT", "ACCEPT", "DROP", "REJECT", "RETURN", "mine", "shut", "LOG"]);
    prop::collection::vec((condition, verdict), 0..5).prop_map(|rules| {
        let line =
            |(condition, verdict): (&str, &str)| format!("-A INPUT {condition} -j {verdict}\n");
        rules.into_iter().map(line).collect()
    })
}

/// One way, for whatever rules: nothing arrives where the agent says that it is refused. It may
/// call a default open that these packets do not pass.
#[test]
fn nothing_arrives_where_it_is_said_to_be_refused() {
    let mut runner = TestRunner::deterministic();
    let mut refused = 0;
    let mut inputs = Vec::new();
    for at in 0..48 {
        let policy = at % 3 != 0;
        let mut rules = |strategy: BoxedStrategy<String>| {
            strategy.new_tree(&mut runner).expect("generated").current()
        };
        if at % 2 == 0 {
            let policy = if policy { "drop" } else { "accept" };
            inputs.push((Loader::Nft, chain(policy, &rules(nft_rules().boxed())), String::new()));
        } else {
            let policy = if policy { "DROP" } else { "ACCEPT" };
            let mut table = || {
                let rules = rules(iptables_rules().boxed());
                format!(
                    "*filter\n:INPUT {policy} [0:0]\n:mine - [0:0]\n:shut - [0:0]\n{rules}-A mine -p tcp -m tcp --dport 22 -j ACCEPT\n-A shut -j DROP\nCOMMIT\n"
                )
            };
            inputs.push((Loader::Iptables, table(), table()));
        }
    }
    for some in inputs.chunks(16) {
        let tried: Vec<Tried> = std::thread::scope(|scope| {
            let start = |(loader, four, six): &'static (Loader, String, String)| {
                scope.spawn(|| try_out(*loader, four, six))
            };
            let some: &'static [_] = Vec::leak(some.to_vec());
            let threads: Vec<_> = some.iter().map(start).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
        });
        for (tried, input) in tried.iter().zip(some) {
            for family in 0..2 {
                let arrived = tried.arrived[family];
                let (live, files) = (tried.live_refuses()[family], tried.files_refuse()[family]);
                assert!(!(live && arrived), "the kernel lets in: {input:?}\n{tried:?}");
                assert!(!(files && arrived), "the files let in: {input:?}\n{tried:?}");
                refused += usize::from(live);
            }
        }
    }
    assert!(refused > 15, "{refused} defaults that refuse");
}

/// The kernel has rules that the agent cannot ask for: it says that there are some, and of the
/// default nothing that lets in or that nobody asked nf_tables for.
#[test]
fn tables_of_the_old_kind_leave_the_default_open() {
    let drops = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n";
    let accepts = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n";
    let mangles = "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -j DROP\nCOMMIT\n";
    let translates = "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n";
    std::thread::scope(|scope| {
        for (rules, is_used) in
            [(drops, true), (accepts, true), (mangles, true), (translates, false)]
        {
            scope.spawn(move || {
                let tried = try_out(Loader::Legacy, rules, rules);
                assert_eq!(tried.live.legacy_tables, Some(is_used), "{rules}\n{tried:?}");
                assert_eq!(tried.live_refuses(), [false, false], "{rules}\n{tried:?}");
                let (active, input) = (tried.live.active, tried.live.input_default);
                match is_used {
                    true => assert_eq!((active, input), (None, None), "{rules}"),
                    false => assert_eq!((active, input), (Some(false), Some(Fate::Accept))),
                }
                // What the files would do is known, whoever loads them.
                if rules == drops || rules == accepts {
                    assert_eq!(tried.files_refuse(), tried.arrived.map(|a| !a), "{rules}");
                }
            });
        }
    });
}

/// Sets and maps with names: what is in them decides, and of those that grow nobody knows.
#[test]
fn sets_with_names_are_looked_into() {
    const WIDE: &str =
        "set wide { type ipv4_addr; flags interval; elements = { 0.0.0.0/1, 128.0.0.0/1 } }";
    const GROWS: &str = "set grows { type ipv4_addr; flags dynamic,timeout; timeout 1h; }";
    std::thread::scope(|scope| {
        for (policy, set, rule, is_known) in [
            (
                "drop",
                "set few { type ipv4_addr; elements = { 192.0.2.9 } }",
                "ip saddr @few accept",
                true,
            ),
            ("drop", WIDE, "ip saddr @wide accept", true),
            (
                "accept",
                "set few { type ipv4_addr; elements = { 192.0.2.9 } }",
                "ip saddr @few drop",
                true,
            ),
            (
                "accept",
                "set few { type ipv4_addr; elements = { 192.0.2.9 } }",
                "ip saddr != @few drop",
                false,
            ),
            (
                "drop",
                "set ports { type inet_service; elements = { 22, 80 } }",
                "udp dport @ports accept",
                true,
            ),
            (
                "drop",
                "set ports { type inet_service; flags interval; elements = { 1-65535 } }",
                "udp dport @ports accept",
                true,
            ),
            (
                "drop",
                "set ports { type inet_service; elements = { 22 } }",
                "udp dport != @ports accept",
                true,
            ),
            (
                "drop",
                "set wires { type ifname; elements = { \"lo\" } }",
                "iifname @wires accept",
                true,
            ),
            (
                "drop",
                "set wires { type ifname; elements = { \"lo\", \"eth0\" } }",
                "iifname @wires accept",
                true,
            ),
            (
                "drop",
                "map fates { type inet_service : verdict; elements = { 22 : accept } }",
                "udp dport vmap @fates",
                true,
            ),
            (
                "drop",
                "map fates { type ifname : verdict; elements = { \"eth0\" : accept } }",
                "iifname vmap @fates",
                true,
            ),
            (
                "accept",
                "map fates { type ifname : verdict; elements = { \"eth0\" : drop } }",
                "iifname vmap @fates",
                false,
            ),
            (
                "drop",
                "set pairs { type ipv4_addr . inet_service; elements = { 192.0.2.9 . 53 } }",
                "ip saddr . udp dport @pairs accept",
                false,
            ),
            (
                "drop",
                "set pairs { type ipv4_addr . inet_service; flags interval; elements = { 0.0.0.0/0 . 1-65535 } }",
                "ip saddr . udp dport @pairs accept",
                false,
            ),
            ("drop", GROWS, "ip saddr . udp dport { 0.0.0.0/0 . 1-65535 } accept", false),
            ("drop", GROWS, "ip saddr @grows accept", false),
            ("drop", GROWS, "update @grows { ip saddr } accept", false),
            ("accept", GROWS, "update @grows { ip saddr } drop", false),
            ("drop", GROWS, "meter m { ip saddr limit rate 1000/second } accept", false),
        ] {
            scope.spawn(move || {
                let text =
                    chain(policy, rule).replacen(" chain mine", &format!(" {set}\n chain mine"), 1);
                let tried = try_out(Loader::Nft, &text, "");
                let refused = tried.arrived.map(|arrived| !arrived);
                for (family, is_refused) in refused.into_iter().enumerate() {
                    let said = [tried.live_refuses()[family], tried.files_refuse()[family]];
                    let lies = said.iter().any(|says| *says && !is_refused);
                    assert!(!lies, "the kernel lets in: {text}\n{tried:?}");
                }
                if is_known {
                    assert_eq!(tried.live_refuses(), refused, "{text}\n{tried:?}");
                }
            });
        }
    });
}

#[test]
fn without_the_capability_the_kernel_is_not_known() {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]);
    command.arg("--inh-caps=-all").arg("sh").args(["-ec", "cd /; exec \"$0\" \"$@\""]);
    let agent = tempfile::Builder::new().tempfile().expect("file");
    std::fs::copy(env!("CARGO_BIN_EXE_evidenced-agent"), agent.path()).expect("copied");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(agent.path(), mode).expect("mode");
    let path = agent.into_temp_path();
    command.arg(&path).args(["collect", "--kind", "firewall", "--format", "json"]);
    let output = command.output().expect("setpriv");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let firewall = &said["kinds"]["firewall"];
    assert_eq!(firewall["facts"]["data"]["source"], "files");
    assert_eq!(firewall["facts"]["data"].get("active"), None);
    let sources = firewall["sources"].as_array().expect("sources");
    let kernel = sources.iter().find(|source| source["path"] == "/netlink/nf_tables");
    assert_eq!(kernel.expect("asked")["status"], "denied");
}
