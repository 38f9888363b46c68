//! Where rsyslog keeps logs, and where they are sent to: by it, and by systemd-journal-upload.

use super::{Failure, FileKind, ReadError, Reading, systemd};
use crate::formats::rsyslog::{self, Forward, Ways};
use evidence::Status;
use evidence::kinds::logging::{Journald, Protocol, RemoteTarget, Syslog, SyslogDaemon, Via};
use std::collections::BTreeSet;

const RSYSLOG: &str = "/etc/rsyslog.conf";
const RSYSLOG_UNIT: &str = "rsyslog.service";
const UPLOAD_UNIT: &str = "systemd-journal-upload.service";
/// The port of systemd-journal-remote(8).
const UPLOAD_PORT: i64 = 19_532;

/// Places that a restart empties.
const MEMORY: [&str; 4] = ["/run/", "/dev/", "/tmp/", "/var/run/"];

/// What the enabled rsyslog does with messages; `None` where no syslog daemon is enabled: the
/// configuration of the rest is dead.
pub(super) fn ways(
    reading: &mut Reading<'_>,
    syslog: Option<&Syslog>,
) -> Result<Option<Ways>, Failure> {
    let unclear = Failure(Status::Unsupported);
    let syslog = syslog.ok_or(unclear)?;
    match (syslog.daemon, syslog.enabled) {
        (_, Some(false)) => Ok(None),
        (SyslogDaemon::Rsyslog, Some(true)) => rsyslog_ways(reading).map(Some),
        _ => Err(unclear),
    }
}

fn rsyslog_ways(reading: &mut Reading<'_>) -> Result<Ways, Failure> {
    // Another command may name another file.
    if systemd::has_other_command(reading, RSYSLOG_UNIT)? {
        return Err(Failure(Status::Unsupported));
    }
    let text = reading.config(RSYSLOG)?;
    let mut include = |name: &str, optional: bool| included(reading, name, optional);
    rsyslog::ways(RSYSLOG, &text, &mut include).map_err(|fault| {
        // An unreadable include is a remark on the file that names it.
        reading.malformed(&fault.path, fault.to_string());
        Failure(Status::ParseError)
    })
}

/// Targets of what is started at boot.
pub(super) fn targets(
    reading: &mut Reading<'_>,
    ways: Result<&Option<Ways>, &Failure>,
    journald: Option<&Journald>,
) -> Result<Vec<RemoteTarget>, Failure> {
    let ways = ways.map_err(|failure| *failure)?;
    let forwards = ways.iter().flat_map(|ways| ways.forwards.clone());
    let targets: Result<Vec<_>, _> = forwards.map(|forward| target(forward, journald)).collect();
    let mut targets = targets?;
    if systemd::enabled(reading, UPLOAD_UNIT)? {
        targets.extend(upload(reading)?);
    }
    Ok(targets)
}

