//! The promises of the judge, over the rules that are compiled in.

use super::*;
use crate::catalogue::Catalogue;
use evidence::{Facts, Status};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

const TODAY: i64 = 20_779;
const KINDS: usize = evidence::kinds::ALL.len();

fn judge() -> &'static Judge {
    static JUDGE: OnceLock<Judge> = OnceLock::new();
    JUDGE.get_or_init(|| {
        let catalogue = Catalogue::builtin().expect("catalogue");
        Judge::new(Arc::new(RuleSet::builtin(&catalogue).expect("rules")))
    })
}

fn rules_of(text: &str) -> Judge {
    let catalogue = Catalogue::builtin().expect("catalogue");
    let sources = [("a.toml".to_owned(), text.to_owned())];
    Judge::new(Arc::new(RuleSet::from_sources(&sources, &catalogue).expect("rules")))
}

fn state(kind: &str, data: Value) -> KindState {
    let facts = Facts::new(kind, 1, data).expect("facts");
    KindState { status: Status::Ok, unread: vec![], facts: Some(Arc::new(facts)) }
}

/// Facts that pass every rule that applies, typed by the contract so that they stay whole.
fn good_data() -> [(&'static str, Value); KINDS] {
    [
        ("accounts", accounts()),
        ("audit", audit()),
        ("authorized_keys", authorized_keys()),
        ("backup", backup()),
        ("capacity", capacity()),
        ("certificates", certificates()),
        ("containers", containers()),
        ("endpoint_protection", endpoint_protection()),
        ("file_integrity", file_integrity()),
        ("file_permissions", file_permissions()),
        ("file_walk", file_walk()),
        ("firewall", firewall()),
        ("host_os", host_os()),
        ("kernel", kernel()),
        ("kernel_hardening", kernel_hardening()),
        ("listening_ports", listening_ports()),
        ("logging", logging()),
        ("logins", logins()),
        ("mac", mac()),
        ("meta", meta()),
        ("package_updates", package_updates()),
        ("packages", packages()),
        ("password_policy", password_policy()),
        ("platform_trust", platform_trust()),
        ("services", services()),
        ("session_lock", session_lock()),
        ("ssh_server", ssh_server()),
        ("storage", storage()),
        ("sudo", sudo()),
        ("time_sync", time_sync()),
    ]
}

fn accounts() -> Value {
    let user = |name: &str, uid: i64, human: bool| {
        json!({"name": name, "uid": uid, "gid": uid, "home": "/h", "shell": "/bin/sh",
            "home_exists": true, "home_other_read": false, "home_other_write": false,
            "home_other_search": false, "home_group_write": false,
            "home_foreign_owner": false,
            "login_shell": true, "system": !human, "human": human, "enabled": true,
            "groups": [name, "vendors"],
            "password": {"state": "set", "hash_scheme": "yescrypt", "last_change_day": TODAY - 9,
                "expires": true, "expire_day": TODAY + 9}})
    };
    json!({"users": [user("root", 0, false), user("ada", 1000, true)],
        "groups": [{"name": "vendors", "gid": 500, "members": []}],
        "duplicates": {"uids": [], "gids": [], "names": []},
        "privileged_users": ["root"], "hashes_in_passwd": [], "legacy_plus_entries": 0,
        "nss_passwd": ["files"], "shadow_only": []})
}

fn backup() -> Value {
    json!({"tools": [{"name": "restic", "schedules": ["restic.timer"]}],
        "jobs": [{"name": "restic", "last_run_succeeded": true, "has_succeeded": true,
            "last_success_day": TODAY, "tool": "restic", "destination": "remote",
            "encryption": "tool"}],
        "repositories": [{"tool": "borg", "id": "0123abcd", "last_change_day": TODAY,
            "destination": "remote", "encryption": "tool"}]})
}

fn containers() -> Value {
    json!({"runtimes": [{"name": "docker", "version": "20.10.24"}],
        "sockets": [{"path": "/run/docker.sock", "group": "docker", "group_write": true,
            "other_write": false}],
        "docker": {"tcp_listener": true, "tls_verify": true, "userns_remap": true,
            "no_new_privileges": true, "live_restore": true, "icc": false, "log_driver": "local",
            "log_max_size": "", "insecure_registries": []},
        "docker_group_members": [],
        "workloads": [{"name": "app", "engine": "docker", "image": "app:1", "privileged": false,
            "user_root": false, "host_pid": false, "host_network": false, "host_ipc": false,
            "mounts_engine_socket": false, "caps_added": [], "read_only": true}],
        "has_kubelet": true,
        "kubelet": {"anonymous": false, "authorization_mode": "Webhook", "read_only_port": 0}})
}

fn endpoint_protection() -> Value {
    json!({"products": [{"name": "clamav", "kind": "av", "version": "1.4.6+dfsg-0", "running": true,
        "realtime": true, "local_signatures": true, "signature_day": TODAY}]})
}

fn host_os() -> Value {
    json!({"id": "debian", "id_like": [], "family": "debian", "is_workstation": false,
        "in_container": false,
        "support": {"standard_end_day": TODAY + 300, "lts_end_day": TODAY + 900,
            "extended_end_day": TODAY + 1800, "source": "distro_info"}})
}

fn kernel_hardening() -> Value {
    json!({"sysctl": {"fs.protected_hardlinks": 1, "fs.protected_symlinks": 1,
            "fs.suid_dumpable": 0, "kernel.dmesg_restrict": 1, "kernel.kexec_load_disabled": 1,
            "kernel.kptr_restrict": 1, "kernel.perf_event_paranoid": 3,
            "kernel.randomize_va_space": 2, "kernel.unprivileged_bpf_disabled": 2,
            "kernel.yama.ptrace_scope": 1, "net.core.bpf_jit_harden": 2,
            "net.ipv4.conf.all.accept_redirects": 0, "net.ipv4.conf.all.accept_source_route": 0,
            "net.ipv4.conf.default.accept_redirects": 0, "net.ipv4.ip_forward": 0,
            "net.ipv4.tcp_syncookies": 1},
        "mismatches": [], "modules_unsigned": [], "modules_out_of_tree": [],
        "usb_storage": {"blocked": true, "loaded": false, "builtin": false}})
}

fn listening_ports() -> Value {
    let socket = |key: &str, port: i64, scope: &str, program: &str| {
        json!({"key": key, "port": port, "ip": "v4", "scope": scope, "uids": [0],
            "programs": [program], "units": []})
    };
    json!({"tcp": [socket("tcp/22", 22, "any", "/usr/sbin/sshd"),
            socket("tcp/5432", 5432, "loopback", "/usr/bin/postgres")],
        "udp": [socket("udp/323", 323, "loopback", "/usr/sbin/chronyd")],
        "udp_not_listed": [{"first": 32768, "last": 60999}]})
}

fn logging() -> Value {
    json!({"journald": {"installed": true, "persistent": true},
        "syslog": {"daemon": "rsyslog", "enabled": true, "active": true,
            "main_files": ["/var/log/syslog"]},
        "remote_targets": [{"via": "rsyslog", "target": "log.example.org", "port": 6514,
            "protocol": "tcp", "tls": true, "loopback": false, "conditional": false}],
        "shippers": [],
        "files": [{"path": "/var/log/syslog", "other_read": false, "other_write": false,
            "rotated": true, "at_least_days": 180, "at_most_days": 210}],
        "last_entry_age": "under_1h"})
}

fn packages() -> Value {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
    let items: Vec<_> =
        names.iter().map(|n| json!({"name": n, "version": "1", "arch": "amd64"})).collect();
    json!({"manager": "dpkg", "count": items.len(), "items": items, "held": [], "broken": []})
}

fn password_policy() -> Value {
    json!({"local_passwords": true, "services": [], "quality_module": "pwquality", "minlen": 14,
        "minclass": 0, "dictcheck": true, "enforce_for_root": false, "history": 5,
        "nullok": false, "lockout": {"module": "faillock", "deny": 5, "unlock_time_s": 600,
            "fail_interval_s": 900, "even_deny_root": false},
        "hash_scheme_default": "yescrypt", "umask_other_read": false, "umask_group_write": false,
        "su_installed": true, "su_restricted": true, "mfa_modules": []})
}

fn session_lock() -> Value {
    json!({"desktops": ["gnome"], "autologin": false,
        "effective": {"enabled": true, "timeout_s": 300, "user_overridable": false},
        "media": {"automount": false, "autorun": false, "user_overridable": false},
        "tmout_s": 900, "tmout_readonly": true, "stop_idle_session_s": 0,
        "issue": {"has_words": true, "names_system": false}})
}

fn ssh_server() -> Value {
    json!({"installed": true,
        "global": {"strictmodes": "yes", "loglevel": "INFO", "permituserenvironment": "no",
            "logingracetime_s": 60, "clientaliveinterval_s": 300, "clientalivecountmax": 3,
            "allowusers": [], "allowgroups": ["ssh-users"]},
        "worst": {"permitrootlogin": "no", "passwordauthentication": "no",
            "kbdinteractiveauthentication": "no", "permitemptypasswords": "no",
            "hostbasedauthentication": "no", "x11forwarding": "no", "permittunnel": "no",
            "maxauthtries": 6},
        "effective_algorithms": {"ciphers": ["aes256-ctr"], "macs": ["hmac-sha2-256"],
            "kex": ["curve25519-sha256"]},
        "host_keys": [{"path": "/k", "type": "rsa", "bits": 3072, "uid": 0, "group": "root",
            "group_read": false, "other_read": false}],
        "unresolved": []})
}

fn sudo() -> Value {
    json!({"entries": [{"source": "/etc/sudoers", "line": 1, "principals": ["%sudo"],
            "hosts": ["ALL"], "runas": ["ALL"], "runas_root": true, "all_commands": true,
            "commands": [{"path": "ALL", "name": "ALL", "arguments": "any", "negated": false}],
            "nopasswd": false, "setenv": true, "noexec": false, "negated_command": false}],
        "defaults": {"use_pty": true, "syslog": true, "logfile": "", "log_allowed": true,
            "timestamp_expires": true, "timestamp_timeout_s": 900, "authenticate": true,
            "exempt_group": "", "env_reset": true, "secure_path": "/usr/sbin:/usr/bin",
            "log_output": false, "targetpw": false},
        "resolved_principals": ["ada"], "unresolved": [], "ldap_source": false,
        "files": [{"path": "/etc/sudoers", "uid": 0, "group_write": false, "other_write": false}]})
}

fn time_sync() -> Value {
    json!({"clients": [{"name": "chrony", "enabled": true, "active": true}],
        "synchronised": true, "last_sync_age": "under_3h",
        "sources": [{"client": "chrony", "form": "pool", "address": "2.debian.pool.ntp.org",
            "nts": true, "noselect": false}],
        "timezone": "Etc/UTC", "hardware_clock": "utc"})
}

fn logins() -> Value {
    json!({"records": [
            {"format": "lastlog", "per_account": true, "holds_logins": true, "newest_day": TODAY - 1},
            {"format": "wtmp", "per_account": false, "holds_logins": true, "newest_day": TODAY - 1,
                "oldest_day": TODAY - 100}],
        "last_logins": [{"name": "ada", "day": TODAY - 1, "proof": "lastlog"}],
        "unseen": ["root"]})
}

fn authorized_keys() -> Value {
    json!({"entries": [{"user": "ada", "uid": 1000, "path": "/h/.ssh/authorized_keys",
            "type": "ed25519", "bits": 256, "fingerprint": "SHA256:one", "options": [],
            "has_from": false, "restricted": false, "cert_authority": false}],
        "files": [{"path": "/h/.ssh/authorized_keys", "user": "ada", "owner_ok": true,
            "group_write": false, "other_write": false}],
        "command_configured": false})
}

fn capacity() -> Value {
    json!({"cpus": 4, "memory_mib": 8192, "memory_left": "ample", "swap_mib": 0, "load": "low",
        "filesystems": [{"mount": "/", "used_pct": 45}]})
}

fn package_updates() -> Value {
    json!({"manager": "apt", "repositories": [{"uri": "http://mirror.example/debian-security/",
            "suite": "bookworm-security", "components": ["main"], "enabled": true,
            "signature_required": true, "own_keys": true, "expiry_checked": true}],
        "security_repository": true, "metadata_day": TODAY, "pending": [],
        "automatic": {"mechanism": "unattended_upgrades", "enabled": true, "refreshes": true,
            "upgrades": true, "scheduled": true, "security_allowed": true, "excluded": 0,
            "ran": true, "last_success_day": TODAY - 1, "last_result": "success"},
        "stale_processes": []})
}

fn storage() -> Value {
    json!({"filesystems": [
            {"mount": "/", "fstype": "ext4", "kind": "disk", "options": [], "encryption": "luks2"},
            {"mount": "/tmp", "fstype": "tmpfs", "kind": "memory", "options": ["nodev", "nosuid"]}],
        "root_encryption": "luks2", "swap": [{"kind": "device", "encryption": "luks2"}],
        "raid_degraded": []})
}

fn certificates() -> Value {
    let day = 86_400;
    json!({"certs": [{"path": "/etc/ssl/site.pem", "position": 0, "serial": "1000", "sha256": "00",
            "not_before_s": (TODAY - 9) * day, "not_after_s": (TODAY + 90) * day,
            "key_type": "ec", "key_bits": 256, "signature_hash": "sha256", "is_ca": false,
            "self_signed": false, "sans_count": 1, "used_by": ["nginx"]}],
        "key_files": [{"path": "/etc/ssl/private/site.key", "uid": 0, "gid": 0, "mode": "0600",
            "group_read": false, "group_write": false, "other_read": false, "other_write": false,
            "encrypted": false, "used_by": ["nginx"]}],
        "crypto_policy": "none", "fips": false, "trust_anchors_added": []})
}

fn file_integrity() -> Value {
    json!({"tools": [{"name": "aide", "database": true, "database_day": TODAY - 30,
            "scheduled": true}], "ima_measures": false,
        "programs": {"checked": 900, "modified": [], "missing": []},
        "conffiles": {"checked": 90, "modified": [], "missing": []}})
}

fn file_permissions() -> Value {
    let file = |path: &str| {
        json!({"path": path, "directory": false, "uid": 0, "gid": 0, "group": "root",
            "mode": "0600", "group_read": false, "group_write": false, "other_read": false,
            "other_write": false, "sticky": false, "has_acl": false, "acl_read": false,
            "acl_write": false})
    };
    json!({"passwd": [file("/etc/passwd")], "shadow": [file("/etc/shadow")],
        "boot_loader": [file("/boot/grub/grub.cfg")], "scheduled": [file("/etc/crontab")],
        "privilege": [file("/etc/sudoers")], "ssh_server": [file("/etc/ssh/sshd_config")],
        "startup": [file("/etc")], "programs": [file("/usr/bin")],
        "package_sources": [file("/etc/apt/sources.list")]})
}

fn file_walk() -> Value {
    json!({"truncated": false, "left_out": [], "cut": [],
        "set_id": [{"path": "/usr/bin/su", "uid": 0, "gid": 0, "setuid": true, "setgid": false,
            "capabilities": [], "packaged": true, "package": "util-linux"}],
        "world_writable_files": [], "world_writable_dirs_no_sticky": [], "unowned": []})
}

fn kernel() -> Value {
    json!({"running": "6.1.0-40-amd64", "running_version": "6.1.153-1",
        "installed": [{"release": "6.1.0-40-amd64", "version": "6.1.153-1"}],
        "reboot_required": true, "reboot_required_since_day": TODAY - 3, "taint": 0,
        "lockdown": "none", "cpu_vulnerabilities": [{"name": "mds", "state": "mitigated"}],
        "command_line": {}})
}

fn firewall() -> Value {
    json!({"source": "netlink", "active": true, "input_default": "drop",
        "ipv6_input_default": "drop", "ipv6_enabled": true, "persistent": true})
}

fn audit() -> Value {
    json!({"source": "netlink", "installed": true, "daemon_enabled": true, "daemon_active": true,
        "enabled": 2, "has_lost": false, "rules_loaded": 30, "remote": true,
        "coverage": {"identity": true, "sudoers": true, "time_change": true, "logins": true,
            "modules": true, "privileged": true, "perm_mod": true, "delete": true, "mac": true},
        "configured": {"identity": true, "sudoers": true, "time_change": true, "logins": true,
            "modules": true, "privileged": true, "perm_mod": true, "delete": true, "mac": true},
        "loaded": true,
        "config": {"space_left_action": "email", "disk_full_action": "halt",
            "disk_error_action": "syslog", "max_log_file": 8, "num_logs": 5,
            "max_log_file_action": "rotate"}})
}

fn services() -> Value {
    json!({"init": "systemd", "enabled": ["ssh.service"],
        "active": ["dbus.service", "ssh.service"], "failed": [],
        "jobs": [{"id": "0", "source": "/etc/cron.d/x", "form": "cron", "schedule": "@daily",
            "runs_as": "root", "runs_as_root": true, "command_path": "/usr/bin/x",
            "target_writable_by_others": false, "packaged": true}],
        "cron_restricted": true})
}

fn mac() -> Value {
    json!({"modules": ["apparmor"], "framework": "apparmor", "enforcing": true,
        "apparmor": {"enforced": 1, "complaining": [], "others": 0}})
}

fn platform_trust() -> Value {
    json!({"boot_mode": "uefi", "secure_boot": "enabled",
        "tpm": {"present": true, "version_major": 2},
        "firmware": {"vendor": "v", "version": "1", "date": "d"}, "iommu": true})
}

fn meta() -> Value {
    json!({"agent_version": "1.2.3", "agent_sha256": "0".repeat(64),
        "config_sha256": "1".repeat(64), "kinds_off": [], "uid": 990,
        "capabilities": ["CAP_DAC_READ_SEARCH"], "capabilities_missing": [],
        "confinement": {"no_new_privs": true, "seccomp": "filter"},
        "limits": {"nice": 10, "open_files": 1024, "memory_bytes": 100_663_296,
            "dumps_core": false},
        "spool": {"state": "empty", "has_dropped": false}})
}

fn host(data: impl IntoIterator<Item = (&'static str, Value)>) -> HostState {
    let kinds = data.into_iter().map(|(kind, data)| (kind.to_owned(), state(kind, data)));
    HostState { kinds: kinds.collect() }
}

fn good() -> HostState {
    host(good_data())
}

fn outcomes(host: &HostState) -> Vec<RuleResult> {
    judge().judge(host, TODAY)
}

#[track_caller]
fn result(host: &HostState, rule: &str) -> RuleResult {
    outcomes(host).into_iter().find(|result| result.rule == rule).expect(rule)
}

#[test]
fn one_judge_serves_all_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(judge());
}

/// Rules of other hosts than the good one: of SELinux, of workstations.
const OF_OTHERS: [&str; 7] = [
    "boot-secure",
    "cry-policy",
    "mac-persistent",
    "enc-root",
    "dsk-screen-lock",
    "dsk-lock-enforced",
    "dsk-no-automount",
];

#[test]
fn a_well_kept_host_passes_every_rule() {
    let wrong = outcomes(&good()).into_iter().filter(|r| r.outcome != Outcome::Pass);
    let (others, wrong): (Vec<_>, Vec<_>) =
        wrong.partition(|result| OF_OTHERS.contains(&result.rule.as_str()));
    assert_eq!(wrong, []);
    assert_eq!(others.len(), OF_OTHERS.len());
    assert!(others.iter().all(|result| result.outcome == Outcome::NotApplicable));
}

#[test]
fn a_host_that_sent_nothing_passes_nothing() {
    for result in outcomes(&HostState::default()) {
        assert_eq!(result.reason, Some(Reason::NotCollected), "{}", result.rule);
    }
}

#[test]
fn every_status_but_ok_and_partial_gives_its_own_reason() {
    for (status, reason) in [
        (Status::Absent, Reason::Absent),
        (Status::Denied, Reason::Denied),
        (Status::ParseError, Reason::ParseError),
        (Status::Unsupported, Reason::Unsupported),
        (Status::Timeout, Reason::Timeout),
        (Status::Truncated, Reason::Truncated),
        (Status::IoError, Reason::IoError),
    ] {
        let mut host = good();
        host.kinds.get_mut("accounts").expect("kind").status = status;
        let result = result(&host, "acc-uid0-only-root");
        assert_eq!((result.outcome, result.reason), (Outcome::Unknown, Some(reason)));
    }
}

#[test]
fn facts_that_have_not_arrived_are_unknown() {
    let mut host = good();
    host.kinds.get_mut("ssh_server").expect("kind").facts = None;
    assert_eq!(result(&host, "ssh-no-x11").reason, Some(Reason::NotReceived));
}

#[test]
fn a_partial_kind_counts_for_rules_that_read_none_of_what_is_missing() {
    let mut host = good();
    let accounts = host.kinds.get_mut("accounts").expect("kind");
    accounts.status = Status::Partial;
    accounts.unread = vec!["users.password".to_owned()];
    assert_eq!(result(&host, "acc-uid0-only-root").outcome, Outcome::Pass);
    assert_eq!(result(&host, "acc-weak-hash").reason, Some(Reason::FactMissing));
}

#[test]
fn a_partial_kind_that_does_not_say_what_is_missing_counts_for_nothing() {
    for unread in [vec![], vec!["no_such_fact".to_owned()], vec!["users".to_owned()]] {
        let mut host = good();
        let accounts = host.kinds.get_mut("accounts").expect("kind");
        (accounts.status, accounts.unread) = (Status::Partial, unread);
        let reason = result(&host, "acc-uid0-only-root").reason;
        assert_eq!(reason, Some(Reason::FactMissing));
    }
}

#[test]
fn a_kind_without_meaning_settles_a_rule_unless_another_is_in_doubt() {
    let mut host = good();
    host.kinds.get_mut("packages").expect("kind").status = Status::NotApplicable;
    assert_eq!(result(&host, "pkg-inventory").outcome, Outcome::NotApplicable);
    assert_eq!(result(&host, "pkg-no-devtools-prod").outcome, Outcome::NotApplicable);
    host.kinds.get_mut("host_os").expect("kind").status = Status::Denied;
    assert_eq!(result(&host, "pkg-no-devtools-prod").reason, Some(Reason::Denied));
    let mut host = good();
    host.kinds.get_mut("host_os").expect("kind").status = Status::NotApplicable;
    host.kinds.get_mut("packages").expect("kind").status = Status::Denied;
    assert_eq!(result(&host, "pkg-no-devtools-prod").reason, Some(Reason::Denied));
}

#[test]
fn a_rule_does_not_apply_by_proof_only() {
    let without = host([("ssh_server", json!({"installed": false}))]);
    assert_eq!(result(&without, "ssh-no-x11").outcome, Outcome::NotApplicable);
    let silent = host([("ssh_server", json!({}))]);
    assert_eq!(result(&silent, "ssh-no-x11").reason, Some(Reason::FactMissing));
    let mut unread = without;
    let ssh = unread.kinds.get_mut("ssh_server").expect("kind");
    (ssh.status, ssh.unread) = (Status::Partial, vec!["installed".to_owned()]);
    assert_eq!(result(&unread, "ssh-no-x11").reason, Some(Reason::FactMissing));
}

#[test]
fn facts_that_are_no_real_hosts_are_unknown() {
    let mut accounts = accounts();
    accounts["users"] = json!([]);
    let result = result(&host([("accounts", accounts)]), "acc-uid0-only-root");
    assert_eq!(result.reason, Some(Reason::Guard));
}

#[test]
fn facts_of_the_wrong_type_are_an_error_of_the_rule() {
    let mut accounts = accounts();
    accounts["legacy_plus_entries"] = json!("0");
    accounts["hashes_in_passwd"] = json!([1]);
    let host = host([("accounts", accounts)]);
    assert_eq!(result(&host, "acc-legacy-plus").reason, Some(Reason::RuleError));
    assert_eq!(result(&host, "acc-shadowed").reason, Some(Reason::RuleError));
    assert_eq!(result(&host, "acc-unique-uid").outcome, Outcome::Pass);
}

#[test]
fn a_superuser_does_not_hide_behind_a_number_in_quotes() {
    let mut accounts = accounts();
    accounts["users"][1]["uid"] = json!("0");
    let host = host([("accounts", accounts)]);
    assert_eq!(result(&host, "acc-uid0-only-root").reason, Some(Reason::RuleError));
}

#[test]
fn an_agent_too_old_for_a_rule_is_unknown() {
    let text = include_str!("../../../config/rules/host_os.toml")
        .replace("profile = \"essential\"", "since = { host_os = 1 }\nprofile = \"essential\"");
    let judge = rules_of(&text);
    let old = Facts::new("host_os", 0, host_os()).expect("facts");
    let mut host = host([("host_os", host_os())]);
    assert_eq!(judge.judge(&host, TODAY)[0].outcome, Outcome::Pass);
    host.kinds.get_mut("host_os").expect("kind").facts = Some(Arc::new(old));
    assert_eq!(judge.judge(&host, TODAY)[0].reason, Some(Reason::AgentTooOld));
}

#[test]
fn the_day_matters_to_rules_that_read_it_although_results_are_remembered() {
    let host = good();
    let judge = rules_of(include_str!("../../../config/rules/host_os.toml"));
    assert_eq!(judge.judge(&host, TODAY)[0].outcome, Outcome::Pass);
    assert_eq!(judge.judge(&host, TODAY + 901)[0].outcome, Outcome::Fail);
    assert_eq!(judge.judge(&host, TODAY)[0].outcome, Outcome::Pass);
}

#[test]
fn a_remembered_result_is_that_of_the_same_facts_and_statuses() {
    let judge = rules_of(include_str!("../../../config/rules/accounts.toml"));
    let first = judge.judge(&good(), TODAY);
    assert_eq!(judge.judge(&good(), TODAY), first);
    let mut other = good();
    other.kinds.get_mut("accounts").expect("kind").status = Status::Denied;
    assert!(judge.judge(&other, TODAY).iter().all(|r| r.outcome == Outcome::Unknown));
    let mut partial = good();
    let accounts = partial.kinds.get_mut("accounts").expect("kind");
    (accounts.status, accounts.unread) = (Status::Partial, vec!["users.password".to_owned()]);
    assert!(judge.judge(&partial, TODAY).iter().any(|r| r.outcome == Outcome::Unknown));
    assert_eq!(judge.judge(&good(), TODAY), first);
}

/// A judge that remembers the well-kept host.
fn warm() -> &'static Judge {
    let judge = judge();
    judge.judge(&good(), TODAY);
    judge
}

