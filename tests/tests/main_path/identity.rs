//! Who a host is, over time: bounded tokens, renewal, revocation, rotation, leaving, copies.

use crate::enrolment::refused;
use crate::view::{open, text};
use evidenced_tests::{Agent, Collector, Root, Store, holds, log_key};
use reqwest::Client;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};

const ONE: &str = "11111111111111111111111111111111";
const OTHER: &str = "22222222222222222222222222222222";
/// A life that is over while a test looks.
const SHORT: &str = "[certificates]\nlife = \"1s\"\n";

fn serials(agent: &Agent) -> String {
    std::fs::read_to_string(agent.state().join("tls.pem")).expect("the pair")
}

async fn anomalies(collector: &Collector, agent: &Agent) -> Vec<Value> {
    let mut drifts = open(&collector.api(), &agent.host()).await;
    drifts.retain(|drift| drift["drift"] == "integrity_anomaly");
    drifts
}

/// A host whose certificate has ended, and a collector that gives long ones again.
async fn expired(policy: &str) -> (Collector, Agent, Root) {
    let mut collector = Collector::configured(Store::Sqlite, SHORT).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    holds("the end of the certificate", async || {
        agent.command("status", &[]).await.out().contains("expired at")
    })
    .await;
    collector.stop().await;
    collector.configure(&format!("[certificates]\n{policy}\n"));
    collector.restart().await;
    (collector, agent, root)
}

#[tokio::test]
async fn a_token_is_bound_to_networks_and_may_be_revoked_and_says_which_bound_was_hit() {
    let collector = Collector::start(Store::Sqlite).await;
    let create = async |args: &[&str]| {
        let args = [&["token", "create"][..], args].concat();
        collector.cli(&args).await
    };
    let elsewhere = create(&["--cidr", "192.0.2.0/24", "--cidr", "2001:db8::/32"]).await.out();
    let agent = Agent::new();
    let ended = agent.enroll(&collector.server(), &elsewhere).await;
    refused(&ended, &["works from 192.0.2.0/24, 2001:db8::/32 only", "asks from 127.0.0.1"]);
    let here = create(&["--cidr", "192.0.2.0/24", "--cidr", "127.0.0.0/8", "--uses", "3"]).await;
    let here = here.out();
    agent.enroll(&collector.server(), &here).await.out();

    let list = collector.cli(&["token", "list"]).await.out();
    assert!(list.contains("2 of 3") && list.contains("127.0.0.0/8"), "{list}");
    let secret = here.split('.').nth(1).expect("a secret");
    assert!(!list.contains(secret), "secrets are not listed");
    let line = list.lines().find(|line| line.contains("2 of 3")).expect("the token");
    let id = line.split_whitespace().next().expect("an id");
    let said = collector.cli(&["token", "revoke", id]).await.out();
    assert!(said.contains("2 of its 3 uses are forfeit"), "{said}");
    refused(&Agent::new().enroll(&collector.server(), &here).await, &["was revoked"]);
    refused(&collector.cli(&["token", "revoke", id]).await, &["revoked already"]);
    for usage in [["--ttl", "0s"], ["--ttl", "999d"], ["--uses", "0"], ["--cidr", "192.0.2.1/24"]] {
        assert_eq!(create(&usage).await.code, Some(2), "{usage:?}");
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends_with_a_new_key_and_nobody_is_alarmed() {
    let collector = Collector::configured(Store::Sqlite, "[certificates]\nlife = \"6s\"\n").await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    let (host, first) = (agent.host(), serials(&agent));
    let mut seen = BTreeSet::from([first]);
    holds("two renewals", async || {
        agent.reports().await;
        seen.insert(serials(&agent));
        seen.len() > 2
    })
    .await;
    agent.reports().await;
    assert_eq!(agent.host(), host);
    assert!(!agent.state().join("tls.next.key").exists());
    assert_eq!(anomalies(&collector, &agent).await, Vec::<Value>::new());
    collector.verified_log().await;
}

#[tokio::test]
async fn an_expired_certificate_is_renewed_by_the_evidence_key() {
    let (collector, agent, _root) = expired("after_expiry = \"allow\"").await;
    let host = agent.host();
    agent.reports().await;
    assert_eq!(agent.host(), host);
    let status = agent.command("status", &[]).await.out();
    assert!(status.contains("valid until"), "{status}");
    assert_eq!(collector.api().items("/api/v1/hosts").await.len(), 1);
}

#[tokio::test]
async fn an_expired_certificate_waits_for_approval_and_the_agent_says_so() {
    let (collector, agent, _root) = expired("after_expiry = \"approve\"").await;
    let host = agent.host();
    let nobody = collector.cli(&["hosts", "approve", &host]).await;
    refused(&nobody, &["waits for no approval"]);
    for waiting in 1..=2 {
        let report = agent.report().await;
        assert_eq!(report.code, Some(1));
        let words = format!("waits for `evidenced-collector hosts approve {host}`");
        assert!(report.stderr.contains(&words), "{}", report.stderr);
        assert_eq!(agent.waiting().len(), waiting, "the spool keeps it");
    }
    collector.cli(&["hosts", "approve", &host]).await.out();
    agent.reports().await;
    assert_eq!(agent.waiting(), Vec::<String>::new());
}

#[tokio::test]
async fn a_collector_that_renews_no_expired_certificate_says_so() {
    let (_collector, agent, _root) = expired("after_expiry = \"refuse\"").await;
    let report = agent.report().await;
    assert_eq!(report.code, Some(1));
    assert!(report.stderr.contains("renews no expired one"), "{}", report.stderr);
}

#[tokio::test]
async fn after_the_grace_a_host_must_be_enrolled_again() {
    let (_collector, agent, _root) = expired("grace = \"0s\"").await;
    let report = agent.report().await;
    assert_eq!(report.code, Some(1));
    assert!(report.stderr.contains("enrol it again with a new token"), "{}", report.stderr);
}

#[tokio::test]
async fn a_revoked_host_cannot_recover_either() {
    let (collector, agent, _root) = expired("after_expiry = \"allow\"").await;
    collector.cli(&["hosts", "revoke", &agent.host()]).await.out();
    let report = agent.report().await;
    assert_eq!(report.code, Some(1));
    assert!(report.stderr.contains("identity was revoked"), "{}", report.stderr);
}

/// Passes connections on to `to`, and counts them.
async fn relay(to: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("address");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut to = TcpStream::connect(to).await.expect("the collector");
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    (address, count)
}

/// A client that shows an agent's certificate.
fn client(agent: &Agent) -> Client {
    let identity = reqwest::Identity::from_pem(serials(agent).as_bytes()).expect("identity");
    let authorities = agent.identity()["trust"]["authorities"].clone();
    let authorities = authorities.as_array().expect("authorities").iter().map(text);
    let authorities =
        authorities.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).expect("authority"));
    let builder = Client::builder().no_proxy().https_only(true).identity(identity);
    builder.tls_certs_only(authorities).build().expect("client")
}

