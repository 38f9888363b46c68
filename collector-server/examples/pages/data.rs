//! A small fleet on which everything happens, hostile names included. The same on every run.

use crate::catalogue::CONTROLS;
use evidence::{Digest, Facts, HostId, Source, Status};
use evidenced_collector::store::model::{
    DriftRow, HostRow, HostState, KindRow, LogHead, ResultRow,
};
use evidenced_collector::web::input::{Control, Now, Rule, Severity, Theme};
use evidenced_collector::web::marks::State;
use serde_json::json;
use std::collections::BTreeMap;

/// Mon 23 Nov 2026, 08:42 UTC.
pub(crate) const NOW: i64 = 1_795_423_320_000_000;
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1440 * MINUTE;

/// A state that held before, and its body.
type Before = (KindRow, Option<Facts>);

#[derive(Clone)]
pub(crate) struct Data {
    pub hosts: Vec<HostRow>,
    pub results: Vec<ResultRow>,
    pub rules: Vec<Rule>,
    pub controls: Vec<Control>,
    pub drifts: Vec<DriftRow>,
    pub kinds: BTreeMap<HostId, Vec<KindRow>>,
    pub bodies: BTreeMap<Digest, Facts>,
    pub before: BTreeMap<(HostId, String), Before>,
    pub log: LogHead,
}

impl Data {
    pub(crate) fn now(&self) -> Now<'_> {
        Now {
            at_us: NOW,
            hosts: &self.hosts,
            results: &self.results,
            rules: &self.rules,
            controls: &self.controls,
        }
    }

    pub(crate) fn file_name(&self, host: &HostRow) -> usize {
        self.hosts.iter().position(|row| row.id == host.id).unwrap_or_default() + 1
    }
}

/// Nothing enrolled yet: the catalogue and its rules, no host.
pub(crate) fn empty() -> Data {
    let log = LogHead { size: 0, root: Digest::of(b"") };
    let none = |mut control: Control| {
        control.state = State::None;
        control
    };
    Data {
        hosts: vec![],
        results: vec![],
        rules: rules(),
        controls: controls().into_iter().map(none).collect(),
        drifts: vec![],
        kinds: BTreeMap::new(),
        bodies: BTreeMap::new(),
        before: BTreeMap::new(),
        log,
    }
}

pub(crate) fn full() -> anyhow::Result<Data> {
    let mut data = Data {
        hosts: hosts(),
        results: results(),
        drifts: drifts(),
        log: LogHead { size: 1_204_866, root: Digest::of(b"root") },
        ..empty()
    };
    data.controls = controls();
    for n in [1, 2, 3, 4] {
        let (rows, bodies) = kinds(n)?;
        data.kinds.insert(id(n), rows);
        data.bodies.extend(bodies);
    }
    let earlier = ssh_server(9)?;
    for (n, body) in [(1, Some(earlier.clone())), (2, None)] {
        let row = KindRow { since_us: NOW - 22 * DAY, ..kind_row(n, &earlier) };
        data.before.insert((id(n), "ssh_server".into()), (row, body));
    }
    Ok(data)
}

fn id(n: u64) -> HostId {
    HostId::from_parts(1_700_000_000_000 + n, u128::from(n) << 40)
}

fn hosts() -> Vec<HostRow> {
    let host = |n, name: &str, group: &str, state, last: Option<i64>| HostRow {
        id: id(n),
        name: name.into(),
        group: group.into(),
        state,
        enrolled_us: NOW - 90 * DAY,
        last_received_us: last.map(|minutes| NOW - minutes * MINUTE),
        next_due_s: last.map(|_| 3600),
        agent: last.map(|_| "0.1.0".into()),
        manifest: last.map(|_| Digest::of(name.as_bytes())),
        revoked_us: None,
    };
    let mut hosts = vec![
        host(1, "web-01.example.org", "web-prod", HostState::Active, Some(12)),
        host(
            2,
            "<script>alert('web-02')</script>.example.org",
            "web-prod",
            HostState::Active,
            Some(40),
        ),
        host(3, "db-01.example.org", "db-prod", HostState::Active, Some(3 * 1440)),
        host(
            4,
            "build-with-a-very-long-name-that-does-not-break-03.ci.example.org",
            "build",
            HostState::Active,
            Some(1),
        ),
        host(5, "web-36.example.org", "web-prod", HostState::Enrolling, None),
        host(6, "old-01.example.org", "retired \"&\" gone", HostState::Retired, Some(60 * 1440)),
    ];
    for n in 7..=40 {
        let name = format!("app-{:02}.example.org", n - 6);
        hosts.push(host(n, &name, "app-prod", HostState::Active, Some(n as i64)));
    }
    if let Some(new) = hosts.iter_mut().find(|host| host.state == HostState::Enrolling) {
        new.enrolled_us = NOW - 52 * MINUTE;
    }
    hosts
}