fn manifest_of(host: &HostState) -> evidence::Manifest {
    let entry = |state: &KindState| evidence::KindEntry {
        status: state.status,
        facts: state.facts.as_ref().map(|facts| facts.id()),
        sources: vec![],
        unread: state.unread.clone(),
    };
    let kinds = host.kinds.iter().map(|(kind, state)| (kind.clone(), entry(state)));
    evidence::Manifest { kinds: kinds.collect() }
}

/// Objects in the value, as JSON pointers with one of their keys.
fn keys(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                found.push((at.to_owned(), key.clone()));
                keys(member, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| keys(item, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

fn without(data: &Value, removed: &[(String, String)]) -> Value {
    let mut data = data.clone();
    for (at, key) in removed {
        if let Some(Value::Object(members)) = data.pointer_mut(at) {
            members.remove(key);
        }
    }
    data
}

/// A value with any leaf replaced, so that rules also fail.
fn spoiled(data: &Value, replaced: &[(prop::sample::Index, Value)]) -> Value {
    let mut data = data.clone();
    for (index, value) in replaced {
        let mut found = Vec::new();
        keys(&data, "", &mut found);
        let (at, key) = index.get(&found).clone();
        if let Some(Value::Object(members)) = data.pointer_mut(&at) {
            members.insert(key, value.clone());
        }
    }
    data
}

fn leaves() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(TODAY - 400),
        json!(TODAY + 1),
        json!("yes"),
        json!("no"),
        json!("unknown"),
        json!("locked"),
        json!("empty"),
        json!("md5"),
        json!([]),
        json!(["toor"]),
        json!("root"),
        json!({}),
    ])
}

