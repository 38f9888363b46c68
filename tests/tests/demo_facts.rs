//! What the hosts of the demonstration say of themselves is what the agent gathers of fixtures:
//! `UPDATE_EXPECT=1 cargo test -p evidenced-tests --test demo_facts` writes it into the collector.

use evidenced_tests::Case;
use serde_json::{Map, Value, json};
use std::path::Path;

/// A Debian server as a careful team runs it: kind and fixture.
const FIXTURES: [(&str, &str); 30] = [
    ("accounts", "debian_as_installed"),
    ("audit", "kernel_full"),
    ("authorized_keys", "elsewhere"),
    ("backup", "marker_of_root"),
    ("capacity", "roomy"),
    ("certificates", "fips_off"),
    ("containers", "none"),
    ("endpoint_protection", "clamav"),
    ("file_integrity", "intact"),
    ("file_permissions", "debian_as_installed"),
    ("file_walk", "as_installed"),
    ("firewall", "nftables_drops"),
    ("host_os", "debian_12_server"),
    ("kernel", "newest_runs"),
    ("kernel_hardening", "hardened"),
    ("listening_ports", "server"),
    ("logging", "running"),
    ("logins", "lastlog"),
    ("mac", "apparmor_enforces"),
    ("meta", "own_user"),
    ("package_updates", "running_current"),
    ("packages", "installed_and_removed"),
    ("password_policy", "hardened"),
    ("platform_trust", "uefi_secure"),
    ("services", "debian"),
    ("session_lock", "server"),
    ("ssh_server", "running"),
    ("storage", "luks_under_lvm"),
    ("sudo", "debian_as_installed"),
    ("time_sync", "chrony"),
];

#[test]
fn the_demonstration_says_what_the_agent_gathers_of_fixtures() {
    let mut kinds = Map::new();
    for (kind, name) in FIXTURES {
        let collector = evidenced_agent::collectors::find(kind).expect("a kind");
        let cases = Case::all(collector);
        let case = cases.iter().find(|case| case.name == format!("{kind}/{name}"));
        let collected = case.unwrap_or_else(|| panic!("{kind}/{name}"));
        let collected = collected.collected(&collected.fixture);
        let facts = collected.facts.expect("facts");
        let said = json!({
            "status": collected.status,
            "unread": collected.unread,
            "v": facts.v,
            "data": facts.data,
        });
        kinds.insert(kind.to_owned(), said);
    }
    let made = format!("{}\n", serde_json::to_string_pretty(&Value::Object(kinds)).expect("JSON"));
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector-server/src/demo/facts.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &made).expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "stale: run this test with UPDATE_EXPECT=1");
}
