//! How sshd is started: the unit of systemd, its drop-ins and the file of its options, or that of an
//! init script. Options on the command line beat the configuration file.

use crate::host::{ReadError, Reading};
use std::collections::BTreeMap;

/// Where systemd looks for units, first wins (systemd.unit(5)).
const UNIT_DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const DEFAULTS_FILE: &str = "/etc/default/ssh";
/// What OpenRC (Alpine) gives its script. Its variables may name another program or another file.
const OPENRC_FILE: &str = "/etc/conf.d/sshd";
/// Variables of it that change nothing of what is asked here.
const OPENRC_HARMLESS: [&str; 4] =
    ["key_types_to_generate", "rc_need", "sshd_disable_keygen", "supervisor"];
/// Socket units, by their name in Debian and elsewhere.
const SOCKETS: [&str; 2] = ["ssh.socket", "sshd.socket"];

/// What the command line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `-f`: another main file.
    pub config: Option<String>,
    /// `-p`: the ports, whatever the files say.
    pub ports: Vec<i64>,
    /// `-o` and the options that mean a directive: where it was said, and the directive.
    pub lines: Vec<(String, String)>,
    /// What could not be read or understood: path and what it concerns.
    pub unresolved: Vec<String>,
    /// Whether `ssh.socket` is enabled; absent when that could not be seen.
    pub socket_activated: Option<bool>,
}

/// Reads the options that the next start will use.
pub(super) fn options(reading: &mut Reading<'_>) -> Options {
    let mut options = Options { socket_activated: socket(reading), ..Options::default() };
    let mut unit = Unit::default();
    for name in units(reading, options.socket_activated == Some(true)) {
        let found = unit.read(reading, name, &mut options.unresolved);
        if found {
            break;
        }
    }
    if unit.command.is_none() {
        // No systemd: the init script sources the file and passes SSHD_OPTS.
        unit.environment_file(reading, DEFAULTS_FILE, true, &mut options.unresolved);
        unit.command = Some((DEFAULTS_FILE.to_owned(), "sshd $SSHD_OPTS".to_owned()));
        openrc(reading, &mut options.unresolved);
    }
    if let Some((place, command)) = &unit.command {
        match unit.arguments(command) {
            Some(arguments) => parse(&mut options, place, &arguments),
            None => options.unresolved.push(format!("{place} ExecStart")),
        }
    }
    options
}

/// The options of a unit beside the package's, `inner` standing for `%i`; `None` where it runs no
/// server.
pub(super) fn of_unit(reading: &mut Reading<'_>, name: &str, inner: &str) -> Option<Options> {
    let mut options = Options::default();
    let mut unit = Unit::default();
    unit.read(reading, name, &mut options.unresolved);
    let (place, command) = unit.command.clone()?;
    let command = command.replace("%i", inner).replace("%I", inner);
    match unit.arguments(&command) {
        Some(arguments) if !arguments.iter().any(|word| word.contains('%')) => {
            parse(&mut options, &place, &arguments);
        }
        // A script that starts one, or something else with the word in it.
        None if !command.contains("sshd") => return None,
        _ => options.unresolved.push(format!("{place} ExecStart")),
    }
    Some(options)
}

/// Every variable of OpenRC's file may change what is started.
fn openrc(reading: &mut Reading<'_>, faults: &mut Vec<String>) {
    let text = match reading.config(OPENRC_FILE) {
        Ok(text) => text,
        Err(ReadError::Absent) => return,
        Err(error) => return faults.push(format!("{OPENRC_FILE} {error}")),
    };
    let lines = text.lines().map(str::trim).zip(1..);
    for (line, number) in lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
        let name = line.split('=').next().unwrap_or_default();
        if !OPENRC_HARMLESS.contains(&name) {
            faults.push(format!("{OPENRC_FILE}:{number} {name}"));
        }
    }
}

/// Whether a socket unit is enabled: systemd listens and starts sshd.
fn socket(reading: &mut Reading<'_>) -> Option<bool> {
    for name in SOCKETS {
        match reading.lstat(&format!("/etc/systemd/system/sockets.target.wants/{name}")) {
            Ok(_) => return Some(true),
            Err(ReadError::Absent) => {}
            Err(_) => {
                reading.unread("socket_activated");
                return None;
            }
        }
    }
    Some(false)
}

