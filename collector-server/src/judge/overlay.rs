//! What an organisation lays over the rules of the product: controls of its own, values of
//! parameters with the policy that says so, rules that are switched off with a reason; for all
//! hosts, or for those of some groups. Its own rules are written as the product's are.
//!
//! ```toml
//! [[control]]
//! id = "X.1"
//! title = "Payment hosts are segregated"
//! theme = "technological"
//!
//! [[param]]
//! rule = "acc-dormant"
//! name = "max_days"
//! value = 45                       # left out: the product's value is adopted as it is
//! policy_ref = "POL-07, section 3"
//! groups = ["payment"]             # left out: all hosts
//!
//! [[off]]
//! rule = "usb-storage"
//! reason = "Consoles of the plant are fed by USB; see risk R-12."
//! groups = ["plant"]
//! ```

use super::load::Loader;
use super::rule::{Document, Profile, Rule, RuleError, Severity, SourceFile};
use crate::catalogue::{Catalogue, Control, ControlType, HostEvidence, Theme};
use crate::place;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use toml::Spanned;

/// Bytes of all files of an overlay together.
pub(super) const MAX_BYTES: u64 = 1 << 20;
/// Files of an overlay.
pub(super) const MAX_FILES: usize = 200;
/// Own rules, own controls, parameters and rules switched off: of each sort.
pub(super) const MAX_ENTRIES: usize = 1000;
/// Examples of all own rules together.
pub(super) const MAX_EXAMPLES: usize = 2000;
/// Groups that an overlay may name.
pub(super) const MAX_GROUPS: usize = 500;
/// Longest reason, policy or name of a group, in characters.
const MAX_WORDS: usize = 500;

/// A control that the organisation keeps beside those of the standard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnControl {
    pub(super) id: Spanned<String>,
    title: String,
    theme: Theme,
    #[serde(default)]
    control_type: Vec<ControlType>,
    host_evidence: Option<HostEvidence>,
    not_shown: Option<String>,
}

/// The value of a parameter, or that the product's is adopted, and where that was decided.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    pub(super) rule: Spanned<String>,
    pub(super) name: Spanned<String>,
    pub(super) value: Option<Spanned<toml::Value>>,
    pub(super) policy_ref: Spanned<String>,
    pub(super) groups: Option<Spanned<Vec<String>>>,
}

/// A rule that does not judge.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SwitchOff {
    pub(super) rule: Spanned<String>,
    pub(super) reason: Spanned<String>,
    pub(super) groups: Option<Spanned<Vec<String>>>,
}

/// A rule that does not judge some hosts, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Off {
    pub rule: String,
    pub title: String,
    pub controls: Vec<String>,
    /// None: no host is judged by it.
    pub group: Option<String>,
    pub reason: String,
    pub profile: Profile,
    pub severity: Severity,
}

impl Off {
    pub(super) fn of(rule: &Rule, group: Option<String>, reason: String) -> Self {
        Self {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            controls: rule.controls.clone(),
            group,
            reason,
            profile: rule.profile,
            severity: rule.severity,
        }
    }
}

/// A parameter that is set, checked against its rule's own.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub(super) file: usize,
    /// Offset in the file.
    pub(super) at: usize,
    pub(super) rule: String,
    pub(super) name: String,
    pub(super) value: Option<Value>,
    pub(super) policy_ref: String,
    /// None: all hosts.
    pub(super) groups: Option<Vec<String>>,
}

impl Set {
    /// Whether it holds for hosts of this group; none is for hosts of groups nobody named.
    pub(super) fn is_for(&self, group: Option<&str>) -> bool {
        match (&self.groups, group) {
            (None, _) => true,
            (Some(groups), Some(group)) => groups.iter().any(|named| named == group),
            (Some(_), None) => false,
        }
    }
}

/// Whether a file is the organisation's, by its name: those of the product stand in no folder.
pub(super) fn is_own(file: &str) -> bool {
    file.contains('/')
}

