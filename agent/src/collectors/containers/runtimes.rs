//! Which engines are installed, and whether a kubelet is.

use super::{packages, present};
use crate::host::{Failure, Reading};
use evidence::Status;
use evidence::kinds::containers::{Runtime, RuntimeName};
use std::collections::BTreeMap;

struct Known {
    name: RuntimeName,
    packages: &'static [&'static str],
    programs: &'static [&'static str],
}

/// By name.
const KNOWN: [Known; 4] = [
    Known {
        name: RuntimeName::Containerd,
        packages: &["containerd.io", "containerd"],
        programs: &["/usr/bin/containerd", "/usr/local/bin/containerd"],
    },
    Known {
        name: RuntimeName::Crio,
        packages: &["cri-o"],
        programs: &["/usr/bin/crio", "/usr/local/bin/crio"],
    },
    Known {
        name: RuntimeName::Docker,
        packages: &["docker-ce", "docker.io", "moby-engine"],
        programs: &[
            "/usr/bin/dockerd",
            "/usr/sbin/dockerd",
            "/usr/local/bin/dockerd",
            "/snap/docker/current/bin/dockerd",
        ],
    },
    Known {
        name: RuntimeName::Podman,
        packages: &["podman"],
        programs: &["/usr/bin/podman", "/usr/local/bin/podman"],
    },
];
const KUBELET: [&str; 10] = [
    "/usr/bin/kubelet",
    "/usr/local/bin/kubelet",
    "/opt/bin/kubelet",
    "/snap/kubelet/current/kubelet",
    "/snap/microk8s/current/kubelite",
    "/usr/local/bin/k0s",
    "/usr/local/bin/k3s",
    "/usr/bin/k3s",
    "/usr/local/bin/rke2",
    "/usr/bin/rke2",
];

pub(super) struct Found {
    pub(super) runtimes: Vec<Runtime>,
    pub(super) has_kubelet: bool,
}

pub(super) fn read(reading: &mut Reading<'_>) -> Result<Found, Failure> {
    let versions: BTreeMap<String, String> = match reading.apart(packages::collect) {
        Ok(packages) => packages.items.into_iter().map(|p| (p.name, p.version)).collect(),
        // No database, or one that is not read: the programs on the disk remain.
        Err(Failure(Status::Unsupported | Status::Absent)) => BTreeMap::new(),
        Err(failure) => return Err(failure),
    };
    let mut runtimes = Vec::new();
    for known in &KNOWN {
        let version = known.packages.iter().find_map(|package| versions.get(*package)).cloned();
        if version.is_some() || any_exists(reading, known.programs)? {
            runtimes.push(Runtime { name: known.name, version });
        }
    }
    let has_kubelet = versions.contains_key("kubelet") || any_exists(reading, &KUBELET)?;
    Ok(Found { runtimes, has_kubelet })
}

fn any_exists(reading: &Reading<'_>, paths: &[&str]) -> Result<bool, Failure> {
    for path in paths {
        if present(reading.stat(path))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