/// The service that runs, best candidate first: behind a socket with `Accept=yes` a template.
fn units(reading: &mut Reading<'_>, socket_activated: bool) -> Vec<&'static str> {
    let mut names = vec!["ssh.service", "sshd.service"];
    let mut accepts = || {
        let paths = UNIT_DIRECTORIES.iter().flat_map(|d| SOCKETS.map(|name| format!("{d}/{name}")));
        let text = paths.into_iter().find_map(|path| {
            reading.lstat(&path).ok()?;
            reading.config(&path).ok()
        });
        text.is_some_and(|text| text.lines().any(|line| line.trim() == "Accept=yes"))
    };
    if socket_activated && accepts() {
        names.splice(0..0, ["ssh@.service", "sshd@.service"]);
    }
    names
}

#[derive(Default)]
struct Unit {
    environment: BTreeMap<String, String>,
    /// `path:line` and the command line of the last ExecStart=.
    command: Option<(String, String)>,
}

impl Unit {
    /// Reads a unit and its drop-ins; false when there is no such unit.
    fn read(&mut self, reading: &mut Reading<'_>, name: &str, faults: &mut Vec<String>) -> bool {
        let paths = UNIT_DIRECTORIES.map(|directory| format!("{directory}/{name}"));
        let Some(path) = paths.iter().find(|path| reading.lstat(path) != Err(ReadError::Absent))
        else {
            return false;
        };
        let mut files = vec![path.clone()];
        files.extend(drop_ins(reading, name, faults));
        let mut environment_files = Vec::new();
        for path in files {
            match reading.config(&path) {
                Ok(text) => self.lines(&path, &text, &mut environment_files),
                Err(error) => faults.push(format!("{path} {error}")),
            }
        }
        // Values from files beat those of Environment= (systemd.exec(5)).
        for file in environment_files {
            let optional = file.starts_with('-');
            self.environment_file(reading, file.trim_start_matches('-'), optional, faults);
        }
        true
    }

    fn lines(&mut self, path: &str, text: &str, environment_files: &mut Vec<String>) {
        let mut section = "";
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let mut line = line.trim().to_owned();
            while line.ends_with('\\') {
                line.pop();
                line += lines.next().map_or("", |(_, next)| next.trim());
            }
            if line.starts_with('[') {
                section = if line == "[Service]" { "service" } else { "" };
                continue;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| section == "service") else {
                continue;
            };
            let value = value.trim();
            match key.trim() {
                "ExecStart" if value.is_empty() => self.command = None,
                "ExecStart" => {
                    self.command = Some((format!("{path}:{}", index + 1), value.to_owned()));
                }
                "EnvironmentFile" if value.is_empty() => environment_files.clear(),
                "EnvironmentFile" => environment_files.push(value.to_owned()),
                "Environment" if value.is_empty() => self.environment.clear(),
                "Environment" => {
                    for word in words(value).unwrap_or_default() {
                        self.assign(&word);
                    }
                }
                _ => {}
            }
        }
    }

    fn environment_file(
        &mut self,
        reading: &mut Reading<'_>,
        path: &str,
        optional: bool,
        faults: &mut Vec<String>,
    ) {
        match reading.config(path) {
            Ok(text) => {
                for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']))
                {
                    let line = line.strip_prefix("export ").unwrap_or(line);
                    if let Some((name, value)) = line.split_once('=') {
                        let value = words(value).map_or(value.to_owned(), |words| words.join(" "));
                        self.assign(&format!("{}={value}", name.trim()));
                    }
                }
            }
            Err(ReadError::Absent) if optional => {}
            Err(error) => faults.push(format!("{path} {error}")),
        }
    }

    fn assign(&mut self, assignment: &str) {
        if let Some((name, value)) = assignment.split_once('=') {
            self.environment.insert(name.to_owned(), value.to_owned());
        }
    }

    /// The arguments of a command line: `$NAME` becomes words, `${NAME}` stays within one. `None`
    /// when the command is not sshd itself.
    fn arguments(&self, command: &str) -> Option<Vec<String>> {
        let command = command.trim_start_matches(['-', '@', ':', '+', '!']);
        let mut arguments = Vec::new();
        for word in words(command)? {
            match word.strip_prefix('$').filter(|name| !name.starts_with(['{', '$'])) {
                Some(name) => {
                    let value = self.environment.get(name).map_or("", String::as_str);
                    arguments.extend(words(value)?);
                }
                None => arguments.push(self.braced(&word)?),
            }
        }
        let program = arguments.first()?.clone();
        let is_sshd = program.rsplit('/').next() == Some("sshd");
        is_sshd.then(|| arguments.split_off(1))
    }

    fn braced(&self, word: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = word;
        while let Some((before, after)) = rest.split_once('$') {
            let (name, tail) = after.strip_prefix('{')?.split_once('}')?;
            out += before;
            out += self.environment.get(name).map_or("", String::as_str);
            rest = tail;
        }
        Some(out + rest)
    }
}