/// Reads the `*.toml` of a directory, in bounds, under the names `overlay/NAME`.
pub fn read_dir(dir: &Path) -> Result<Vec<(String, String)>, Vec<RuleError>> {
    let refused = |path: &Path, message: String| {
        let name = path.display().to_string();
        vec![SourceFile { name: &name, text: "" }.nowhere(message)]
    };
    let fail = |path: &Path, error: std::io::Error| refused(path, error.to_string());
    let (mut sources, mut left) = (Vec::new(), MAX_BYTES);
    for entry in std::fs::read_dir(dir).map_err(|error| fail(dir, error))? {
        let path = entry.map_err(|error| fail(dir, error))?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let metadata = std::fs::metadata(&path).map_err(|error| fail(&path, error))?;
        // A pipe would be waited for.
        if !metadata.is_file() {
            return Err(refused(&path, "is no file".to_owned()));
        }
        let file = File::open(&path).map_err(|error| fail(&path, error))?;
        let mut text = String::new();
        let read = file.take(left + 1).read_to_string(&mut text);
        let read = read.map_err(|error| fail(&path, error))? as u64;
        left = left.checked_sub(read).ok_or_else(|| {
            refused(dir, format!("an overlay is at most {MAX_BYTES} bytes in all"))
        })?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        sources.push((format!("overlay/{}", name.unwrap_or_default()), text));
        if sources.len() > MAX_FILES {
            return Err(refused(dir, format!("an overlay has at most {MAX_FILES} files")));
        }
    }
    if sources.is_empty() {
        return Err(refused(dir, "holds no *.toml file".to_owned()));
    }
    sources.sort();
    Ok(sources)
}

impl SourceFile<'_> {
    /// A fault that has no place in the file.
    fn nowhere(&self, message: String) -> RuleError {
        RuleError { line: 0, column: 0, ..self.error(0, None, message) }
    }
}

impl Loader {
    /// Adds the organisation's controls to those of the standard.
    pub(super) fn own_controls(&mut self, file: SourceFile, document: &Document) {
        self.few(file, &document.control, "controls of one's own");
        for written in &document.control {
            let own = written.get_ref();
            let (id, at) = (own.id.get_ref(), own.id.span().start);
            let message = if !Catalogue::is_id(id) || id.starts_with("A.") {
                format!("`{id}`: a control of one's own has an id such as X.1, and not A.")
            } else if self.catalogue.get(id).is_some() {
                format!("there is a control `{id}` already")
            } else if own.host_evidence.is_some() != own.not_shown.is_some() {
                format!("{id}: host_evidence and not_shown come together")
            } else {
                self.catalogue.add(own.control());
                continue;
            };
            self.refuse(file, None, at, message);
        }
    }

    /// Refuses more entries of a sort than there may be.
    pub(super) fn few<T>(&mut self, file: SourceFile, entries: &[Spanned<T>], what: &str) {
        if let Some(first) = entries.get(MAX_ENTRIES) {
            let message = format!("a file has at most {MAX_ENTRIES} {what}");
            self.refuse(file, None, first.span().start, message);
        }
    }

    /// The groups an entry names, checked.
    pub(super) fn groups(
        &mut self,
        file: SourceFile,
        written: Option<&Spanned<Vec<String>>>,
    ) -> Option<Vec<String>> {
        let written = written?;
        let mut groups = written.get_ref().clone();
        groups.sort();
        groups.dedup();
        let bad = |group: &String| !is_a_line(group);
        if groups.is_empty() || groups.iter().any(bad) {
            let message = "groups are named, each in one line; leave `groups` out for all hosts";
            self.refuse(file, None, written.span().start, message.to_owned());
        }
        self.named.extend(groups.iter().cloned());
        if self.named.len() > MAX_GROUPS {
            let message = format!("an overlay names at most {MAX_GROUPS} groups");
            self.refuse(file, None, written.span().start, message);
        }
        Some(groups)
    }

    /// Parameters that are set, each about a rule and a parameter there is.
    pub(super) fn settings(&mut self, number: usize, file: SourceFile, document: &Document) {
        self.few(file, &document.param, "parameters");
        for written in &document.param {
            let setting = written.get_ref();
            let groups = self.groups(file, setting.groups.as_ref());
            self.line(file, &setting.policy_ref, "policy_ref");
            let Some(default) = self.default_of(file, setting) else { continue };
            let value = setting.value.as_ref();
            let json = value.map(|value| serde_json::to_value(value.get_ref()));
            let (value, at) = match (json, value) {
                (Some(Ok(json)), Some(written)) => {
                    let at = written.span().start;
                    if !default.fits(&json) {
                        let message = format!("`{}` is {default}", setting.name.get_ref());
                        self.refuse(file, Some(setting.rule.get_ref()), at, message);
                    }
                    (Some(json), at)
                }
                (Some(Err(error)), _) => {
                    self.refuse(file, None, written.span().start, error.to_string());
                    continue;
                }
                _ => (None, setting.name.span().start),
            };
            let set = Set {
                file: number,
                at,
                rule: setting.rule.get_ref().clone(),
                name: setting.name.get_ref().clone(),
                value,
                policy_ref: setting.policy_ref.get_ref().trim().to_owned(),
                groups,
            };
            if self.settings.iter().any(|other| other.collides(&set)) {
                let message = format!("`{}` is set twice for the same hosts", set.name);
                self.refuse(file, Some(&set.rule), setting.name.span().start, message);
            }
            self.settings.push(set);
        }
    }

