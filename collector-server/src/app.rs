//! What every handler and worker shares.

use crate::active::Active;
use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::Config;
use crate::holders::Holders;
use crate::http::throttle::Throttle;
use crate::ingest::Ingest;
use crate::judged_then::{self, JudgedThen};
use crate::keyring::Keys;
use crate::log_check::LogCheck;
use crate::metrics::Metrics;
use crate::moment::Moment;
use crate::overview::{self, Overview, RecordTerms};
use crate::passwords::Passwords;
use crate::record::Registers;
use crate::store::{Store, StoreError};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

#[derive(Clone)]
pub struct App {
    pub store: Store,
    /// Authorities and log keys, as they are now.
    pub keys: Keys,
    pub ingest: Ingest,
    pub holders: Arc<Holders>,
    pub catalogue: Arc<Catalogue>,
    /// The rules that judge.
    pub judge: Active,
    /// Which records there are.
    pub registers: Arc<Registers>,
    pub metrics: Arc<Metrics>,
    pub config: Arc<Config>,
    pub clock: Clock,
    pub passwords: Arc<Passwords>,
    pub throttle: Arc<Throttle>,
    /// Where people reach the pages, without a slash at the end: for links that are handed out.
    pub people_url: Arc<str>,
    /// `https://HOST:PORT` where agents reach it.
    pub agents_url: Arc<str>,
    /// Told when there may be alerts to deliver.
    pub alerts: Arc<Notify>,
    /// Told when there may be something to judge.
    pub judgements: Arc<Notify>,
    /// Told when a snapshot was asked for.
    pub snapshots: Arc<Notify>,
    /// Where archives are.
    pub snapshot_folder: Arc<Path>,
    /// Outcome of the last check of the log.
    pub log_check: watch::Receiver<LogCheck>,
    /// The organisation's name.
    pub organisation: Arc<str>,
}

impl App {
    pub fn people_url(&self) -> &str {
        &self.people_url
    }

    /// Wakes the worker for what a person changed.
    pub fn judge_now(&self) {
        self.judgements.notify_one();
    }

    /// What held at a moment, and the rules that judged then.
    pub async fn overview_at(&self, moment: &Moment) -> Result<(JudgedThen, Overview), StoreError> {
        let limits = overview::limits(&self.config);
        let now = self.judge.rules();
        let judged = judged_then::load(&self.store, &now, &self.catalogue, moment).await?;
        let (rules, catalogue) = (judged.rules.as_ref(), judged.rules.catalogue());
        let overview = overview::load_at(&self.store, rules, catalogue, &limits, moment).await?;
        let records =
            RecordTerms::load(&self.store, &self.registers, Some(moment), moment.at_us).await?;
        Ok((judged, overview.with_records(records)))
    }

    /// What holds at `now_us`.
    pub async fn overview(&self, now_us: i64) -> Result<Overview, StoreError> {
        let limits = overview::limits(&self.config);
        let rules = self.judge.rules();
        let catalogue = rules.catalogue();
        let overview = overview::load(&self.store, &rules, catalogue, &limits, now_us).await?;
        let records = RecordTerms::load(&self.store, &self.registers, None, now_us).await?;
        Ok(overview.with_records(records))
    }
}
