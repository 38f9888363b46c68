//! What engines keep of a container: docker's `config.v2.json` and `hostconfig.json`, the OCI runtime
//! specification that podman writes. All of them hold the environment and the arguments of the
//! command, where passwords stand: these types have no place for either, so that the parser passes
//! over them.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// What of a container decides how far it is apart from the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub privileged: bool,
    pub user_root: bool,
    pub host_pid: bool,
    pub host_network: bool,
    pub host_ipc: bool,
    /// Paths of the host that are mounted into it.
    pub mounts: Vec<String>,
    pub caps_added: Vec<String>,
    pub read_only: bool,
    /// Whether CRI-O keeps it, in the storage that podman uses too.
    pub of_crio: bool,
}

/// A key that must be there, and may be null.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerConfig {
    name: String,
    config: DockerImage,
    #[serde(deserialize_with = "nullable")]
    mount_points: Option<BTreeMap<String, DockerMount>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    image: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerMount {
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerHost {
    #[serde(deserialize_with = "nullable")]
    binds: Option<Vec<String>>,
    network_mode: String,
    #[serde(deserialize_with = "nullable")]
    cap_add: Option<Vec<String>>,
    ipc_mode: String,
    pid_mode: String,
    privileged: bool,
    readonly_rootfs: bool,
    mounts: Option<Vec<DockerMount>>,
}

/// docker's container, by `config.v2.json` and `hostconfig.json`. The error names the line, and
/// nothing of the text.
pub fn docker(config: &[u8], host: &[u8]) -> Result<Container, String> {
    let config: DockerConfig = parsed(config)?;
    let host: DockerHost = parsed(host)?;
    // `SOURCE:TARGET:OPTIONS`; a name without `/` is that of a volume.
    let binds = host.binds.unwrap_or_default();
    let mut mounts: Vec<_> =
        binds.iter().filter_map(|bind| bind.split(':').next()).map(str::to_owned).collect();
    mounts.extend(host.mounts.unwrap_or_default().into_iter().map(|mount| mount.source));
    mounts.extend(config.mount_points.unwrap_or_default().into_values().map(|m| m.source));
    mounts.retain(|source| source.starts_with('/'));
    let mut caps_added = host.cap_add.unwrap_or_default();
    caps_added.sort();
    Ok(Container {
        name: config.name.trim_start_matches('/').to_owned(),
        image: config.config.image,
        privileged: host.privileged,
        user_root: is_root(&config.config.user),
        host_pid: host.pid_mode == "host",
        host_network: host.network_mode == "host",
        host_ipc: host.ipc_mode == "host",
        mounts,
        caps_added,
        read_only: host.readonly_rootfs,
        of_crio: false,
    })
}

/// `USER` of a container: a name or a number, and perhaps a group.
fn is_root(user: &str) -> bool {
    matches!(user.split(':').next(), Some("" | "0" | "root"))
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    names: Vec<String>,
    #[serde(default)]
    metadata: String,
}

/// The rest of the metadata is the engine's own.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default, rename = "image-name")]
    image: String,
}

/// A container of containers-storage: id, name, image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub id: String,
    pub name: String,
    pub image: String,
}

/// The list `containers.json` of containers-storage(5).
pub fn stored(list: &[u8]) -> Result<Vec<Stored>, String> {
    let listed: Vec<Listed> = parsed(list)?;
    let one = |one: Listed| {
        let is_id = one.id.len() == 64 && one.id.bytes().all(|b| b.is_ascii_hexdigit());
        let name = one.names.into_iter().next();
        let (true, Some(name)) = (is_id, name) else { return Err("no id or no name".to_owned()) };
        let image = match one.metadata.is_empty() {
            true => String::new(),
            false => parsed::<Metadata>(one.metadata.as_bytes())?.image,
        };
        Ok(Stored { id: one.id, name, image })
    };
    listed.into_iter().map(one).collect()
}

#[derive(Deserialize)]
struct Spec {
    process: Process,
    root: Root,
    mounts: Vec<SpecMount>,
    linux: Linux,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Process {
    user: SpecUser,
    #[serde(default)]
    capabilities: Capabilities,
}

#[derive(Deserialize)]
struct SpecUser {
    uid: u32,
}

#[derive(Deserialize, Default)]
struct Capabilities {
    #[serde(default)]
    bounding: Vec<String>,
}

#[derive(Deserialize)]
struct Root {
    #[serde(default)]
    readonly: bool,
}

#[derive(Deserialize)]
struct SpecMount {
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: Vec<Namespace>,
    #[serde(default)]
    masked_paths: Vec<String>,
}

#[derive(Deserialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
}

