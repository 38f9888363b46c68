//! Rules of the kernel's audit, as auditctl(8) writes them and as the kernel tells them, and what
//! they record for sure.

mod kernel;
mod syscalls;
mod text;

pub use kernel::{NotAnAnswer, State, question, read};
pub use text::{Loaded, augmented, parse};

use std::collections::BTreeSet;

/// Sources that the kernel is asked through.
pub const STATE: &str = "/netlink/audit";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub list: List,
    /// Records; otherwise it keeps from recording.
    pub always: bool,
    /// `None` stands for all of them.
    pub calls: Option<BTreeSet<String>>,
    pub arch: Option<Arch>,
    pub target: Option<Target>,
    /// Letters of `rwxa`; `None` stands for all of them.
    pub perm: Option<String>,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    Exit,
    Exclude,
    Task,
    /// Messages of programs, file systems, io_uring: no rule over them takes records of calls away.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    B32,
    B64,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub path: String,
    /// Everything below it too.
    pub is_tree: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub operator: &'static str,
    pub value: String,
}

impl Rule {
    fn new(list: List, always: bool) -> Self {
        let (calls, arch, target, perm) = (None, None, None, None);
        Self { list, always, calls, arch, target, perm, fields: Vec::new() }
    }

    fn is_for(&self, arch: Arch) -> bool {
        self.arch.is_none_or(|own| own == arch)
    }

    fn has_call(&self, call: &str) -> bool {
        self.calls.as_ref().is_none_or(|calls| calls.contains(call))
    }
}

impl Target {
    fn holds(&self, path: &str, with_tree: bool) -> bool {
        if self.path == path {
            return self.is_tree || !with_tree;
        }
        self.is_tree && below(path, &self.path)
    }

    /// Whether some file may be meant by both.
    fn touches(&self, path: &str) -> bool {
        self.path == path || below(path, &self.path) || below(&self.path, path)
    }
}

fn below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}

/// Rules in their order, for the architectures that programs of the host may have.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'r> {
    pub rules: &'r [Rule],
    pub archs: &'r [Arch],
    /// Its kernel began without the old calls.
    pub is_arm: bool,
}

/// Message types that no event needs: they only add to one.
const SPARE_MESSAGES: [&str; 6] = ["CWD", "EOE", "PROCTITLE", "1307", "1320", "1327"];
/// Calls with which files are changed.
const CHANGES: [&str; 13] = [
    "chmod", "chown", "creat", "execve", "fchmod", "fchmodat", "fchown", "open", "openat",
    "rename", "renameat", "unlink", "unlinkat",
];
/// The login that nobody has, in its three forms.
const UNSET: [&str; 3] = ["unset", "-1", "4294967295"];
/// People's numbers begin here, or below it.
const FIRST_PERSON: u32 = 1000;

impl Rules<'_> {
    /// Whether all records are kept from being: rules over tasks and messages come before all.
    fn is_muted(&self) -> bool {
        self.rules.iter().any(|rule| match rule.list {
            List::Task => !rule.always,
            List::Exclude => !rule.fields.iter().any(|field| {
                let spare = SPARE_MESSAGES.contains(&field.value.as_str());
                field.name == "msgtype" && field.operator == "=" && spare
            }),
            List::Exit | List::Other => false,
        })
    }

    /// Whether a change of the file, or of anything in the tree, is recorded, whoever makes it.
    pub fn watches(&self, path: &str, is_tree: bool, perm: &str) -> bool {
        let records = |rule: &Rule| {
            let target = rule.target.as_ref().is_some_and(|target| target.holds(path, is_tree));
            let perms = rule.perm.as_ref().is_none_or(|own| perm.chars().all(|p| own.contains(p)));
            target
                && perms
                && rule.calls.is_none()
                && rule.fields.iter().all(|field| field.name == "key")
        };
        // Without a target it is for every file, if it is for a call that may change one.
        let hides = |rule: &Rule| match &rule.target {
            Some(target) => target.touches(path),
            None => CHANGES.iter().any(|call| rule.has_call(call)),
        };
        self.archs.iter().all(|arch| self.has(*arch, &records, &hides))
    }

    /// Whether each of the calls is recorded, at least when a person's session makes it.
    pub fn records(&self, calls: &[&str]) -> bool {
        self.archs.iter().all(|arch| {
            calls.iter().filter(|call| syscalls::exists(call, *arch, self.is_arm)).all(|call| {
                let records = |rule: &Rule| {
                    let fields = rule.fields.iter().all(|field| is_harmless(field, call));
                    rule.target.is_none() && rule.perm.is_none() && rule.has_call(call) && fields
                };
                let is_everywhere = |rule: &Rule| match &rule.target {
                    Some(target) => target.is_tree && target.path == "/",
                    None => true,
                };
                self.has(*arch, &records, &|rule| is_everywhere(rule) && rule.has_call(call))
            })
        })
    }

    /// The first rule that matches counts: one that hides must not come before.
    fn has(
        &self,
        arch: Arch,
        records: &dyn Fn(&Rule) -> bool,
        hides: &dyn Fn(&Rule) -> bool,
    ) -> bool {
        if self.is_muted() {
            return false;
        }
        let rules = self.rules.iter().filter(|rule| rule.list == List::Exit && rule.is_for(arch));
        for rule in rules {
            if !rule.always && hides(rule) {
                return false;
            }
            if rule.always && records(rule) {
                return true;
            }
        }
        false
    }
}

/// Fields that leave what people do: their sessions, the clock of the real time, and programs that
/// run as somebody else than who started them.
fn is_harmless(field: &Field, call: &str) -> bool {
    let number = field.value.parse::<u32>();
    match (field.name.as_str(), field.operator) {
        ("key", _) => true,
        ("auid", ">=") => number.is_ok_and(|number| number <= FIRST_PERSON),
        ("auid", "!=") => UNSET.contains(&field.value.as_str()),
        ("loginuid_set", "=") => field.value == "1",
        ("a0", "=") => call == "clock_settime" && matches!(field.value.as_str(), "0" | "0x0"),
        ("uid_to_euid", "!=") => call == "execve",
        ("euid", "=") => call == "execve" && matches!(field.value.as_str(), "0" | "root"),
        _ => false,
    }
}
