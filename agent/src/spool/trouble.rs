//! Why shipping fails, for `status`: a person who asks finds the reason beside what waits.

use super::{Spool, SpoolError, at};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The file `trouble.json`; it is there only while shipping fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub reason: String,
    /// Since when shipping fails for this reason, milliseconds since the epoch.
    pub since_ms: i64,
    /// Whether it does not pass by itself.
    pub needs_a_person: bool,
}

impl Trouble {
    const FILE: &str = "trouble.json";

    /// The trouble noted in a spool directory, if any.
    pub fn read(spool: &Path) -> Option<Self> {
        let bytes = std::fs::read(spool.join(Self::FILE)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

impl Spool {
    /// Notes why shipping fails; the same reason again is no news, and is not written.
    pub fn note_trouble(
        &mut self,
        reason: &str,
        needs_a_person: bool,
        now_ms: i64,
    ) -> Result<(), SpoolError> {
        if self.trouble.as_ref().is_some_and(|trouble| trouble.reason == reason) {
            return Ok(());
        }
        let trouble = Trouble { reason: reason.to_owned(), since_ms: now_ms, needs_a_person };
        let path = self.directory.join(Trouble::FILE);
        let bytes = serde_json::to_vec(&trouble).map_err(io::Error::other).map_err(at(&path))?;
        self.write(&path, &bytes)?;
        self.trouble = Some(trouble);
        Ok(())
    }

    /// Notes that shipping works.
    pub fn end_trouble(&mut self) -> Result<(), SpoolError> {
        if self.trouble.is_some() {
            let path = self.directory.join(Trouble::FILE);
            self.disk.remove(&path).map_err(at(&path))?;
            self.trouble = None;
        }
        Ok(())
    }
}
