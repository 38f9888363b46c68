//! Rule sets of a snapshot: which are in force, and loading them again from their files.

use super::SnapshotError;
use super::document::RulesDocument;
use crate::catalogue::Catalogue;
use crate::judge::{Judge, Profile, RuleSet};
use evidence::Digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

const PROFILES: [Profile; 4] =
    [Profile::Essential, Profile::Standard, Profile::Hardened, Profile::Optional];

/// Which profiles make these files the rule set of this name. The store keeps no profiles: the name
/// proves them.
pub(super) fn profiles_of(id: Digest, sources: Digest) -> Option<Vec<Profile>> {
    (0..16_u8).find_map(|bits| {
        let chosen = PROFILES.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0);
        let chosen: Vec<Profile> = chosen.map(|(_, profile)| *profile).collect();
        (name_of(sources, &chosen) == id).then_some(chosen)
    })
}

/// The name that [`RuleSet::only`] gives.
fn name_of(sources: Digest, profiles: &[Profile]) -> Digest {
    let mut names: Vec<_> = profiles.iter().map(|profile| profile.as_str()).collect();
    names.sort_unstable();
    Digest::of_parts(&[sources.as_bytes(), names.join(" ").as_bytes()])
}

/// Rule sets that were loaded, by name. Loading one takes longer than everything else.
#[derive(Default)]
pub struct Shelf(Mutex<HashMap<Digest, Option<Arc<Judge>>>>);

impl Shelf {
    /// Keeps rules that are loaded anyway.
    pub fn keep(&self, judge: &Arc<Judge>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(judge.rules().id(), Some(Arc::clone(judge)));
    }

    /// The judge of a document; none if this program refuses its rules, or the document is not the
    /// rule set of its name.
    pub fn judge(&self, document: &RulesDocument) -> Option<Arc<Judge>> {
        if !Self::is_of_its_name(document) {
            return None;
        }
        if let Some(held) = self.held(&document.id) {
            return held;
        }
        let judge = Self::load(document).map(|rules| Arc::new(Judge::new(Arc::new(rules))));
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(document.id, judge.clone());
        judge
    }

    /// Whether files and profiles are those of the name.
    pub fn is_of_its_name(document: &RulesDocument) -> bool {
        let bytes = evidence::canonical::to_vec(&document.sources);
        bytes.is_ok_and(|bytes| name_of(Digest::of(&bytes), &document.profiles) == document.id)
    }

    fn held(&self, id: &Digest) -> Option<Option<Arc<Judge>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn load(document: &RulesDocument) -> Option<RuleSet> {
        let catalogue = Catalogue::builtin().ok()?;
        let rules = RuleSet::from_sources(&document.sources, &catalogue).ok()?;
        let rules = rules.only(&document.profiles);
        (rules.id() == document.id).then_some(rules)
    }
}

/// The document of a rule set from its files.
pub(super) fn document(
    id: Digest,
    sources: Vec<(String, String)>,
) -> Result<RulesDocument, SnapshotError> {
    let digest = Digest::of(&evidence::canonical::to_vec(&sources)?);
    let profiles = profiles_of(id, digest).ok_or_else(|| {
        SnapshotError::Damaged(format!("rule set {id}: its files are not those of its name"))
    })?;
    Ok(RulesDocument { id, profiles, sources })
}
