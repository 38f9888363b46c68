//! Shells that end by themselves: TMOUT of bash(1), by the files that its login shells run.

use crate::formats::shell::Unclear;
use crate::formats::shell::profile::{self, Script, Scripts, Variable};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;

const BASH: [&str; 3] = ["/usr/bin/bash", "/bin/bash", "/usr/local/bin/bash"];
const DIRECTORY: &str = "/etc/profile.d";
const PROFILE: &str = "/etc/profile";
const OTHERS_READ: u32 = 0o004;

/// Other shells have other files, or no such variable: nothing is said of them.
pub(super) fn timeout(reading: &mut Reading<'_>) -> Result<Variable, Failure> {
    if reading.any_is_there(&BASH) != Some(true) {
        return Err(Failure(Status::Unsupported));
    }
    profile::variable(&mut Machine(reading)).map_err(|Unclear| {
        reading.note(PROFILE, "what becomes of TMOUT is not understood");
        Failure(Status::Unsupported)
    })
}

struct Machine<'r, 'h>(&'r mut Reading<'h>);

impl Scripts for Machine<'_, '_> {
    fn open(&mut self, path: &str) -> Script {
        match self.0.config(path) {
            Ok(text) => {
                let for_all = self.0.stat(path).is_ok_and(|meta| meta.has(OTHERS_READ));
                Script::Text { text, for_all }
            }
            Err(ReadError::Absent) => Script::Absent,
            Err(_) => Script::Closed,
        }
    }

    fn listed(&mut self) -> Option<Vec<String>> {
        match self.0.list(DIRECTORY) {
            Ok(names) => {
                let is_one = |name: &String| name.ends_with(".sh") && !name.starts_with('.');
                let names = names.into_iter().filter(is_one);
                Some(names.map(|name| format!("{DIRECTORY}/{name}")).collect())
            }
            Err(ReadError::Absent) => Some(Vec::new()),
            Err(_) => None,
        }
    }

    fn is_there(&mut self, path: &str) -> Option<bool> {
        match self.0.stat(path) {
            Ok(_) => Some(true),
            Err(ReadError::Absent) => Some(false),
            Err(_) => None,
        }
    }
}
