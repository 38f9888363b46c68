//! How dockerd is started: the unit with its drop-ins and variables, daemon.json, and the socket unit
//! that may listen in its place. What somebody starts by hand is not seen here; its ports are in the
//! kind `listening_ports`.

use super::systemd;
use crate::formats::docker_options::Options;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::containers::Docker;
use std::collections::BTreeMap;

pub(super) const DATA_ROOT: &str = "/var/lib/docker";
const CONFIGURATION: &str = "/etc/docker/daemon.json";
const SERVICE: &str = "docker.service";
const SOCKET: &str = "docker.socket";
const UNCLEAR: Failure = Failure(Status::Unsupported);

/// Options of unit and file together.
pub(super) struct Effective {
    options: Options,
    socket_is_tcp: bool,
}

pub(super) fn options(reading: &mut Reading<'_>) -> Result<Effective, Failure> {
    let settings = systemd::unit_settings(reading, SERVICE, "Service")?.ok_or(UNCLEAR)?;
    let commands = systemd::listed(&settings, "ExecStart");
    let [command] = commands.as_slice() else { return Err(UNCLEAR) };
    let variables = variables(reading, &settings)?;
    let line = expanded(command, &variables).ok_or(UNCLEAR)?;
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let program = words.first().map(|word| word.trim_start_matches(['-', '@', ':', '+', '!']));
    if !program.is_some_and(|program| program.ends_with("/dockerd")) {
        reading.note(SERVICE, "another program than dockerd is started");
        return Err(UNCLEAR);
    }
    let unit = Options::of_words(words.get(1..).unwrap_or_default()).map_err(|note| {
        reading.malformed(SERVICE, note);
        Failure(Status::ParseError)
    })?;
    let path = unit.config_file.clone().unwrap_or_else(|| CONFIGURATION.to_owned());
    let file = match reading.config(&path) {
        Err(ReadError::Absent) if path == CONFIGURATION => Ok(Options::default()),
        other => Options::of_file(&other?),
    };
    let options = file.and_then(|file| file.with(unit)).map_err(|note| {
        reading.malformed(&path, note);
        Failure(Status::ParseError)
    })?;
    let socket_is_tcp = options.takes_sockets() && socket_is_tcp(reading)?;
    Ok(Effective { options, socket_is_tcp })
}

/// `ListenStream=` of systemd.socket(5): a path, an abstract name, or else an address.
fn socket_is_tcp(reading: &mut Reading<'_>) -> Result<bool, Failure> {
    // Without the unit nobody knows who hands it which sockets.
    let settings = systemd::unit_settings(reading, SOCKET, "Socket")?.ok_or(UNCLEAR)?;
    let streams = systemd::listed(&settings, "ListenStream");
    Ok(!streams.iter().all(|stream| stream.starts_with(['/', '@', '%'])))
}

/// `EnvironmentFile=` and `Environment=`; the files win (systemd.exec(5)).
fn variables(
    reading: &mut Reading<'_>,
    settings: &[(String, String)],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for line in systemd::listed(settings, "Environment") {
        // Several in one line, or quoted: only looked at when the command asks for one.
        if let Some((name, value)) = line.trim_matches('"').split_once('=') {
            found.insert(name.to_owned(), value.to_owned());
        }
    }
    for path in systemd::listed(settings, "EnvironmentFile") {
        let (path, may_miss) = match path.strip_prefix('-') {
            Some(path) => (path, true),
            None => (path, false),
        };
        let text = match reading.config(path) {
            Err(ReadError::Absent) if may_miss => continue,
            other => other?,
        };
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some((name, value)) = line.split_once('=') {
                found.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
    Ok(found)
}

/// The command with variables in place of words `$NAME` and `${NAME}`. None when quotes or backslashes would
/// have to be understood.
fn expanded(command: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let mut line = Vec::new();
    for word in command.split_ascii_whitespace() {
        match word.strip_prefix('$') {
            None => line.push(word),
            Some(name) => {
                let name = name.trim_start_matches('{').trim_end_matches('}');
                let value = variables.get(name).map_or("", String::as_str);
                let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                let bare = bare.or(value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')));
                line.push(bare.unwrap_or(value));
            }
        }
    }
    let line = line.join(" ");
    (!line.contains(['"', '\'', '\\', '$', '%'])).then_some(line)
}

impl Effective {
    pub(super) fn data_root(&self) -> &str {
        self.options.data_root.as_deref().unwrap_or(DATA_ROOT)
    }

    /// With what dockerd takes for options that are not given.
    pub(super) fn facts(self) -> Docker {
        let tcp_listener = self.options.listens_on_tcp() || self.socket_is_tcp;
        let options = self.options;
        Docker {
            tcp_listener,
            tls_verify: options.tls_verify.unwrap_or(false),
            userns_remap: options.userns_remap.is_some_and(|user| !user.is_empty()),
            no_new_privileges: options.no_new_privileges.unwrap_or(false),
            live_restore: options.live_restore.unwrap_or(false),
            icc: options.icc.unwrap_or(true),
            log_driver: options.log_driver.unwrap_or_else(|| "json-file".to_owned()),
            log_max_size: options.log_max_size.unwrap_or_default(),
            insecure_registries: options.insecure_registries,
        }
    }
}
