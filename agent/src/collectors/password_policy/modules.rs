//! Which modules are installed, and what each may return.

use crate::formats::pam::stack::{Handler, Step};
use crate::formats::pam::{self, CODES};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use std::collections::BTreeMap;

/// Where the library looks for modules that are named without a path: one of these, by family and
/// machine.
const DIRECTORIES: [&str; 11] = [
    "/usr/lib/x86_64-linux-gnu/security",
    "/usr/lib/aarch64-linux-gnu/security",
    "/usr/lib/arm-linux-gnueabihf/security",
    "/usr/lib/riscv64-linux-gnu/security",
    "/usr/lib/powerpc64le-linux-gnu/security",
    "/usr/lib/s390x-linux-gnu/security",
    "/usr/lib/i386-linux-gnu/security",
    "/lib/x86_64-linux-gnu/security",
    "/lib/aarch64-linux-gnu/security",
    "/usr/lib64/security",
    "/usr/lib/security",
];
/// Where Debian's library looks for what is not in its own directory; elsewhere the directory itself.
const LAST: &str = "/lib/security";
/// The module by which the directory is known.
const UNIX: &str = "pam_unix.so";
/// Others that take the place of pam_unix, in a way that is not understood.
const IN_ITS_PLACE: [&str; 5] =
    ["pam_unix2.so", "pam_tcb.so", "pam_pwdb.so", "pam_unix_auth.so", "pam_unix_passwd.so"];

/// Second factors that do not stand aside by themselves.
const REFUSES_OTHERS: [&str; 4] =
    ["pam_google_authenticator.so", "pam_oath.so", "pam_u2f.so", "pam_yubico.so"];

pub(super) struct Modules {
    pub(super) directory: String,
    /// Whether each that was looked for is there.
    names: Vec<String>,
    last: Vec<String>,
    paths: BTreeMap<String, bool>,
}

impl Modules {
    pub(super) fn read(reading: &mut Reading<'_>) -> Result<Self, Failure> {
        let mut last = list(reading, LAST)?;
        for directory in DIRECTORIES {
            // Of two machines' modules those of the first one are taken.
            let names = list(reading, directory)?;
            if names.iter().any(|name| name == UNIX) {
                if !directory.contains("-linux-gnu") {
                    last.clear();
                }
                let directory = directory.to_owned();
                return Ok(Self { directory, names, last, paths: BTreeMap::new() });
            }
        }
        match last.iter().any(|name| name == UNIX) {
            true => {
                let directory = LAST.to_owned();
                Ok(Self { directory, names: last, last: vec![], paths: BTreeMap::new() })
            }
            false => Err(Failure(Status::Absent)),
        }
    }

    /// Looks for the modules that a stack names by their path.
    pub(super) fn look_for(
        &mut self,
        reading: &Reading<'_>,
        stack: &[Handler],
    ) -> Result<(), Failure> {
        for handler in stack {
            let Step::Module { path, .. } = &handler.what else { continue };
            if handler.what.module().is_some_and(|name| IN_ITS_PLACE.contains(&name))
                || path.contains("$ISA")
            {
                return Err(Failure(Status::Unsupported));
            }
            if !path.starts_with('/') || self.paths.contains_key(path) {
                continue;
            }
            let is_there = match reading.stat(path) {
                Ok(_) => true,
                Err(ReadError::Absent) => false,
                Err(error) => return Err(error.into()),
            };
            self.paths.insert(path.clone(), is_there);
        }
        Ok(())
    }

    fn has(&self, path: &str) -> bool {
        if path.starts_with('/') {
            return self.paths.get(path).copied().unwrap_or(false);
        }
        self.names.iter().chain(&self.last).any(|name| name == path)
    }

    /// The module of a step, if it is installed.
    pub(super) fn name<'s>(&self, handler: &'s Handler) -> Option<&'s str> {
        let Step::Module { path, .. } = &handler.what else { return None };
        handler.what.module().filter(|_| self.has(path))
    }

    /// What a step may return for somebody of this host who is not root.
    pub(super) fn codes(&self, handler: &Handler) -> Vec<usize> {
        let argument = |word: &str| handler.what.arguments().iter().any(|one| one == word);
        match self.name(handler) {
            None => vec![pam::MODULE_UNKNOWN],
            Some("pam_permit.so" | "pam_localuser.so" | "pam_umask.so") => vec![pam::SUCCESS],
            // Its codes for the four facilities.
            Some("pam_deny.so") => vec![pam::AUTH_ERR, 13, 14, 20],
            Some("pam_rootok.so") => vec![pam::AUTH_ERR],
            Some("pam_faillock.so") if argument("authfail") => all_but(pam::SUCCESS),
            Some(
                "pam_unix.so" | "pam_faillock.so" | "pam_tally2.so" | "pam_pwquality.so"
                | "pam_cracklib.so" | "pam_passwdqc.so" | "pam_pwhistory.so" | "pam_wheel.so",
            ) => all_but(pam::IGNORE),
            // Who has not enrolled is refused, unless an argument says otherwise.
            Some(name)
                if REFUSES_OTHERS.contains(&name)
                    && !super::service::NOT_ENROLLED.iter().any(|word| argument(word)) =>
            {
                all_but(pam::IGNORE)
            }
            Some(_) => all_but(CODES.len()),
        }
    }
}

/// Every code but one. Nor the one that asks to be called again; nor that of an old password, which
/// all control words take for success: who is told it is known, and neither let in nor wrong.
fn all_but(but: usize) -> Vec<usize> {
    let known = |code: &usize| *code != but && *code != pam::NEW_AUTHTOK_REQD;
    (0..CODES.len() - 1).filter(known).collect()
}

fn list(reading: &mut Reading<'_>, directory: &str) -> Result<Vec<String>, Failure> {
    match reading.stat(directory) {
        Err(ReadError::Absent) => Ok(Vec::new()),
        _ => reading.list(directory).map_err(Failure::from),
    }
}
