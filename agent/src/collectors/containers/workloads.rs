//! Containers as docker and root's podman keep them. The files hold environments and arguments: they
//! are read as secrets, into types that have no place for either.

use super::{present, sockets};
use crate::formats::container_state::{self, Container};
use crate::formats::tree::{self, Tree};
use crate::host::{Failure, Reading};
use evidence::Status;
use evidence::kinds::containers::{RuntimeName, Workload};
use std::collections::BTreeSet;

/// containers-storage.conf(5): where containers are kept, and those that end with the next boot.
const STORAGE: [&str; 2] = ["/var/lib/containers/storage", "/run/containers/storage"];
/// Which say that they are elsewhere; the second one wins.
const CONFIGURATIONS: [&str; 2] =
    ["/usr/share/containers/storage.conf", "/etc/containers/storage.conf"];
const DRIVERS: [&str; 5] = ["aufs", "btrfs", "overlay", "vfs", "zfs"];
/// Of a driver. Those of `podman run --rm`, as units run them, are in the second.
const LISTS: [&str; 2] = ["containers.json", "volatile-containers.json"];
/// What containerd runs now, by namespace.
const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task";
/// The namespace in which docker has containerd run its own.
const OF_DOCKER: &str = "moby";
const MAX_WORKLOADS: usize = 5000;
const MAX_BYTES: u64 = 4 << 20;

/// Offline nobody knows what containerd would run beside them.
pub(super) fn read(reading: &mut Reading<'_>, data_root: &str) -> Result<Vec<Workload>, Failure> {
    if !reading.is_live() {
        return Err(Failure(Status::Unsupported));
    }
    let mut found = docker(reading, data_root)?;
    for storage in storages(reading)? {
        for driver in DRIVERS {
            podman(reading, &format!("{storage}/{driver}-containers"), &mut found)?;
        }
    }
    refuse_others(reading)?;
    if found.len() > MAX_WORKLOADS {
        return Err(Failure(Status::Truncated));
    }
    found.sort();
    Ok(found)
}

/// `containers` below the data root; with userns-remap below a directory `UID.GID` of it too.
fn docker(reading: &mut Reading<'_>, data_root: &str) -> Result<Vec<Workload>, Failure> {
    let data_root = data_root.trim_end_matches('/');
    let mut found = Vec::new();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mut places = Vec::new();
    for name in present(reading.list(data_root))?.unwrap_or_default() {
        let is_user = name.split_once('.').is_some_and(|(u, g)| is_number(u) && is_number(g));
        match name.as_str() {
            "containers" => places.push(format!("{data_root}/containers")),
            _ if is_user => places.push(format!("{data_root}/{name}/containers")),
            _ => {}
        }
    }
    for place in places {
        for id in present(reading.list(&place))?.unwrap_or_default() {
            found.extend(docker_one(reading, &format!("{place}/{id}"))?);
        }
    }
    Ok(found)
}

fn docker_one(reading: &mut Reading<'_>, directory: &str) -> Result<Option<Workload>, Failure> {
    let path = format!("{directory}/config.v2.json");
    // A container that is removed meanwhile has neither.
    let Some(config) = present(reading.secret(&path, MAX_BYTES))? else { return Ok(None) };
    let host = reading.secret(&format!("{directory}/hostconfig.json"), MAX_BYTES)?;
    let container = container_state::docker(config.expose(), host.expose());
    workload(reading, RuntimeName::Docker, &path, container).map(Some)
}

/// The usual places, and those that a configuration names.
fn storages(reading: &mut Reading<'_>) -> Result<BTreeSet<String>, Failure> {
    let mut places: BTreeSet<String> = STORAGE.into_iter().map(str::to_owned).collect();
    for path in CONFIGURATIONS {
        let Some(text) = present(reading.config(path))? else { continue };
        let tree = tree::toml(&text).map_err(|error| {
            reading.malformed(path, format!("line {}: {}", error.line, error.what));
            Failure(Status::ParseError)
        })?;
        for key in ["graphroot", "runroot"] {
            for place in tree.at(&["storage".to_owned(), key.to_owned()]) {
                match place {
                    Tree::Text(place) if place.starts_with('/') && !place.contains('$') => {
                        places.insert(place.trim_end_matches('/').to_owned());
                    }
                    Tree::Text(place) if place.is_empty() => {}
                    _ => {
                        reading.malformed(path, format!("{key}: not a directory"));
                        return Err(Failure(Status::ParseError));
                    }
                }
            }
        }
    }
    Ok(places)
}

