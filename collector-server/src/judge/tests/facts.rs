//! Facts of a well kept host, kind by kind.

use super::{KINDS, TODAY};
use serde_json::{Value, json};

/// Facts that pass every rule that applies, typed by the contract so that they stay whole.
pub(super) fn good_data() -> [(&'static str, Value); KINDS] {
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

pub(super) fn accounts() -> Value {
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

pub(super) fn host_os() -> Value {
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
        "offset": {"by": "chrony", "within_ms": 100},
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
