//! The kind `containers` against the engines: dockerd(8) for options that it takes or refuses,
//! podman(1) for what it keeps of containers. Needs the packages docker.io and podman.

use evidence::Status;
use evidence::kinds::Containers;
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::host::{Fixture, Host};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// A machine with docker, whose unit has these words and whose daemon.json this text.
fn collect(words: &str, json: Option<&str>) -> Collected {
    let mut text = format!(
        "live\n-- /var/lib/dpkg/status --\nPackage: docker.io\nStatus: install ok installed\n\
         Architecture: amd64\nVersion: 20.10.24\n\n\
         -- /usr/lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/sbin/dockerd {words}\n\
         -- /usr/lib/systemd/system/docker.socket --\n[Socket]\nListenStream=/run/docker.sock\n"
    );
    if let Some(json) = json {
        text += &format!("-- /etc/docker/daemon.json --\n{json}\n");
    }
    let fixture = Fixture::parse(&text).expect("fixture");
    collectors::find("containers").expect("registered").collect(&Host::fixture(fixture))
}

fn facts(collected: Collected) -> Containers {
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

/// What dockerd says of its options before it asks to be root, which it is not here: nothing is
/// started. None when it takes them.
fn dockerd_refuses(words: &str, json: &str) -> Option<String> {
    let directory = tempfile::tempdir().expect("directory");
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))
        .expect("mode");
    let path = directory.path().join("daemon.json");
    std::fs::write(&path, json).expect("written");
    let mut command = match rustix::process::geteuid().is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", "dockerd"]);
            command
        }
        false => Command::new("dockerd"),
    };
    command.arg("--config-file").arg(&path).args(words.split_ascii_whitespace());
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin").env("HOME", "/nonexistent");
    let output = command.current_dir("/").output().expect("dockerd (install docker.io)");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!said.contains("needs to be started with root privileges")).then_some(said)
}

