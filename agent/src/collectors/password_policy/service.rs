//! What each service demands.

use super::login::{self, Ways};
use super::modules::Modules;
use super::quality;
use super::settings::Settings;
use super::stacks::{ServiceStacks, Stacks};
use crate::formats::pam::SUCCESS;
use crate::formats::pam::stack::Handler;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::accounts::HashScheme;
use evidence::kinds::password_policy::{Change, Lockout, Login, Quality, Service};

const DEFAULT_LOGIN: &str = "/etc/default/login";
/// Services that open sessions of people.
const SESSIONS: [&str; 9] =
    ["gdm-password", "greetd", "kde", "lightdm", "lxdm", "login", "sddm", "sshd", "xdm"];
/// Others that have to know who somebody is. What starts a greeter, or a program of root, does not.
const OTHERS_THAT_ASK: [&str; 8] =
    ["cockpit", "polkit-1", "remote", "su", "su-l", "sudo", "sudo-i", "vlock"];
/// Modules of a second factor.
const SECOND_FACTORS: [&str; 9] = [
    "pam_google_authenticator.so",
    "pam_u2f.so",
    "pam_yubico.so",
    "pam_duo.so",
    "pam_oath.so",
    "pam_securid.so",
    "pam_radius_auth.so",
    "pam_privacyidea.so",
    "pam_otpw.so",
];
/// Arguments with which they let in who has not enrolled.
pub(super) const NOT_ENROLLED: [&str; 3] = ["nullok", "nouserok", "alwaysok"];
/// Duo lets everybody in while its service is away, unless its configuration says otherwise.
const DUO: &str = "pam_duo.so";
const DUO_CONFIGURATION: &str = "/etc/duo/pam_duo.conf";
const MAX_DUO_BYTES: u64 = 64 << 10;
/// What a session has that nobody gives another: that of systemd(1) and of the kernel.
const INHERITED_UMASK: u32 = 0o022;

/// All services, and what only some of them are asked.
pub(super) struct Services {
    pub(super) all: Vec<Service>,
    /// Bits that no session takes away are not in it.
    pub(super) umask: Option<u32>,
    pub(super) su_restricted: bool,
    pub(super) mfa_modules: Vec<String>,
}

impl Services {
    pub(super) fn of(
        reading: &mut Reading<'_>,
        stacks: &Stacks,
        definitions: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut all = Vec::new();
        for stack in &stacks.services {
            all.extend(service(reading, &stacks.modules, stack, definitions)?);
        }
        Ok(Self {
            all,
            umask: umask(reading, stacks, definitions).ok(),
            su_restricted: su_restricted(stacks)?,
            mfa_modules: mfa_modules(reading, stacks)?,
        })
    }
}

/// `None` where it neither takes nor sets a local password.
fn service(
    reading: &mut Reading<'_>,
    modules: &Modules,
    stacks: &ServiceStacks,
    definitions: Option<&str>,
) -> Result<Option<Service>, Failure> {
    let mut ways = Ways::of(modules, &stacks.auth)?;
    let is_asked = |name| SESSIONS.contains(&name) || OTHERS_THAT_ASK.contains(&name);
    if ways.is_open && is_asked(stacks.name.as_str()) {
        ways = ways.opened();
    }
    let login = ways.lets_in.then(|| Login {
        nullok: ways.nullok,
        lockout: login::lockout(reading, modules, &stacks.auth, &ways).ok(),
    });
    let change = match sets_passwords(modules, &stacks.password)? {
        true => Some(change(reading, modules, &stacks.password, definitions)?),
        false => None,
    };
    let name = stacks.name.clone();
    Ok((login.is_some() || change.is_some()).then_some(Service { name, login, change }))
}

fn sets_passwords(modules: &Modules, stack: &[Handler]) -> Result<bool, Failure> {
    let endings = login::endings(modules, stack, |name, _, code, marks| {
        marks | u8::from(name == "pam_unix.so" && code == SUCCESS)
    })?;
    Ok(endings.iter().any(|(success, marks)| *success && *marks != 0))
}

fn change(
    reading: &mut Reading<'_>,
    modules: &Modules,
    stack: &[Handler],
    definitions: Option<&str>,
) -> Result<Change, Failure> {
    let mut demands: Result<_, Failure> = Ok(quality::NONE);
    let mut remembered: Result<i64, Failure> = Ok(0);
    for handler in stack {
        let Some(name) = modules.name(handler) else { continue };
        let judges = matches!(name, "pam_pwquality.so" | "pam_cracklib.so" | "pam_passwdqc.so");
        if !(judges || name == "pam_pwhistory.so")
            || !is_before_every_change(modules, stack, handler)?
        {
            continue;
        }
        match judges {
            true => demands = stricter(demands, quality::demands(reading, name, handler)),
            false => {
                let more = quality::remembered(reading, handler, &modules.directory);
                remembered = remembered.and_then(|known: i64| Ok(known.max(more?)));
            }
        }
    }
    let own: Result<Vec<i64>, Failure> = unix(modules, stack).map(own_history).collect();
    let own = own.map(|all| all.into_iter().min().unwrap_or(0));
    let schemes = unix(modules, stack).map(|handler| hash_scheme(handler, definitions));
    let schemes: Option<Vec<_>> = schemes.collect();
    Ok(Change {
        quality: demands.ok(),
        history: remembered.and_then(|known| Ok(known.max(own?))).ok(),
        hash_scheme: schemes.and_then(|all| all.into_iter().min_by_key(|one| strength(*one))),
    })
}

