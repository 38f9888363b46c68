//! The package database of dpkg: what stands in /var/lib/dpkg/status, in the journal
//! /var/lib/dpkg/updates, and in the control files that images without dpkg keep in
//! /var/lib/dpkg/status.d. Meaning of the fields: deb-status in dpkg(1), deb-control(5).
//!
//! Stricter than dpkg where a shorter list would look whole: every stanza of the status file must
//! be closed by a blank line, as dpkg writes it, and must say its state.

use super::deb822::{Deb822Error, Stanza, Stanzas};
use std::borrow::Cow;
use std::collections::HashMap;

/// One package of one architecture, borrowed from the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Lower case, as dpkg keeps it.
    pub name: Cow<'a, str>,
    /// Absent only while the package is not installed or half-installed.
    pub arch: Option<&'a str>,
    /// `Multi-Arch: same`: several architectures may be installed beside each other.
    pub multi_arch_same: bool,
    /// Absent only while the package is not installed or half-installed.
    pub version: Option<&'a str>,
    /// Name in `Source`; absent when the field is.
    pub source: Option<&'a str>,
    /// Version in `Source`; absent when it has none.
    pub source_version: Option<&'a str>,
    pub want: Want,
    /// The error flag `reinstreq`: the package must be installed again.
    pub reinstall: bool,
    pub state: State,
    /// Line of the stanza, from 1.
    pub line: usize,
}

/// First word of `Status`: what the administrator selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    Unknown,
    Install,
    Hold,
    Deinstall,
    Purge,
}

/// Last word of `Status`, by how far the installation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    NotInstalled,
    ConfigFiles,
    HalfInstalled,
    Unpacked,
    HalfConfigured,
    TriggersAwaited,
    TriggersPending,
    Installed,
}

/// Which of dpkg's files a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// /var/lib/dpkg/status.
    Status,
    /// A file of /var/lib/dpkg/updates: the newer state of packages during a run of dpkg.
    Journal,
    /// A file of /var/lib/dpkg/status.d: the control file of an installed package, as a rule
    /// without `Status`.
    Control,
}

/// The text is not that part of the database, or not the whole of it: refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DpkgError {
    #[error(transparent)]
    Format(#[from] Deb822Error),
    #[error("line {line}: {fault}")]
    Entry { line: usize, fault: EntryFault },
    #[error("there is no package in it")]
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    #[error("the package has no `{0}`")]
    Missing(&'static str),
    #[error("`{0}` is not of its form")]
    Invalid(&'static str),
    #[error("no blank line ends the last package; the file was cut")]
    Open,
    #[error("the package stands here a second time")]
    Twice,
    #[error("the package names no architecture, and is there with several")]
    Ambiguous,
}

/// All packages of a text. An error where even one of them cannot be told.
pub fn entries(text: &str, form: Form) -> Result<Vec<Entry<'_>>, DpkgError> {
    let mut entries = Vec::new();
    for stanza in Stanzas::new(text) {
        let stanza = stanza?;
        let line = stanza.line;
        if form == Form::Status && !stanza.closed {
            return Err(DpkgError::Entry { line, fault: EntryFault::Open });
        }
        entries.push(entry(&stanza, form)?);
    }
    if entries.is_empty() {
        return Err(DpkgError::Empty);
    }
    refuse_doubles(&entries)?;
    Ok(entries)
}

/// Puts the entries of a journal over those of the status file, as dpkg does when it reads its
/// database while a run is under way or after one was interrupted.
pub fn apply<'a>(database: &mut Vec<Entry<'a>>, journal: Vec<Entry<'a>>) -> Result<(), DpkgError> {
    for new in journal {
        let same = |old: &Entry<'_>| old.name == new.name && old.arch == new.arch;
        let mut place = database.iter().position(same);
        if place.is_none() {
            let mut others = (0..database.len()).filter(|&index| database[index].name == new.name);
            // A package that is alone of its name changes its architecture, unless both may stand
            // beside each other.
            place = match (others.next(), others.next()) {
                (Some(one), None) if !(new.multi_arch_same && database[one].multi_arch_same) => {
                    Some(one)
                }
                (Some(_), Some(_)) if new.arch.is_none() => {
                    return Err(DpkgError::Entry { line: new.line, fault: EntryFault::Ambiguous });
                }
                _ => None,
            };
        }
        match place {
            Some(index) => database[index] = new,
            None => database.push(new),
        }
    }
    Ok(())
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotInstalled => "not-installed",
            Self::ConfigFiles => "config-files",
            Self::HalfInstalled => "half-installed",
            Self::Unpacked => "unpacked",
            Self::HalfConfigured => "half-configured",
            Self::TriggersAwaited => "triggers-awaited",
            Self::TriggersPending => "triggers-pending",
            Self::Installed => "installed",
        }
    }

    /// Whether the package was unpacked and configured. One that waits for triggers was: dpkg(1)
    /// runs the triggers of others after it.
    pub fn is_configured(self) -> bool {
        self >= Self::TriggersAwaited
    }
}