fn podman(
    reading: &mut Reading<'_>,
    directory: &str,
    found: &mut Vec<Workload>,
) -> Result<(), Failure> {
    for list in LISTS {
        podman_list(reading, directory, list, found)?;
    }
    Ok(())
}

fn podman_list(
    reading: &mut Reading<'_>,
    directory: &str,
    list: &str,
    found: &mut Vec<Workload>,
) -> Result<(), Failure> {
    let path = format!("{directory}/{list}");
    let Some(list) = present(reading.secret(&path, MAX_BYTES))? else { return Ok(()) };
    let stored = container_state::stored(list.expose()).map_err(|note| {
        reading.malformed(&path, note);
        Failure(Status::ParseError)
    })?;
    for one in stored {
        let path = format!("{directory}/{}/userdata/config.json", one.id);
        // One that was never started has no specification yet, and no process.
        let Some(spec) = present(reading.secret(&path, MAX_BYTES))? else { continue };
        let container = container_state::oci(&one, spec.expose());
        found.push(workload(reading, RuntimeName::Podman, &path, container)?);
    }
    Ok(())
}

/// What containerd runs for others, such as Kubernetes, is not read: then the list would be too short.
fn refuse_others(reading: &mut Reading<'_>) -> Result<(), Failure> {
    for namespace in present(reading.list(TASKS))?.unwrap_or_default() {
        let path = format!("{TASKS}/{namespace}");
        let tasks = present(reading.list(&path))?.unwrap_or_default();
        if namespace != OF_DOCKER && !tasks.is_empty() {
            reading.note(&format!("{path}/"), "containers that are not read");
            return Err(Failure(Status::Unsupported));
        }
    }
    Ok(())
}

fn workload(
    reading: &mut Reading<'_>,
    engine: RuntimeName,
    path: &str,
    container: Result<Container, String>,
) -> Result<Workload, Failure> {
    let container = container.map_err(|note| {
        reading.malformed(path, note);
        Failure(Status::ParseError)
    })?;
    Ok(Workload {
        mounts_engine_socket: container.mounts.iter().any(|source| leads_to_a_socket(source)),
        name: container.name,
        engine: if container.of_crio { RuntimeName::Crio } else { engine },
        image: container.image,
        privileged: container.privileged,
        user_root: container.user_root,
        host_pid: container.host_pid,
        host_network: container.host_network,
        host_ipc: container.host_ipc,
        caps_added: container.caps_added,
        read_only: container.read_only,
    })
}

/// A socket itself, or a directory above one. /var/run is /run.
fn leads_to_a_socket(source: &str) -> bool {
    let source = source.trim_end_matches('/');
    let source = match source.strip_prefix("/var/run") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/run{rest}"),
        // The link lies in it.
        _ => source.to_owned(),
    };
    sockets::PATHS.iter().any(|socket| {
        socket.strip_prefix(&source).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::leads_to_a_socket;

    #[test]
    fn a_directory_above_a_socket_holds_it_and_a_neighbour_does_not() {
        for source in [
            "/run/docker.sock",
            "/var/run/docker.sock",
            "/run",
            "/run/",
            "/",
            "/var/run",
            "/run/podman",
        ] {
            assert!(leads_to_a_socket(source), "{source}");
        }
        for source in
            ["/run/docker.sock.d", "/run/dock", "/var", "/srv", "/var/runner", "/run/lock"]
        {
            assert!(!leads_to_a_socket(source), "{source}");
        }
    }
}