type Spoil = Vec<(prop::sample::Index, Value)>;

fn spoil() -> impl Strategy<Value = Spoil> {
    prop::collection::vec((any::<prop::sample::Index>(), leaves()), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// Evidence that is taken away leaves a result as it was, or makes it unknown.
    #[test]
    fn removing_facts_never_changes_a_result_but_to_unknown(
        kind in 0..KINDS,
        spoil in spoil(),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
    ) {
        let mut data = good_data();
        data[kind].1 = spoiled(&data[kind].1, &spoil);
        let whole = outcomes(&host(data.clone()));
        let mut found = Vec::new();
        keys(&data[kind].1, "", &mut found);
        let removed: Vec<_> = removed.iter().map(|index| index.get(&found).clone()).collect();
        data[kind].1 = without(&data[kind].1, &removed);
        for (whole, less) in whole.iter().zip(outcomes(&host(data))) {
            // What has a wrong type is refused wherever it stands; taking it away is a repair.
            if less.outcome != Outcome::Unknown && whole.reason != Some(Reason::RuleError) {
                prop_assert_eq!(whole, &less, "without {:?}", removed);
            }
        }
    }

    /// What is remembered and what is read anew give together what reading everything gives.
    #[test]
    fn a_state_of_which_only_the_unknown_part_is_read_is_judged_as_if_all_were_read(
        changed in prop::collection::vec((0..KINDS, spoil()), 0..3),
        lost in prop::option::of(0..KINDS),
    ) {
        let mut data = good_data();
        for (kind, spoil) in &changed {
            data[*kind].1 = spoiled(&data[*kind].1, spoil);
        }
        let mut state = host(data);
        let lost = lost.map(|kind| good_data()[kind].0);
        let manifest = manifest_of(&state);
        if let Some(kind) = lost {
            state.kinds.get_mut(kind).expect("kind").facts = None;
        }
        let facts = || state.kinds.values().filter_map(|kind| kind.facts.clone());
        let held = facts().map(|facts| facts.id()).collect();
        let recalled = warm().recall("", &manifest, &held, TODAY);
        let read = HostState::from_manifest(&manifest, |id| {
            facts().find(|facts| facts.id() == id && recalled.needs(&facts.kind))
        });
        prop_assert!(changed.len() + usize::from(lost.is_some()) > 0 || recalled.is_whole());
        let whole = Judge::new(Arc::clone(&warm().rules)).judge(&state, TODAY);
        prop_assert_eq!(warm().complete(recalled, &read), whole);
    }

    /// A kind that is denied leaves no pass to any rule that needs it, and no "not applicable"
    /// that was not proven by another kind.
    #[test]
    fn denying_a_kind_never_gives_a_pass(
        kind in 0..KINDS,
        spoil in spoil(),
        status in prop::sample::select(vec![Status::Absent, Status::Denied, Status::ParseError,
            Status::Unsupported, Status::Timeout, Status::Truncated, Status::IoError]),
        keeps_facts in any::<bool>(),
    ) {
        let mut data = good_data();
        data[kind].1 = spoiled(&data[kind].1, &spoil);
        let name = data[kind].0;
        let mut state = host(data);
        let before = outcomes(&state);
        let denied = state.kinds.get_mut(name).expect("kind");
        denied.status = status;
        if !keeps_facts {
            denied.facts = None;
        }
        for (before, after) in before.iter().zip(outcomes(&state)) {
            let rule = judge().rules().get(&after.rule).expect("rule");
            if !rule.evidence.iter().any(|kind| kind == name) {
                prop_assert_eq!(before, &after);
            } else if after.outcome == Outcome::NotApplicable {
                prop_assert_eq!(before.outcome, Outcome::NotApplicable);
            } else {
                prop_assert_eq!(after.outcome, Outcome::Unknown, "{}", after.rule);
            }
        }
    }

    /// Paths that were not read turn every rule that reads them, or below or above them, unknown.
    #[test]
    fn what_is_unread_never_passes(kind in 0..KINDS, unread in any::<prop::sample::Index>()) {
        let (name, data) = good_data()[kind].clone();
        let mut found = Vec::new();
        keys(&data, "", &mut found);
        let (at, key) = unread.get(&found).clone();
        let steps = format!("{at}/{key}");
        let names: Vec<_> = steps.split('/').filter(|s| s.parse::<u32>().is_err() && !s.is_empty()).collect();
        let path = names.join(".");
        let mut state = good();
        let partial = state.kinds.get_mut(name).expect("kind");
        (partial.status, partial.unread) = (Status::Partial, vec![path.clone()]);
        let full = format!("{name}.{path}");
        for (whole, result) in outcomes(&good()).into_iter().zip(outcomes(&state)) {
            let rule = judge().rules().get(&result.rule).expect("rule");
            let reads = rule.reads.iter().any(|read| *read == full || read.starts_with(&format!("{full}.")));
            // What does not apply is proven by what its `applies` reads.
            if reads && whole.outcome == Outcome::Pass {
                prop_assert_eq!(result.outcome, Outcome::Unknown, "{} {}", result.rule, path);
            } else if reads {
                prop_assert_ne!(result.outcome, Outcome::Pass, "{} {}", result.rule, path);
            } else {
                prop_assert_eq!(result.outcome, whole.outcome, "{} {}", result.rule, path);
            }
        }
    }
}