const STATES: [State; 8] = [
    State::NotInstalled,
    State::ConfigFiles,
    State::HalfInstalled,
    State::Unpacked,
    State::HalfConfigured,
    State::TriggersAwaited,
    State::TriggersPending,
    State::Installed,
];

fn entry<'a>(stanza: &Stanza<'a>, form: Form) -> Result<Entry<'a>, DpkgError> {
    let fail = |line, fault| DpkgError::Entry { line, fault };
    let name =
        one_word(stanza, "Package")?.ok_or(fail(stanza.line, EntryFault::Missing("Package")))?;
    let (want, reinstall, state) = match (stanza.field("Status"), form) {
        (Some(field), _) => {
            status(field.value).ok_or(fail(field.line, EntryFault::Invalid("Status")))?
        }
        (None, Form::Control) => (Want::Install, false, State::Installed),
        (None, _) => return Err(fail(stanza.line, EntryFault::Missing("Status"))),
    };
    let (arch, version) = (one_word(stanza, "Architecture")?, one_word(stanza, "Version")?);
    if !matches!(state, State::NotInstalled | State::HalfInstalled) {
        for (field, value) in [("Version", version), ("Architecture", arch)] {
            value.ok_or(fail(stanza.line, EntryFault::Missing(field)))?;
        }
    }
    let (source, source_version) = source(stanza)?;
    Ok(Entry {
        name: package_name(name).ok_or(fail(stanza.line, EntryFault::Invalid("Package")))?,
        arch,
        multi_arch_same: stanza.value("Multi-Arch").is_some_and(|v| v.eq_ignore_ascii_case("same")),
        version,
        source,
        source_version,
        want,
        reinstall,
        state,
        line: stanza.line,
    })
}

/// A field whose value is one word: printable and without blanks.
fn one_word<'a>(stanza: &Stanza<'a>, name: &'static str) -> Result<Option<&'a str>, DpkgError> {
    let Some(field) = stanza.field(name) else { return Ok(None) };
    if is_word(field.value) {
        return Ok(Some(field.value));
    }
    Err(DpkgError::Entry { line: field.line, fault: EntryFault::Invalid(name) })
}

fn is_word(value: &str) -> bool {
    // U+FFFD stands where the bytes were no text.
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == char::REPLACEMENT_CHARACTER;
    !value.is_empty() && !value.contains(odd)
}

fn package_name(name: &str) -> Option<Cow<'_, str>> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-+._".contains(&b);
    if !name.bytes().all(good) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    Some(match name.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    })
}

/// `want flag state`, three words on one line.
fn status(value: &str) -> Option<(Want, bool, State)> {
    if value.contains('\n') {
        return None;
    }
    let mut words = value.split_ascii_whitespace();
    let (want, flag, state) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let want = match want.to_ascii_lowercase().as_str() {
        "unknown" => Want::Unknown,
        "install" => Want::Install,
        "hold" => Want::Hold,
        "deinstall" => Want::Deinstall,
        "purge" => Want::Purge,
        _ => return None,
    };
    let reinstall = match flag.to_ascii_lowercase().as_str() {
        "ok" => false,
        "reinstreq" => true,
        _ => return None,
    };
    let state = STATES.iter().find(|known| known.as_str().eq_ignore_ascii_case(state))?;
    Some((want, reinstall, *state))
}

/// `Source: name` or `Source: name (version)`. Packages built by hand have other things in it:
/// like dpkg, takes the first word and what follows the first parenthesis. An empty field says as
/// little as none.
fn source<'a>(stanza: &Stanza<'a>) -> Result<(Option<&'a str>, Option<&'a str>), DpkgError> {
    let Some(field) = stanza.field("Source").filter(|field| !field.value.is_empty()) else {
        return Ok((None, None));
    };
    let name = field.value.split_ascii_whitespace().next();
    let version =
        field.value.split_once('(').map(|(_, rest)| rest.split(')').next().unwrap_or(rest));
    if !name.is_none_or(is_word) || !version.is_none_or(is_word) {
        return Err(DpkgError::Entry { line: field.line, fault: EntryFault::Invalid("Source") });
    }
    Ok((name, version))
}

