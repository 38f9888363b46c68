//! A host of the quarter: its key, its chain, its state and its way of reporting. What it signs is
//! what an agent signs; only the network is left out.

use crate::site::Site;
use crate::state::State;
use evidence::check_in::Clock;
use evidence::key::SigningKey;
use evidence::{ChainId, CheckIn, Digest, HostId, SignedCheckIn};
use evidenced_collector::store::Incoming;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

pub(crate) const HOUR_US: i64 = 3_600_000_000;

pub(crate) struct Host {
    pub(crate) id: HostId,
    pub(crate) group: &'static str,
    key: Arc<SigningKey>,
    chain: ChainId,
    seq: i64,
    prev: Option<Digest>,
    /// The last check-in of the chain before.
    resumes: Option<Digest>,
    pub(crate) state: Arc<State>,
    pub(crate) agent: &'static str,
    /// Hours between two check-ins.
    pub(crate) every: i64,
    pub(crate) next_us: i64,
    /// What its clock is wrong by.
    pub(crate) wrong_by_us: i64,
    /// It is off, and signs nothing.
    pub(crate) off: bool,
    waiting: Vec<SignedCheckIn>,
}

/// A chain as a backup of a machine keeps it.
#[derive(Clone)]
pub(crate) struct Backup {
    chain: ChainId,
    seq: i64,
    prev: Option<Digest>,
}

impl Host {
    pub(crate) fn new(group: &'static str, state: Arc<State>, every: i64, next_us: i64) -> Self {
        let (key, _) = SigningKey::generate().expect("a key");
        Self {
            id: HostId::generate(),
            group,
            key: Arc::new(key),
            chain: ChainId::generate(),
            seq: 0,
            prev: None,
            resumes: None,
            state,
            agent: "0.1.0",
            every,
            next_us,
            wrong_by_us: 0,
            off: false,
            waiting: vec![],
        }
    }

    pub(crate) fn public(&self) -> evidence::key::PublicKey {
        self.key.public()
    }

    pub(crate) fn back_up(&self) -> Backup {
        Backup { chain: self.chain, seq: self.seq, prev: self.prev }
    }

    /// The machine is put back to what it was.
    pub(crate) fn restore(&mut self, backup: &Backup) {
        let Backup { chain, seq, prev } = backup.clone();
        (self.chain, self.seq, self.prev) = (chain, seq, prev);
    }

    /// Another machine with a copy of this one's disk, and a clock of its own.
    pub(crate) fn copied(&self) -> Self {
        Self {
            id: self.id,
            group: self.group,
            key: Arc::clone(&self.key),
            chain: self.chain,
            seq: self.seq,
            prev: self.prev,
            resumes: self.resumes,
            state: Arc::clone(&self.state),
            agent: self.agent,
            every: self.every,
            next_us: 0,
            wrong_by_us: 7_000,
            off: false,
            waiting: vec![],
        }
    }

    /// As an agent does when the collector says that a number does not follow.
    fn opens_a_chain(&mut self) {
        self.resumes = self.prev.take();
        (self.chain, self.seq) = (ChainId::generate(), 0);
        self.waiting.clear();
    }

    /// Signs what holds now.
    fn sign(&mut self, now_us: i64) {
        let check_in = CheckIn {
            agent: self.agent.into(),
            at_ms: (now_us + self.wrong_by_us) / 1000,
            chain: self.chain,
            checkpoint: None,
            clock: Clock { synchronised: Some(true) },
            collected: BTreeMap::new(),
            healed: None,
            host: self.id,
            manifest: self.state.id,
            next_due_s: self.every * 3600,
            prev: self.prev,
            resumes: self.resumes.take(),
            seq: self.seq,
        };
        let signed = SignedCheckIn::sign(check_in, &self.key).expect("signed");
        self.seq += 1;
        self.prev = Some(signed.id());
        self.waiting.push(signed);
    }

    /// One hour of its life: what it signs, and what of it goes out.
    pub(crate) fn hour(&mut self, now_us: i64, collector_is_up: bool) -> Vec<Incoming> {
        if self.off {
            return vec![];
        }
        if self.next_us <= now_us {
            self.sign(now_us);
            self.next_us = now_us + self.every * HOUR_US;
        }
        if !collector_is_up {
            return vec![];
        }
        let peer = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
        let out = std::mem::take(&mut self.waiting).into_iter();
        out.map(|signed| Incoming { signed, received_us: now_us, peer, certificate: None })
            .collect()
    }

    /// Sends what the collector asks for, as often as it asks.
    pub(crate) async fn give(&self, site: &Site, wants: &evidence::Want) {
        if let Some(id) = wants.manifest {
            let put = site.store.put_manifest(self.id, id, &self.state.manifest).await;
            put.expect("store").expect("its manifest");
        }
        for id in &wants.facts {
            let bytes = self.state.facts[id].clone();
            site.store.put_facts(self.id, *id, bytes).await.expect("store").expect("its facts");
        }
    }

    /// What came of its check-in: refused, it opens a chain and reports again at once.
    pub(crate) fn refused(&mut self, now_us: i64) {
        self.opens_a_chain();
        self.next_us = now_us;
    }
}