    /// The default of the parameter that is set.
    fn default_of(&mut self, file: SourceFile, setting: &Setting) -> Option<ParamType> {
        let (rule, name) = (setting.rule.get_ref(), setting.name.get_ref());
        if !self.known_rule(file, &setting.rule) {
            return None;
        }
        let params = self.defaults.get(rule)?;
        if let Some(value) = params.get(name) {
            return ParamType::of(value);
        }
        let message = match params.is_empty() {
            true => format!("this rule has no parameter; there is no `{name}`"),
            false => format!("there is no parameter `{name}`"),
        };
        let suggestion = place::nearest(name, params.keys().map(String::as_str));
        let error = file.error(setting.name.span().start, Some(rule), message);
        self.errors.push(RuleError { suggestion, ..error });
        None
    }

    /// Rules that are switched off, each with a reason.
    pub(super) fn switched_off(&mut self, file: SourceFile, document: &Document) {
        self.few(file, &document.off, "rules switched off");
        for written in &document.off {
            let off = written.get_ref();
            let groups = self.groups(file, off.groups.as_ref());
            self.line(file, &off.reason, "reason");
            if !self.known_rule(file, &off.rule) {
                continue;
            }
            let groups = match groups {
                None => vec![None],
                Some(groups) => groups.into_iter().map(Some).collect(),
            };
            for group in groups {
                let rule = off.rule.get_ref().clone();
                let reason = off.reason.get_ref().trim().to_owned();
                if self.off.insert((rule.clone(), group), reason).is_some() {
                    let message = "is switched off twice for the same hosts".to_owned();
                    self.refuse(file, Some(&rule), off.rule.span().start, message);
                }
            }
        }
    }

    fn known_rule(&mut self, file: SourceFile, rule: &Spanned<String>) -> bool {
        let id = rule.get_ref();
        // What was refused itself is not refused again for being absent.
        if self.defaults.contains_key(id) || self.seen.contains(id) {
            return true;
        }
        let suggestion = place::nearest(id, self.seen.iter().map(String::as_str));
        let error = file.error(rule.span().start, None, format!("unknown rule `{id}`"));
        self.errors.push(RuleError { suggestion, ..error });
        false
    }

    /// A word of a person has to say something.
    fn line(&mut self, file: SourceFile, text: &Spanned<String>, what: &str) {
        if !is_a_line(text.get_ref()) {
            let message = format!("`{what}` says something, in at most {MAX_WORDS} characters");
            self.refuse(file, None, text.span().start, message);
        }
    }
}

impl OwnControl {
    fn control(&self) -> Control {
        Control {
            id: self.id.get_ref().clone(),
            title: self.title.clone(),
            theme: self.theme,
            control_type: self.control_type.clone(),
            iso2013: vec![],
            host_evidence: self.host_evidence,
            not_shown: self.not_shown.clone(),
        }
    }
}

impl Set {
    /// Whether both say something of one parameter for the same hosts. What is said of a group
    /// goes before what is said of all hosts, and does not collide with it.
    fn collides(&self, other: &Set) -> bool {
        let same = match (&self.groups, &other.groups) {
            (None, None) => true,
            (Some(a), Some(b)) => a.iter().any(|group| b.contains(group)),
            _ => false,
        };
        same && self.rule == other.rule && self.name == other.name
    }
}

/// The type of a parameter, as its default has it.
struct ParamType(super::shape::Shape);

impl ParamType {
    fn of(value: &Value) -> Option<Self> {
        super::shape::Shape::of_value(value).map(Self)
    }

    fn fits(&self, value: &Value) -> bool {
        super::shape::Shape::of_value(value).is_some_and(|shape| shape.agrees(&self.0))
    }
}

impl std::fmt::Display for ParamType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

fn is_a_line(text: &str) -> bool {
    let length = text.trim().chars().count();
    (1..=MAX_WORDS).contains(&length) && !text.trim().chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
