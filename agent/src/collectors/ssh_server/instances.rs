//! Servers beside the one of the package: units of their own that start sshd with another file, and
//! whatever of them listens. What is said of the server is then said of all of them: the laxest of
//! each setting, every algorithm that one of them offers.

use super::super::systemd;
use super::start::{self, Options};
use super::worst;
use crate::host::{ReadError, Reading};
use evidence::kinds::SshServer;
use evidence::kinds::ssh_server::{Algorithms, Settings, Worst};
use std::collections::BTreeSet;

/// Where administrators put units.
const LOCAL: [&str; 3] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system"];
/// Units of the package, which are read as the first server, and those that run no server.
const KNOWN: [&str; 4] = ["ssh.service", "sshd.service", "ssh@.service", "sshd@.service"];

/// Another server: its unit, and how it is started.
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) options: Options,
}

/// Every other server that is started at boot or listens now. What cannot be known is a fault.
pub(super) fn others(reading: &mut Reading<'_>, faults: &mut Vec<String>) -> Vec<Instance> {
    let mut names = BTreeSet::new();
    for directory in LOCAL {
        match candidates(reading, directory) {
            Ok(found) => names.extend(found),
            Err(error) => faults.push(format!("{directory} {error}")),
        }
    }
    let listening = listening(reading, faults);
    names.extend(listening.iter().cloned());
    names.retain(|name| {
        !KNOWN.contains(&template_of(name).as_str()) || is_own_template(reading, name)
    });
    let mut found = Vec::new();
    for name in names {
        match instance(reading, name.clone(), faults) {
            Some(instance) => found.push(instance),
            // What listens was started somehow.
            None if listening.contains(&name) => faults.push(format!("{name} listens, unread")),
            None => {}
        }
    }
    found
}

/// Services of a directory that start sshd and are enabled: of templates the enabled instances.
fn candidates(reading: &mut Reading<'_>, directory: &str) -> Result<Vec<String>, ReadError> {
    let names = match reading.list(directory) {
        Err(ReadError::Absent) => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(".service")) {
        let path = format!("{directory}/{name}");
        // A unit that is masked starts nothing.
        if reading.link(&path).is_ok_and(|target| target == "/dev/null") {
            continue;
        }
        let text = match reading.config(&path) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        if !text.contains("sshd") {
            continue;
        }
        match name.strip_suffix("@.service") {
            Some(stem) => found.extend(enabled_instances(reading, stem)?),
            None if systemd::enabled(reading, name)? => found.push(name.clone()),
            None => {}
        }
    }
    Ok(found)
}

/// `STEM@NAME.service` that a target wants.
fn enabled_instances(reading: &mut Reading<'_>, stem: &str) -> Result<Vec<String>, ReadError> {
    let directory = format!("{}/multi-user.target.wants", LOCAL[0]);
    let names = match reading.list(&directory) {
        Err(ReadError::Absent) => return Ok(Vec::new()),
        other => other?,
    };
    let start = format!("{stem}@");
    Ok(names.into_iter().filter(|name| name.starts_with(&start)).collect())
}

/// Services of processes that listen as sshd does, by the title it gives itself.
fn listening(reading: &mut Reading<'_>, faults: &mut Vec<String>) -> Vec<String> {
    if !reading.is_live() {
        return Vec::new();
    }
    let processes = reading.list("/proc").unwrap_or_else(|error| {
        faults.push(format!("/proc {error}"));
        Vec::new()
    });
    let numbers = processes.iter().filter_map(|name| name.parse::<u32>().ok());
    let mut names = Vec::new();
    for number in numbers {
        let title = of_process(reading, number, "cmdline", faults);
        match Process::of(&title) {
            Process::Listener => {}
            Process::Damaged => {
                faults.push(format!("/proc/{number}/cmdline is no title of sshd"));
                continue;
            }
            Process::Other => {
                if of_process(reading, number, "comm", faults).trim_end() == "sshd" {
                    faults.push(format!("/proc/{number} is sshd by another title"));
                }
                continue;
            }
            Process::OfServer => continue,
        }
        let group = of_process(reading, number, "cgroup", faults);
        match unit_of(&group) {
            Some(unit) if group.contains("/user.slice/") => {
                faults.push(format!("/proc a server that somebody started by hand in {unit}"));
            }
            Some(unit) if unit.ends_with(".service") => names.push(unit.to_owned()),
            // Of a container.
            Some(unit) if unit.ends_with(".scope") => {}
            _ => faults.push(format!("/proc/{number}/cgroup names no unit")),
        }
    }
    names
}

/// What the title of a process says.
enum Process {
    Listener,
    /// Of one connection, or about to become a listener; or ended, and not yet reaped.
    OfServer,
    Damaged,
    Other,
}

impl Process {
    /// sshd calls itself `sshd: … [listener] …`, and `sshd: …` for a connection; until it does, its
    /// title is the command that started it.
    fn of(title: &str) -> Self {
        if title.is_empty() {
            return Self::OfServer;
        }
        // A title takes the place of a longer command; the rest is NUL.
        let title = title.trim_end_matches(['\0', '\n']);
        let is_damaged = || title.contains(|c: char| c.is_control() || c == '\u{fffd}');
        let program = title.split('\0').next().unwrap_or_default();
        match title.strip_prefix("sshd: ") {
            Some(_) if is_damaged() => Self::Damaged,
            Some(rest) if rest.contains("[listener]") => Self::Listener,
            Some(_) => Self::OfServer,
            None if program.ends_with("/sshd") => Self::OfServer,
            None => Self::Other,
        }
    }
}

