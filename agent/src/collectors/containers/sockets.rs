//! Who may write to the sockets of engines, by stat(2).

use super::{GROUP, present};
use crate::formats::passwd;
use crate::host::{Failure, FileKind, MAX_FILE_BYTES, Reading};
use evidence::Status;
use evidence::kinds::containers::Socket;

/// Where engines of the system have their sockets, by path.
pub(super) const PATHS: [&str; 5] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/docker.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/podman/podman.sock",
];

/// Offline there are none to see, which proves nothing.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<Vec<Socket>, Failure> {
    if !reading.is_live() {
        return Err(Failure(Status::Unsupported));
    }
    let mut sockets = Vec::new();
    for path in PATHS {
        let Some(meta) = present(reading.stat(path))? else { continue };
        // A directory or a file of this name takes no commands.
        if meta.kind != FileKind::Other {
            continue;
        }
        sockets.push(Socket {
            path: path.to_owned(),
            group: group(reading, meta.gid)?,
            group_write: meta.has(0o020),
            other_write: meta.has(0o002) && can_get_to(reading, path)?,
        });
    }
    Ok(sockets)
}

/// Whether everybody may pass the directories above.
fn can_get_to(reading: &Reading<'_>, path: &str) -> Result<bool, Failure> {
    for (at, _) in path.match_indices('/').skip(1) {
        if !reading.stat(path.get(..at).unwrap_or("/"))?.has(0o001) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn group(reading: &mut Reading<'_>, gid: u32) -> Result<String, Failure> {
    let groups = passwd::group(&reading.config_bytes(GROUP, MAX_FILE_BYTES)?);
    let named = groups.lines.iter().find(|group| group.gid == gid);
    Ok(named.map_or_else(|| gid.to_string(), |group| passwd::shown(&group.name)))
}
