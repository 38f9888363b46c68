//! The kind `containers`: engines by package and program, their sockets, daemon.json and the unit of
//! docker, group(5), what docker and podman keep of containers (CAP_DAC_READ_SEARCH), and the
//! kubelet's configuration. Nothing is asked of a socket: whoever may ask may command.

mod docker;
mod kubelet;
mod runtimes;
mod sockets;
mod workloads;

use super::{Collector, facts, packages, systemd};
use crate::formats::passwd;
use crate::host::{Failure, MAX_FILE_BYTES, ReadError, Reading};
use evidence::Status;
use evidence::kinds::Kind;
use evidence::kinds::containers::{Containers, RuntimeName};
use std::collections::BTreeSet;

pub(super) const COLLECTOR: Collector = Collector {
    kind: Containers::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const GROUP: &str = "/etc/group";
const PASSWD: &str = "/etc/passwd";

fn collect(reading: &mut Reading<'_>) -> Result<Containers, Failure> {
    let found = runtimes::read(reading).ok();
    let runtimes = found.as_ref().map(|found| found.runtimes.clone());
    let has =
        |name| runtimes.as_ref().map(|found| found.iter().any(|runtime| runtime.name == name));
    let has_docker = has(RuntimeName::Docker);
    let options = match has_docker {
        Some(true) => docker::options(reading).ok(),
        _ => None,
    };
    let has_kubelet = found.as_ref().map(|found| found.has_kubelet);
    let kubelet = match has_kubelet {
        Some(true) => kubelet::read(reading).ok(),
        _ => None,
    };
    // Where docker keeps containers is known only with its options.
    let workloads = match (has_docker, &options) {
        (Some(true), Some(options)) => workloads::read(reading, options.data_root()).ok(),
        (Some(false), _) => workloads::read(reading, docker::DATA_ROOT).ok(),
        _ => None,
    };
    let facts = Containers {
        sockets: sockets::read(reading).ok(),
        docker: options.map(docker::Effective::facts),
        docker_group_members: docker_group_members(reading).ok(),
        runtimes,
        workloads,
        has_kubelet,
        kubelet,
    };
    let runtimes = facts.runtimes.as_deref().unwrap_or_default();
    reading.gaps([
        ("runtimes", facts.runtimes.is_none()),
        ("runtimes.version", runtimes.iter().any(|runtime| runtime.version.is_none())),
        ("sockets", facts.sockets.is_none()),
        ("docker", has_docker != Some(false) && facts.docker.is_none()),
        ("docker_group_members", facts.docker_group_members.is_none()),
        ("workloads", facts.workloads.is_none()),
        ("has_kubelet", facts.has_kubelet.is_none()),
        ("kubelet", facts.has_kubelet != Some(false) && facts.kubelet.is_none()),
    ]);
    Ok(facts)
}

/// One line that cannot be read may be that of the group, or of a member.
fn docker_group_members(reading: &mut Reading<'_>) -> Result<Vec<String>, Failure> {
    let groups = passwd::group(&reading.config_bytes(GROUP, MAX_FILE_BYTES)?);
    let users = passwd::passwd(&reading.config_bytes(PASSWD, MAX_FILE_BYTES)?);
    for (path, faults) in [(GROUP, &groups.faults), (PASSWD, &users.faults)] {
        if let Some(fault) = faults {
            reading.malformed(path, fault.to_string());
            return Err(Failure(Status::ParseError));
        }
    }
    let mut members = BTreeSet::new();
    // The kernel knows the number alone: a group of another name with it is the same.
    let named = groups.lines.iter().filter(|group| group.name == b"docker");
    let numbers: BTreeSet<u32> = named.map(|group| group.gid).collect();
    for group in groups.lines.iter().filter(|group| numbers.contains(&group.gid)) {
        members.extend(group.members.iter().map(|name| passwd::shown(name)));
        let own = users.lines.iter().filter(|user| user.gid == group.gid);
        members.extend(own.map(|user| passwd::shown(&user.name)));
    }
    Ok(members.into_iter().collect())
}

fn present<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Err(ReadError::Absent) => Ok(None),
        other => other.map(Some),
    }
}
