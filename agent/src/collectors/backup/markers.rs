//! Markers of jobs. What they say is believed as far as nobody but root and the owner of the
//! agent's state directory, who holds this host's keys, could have written it: every directory on
//! the way and the file itself belong to one of them, are no links, and nobody else may write. One
//! marker that is not so leaves all jobs unread: it may be that of a job that fails.

use super::{DAY_S, kernel_clock};
use crate::formats::backup_marker::{self, Marker};
use crate::host::{Failure, FileKind, ReadError, Reading};
use evidence::Status;
use evidence::kinds::backup::{Destination, Encryption, Job};

/// Where the unit of the agent keeps its state, for whoever runs without it.
const STATE: &str = "/var/lib/evidenced-agent";
const MAX_MARKERS: usize = 256;
/// A clock may be set back by a little after a job ended.
const SLACK_S: i64 = 60;

pub(super) fn read(reading: &mut Reading<'_>) -> Result<Vec<Job>, Failure> {
    let state = reading.own().state.as_deref().unwrap_or(STATE).trim_end_matches('/').to_owned();
    let directory = format!("{state}/markers/backup.d");
    // Before it is followed: a link that leads nowhere is no missing directory.
    let mut trusted = Trusted { uid: 0 };
    for path in [&state, &format!("{state}/markers"), &directory] {
        match reading.lstat(path) {
            Ok(meta) if *path == state => trusted.uid = meta.uid,
            Ok(_) => {}
            Err(error) => {
                reading.failed(&format!("{directory}/"), error);
                let none = error == ReadError::Absent;
                return if none { Ok(Vec::new()) } else { Err(error.into()) };
            }
        }
        trusted.check(reading, path, FileKind::Directory)?;
    }
    let names = reading.list(&directory)?;
    // A file that is being written has another name.
    let markers: Vec<_> = names.iter().filter_map(|name| name.strip_suffix(".json")).collect();
    if markers.len() > MAX_MARKERS {
        return Err(refused(reading, &format!("{directory}/"), "more than 256 markers"));
    }
    let now = match reading.is_live() {
        true => Some(kernel_clock::now(reading)?),
        false => None,
    };
    let mut jobs = Vec::new();
    for name in markers {
        let path = format!("{directory}/{name}.json");
        if !backup_marker::is_name(name) {
            return Err(refused(reading, &format!("{directory}/"), "a name that is none of a job"));
        }
        trusted.check(reading, &path, FileKind::File)?;
        jobs.push(job(reading, &path, name, now)?);
    }
    Ok(jobs)
}

fn job(
    reading: &mut Reading<'_>,
    path: &str,
    name: &str,
    now: Option<i64>,
) -> Result<Job, Failure> {
    let marker = Marker::parse(&reading.text(path)?).map_err(|note| {
        reading.malformed(path, note);
        Failure(Status::ParseError)
    })?;
    if now.is_some_and(|now| marker.finished_s > now + SLACK_S) {
        reading.malformed(path, "it ends in the future");
        return Err(Failure(Status::ParseError));
    }
    let last_success_s = marker.last_success_s();
    Ok(Job {
        name: name.to_owned(),
        last_run_succeeded: marker.last_run_succeeded(),
        has_succeeded: last_success_s.is_some(),
        last_success_day: last_success_s.map(|second| second.div_euclid(DAY_S)),
        tool: marker.tool,
        destination: marker.destination.map(|destination| match destination {
            backup_marker::Destination::Local => Destination::Local,
            backup_marker::Destination::Remote => Destination::Remote,
        }),
        encryption: marker.encryption.map(|encryption| match encryption {
            backup_marker::Encryption::Tool => Encryption::Tool,
            backup_marker::Encryption::Transport => Encryption::Transport,
            backup_marker::Encryption::None => Encryption::None,
        }),
    })
}

/// Who may have written a marker, beside root.
struct Trusted {
    uid: u32,
}

impl Trusted {
    fn check(&self, reading: &mut Reading<'_>, path: &str, kind: FileKind) -> Result<(), Failure> {
        let meta = reading.lstat(path)?;
        let why = if meta.kind != kind {
            "a link or another thing that is no marker"
        } else if meta.uid != 0 && meta.uid != self.uid {
            "it belongs neither to root nor to the agent"
        } else if meta.mode & 0o022 != 0 {
            "others than its owner may write to it"
        } else {
            return Ok(());
        };
        Err(refused(reading, path, why))
    }
}

fn refused(reading: &mut Reading<'_>, path: &str, why: &str) -> Failure {
    reading.ended(path, Status::Denied, format!("not trusted: {why}"));
    Failure(Status::Denied)
}
