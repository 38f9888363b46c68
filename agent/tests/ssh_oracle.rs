//! Generated configurations, read by the agent and by the real sshd.
//!
//! The law: whatever `sshd -T -C` answers for any connection, `worst` is not stricter; what
//! `sshd -T` prints is what `global` says; what sshd refuses, the agent does not call known.
//!
//! Needs the Debian packages openssh-server and openssh-client. Other releases are compared when
//! `SSHD_ROOTS` names trees that hold them, each with the version of its package:
//! `SSHD_ROOTS='/roots/bullseye=1:8.4p1-5+deb11u3 /roots/trixie=1:10.0p1-7+deb13u4'` (made with
//! `mmdebstrap --variant=extract --include=openssh-server`, plus /dev/null, /run/sshd and the user
//! sshd).

#[path = "oracle/sshd.rs"]
mod printed;

use evidence::kinds::SshServer;
use evidence::kinds::ssh_server::Worst;
use evidenced_agent::collectors::ssh_server::{Options, configuration};
use evidenced_agent::host::{Host, Reading};
use printed::{Printed, assert_same, parsed, pubkey, reported, text};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tree with an sshd in it.
struct Oracle {
    root: PathBuf,
    package: String,
    /// Scratch directory as seen from inside the root.
    place: String,
    _scratch: tempfile::TempDir,
}

