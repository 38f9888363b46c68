//! Services that run programs or libraries which were replaced on disk: until they are started
//! anew, a fix that is installed does nothing for them.

use crate::host::{ReadError, Reading};
use evidence::kinds::package_updates::StaleProcess;
use std::collections::BTreeSet;

/// Where packages put programs and libraries. Elsewhere what is deleted is a temporary file.
const SOFTWARE: [&str; 6] = ["/usr/", "/lib", "/bin/", "/sbin/", "/opt/", "/libexec/"];
const DELETED: &str = " (deleted)";
/// Control groups whose processes see other files than the host's.
const CONTAINERS: [&str; 6] =
    ["docker", "containerd", "kubepods", "libpod", "lxc", "machine.slice"];

/// What the running system shows; `None` with `--root`, and where a process could not be looked
/// into.
pub(super) fn processes(reading: &mut Reading<'_>) -> Option<Vec<StaleProcess>> {
    if !reading.is_live() {
        return None;
    }
    let mut stale = BTreeSet::new();
    let mut denied = 0;
    for name in reading.list("/proc").ok()? {
        let Ok(pid) = name.parse() else { continue };
        match process(reading, pid) {
            Ok(found) => stale.extend(found),
            // It ended meanwhile.
            Err(ReadError::Absent | ReadError::Io(ESRCH)) => {}
            Err(_) => denied += 1,
        }
    }
    if denied > 0 {
        reading.note("/proc/", "processes of others could not be looked into: CAP_SYS_PTRACE");
        return None;
    }
    Some(stale.into_iter().collect())
}

/// No such process.
const ESRCH: i32 = 3;

fn process(reading: &Reading<'_>, pid: u32) -> Result<Option<StaleProcess>, ReadError> {
    let maps = reading.process_text(pid, "maps")?;
    if !maps.lines().all(is_mapping) {
        return Err(ReadError::NotText);
    }
    let Some(file) = maps.lines().find_map(replaced) else { return Ok(None) };
    let groups = reading.process_text(pid, "cgroup")?;
    let group = groups.lines().find_map(|line| line.rsplit_once(':')).map_or("", |(_, path)| path);
    if CONTAINERS.iter().any(|name| group.contains(name)) {
        return Ok(None);
    }
    let program = match reading.link(&format!("/proc/{pid}/exe"))? {
        program if program.starts_with('/') => program.trim_end_matches(DELETED).to_owned(),
        // Without its own file all that is known is what it runs.
        _ => file.to_owned(),
    };
    Ok(Some(StaleProcess { unit: unit(group), program }))
}

/// Longest line: addresses, and a path of as many bytes as one may have.
const MAX_LINE_BYTES: usize = 8 << 10;

/// Whether a line is one of the kernel's: a damaged one may have named a replaced file.
fn is_mapping(line: &str) -> bool {
    let mut words = line.splitn(6, ' ');
    let mut next = || words.next().unwrap_or_default();
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_range = next().split_once('-').is_some_and(|(from, to)| is_hex(from) && is_hex(to));
    let permissions = next().as_bytes();
    let is_permissions =
        permissions.len() == 4 && permissions.iter().all(|byte| b"rwxps-".contains(byte));
    let is_place = is_hex(next())
        && next().split_once(':').is_some_and(|(major, minor)| is_hex(major) && is_hex(minor))
        && next().bytes().all(|byte| byte.is_ascii_digit());
    let odd = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    let is_text = line.len() <= MAX_LINE_BYTES && !line.contains(odd);
    is_range && is_permissions && is_place && is_text
}

/// The file of a mapping that is run and whose name leads elsewhere now.
fn replaced(line: &str) -> Option<&str> {
    let mut words = line.splitn(6, ' ');
    let permissions = words.nth(1)?;
    let file = words.nth(3)?.trim_start().strip_suffix(DELETED)?;
    let is_software = SOFTWARE.iter().any(|place| file.starts_with(place));
    (permissions.contains('x') && is_software).then_some(file)
}

/// The service that a control group is; what people run is all one, as sessions come and go.
fn unit(group: &str) -> String {
    let parts = || group.split('/').filter(|part| !part.is_empty());
    if group.starts_with("/user.slice") {
        return "user.slice".to_owned();
    }
    let unit = parts().rfind(|part| part.ends_with(".service") || part.ends_with(".scope"));
    unit.or_else(|| parts().next_back()).unwrap_or("none").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_run_and_replaced_is_software_that_was_deleted() {
        let line = |permissions: &str, path: &str| {
            format!("7f0000000000-7f0000001000 {permissions} 00001000 fe:01 1234    {path}")
        };
        let stale = "/usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)";
        assert_eq!(replaced(&line("r-xp", stale)), stale.strip_suffix(DELETED));
        assert_eq!(replaced(&line("r--p", stale)), None);
        assert!(is_mapping(&line("r-xp", stale)) && is_mapping(line("r-xp", "").trim_end()));
        assert!(!is_mapping(&line("r-xp", "\u{fffd}")) && !is_mapping(&line("rxp", stale)));
        assert!(!is_mapping("x") && !is_mapping(""));
        for path in [
            "/usr/lib/libssl.so.3",
            "/memfd:jit (deleted)",
            "/dev/shm/x (deleted)",
            "/tmp/x (deleted)",
            "/SYSV0 (deleted)",
            "",
        ] {
            assert_eq!(replaced(&line("r-xp", path)), None, "{path}");
        }
    }

    #[test]
    fn a_process_belongs_to_its_service() {
        assert_eq!(unit("/system.slice/ssh.service"), "ssh.service");
        assert_eq!(unit("/system.slice/system-x.slice/x@1.service/sub"), "x@1.service");
        assert_eq!(unit("/user.slice/user-1000.slice/session-3.scope"), "user.slice");
        assert_eq!((unit("/"), unit("/init")), ("none".to_owned(), "init".to_owned()));
    }
}
