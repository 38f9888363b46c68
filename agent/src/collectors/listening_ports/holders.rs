//! Which processes hold which sockets.
//!
//! Descriptors are looked through in the order of process numbers, and no further than the last
//! socket asks for. At the first process that may not be looked into the search ends: it might hold
//! any of the sockets that are left.

use crate::host::{ReadError, Reading};
use std::collections::{BTreeMap, BTreeSet};

const PROCESSES: &str = "/proc";

/// The process with the lowest number that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// Its executable; empty when no process holds the socket.
    pub(super) program: Option<String>,
    /// Its service; empty when it belongs to none.
    pub(super) unit: Option<String>,
}

pub(super) struct Holders {
    found: BTreeMap<u64, Holder>,
    /// Whether every process was looked into, or every socket found.
    is_whole: bool,
}

impl Holders {
    pub(super) fn find(reading: &mut Reading<'_>, mut sockets: BTreeSet<u64>) -> Self {
        let mut holders = Self { found: BTreeMap::new(), is_whole: sockets.is_empty() };
        if holders.is_whole {
            return holders;
        }
        let Ok(pids) = processes(reading) else { return holders };
        for pid in pids {
            match held(reading, pid, &sockets) {
                Ok((inodes, holder)) => {
                    for inode in inodes {
                        sockets.remove(&inode);
                        holders.found.insert(inode, holder.clone());
                    }
                }
                // It has ended meanwhile.
                Err(ReadError::Absent) => {}
                Err(_) => {
                    reading.note(PROCESSES_SOURCE, "a process may not be looked into");
                    return holders;
                }
            }
            if sockets.is_empty() {
                break;
            }
        }
        holders.is_whole = true;
        holders
    }

    /// Who holds a socket; `None` when that is not known.
    pub(super) fn of(&self, inode: u64) -> Option<Holder> {
        let nobody = Holder { program: Some(String::new()), unit: Some(String::new()) };
        self.found.get(&inode).cloned().or(self.is_whole.then_some(nobody))
    }
}

/// How [`Reading::list`] names the source.
const PROCESSES_SOURCE: &str = "/proc/";

/// The numbers of all processes, ascending. Where the first is hidden (`hidepid=`), so are others.
fn processes(reading: &mut Reading<'_>) -> Result<Vec<u32>, ReadError> {
    let names = reading.list(PROCESSES)?;
    let mut pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    if pids.first() != Some(&1) {
        reading.note(PROCESSES_SOURCE, "processes of others are hidden");
        return Err(ReadError::Denied);
    }
    Ok(pids)
}

/// Those of the sockets that a process holds.
fn held(
    reading: &Reading<'_>,
    pid: u32,
    sockets: &BTreeSet<u64>,
) -> Result<(Vec<u64>, Holder), ReadError> {
    let mut inodes = Vec::new();
    reading.links(&format!("/proc/{pid}/fd"), &mut |target| {
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        let inode = inode.and_then(|digits| digits.parse().ok());
        inodes.extend(inode.filter(|inode| sockets.contains(inode)));
        true
    })?;
    let mut holder = Holder { program: None, unit: None };
    if !inodes.is_empty() {
        let program = reading.link(&format!("/proc/{pid}/exe"))?;
        // The file was replaced or removed after the start.
        let program = program.strip_suffix(" (deleted)").unwrap_or(&program);
        holder.program = Some(program.to_owned());
        holder.unit = match reading.process_text(pid, "cgroup") {
            Ok(text) => Some(service(&text).unwrap_or_default()),
            // A kernel without control groups.
            Err(ReadError::Absent) => Some(String::new()),
            Err(_) => None,
        };
    }
    Ok((inodes, holder))
}

/// The service in cgroups(7) of a process: in the hierarchy of systemd, or the unified one. An
/// instance of a template may be named after anything, such as the addresses of a connection.
fn service(text: &str) -> Option<String> {
    let hierarchy =
        |mark: &str| text.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(mark));
    let path = hierarchy("name=systemd:").or_else(|| hierarchy(":"))?;
    let unit = path.split('/').find(|part| part.ends_with(".service"))?;
    Some(match unit.split_once('@') {
        Some((template, _)) => format!("{template}@.service"),
        None => unit.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::service;

    #[test]
    fn the_service_is_the_outermost_and_a_template_without_its_instance() {
        for (text, unit) in [
            ("0::/system.slice/ssh.service\n", Some("ssh.service")),
            ("0::/system.slice/system-getty.slice/getty@tty1.service\n", Some("getty@.service")),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n",
                Some("user@.service"),
            ),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
            ("0::/system.slice/docker-0123.scope\n", None),
            (
                "12:pids:/a.service\n1:name=systemd:/system.slice/b.service\n0::/c.service\n",
                Some("b.service"),
            ),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(service(text).as_deref(), unit, "{text}");
        }
    }
}
