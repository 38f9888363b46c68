//! The collector of the demonstration without its network: store, judgement and watch, on a clock that
//! is set by hand.

use super::facts::State;
use super::fleet::{DAY_US, HOUR_US, Host};
use super::script;
use crate::active::{self, Active};
use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::Config;
use crate::data::DataDir;
use crate::judgement::Worker;
use crate::record::Registers;
use crate::store::{Enrolment, Incoming, NewToken, ReviewPeriods, Store};
use crate::{life, watch};
use anyhow::{Context, ensure};
use evidence::{Digest, HostId, SignedCheckIn};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Notify;

/// Looks are six hours apart; a collector that looked that long ago was not away.
const AWAY_US: i64 = 9 * HOUR_US;
/// Addresses for documentation, RFC 5737.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
/// Who did what no person of the organisation does.
pub(super) const ACTOR: &str = "demonstration";

pub(super) struct Site {
    pub(super) store: Store,
    now_us: Arc<AtomicI64>,
    worker: Worker,
    reviews: ReviewPeriods,
    pub(super) registers: Registers,
    stop: tokio::sync::watch::Sender<bool>,
    authority: Digest,
}

impl Site {
    pub(super) async fn open(data: &DataDir, begin_us: i64) -> anyhow::Result<Self> {
        let config: Config = data.config(None)?;
        let store = Store::open(&data.store_url(&config)).await.context("cannot open the store")?;
        let catalogue = Arc::new(Catalogue::builtin()?);
        let registers = Registers::load(&data.registers(), |id| catalogue.get(id).is_some())?;
        let judging = active::load(&store, &config.rules, &catalogue).await?;
        active::announce(&store, &judging, begin_us).await?;
        let grace = i64::try_from(config.drift.new_host_grace.0.as_micros()).unwrap_or(i64::MAX);
        store.set_new_host_grace(grace).await?;
        let now_us = Arc::new(AtomicI64::new(begin_us));
        let clock = driven(&now_us);
        let reviews = watch::review_periods(&config.reviews);
        let authority = Digest::of(data.first_authority()?.as_bytes());
        let worker =
            Worker::new(store.clone(), Active::new(judging), clock, Arc::new(Notify::new()));
        let (stop, _) = tokio::sync::watch::channel(false);
        Ok(Self { store, now_us, worker, reviews, registers, stop, authority })
    }

    pub(super) fn now_us(&self) -> i64 {
        self.now_us.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, now_us: i64) {
        self.now_us.store(now_us, Ordering::Relaxed);
    }

    /// Hosts come in under one token for each group.
    pub(super) async fn enrols(&self, hosts: &[Host]) -> anyhow::Result<()> {
        let at_us = self.now_us();
        for group in &script::GROUPS {
            let token = Digest::of(crate::secret::secret()?.as_bytes());
            let of_group: Vec<_> = hosts.iter().filter(|host| host.group == group.name).collect();
            let new = NewToken {
                hash: token,
                group: group.name.to_owned(),
                uses: i64::try_from(of_group.len())?,
                expires_us: at_us + DAY_US,
                cidrs: vec![],
                actor: ACTOR.into(),
                at_us,
            };
            self.store.create_token(&new).await?;
            for host in of_group {
                self.enrol(host, token, at_us).await?;
            }
        }
        Ok(())
    }

    /// No certificate is made: none of these hosts will ever connect.
    async fn enrol(&self, host: &Host, token: Digest, at_us: i64) -> anyhow::Result<()> {
        let enrolment = Enrolment {
            host: host.id,
            name: host.name(),
            machine: None,
            evidence_key: host.public(),
            token,
            serial: host.id.to_string().to_lowercase(),
            not_after_s: (at_us + 400 * DAY_US) / 1_000_000,
            authority: self.authority,
            trust: self.authority,
            peer: PEER,
            at_us,
        };
        self.store.enrol(&enrolment).await??;
        Ok(())
    }

    /// Takes check-ins as the commit of a group does, then what it asks for, and judges.
    pub(super) async fn takes(&self, signed: Vec<Signed>) -> anyhow::Result<()> {
        for group in signed.chunks(512) {
            let asked = self.accept(group).await?;
            // As agents do: what a manifest names is asked for when the check-in comes again.
            let again: Vec<_> = group.iter().zip(asked).filter(|(_, more)| *more).collect();
            let again: Vec<_> = again.into_iter().map(|(signed, _)| signed.clone()).collect();
            self.accept(&again).await?;
        }
        self.worker.drain().await?;
        Ok(())
    }

    /// For each, whether its manifest was asked for, and given.
    async fn accept(&self, group: &[Signed]) -> anyhow::Result<Vec<bool>> {
        let received_us = self.now_us();
        let incoming = group.iter().map(|(signed, _)| {
            let signed = signed.clone();
            Incoming { signed, received_us, peer: Some(PEER), certificate: None }
        });
        let (answers, _) = self.store.accept(&incoming.collect::<Vec<_>>()).await?;
        ensure!(answers.len() == group.len(), "a check-in without an answer");
        let mut asked = Vec::with_capacity(group.len());
        for ((signed, state), answer) in group.iter().zip(answers) {
            let want = answer?.want;
            self.give(signed.check_in.host, state, &want).await?;
            asked.push(want.manifest.is_some());
        }
        Ok(asked)
    }

    async fn give(&self, host: HostId, state: &State, want: &evidence::Want) -> anyhow::Result<()> {
        if let Some(id) = want.manifest {
            self.store.put_manifest(host, id, &state.manifest).await??;
        }
        for id in &want.facts {
            let bytes = state.facts.get(id).context("facts that nobody has")?;
            self.store.put_facts(host, *id, bytes.clone()).await??;
        }
        Ok(())
    }

    pub(super) async fn turns_day(&self) -> anyhow::Result<()> {
        Ok(self.worker.day(&self.stop.subscribe()).await?)
    }

    /// What the jobs of a serving collector look at.
    pub(super) async fn looks(&self) -> anyhow::Result<()> {
        let now_us = self.now_us();
        life::end_what_is_over(&self.store, now_us).await?;
        let owed = (&self.reviews, &self.registers);
        while watch::look(&self.store, Some(owed), AWAY_US, now_us).await? {}
        Ok(())
    }

    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.store.close().await;
        Ok(())
    }
}

fn driven(now_us: &Arc<AtomicI64>) -> Clock {
    let now_us = Arc::clone(now_us);
    let now = move || {
        let us = now_us.load(Ordering::Relaxed);
        UNIX_EPOCH + Duration::from_micros(us.unsigned_abs())
    };
    Clock::driven(now, |_| Box::pin(std::future::pending()))
}

/// A check-in, and the state that it names.
pub(super) type Signed = (SignedCheckIn, Arc<State>);
/// People of the demonstration, by seat.
pub(super) type People = BTreeMap<&'static str, String>;
