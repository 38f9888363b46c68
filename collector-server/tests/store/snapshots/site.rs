//! A store with two hosts, their rules, and what makes snapshots of it.

use crate::cases::{Agent, SECOND};
use evidence::key::PublicKey;
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::clock::Clock;
use evidenced_collector::data::DataDir;
use evidenced_collector::judge::{Judge, Profile, RuleSet};
use evidenced_collector::judgement::Worker;
use evidenced_collector::keyring::Keyring;
use evidenced_collector::settings;
use evidenced_collector::snapshot::SnapshotError;
use evidenced_collector::snapshot::archive::Archive;
use evidenced_collector::snapshot::document::{Asked, HostDocument};
use evidenced_collector::snapshot::make::{Made, Workshop, signers};
use evidenced_collector::snapshot::rules::Shelf;
use evidenced_collector::snapshot::verify::{Outcome, Trust, verify};
use evidenced_collector::status::RepairLimits;
use evidenced_collector::store::Store;
use serde_json::{Value, json};
use std::io::Cursor;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::sync::Notify;

/// Seconds since the epoch of the first check-in.
pub(crate) const T: i64 = 1_900_000_000;

/// Rules take longer to load than everything else: they are loaded once.
static JUDGE: LazyLock<Arc<Judge>> = LazyLock::new(|| {
    let catalogue = Catalogue::builtin().expect("catalogue");
    let rules = RuleSet::builtin(&catalogue).expect("rules").only(&[Profile::Essential]);
    Arc::new(Judge::new(Arc::new(rules)))
});

pub(crate) fn users(second: bool) -> Value {
    let root = json!({"name": "root", "uid": 0});
    let toor = json!({"name": "toor", "uid": 0});
    json!({"users": if second { json!([root, toor]) } else { json!([root]) }})
}

pub(crate) struct Site<'a> {
    pub(crate) store: &'a Store,
    pub(crate) data: DataDir,
    pub(crate) keyring: Keyring,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) directory: TempDir,
}

impl<'a> Site<'a> {
    /// Two hosts: one that fails and is repaired, one that passes and fails later.
    pub(crate) async fn new(store: &'a Store) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let now = UNIX_EPOCH + Duration::from_secs(T as u64);
        let data = DataDir::create(&directory.path().join("data"), "Example Org", "", now);
        let data = data.expect("a data directory");
        let said = [
            (settings::ORGANISATION, "Example Org".to_owned()),
            (settings::LOG_ORIGIN, "log.example.org/evidence".to_owned()),
        ];
        store.initialise(&said, 1).await.expect("initialised");
        let keyring = Keyring::load(&data, store, T * SECOND).await.expect("keys");
        let shelf = Arc::new(Shelf::default());
        shelf.keep(&JUDGE);
        let site = Self { store, data, keyring, shelf, directory };
        let rules = JUDGE.rules();
        store.activate_rules(rules.id(), rules.sources(), "collector", 2).await.expect("rules");
        let (mut first, mut second) = (Agent::enrolled(store).await, Agent::enrolled(store).await);
        for (n, at) in [0, 100, 200].into_iter().enumerate() {
            first.report(store, users(n == 1), T + at).await;
            second.report(store, users(true), T + at + 1).await;
            site.work(T + at + 2).await;
        }
        site
    }

    pub(crate) async fn work(&self, now_s: i64) {
        let clock = Clock::fast(UNIX_EPOCH + Duration::from_secs(now_s as u64), 1);
        let worker =
            Worker::new(self.store.clone(), Arc::clone(&JUDGE), clock, Arc::new(Notify::new()));
        worker.drain().await.expect("judged");
    }

    /// Makes an archive.
    pub(crate) async fn make(&self, asked: &Asked, name: &str) -> (Vec<u8>, Made) {
        let made = self.try_make(asked, name).await;
        made.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) async fn fails(&self, asked: &Asked, name: &str) -> SnapshotError {
        match self.try_make(asked, name).await {
            Ok(_) => panic!("{name} was made"),
            Err(error) => error,
        }
    }

    async fn try_make(&self, asked: &Asked, name: &str) -> Result<(Vec<u8>, Made), SnapshotError> {
        let output = self.directory.path().join(format!("{name}.tar"));
        let work = self.directory.path().join(format!("{name}.work"));
        let workshop = Workshop {
            store: self.store,
            keyring: &self.keyring,
            data: &self.data,
            limits: RepairLimits::default(),
            shelf: Arc::clone(&self.shelf),
            tsa: None,
        };
        let now_us = (T + 1000) * SECOND;
        let made = workshop.make(asked, now_us, (&work, &output), |_, _| {}).await?;
        assert!(!work.exists(), "the directory of work is gone");
        Ok((std::fs::read(&output).expect("an archive"), made))
    }

    pub(crate) fn trusted(&self) -> Vec<PublicKey> {
        signers(&self.keyring.keys).expect("signers").iter().map(|signer| signer.key).collect()
    }

    pub(crate) fn verified(&self, archive: &[u8]) -> Outcome {
        let trust = Trust { signers: Some(self.trusted()), ..Trust::default() };
        verify(Cursor::new(archive), &trust, &self.shelf)
    }

    pub(crate) fn text(&self, archive: &[u8], name: &str) -> String {
        let mut archive = Archive::read(Cursor::new(archive)).expect("an archive");
        let bytes = archive.bytes(name, 1 << 30).expect("read");
        String::from_utf8(bytes.unwrap_or_else(|| panic!("no {name}"))).expect("text")
    }

    /// Files that hold a word, but for rules: their examples are invented.
    pub(crate) fn naming(&self, archive: &[u8], word: &str) -> Vec<String> {
        let files = Archive::read(Cursor::new(archive)).expect("an archive").files;
        let names = files.into_keys().filter(|name| !name.starts_with("rules/"));
        let mut archive = Archive::read(Cursor::new(archive)).expect("an archive");
        let mut holds = |name: &String| {
            let bytes = archive.bytes(name, 1 << 30).expect("read").unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(word)
        };
        names.filter(|name| holds(name)).collect()
    }

    pub(crate) fn hosts(&self, archive: &[u8]) -> Vec<HostDocument> {
        let names = Archive::read(Cursor::new(archive)).expect("an archive").files;
        let names = names.into_keys().filter(|name| name.starts_with("hosts/"));
        names.map(|name| serde_json::from_str(&self.text(archive, &name)).expect("JSON")).collect()
    }
}