const RULES: &[(&str, &str, &str, Severity, &str)] = &[
    ("acc-uid0-only-root", "Only root has UID 0", "A.5.16 A.8.2", Severity::Critical, "accounts"),
    (
        "acc-no-empty-password",
        "No account has an empty password",
        "A.5.17 A.8.5",
        Severity::Critical,
        "accounts",
    ),
    (
        "acc-dormant",
        "No human account unused longer than the limit",
        "A.5.18 A.5.16",
        Severity::High,
        "accounts",
    ),
    (
        "ssh-no-password",
        "SSH password authentication is off",
        "A.8.5",
        Severity::High,
        "ssh_server",
    ),
    (
        "ssh-no-root-login",
        "SSH does not allow root to log in",
        "A.8.2 A.8.5",
        Severity::Critical,
        "ssh_server",
    ),
    ("ssh-idle-timeout", "SSH drops dead peers", "A.8.5", Severity::Low, "ssh_server"),
    (
        "ssh-no-weak-macs",
        "SSH offers no weak message authentication codes",
        "A.8.24",
        Severity::Medium,
        "ssh_server",
    ),
    (
        "pkg-unwanted",
        "No package of the unwanted list is installed",
        "A.8.9 A.8.19",
        Severity::Medium,
        "packages",
    ),
    ("os-supported", "The release is supported by its vendor", "A.8.8", Severity::High, "host_os"),
    ("log-remote", "Logs are sent to another host", "A.8.15", Severity::High, "logging"),
    ("bak-recent", "A backup is younger than a day", "A.8.13", Severity::High, "backup"),
    ("self-kinds", "Every kind could be read", "", Severity::Medium, "meta"),
];

fn rules() -> Vec<Rule> {
    let rule = |(id, title, controls, severity, kind): &(&str, &str, &str, Severity, &str)| Rule {
        id: (*id).into(),
        title: (*title).into(),
        controls: controls.split_whitespace().map(str::to_owned).collect(),
        severity: *severity,
        evidence: vec![(*kind).into()],
        rationale: "What it guards against, in a sentence.".into(),
        remediation: "What to change, <b>as text</b>, and reload.".into(),
        not_shown: id
            .starts_with("ssh")
            .then(|| "Whether a key has a passphrase, or who holds it".into()),
        profile: "essential".into(),
        coverage: Default::default(),
    };
    RULES.iter().map(rule).collect()
}

fn controls() -> Vec<Control> {
    let control = |(id, title, hosts): &(&str, &str, bool)| Control {
        id: (*id).into(),
        title: (*title).into(),
        theme: match id.get(..4) {
            Some("A.5.") => Theme::Organizational,
            Some("A.6.") => Theme::People,
            Some("A.7.") => Theme::Physical,
            _ => Theme::Technological,
        },
        control_type: vec!["preventive".into()],
        iso2013: vec!["A.9.4.2".into()],
        host_evidence: hosts.then(|| "Effective settings of services and accounts.".into()),
        not_shown: hosts.then(|| "Logins to web and SaaS applications".into()),
        state: state(id),
        open_deviations: 0,
        unseen: None,
    };
    CONTROLS.iter().map(control).collect()
}