#[tokio::test]
async fn a_revocation_ends_what_an_open_connection_may_do() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    let other = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let (address, connections) = relay(collector.agents).await;
    let (client, url) = (client(&agent), format!("https://{address}/agent/v1/trust"));
    let ask = async || {
        let answer = client.get(&url).send().await.expect("an answer");
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        (answer.status().as_u16(), answer.text().await.expect("a whole answer"))
    };
    assert_eq!(ask().await.0, 200);
    collector.cli(&["hosts", "revoke", &agent.host()]).await.out();
    let (status, words) = ask().await;
    assert_eq!(status, 403);
    assert!(words.contains("identity was revoked"), "{words}");
    assert_eq!(connections.load(Ordering::SeqCst), 1, "one connection all along");

    let report = agent.report().await;
    assert_eq!(report.code, Some(1));
    for words in ["the collector refuses this host", "was revoked", "enrol it with a new token"] {
        assert!(report.stderr.contains(words), "{words}: {}", report.stderr);
    }
    other.reports().await;
    refused(&collector.cli(&["hosts", "revoke", &agent.host()]).await, &["revoked already"]);
    let hosts = collector.api().items("/api/v1/hosts").await;
    assert_eq!(hosts.len(), 2, "its evidence stays");
}

#[tokio::test]
async fn a_host_that_leaves_ships_what_waits_and_keeps_no_key() {
    let mut collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    collector.stop().await;
    assert_eq!(agent.report().await.code, Some(1));
    let early = agent.command("leave", &[]).await;
    refused(&early, &["1 check-ins wait in the spool", "--force"]);
    assert!(agent.state().join("evidence.key").exists(), "nothing was wiped");
    collector.restart().await;
    let host = agent.host();
    let said = agent.command("leave", &[]).await.out();
    assert!(said.contains(&format!("host {host} has left")), "{said}");
    assert_eq!(collector.verified_log().await["check_ins"], 2);
    let hosts = collector.api().items("/api/v1/hosts").await;
    assert_eq!((hosts.len(), &hosts[0]["state"]), (1, &"ended".into()));

    let names = files(&agent.state()).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names, ["left.json", "lock"]);
    let again = agent.command("leave", &[]).await.out();
    assert!(again.contains("had left before"), "{again}");
    refused(&agent.report().await, &["has left", "enroll"]);
    agent.enroll(&collector.server(), &collector.token().await).await.out();
    agent.reports().await;
    assert_ne!(agent.host(), host);
}

