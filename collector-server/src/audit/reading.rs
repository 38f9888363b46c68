//! Brings the heads that others kept, and the roots of the log at their sizes, each in one pass.

use super::{Disagreement, Heads, Stated, Witness};
use crate::keyring::log_key;
use crate::settings;
use crate::store::{HealedHost, HealingRow, Sort, Store, StoreError, Witnessed};
use evidence::checkpoint::{Checkpoint, LogKey};
use evidence::merkle::Frontier;
use evidence::{Digest, HostId};
use std::collections::BTreeMap;

/// Check-ins read at once.
const PAGE: i64 = 2000;
/// Hashes of a tile.
const TILE: u64 = 256;

/// What an audit found.
#[derive(Debug, Clone)]
pub struct Audit {
    pub size: u64,
    pub root: Digest,
    /// Different heads that were compared.
    pub heads: usize,
    pub disagreements: Vec<Disagreement>,
    /// Files with something that is no checkpoint of this log, and why.
    pub unreadable: Vec<(String, String)>,
    pub breaks: Vec<Break>,
    pub healed: Vec<HealedHost>,
    /// What a restored log kept, as the witnesses show it; none if all heads fit.
    pub kept: Option<u64>,
}

/// A break that an operator stated, and what became of what was lost.
#[derive(Debug, Clone)]
pub struct Break {
    pub healing: HealingRow,
    /// The largest former log that a witness knows of.
    pub former: Option<u64>,
    /// Hosts that accepted it.
    pub accepted: usize,
    /// Check-ins that hosts gave again, or had kept: made before the log went on after what was
    /// kept, and in it only since.
    pub refilled: u64,
    /// Hosts that began another chain after what was kept: of the one before something is missing.
    pub gaps: Vec<HostId>,
    /// When the log went on.
    resumed_us: i64,
}

impl Audit {
    /// Those that no statement of the operator explains.
    pub fn unexplained(&self) -> impl Iterator<Item = &Disagreement> {
        self.disagreements.iter().filter(|found| !found.is_explained())
    }
}

/// Compares every head that check-ins carry, and the checkpoints in `files` (name and text), with
/// the log.
pub async fn audit(
    store: &Store,
    files: &[(String, String)],
    mut progress: impl FnMut(u64, u64),
) -> Result<Audit, StoreError> {
    let state = store.log().await?;
    let healings = store.healings().await?;
    let healed = store.healed_hosts().await?;
    let mut heads = Heads::default();
    let unreadable = of_files(store, files, &mut heads).await?;
    let mut breaks = vec![];
    for healing in healings {
        breaks.push(Break::new(store, healing).await?);
    }
    let mut from = 0;
    while from < state.size {
        for witnessed in store.witnessed(from, PAGE).await? {
            breaks.iter_mut().for_each(|one| one.note(&witnessed));
            if let Some(head) = witnessed.head.filter(|head| head.size > 0) {
                let Witnessed { host, index, received_us, .. } = witnessed;
                heads.add(head, Witness::Host { host, index, received_us });
            }
        }
        from += PAGE.unsigned_abs();
        progress(from.min(state.size), state.size);
    }
    let roots = roots(store, &heads.sizes(), state.size).await?;
    let healings: Vec<_> = breaks.iter().map(|one| one.healing.clone()).collect();
    let mut stated = Stated { healings: &healings, healed: &healed, ..Stated::default() };
    if heads.kept(&roots).is_some() {
        hosts_of(store, &mut heads, &mut stated, (&roots, state.size)).await?;
    }
    let disagreements = heads.disagreements(state.size, &roots, &stated);
    for one in &mut breaks {
        let stated = |found: &&Disagreement| found.stated == Some(one.healing.index);
        let explained = disagreements.iter().filter(stated).map(|found| found.head.size);
        // Nobody gives up what was kept.
        let taken = healed.iter().filter(|h| h.healed.leaf == one.healing.leaf);
        let kept = one.healing.kept.size;
        let taken: Vec<_> = taken.filter(|h| h.healed.gave_up.size > kept).collect();
        one.former = explained.chain(taken.iter().map(|h| h.healed.gave_up.size)).max();
        one.accepted = taken.len();
    }
    let kept = heads.kept(&roots);
    let (size, root, heads) = (state.size, state.root, heads.len());
    Ok(Audit { size, root, heads, disagreements, unreadable, breaks, healed, kept })
}

impl Break {
    async fn new(store: &Store, healing: HealingRow) -> Result<Self, StoreError> {
        let first = store.leaves(healing.kept.size, 1).await?.into_iter().next();
        let resumed_us = first.map_or(healing.at_us, |(_, leaf)| leaf.at_us());
        let (former, accepted, refilled, gaps) = (None, 0, 0, vec![]);
        Ok(Self { healing, former, accepted, refilled, gaps, resumed_us })
    }