fn state(id: &str) -> State {
    match id {
        "A.5.18" | "A.8.5" | "A.8.2" => State::Deviating,
        "A.8.15" | "A.8.24" => State::Blind,
        "A.8.13" => State::Stale,
        "A.8.30" | "A.7.11" => State::Excluded,
        "A.5.16" | "A.5.17" | "A.8.8" | "A.8.9" | "A.8.19" => State::Operating,
        _ => State::None,
    }
}

fn result(host: u64, rule: &str, outcome: &str, ago_us: i64) -> ResultRow {
    ResultRow {
        host: id(host),
        rule: rule.into(),
        outcome: outcome.into(),
        reason: None,
        offenders: vec![],
        since_us: NOW - ago_us,
        known: 1_204_000,
        cause: None,
    }
}

fn results() -> Vec<ResultRow> {
    let mut rows: Vec<ResultRow> = Vec::new();
    for host in (1..=4).chain(7..=40) {
        for (rule, ..) in RULES {
            let row = result(host, rule, "pass", 20 * DAY + i64::try_from(host).unwrap_or(0));
            rows.push(special(host, rule).unwrap_or(row));
        }
    }
    rows
}

/// What is not a pass.
fn special(host: u64, rule: &str) -> Option<ResultRow> {
    let fail = |ago, offenders: &[&str]| {
        let offenders = offenders.iter().map(|o| (*o).to_owned()).collect();
        Some(ResultRow { offenders, ..result(host, rule, "fail", ago) })
    };
    let unknown = |reason: &str| {
        Some(ResultRow { reason: Some(reason.into()), ..result(host, rule, "unknown", 2 * DAY) })
    };
    match (host, rule) {
        (1, "ssh-no-password") => fail(
            150 * MINUTE,
            &["/etc/ssh/sshd_config.d/50-cloud-init.conf:1 passwordauthentication yes"],
        ),
        (2, "ssh-no-password") => {
            fail(17 * DAY, &["<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>"])
        }
        (2, "acc-uid0-only-root") => fail(3 * DAY, &["toor' style='color:red", "{{ 7*7 }}"]),
        (3, "acc-dormant") => fail(39 * DAY, &["deploy", "backup-old"]),
        (4, "ssh-idle-timeout") => fail(62 * DAY, &[]),
        (4, "pkg-unwanted") => {
            let names: Vec<String> =
                (1..=60).map(|n| format!("unwanted-package-number-{n}")).collect();
            fail(9 * DAY, &names.iter().map(String::as_str).collect::<Vec<_>>())
        }
        (4, "ssh-no-weak-macs") => unknown("unread: effective_algorithms.macs"),
        (4, "acc-no-empty-password" | "acc-dormant") => unknown("denied"),
        (4, "self-kinds") => fail(2 * DAY, &["accounts: denied"]),
        (_, "log-remote") if host.is_multiple_of(3) => unknown("denied"),
        (_, "bak-recent") if host > 4 => Some(result(host, rule, "not_applicable", 20 * DAY)),
        (7..=12, "acc-dormant") => fail(5 * DAY, &["intern"]),
        _ => None,
    }
}

fn drifts() -> Vec<DriftRow> {
    let drift = |n: i64,
                 host,
                 drift: &str,
                 rule: Option<&str>,
                 kind: Option<&str>,
                 cause: &str,
                 from: &str,
                 to: &str| DriftRow {
        id: n.to_string(),
        drift: drift.into(),
        host: id(host),
        rule: rule.map(str::to_owned),
        kind: kind.map(str::to_owned),
        cause: cause.into(),
        severity: "high".into(),
        from: from.into(),
        to: to.into(),
        offenders: vec![],
        opened_us: NOW - n * 700 * MINUTE,
        resolved_us: None,
    };
    vec![
        drift(1, 1, "regression", Some("ssh-no-password"), None, "host_changed", "pass", "fail"),
        drift(2, 4, "evidence_lost", None, Some("accounts"), "evidence_lost", "ok", "denied"),
        drift(3, 3, "not_reporting", None, None, "evidence_lost", "reporting", "silent"),
        drift(4, 2, "regression", Some("acc-uid0-only-root"), None, "host_changed", "pass", "fail"),
    ]
}

