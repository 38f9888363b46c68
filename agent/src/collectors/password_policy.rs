//! The kind `password_policy`: the stacks of every service of PAM, walked every way they can be
//! walked ([`crate::formats::pam::walk`]) by somebody of this host who is not root; the settings of
//! the modules on the way, an argument before a file before the default of the module; login.defs(5)
//! and shadow(5). Only the latter needs a privilege.
//!
//! A service whose stack is not understood leaves everything unread that the stacks decide: its
//! demands might be the weakest ones.

mod login;
mod modules;
mod quality;
mod service;
mod settings;
mod stacks;

use super::{Collector, facts};
use crate::formats::password_field::PasswordField;
use crate::formats::{login_defs, passwd};
use crate::host::{Failure, ReadError, Reading};
use evidence::kinds::Kind;
use evidence::kinds::accounts::{HashScheme, PasswordState};
use evidence::kinds::password_policy::{
    Authselect, Change, Lockout, LockoutModule, LoginDefs, PasswordPolicy, Quality, QualityModule,
    Service,
};
use service::Services;

pub(super) const COLLECTOR: Collector = Collector {
    kind: PasswordPolicy::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const PASSWD: &str = "/etc/passwd";
const SHADOW: &str = "/etc/shadow";
const MAX_SHADOW_BYTES: u64 = 64 << 20;
const LOGIN_DEFS: &str = "/etc/login.defs";
const AUTHSELECT: &str = "/etc/authselect/authselect.conf";
const SU: [&str; 2] = ["/usr/bin/su", "/bin/su"];

fn collect(reading: &mut Reading<'_>) -> Result<PasswordPolicy, Failure> {
    let definitions = definitions(reading);
    // Without PAM nothing is known of what takes its place.
    let services = stacks::Stacks::read(reading)
        .and_then(|stacks| Services::of(reading, &stacks, definitions.as_deref()));
    let services = services.ok();
    let login_defs = definitions.as_deref().map(lines_of);
    let authselect = authselect(reading);
    let mut facts = PasswordPolicy {
        local_passwords: local_passwords(reading),
        su_installed: reading.any_is_there(&SU),
        login_defs,
        authselect: authselect.as_ref().ok().cloned().flatten(),
        ..NOTHING
    };
    if let Some(services) = services {
        weakest(&mut facts, services);
    }
    name_gaps(reading, &facts, authselect.is_err());
    Ok(facts)
}

const NOTHING: PasswordPolicy = PasswordPolicy {
    local_passwords: None,
    services: None,
    quality_module: None,
    minlen: None,
    minclass: None,
    dictcheck: None,
    enforce_for_root: None,
    history: None,
    nullok: None,
    lockout: None,
    hash_scheme_default: None,
    umask_other_read: None,
    umask_group_write: None,
    su_installed: None,
    su_restricted: None,
    mfa_modules: None,
    login_defs: None,
    authselect: None,
};

/// What is left when somebody may choose the service.
fn weakest(facts: &mut PasswordPolicy, services: Services) {
    let changes: Vec<&Change> = services.all.iter().filter_map(|s| s.change.as_ref()).collect();
    let quality: Option<Vec<&Quality>> = changes.iter().map(|c| c.quality.as_ref()).collect();
    if let Some(all) = quality {
        let weakest = all.iter().min_by_key(|q| (q.module != QualityModule::None, q.minlen));
        facts.quality_module = Some(weakest.map_or(QualityModule::None, |q| q.module));
        facts.minlen = Some(all.iter().map(|q| q.minlen).min().unwrap_or(0));
        facts.minclass = Some(all.iter().map(|q| q.minclass).min().unwrap_or(0));
        facts.dictcheck = Some(!all.is_empty() && all.iter().all(|q| q.dictcheck));
        facts.enforce_for_root = Some(!all.is_empty() && all.iter().all(|q| q.enforce_for_root));
    }
    let history: Option<Vec<i64>> = changes.iter().map(|c| c.history).collect();
    facts.history = history.map(|all| all.into_iter().min().unwrap_or(0));
    let schemes: Option<Vec<HashScheme>> = changes.iter().map(|c| c.hash_scheme).collect();
    facts.hash_scheme_default =
        schemes.and_then(|all| all.into_iter().min_by_key(|scheme| service::strength(*scheme)));
    let logins: Vec<_> = services.all.iter().filter_map(|s| s.login.as_ref()).collect();
    facts.nullok = Some(logins.iter().any(|login| login.nullok));
    let lockouts: Option<Vec<&Lockout>> = logins.iter().map(|l| l.lockout.as_ref()).collect();
    facts.lockout = lockouts.map(|all| weakest_lockout(&all));
    facts.umask_other_read = services.umask.map(|mask| mask & 0o004 == 0);
    facts.umask_group_write = services.umask.map(|mask| mask & 0o020 == 0);
    facts.su_restricted = Some(services.su_restricted);
    facts.mfa_modules = Some(services.mfa_modules);
    facts.services = Some(services.all);
}

fn weakest_lockout(all: &[&Lockout]) -> Lockout {
    let none = Lockout {
        module: LockoutModule::None,
        deny: 0,
        unlock_time_s: 0,
        fail_interval_s: None,
        even_deny_root: false,
    };
    let Some((first, rest)) = all.split_first() else { return none };
    if all.iter().any(|lockout| lockout.module == LockoutModule::None) {
        return none;
    }
    let mut weakest = (*first).clone();
    for lockout in rest {
        weakest = service::weaker(&weakest, lockout);
    }
    weakest
}

/// Whether somebody can log in by a password: whoever has keys alone needs none of this. A hash may
/// be in passwd(5) too.
fn local_passwords(reading: &mut Reading<'_>) -> Option<bool> {
    let lets_in = |field: &PasswordField| {
        !matches!(field.state(), PasswordState::Locked | PasswordState::Disabled)
    };
    let shadow = reading.secret(SHADOW, MAX_SHADOW_BYTES).ok();
    // A damaged hash lets nobody in, and no tool writes one.
    let is_damaged = shadow.as_ref().is_some_and(|text| !text.expose().is_ascii());
    let shadow = shadow.map(|text| passwd::shadow(text.expose()));
    if shadow.iter().flat_map(|shadow| &shadow.lines).any(|line| lets_in(&line.password)) {
        return Some(true);
    }
    let users = passwd::passwd(reading.secret(PASSWD, MAX_SHADOW_BYTES).ok()?.expose());
    let own = |field: &PasswordField| !field.is_shadowed() && lets_in(field);
    if users.lines.iter().any(|line| own(&line.password)) {
        return Some(true);
    }
    let mut whole = !is_damaged;
    if is_damaged {
        reading.malformed(SHADOW, "bytes that are no text");
    }
    for (path, faults) in [(SHADOW, shadow?.faults), (PASSWD, users.faults)] {
        if let Some(faults) = faults {
            reading.malformed(path, faults.to_string());
            whole = false;
        }
    }
    whole.then_some(false)
}

/// The text of login.defs(5); without the file there are no lines.
fn definitions(reading: &mut Reading<'_>) -> Option<String> {
    match reading.config(LOGIN_DEFS) {
        Ok(text) => Some(text),
        Err(ReadError::Absent) => Some(String::new()),
        Err(_) => None,
    }
}

fn lines_of(text: &str) -> LoginDefs {
    let number = |name| login_defs::value(text, name).and_then(|value| value.parse().ok());
    let word = |name| login_defs::value(text, name).map(str::to_owned);
    LoginDefs {
        pass_max_days: number("PASS_MAX_DAYS"),
        pass_min_days: number("PASS_MIN_DAYS"),
        pass_warn_age: number("PASS_WARN_AGE"),
        encrypt_method: word("ENCRYPT_METHOD"),
        umask: word("UMASK"),
    }
}

/// The profile's name, and a feature a line.
fn authselect(reading: &mut Reading<'_>) -> Result<Option<Authselect>, Failure> {
    let text = match reading.config(AUTHSELECT) {
        Err(ReadError::Absent) => return Ok(None),
        other => other?,
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(profile) = lines.next().map(str::to_owned) else { return Ok(None) };
    let mut features: Vec<_> = lines.map(str::to_owned).collect();
    features.sort();
    Ok(Some(Authselect { profile, features }))
}

/// Every fact that is not there was not read.
fn name_gaps(reading: &mut Reading<'_>, facts: &PasswordPolicy, no_authselect: bool) {
    let services: &[Service] = facts.services.as_deref().unwrap_or_default();
    let mut changes = services.iter().filter_map(|service| service.change.as_ref());
    let mut logins = services.iter().filter_map(|service| service.login.as_ref());
    reading.gaps([
        ("local_passwords", facts.local_passwords.is_none()),
        ("services", facts.services.is_none()),
        ("services.login.lockout", logins.any(|login| login.lockout.is_none())),
        ("services.change.quality", changes.clone().any(|change| change.quality.is_none())),
        ("services.change.history", changes.clone().any(|change| change.history.is_none())),
        ("services.change.hash_scheme", changes.any(|change| change.hash_scheme.is_none())),
        ("quality_module", facts.quality_module.is_none()),
        ("minlen", facts.minlen.is_none()),
        ("minclass", facts.minclass.is_none()),
        ("dictcheck", facts.dictcheck.is_none()),
        ("enforce_for_root", facts.enforce_for_root.is_none()),
        ("history", facts.history.is_none()),
        ("nullok", facts.nullok.is_none()),
        ("lockout", facts.lockout.is_none()),
        ("hash_scheme_default", facts.hash_scheme_default.is_none()),
        ("umask_other_read", facts.umask_other_read.is_none()),
        ("umask_group_write", facts.umask_group_write.is_none()),
        ("su_installed", facts.su_installed.is_none()),
        ("su_restricted", facts.su_restricted.is_none()),
        ("mfa_modules", facts.mfa_modules.is_none()),
        ("login_defs", facts.login_defs.is_none()),
        ("authselect", no_authselect),
    ]);
}
