//! Questions to the way in: pam_unix, pam_faillock(8) and pam_tally2 before and after it, modules
//! that nobody gets past.

use super::modules::Modules;
use super::settings::Settings;
use crate::formats::pam::stack::Handler;
use crate::formats::pam::walk::{self, Ending, Outcome};
use crate::formats::pam::{AUTH_ERR, SUCCESS};
use crate::host::{Failure, Reading};
use evidence::Status;
use evidence::kinds::password_policy::{Lockout, LockoutModule};
use std::collections::BTreeSet;

const FAILLOCK: &str = "/etc/security/faillock.conf";
/// Used where the file is missing, by those releases that have a vendor's directory.
const FAILLOCK_OF_VENDOR: &str = "/usr/etc/security/faillock.conf";
/// Longest time that pam_faillock takes, in seconds.
const MAX_INTERVAL_S: i64 = 604_800;

/// Modules that let somebody through whom they asked nothing.
const SILENT: [&str; 22] = [
    "pam_debug.so",
    "pam_echo.so",
    "pam_env.so",
    "pam_faildelay.so",
    "pam_faillock.so",
    "pam_group.so",
    "pam_issue.so",
    "pam_keyinit.so",
    "pam_lastlog.so",
    "pam_limits.so",
    "pam_localuser.so",
    "pam_loginuid.so",
    "pam_mail.so",
    "pam_motd.so",
    "pam_nologin.so",
    "pam_permit.so",
    "pam_securetty.so",
    "pam_shells.so",
    "pam_systemd.so",
    "pam_tally2.so",
    "pam_umask.so",
    "pam_warn.so",
];

/// What is remembered on a way.
mod mark {
    /// pam_unix let in; with `nullok`.
    pub(super) const IN: u8 = 1;
    pub(super) const IN_NULLOK: u8 = 2;
    /// The password was wrong, and nobody counted it yet.
    pub(super) const WRONG: u8 = 4;
    /// Nobody who is locked got past.
    pub(super) const GATE: u8 = 8;
    /// A wrong password was counted.
    pub(super) const COUNTED: u8 = 16;
    /// All counts were forgotten before the password was found right.
    pub(super) const FORGOTTEN: u8 = 32;
}

/// All endings, `mark` being asked about each step of an installed module and its code.
pub(super) fn endings(
    modules: &Modules,
    stack: &[Handler],
    mark: impl Fn(&str, &Handler, usize, u8) -> u8,
) -> Result<BTreeSet<Ending>, Failure> {
    let mut outcomes = |handler: &Handler, marks: u8| -> Vec<Outcome> {
        let codes = modules.codes(handler).into_iter();
        match modules.name(handler) {
            Some(name) => codes.map(|code| (code, mark(name, handler, code, marks))).collect(),
            None => codes.map(|code| (code, marks)).collect(),
        }
    };
    walk::endings(stack, &mut outcomes).ok_or(Failure(Status::Unsupported))
}

pub(super) fn has_argument(handler: &Handler, word: &str) -> bool {
    handler.what.arguments().iter().any(|one| one == word)
}

/// pam_unix compares its arguments by their beginning: `nullok_secure` is `nullok`.
pub(super) fn is_nullok(handler: &Handler) -> bool {
    handler.what.arguments().iter().any(|one| one.starts_with("nullok"))
}

/// How the stack lets in by a local password.
pub(super) struct Ways {
    pub(super) lets_in: bool,
    pub(super) nullok: bool,
    /// Whether somebody is in whom no module asked anything.
    pub(super) is_open: bool,
    /// Whether every wrong password is counted, and who is locked is kept out.
    faillock: bool,
    tally2: bool,
}

impl Ways {
    pub(super) fn of(modules: &Modules, stack: &[Handler]) -> Result<Self, Failure> {
        let walk = |lock: &'static str| {
            endings(modules, stack, |name, handler, code, marks| {
                marked(lock, name, handler, code, marks)
            })
        };
        let faillock = walk("pam_faillock.so")?;
        let asked = endings(modules, stack, |name, _, code, marks| {
            marks | u8::from(code == SUCCESS && !SILENT.contains(&name))
        })?;
        let is_in = |ending: &&Ending| ending.0 && ending.1 & mark::IN != 0;
        Ok(Self {
            lets_in: faillock.iter().any(|ending| is_in(&ending)),
            nullok: faillock
                .iter()
                .any(|(success, marks)| *success && marks & mark::IN_NULLOK != 0),
            is_open: asked.iter().any(|(success, marks)| *success && *marks == 0),
            faillock: holds(&faillock),
            tally2: holds(&walk("pam_tally2.so")?),
        })
    }
}

impl Ways {
    /// As of a stack that takes any password: an empty one, and as many wrong ones as one likes.
    pub(super) fn opened(self) -> Self {
        Self { lets_in: true, nullok: true, is_open: true, faillock: false, tally2: false }
    }
}