impl Oracle {
    fn new(root: &Path, package: String) -> Self {
        let temporary = root.join("tmp");
        std::fs::create_dir_all(&temporary).expect("tmp");
        std::fs::create_dir_all(root.join("run/sshd"))
            .expect("/run/sshd must exist for sshd: run the tests as root, or create it");
        let scratch = tempfile::tempdir_in(&temporary).expect("scratch");
        let name = scratch.path().file_name().expect("name").to_string_lossy().into_owned();
        let oracle = Self {
            root: root.to_owned(),
            package,
            place: format!("/tmp/{name}"),
            _scratch: scratch,
        };
        let key = oracle.root.join(&oracle.place[1..]).join("host_key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(key)
            .status();
        assert!(made.is_ok_and(|s| s.success()), "ssh-keygen: install openssh-client");
        oracle
    }

    fn all() -> Vec<Self> {
        let query = Command::new("dpkg-query")
            .args(["-W", "-f=${Version}", "openssh-server"])
            .output()
            .expect("dpkg-query: these tests need Debian or Ubuntu");
        let package = String::from_utf8(query.stdout).expect("version");
        assert!(query.status.success() && !package.is_empty(), "install openssh-server");
        let mut oracles = vec![Self::new(Path::new("/"), package)];
        for root in std::env::var("SSHD_ROOTS").unwrap_or_default().split_whitespace() {
            let (root, package) = root.split_once('=').expect("ROOT=VERSION");
            oracles.push(Self::new(Path::new(root), package.to_owned()));
        }
        oracles
    }

    fn main(&self) -> String {
        format!("{}/main", self.place)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(&self.place[1..]).join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(path, text.replace("@", &self.place)).expect("file");
    }

    /// `sshd -T`; `None` when it refuses the configuration.
    fn sshd(&self, connection: &str) -> Option<Printed> {
        let key = format!("{}/host_key", self.place);
        let main = self.main();
        let mut command = if self.root == Path::new("/") {
            Command::new("/usr/sbin/sshd")
        } else {
            let mut chroot = Command::new("chroot");
            chroot.arg(&self.root).arg("/usr/sbin/sshd");
            chroot
        };
        command.args(["-T", "-f", &main, "-h", &key, "-C", connection]);
        let output = command.output().expect("sshd: install openssh-server");
        if !output.status.success() {
            return None;
        }
        Some(parsed(&String::from_utf8_lossy(&output.stdout)))
    }

    fn agent(&self) -> SshServer {
        let host = Host::rooted(&self.root).expect("root");
        let options = Options {
            lines: vec![("-h".to_owned(), format!("HostKey {}/host_key", self.place))],
            ..Options::default()
        };
        configuration(&mut Reading::new(&host), &self.main(), &options, &self.package)
    }
}

/// Whether sshd accepted the configuration.
fn check(oracle: &Oracle) -> bool {
    let agent = oracle.agent();
    let Some(printed) = oracle.sshd(NOBODY) else {
        assert!(agent.global.is_none() && agent.worst.is_none(), "sshd refuses this");
        assert_eq!(agent.effective_algorithms, None);
        assert!(agent.unresolved.is_some_and(|u| !u.is_empty()));
        return false;
    };
    assert_eq!(agent.unresolved.as_deref(), Some(&[][..]), "sshd accepts this");
    let printed = reported(printed);
    assert_same(&agent, &printed);
    let algorithms = agent.effective_algorithms.expect("algorithms");

    let worst = agent.worst.expect("worst");
    for connection in CONNECTIONS {
        // Some releases refuse one connection for a line they passed over before; nobody gets in.
        let Some(printed) = oracle.sshd(connection).map(reported) else { continue };
        not_stricter(&worst, &printed, connection);
        assert!(pubkey(&printed).iter().all(|name| algorithms.pubkey.contains(name)));
    }
    true
}

/// Meets no criteria: as `sshd -T` alone, which stumbles over `Match LocalPort`.
const NOBODY: &str = "lport=1";
const CONNECTIONS: [&str; 5] = [
    "user=root,host=a.example.org,addr=192.0.2.7,laddr=192.0.2.1,lport=22",
    "user=alice,host=b.example.org,addr=198.51.100.9,laddr=192.0.2.1,lport=2222",
    "user=nobody,host=a.example.org,addr=2001:db8::7,laddr=2001:db8::1,lport=22",
    "user=bob,host=192.0.2.99,addr=192.0.2.99,laddr=192.0.2.1,lport=22",
    "user=root,host=b.example.org,addr=198.51.100.9,laddr=192.0.2.1,lport=2222",
];

/// What each value lets through; a value is not stricter when it lets through all of another's.
fn allows(keyword: &str, value: &str) -> Vec<i64> {
    let range = |n: i64| (1..=n).collect();
    match (keyword, value) {
        ("maxauthtries", n) => range(n.parse().expect("number")),
        (_, "no") => vec![],
        ("permitrootlogin", "forced-commands-only") => range(1),
        ("permitrootlogin", "prohibit-password") => range(2),
        ("permitrootlogin", "yes") => range(3),
        ("gatewayports", "clientspecified") => range(1),
        ("allowtcpforwarding", "local") | ("permittunnel", "point-to-point") => vec![1],
        ("allowtcpforwarding", "remote") | ("permittunnel", "ethernet") => vec![2],
        (_, "yes") => range(2),
        other => panic!("{other:?} is no value"),
    }
}

fn not_stricter(worst: &Worst, printed: &Printed, connection: &str) {
    let worst = serde_json::to_value(worst).expect("JSON");
    for (keyword, value) in worst.as_object().expect("object") {
        let met = &printed[keyword][0];
        let worst = allows(keyword, &text(value));
        let all = allows(keyword, met).iter().all(|thing| worst.contains(thing));
        assert!(all, "{keyword}: worst {value}, but {connection} meets {met}");
    }
}

fn case(word: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(word.to_owned()),
        1 => Just(word.to_ascii_lowercase()),
        1 => Just(word.to_ascii_uppercase()),
    ]
}