#[tokio::test]
async fn a_host_that_cannot_tell_that_it_leaves_is_wiped_only_by_force() {
    let mut collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    collector.stop().await;
    assert_eq!(agent.report().await.code, Some(1));
    let host = agent.host();
    let said = agent.command("leave", &["--force"]).await.out();
    assert!(said.contains(&format!("the keys of host {host} are wiped")), "{said}");
    assert!(said.contains("does not know that it left"), "{said}");
    let names = files(&agent.state()).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names, ["left.json", "lock"]);
    refused(&agent.report().await, &["has left", "enroll"]);
    // What waited in the spool is given up, and the collector still takes it for a host in service.
    collector.restart().await;
    assert_eq!(collector.verified_log().await["check_ins"], 1);
    let hosts = collector.api().items("/api/v1/hosts").await;
    assert_eq!((hosts.len(), &hosts[0]["state"]), (1, &"active".into()));
}

#[tokio::test]
async fn a_machine_that_came_from_an_image_does_not_report_as_the_image() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let image = Agent::new().root(&root).machine(ONE);
    image.enroll(&collector.server(), &collector.token().await).await.out();
    image.reports().await;
    let size = collector.api().log_size().await;

    let machine = image.copied().machine(OTHER);
    let ended = machine.report().await;
    assert_eq!(ended.code, Some(1));
    let words = format!("was copied from another machine (host {})", image.host());
    assert!(ended.stderr.contains(&words), "{}", ended.stderr);
    assert_eq!(collector.api().log_size().await, size, "it said nothing as the image");
    let names: Vec<_> = files(&machine.state()).into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| name.contains("key") || name.contains("tls")), "{names:?}");
    let former = machine.state().join("former").join(image.host()).join("identity.json");
    assert!(former.exists());

    let token_file = machine.state().with_file_name("token");
    std::fs::write(&token_file, collector.token().await).expect("token");
    let path = token_file.display().to_string();
    let args = ["--enroll-server", &collector.server(), "--enroll-token-file", &path];
    machine.report_with(&args).await.out();
    assert_ne!(machine.host(), image.host());
    // Enrolled now: the token is not needed again.
    std::fs::remove_file(&token_file).expect("removed");
    machine.report_with(&args).await.out();
    image.reports().await;
    assert_eq!(collector.api().items("/api/v1/hosts").await.len(), 2);
    assert_eq!(anomalies(&collector, &image).await, Vec::<Value>::new());
}

