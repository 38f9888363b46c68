//! What becomes of an identity that is used no more: its keys are wiped, and what may still be
//! looked at is moved aside. Every step may be repeated, so a crash only costs a repeat.
//!
//! Wiping overwrites a key once and removes it. On a disk that writes elsewhere than it is told
//! (solid-state, copy-on-write, snapshots) the old bytes may live on; what ends the identity for
//! good is that the collector does not accept it any more.

use super::{Chain, Identity, StateDir, StateError};
use crate::durable::{self, Disk as _, RealDisk};
use evidence::HostId;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Every file that holds a private key, or belongs to one.
const KEYS: [&str; 5] = ["evidence.key", "tls.pem", "tls.next.key", "tls.key", "tls.crt"];

/// That this host has left. The file `left.json`, until it is enrolled again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    pub host: HostId,
    pub server: String,
    pub at_ms: i64,
}

impl Left {
    pub const FILE: &str = "left.json";

    pub fn read(directory: &Path) -> Result<Option<Self>, StateError> {
        super::read_json(&directory.join(Self::FILE))
    }
}

/// Wipes the keys of a directory whose machine is not the one that was enrolled, and moves the
/// rest of that identity to `former/HOST`. Gives that place.
pub fn set_aside(state: &StateDir, identity: &Identity) -> Result<PathBuf, StateError> {
    let former = state.file("former");
    let place = former.join(identity.host.to_string());
    for directory in [&former, &place] {
        durable::make_directory(directory).map_err(super::at(directory))?;
    }
    wipe(state)?;
    // The identity goes last: with it, all of this is done again.
    for name in [Chain::FILE, "spool", Identity::FILE] {
        let from = state.file(name);
        if from.exists() {
            RealDisk.rename(&from, &place.join(name)).map_err(super::at(&from))?;
        }
    }
    Ok(place)
}

/// Wipes the keys and everything else of a host that has left.
pub fn erase(state: &StateDir, left: &Left) -> Result<(), StateError> {
    let bytes = serde_json::to_vec_pretty(left);
    state.write(Left::FILE, &bytes.map_err(|error| state.damaged(Left::FILE, error))?)?;
    wipe(state)?;
    let spool = state.file("spool");
    match fs::remove_dir_all(&spool) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(super::at(&spool)(error));
        }
        _ => {}
    }
    for name in [Chain::FILE, Identity::FILE] {
        let path = state.file(name);
        RealDisk.remove(&path).map_err(super::at(&path))?;
    }
    Ok(())
}

fn wipe(state: &StateDir) -> Result<(), StateError> {
    for name in KEYS {
        let path = state.file(name);
        overwrite(&path).and_then(|()| RealDisk.remove(&path)).map_err(super::at(&path))?;
    }
    Ok(())
}

/// Overwrites a file with zeros, durably. It is no error if it is gone.
fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = match fs::OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    file.write_all(&vec![0; length])?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::wire::TrustBundle;

    fn filled(directory: &Path) -> (StateDir, Identity) {
        let state = StateDir::create(directory).expect("state");
        let identity = Identity {
            host: HostId::from_parts(1, 1),
            server: "https://192.0.2.1:8443".into(),
            trust: TrustBundle { authorities: vec![], log_keys: vec![] },
            machine: None,
            enrolled_at_ms: 1,
        };
        for name in KEYS {
            state.write(name, b"secret").expect("written");
        }
        let chain = Chain::start(HostId::from_parts(2, 2), None).to_bytes().expect("chain");
        state.write(Chain::FILE, &chain).expect("written");
        let bytes = serde_json::to_vec(&identity).expect("JSON");
        state.write(Identity::FILE, &bytes).expect("written");
        fs::create_dir(directory.join("spool")).expect("spool");
        fs::write(directory.join("spool/a.checkin"), b"x").expect("check-in");
        (state, identity)
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("listed").map(|entry| entry.expect("entry"));
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_identity_set_aside_leaves_no_key_and_loses_no_check_in() {
        let directory = tempfile::tempdir().expect("directory");
        let (state, identity) = filled(directory.path());
        // As after a crash: the keys are wiped, the rest is not moved yet.
        wipe(&state).expect("wiped");
        let place = set_aside(&state, &identity).expect("set aside");
        assert_eq!(names(directory.path()), ["former", "lock"]);
        assert_eq!(names(&place), ["chain.json", "identity.json", "spool"]);
        assert!(place.join("spool/a.checkin").exists());
    }

    #[test]
    fn a_host_that_left_keeps_nothing_but_the_word_that_it_did() {
        let directory = tempfile::tempdir().expect("directory");
        let (state, identity) = filled(directory.path());
        let left = Left { host: identity.host, server: identity.server, at_ms: 5 };
        erase(&state, &left).expect("erased");
        erase(&state, &left).expect("again");
        assert_eq!(names(directory.path()), ["left.json", "lock"]);
        assert_eq!(Left::read(directory.path()).expect("read"), Some(left.clone()));
        drop(state);
        let error = StateDir::open(directory.path()).expect_err("left");
        assert!(matches!(error, StateError::Left { host, .. } if host == left.host), "{error}");
    }
}