/// A package stands once for every architecture; twice is a file written by something else.
fn refuse_doubles(entries: &[Entry<'_>]) -> Result<(), DpkgError> {
    let mut seen = HashMap::with_capacity(entries.len());
    for entry in entries {
        if seen.insert((&entry.name, entry.arch), ()).is_some() {
            return Err(DpkgError::Entry { line: entry.line, fault: EntryFault::Twice });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "Package: one\nStatus: install ok installed\nArchitecture: amd64\n\
                       Source: src (2:1.0-1)\nVersion: 2:1.0-1+b1\nDescription: x\n more\n\n";

    fn fault(text: &str, form: Form) -> String {
        entries(text, form).expect_err(text).to_string()
    }

    #[test]
    fn an_entry_says_what_its_stanza_says() {
        let text = ONE.replace("install ok", "Hold REINSTREQ").replace("one", "One+b.2");
        let read = entries(&text, Form::Status).expect("entries");
        let entry = &read[0];
        assert_eq!((entry.name.as_ref(), entry.arch), ("one+b.2", Some("amd64")));
        assert_eq!((entry.source, entry.source_version), (Some("src"), Some("2:1.0-1")));
        assert_eq!(entry.version, Some("2:1.0-1+b1"));
        assert_eq!((entry.want, entry.reinstall), (Want::Hold, true));
        assert!(entry.state.is_configured() && !State::HalfConfigured.is_configured());
    }

    #[test]
    fn what_is_not_whole_is_refused_with_its_line() {
        let two =
            |from: &str, to: &str| format!("{ONE}{}", ONE.replace("one", "two").replace(from, to));
        let status = |from, to| fault(&two(from, to), Form::Status);
        assert_eq!(status("Version: 2:1.0-1+b1\n", ""), "line 9: the package has no `Version`");
        assert_eq!(status("2:1.0-1+b1", "1 2"), "line 13: `Version` is not of its form");
        assert_eq!(status("ok installed", "ok"), "line 10: `Status` is not of its form");
        assert_eq!(status("ok installed", "ok installed x"), status("ok installed", "x installed"));
        assert_eq!(
            status("Status: install ok installed\n", ""),
            "line 9: the package has no `Status`"
        );
        assert_eq!(status("two", "one"), "line 9: the package stands here a second time");
        assert_eq!(status("src (2:1.0-1)", "src ()"), "line 12: `Source` is not of its form");
        assert_eq!(status("two", "tw\u{fffd}"), "line 9: `Package` is not of its form");
        assert!(status("more\n\n", "more\n").starts_with("line 9: no blank line"));
        assert_eq!(status("more\n\n", "more"), "line 15: the text ends within a line");
        for form in [Form::Status, Form::Journal, Form::Control] {
            assert_eq!(fault("\n\n", form), "there is no package in it");
        }
    }

    #[test]
    fn a_control_file_needs_neither_a_state_nor_a_blank_line_but_a_version() {
        let text = ONE.replace("Status: install ok installed\n", "").replace("more\n\n", "more\n");
        let read = entries(&text, Form::Control).expect("entries");
        assert_eq!(read[0].state, State::Installed);
        let cut = &text[..text.find("-1+b1").expect("version")];
        assert_eq!(fault(cut, Form::Control), "line 4: the text ends within a line");
        let cut = &text[..text.find("Version").expect("field")];
        assert_eq!(fault(cut, Form::Control), "line 1: the package has no `Version`");
    }

    #[test]
    fn a_journal_replaces_what_it_names() {
        let mut database = entries(ONE, Form::Status).expect("status");
        let newer = ONE.replace("2:1.0-1+b1", "3").replace("amd64", "all");
        apply(&mut database, entries(&newer, Form::Journal).expect("journal")).expect("applied");
        assert_eq!((database.len(), database[0].version), (1, Some("3")));
        assert_eq!(database[0].arch, Some("all"));
        let gone = "Package: one\nStatus: purge ok not-installed\n";
        apply(&mut database, entries(gone, Form::Journal).expect("journal")).expect("applied");
        assert_eq!(database[0].state, State::NotInstalled);
    }

    #[test]
    fn a_journal_entry_without_architecture_does_not_choose_among_several() {
        let same = ONE.replace("Source", "Multi-Arch: same\nSource");
        let both = format!("{same}{}", same.replace("amd64", "i386"));
        let mut database = entries(&both, Form::Status).expect("status");
        let gone = entries("Package: one\nStatus: purge ok not-installed\n", Form::Journal);
        let error = apply(&mut database, gone.expect("journal")).expect_err("ambiguous");
        assert!(error.to_string().contains("several"), "{error}");
    }
}