async fn a_clone_is_noticed_and_both_copies_are_told_apart(store: Store) {
    let collector = Collector::start(store).await;
    let root = Root::debian();
    let original = Agent::new().root(&root).machine(ONE);
    original.enroll(&collector.server(), &collector.token().await).await.out();
    original.reports().await;
    let clone = original.copied();
    clone.reports().await;
    // The number is taken: a new chain, as after a restored backup.
    original.reports().await;
    let found = anomalies(&collector, &original).await;
    assert_eq!(found.len(), 1);
    assert!(text(&found[0]["to"]).contains("new chain"), "{found:?}");
    // The restored machine would be silent in its old chain. This one goes on: two machines.
    for _ in 0..2 {
        clone.reports().await;
        original.reports().await;
    }
    let found = anomalies(&collector, &original).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let words = text(&found[0]["to"]);
    for part in [
        "two machines report as this host",
        &text(&original.chain()["chain"]),
        &text(&clone.chain()["chain"]),
        "last seen from 127.0.0.1 at ",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    collector.verified_log().await;
}

#[tokio::test]
async fn a_clone_is_noticed_and_both_copies_are_told_apart_on_sqlite() {
    a_clone_is_noticed_and_both_copies_are_told_apart(Store::Sqlite).await;
}

#[tokio::test]
async fn a_clone_is_noticed_and_both_copies_are_told_apart_on_postgres() {
    a_clone_is_noticed_and_both_copies_are_told_apart(Store::Postgres).await;
}

/// Repeats a step while the agent reports, until nothing holds it back.
async fn done(collector: &Collector, agent: &Agent, step: &[&str]) {
    holds(&format!("{step:?}"), async || {
        agent.reports().await;
        collector.cli(step).await.code == Some(0)
    })
    .await;
}

async fn an_authority_is_replaced_without_touching_hosts(store: Store) {
    let collector = Collector::start(store).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let authorities = |agent: &Agent| agent.identity()["trust"]["authorities"].clone();
    let (first, pair) = (authorities(&agent), serials(&agent));
    let rotate = |step: &'static str| ["authority", "rotate", step];
    refused(&collector.cli(&rotate("activate")).await, &["no key is prepared"]);
    refused(&collector.cli(&rotate("retire")).await, &["no former key"]);
    let said = collector.cli(&rotate("prepare")).await.out();
    assert!(said.contains("without a restart"), "{said}");
    refused(&collector.cli(&rotate("prepare")).await, &["prepared already"]);
    let early = collector.cli(&rotate("activate")).await;
    let host = agent.host();
    let words = "1 reporting host has not fetched the new trust bundle";
    refused(&early, &[words, &host, "--force"]);

    done(&collector, &agent, &rotate("activate")).await;
    assert_eq!(authorities(&agent).as_array().map(Vec::len), Some(2));
    let early = collector.cli(&rotate("retire")).await;
    refused(&early, &["1 reporting host", &host]);
    done(&collector, &agent, &rotate("retire")).await;
    holds("one authority", async || {
        agent.reports().await;
        authorities(&agent).as_array().map(Vec::len) == Some(1)
    })
    .await;
    assert_ne!(authorities(&agent), first);
    assert_ne!(serials(&agent), pair);
    assert_eq!(agent.host(), host);
    Agent::enrolled(&collector).await.root(&root).reports().await;
    assert_eq!(anomalies(&collector, &agent).await, Vec::<Value>::new());
    collector.verified_log().await;
}

#[tokio::test]
async fn an_authority_is_replaced_without_touching_hosts_on_sqlite() {
    an_authority_is_replaced_without_touching_hosts(Store::Sqlite).await;
}

#[tokio::test]
async fn an_authority_is_replaced_without_touching_hosts_on_postgres() {
    an_authority_is_replaced_without_touching_hosts(Store::Postgres).await;
}

#[tokio::test]
async fn a_log_key_is_replaced_and_the_checkpoints_of_both_are_verified() {
    let mut collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let checkpoint = async || collector.api().document("/api/v1/log/checkpoint").await;
    let signatures = |checkpoint: &Value| text(&checkpoint["note"]).matches("\n— ").count();
    let before = checkpoint().await;
    let rotate = |step: &'static str| ["log", "rotate-key", step];
    collector.cli(&rotate("prepare")).await.out();
    refused(&collector.cli(&rotate("activate")).await, &["has not fetched the new trust bundle"]);
    done(&collector, &agent, &rotate("activate")).await;
    holds("two signatures", async || signatures(&checkpoint().await) == 2).await;
    let during = checkpoint().await;
    assert_ne!(during["key"], before["key"]);
    done(&collector, &agent, &rotate("retire")).await;
    holds("one signature", async || signatures(&checkpoint().await) == 1).await;
    agent.reports().await;
    let after = checkpoint().await;
    assert_eq!(after["key"], during["key"]);

    let file = agent.state().with_file_name("checkpoint");
    let path = file.display().to_string();
    for kept in [&before, &during, &after] {
        std::fs::write(&file, text(&kept["note"])).expect("written");
        let args = ["log", "verify", "--checkpoint", &path, "--format", "json"];
        let verified = collector.cli(&args).await.json();
        assert_eq!(verified["checkpoint"], kept["size"], "{verified}");
        assert_eq!(verified["keys"].as_array().map(Vec::len), Some(2));
    }
    // The root of one size under the signature of another.
    let forged = text(&before["note"]).replacen(
        &format!("\n{}\n", before["size"]),
        &format!("\n{}\n", after["size"]),
        1,
    );
    std::fs::write(&file, forged).expect("written");
    let verified = collector.cli(&["log", "verify", "--checkpoint", &path]).await;
    assert_eq!(verified.code, Some(4), "{}", verified.stdout);
    assert_eq!(log_key(&text(&after["key"])).origin, text(&after["origin"]));
    // What was rotated holds over a restart.
    collector.stop().await;
    collector.restart().await;
    agent.reports().await;
}

/// Files and directories below `directory`, by name, with their mode.
fn files(directory: &Path) -> Vec<(String, u32)> {
    let mut found = vec![];
    let entries = std::fs::read_dir(directory).expect("listed");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    for path in paths {
        let data = std::fs::symlink_metadata(&path).expect("metadata");
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        found.push((name, data.permissions().mode() & 0o7777));
        if data.is_dir() {
            found.extend(files(&path));
        }
    }
    found
}

#[tokio::test]
async fn nothing_that_agent_or_collector_keeps_is_anybody_elses_to_read() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    collector.cli(&["authority", "rotate", "prepare"]).await.out();
    for directory in [agent.state(), collector.data()] {
        let mode = std::fs::metadata(&directory).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o7777, 0o700, "{}", directory.display());
        let found = files(&directory);
        let open: Vec<_> = found.iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
        assert!(found.len() > 5 && open.is_empty(), "{open:?}");
    }
}
