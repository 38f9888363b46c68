//! Whether the log that is here is the one that was shown to others: every head of it that somebody
//! kept is compared with the log. Pure; [`reading`] brings what it needs.
//!
//! A head that is no beginning of this log is no accident of a host: the collector signed it, or the
//! host could not have taken it. What it can mean follows from what the other witnesses hold.

pub mod reading;

use crate::store::{HealedHost, HealingRow};
use evidence::checkpoint::TreeHead;
use evidence::{Digest, HostId};
use std::collections::BTreeMap;

/// Who kept a head.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Witness {
    /// A host, in a check-in.
    Host { host: HostId, index: u64, received_us: i64 },
    /// A checkpoint in a file.
    File(String),
}

/// Why a head does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The log is shorter than it was: it was put back to an earlier state, or cut.
    Shorter,
    /// Nobody held a head of this size or a larger one that fits: the log was put back, or written
    /// anew, after its first `kept` leaves, the last that a witness vouches for.
    Replaced { kept: u64 },
    /// Others held heads that fit at this size or beyond: two logs were shown at the same time.
    Fork { kept: u64 },
}

/// A head that is no beginning of this log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    pub witness: Witness,
    pub head: TreeHead,
    pub meaning: Meaning,
    /// Index of the act by which an operator stated the break that explains it.
    pub stated: Option<u64>,
}

/// What an operator stated, and what hosts are known to have had by then.
#[derive(Debug, Clone, Default)]
pub struct Stated<'a> {
    pub healings: &'a [HealingRow],
    pub healed: &'a [HealedHost],
    /// When each host was enrolled.
    pub enrolled_us: BTreeMap<HostId, i64>,
    /// The first leaf by which a host carried a head of this log that holds the act of a break (its
    /// index): from then on it was on this log.
    pub settled: BTreeMap<(u64, HostId), u64>,
}

/// Every head that was compared, by size; each once, with those who hold it.
#[derive(Debug, Clone, Default)]
pub struct Heads(BTreeMap<(u64, Digest), Vec<Witness>>);

/// Most witnesses that are kept for one head that fits: more say nothing more.
const NAMED: usize = 20;

impl Heads {
    pub fn add(&mut self, head: TreeHead, witness: Witness) {
        let held = self.0.entry((head.size, head.root)).or_default();
        if held.len() < NAMED {
            held.push(witness);
        }
    }

    /// Another host that holds a head; for those that do not fit, each counts.
    pub fn add_host(&mut self, head: TreeHead, witness: Witness) {
        let held = self.0.entry((head.size, head.root)).or_default();
        // Those of the first pass stand in front.
        if !held.iter().take(NAMED).any(|one| *one == witness) {
            held.push(witness);
        }
    }

    /// Whether the log has another root at a head's size, or is shorter.
    pub fn is_odd(head: TreeHead, roots: &BTreeMap<u64, Digest>) -> bool {
        roots.get(&head.size) != Some(&head.root)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sizes that are to be compared, in order, each once.
    pub fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<_> = self.0.keys().map(|(size, _)| *size).collect();
        sizes.dedup();
        sizes
    }

    /// What does not fit the log of `size` leaves whose roots are `roots`, by size of the head.
    pub fn disagreements(
        &self,
        size: u64,
        roots: &BTreeMap<u64, Digest>,
        stated: &Stated<'_>,
    ) -> Vec<Disagreement> {
        let fits = |(at, root): &(u64, Digest)| roots.get(at) == Some(root);
        let fitting = Fitting::of(self.0.iter().filter(|(key, _)| fits(key)));
        let mut found = vec![];
        for ((at, root), witnesses) in self.0.iter().filter(|(key, _)| !fits(key)) {
            let head = TreeHead { size: *at, root: *root };
            let kept = fitting.below(*at);
            for witness in witnesses.iter().cloned() {
                let stated = stated.explains(&witness, head);
                let meaning = if *at > size {
                    Meaning::Shorter
                } else if stated.is_none() && fitting.was_beyond(*at, witness.received_us()) {
                    Meaning::Fork { kept }
                } else {
                    Meaning::Replaced { kept }
                };
                found.push(Disagreement { witness, head, meaning, stated });
            }
        }
        stated.explain_files(&mut found);
        found
    }

    /// What a restored log kept of the former one, as the witnesses show it: the largest head that
    /// fits below all that do not. None if all fit.
    pub fn kept(&self, roots: &BTreeMap<u64, Digest>) -> Option<u64> {
        let fits = |(at, root): &(u64, Digest)| roots.get(at) == Some(root);
        let first = self.0.keys().find(|key| !fits(key))?.0;
        let fitting = self.0.keys().filter(|key| fits(key) && key.0 < first);
        Some(fitting.map(|(at, _)| *at).max().unwrap_or_default())
    }
}

/// Sizes of heads that fit, each with the first time that one of its size or beyond was held.
struct Fitting(Vec<(u64, i64)>);

