//! `ssh_server`: what sshd would apply to a connection, read from its files alone.
//!
//! The first value wins, drop-ins and command line included. Where anything stands in the way of
//! knowing (a file that may not be read, a keyword of another release, a line on which sshd
//! refuses to start), no setting is reported at all: an unread line can set anything, and when
//! sshd refuses the files, what runs was configured by older ones.

mod build;
mod checks;
mod effective;
mod host_keys;
mod install;
mod instances;
mod load;
mod start;
mod worst;

use super::{Collector, facts};
use crate::formats::sshd_config::{Release, defaults};
use crate::host::{Failure, ReadError, Reading};
use build::Build;
use effective::Effective;
use evidence::kinds::{Kind, SshServer};
use install::{Installed, Package};
use load::{Cause, Directive, Problem};
pub use start::Options;

pub(super) const COLLECTOR: Collector = Collector {
    kind: SshServer::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const MAIN_FILE: &str = "/etc/ssh/sshd_config";
/// SUSE's own, which counts where the other is missing.
const VENDOR_FILE: &str = "/usr/etc/ssh/sshd_config";
/// Everything that the configuration decides.
const CONFIGURED: [&str; 6] =
    ["effective_algorithms", "global", "host_keys", "matches", "origins", "worst"];

pub(super) fn collect(reading: &mut Reading<'_>) -> Result<SshServer, Failure> {
    let package = match install::installed(reading)? {
        Installed::No => return Ok(bare(false)),
        Installed::Yes(package) => package,
    };
    let options = start::options(reading);
    let main = options.config.clone().unwrap_or_else(|| main_file(reading).to_owned());
    let mut ports = None;
    let mut data = match package {
        Some(package) => {
            let first = configured(reading, &main, &options, &package);
            ports = first.global.as_ref().map(|global| global.ports.clone());
            with_others(reading, first, &package)
        }
        None => {
            // Without the release neither the language nor the defaults are known.
            reading.unread("version");
            CONFIGURED.iter().chain(&["unresolved"]).for_each(|field| reading.unread(field));
            bare(true)
        }
    };
    data.socket_activated = options.socket_activated;
    data.running = running(reading, ports.as_deref(), &options);
    Ok(data)
}

/// The same of every server of this host.
fn with_others(reading: &mut Reading<'_>, mut all: SshServer, package: &Package) -> SshServer {
    let mut faults = Vec::new();
    for other in instances::others(reading, &mut faults) {
        let main = other.options.config.clone();
        let main = main.unwrap_or_else(|| main_file(reading).to_owned());
        let own = configured(reading, &main, &other.options, package);
        let unresolved = own.unresolved.clone().unwrap_or_default();
        if !instances::join(&mut all, own) {
            let more = unresolved.into_iter().map(|what| format!("{}: {what}", other.name));
            faults.extend(more);
        }
    }
    if !faults.is_empty() {
        let mut unresolved = all.unresolved.take().unwrap_or_default();
        unresolved.extend(faults);
        unresolved.sort();
        unresolved.dedup();
        all = SshServer { version: all.version, unresolved: Some(unresolved), ..bare(true) };
    }
    reading.gaps([
        ("global", all.global.is_none()),
        ("worst", all.worst.is_none()),
        ("effective_algorithms", all.effective_algorithms.is_none()),
        ("host_keys", all.host_keys.is_none()),
        ("matches", all.matches.is_none()),
        ("origins", all.origins.is_none()),
    ]);
    all
}

fn main_file(reading: &Reading<'_>) -> &'static str {
    let is_absent = reading.lstat(MAIN_FILE) == Err(ReadError::Absent);
    if is_absent && reading.lstat(VENDOR_FILE).is_ok() { VENDOR_FILE } else { MAIN_FILE }
}

fn bare(installed: bool) -> SshServer {
    SshServer {
        installed,
        version: None,
        running: None,
        global: None,
        matches: None,
        worst: None,
        effective_algorithms: None,
        host_keys: None,
        origins: None,
        unresolved: None,
        socket_activated: None,
    }
}

/// By the ports of the first server.
fn running(reading: &mut Reading<'_>, ports: Option<&[i64]>, options: &Options) -> Option<bool> {
    if !reading.is_live() {
        return None;
    }
    let socket_activated = options.socket_activated == Some(true);
    let running = ports.and_then(|ports| install::running(reading, ports, socket_activated).ok());
    if running.is_none() {
        reading.unread("running");
    }
    running
}

/// What the files say, starting at `main`, to the release in the Debian package of this version.
pub fn configuration(
    reading: &mut Reading<'_>,
    main: &str,
    options: &Options,
    package: &str,
) -> SshServer {
    let package = Package { version: package.to_owned(), build: Build::Debian };
    configured(reading, main, options, &package)
}

fn configured(
    reading: &mut Reading<'_>,
    main: &str,
    options: &Options,
    package: &Package,
) -> SshServer {
    let version = install::upstream(&package.version);
    let mut data = bare(true);
    data.version = Some(version.clone());
    let Some(release) = Release::parse(&version).filter(|release| release.is_understood()) else {
        CONFIGURED.iter().chain(&["unresolved"]).for_each(|field| reading.unread(field));
        return data;
    };
    let config = match load::load(reading, main, options, release) {
        Ok(config) => config,
        Err(error) => {
            CONFIGURED.iter().for_each(|field| reading.unread(field));
            data.unresolved = Some(vec![format!("{main} {error}")]);
            return data;
        }
    };
    let mut unresolved = options.unresolved.clone();
    unresolved.extend(config.problems.iter().map(|problem| told(reading, problem)));
    if unresolved.is_empty() {
        let ports = &options.ports;
        let effective = Effective { config: &config, release, ports };
        apply(reading, &mut data, &effective, package, &mut unresolved);
    }
    if !unresolved.is_empty() {
        data = SshServer { version: data.version, ..bare(true) };
        CONFIGURED.iter().for_each(|field| reading.unread(field));
    }
    data.unresolved = Some(unresolved);
    data
}

/// Fills in everything that the configuration decides; a refused algorithm list goes to
/// `unresolved`.
fn apply(
    reading: &mut Reading<'_>,
    data: &mut SshServer,
    effective: &Effective<'_>,
    package: &Package,
    unresolved: &mut Vec<String>,
) {
    let table = match package.build {
        Build::Debian => defaults::table(effective.release, &package.version),
        Build::Upstream | Build::Other => None,
    };
    let mut refused = checks::refused(effective);
    match table.map(|table| effective.algorithms(&table)) {
        Some(Ok(algorithms)) => data.effective_algorithms = Some(algorithms),
        Some(Err(directive)) => refused.push(directive),
        // A crypto policy names all of them: then the defaults do not matter.
        None => data.effective_algorithms = effective.written_algorithms(),
    }
    if data.effective_algorithms.is_none() {
        reading.unread("effective_algorithms");
    }
    if !refused.is_empty() {
        unresolved.extend(refused.into_iter().map(|directive| told_refused(reading, directive)));
        return;
    }
    if package.build.is_known(effective) {
        data.global = Some(effective.settings());
        data.worst = Some(effective.worst());
    } else {
        reading.unread("global");
        reading.unread("worst");
    }
    data.matches = Some(effective.matches());
    data.origins = Some(effective.origins());
    match host_keys::read(reading, effective.host_keys()) {
        Ok(keys) => data.host_keys = Some(keys),
        Err(_) => reading.unread("host_keys"),
    }
}

/// Records a directive that sshd refuses for its value or its company.
fn told_refused(reading: &mut Reading<'_>, directive: &Directive) -> String {
    let (location, name) = (&directive.location, directive.keyword.name);
    // The place of an option is no line of a configuration file.
    if let Some((path, line)) = location.rsplit_once(':').filter(|(path, _)| !path.contains(' ')) {
        reading.malformed(path, format!("line {line}: {name}: sshd refuses this value here"));
    }
    format!("{location} {name}")
}

/// Records a problem with its source, and gives its line for `unresolved`.
fn told(reading: &mut Reading<'_>, problem: &Problem) -> String {
    let Problem { path, line, keyword, cause } = problem;
    if *line == 0 {
        // An option: the place already names file and line of the command.
        return format!("{path} {keyword}");
    }
    match cause {
        Cause::Malformed(error) => {
            reading.malformed(path, format!("line {line}: {keyword}: {error}"));
        }
        Cause::UnknownKeyword => reading.note(path, format!("line {line}: unknown keyword")),
        Cause::Unreadable(error) => {
            reading.note(path, format!("line {line}: {keyword}: {error}"));
        }
        Cause::Undecidable => {
            reading.note(path, format!("line {line}: {keyword}: not decided by files alone"));
        }
    }
    format!("{path}:{line} {keyword}")
}