/// A file of a process; of one that has ended meanwhile there is nothing to say.
fn of_process(reading: &Reading<'_>, number: u32, file: &str, faults: &mut Vec<String>) -> String {
    reading.process_text(number, file).unwrap_or_else(|error| {
        if error != ReadError::Absent {
            faults.push(format!("/proc/{number}/{file} {error}"));
        }
        String::new()
    })
}

/// The unit at the end of the first line; none of a damaged text.
fn unit_of(group: &str) -> Option<&str> {
    let is_whole = group.chars().all(|c| c.is_ascii_graphic() || c == '\n');
    group.lines().next().filter(|_| is_whole)?.rsplit('/').next()
}

/// `a@b.service` is of `a@.service`.
fn template_of(name: &str) -> String {
    match name.split_once('@') {
        Some((stem, _)) => format!("{stem}@.service"),
        None => name.to_owned(),
    }
}

/// An enabled instance of a template with the name of the package's, which an administrator wrote.
fn is_own_template(reading: &Reading<'_>, name: &str) -> bool {
    let template = template_of(name);
    template != name
        && LOCAL.iter().any(|directory| reading.lstat(&format!("{directory}/{template}")).is_ok())
}

fn instance(reading: &mut Reading<'_>, name: String, faults: &mut Vec<String>) -> Option<Instance> {
    let inner = name.split_once('@').and_then(|(_, rest)| rest.strip_suffix(".service"));
    let options = start::of_unit(reading, &template_of(&name), inner.unwrap_or_default())?;
    let drop_ins = LOCAL.map(|directory| format!("{directory}/{name}.d"));
    if inner.is_some() && drop_ins.iter().any(|path| reading.lstat(path).is_ok()) {
        faults.push(format!("{name} has drop-ins of its own"));
    }
    Some(Instance { name, options })
}

/// Says of `all` what holds for the other server too. False where nothing is known of one of them.
pub(super) fn join(all: &mut SshServer, other: SshServer) -> bool {
    let both = (&all.unresolved, &other.unresolved);
    let is_known = matches!(both, (Some(one), Some(two)) if one.is_empty() && two.is_empty());
    if !is_known {
        return false;
    }
    all.worst = all.worst.take().zip(other.worst).map(|(one, two)| laxest(&one, &two));
    all.global = all.global.take().zip(other.global).and_then(|(one, two)| same(one, &two));
    let algorithms = all.effective_algorithms.take().zip(other.effective_algorithms);
    all.effective_algorithms = algorithms.map(|(one, two)| offered(one, two));
    all.matches = all.matches.take().zip(other.matches).map(|(mut one, two)| {
        one.extend(two);
        one
    });
    all.host_keys = all.host_keys.take().zip(other.host_keys).map(|(mut one, two)| {
        let new: Vec<_> =
            two.into_iter().filter(|key| one.iter().all(|o| o.path != key.path)).collect();
        one.extend(new);
        one
    });
    true
}

fn laxest(one: &Worst, two: &Worst) -> Worst {
    let of = |name: &str, one: &str, two: &str| worst::of(name, &[one, two]);
    macro_rules! of {
        ($field:ident) => {
            of(stringify!($field), &one.$field, &two.$field)
        };
    }
    Worst {
        permitrootlogin: of!(permitrootlogin),
        passwordauthentication: of!(passwordauthentication),
        kbdinteractiveauthentication: of!(kbdinteractiveauthentication),
        permitemptypasswords: of!(permitemptypasswords),
        hostbasedauthentication: of!(hostbasedauthentication),
        x11forwarding: of!(x11forwarding),
        allowtcpforwarding: of!(allowtcpforwarding),
        allowagentforwarding: of!(allowagentforwarding),
        permittunnel: of!(permittunnel),
        gatewayports: of!(gatewayports),
        maxauthtries: one.maxauthtries.max(two.maxauthtries),
    }
}

/// The settings of both, where they differ in nothing but where they listen.
fn same(one: Settings, two: &Settings) -> Option<Settings> {
    let there = Settings {
        ports: one.ports.clone(),
        listenaddresses: one.listenaddresses.clone(),
        ..two.clone()
    };
    if one != there {
        return None;
    }
    let mut both = one;
    both.ports.extend(two.ports.iter().filter(|port| !there.ports.contains(port)));
    let more = two.listenaddresses.iter().filter(|one| !there.listenaddresses.contains(one));
    both.listenaddresses.extend(more.cloned());
    Some(both)
}

fn offered(mut one: Algorithms, two: Algorithms) -> Algorithms {
    for (list, more) in [
        (&mut one.ciphers, two.ciphers),
        (&mut one.macs, two.macs),
        (&mut one.kex, two.kex),
        (&mut one.hostkey, two.hostkey),
        (&mut one.pubkey, two.pubkey),
    ] {
        let new: Vec<_> = more.into_iter().filter(|name| !list.contains(name)).collect();
        list.extend(new);
    }
    one
}
