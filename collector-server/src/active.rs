//! The rules that judge now, and how another set takes their place while the collector runs.
//!
//! They are the product's, chosen by the configuration, under the overlay that a person activated.
//! An overlay was checked before it became the active one, but perhaps by another version of this
//! program. One that is refused here never stops the collector and never lets a rule pass: what
//! judged before goes on, or, if there is nothing that can, every result is unknown.

use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config;
use crate::drift::RuleView;
use crate::judge::{Judge, Rule, RuleError, RuleSet};
use crate::store::{OverlayVersion, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How often a running collector looks whether an overlay was activated.
pub const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Rules cannot be had at all.
#[derive(Debug, thiserror::Error)]
pub enum ActiveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Those of the configuration. Correct its directory.
    #[error("the rules are refused:\n{}", lines(.0))]
    Rules(Vec<RuleError>),
    /// There was no thread that could load them.
    #[error("the rules could not be loaded: {0}")]
    Load(#[from] tokio::task::JoinError),
}

fn lines(errors: &[RuleError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Rules at work.
pub struct Judging {
    pub judge: Judge,
    /// What each rule says of itself to drift.
    pub views: BTreeMap<String, RuleView>,
    /// The overlay that is part of them.
    pub overlay: Option<OverlayVersion>,
    /// Why the overlay that is active is not part of them.
    pub refused: Option<String>,
}

impl Judging {
    fn of(rules: RuleSet) -> Self {
        let view = |rule: &Rule| RuleView {
            evidence: rule.evidence.clone(),
            severity: rule.severity.as_str().to_owned(),
        };
        let views = rules.rules().iter().map(|rule| (rule.id.clone(), view(rule))).collect();
        Self { judge: Judge::new(Arc::new(rules)), views, overlay: None, refused: None }
    }
}

/// The rules that judge now; another set may take their place at any moment, so whoever needs the
/// same ones for a while keeps what [`Active::now`] gave.
#[derive(Clone)]
pub struct Active(Arc<RwLock<Arc<Judging>>>);

impl Active {
    pub fn new(judging: Judging) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(judging))))
    }

    pub fn now(&self) -> Arc<Judging> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn rules(&self) -> Arc<RuleSet> {
        self.now().judge.rule_set()
    }

    fn replace(&self, judging: Judging) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(judging);
    }
}

impl From<Arc<Judge>> for Active {
    fn from(judge: Arc<Judge>) -> Self {
        Self::new(Judging::of((*judge.rule_set()).clone()))
    }
}

/// Loads what is to judge.
pub async fn load(
    store: &Store,
    chosen: &config::Rules,
    catalogue: &Arc<Catalogue>,
) -> Result<Judging, ActiveError> {
    let Some((version, overlay)) = store.active_overlay().await? else {
        let rules = loaded(chosen, vec![], catalogue).await?;
        return Ok(Judging::of(rules.map_err(ActiveError::Rules)?));
    };
    let errors = match loaded(chosen, overlay, catalogue).await? {
        Ok(rules) => return Ok(Judging { overlay: Some(version), ..Judging::of(rules) }),
        Err(errors) => errors,
    };
    // If the configuration's own rules are at fault, that is for its operator to mend.
    let product = loaded(chosen, vec![], catalogue).await?.map_err(ActiveError::Rules)?;
    let refused =
        format!("version {} of the overlay is refused: {}", version.version, lines(&errors));
    tracing::error!(overlay.version = version.version, "{refused}");
    let (before, catalogue) = (store.active_rules().await?, Arc::clone(catalogue));
    let again = move || before.map(|sources| RuleSet::from_sources(&sources, &catalogue));
    let rules = match tokio::task::spawn_blocking(again).await? {
        Some(Ok(rules)) => rules.only(&chosen.profiles),
        _ => product.refused(),
    };
    Ok(Judging { refused: Some(refused), ..Judging::of(rules) })
}

async fn loaded(
    chosen: &config::Rules,
    overlay: Vec<(String, String)>,
    catalogue: &Arc<Catalogue>,
) -> Result<Result<RuleSet, Vec<RuleError>>, ActiveError> {
    let (chosen, catalogue) = (chosen.clone(), Arc::clone(catalogue));
    let load = move || RuleSet::with_overlay(&chosen, &overlay, &catalogue);
    Ok(tokio::task::spawn_blocking(load).await?)
}

/// Makes it known that these rules judge, and has every host judged by them.
pub async fn announce(store: &Store, judging: &Judging, now_us: i64) -> Result<(), StoreError> {
    let rules = judging.judge.rules();
    let changed = store.activate_rules(rules.id(), rules.sources(), "collector", now_us).await?;
    if changed.is_some() {
        tracing::info!(rules.id = %rules.id(), rules.count = rules.rules().len(), "rule set activated");
        store.queue_all(now_us).await?;
    }
    Ok(())
}

/// What [`follow`] works with.
pub struct Following {
    pub store: Store,
    pub active: Active,
    pub chosen: config::Rules,
    pub catalogue: Arc<Catalogue>,
    pub clock: Clock,
    /// Wakes who judges.
    pub wake: Arc<Notify>,
}

/// Takes up each overlay that is activated, until `stop`.
pub async fn follow(with: Following, mut stop: watch::Receiver<bool>) {
    // At the start the store's version was loaded, or refused and said to be.
    let mut seen = None;
    loop {
        match look(&with, seen).await {
            Ok(version) => seen = Some(version),
            Err(error) => {
                tracing::error!(%error, "another overlay could not be taken up; the rules before judge on");
            }
        }
        tokio::select! {
            // The operator's time, whatever the clock says.
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Gives the version that has been dealt with.
async fn look(with: &Following, seen: Option<i64>) -> Result<i64, ActiveError> {
    let version = with.store.overlay_version().await?;
    let now = with.active.now();
    let held = now.overlay.as_ref().map_or(0, |overlay| overlay.version);
    if seen.unwrap_or(held) == version {
        return Ok(version);
    }
    if seen.is_none() && now.refused.is_some() {
        return Ok(version);
    }
    let judging = load(&with.store, &with.chosen, &with.catalogue).await?;
    if let Some(refused) = judging.refused {
        // What is in memory judges on, with a word about it.
        let now = with.active.now();
        let judging = Judging::of((*now.judge.rule_set()).clone());
        with.active.replace(Judging {
            overlay: now.overlay.clone(),
            refused: Some(refused),
            ..judging
        });
        return Ok(version);
    }
    take_up(with, judging).await?;
    Ok(version)
}

/// The new set judges from here on. Every host is queued whoever made it the active one: another
/// collector may have judged some of them by the old set meanwhile.
async fn take_up(with: &Following, judging: Judging) -> Result<(), StoreError> {
    let now_us = with.clock.now_us();
    announce(&with.store, &judging, now_us).await?;
    with.active.replace(judging);
    with.store.queue_all(now_us).await?;
    with.wake.notify_one();
    Ok(())
}

#[cfg(test)]
mod tests;