/// `Keyword value`, in the ways they can be written.
fn directive(
    keyword: &'static str,
    values: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let between = prop_oneof![5 => Just(" "), 1 => Just("="), 1 => Just(" = "), 1 => Just("\t")];
    let around = prop_oneof![6 => Just(("", "")), 1 => Just(("  ", "\r")), 1 => Just(("\t", "  "))];
    // Its quotes are part of the value, and 8.4 does not look at them in a block: the agent does.
    let quotes = if keyword == "AuthorizedKeysCommand" { 1 } else { 0 };
    (case(keyword), between, prop::sample::select(values), around, quotes..8).prop_map(
        |(keyword, between, value, (before, after), quoted)| match quoted {
            0 if !value.contains([' ', '"']) => {
                format!("{before}{keyword}{between}\"{value}\"{after}")
            }
            _ => format!("{before}{keyword}{between}{value}{after}"),
        },
    )
}

const FLAGS: &[&str] = &["yes", "no", "YES", "No"];

/// Directives that may stand in a `Match` block.
fn anywhere() -> impl Strategy<Value = String> {
    let flags = prop::sample::select(
        &[
            "PasswordAuthentication",
            "PubkeyAuthentication",
            "PermitEmptyPasswords",
            "HostbasedAuthentication",
            "X11Forwarding",
            "AllowAgentForwarding",
            "KbdInteractiveAuthentication",
        ][..],
    );
    let users = &["alice", "bob *.admin", "root@192.0.2.* carol", "\"two words\"", "!eve"];
    let algorithms =
        &["+ssh-rsa", "-ssh-rsa*", "^rsa-sha2-512", "ssh-ed25519*,rsa-sha2-256", "ssh-ed25519"];
    prop_oneof![
        6 => flags.prop_flat_map(|flag| directive(flag, FLAGS)),
        4 => directive("PermitRootLogin", &[
            "yes", "no", "without-password", "prohibit-password", "forced-commands-only", "Yes",
        ]),
        2 => directive("AllowTcpForwarding", &["yes", "all", "no", "local", "remote"]),
        2 => directive("PermitTunnel", &["yes", "no", "point-to-point", "ethernet"]),
        2 => directive("GatewayPorts", &["yes", "no", "clientspecified"]),
        2 => directive("MaxAuthTries", &["1", "3", "6", "20"]),
        1 => directive("MaxSessions", &["0", "5"]),
        1 => directive("IgnoreRhosts", &["yes", "no", "shosts-only"]),
        1 => directive("LogLevel", &["VERBOSE", "debug", "DEBUG1", "QUIET"]),
        1 => directive("Banner", &["none", "/etc/issue.net"]),
        1 => directive("AuthorizedKeysFile", &["none", ".ssh/keys", "/etc/keys/%u .ssh/keys"]),
        1 => directive("AuthorizedKeysCommand", &["none", "/usr/bin/keys", "/usr/bin/keys %u"]),
        1 => directive("AuthorizedKeysCommandUser", &["nobody"]),
        1 => directive("AuthenticationMethods", &["any", "publickey", "publickey,password hostbased"]),
        1 => directive("ClientAliveInterval", &["0", "5m", "1h30m", "90"]),
        1 => directive("ClientAliveCountMax", &["0", "3"]),
        1 => directive("AllowUsers", users),
        1 => directive("DenyUsers", users),
        1 => directive("AllowGroups", &["staff", "wheel admins"]),
        1 => directive("DenyGroups", &["guests"]),
        1 => directive("PubkeyAcceptedKeyTypes", algorithms),
        1 => directive("ForceCommand", &["internal-sftp", "/bin/echo a b"]),
        1 => directive("AcceptEnv", &["LANG LC_*"]),
    ]
}

