//! What hosts of the demonstration say of themselves: what the agent gathers of a Debian server that
//! a careful team runs (`facts.json`, made from fixtures by `tests/demo_facts.rs`), and what can
//! become of it.

use super::fleet::DAY_US;
use anyhow::Context;
use evidence::{Digest, Facts, KindEntry, Manifest, Status};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

const FACTS: &str = include_str!("facts.json");
/// Days between two refreshes of the package lists, and two backups.
const REFRESH_DAYS: i64 = 2;

/// What is installed beside what the fixture has.
const PACKAGES: [(&str, &str); 12] = [
    ("apparmor", "3.0.8-3"),
    ("auditd", "1:3.0.9-1"),
    ("bash", "5.2.15-2+b8"),
    ("chrony", "4.3-2+deb12u1"),
    ("clamav-daemon", "1.4.6+dfsg-0"),
    ("coreutils", "9.1-1"),
    ("nftables", "1.0.6-2+deb12u2"),
    ("openssh-server", "1:9.2p1-2+deb12u7"),
    ("openssl", "3.0.17-1~deb12u1"),
    ("restic", "0.14.0-1+b5"),
    ("rsyslog", "8.2302.0-1+deb12u1"),
    ("sudo", "1.9.13p3-1+deb12u2"),
];

/// Something that became of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// sshd lets root in with a password.
    RootLogin,
    /// sshd asks for keys, and forwards nothing.
    KeysOnly,
    /// A second account of uid 0.
    SecondRoot,
    /// One more account that sudo lets do everything.
    Operator(&'static str),
    /// Security updates wait.
    UpdatesWait,
    /// Disks are nearly full.
    DiskFull,
    /// rsyslog stands still.
    LogStopped,
    /// Nobody audits.
    AuditOff,
    /// Something listens to all for searches.
    SearchPort,
    /// The clock follows nobody.
    ClockLoose,
    /// Logs go to another host.
    LogsShipped,
    /// The file of accounts may not be read.
    AccountsDenied,
}

/// A state as it travels.
pub(super) struct State {
    pub(super) id: Digest,
    pub(super) manifest: Vec<u8>,
    pub(super) facts: BTreeMap<Digest, Vec<u8>>,
}

#[derive(Deserialize)]
struct Said {
    status: Status,
    #[serde(default)]
    unread: Vec<String>,
    v: i64,
    data: Value,
}

/// Group, changes, and the day of the last refresh.
type Key = (&'static str, &'static [Change], i64);

/// The state of a host of this group to which this happened; the same one is made once.
pub(super) fn state(
    group: &'static str,
    changes: &'static [Change],
    now_us: i64,
) -> anyhow::Result<Arc<State>> {
    static MADE: Mutex<BTreeMap<Key, Arc<State>>> = Mutex::new(BTreeMap::new());
    let day = now_us.div_euclid(DAY_US);
    let refreshed = day - day.rem_euclid(REFRESH_DAYS);
    let mut states = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (group, changes, refreshed);
    if let Some(state) = states.get(&key) {
        return Ok(Arc::clone(state));
    }
    let state = Arc::new(made(group, changes, refreshed)?);
    // Nobody goes back to a refresh before the last one.
    states.retain(|(_, _, of), _| *of + REFRESH_DAYS >= refreshed);
    states.insert(key, Arc::clone(&state));
    Ok(state)
}

fn sound() -> anyhow::Result<&'static BTreeMap<String, Said>> {
    static SOUND: OnceLock<BTreeMap<String, Said>> = OnceLock::new();
    if let Some(sound) = SOUND.get() {
        return Ok(sound);
    }
    let read = serde_json::from_str(FACTS).context("the facts of the demonstration")?;
    Ok(SOUND.get_or_init(|| read))
}

fn made(group: &str, changes: &[Change], refreshed: i64) -> anyhow::Result<State> {
    let (mut kinds, mut facts) = (BTreeMap::new(), BTreeMap::new());
    for (kind, said) in sound()? {
        if kind == "accounts" && changes.contains(&Change::AccountsDenied) {
            let (sources, unread) = (vec![], vec![]);
            let denied = KindEntry { status: Status::Denied, facts: None, sources, unread };
            kinds.insert(kind.clone(), denied);
            continue;
        }
        let mut data = said.data.clone();
        of_the_day(kind, refreshed, &mut data);
        let of_group = of_group(group).iter();
        for change in of_group.chain(changes) {
            apply(kind, *change, &mut data).with_context(|| format!("{kind}: {change:?}"))?;
        }
        let document = Facts::new(kind, said.v, data)?;
        let (status, unread) = (said.status, said.unread.clone());
        let entry = KindEntry { status, facts: Some(document.id()), sources: vec![], unread };
        kinds.insert(kind.clone(), entry);
        facts.insert(document.id(), document.bytes().to_vec());
    }
    let manifest = Manifest { kinds }.to_bytes()?;
    Ok(State { id: Digest::of(&manifest), manifest, facts })
}

/// What a group has that others lack.
fn of_group(group: &str) -> &'static [Change] {
    match group {
        "web" | "proxy" => &[Change::KeysOnly, Change::LogsShipped],
        "app" | "database" => &[Change::KeysOnly, Change::LogsShipped, Change::Operator("deploy")],
        "mail" => &[Change::KeysOnly],
        "search" => &[Change::LogsShipped, Change::SearchPort],
        _ => &[],
    }
}

