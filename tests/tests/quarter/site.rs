//! The collector of the quarter without its network: store, judgement and watch, on a clock that is
//! set by hand.

use crate::fleet::{HOUR_US, Host};
use evidence::{Digest, HostId};
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::clock::Clock;
use evidenced_collector::judge::{Judge, Profile, RuleSet};
use evidenced_collector::judgement::Worker;
use evidenced_collector::store::model::{AlertRow, GroupRow, HostState};
use evidenced_collector::store::{AlertFilter, Enrolment, Incoming, LifeChange, NewToken, Store};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::{Notify, watch};

/// The quarter's looks are an hour apart; a collector that looked that long ago was not away.
const AWAY_US: i64 = HOUR_US + HOUR_US / 2;

pub(crate) struct Site {
    pub(crate) store: Store,
    now_us: Arc<AtomicI64>,
    worker: Worker,
    stop: watch::Sender<bool>,
    _directory: tempfile::TempDir,
}

impl Site {
    pub(crate) async fn made(now_us: i64) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite:{}", directory.path().join("store.sqlite").display());
        let store = Store::open(&url).await.expect("a store");
        let now_us = Arc::new(AtomicI64::new(now_us));
        let worker = worker(&store, &now_us, &[Profile::Essential]);
        let (stop, _) = watch::channel(false);
        Self { store, now_us, worker, stop, _directory: directory }
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.now_us.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, now_us: i64) {
        self.now_us.store(now_us, Ordering::Relaxed);
    }

    /// Another set of rules counts from here on.
    pub(crate) fn activates(&mut self, profiles: &[Profile]) {
        self.worker = worker(&self.store, &self.now_us, profiles);
    }

    pub(crate) async fn enrols(&self, hosts: &[Host]) {
        let at_us = self.now_us();
        let mut tokens = BTreeMap::new();
        for (number, host) in hosts.iter().enumerate() {
            let hash = Digest::of(format!("{} {at_us}", host.group).as_bytes());
            if tokens.insert(host.group, hash).is_none() {
                let uses = hosts.iter().filter(|other| other.group == host.group).count();
                self.store
                    .create_token(&token(host.group, hash, uses, at_us))
                    .await
                    .expect("token");
            }
            let enrolment = Enrolment {
                host: host.id,
                name: format!("{}-{number:04}.example.org", host.group),
                machine: None,
                evidence_key: host.public(),
                token: hash,
                serial: host.id.to_string().to_lowercase(),
                not_after_s: 4_000_000_000,
                authority: Digest::of(b"authority"),
                trust: Digest::of(b"bundle"),
                peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
                at_us,
            };
            self.store.enrol(&enrolment).await.expect("store").expect("enrolled");
        }
    }

    /// Takes what comes in, as the commit of a group does.
    pub(crate) async fn takes(&self, incoming: &[Incoming]) -> Vec<Option<evidence::Want>> {
        let mut answers = Vec::with_capacity(incoming.len());
        for group in incoming.chunks(512) {
            let (accepted, _) = self.store.accept(group).await.expect("store");
            answers.extend(accepted.into_iter().map(|answer| Some(answer.ok()?.want)));
        }
        answers
    }

    pub(crate) async fn judges(&self) {
        self.worker.drain().await.expect("judged");
    }

    /// What the jobs of the collector do in an hour.
    pub(crate) async fn looks(&self, new_day: bool) {
        let now_us = self.now_us();
        if new_day {
            self.worker.day(&self.stop.subscribe()).await.expect("a new day");
        }
        evidenced_collector::life::end_what_is_over(&self.store, now_us).await.expect("lives");
        self.store.watch_ends(now_us).await.expect("ends");
        while self.store.watch(now_us, AWAY_US).await.expect("watched") {}
        self.store.settle_alerts(now_us).await.expect("settled");
    }

    pub(crate) async fn changes_life(&self, host: HostId, to: HostState, until_us: Option<i64>) {
        let now_us = self.now_us();
        let change = LifeChange {
            host,
            to,
            actor: "operator".into(),
            reason: "as planned".into(),
            from_us: now_us,
            now_us,
            until_us,
            unheard_since_us: None,
        };
        self.store.change_life(&change).await.expect("store").expect("its life");
    }

    /// Hosts of this group end after so much silence.
    pub(crate) async fn ends_in_silence(&self, group: &str, ttl_s: i64) {
        let group = GroupRow { name: group.into(), ttl_s: Some(ttl_s), ..GroupRow::default() };
        self.store.describe_groups(&[group], "operator", self.now_us()).await.expect("described");
    }

    /// By alert, the group of its hosts.
    pub(crate) async fn groups_of_alerts(&self) -> BTreeMap<String, String> {
        let mut groups = BTreeMap::new();
        for host in self.store.hosts().await.expect("hosts") {
            let filter = AlertFilter { host: Some(host.id), limit: 1000, ..AlertFilter::default() };
            for alert in self.store.alerts(&filter).await.expect("alerts") {
                groups.insert(alert.id, host.group.clone());
            }
        }
        groups
    }

    pub(crate) async fn alerts(&self) -> Vec<AlertRow> {
        let filter = AlertFilter { limit: 10_000, ..AlertFilter::default() };
        self.store.alerts(&filter).await.expect("alerts")
    }
}

fn worker(store: &Store, now_us: &Arc<AtomicI64>, profiles: &[Profile]) -> Worker {
    let rules = RuleSet::builtin(&Catalogue::builtin().expect("catalogue")).expect("rules");
    let judge = Judge::new(Arc::new(rules.only(profiles)));
    let now_us = Arc::clone(now_us);
    let now = move || UNIX_EPOCH + Duration::from_micros(now_us.load(Ordering::Relaxed) as u64);
    let clock = Clock::driven(now, |_| Box::pin(std::future::pending()));
    Worker::new(store.clone(), Arc::new(judge), clock, Arc::new(Notify::new()))
}

fn token(group: &str, hash: Digest, uses: usize, at_us: i64) -> NewToken {
    NewToken {
        hash,
        group: group.to_owned(),
        uses: uses as i64,
        expires_us: at_us + HOUR_US,
        cidrs: vec![],
        actor: "operator".into(),
        at_us,
    }
}