/// Words, daemon.json, and whether it listens on TCP if it starts.
const CASES: &[(&str, &str, bool)] = &[
    ("", "{}", false),
    ("-H fd://", "{}", false),
    ("-H fd:// -H tcp://127.0.0.1:2375", "{}", true),
    ("-Htcp://127.0.0.1:2375", "{}", true),
    ("-H=tcp://127.0.0.1:2375", "{}", true),
    ("--host tcp://127.0.0.1:2375", "{}", true),
    ("-D -H tcp://127.0.0.1:2375", "{}", true),
    ("-H unix:///run/d.sock", "{}", false),
    ("", r#"{"hosts":["tcp://127.0.0.1:2375"]}"#, true),
    ("", r#"{"hosts":["unix:///run/d.sock"]}"#, false),
    ("--icc=false --live-restore", r#"{"no-new-privileges":true}"#, false),
    ("--log-driver journald", r#"{"log-opts":{"max-size":"1m"}}"#, false),
    ("--insecure-registry registry.example.org", "{}", false),
    // What dockerd refuses.
    ("-H fd://", r#"{"hosts":["tcp://127.0.0.1:2375"]}"#, false),
    ("--icc=false", r#"{"icc":true}"#, false),
    ("--tlsverify", r#"{"tlsverify":true}"#, false),
    ("--insecure-registry a", r#"{"insecure-registries":["b"]}"#, false),
    ("", r#"{"icc":"no"}"#, false),
    ("", r#"{"hosts":"tcp://127.0.0.1:2375"}"#, false),
    ("", r#"{"log-driver":1}"#, false),
    ("", r#"{"live-restore":1}"#, false),
    ("", "{\"icc\":false,}", false),
    ("--icc false", "{}", false),
    ("--icc=maybe", "{}", false),
    ("tcp://127.0.0.1:2375", "{}", false),
];

#[test]
fn what_dockerd_refuses_is_unread_and_what_it_takes_is_read() {
    let mut refused = 0;
    for (words, json, tcp) in CASES {
        let docker = facts(collect(words, Some(json))).docker;
        match dockerd_refuses(words, json) {
            Some(said) => {
                refused += 1;
                assert_eq!(docker, None, "{words} {json}: {said}");
            }
            None => {
                let docker = docker.unwrap_or_else(|| panic!("{words} {json}"));
                assert_eq!(docker.tcp_listener, *tcp, "{words} {json}");
            }
        }
    }
    assert!(refused > 5 && refused < CASES.len() - 5);
}

#[test]
fn without_options_dockerd_has_the_values_of_its_own_help() {
    let output = Command::new("dockerd").arg("--help").output().expect("dockerd");
    let help = String::from_utf8_lossy(&output.stdout);
    // Lines are broken to the width of a terminal.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let of = |option: &str| {
        let text = help.split_once(&format!(" --{option} ")).map(|(_, text)| text).expect("there");
        text.split(" --").next().expect("a text").to_owned()
    };
    let docker = facts(collect("", None)).docker.expect("docker");
    assert!(of("icc").contains("(default true)") && docker.icc);
    assert!(of("log-driver").contains("\"json-file\"") && docker.log_driver == "json-file");
    assert!(of("data-root").contains("\"/var/lib/docker\""));
    for option in ["live-restore", "no-new-privileges", "userns-remap"] {
        assert!(!of(option).contains("(default"), "{option}");
    }
    let is_off = !docker.live_restore && !docker.no_new_privileges && !docker.tls_verify;
    assert!(is_off && !docker.userns_remap && docker.insecure_registries.is_empty());
}

struct Podman<'r> {
    root: &'r Path,
}

impl Podman<'_> {
    fn run(&self, arguments: &[&str]) -> std::process::Output {
        let storage = self.root.join("var/lib/containers/storage");
        Command::new("podman")
            .arg("--root")
            .arg(storage)
            .arg("--runroot")
            .arg(self.root.join("run/storage"))
            .args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
            .args(["--events-backend", "none"])
            .args(arguments)
            .output()
            .expect("podman (install the package podman)")
    }

    /// The container's specification is written before the runtime is asked, which may not be able
    /// to start anything here: nothing is to run in it.
    fn make(&self, name: &str, options: &[&str]) {
        let image = self.root.join("image");
        std::fs::create_dir_all(image.join("bin")).expect("directory");
        let image = image.to_str().expect("UTF-8");
        let begin = ["create", "--name", name, "--env", "PASSWORD=SECRET"];
        let end = ["--rootfs", image, "/bin/none", "SECRET"];
        let output = self.run(&[&begin[..], options, &end].concat());
        assert!(output.status.success(), "{output:?}");
        self.run(&["init", name]);
    }

    fn inspect(&self, name: &str) -> Value {
        let output = self.run(&["container", "inspect", name]);
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        said[0].clone()
    }
}

#[test]
fn what_is_read_of_podmans_containers_is_what_podman_says_of_them() {
    if !rustix::process::geteuid().is_root() {
        return; // The system's podman is root's.
    }
    let root = tempfile::tempdir().expect("directory");
    let podman = Podman { root: root.path() };
    let all: [(&str, &[&str]); 7] = [
        ("plain", &[]),
        ("privileged", &["--privileged"]),
        ("capable", &["--cap-add", "SYS_ADMIN"]),
        ("host-pid", &["--pid", "host"]),
        ("host-net", &["--network", "host", "--ipc", "host"]),
        ("user", &["--user", "1000", "--read-only"]),
        ("above", &["--volume", "/run:/host"]),
    ];
    for (name, options) in all {
        podman.make(name, options);
    }
    // As on a running system; containers are read of what podman wrote.
    let mut text = String::from(
        "live\n-- /var/lib/dpkg/status --\nPackage: podman\nStatus: install ok installed\nArchitecture: amd64\nVersion: 4\n\n",
    );
    let storage = root.path().join("var/lib/containers/storage/vfs-containers");
    let mut add = |path: &Path| {
        let contents = std::fs::read_to_string(path).expect("podman wrote it");
        let name = path.strip_prefix(root.path()).expect("below").display().to_string();
        text += &format!("-- /{name} --\n{}\n", contents.trim_end());
    };
    add(&storage.join("containers.json"));
    for (name, _) in all {
        let id = podman.inspect(name)["Id"].as_str().expect("an id").to_owned();
        add(&storage.join(id).join("userdata/config.json"));
    }
    let fixture = Fixture::parse(&text).expect("fixture");
    let collected = collectors::find("containers").expect("there").collect(&Host::fixture(fixture));
    assert!(collected.sources.iter().all(|s| matches!(s.status, Status::Ok | Status::Absent)));
    let data = collected.facts.as_ref().expect("facts").data.clone();
    assert!(!data.to_string().contains("SECRET"));
    let found = facts(collected).workloads.expect("workloads");
    assert_eq!(found.len(), all.len());
    for one in found {
        let said = podman.inspect(&one.name);
        let host = &said["HostConfig"];
        assert_eq!(Value::from(one.privileged), host["Privileged"], "{}", one.name);
        assert_eq!(one.host_pid, host["PidMode"] == "host", "{}", one.name);
        assert_eq!(one.host_network, host["NetworkMode"] == "host", "{}", one.name);
        // podman 4.3 says "shareable" of what was made with --ipc host.
        assert_eq!(one.host_ipc, one.name == "host-net", "{}", one.name);
        assert_eq!(Value::from(one.read_only), host["ReadonlyRootfs"], "{}", one.name);
        assert_eq!(one.user_root, said["Config"]["User"] != "1000", "{}", one.name);
        assert_eq!(one.mounts_engine_socket, one.name == "above", "{}", one.name);
    }
    for (name, _) in all {
        podman.run(&["rm", "--force", name]);
    }
}