/// Drop-ins of a unit, also under its alias, in the order of their names; a name in an earlier
/// directory hides the same name in a later one.
fn drop_ins(reading: &mut Reading<'_>, name: &str, faults: &mut Vec<String>) -> Vec<String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for directory in UNIT_DIRECTORIES {
        // The package's unit has an alias.
        let alias = if name == "ssh.service" { "sshd.service" } else { name };
        for name in [name, alias, "service"] {
            let path = format!("{directory}/{name}.d");
            if reading.lstat(&path) == Err(ReadError::Absent) {
                continue;
            }
            match reading.list(&path) {
                Ok(files) => {
                    for file in files.into_iter().filter(|file| file.ends_with(".conf")) {
                        let full = format!("{path}/{file}");
                        found.entry(file).or_insert(full);
                    }
                }
                Err(ReadError::Absent) => {}
                Err(error) => faults.push(format!("{path} {error}")),
            }
        }
    }
    found.into_values().collect()
}

/// Words with quotes; `None` when a quote does not end.
fn words(text: &str) -> Option<Vec<String>> {
    let release = crate::formats::sshd_config::Release::new(9, 2);
    crate::formats::sshd_config::lexer::arguments(text, release).ok()
}

/// getopt(3) over the options of sshd(8).
fn parse(options: &mut Options, place: &str, arguments: &[String]) {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let Some(letters) = argument.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            options.unresolved.push(format!("{place} {argument}"));
            return;
        };
        for (at, letter) in letters.char_indices() {
            if !"CEbcfghkopu".contains(letter) {
                options.flag(place, letter);
                continue;
            }
            let rest = &letters[at + letter.len_utf8()..];
            let value = if rest.is_empty() { arguments.next().cloned() } else { Some(rest.into()) };
            match value {
                Some(value) => options.valued(place, letter, &value),
                None => options.unresolved.push(format!("{place} -{letter}")),
            }
            break;
        }
    }
}

impl Options {
    fn flag(&mut self, place: &str, letter: char) {
        let line = match letter {
            // Where it logs and whether it forks changes no setting.
            'D' | 'e' | 'i' | 'r' | 'R' => return,
            '4' => "AddressFamily inet",
            '6' => "AddressFamily inet6",
            'q' => "LogLevel QUIET",
            _ => return self.unresolved.push(format!("{place} -{letter}")),
        };
        self.lines.push((place.to_owned(), line.to_owned()));
    }

    fn valued(&mut self, place: &str, letter: char, value: &str) {
        let line = match letter {
            'o' => value.to_owned(),
            'g' => format!("LoginGraceTime {value}"),
            'h' => format!("HostKey {value}"),
            'E' | 'u' | 'b' | 'c' | 'k' => return,
            'f' => {
                self.config = Some(value.to_owned());
                return;
            }
            'p' => match crate::formats::sshd_config::values::port(value) {
                Some(port) => return self.ports.push(port),
                None => return self.unresolved.push(format!("{place} -p")),
            },
            _ => return self.unresolved.push(format!("{place} -{letter}")),
        };
        self.lines.push((place.to_owned(), line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(command: &str) -> Options {
        let mut options = Options::default();
        let arguments = words(command).expect("words");
        parse(&mut options, "unit:1", &arguments);
        options
    }

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        let options = parsed("-De -p2222 -p 22 -o 'PasswordAuthentication yes' -oPort=1 -f /c");
        assert_eq!(options.ports, [2222, 22]);
        assert_eq!(options.config.as_deref(), Some("/c"));
        let lines: Vec<_> = options.lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines, ["PasswordAuthentication yes", "Port=1"]);
        assert!(options.unresolved.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for command in ["-z", "-d", "-p high", "-o", "stray"] {
            assert_eq!(parsed(command).unresolved.len(), 1, "{command}");
        }
    }
}
