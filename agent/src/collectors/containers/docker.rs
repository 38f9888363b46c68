//! How dockerd is started: the unit with its drop-ins and variables, daemon.json, and the socket units
//! that may listen in its place. What somebody starts by hand is not seen here; its ports are in the
//! kind `listening_ports`.

use super::systemd;
use crate::formats::{docker_options::Options, glob, systemd_config};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::containers::Docker;
use std::collections::{BTreeMap, BTreeSet};

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
    // What the manager itself was given is seen by nobody.
    let is_passed = !systemd::listed(&settings, "PassEnvironment").is_empty();
    if is_passed && command.contains('$') {
        return Err(UNCLEAR);
    }
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
    let socket_is_tcp = options.takes_sockets() && socket_is_tcp(reading, &settings)?;
    Ok(Effective { options, socket_is_tcp })
}

/// Whether a socket unit that hands its sockets to docker has one of TCP: `ListenStream=` of
/// systemd.socket(5) is a path, an abstract name, or else an address. Any number of units may name
/// docker's, whatever their own names are.
fn socket_is_tcp(
    reading: &mut Reading<'_>,
    settings: &[(String, String)],
) -> Result<bool, Failure> {
    let named: BTreeSet<String> = systemd::listed(settings, "Sockets")
        .iter()
        .flat_map(|words| words.split_ascii_whitespace().map(str::to_owned))
        .collect();
    let mut units = systemd::names(reading, ".socket")?;
    units.extend(named.iter().cloned());
    let (mut is_known, mut is_tcp) = (false, false);
    for unit in units {
        let Some(settings) = systemd::unit_settings(reading, &unit, "Socket")? else { continue };
        let service = settings.iter().rev().find(|(key, _)| key == "Service");
        let is_dockers = service.map_or(unit == SOCKET, |(_, service)| service == SERVICE);
        if is_dockers || named.contains(&unit) {
            let streams = systemd::listed(&settings, "ListenStream");
            is_tcp |= !streams.iter().all(|stream| stream.starts_with(['/', '@', '%']));
            is_known = true;
        }
    }
    // Without the unit nobody knows who hands it which sockets.
    is_known.then_some(is_tcp).ok_or(UNCLEAR)
}

/// `EnvironmentFile=` and `Environment=`; the files win (systemd.exec(5)).
fn variables(
    reading: &mut Reading<'_>,
    settings: &[(String, String)],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for line in systemd::listed(settings, "Environment") {
        for word in systemd_config::words(line).ok_or(UNCLEAR)? {
            if let Some((name, value)) = word.split_once('=') {
                found.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    for path in systemd::listed(settings, "EnvironmentFile") {
        let (path, may_miss) = match path.strip_prefix('-') {
            Some(path) => (path, true),
            None => (path, false),
        };
        // Patterns and specifiers stand for files that are not looked for here.
        if glob::is_pattern(path) || path.contains('%') {
            return Err(UNCLEAR);
        }
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