type Kinds = (Vec<KindRow>, Vec<(Digest, Facts)>);

fn kinds(host: u64) -> anyhow::Result<Kinds> {
    let bodies = [ssh_server(host)?, accounts(host)?, packages()?];
    let mut rows: Vec<KindRow> = bodies.iter().map(|facts| kind_row(host, facts)).collect();
    let mut kept: Vec<(Digest, Facts)> = bodies.into_iter().map(|f| (f.id(), f)).collect();
    if host == 4
        && let [ssh, accounts, packages] = rows.as_mut_slice()
    {
        ssh.status = Status::Partial;
        ssh.unread = vec!["effective_algorithms.macs".into(), "host_keys.fingerprint".into()];
        accounts.status = Status::Denied;
        accounts.facts = None;
        accounts.unread = vec!["users.password".into()];
        if let Some(shadow) = accounts.sources.first_mut() {
            shadow.status = Status::Denied;
            shadow.note = Some("EACCES <b>here</b>".into());
        }
        // Named, and its body is gone.
        kept.retain(|(id, _)| Some(*id) != packages.facts);
        packages.facts = Some(Digest::of(b"erased"));
    }
    Ok((rows, kept))
}

fn kind_row(host: u64, facts: &Facts) -> KindRow {
    let source = |path: &str, bytes: Option<i64>| Source {
        path: path.into(),
        status: Status::Ok,
        size_bytes: bytes,
        modified_s: bytes.map(|_| (NOW - 380 * DAY) / 1_000_000),
        note: None,
    };
    let sources = match facts.kind.as_str() {
        "ssh_server" => vec![
            source("/etc/ssh/sshd_config", Some(3_254)),
            source("/etc/ssh/sshd_config.d/50-cloud-init.conf", Some(27)),
            source("/var/lib/dpkg/status", None),
        ],
        "accounts" => vec![source("/etc/shadow", None), source("/etc/passwd", None)],
        _ => vec![source("/var/lib/dpkg/status", None)],
    };
    KindRow {
        host: id(host),
        kind: facts.kind.clone(),
        status: Status::Ok,
        facts: Some(facts.id()),
        sources,
        unread: vec![],
        since_us: NOW - 5 * DAY,
        collected_us: Some(NOW - 12 * MINUTE),
    }
}

fn ssh_server(host: u64) -> anyhow::Result<Facts> {
    let data = json!({
        "installed": true, "running": true, "version": "9.2p1", "socket_activated": false, "unresolved": [],
        "global": {"passwordauthentication": if host < 3 { "yes" } else { "no" }, "permitrootlogin": "no",
            "maxauthtries": 4, "clientaliveinterval_s": 300, "ports": [22], "loglevel": "VERBOSE"},
        "matches": [{"criteria": "Group sftp-only", "location": "/etc/ssh/sshd_config:14",
            "settings": {"chrootdirectory": "/srv/sftp/%u", "forcecommand": "<script>alert(3)</script>"}}],
        "worst": {"passwordauthentication": "yes", "permitrootlogin": "no"},
        "effective_algorithms": {"ciphers": ["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"],
            "macs": ["hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", if host < 3 { "hmac-sha1" } else { "umac-128-etm@openssh.com" }]},
    });
    Ok(Facts::new("ssh_server", 1, data)?)
}

fn accounts(host: u64) -> anyhow::Result<Facts> {
    let user = |n: u64| {
        json!({"name": format!("user-{n}"), "uid": 1000 + n, "gid": 1000, "shell": "/bin/bash",
            "home": format!("/home/user-{n}"), "password": {"state": "locked", "age_day": 20_000 + host}})
    };
    Ok(Facts::new("accounts", 1, json!({"users": (1..=9).map(user).collect::<Vec<_>>()}))?)
}

fn packages() -> anyhow::Result<Facts> {
    let item = |n: u64| json!({"name": format!("package-{n}"), "version": format!("1:{n}.2-3"), "arch": "amd64"});
    let items: Vec<_> = (0..900).map(item).collect();
    Ok(Facts::new("packages", 1, json!({"count": 900, "manager": "dpkg", "items": items}))?)
}