    fn note(&mut self, witnessed: &Witnessed) {
        let made_us = witnessed.at_ms.saturating_mul(1000);
        if witnessed.index < self.healing.kept.size {
            return;
        }
        self.refilled += u64::from(made_us < self.resumed_us);
        let by_then = witnessed.received_us <= self.healing.at_us;
        if by_then && witnessed.resumes && !self.gaps.contains(&witnessed.host) {
            self.gaps.push(witnessed.host);
        }
    }
}

/// Every host that carries a head that does not fit, and since when hosts are on this log.
async fn hosts_of(
    store: &Store,
    heads: &mut Heads,
    stated: &mut Stated<'_>,
    (roots, size): (&BTreeMap<u64, Digest>, u64),
) -> Result<(), StoreError> {
    let hosts = store.hosts().await?;
    stated.enrolled_us = hosts.into_iter().map(|host| (host.id, host.enrolled_us)).collect();
    let mut from = 0;
    while from < size {
        for Witnessed { host, index, received_us, head, .. } in store.witnessed(from, PAGE).await? {
            let Some(head) = head.filter(|head| head.size > 0) else { continue };
            if Heads::is_odd(head, roots) {
                heads.add_host(head, Witness::Host { host, index, received_us });
                continue;
            }
            for healing in stated.healings.iter().filter(|healing| head.size > healing.index) {
                stated.settled.entry((healing.index, host)).or_insert(index);
            }
        }
        from += PAGE.unsigned_abs();
    }
    Ok(())
}

/// The roots at `sizes` (in order), by growing the tree once over its leaf hashes.
async fn roots(
    store: &Store,
    sizes: &[u64],
    size: u64,
) -> Result<BTreeMap<u64, Digest>, StoreError> {
    let mut roots = BTreeMap::new();
    let mut tree = Frontier::default();
    let mut tile = vec![];
    for wanted in sizes.iter().copied().take_while(|wanted| *wanted <= size) {
        while tree.size() < wanted {
            let at = (tree.size() % TILE) as usize * 32;
            if at == 0 {
                tile = store.log_tile(0, tree.size() / TILE).await?;
            }
            let hash = tile.get(at..at + 32).and_then(Digest::from_slice);
            let hash = hash.ok_or_else(|| {
                StoreError::Corrupt(format!("the tiles end at leaf {}", tree.size()))
            })?;
            tree.append(hash);
        }
        roots.insert(wanted, tree.root());
    }
    Ok(roots)
}

/// Adds the checkpoints in files; gives those that are none of this log, with the reason.
async fn of_files(
    store: &Store,
    files: &[(String, String)],
    heads: &mut Heads,
) -> Result<Vec<(String, String)>, StoreError> {
    let origin = store.setting(settings::LOG_ORIGIN).await?.unwrap_or_default();
    let keys = store.trust_keys().await?;
    let keys = keys.iter().filter(|key| key.sort == Sort::Log);
    let keys: Vec<LogKey> = keys.filter_map(|key| log_key(&origin, key).ok()).collect();
    let mut unreadable = vec![];
    for (name, text) in files {
        let notes = notes(text);
        if notes.is_empty() {
            unreadable.push((name.clone(), "no checkpoint is in it".to_owned()));
        }
        for note in notes {
            match Checkpoint::verify(&note, &keys) {
                Ok(checkpoint) => heads.add(checkpoint.head, Witness::File(name.clone())),
                Err(error) => unreadable.push((name.clone(), error.to_string())),
            }
        }
    }
    Ok(unreadable)
}

/// Signed notes that stand one after the other: a body, an empty line, signatures.
fn notes(text: &str) -> Vec<String> {
    let mut notes = vec![];
    let mut note = String::new();
    let mut signed = false;
    for line in text.lines() {
        let signature = line.starts_with("— ");
        if signed && !signature {
            notes.push(std::mem::take(&mut note));
            signed = false;
        }
        if note.is_empty() && line.is_empty() {
            continue;
        }
        signed |= signature;
        note.push_str(line);
        note.push('\n');
    }
    if !note.is_empty() {
        notes.push(note);
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_in_one_file_are_told_apart() {
        let note = |n| format!("log\n{n}\nroot\n\n— log AAAA\n— other BBBB\n");
        assert_eq!(notes(&note(1)), vec![note(1)]);
        assert_eq!(notes(&(note(1) + &note(2))), vec![note(1), note(2)]);
        assert_eq!(notes(&(note(1) + "\n\n" + &note(2))), vec![note(1), note(2)]);
        assert_eq!(notes("\n"), Vec::<String>::new());
    }
}
