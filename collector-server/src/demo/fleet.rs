//! A host of the demonstration: its key, its chain, and what became of it.

use super::facts::{Change, State, state};
use evidence::check_in::Clock;
use evidence::key::{PublicKey, SigningKey};
use evidence::{ChainId, CheckIn, Digest, HostId, SignedCheckIn};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const HOUR_US: i64 = 3_600_000_000;
pub(super) const DAY_US: i64 = 24 * HOUR_US;
/// Between two check-ins.
const EVERY_US: i64 = DAY_US;

pub(super) struct Host {
    pub(super) id: HostId,
    pub(super) group: &'static str,
    /// Within its group.
    pub(super) number: usize,
    pub(super) changes: &'static [Change],
    pub(super) next_us: i64,
    /// It is off, and signs nothing.
    pub(super) off: bool,
    key: SigningKey,
    chain: ChainId,
    seq: i64,
    prev: Option<Digest>,
}

impl Host {
    pub(super) fn new(group: &'static str, number: usize, next_us: i64) -> anyhow::Result<Self> {
        let (key, _) = SigningKey::generate()?;
        let (id, chain) = (HostId::generate(), ChainId::generate());
        let (changes, off, seq, prev) = (&[][..], false, 0, None);
        Ok(Self { id, group, number, changes, next_us, off, key, chain, seq, prev })
    }

    pub(super) fn name(&self) -> String {
        format!("{}-{:02}.example.org", self.group, self.number + 1)
    }

    pub(super) fn public(&self) -> PublicKey {
        self.key.public()
    }

    pub(super) fn is_due(&self, now_us: i64) -> bool {
        !self.off && self.next_us <= now_us
    }

    /// Signs what holds now, which is given beside it.
    pub(super) fn sign(&mut self, now_us: i64) -> anyhow::Result<(SignedCheckIn, Arc<State>)> {
        let state = state(self.group, self.changes, now_us)?;
        let check_in = CheckIn {
            agent: env!("CARGO_PKG_VERSION").into(),
            at_ms: now_us / 1000,
            chain: self.chain,
            checkpoint: None,
            clock: Clock { synchronised: Some(true) },
            collected: BTreeMap::new(),
            healed: None,
            host: self.id,
            manifest: state.id,
            next_due_s: EVERY_US / 1_000_000,
            prev: self.prev,
            resumes: None,
            seq: self.seq,
        };
        let signed = SignedCheckIn::sign(check_in, &self.key)?;
        self.seq += 1;
        self.prev = Some(signed.id());
        self.next_us = now_us + EVERY_US;
        Ok((signed, state))
    }
}
