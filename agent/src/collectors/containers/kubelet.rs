//! The kubelet's configuration, as kubeadm writes it. Options of the command line win over the file:
//! where one of them is given, or another file, nothing is said.

use super::systemd;
use crate::formats::glob;
use crate::formats::tree::{self, Tree};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::containers::Kubelet;
use std::collections::BTreeSet;

const CONFIGURATION: &str = "/var/lib/kubelet/config.yaml";
/// Files whose variables kubeadm's drop-in gives to the command.
const OPTIONS: [&str; 3] =
    ["/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet"];
/// Options that decide what the file would decide.
const DECIDING: [&str; 4] =
    ["--anonymous-auth", "--authorization-mode", "--read-only-port", "--config-dir"];
const UNCLEAR: Failure = Failure(Status::Unsupported);

pub(super) fn read(reading: &mut Reading<'_>) -> Result<Kubelet, Failure> {
    refuse_options(reading)?;
    let text = reading.config(CONFIGURATION)?;
    let tree = tree::yaml(&text).map_err(|error| malformed(reading, error.line, error.what))?;
    let at = |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        tree.at(&keys).first().map(|tree| (*tree).clone())
    };
    if at(&["kind"]).and_then(text_of).as_deref() != Some("KubeletConfiguration") {
        return Err(malformed(reading, 0, "no KubeletConfiguration"));
    }
    // Without them the file's own defaults hold, which are the strict ones.
    let anonymous = match at(&["authentication", "anonymous", "enabled"]) {
        None => Some(false),
        Some(Tree::Boolean(enabled)) => Some(enabled),
        Some(_) => None,
    };
    let mode = match at(&["authorization", "mode"]) {
        None => Some("Webhook".to_owned()),
        Some(mode) => text_of(mode),
    };
    let port = match at(&["readOnlyPort"]) {
        None => Some(0),
        Some(Tree::Integer(port)) => Some(port),
        Some(_) => None,
    };
    match (anonymous, mode, port) {
        (Some(anonymous), Some(authorization_mode), Some(read_only_port)) => {
            Ok(Kubelet { anonymous, authorization_mode, read_only_port })
        }
        _ => Err(malformed(reading, 0, "a value of another type")),
    }
}

fn text_of(tree: Tree) -> Option<String> {
    match tree {
        Tree::Text(text) | Tree::Word(text) => Some(text),
        _ => None,
    }
}

fn malformed(reading: &mut Reading<'_>, line: usize, what: &str) -> Failure {
    reading.malformed(CONFIGURATION, format!("line {line}: {what}"));
    Failure(Status::ParseError)
}

fn refuse_options(reading: &mut Reading<'_>) -> Result<(), Failure> {
    let settings = systemd::unit_settings(reading, "kubelet.service", "Service")?.ok_or(UNCLEAR)?;
    let mut text: String = settings.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    let named = systemd::listed(&settings, "EnvironmentFile");
    let named: Vec<_> = named.iter().map(|path| path.trim_start_matches('-')).collect();
    // Patterns and specifiers stand for files that are not looked for here.
    if named.iter().any(|path| glob::is_pattern(path) || path.contains('%')) {
        return Err(UNCLEAR);
    }
    let paths: BTreeSet<&str> = OPTIONS.into_iter().chain(named).collect();
    for path in paths {
        match reading.config(path) {
            Err(ReadError::Absent) => {}
            other => text.push_str(&other?),
        }
    }
    // The kubelet takes `_` for `-` in the names of options.
    let text = text.replace("_", "-");
    let decides = DECIDING.iter().any(|option| text.contains(option));
    let mut files = text.match_indices("--config").map(|(at, _)| &text[at + "--config".len()..]);
    let is_known = files.next().is_some_and(|rest| {
        let after = rest.strip_prefix('=').and_then(|rest| rest.strip_prefix(CONFIGURATION));
        after.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_graphic() && c != '"'))
    });
    if decides || !is_known || files.next().is_some() {
        reading.note("kubelet.service", "options that decide beside the configuration");
        return Err(UNCLEAR);
    }
    Ok(())
}