impl Fitting {
    fn of<'h>(heads: impl Iterator<Item = (&'h (u64, Digest), &'h Vec<Witness>)>) -> Self {
        let first = |witnesses: &Vec<Witness>| witnesses.iter().map(Witness::received_us).min();
        let mut sizes: Vec<_> =
            heads.map(|((at, _), held)| (*at, first(held).unwrap_or(i64::MAX))).collect();
        let mut earliest = i64::MAX;
        for (_, first) in sizes.iter_mut().rev() {
            earliest = earliest.min(*first);
            *first = earliest;
        }
        Self(sizes)
    }

    /// The largest that is smaller; 0 if none is.
    fn below(&self, size: u64) -> u64 {
        let at = self.0.partition_point(|(fits, _)| *fits < size);
        at.checked_sub(1).map_or(0, |at| self.0[at].0)
    }

    /// Whether somebody held one of this size or beyond by then.
    fn was_beyond(&self, size: u64, by_us: i64) -> bool {
        let at = self.0.partition_point(|(fits, _)| *fits < size);
        self.0.get(at).is_some_and(|(_, first)| *first <= by_us)
    }
}

impl Witness {
    /// When the collector got it; a file says nothing of that.
    fn received_us(&self) -> i64 {
        match self {
            Self::Host { received_us, .. } => *received_us,
            Self::File(_) => i64::MAX,
        }
    }
}

impl Stated<'_> {
    /// The statement that explains what a host carries: one of before which the host was there, and
    /// only as long as the host was not on this log.
    fn explains(&self, witness: &Witness, head: TreeHead) -> Option<u64> {
        let Witness::Host { host, index, .. } = witness else { return None };
        let explains = |healing: &&HealingRow| {
            let taken = |one: &&HealedHost| one.host == *host && one.healed.leaf == healing.leaf;
            let mut taken = self.healed.iter().filter(taken);
            let settled = self.settled.get(&(healing.index, *host));
            healing.kept.size < head.size
                && self.enrolled_us.get(host).is_some_and(|us| *us < healing.at_us)
                && settled.is_none_or(|settled| index <= settled)
                && taken.all(|one| *index <= one.index || one.healed.gave_up == head)
        };
        self.healings.iter().find(explains).map(|healing| healing.index)
    }

    /// A file says nothing of when: it is explained as far as hosts vouch that the former log went.
    fn explain_files(&self, found: &mut [Disagreement]) {
        for healing in self.healings {
            let carried = found.iter().filter(|one| one.stated == Some(healing.index));
            let carried = carried.map(|one| one.head.size);
            let gave_up = self.healed.iter().filter(|one| one.healed.leaf == healing.leaf);
            let former = carried.chain(gave_up.map(|one| one.healed.gave_up.size)).max();
            let covered = healing.kept.size + 1..=former.unwrap_or_default();
            for one in found.iter_mut().filter(|one| matches!(one.witness, Witness::File(_))) {
                if one.stated.is_none() && covered.contains(&one.head.size) {
                    one.stated = Some(healing.index);
                }
            }
        }
    }
}

impl Disagreement {
    /// Whether an operator's statement explains it.
    pub fn is_explained(&self) -> bool {
        self.stated.is_some()
    }
}