/// Directives of the global section only.
fn global() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => directive("Port", &["22", "2222", "65535"]),
        2 => directive("ListenAddress", &[
            "192.0.2.1", "192.0.2.1:2022", "[2001:db8::1]:22", "2001:db8::2", "0.0.0.0", "::",
        ]),
        1 => directive("AddressFamily", &["any"]),
        1 => directive("ChallengeResponseAuthentication", FLAGS),
        1 => directive("UsePAM", FLAGS),
        1 => directive("StrictModes", FLAGS),
        1 => directive("PermitUserEnvironment", &["yes", "no", "LANG,LC_*", "Yes"]),
        1 => directive("SyslogFacility", &["AUTHPRIV", "local3"]),
        1 => directive("MaxStartups", &["5", "10:30:60", "20:100:20"]),
        1 => directive("LoginGraceTime", &["0", "30", "2m", "1H"]),
        2 => directive("Ciphers", &[
            "aes256-ctr", "+aes128-cbc,3des-cbc", "-*-ctr", "^aes256-gcm@openssh.com", "-chacha*,aes128*",
        ]),
        2 => directive("MACs", &["hmac-sha2-256,hmac-sha2-512", "-umac-*", "+hmac-md5-96", "^hmac-sha1"]),
        2 => directive("KexAlgorithms", &[
            "curve25519-sha256", "+diffie-hellman-group1-sha1", "-*sha1,ecdh*", "^ecdh-sha2-nistp521",
        ]),
        1 => directive("HostKeyAlgorithms", &["+ssh-rsa", "-*cert*", "ssh-ed25519", "rsa-sha2-*"]),
        1 => directive("UsePrivilegeSeparation", &["sandbox"]),
        1 => directive("DebianBanner", FLAGS),
    ]
}

/// Lines on which sshd stops, and near misses.
fn doubtful() -> impl Strategy<Value = String> {
    prop::sample::select(
        &[
            "PermitRootLogin maybe",
            "PermitRootLogin",
            "PasswordAuthentication no yes",
            "Port 0",
            "MaxAuthTries six",
            "LoginGraceTime 5x",
            "Ciphers aes512-ctr",
            "Ciphers *",
            "MACs +nothing",
            "AllowTcpForwarding maybe",
            "Colour blue",
            "Banner \"open",
            "LogLevel LOUD",
            "PermitRootLogin no # why",
            "# PermitRootLogin yes",
            "#PermitRootLogin yes",
            "",
            "   ",
            "AuthenticationMethods any publickey",
            "PubkeyAcceptedKeyTypes none*",
            "Match all user a",
            "Match Address 192.0.2.1/24",
            "Include",
            "\"PermitRootLogin\" no",
            "MaxStartups 10:30",
            "X11Forwarding 'no'",
            "AllowUsers a 'b c' # d",
            "Subsystem sftp",
        ][..],
    )
    .prop_map(str::to_owned)
}

fn criteria() -> impl Strategy<Value = String> {
    let criteria = &[
        "all",
        "User root",
        "User alice,bob",
        "User *,!root",
        "User \"alice\"",
        "Group root",
        "Address 192.0.2.0/24",
        "Address *,!198.51.100.9",
        "Host *.example.org",
        "User alice Address 198.51.100.0/24",
        "LocalPort 2222",
        "LocalAddress 192.0.2.1",
        "all # everybody",
        "user root",
        "User nobody-at-all",
    ][..];
    prop::sample::select(criteria).prop_map(|criteria| format!("Match {criteria}"))
}

/// The lines of one file: a global section, then `Match` blocks. `@` is the scratch directory.
fn file(includes: &'static [&'static str]) -> impl Strategy<Value = String> {
    let include = || prop::sample::select(includes).prop_map(|i| format!("Include {i}"));
    let head = prop_oneof![8 => global(), 8 => anywhere(), 1 => doubtful(), 2 => include()];
    let body = prop_oneof![1 => Just(String::new()), 16 => anywhere(), 1 => include()];
    let block = (criteria(), prop::collection::vec(body, 0..4))
        .prop_map(|(criteria, lines)| format!("{criteria}\n{}", lines.join("\n")));
    (prop::collection::vec(head, 0..6), prop::collection::vec(block, 0..4))
        .prop_map(|(head, blocks)| format!("{}\n{}\n", head.join("\n"), blocks.join("\n")))
}

