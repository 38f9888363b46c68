//! The kind `authorized_keys`: the files that sshd_config(5) names, for every user of /etc/passwd.
//! Homes are closed to others, so it needs CAP_DAC_READ_SEARCH. Where no SSH server is installed it
//! does not apply.
//!
//! A list that is shorter than the truth would look better than it is: one home, file or line that
//! was not read leaves the whole list out.

use super::{Collector, facts, ssh_server};
use crate::formats::passwd::{self, PasswdLine};
use crate::formats::ssh_key::{self, AuthorizedKey};
use crate::host::{Failure, FileKind, ReadError, Reading};
use evidence::Status;
use evidence::kinds::authorized_keys::{AuthorizedKeys, Entry, KeyFile};
use evidence::kinds::{Kind, SshServer};
use std::collections::BTreeSet;

pub(super) const COLLECTOR: Collector = Collector {
    kind: AuthorizedKeys::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const PASSWD: &str = "/etc/passwd";
/// Most keys that are listed.
const MAX_ENTRIES: usize = 20_000;

fn collect(reading: &mut Reading<'_>) -> Result<AuthorizedKeys, Failure> {
    let server = server(reading)?;
    if !server.installed {
        return Err(Failure(Status::NotApplicable));
    }
    let users = users(reading)?;
    let command_configured = command_configured(&server);
    let found = patterns(&server).map(|patterns| Found::read(reading, &users, &patterns));
    let (entries, files) = found.map_or((None, None), |found| (found.entries, found.files));
    // Keys that no file holds are not in the list.
    let is_whole = command_configured == Some(false) && !trusts_an_authority(&server);
    let entries = entries.filter(|_| is_whole);
    reading.gaps([
        ("entries", entries.is_none()),
        ("files", files.is_none()),
        ("command_configured", command_configured.is_none()),
    ]);
    if entries.as_ref().is_some_and(|entries| entries.len() > MAX_ENTRIES) {
        return Err(Failure(Status::Truncated));
    }
    Ok(AuthorizedKeys { entries, files, command_configured })
}

/// What the kind `ssh_server` knows; its gaps are its own, and show here by what they take away.
fn server(reading: &mut Reading<'_>) -> Result<SshServer, Failure> {
    reading.apart(ssh_server::collect)
}

fn users(reading: &mut Reading<'_>) -> Result<Vec<PasswdLine>, Failure> {
    // A damaged line would hide a user, and so his keys: this file is text or nothing.
    let text = reading.config(PASSWD)?;
    let records = passwd::passwd(text.as_bytes());
    if let Some(faults) = records.faults {
        reading.malformed(PASSWD, faults.to_string());
        return Err(Failure(Status::ParseError));
    }
    Ok(records.lines)
}

/// Every pattern of a file that some connection may meet; None while the configuration is not known.
fn patterns(server: &SshServer) -> Option<BTreeSet<String>> {
    let global = server.global.as_ref()?;
    let mut patterns: BTreeSet<String> = global.authorizedkeysfile.iter().cloned().collect();
    for block in server.matches.as_ref()? {
        let Some(own) = block.settings.get("authorizedkeysfile") else { continue };
        // What is quoted may hold blanks: as it is written, words cannot be told.
        if own.contains('"') {
            return None;
        }
        patterns.extend(own.split_ascii_whitespace().map(str::to_owned));
    }
    patterns.remove("none");
    Some(patterns)
}

/// Whether certificates open accounts too, for anybody (`TrustedUserCAKeys`).
fn trusts_an_authority(server: &SshServer) -> bool {
    const KEYWORD: &str = "trustedusercakeys";
    let blocks = server.matches.iter().flatten();
    server.origins.as_ref().is_none_or(|origins| origins.contains_key(KEYWORD))
        || blocks.into_iter().any(|block| block.settings.contains_key(KEYWORD))
}

fn command_configured(server: &SshServer) -> Option<bool> {
    let is_set = |value: &str| !value.eq_ignore_ascii_case("none") && !value.is_empty();
    let global = is_set(&server.global.as_ref()?.authorizedkeyscommand);
    let blocks = server.matches.as_ref()?.iter();
    let in_block = blocks.filter_map(|block| block.settings.get("authorizedkeyscommand"));
    Some(global || in_block.into_iter().any(|value| is_set(value)))
}

/// What the files hold; none where one of them was not read.
struct Found {
    entries: Option<Vec<Entry>>,
    files: Option<Vec<KeyFile>>,
}

impl Found {
    fn read(reading: &mut Reading<'_>, users: &[PasswdLine], patterns: &BTreeSet<String>) -> Self {
        let mut found = Self { entries: Some(Vec::new()), files: Some(Vec::new()) };
        for user in users {
            for pattern in patterns {
                match path(pattern, user) {
                    Some(path) => found.add(reading, user, path),
                    // A name or a home that is no text, or a token this agent does not know.
                    None => found = Self { entries: None, files: None },
                }
                if found.entries.is_none() && found.files.is_none() {
                    return found;
                }
            }
        }
        if let Some(entries) = &mut found.entries {
            entries.sort_by(|a, b| (&a.user, &a.path).cmp(&(&b.user, &b.path)));
        }
        if let Some(files) = &mut found.files {
            files.sort();
            files.dedup();
        }
        found
    }

    fn add(&mut self, reading: &mut Reading<'_>, user: &PasswdLine, path: String) {
        let name = String::from_utf8_lossy(&user.name).into_owned();
        match reading.stat(&path) {
            // sshd(8) reads regular files only.
            Ok(meta) if meta.kind != FileKind::File => return,
            Ok(meta) => {
                if let Some(files) = &mut self.files {
                    files.push(KeyFile {
                        path: path.clone(),
                        user: name.clone(),
                        owner_ok: meta.uid == 0 || meta.uid == user.uid,
                        group_write: meta.has(0o020),
                        other_write: meta.has(0o002),
                    });
                }
            }
            Err(ReadError::Absent) => return,
            Err(error) => {
                reading.failed(&path, error);
                *self = Self { entries: None, files: None };
                return;
            }
        }
        let Ok(text) = reading.config(&path) else {
            *self = Self { entries: None, files: None };
            return;
        };
        let keys = match ssh_key::authorized_keys(&text) {
            Ok(keys) => Some(keys),
            Err(line) => {
                reading.malformed(&path, format!("line {line}: no key that is known here"));
                None
            }
        };
        match (keys, &mut self.entries) {
            (Some(keys), Some(entries)) => {
                entries.extend(keys.into_iter().map(|key| entry(&name, user.uid, &path, key)));
            }
            _ => self.entries = None,
        }
    }
}

/// `%h`, `%u`, `%U` and `%%`; a relative path is below the home (sshd_config(5), TOKENS).
fn path(pattern: &str, user: &PasswdLine) -> Option<String> {
    let name = std::str::from_utf8(&user.name).ok()?;
    let home = std::str::from_utf8(&user.home).ok()?;
    let mut path = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match (letter, (letter == '%').then(|| letters.next()).flatten()) {
            ('%', Some('h')) => path.push_str(home),
            ('%', Some('u')) => path.push_str(name),
            ('%', Some('U')) => path.push_str(&user.uid.to_string()),
            ('%', Some('%')) => path.push('%'),
            ('%', _) => return None,
            (letter, _) => path.push(letter),
        }
    }
    let home = home.trim_end_matches('/');
    Some(if path.starts_with('/') { path } else { format!("{home}/{path}") })
}

fn entry(user: &str, uid: u32, path: &str, key: AuthorizedKey) -> Entry {
    let has = |name: &str| key.options.iter().any(|option| option == name);
    Entry {
        has_from: has("from"),
        restricted: has("command") || has("restrict"),
        cert_authority: has("cert-authority"),
        user: user.to_owned(),
        uid: i64::from(uid),
        path: path.to_owned(),
        key_type: key.key.key_type.to_owned(),
        bits: key.key.bits,
        fingerprint: key.key.fingerprint,
        options: key.options,
    }
}