/// Nobody is in without having passed the gate, nobody is out with a wrong password that was not
/// counted, or counted after the others were forgotten.
fn holds(endings: &BTreeSet<Ending>) -> bool {
    const FOR_NOTHING: u8 = mark::COUNTED | mark::FORGOTTEN;
    endings.iter().all(|(success, marks)| match success {
        true => marks & mark::IN == 0 || marks & mark::GATE != 0,
        false => marks & mark::WRONG == 0 && marks & FOR_NOTHING != FOR_NOTHING,
    })
}

fn marked(lock: &str, name: &str, handler: &Handler, code: usize, marks: u8) -> u8 {
    match (name, code) {
        ("pam_unix.so", SUCCESS) => {
            marks | mark::IN | if is_nullok(handler) { mark::IN_NULLOK } else { 0 }
        }
        // pam_tally2 counts before, and takes it back after a success.
        ("pam_unix.so", AUTH_ERR) if lock == "pam_tally2.so" && marks & mark::GATE != 0 => marks,
        ("pam_unix.so", AUTH_ERR) => marks | mark::WRONG,
        _ if name != lock => marks,
        _ if has_argument(handler, "authfail") && marks & mark::WRONG != 0 => {
            (marks & !mark::WRONG) | mark::COUNTED
        }
        _ if has_argument(handler, "authfail") => marks,
        (_, SUCCESS) if has_argument(handler, "authsucc") && marks & mark::IN == 0 => {
            marks | mark::FORGOTTEN | mark::GATE
        }
        (_, SUCCESS) => marks | mark::GATE,
        _ => marks,
    }
}

/// What happens after wrong passwords: the weakest settings of the steps that do it.
pub(super) fn lockout(
    reading: &mut Reading<'_>,
    modules: &Modules,
    stack: &[Handler],
    ways: &Ways,
) -> Result<Lockout, Failure> {
    let mut found: Option<Lockout> = None;
    for handler in stack {
        let lockout = match modules.name(handler) {
            Some("pam_faillock.so") if ways.faillock => faillock(reading, handler)?,
            Some("pam_tally2.so") if ways.tally2 && !ways.faillock => tally2(handler)?,
            _ => continue,
        };
        found = Some(match found {
            Some(other) => super::service::weaker(&other, &lockout),
            None => lockout,
        });
    }
    Ok(found.unwrap_or(Lockout {
        module: LockoutModule::None,
        deny: 0,
        unlock_time_s: 0,
        fail_interval_s: None,
        even_deny_root: false,
    }))
}

/// faillock.conf(5), and arguments over it.
fn faillock(reading: &mut Reading<'_>, handler: &Handler) -> Result<Lockout, Failure> {
    let arguments = Settings::of_arguments(handler);
    let file = match arguments.value("conf") {
        // Without the file that was asked for the module always fails.
        Some(path) => Some(Settings::of_text(&reading.config(path)?)),
        None => match Settings::of_file(reading, FAILLOCK)? {
            None => Settings::of_file(reading, FAILLOCK_OF_VENDOR)?,
            found => found,
        },
    };
    let settings = file.unwrap_or_default().then(arguments);
    // Its members are locked as root is, and who they are is not looked for.
    let has_group = settings.value("admin_group").is_some_and(|group| !group.is_empty());
    if has_group && !settings.has("even_deny_root") {
        reading.note(FAILLOCK, "a group is not locked");
        return Err(Failure(Status::Unsupported));
    }
    let lockout = faillock_of(&settings);
    if lockout.is_err() {
        // The module keeps another value, and says so in the log.
        reading.malformed(FAILLOCK, "a value, here or among arguments, that pam_faillock refuses");
    }
    lockout
}

fn faillock_of(settings: &Settings) -> Result<Lockout, Failure> {
    let never = settings.value("unlock_time") == Some("never");
    let lockout = Lockout {
        module: LockoutModule::Faillock,
        deny: settings.number("deny", 3)?,
        unlock_time_s: if never { 0 } else { settings.number("unlock_time", 600)? },
        fail_interval_s: Some(settings.number("fail_interval", 900)?),
        even_deny_root: settings.has("even_deny_root"),
    };
    let seconds = 0..=MAX_INTERVAL_S;
    let is_good = (0..1 << 16).contains(&lockout.deny)
        && seconds.contains(&lockout.unlock_time_s)
        && lockout.fail_interval_s.is_some_and(|interval| seconds.contains(&interval));
    is_good.then_some(lockout).ok_or(Failure(Status::ParseError))
}

fn tally2(handler: &Handler) -> Result<Lockout, Failure> {
    let arguments = Settings::of_arguments(handler);
    Ok(Lockout {
        module: LockoutModule::Tally2,
        deny: arguments.number("deny", 0)?,
        unlock_time_s: arguments.number("unlock_time", 0)?,
        fail_interval_s: None,
        even_deny_root: arguments.has("even_deny_root"),
    })
}

/// Whether nobody gets in without the success of a step of this kind.
pub(super) fn is_passed_by_all(
    modules: &Modules,
    stack: &[Handler],
    is_gate: impl Fn(&str, &Handler) -> bool,
) -> Result<bool, Failure> {
    let endings = endings(modules, stack, |name, handler, code, marks| {
        marks | u8::from(code == SUCCESS && is_gate(name, handler))
    })?;
    Ok(endings.iter().all(|(success, marks)| !success || marks & 1 != 0))
}