/// Moves what was said of a day to the day of the last refresh.
fn of_the_day(kind: &str, refreshed: i64, data: &mut Value) {
    match kind {
        "package_updates" => {
            data["metadata_day"] = json!(refreshed);
            data["automatic"]["last_success_day"] = json!(refreshed);
            for repository in data["repositories"].as_array_mut().into_iter().flatten() {
                if repository["security"] == json!(true) {
                    repository["released_day"] = json!(refreshed);
                    repository["valid_until_day"] = json!(refreshed + 7);
                }
            }
        }
        "file_integrity" => {
            for tool in data["tools"].as_array_mut().into_iter().flatten() {
                tool["database_day"] = json!(refreshed);
            }
        }
        "logins" => {
            data["records"][0]["newest_day"] = json!(refreshed);
            for login in data["last_logins"].as_array_mut().into_iter().flatten() {
                login["day"] = json!(refreshed - 1);
            }
        }
        "endpoint_protection" => data["products"][0]["signature_day"] = json!(refreshed),
        "packages" => {
            if let Some(items) = data["items"].as_array_mut() {
                items.extend(PACKAGES.map(
                    |(name, version)| json!({"name": name, "version": version, "arch": "amd64"}),
                ));
                items.sort_by_key(|item| item["name"].as_str().map(str::to_owned));
                let count = items.len();
                data["count"] = json!(count);
            }
        }
        "backup" => {
            for job in data["jobs"].as_array_mut().into_iter().flatten() {
                job["last_success_day"] = json!(refreshed);
            }
        }
        _ => {}
    }
}

fn apply(kind: &str, change: Change, data: &mut Value) -> anyhow::Result<()> {
    match (kind, change) {
        ("ssh_server", Change::RootLogin) => of_sshd(data, &[("permitrootlogin", json!("yes"))]),
        ("ssh_server", Change::KeysOnly) => of_sshd(data, KEYS_ONLY.get_or_init(keys_only)),
        ("accounts", Change::SecondRoot) => add_user(data, "toor", 0)?,
        ("accounts", Change::Operator(name)) => add_user(data, name, 1100)?,
        ("sudo", Change::Operator(name)) => {
            let entries = data["entries"].as_array_mut().context("entries")?;
            let mut entry = entries.first().context("an entry")?.clone();
            entry["source"] = json!(format!("/etc/sudoers.d/{name}"));
            (entry["line"], entry["principals"]) = (json!(1), json!([name]));
            entries.push(entry);
            if let Some(principals) = data["resolved_principals"].as_array_mut() {
                principals.push(json!(name));
            }
        }
        ("package_updates", Change::UpdatesWait) => data["pending"] = waiting(),
        ("capacity", Change::DiskFull) => data["filesystems"][0]["used_pct"] = json!(95),
        ("logging", Change::LogStopped) => {
            data["syslog"]["active"] = json!(false);
            data["last_entry_age"] = json!("older");
        }
        ("logging", Change::LogsShipped) => {
            data["remote_targets"] = json!([{
                "via": "rsyslog", "target": "logs.example.org", "port": 6514, "protocol": "tcp",
                "tls": true, "loopback": false, "conditional": false,
            }]);
        }
        ("audit", Change::AuditOff) => {
            (data["daemon_active"], data["enabled"]) = (json!(false), json!(0));
        }
        ("listening_ports", Change::SearchPort) => {
            let ports = data["tcp"].as_array_mut().context("tcp")?;
            let mut port = ports.first().context("a port")?.clone();
            (port["key"], port["port"]) = (json!("tcp/9200"), json!(9200));
            (port["programs"], port["units"]) =
                (json!(["/usr/share/search/bin/java"]), json!(["search.service"]));
            ports.push(port);
        }
        ("time_sync", Change::ClockLoose) => {
            (data["synchronised"], data["last_sync_age"]) = (json!(false), json!("older"));
        }
        _ => {}
    }
    Ok(())
}

type Settings = Vec<(&'static str, Value)>;
static KEYS_ONLY: OnceLock<Settings> = OnceLock::new();

fn keys_only() -> Settings {
    vec![
        ("permitrootlogin", json!("no")),
        ("passwordauthentication", json!("no")),
        ("x11forwarding", json!("no")),
        ("allowtcpforwarding", json!("no")),
        ("allowagentforwarding", json!("no")),
        ("loglevel", json!("VERBOSE")),
        ("maxauthtries", json!(4)),
        ("logingracetime_s", json!(60)),
        ("clientaliveinterval_s", json!(300)),
    ]
}

/// What holds for everybody, and for whom it is worst.
fn of_sshd(data: &mut Value, settings: &[(&'static str, Value)]) {
    for part in ["global", "worst"] {
        for (name, value) in settings {
            data[part][*name] = value.clone();
        }
    }
}

/// Security updates as the lists of apt tell them: they rate nothing.
fn waiting() -> Value {
    let update = |name: &str| {
        json!({
            "name": name, "installed": "3.0.17-1~deb12u1", "candidate": "3.0.17-1~deb12u3",
            "security": true, "severity": "unknown", "kept_back": "no",
        })
    };
    json!([update("libssl3"), update("openssl")])
}

/// A copy of an account that is there, under another name and uid.
fn add_user(data: &mut Value, name: &str, uid: i64) -> anyhow::Result<()> {
    let users = data["users"].as_array_mut().context("users")?;
    let mut user = users.first().context("a user")?.clone();
    (user["name"], user["uid"]) = (json!(name), json!(uid));
    user["home"] = json!(format!("/home/{name}"));
    if uid != 0 {
        user["system"] = json!(false);
        user["groups"] = json!([name, "sudo"]);
    }
    users.push(user);
    users.sort_by_key(|user| user["name"].as_str().map(str::to_owned));
    if let Some(privileged) = data["privileged_users"].as_array_mut() {
        privileged.push(json!(name));
        privileged.sort_by_key(|name| name.as_str().map(str::to_owned));
    }
    Ok(())
}
