//! The rules that judged at a moment, loaded again from what was stored of them.

use crate::catalogue::Catalogue;
use crate::judge::RuleSet;
use crate::moment::Moment;
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Rule sets that are kept in mind: loading one takes a second.
const REMEMBERED: usize = 8;

/// Rules of another moment.
#[derive(Clone)]
pub struct JudgedThen {
    pub rules: Arc<RuleSet>,
    /// Why they are not those of then, if this program cannot load these.
    pub instead: Option<String>,
}

/// The rules that judged; where none did, no rule. A set that an earlier version of this program took
/// and this one refuses cannot tell titles and controls: those of now stand in, and it says so.
pub async fn load(
    store: &Store,
    now: &Arc<RuleSet>,
    catalogue: &Arc<Catalogue>,
    moment: &Moment,
) -> Result<JudgedThen, StoreError> {
    static MEMORY: LazyLock<Mutex<BTreeMap<String, JudgedThen>>> = LazyLock::new(Mutex::default);
    let memory = || MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(then) = store.rules_at(moment).await? else {
        let rules = Arc::new((**now).clone().with_only(&BTreeSet::new()));
        return Ok(JudgedThen { rules, instead: None });
    };
    if then.name == now.id().to_string() {
        return Ok(JudgedThen { rules: Arc::clone(now), instead: None });
    }
    if let Some(known) = memory().get(&then.name) {
        return Ok(known.clone());
    }
    let (name, catalogue) = (then.name.clone(), Arc::clone(catalogue));
    let loading = move || RuleSet::named(&then.name, &then.sources, &catalogue);
    let loaded = tokio::task::spawn_blocking(loading).await;
    let found = match loaded.map_err(|error| StoreError::Corrupt(error.to_string()))? {
        Ok(Some(rules)) => JudgedThen { rules: Arc::new(rules), instead: None },
        Ok(None) | Err(_) => {
            let short = name.get(..12).unwrap_or(&name);
            let instead = format!(
                "The rules that judged then (set {short}) cannot be loaded by this version. Their \
                 results are on record; titles, severities and controls are those of now, and \
                 results of rules that are no more are left out."
            );
            // Those of now may change: nothing to be kept.
            return Ok(JudgedThen { rules: Arc::clone(now), instead: Some(instead) });
        }
    };
    let mut memory = memory();
    if memory.len() >= REMEMBERED {
        memory.clear();
    }
    memory.insert(name, found.clone());
    Ok(found)
}