const MANAGER: &str = "io.container.manager";
const PRIVILEGED: &str = "io.podman.annotations.privileged";

/// A container by its OCI runtime specification, `config.json`.
pub fn oci(stored: &Stored, spec: &[u8]) -> Result<Container, String> {
    let spec: Spec = parsed(spec)?;
    // A namespace that is not named is that of the host.
    let shares = |kind: &str| !spec.linux.namespaces.iter().any(|one| one.kind == kind);
    let may_all = spec.process.capabilities.bounding.iter().any(|cap| cap == "CAP_SYS_ADMIN");
    let is_said = spec.annotations.get(PRIVILEGED).is_some_and(|said| said == "TRUE");
    Ok(Container {
        name: stored.name.clone(),
        image: stored.image.clone(),
        // What `--privileged` amounts to, whoever wrote it.
        privileged: is_said || (may_all && spec.linux.masked_paths.is_empty()),
        user_root: spec.process.user.uid == 0,
        host_pid: shares("pid"),
        host_network: shares("network"),
        host_ipc: shares("ipc"),
        mounts: spec.mounts.into_iter().map(|m| m.source).filter(|s| s.starts_with('/')).collect(),
        caps_added: Vec::new(),
        read_only: spec.root.readonly,
        of_crio: spec.annotations.get(MANAGER).is_some_and(|manager| manager == "cri-o"),
    })
}

fn parsed<'t, T: Deserialize<'t>>(bytes: &'t [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes)
        .map_err(|error| format!("line {}: not what the engine writes", error.line().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONFIG: &str = r#"{"Name":"/app","Path":"sh","Args":["-c","SECRET"],"MountPoints":{"/x":{"Source":"/run","Type":"bind"}},
        "Config":{"Image":"app:1","User":"app:app","Env":["PASSWORD=SECRET"],"Cmd":["SECRET"]}}"#;
    const HOST: &str = r#"{"Binds":["data:/d","/srv:/srv:ro"],"NetworkMode":"default","CapAdd":null,"IpcMode":"private",
        "PidMode":"","Privileged":false,"ReadonlyRootfs":true}"#;

    #[test]
    fn a_container_of_docker_is_what_its_two_files_say_and_no_secret() {
        let found = docker(CONFIG.as_bytes(), HOST.as_bytes()).expect("a container");
        assert_eq!(found.mounts, ["/srv", "/run"]);
        assert!(found.read_only && !found.user_root && !found.privileged);
        assert!(!format!("{found:?}").contains("SECRET"));
    }

    #[test]
    fn a_key_that_is_missing_is_no_proof_of_its_contrary() {
        for key in ["Privileged", "PidMode", "NetworkMode", "IpcMode", "Binds", "CapAdd"] {
            let host = HOST.replace(&format!("\"{key}\""), "\"Other\"");
            assert!(docker(CONFIG.as_bytes(), host.as_bytes()).is_err(), "{key}");
        }
        for key in ["Name", "MountPoints", "User", "Image"] {
            let config = CONFIG.replace(&format!("\"{key}\""), "\"Other\"");
            assert!(docker(config.as_bytes(), HOST.as_bytes()).is_err(), "{key}");
        }
    }

    #[test]
    fn an_error_says_nothing_of_the_text() {
        let error = docker(b"{\"Name\": SECRET}", HOST.as_bytes()).expect_err("no JSON");
        assert!(!error.contains("SECRET"), "{error}");
    }

    #[test]
    fn root_has_more_than_one_name() {
        for (user, root) in [
            ("", true),
            ("0", true),
            ("root", true),
            ("0:0", true),
            ("root:x", true),
            ("00x", false),
        ] {
            assert_eq!(is_root(user), root, "{user}");
        }
    }

    proptest! {
        #[test]
        fn no_part_of_a_file_is_a_container(length in 0..HOST.len()) {
            prop_assert!(docker(CONFIG.as_bytes(), &HOST.as_bytes()[..length]).is_err());
        }

        #[test]
        fn all_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let of = Stored { id: String::new(), name: String::new(), image: String::new() };
            let _ = (docker(&bytes, &bytes), stored(&bytes), oci(&of, &bytes));
        }
    }
}