/// A file of lines for anywhere and `Match` blocks: what may be included from a block.
fn fragment() -> impl Strategy<Value = String> {
    let block = (criteria(), anywhere()).prop_map(|(criteria, line)| format!("{criteria}\n{line}"));
    let line = prop_oneof![3 => anywhere(), 1 => block];
    prop::collection::vec(line, 0..4).prop_map(|lines| lines.join("\n") + "\n")
}

#[test]
fn the_agent_reads_a_configuration_as_sshd_does() {
    let oracles = Oracle::all();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let main = file(&["@/d/*.conf", "@/d/[ab]*", "\"@/fragment\"", "@/d/none-* @/fragment"]);
    let included = file(&["@/fragment"]);
    let all = (main, fragment(), included, fragment());
    let accepted = std::cell::Cell::new(0);
    let ran = TestRunner::new(config).run(&all, |(main, a, b, fragment)| {
        for oracle in &oracles {
            oracle.write("main", &main);
            oracle.write("d/10-a.conf", &a);
            oracle.write("d/b.conf", &b);
            oracle.write("d/.hidden.conf", "PermitRootLogin hidden\n");
            oracle.write("fragment", &fragment);
            println!("{}", oracle.package);
            accepted.set(accepted.get() + u32::from(check(oracle)));
        }
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
    let enough = cases * u32::try_from(oracles.len()).expect("number") / 4;
    assert!(accepted.get() >= enough, "sshd accepted only {}", accepted.get());
}

#[test]
fn host_keys_have_the_fingerprints_that_ssh_keygen_prints() {
    let oracle = &Oracle::all()[0];
    let mut config = String::new();
    let mut printed = Vec::new();
    for (sort, bits) in [("rsa", "2048"), ("rsa", "1024"), ("ecdsa", "384"), ("ed25519", "256")] {
        let path = format!("{}/{sort}_{bits}", oracle.place);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", sort, "-b", bits, "-N", "", "-f", &path])
            .status();
        assert!(made.is_ok_and(|s| s.success()), "ssh-keygen");
        let output = Command::new("ssh-keygen").args(["-l", "-f", &path]).output().expect("list");
        let line = String::from_utf8(output.stdout).expect("text");
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        printed.push((words[0].clone(), words[1].clone(), sort.to_owned()));
        config += &format!("HostKey {path}\n");
    }
    oracle.write("main", &config);
    let keys = oracle.agent().host_keys.expect("keys");
    // The first one is the oracle's own.
    let read = keys[1..].iter().map(|key| {
        let bits = key.bits.expect("bits").to_string();
        (bits, key.fingerprint.clone().expect("print"), key.key_type.clone().expect("type"))
    });
    assert_eq!(read.collect::<Vec<_>>(), printed);
    assert!(keys.iter().all(|key| !key.group_read && !key.other_read && key.group == "root"));
}

#[test]
fn what_sshd_refuses_is_not_known_and_what_it_accepts_is() {
    for oracle in Oracle::all() {
        let lines = [
            "PermitRootLogin no\nInclude @/main\n",
            "Include @/directory\nInclude @/missing\n",
            "Include @/dangling\n",
            "Match user root\nPort 22\n",
            "Match user root\nInclude @/port\n",
            "Match all\nPort 2022\nInclude @/port\nPermitRootLogin no\n",
            "PermitRootLogin no\nMatch all\nPermitRootLogin yes\n",
            "Match user root\nPermitRootLogin yes\nMatch all\nPermitRootLogin no\n",
            "Match user root\nMatch all\nPermitRootLogin yes\n",
            "AllowUsers a\nMatch all\nAllowUsers b\nAllowUsers c\n",
            "ChallengeResponseAuthentication no\n",
            "KbdInteractiveAuthentication no\n",
            "ChallengeResponseAuthentication no\nKbdInteractiveAuthentication yes\n",
            "KbdInteractiveAuthentication no\nMatch user root\nKbdInteractiveAuthentication yes\n",
            "Subsystem sftp internal-sftp\nSubsystem sftp internal-sftp\n",
            "MaxStartups 5:50:20\nMaxStartups 10\n",
            "Ciphers aes256-ctr\nCiphers nothing\n",
            "AddressFamily inet\nPort 22\nPort 2222\n",
            "PermitRootLogin \"no\n",
            "\"PermitRootLogin no\n",
            "PermitRootLogin=no\n= PermitRootLogin yes\n",
            "Match invalid-user\nPermitRootLogin yes\n",
            "Match version OpenSSH_*\nPermitRootLogin yes\n",
            "RequiredRSASize 2048\n",
            "RefuseConnection no\n",
            "ListenAddress 192.0.2.1 rdomain\n",
            "AuthorizedKeysCommand relative\n",
            "AuthorizedKeysCommand /usr/bin/keys\n",
            "AuthorizedKeysCommand /usr/bin/keys\nMatch all\nAuthorizedKeysCommandUser nobody\n",
            "AuthorizedPrincipalsCommand none\n",
            "AuthenticationMethods publickey\nPubkeyAuthentication no\n",
            "AuthenticationMethods publickey,password keyboard-interactive:pam\n",
            "AuthenticationMethods hostbased\nMatch all\nHostbasedAuthentication yes\n",
            "AuthenticationMethods none\n",
        ];
        oracle.write("directory/file", "");
        oracle.write("port", "Port 22\n");
        let link = oracle.root.join(&oracle.place[1..]).join("dangling");
        std::os::unix::fs::symlink("nowhere", link).expect("link");
        for text in lines {
            // An undecidable line may be refused by one side alone, but never believed.
            if text.contains("version") {
                oracle.write("main", text);
                assert_eq!(oracle.agent().worst, None, "{text}");
                continue;
            }
            println!("{}\n{text}", oracle.package);
            oracle.write("main", text);
            check(&oracle);
        }
    }
}

/// RHEL and Fedora hand the lists of their crypto policy to sshd by an `Include` in a drop-in. The
/// first line wins: what the main file says after it comes too late.
#[test]
fn a_crypto_policy_is_honoured_where_it_is_included() {
    let policy = "Ciphers aes256-ctr,aes192-ctr\n\
                  MACs hmac-sha2-512,hmac-sha2-256\n\
                  KexAlgorithms curve25519-sha256,ecdh-sha2-nistp384\n\
                  HostKeyAlgorithms ssh-ed25519,rsa-sha2-512\n\
                  PubkeyAcceptedAlgorithms ssh-ed25519,rsa-sha2-512\n\
                  HostbasedAcceptedAlgorithms ssh-ed25519\n\
                  CASignatureAlgorithms ssh-ed25519,rsa-sha2-512\n\
                  RequiredRSASize 2048\n";
    for oracle in Oracle::all() {
        if !oracle.package.starts_with("1:9.2p1") {
            continue;
        }
        oracle.write("policy/opensshserver.txt", policy);
        oracle.write(
            "drop-ins/40-redhat-crypto-policies.conf",
            "Include @/policy/opensshserver.txt\n",
        );
        oracle.write("drop-ins/50-redhat.conf", "SyslogFacility AUTHPRIV\nUsePAM yes\n");
        oracle.write("main", "Include @/drop-ins/*.conf\nCiphers aes128-ctr\nMACs hmac-sha1\n");
        assert!(check(&oracle), "sshd accepts it");
        let found = oracle.agent();
        let algorithms = found.effective_algorithms.expect("algorithms");
        assert_eq!(algorithms.ciphers, ["aes256-ctr", "aes192-ctr"]);
        assert_eq!(algorithms.macs, ["hmac-sha2-512", "hmac-sha2-256"]);
        let origins = found.origins.expect("origins");
        assert!(origins["ciphers"].ends_with("/policy/opensshserver.txt:1"), "{origins:?}");
    }
}