fn stricter(
    known: Result<Quality, Failure>,
    more: Result<Option<Quality>, Failure>,
) -> Result<Quality, Failure> {
    let known = known?;
    Ok(match more? {
        Some(more) if more.minlen >= known.minlen => more,
        _ => known,
    })
}

fn unix<'s>(modules: &'s Modules, stack: &'s [Handler]) -> impl Iterator<Item = &'s Handler> {
    stack.iter().filter(|handler| modules.name(handler) == Some("pam_unix.so"))
}

/// Whether no password is set that the step did not agree to: it was asked before, and agreed, or
/// else pam_unix takes the password only from those before it, who then have none for it.
fn is_before_every_change(
    modules: &Modules,
    stack: &[Handler],
    step: &Handler,
) -> Result<bool, Failure> {
    const ASKED: u8 = 1;
    const AGREED: u8 = 2;
    const SET_WITHOUT: u8 = 4;
    let endings = login::endings(modules, stack, |name, handler, code, marks| match name {
        _ if std::ptr::eq(handler, step) => {
            marks | ASKED | if code == SUCCESS { AGREED } else { 0 }
        }
        "pam_unix.so" => {
            let agreed = match login::has_argument(handler, "use_authtok") {
                true => ASKED,
                false => AGREED,
            };
            marks | if marks & agreed == 0 { SET_WITHOUT } else { 0 }
        }
        _ => marks,
    })?;
    Ok(endings.iter().all(|(_, marks)| marks & SET_WITHOUT == 0))
}

/// `remember=` of pam_unix.
fn own_history(handler: &Handler) -> Result<i64, Failure> {
    let number = Settings::of_arguments(handler).number("remember", 0);
    number.map(|number| number.clamp(0, 400))
}

/// The last of its arguments that names one, or else the first ENCRYPT_METHOD of login.defs(5).
/// Without either it is the oldest.
fn hash_scheme(handler: &Handler, definitions: Option<&str>) -> Option<HashScheme> {
    let arguments = handler.what.arguments().iter().rev();
    if let Some(scheme) = arguments.filter_map(|word| scheme_of(word)).next() {
        return Some(scheme);
    }
    let method = first_value(definitions?, "ENCRYPT_METHOD");
    Some(
        method
            .and_then(|method| scheme_of(&method.to_ascii_lowercase()))
            .unwrap_or(HashScheme::Des),
    )
}

/// By the beginning of the word, as the module compares it.
fn scheme_of(word: &str) -> Option<HashScheme> {
    const SCHEMES: [(&str, HashScheme); 7] = [
        ("md5", HashScheme::Md5),
        ("bigcrypt", HashScheme::Des),
        ("sha256", HashScheme::Sha256),
        ("sha512", HashScheme::Sha512),
        ("blowfish", HashScheme::Bcrypt),
        ("gost_yescrypt", HashScheme::GostYescrypt),
        ("yescrypt", HashScheme::Yescrypt),
    ];
    SCHEMES.iter().find(|(name, _)| word.starts_with(name)).map(|(_, scheme)| *scheme)
}

/// The higher, the longer a guess takes.
pub(super) fn strength(scheme: HashScheme) -> u8 {
    match scheme {
        HashScheme::Unknown => 0,
        HashScheme::Des | HashScheme::Bsdi => 1,
        HashScheme::Md5 => 2,
        HashScheme::Sha256 => 3,
        HashScheme::Sha512 => 4,
        HashScheme::Bcrypt => 5,
        HashScheme::Scrypt | HashScheme::GostYescrypt => 6,
        HashScheme::Yescrypt => 7,
    }
}

/// The first line of a name, in whatever case: so modules read login.defs(5), other than its tools.
fn first_value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (key, value) = line.split_once(|c: char| c.is_whitespace() || c == '=')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim_start_matches(|c: char| c.is_whitespace() || c == '='))
    })
}

