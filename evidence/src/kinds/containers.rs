//! Container engines, who may command them, and what runs in them.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Engines of the system, by files: nothing is asked of a socket, for whoever may ask may command.
/// Engines that accounts run for themselves (rootless) and those in snaps are not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Containers {
    /// Engines that are installed, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtimes: Option<Vec<Runtime>>,
    /// Sockets by which engines take commands, by path; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets: Option<Vec<Socket>>,
    /// How dockerd is started; absent where docker is not installed, and where a part of it is not
    /// understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker: Option<Docker>,
    /// Members of the group `docker`, sorted: by group(5), and accounts whose own group it is.
    /// Directories are not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_group_members: Option<Vec<String>>,
    /// Containers that docker and root's podman keep, stopped ones too, by name. Absent when one
    /// cannot be read, and when another engine runs any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Vec<Workload>>,
    /// Whether this host is a node of Kubernetes: a kubelet is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_kubelet: Option<bool>,
    /// How the kubelet answers; absent without one, and where options beside its configuration
    /// decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<Kubelet>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    pub name: RuntimeName,
    /// Version of its package; absent where it has none that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeName {
    Containerd,
    Crio,
    Docker,
    Podman,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Socket {
    pub path: String,
    /// The group that owns it: its name by group(5), otherwise its number.
    pub group: String,
    pub group_write: bool,
    /// Whether everybody may write to it, the directories above it considered. An access control
    /// list may allow more.
    pub other_write: bool,
}

/// daemon.json, and the options of the unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Docker {
    /// Whether it, or the socket unit before it, listens on TCP, on whatever address.
    pub tcp_listener: bool,
    /// Whether whoever comes by TCP must show a certificate of its authority.
    pub tls_verify: bool,
    /// Whether root of a container is another user outside.
    pub userns_remap: bool,
    pub no_new_privileges: bool,
    pub live_restore: bool,
    /// Whether containers of the default bridge reach each other.
    pub icc: bool,
    pub log_driver: String,
    /// `max-size` of the log's options; empty without one.
    pub log_max_size: String,
    /// Registries that are trusted without TLS, as they are written. 127.0.0.0/8 always is.
    pub insecure_registries: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    pub name: String,
    pub engine: RuntimeName,
    /// As it was asked for, such as `registry.example.org/app:1.2`; empty for a plain directory.
    pub image: String,
    pub privileged: bool,
    /// Whether its main process is root within the container; with `USER` of the image.
    pub user_root: bool,
    /// Whether it shares processes, network or shared memory with the host.
    pub host_pid: bool,
    pub host_network: bool,
    pub host_ipc: bool,
    /// Whether a socket of an engine, or a directory above one, is mounted into it.
    pub mounts_engine_socket: bool,
    /// Capabilities beyond the engine's own set, sorted; of podman not told apart, and empty.
    pub caps_added: Vec<String>,
    pub read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kubelet {
    /// Whether it answers to who does not say who he is.
    pub anonymous: bool,
    /// `Webhook`, or `AlwaysAllow`: whoever is known may do everything.
    pub authorization_mode: String,
    /// Port that answers everybody; 0 is none.
    pub read_only_port: i64,
}

impl Kind for Containers {
    const NAME: &'static str = "containers";
    const V: i64 = 1;
    const TITLE: &'static str = "Container engines";
    const ABOUT: About = About {
        purpose: "Who may command container engines, and which containers hold the host in their hands.",
        reads: &[
            "/etc/group",
            "/etc/passwd",
            "/etc/docker/daemon.json",
            "/etc/default/*",
            "/etc/sysconfig/*",
            "*/systemd/system/*",
            "*/containers/*",
            "/var/lib/docker/",
            "/srv/docker/",
            "/var/lib/containers/storage/*",
            "/run/containers/storage/*",
            "/run/containerd/io.containerd.runtime.v2.task/*",
            "/var/lib/kubelet/*",
            "kubelet.service",
        ],
        also_reads: "storages and files of variables that these name; the package database, as `packages` reads it; whether programs are there; who may write to the engines' sockets",
        stays: &["environments and arguments of containers", "paths of the host that are mounted"],
        needs: &[(Privilege::DacReadSearch, "what docker and podman keep of containers")],
        cost: Cost::Light,
        people: "",
    };
}