impl Meaning {
    /// For programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Shorter => "shorter",
            Self::Replaced { .. } => "replaced",
            Self::Fork { .. } => "fork",
        }
    }

    /// In words, for who reads the report.
    pub fn says(&self) -> String {
        match self {
            Self::Shorter => "The log was longer once: the collector was put back to an earlier \
                              state, as by a restored backup, or the end of its log was cut off."
                .to_owned(),
            Self::Replaced { kept } => format!(
                "From leaf {kept} on this is another log: the collector was put back to an earlier \
                 state and went on from there, or what followed was written anew."
            ),
            Self::Fork { kept } => format!(
                "After leaf {kept} there were two logs: others were shown the one that is here while \
                 this witness was shown another."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u128) -> HostId {
        HostId::from_parts(1, n)
    }

    fn head(size: u64, root: &str) -> TreeHead {
        TreeHead { size, root: Digest::of(root.as_bytes()) }
    }

    fn by(n: u128, index: u64) -> Witness {
        Witness::Host { host: host(n), index, received_us: 0 }
    }

    /// The roots of a log of ten leaves at these sizes.
    fn roots(sizes: &[u64]) -> BTreeMap<u64, Digest> {
        sizes.iter().map(|size| (*size, head(*size, &size.to_string()).root)).collect()
    }

    /// What is found under one statement, that leaves up to `kept` were kept.
    fn found_under(
        heads: &[(TreeHead, Witness)],
        healings: &[HealingRow],
        change: impl FnOnce(&mut Stated<'_>),
    ) -> Vec<Disagreement> {
        let mut all = Heads::default();
        heads.iter().for_each(|(head, witness)| all.add(*head, witness.clone()));
        let enrolled_us = (1..5).map(|n| (host(n), -1)).collect();
        let mut stated = Stated { healings, enrolled_us, ..Stated::default() };
        change(&mut stated);
        all.disagreements(10, &roots(&[2, 4, 6, 8, 10]), &stated)
    }

    fn found(heads: &[(TreeHead, Witness)]) -> Vec<Disagreement> {
        found_under(heads, &[], |_| ())
    }

    fn healing(kept: u64) -> HealingRow {
        HealingRow {
            index: 5,
            leaf: Digest::of(b"act"),
            kept: head(kept, &kept.to_string()),
            at_us: 0,
            actor: "operator".into(),
            reason: "restored".into(),
        }
    }

    #[test]
    fn heads_that_this_log_grew_from_are_no_news() {
        assert_eq!(found(&[(head(2, "2"), by(1, 3)), (head(10, "10"), by(2, 11))]), vec![]);
    }

    #[test]
    fn what_a_head_that_does_not_fit_means_follows_from_the_other_witnesses() {
        let one = |heads: &[(TreeHead, Witness)]| {
            let found = found(heads);
            assert_eq!(found.len(), 1, "{found:?}");
            found[0].meaning
        };
        assert_eq!(one(&[(head(4, "4"), by(1, 4)), (head(12, "?"), by(2, 9))]), Meaning::Shorter);
        let replaced = one(&[(head(4, "4"), by(1, 4)), (head(6, "?"), by(2, 9))]);
        assert_eq!(replaced, Meaning::Replaced { kept: 4 });
        let both = |received_us| {
            let later = Witness::Host { host: host(3), index: 9, received_us };
            one(&[(head(4, "4"), by(1, 4)), (head(6, "?"), by(2, 9)), (head(8, "8"), later)])
        };
        assert_eq!(both(0), Meaning::Fork { kept: 4 });
        assert_eq!(both(1), Meaning::Replaced { kept: 4 }, "the log went on from there");
    }

    #[test]
    fn a_stated_break_explains_what_was_known_before_it_and_nothing_later() {
        let healed = |size, root| HealedHost {
            host: host(1),
            healed: evidence::healing::Healed {
                gave_up: head(size, root),
                leaf: Digest::of(b"act"),
            },
            index: 7,
        };
        let explained = |lost: (TreeHead, Witness), change: &dyn Fn(&mut Stated<'_>)| {
            found_under(&[lost], &[healing(4)], change)[0].is_explained()
        };
        let lost = || (head(8, "?"), by(1, 6));
        assert!(explained(lost(), &|_| ()), "it has not taken the statement yet");
        let (same, other) = ([healed(8, "?")], [healed(9, "other")]);
        let taken = |by: &[HealedHost], lost: (TreeHead, Witness)| {
            let stated = Stated {
                healings: &[healing(4)],
                healed: by,
                enrolled_us: [(host(1), -1)].into(),
                ..Stated::default()
            };
            stated.explains(&lost.1, lost.0).is_some()
        };
        assert!(taken(&same, lost()));
        assert!(!taken(&other, (head(8, "?"), by(1, 9))), "after it had taken it");
        assert!(!explained((head(4, "?"), by(1, 6)), &|_| ()), "that was kept, it says");
        let later = |stated: &mut Stated<'_>| stated.enrolled_us = [(host(1), 0)].into();
        assert!(!explained(lost(), &later), "it knew nothing of the former log");
        let settled =
            |at| move |stated: &mut Stated<'_>| stated.settled = [((5, host(1)), at)].into();
        assert!(explained(lost(), &settled(7)));
        assert!(!explained(lost(), &settled(5)), "it was on this log");
    }

    #[test]
    fn a_checkpoint_in_a_file_is_explained_as_far_as_hosts_vouch_for_the_former_log() {
        let file = |size| (head(size, "?"), Witness::File("kept".into()));
        let heads = [(head(8, "?"), by(1, 6)), file(6), file(9)];
        let of_files = |healings: &[HealingRow]| {
            let found = found_under(&heads, healings, |_| ());
            let files = found.into_iter().filter(|one| matches!(one.witness, Witness::File(_)));
            files.map(|one| (one.head.size, one.is_explained())).collect::<Vec<_>>()
        };
        assert_eq!(of_files(&[healing(4)]), [(6, true), (9, false)]);
        assert_eq!(of_files(&[]), [(6, false), (9, false)]);
    }

    #[test]
    fn what_was_kept_is_the_largest_head_that_fits_below_all_that_do_not() {
        let mut heads = Heads::default();
        for (size, root) in [(2, "2"), (4, "4"), (6, "?"), (8, "8"), (12, "?")] {
            heads.add(head(size, root), by(1, 1));
        }
        assert_eq!(heads.kept(&roots(&[2, 4, 6, 8])), Some(4));
        assert_eq!(Heads::default().kept(&roots(&[])), None);
    }
}