/// The weaker of two, setting by setting. Longest is what only a person opens.
pub(super) fn weaker(one: &Lockout, other: &Lockout) -> Lockout {
    let forever = |seconds: i64| if seconds == 0 { i64::MAX } else { seconds };
    let never = |count: i64| if count == 0 { i64::MAX } else { count };
    let times = [one.unlock_time_s, other.unlock_time_s];
    let counts = [one.deny, other.deny];
    Lockout {
        module: one.module,
        deny: counts.into_iter().max_by_key(|count| never(*count)).unwrap_or(0),
        unlock_time_s: times.into_iter().min_by_key(|time| forever(*time)).unwrap_or(0),
        fail_interval_s: one.fail_interval_s.min(other.fail_interval_s),
        even_deny_root: one.even_deny_root && other.even_deny_root,
    }
}

/// Bits that every session of people takes away.
fn umask(
    reading: &mut Reading<'_>,
    stacks: &Stacks,
    definitions: Option<&str>,
) -> Result<u32, Failure> {
    let sessions = stacks.services.iter().filter(|stack| SESSIONS.contains(&stack.name.as_str()));
    let mut all = None;
    for stack in sessions {
        let mask = session_umask(reading, &stacks.modules, &stack.session, definitions)?;
        all = Some(all.map_or(mask, |all: u32| all & mask));
    }
    Ok(all.unwrap_or(INHERITED_UMASK))
}

/// pam_umask(8): its argument, or login.defs(5), or /etc/default/login.
fn session_umask(
    reading: &mut Reading<'_>,
    modules: &Modules,
    stack: &[Handler],
    definitions: Option<&str>,
) -> Result<u32, Failure> {
    let is_umask = |name: &str| name == "pam_umask.so";
    if !login::is_passed_by_all(modules, stack, |name, _| is_umask(name))? {
        return Ok(INHERITED_UMASK);
    }
    let mut all = 0o777;
    for handler in stack.iter().filter(|handler| modules.name(handler).is_some_and(is_umask)) {
        let word = handler.what.arguments().iter().rev().find_map(|word| {
            word.to_ascii_lowercase().starts_with("umask=").then(|| word.split_at(6).1.to_owned())
        });
        let definitions = definitions.ok_or(Failure(Status::Absent))?;
        let word = match word.or_else(|| first_value(definitions, "UMASK").map(str::to_owned)) {
            Some(word) => Some(word),
            None => default_umask(reading)?,
        };
        all &= match word {
            Some(word) => {
                u32::from_str_radix(&word, 8).map_err(|_| Failure(Status::ParseError))? & 0o777
            }
            None => INHERITED_UMASK,
        };
    }
    Ok(all)
}

fn default_umask(reading: &mut Reading<'_>) -> Result<Option<String>, Failure> {
    match reading.config(DEFAULT_LOGIN) {
        Ok(text) => Ok(first_value(&text, "UMASK").map(str::to_owned)),
        Err(ReadError::Absent) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// pam_wheel(8) where nobody gets past it. With `deny` it keeps out a group instead; with `trust` it
/// lets in without a password, and others come in by another way.
fn su_restricted(stacks: &Stacks) -> Result<bool, Failure> {
    let is_gate = |name: &str, handler: &Handler| {
        name == "pam_wheel.so" && !login::has_argument(handler, "deny")
    };
    let own = |stack: &&ServiceStacks| matches!(stack.name.as_str(), "su" | "su-l");
    let mut restricted = stacks.services.iter().any(|stack| stack.name == "su");
    for stack in stacks.services.iter().filter(own) {
        restricted &= login::is_passed_by_all(&stacks.modules, &stack.auth, is_gate)?;
    }
    Ok(restricted)
}

fn mfa_modules(reading: &mut Reading<'_>, stacks: &Stacks) -> Result<Vec<String>, Failure> {
    let Some(sshd) = stacks.services.iter().find(|stack| stack.name == "sshd") else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for factor in SECOND_FACTORS {
        let is_gate = |name: &str, handler: &Handler| {
            name == factor && !NOT_ENROLLED.iter().any(|word| login::has_argument(handler, word))
        };
        let is_named = sshd.auth.iter().any(|handler| handler.what.module() == Some(factor));
        if !is_named || (factor == DUO && !is_duo_strict(reading)?) {
            continue;
        }
        if login::is_passed_by_all(&stacks.modules, &sshd.auth, is_gate)? {
            found.push(factor.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// `failmode = secure` in the usual file, which has secrets of the service beside it.
fn is_duo_strict(reading: &mut Reading<'_>) -> Result<bool, Failure> {
    let text = match reading.secret(DUO_CONFIGURATION, MAX_DUO_BYTES) {
        Err(ReadError::Absent) => return Ok(false),
        other => other?,
    };
    let text = std::str::from_utf8(text.expose()).map_err(|_| Failure(Status::ParseError))?;
    let settings = Settings::of_text(text);
    Ok(settings.value("failmode").is_some_and(|mode| mode == "secure"))
}
