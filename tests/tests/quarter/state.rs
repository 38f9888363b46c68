//! What hosts of the quarter say of themselves: the sound facts of real fixtures, and what can become
//! of them.

use evidence::{Digest, Facts, KindEntry, Manifest, Status};
use evidenced_tests::Sound;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kinds that a host of the quarter reports.
const KINDS: [&str; 7] =
    ["accounts", "host_os", "kernel_hardening", "logging", "ssh_server", "sudo", "time_sync"];

/// A state as it travels.
pub(crate) struct State {
    pub(crate) id: Digest,
    pub(crate) manifest: Vec<u8>,
    pub(crate) facts: BTreeMap<Digest, Vec<u8>>,
}

/// A change of one kind against the sound state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// sshd lets root in with a password.
    RootLogin,
    /// A second account of uid 0.
    SecondRoot,
    /// One more account that may do nothing: an ordinary working day.
    Joiner(u32),
    /// The file of accounts may not be read.
    AccountsDenied,
    /// The agent of the next version reads the same files, and says one more thing.
    NewAgent,
}

/// States by the changes that make them, each made once.
#[derive(Default)]
pub(crate) struct States {
    made: BTreeMap<Vec<Change>, Arc<State>>,
}

impl States {
    pub(crate) fn of(&mut self, changes: &[Change]) -> Arc<State> {
        let mut changes = changes.to_vec();
        changes.sort();
        Arc::clone(self.made.entry(changes.clone()).or_insert_with(|| Arc::new(made(&changes))))
    }
}

fn made(changes: &[Change]) -> State {
    let mut kinds = BTreeMap::new();
    let mut facts = BTreeMap::new();
    for kind in KINDS {
        let (entry, bytes) = entry(kind, changes);
        facts.extend(entry.facts.zip(bytes));
        kinds.insert(kind.to_owned(), entry);
    }
    let manifest = Manifest { kinds }.to_bytes().expect("a manifest");
    State { id: Digest::of(&manifest), manifest, facts }
}

fn entry(kind: &str, changes: &[Change]) -> (KindEntry, Option<Vec<u8>>) {
    let sound = &Sound::get().state().kinds[kind];
    if kind == "accounts" && changes.contains(&Change::AccountsDenied) {
        let denied =
            KindEntry { status: Status::Denied, facts: None, sources: vec![], unread: vec![] };
        return (denied, None);
    }
    let facts = sound.facts.as_ref().expect("sound facts");
    let mut document: Value = serde_json::from_slice(facts.bytes()).expect("facts");
    for change in changes {
        apply(kind, *change, &mut document);
    }
    let v = document["v"].as_i64().expect("a version");
    let facts = Facts::new(kind, v, document["data"].take()).expect("facts");
    let unread = sound.unread.clone();
    let entry =
        KindEntry { status: sound.status, facts: Some(facts.id()), sources: vec![], unread };
    (entry, Some(facts.bytes().to_vec()))
}

fn apply(kind: &str, change: Change, document: &mut Value) {
    let data = &mut document["data"];
    match (kind, change) {
        ("ssh_server", Change::RootLogin) => {
            data["global"]["permitrootlogin"] = json!("yes");
            data["worst"]["permitrootlogin"] = json!("yes");
        }
        ("accounts", Change::SecondRoot) => add_user(data, "toor", 0),
        ("accounts", Change::Joiner(number)) => {
            add_user(data, &format!("joiner-{number}"), 3000 + i64::from(number));
        }
        ("time_sync", Change::NewAgent) => {
            document["v"] = json!(document["v"].as_i64().expect("a version") + 1);
        }
        _ => {}
    }
}

/// A copy of an account that is there, under another name and uid.
fn add_user(data: &mut Value, name: &str, uid: i64) {
    let users = data["users"].as_array_mut().expect("users");
    let like = users.iter().find(|user| user["uid"].as_i64().is_some_and(|uid| uid >= 1000));
    let mut user = like.or(users.first()).expect("a user").clone();
    (user["name"], user["uid"]) = (json!(name), json!(uid));
    users.push(user);
    users.sort_by_key(|user| user["name"].as_str().map(str::to_owned));
}