/// Files of all messages that are there. One that nothing reaches any more is none of them.
pub(super) fn main_files(
    reading: &Reading<'_>,
    ways: Result<&Option<Ways>, &Failure>,
    journald: Option<&Journald>,
) -> Result<Vec<String>, Failure> {
    let Some(ways) = ways.map_err(|failure| *failure)? else { return Ok(Vec::new()) };
    let files = ways.files.as_ref().ok_or(Failure(Status::Unsupported))?;
    if ways.needs_handing_on && !files.is_empty() {
        let journald = journald.ok_or(Failure(Status::Unsupported))?;
        if journald.installed && journald.forward_to_syslog == Some(false) {
            return Ok(Vec::new());
        }
    }
    let mut there = BTreeSet::new();
    for path in files.iter().filter(|path| !MEMORY.iter().any(|place| path.starts_with(place))) {
        match reading.stat(path) {
            Ok(meta) if meta.kind == FileKind::File => {
                there.insert(path.clone());
            }
            Ok(_) | Err(ReadError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(there.into_iter().collect())
}

/// The files of `$IncludeConfig` and `include()`: a file, a directory, or a directory with a
/// pattern of one `*`.
fn included(
    reading: &mut Reading<'_>,
    name: &str,
    optional: bool,
) -> Result<Vec<(String, String)>, &'static str> {
    let (directory, pattern) = match name.rsplit_once('/') {
        Some((directory, "")) => (directory, "*"),
        Some(parts) => parts,
        None => return Err("an include with a relative path"),
    };
    if directory.contains(['*', '?', '[', '{']) || pattern.contains(['?', '[', '{', '\\']) {
        return Err("an include with a pattern that is not understood");
    }
    let Some((start, end)) = pattern.split_once('*') else {
        return match reading.config(name) {
            Ok(text) => Ok(vec![(name.to_owned(), text)]),
            Err(ReadError::Absent) if optional => Ok(Vec::new()),
            Err(ReadError::WrongType) => included(reading, &format!("{name}/"), optional),
            Err(_) => Err("an include that cannot be read"),
        };
    };
    if end.contains('*') {
        return Err("an include with a pattern that is not understood");
    }
    let names = match reading.list(directory) {
        Err(ReadError::Absent) => Vec::new(),
        other => other.map_err(|_| "an include that cannot be read")?,
    };
    let fits = |name: &String| {
        let long = name.len() >= start.len() + end.len();
        let hidden = name.starts_with('.') && !start.starts_with('.');
        long && !hidden && name.starts_with(start) && name.ends_with(end)
    };
    let mut files = Vec::new();
    for name in names.into_iter().filter(fits) {
        let path = format!("{directory}/{name}");
        let text = reading.config(&path).map_err(|_| "an include that cannot be read")?;
        files.push((path, text));
    }
    Ok(files)
}

/// rsyslog that does not read the journal sees only what journald hands on.
fn target(forward: Forward, journald: Option<&Journald>) -> Result<RemoteTarget, Failure> {
    let mut conditional = forward.conditional;
    if forward.needs_handing_on {
        let journald = journald.ok_or(Failure(Status::Unsupported))?;
        conditional |= journald.forward_to_syslog == Some(false);
    }
    Ok(RemoteTarget {
        via: Via::Rsyslog,
        loopback: is_loopback(&forward.target),
        target: forward.target,
        port: forward.port,
        protocol: match forward.protocol {
            rsyslog::Protocol::Udp => Protocol::Udp,
            rsyslog::Protocol::Tcp => Protocol::Tcp,
            rsyslog::Protocol::Relp => Protocol::Relp,
        },
        tls: forward.tls,
        conditional,
    })
}

/// Any form the resolver may know, such as `127.1`.
fn is_loopback(target: &str) -> bool {
    let target = target.trim_end_matches('.').to_ascii_lowercase();
    let name = target == "localhost" || target.ends_with(".localhost");
    let address = target.parse::<std::net::IpAddr>();
    let own = address.is_ok_and(|address| {
        address.to_canonical().is_loopback() || address.to_canonical().is_unspecified()
    });
    let digits = target.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    name || own || (digits && (target.starts_with("127.") || target == "0"))
}

/// `URL=` of journal-upload.conf(5): `[http[s]://]HOST[:PORT]`, by default https.
fn upload(reading: &mut Reading<'_>) -> Result<Vec<RemoteTarget>, Failure> {
    let settings = systemd::merged(reading, "journal-upload.conf", "Upload")?;
    let unclear = Failure(Status::ParseError);
    let Some(url) = settings.get("URL").filter(|url| !url.is_empty()) else {
        return Ok(Vec::new());
    };
    let (protocol, rest) = match url.split_once("://") {
        None => (Protocol::Https, url.as_str()),
        Some(("https", rest)) => (Protocol::Https, rest),
        Some(("http", rest)) => (Protocol::Http, rest),
        Some(_) => return Err(unclear),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(unclear)?;
            (host, port.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => i64::from(port.parse::<u16>().or(Err(unclear))?),
        None => UPLOAD_PORT,
    };
    if host.is_empty() || host.contains('@') {
        return Err(unclear);
    }
    Ok(vec![RemoteTarget {
        via: Via::JournalUpload,
        target: host.to_owned(),
        port,
        protocol,
        tls: protocol == Protocol::Https,
        loopback: is_loopback(host),
        conditional: false,
    }])
}
