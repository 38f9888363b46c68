//! Approved lists: which members of a population a person accepted for a group, and what deviates
//! from that on a host. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Where a member of a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It was there when the list was learnt, and nobody decided yet.
    Proposed,
    Accepted,
    Refused,
    /// It was accepted for a time that is over.
    Expired,
    /// It was taken off the list.
    Removed,
}

impl Standing {
    pub const ALL: [Self; 5] =
        [Self::Proposed, Self::Accepted, Self::Refused, Self::Expired, Self::Removed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Removed => "removed",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == word)
    }
}

/// The list of one population for one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    pub members: BTreeMap<String, Standing>,
}

impl List {
    /// A person said yes to it.
    pub fn accepts(&self, member: &str) -> bool {
        self.members.get(member) == Some(&Standing::Accepted)
    }

    /// It calls for nobody: accepted, or still to be decided.
    fn tolerates(&self, member: &str) -> bool {
        self.accepts(member) || self.members.get(member) == Some(&Standing::Proposed)
    }
}

/// How a member deviates on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deviation {
    /// It is there and not on the list.
    Added,
    /// It is on the list, was there and is not any more.
    Gone,
}

impl Deviation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Gone => "gone",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Added, Self::Gone].into_iter().find(|deviation| deviation.as_str() == word)
    }
}

pub type Deviations = BTreeSet<(Deviation, String)>;

/// What begins and what ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    pub opened: Deviations,
    pub ended: Deviations,
}

/// Compares the members of a host with the list of its group. `before` are those that were known
/// last, `open` what deviates already. Without a list nothing deviates.
pub fn deviations(
    list: Option<&List>,
    before: &BTreeSet<String>,
    now: &BTreeSet<String>,
    open: &Deviations,
) -> Turn {
    let mut holds = Deviations::new();
    if let Some(list) = list {
        let added = now.iter().filter(|member| !list.tolerates(member));
        holds.extend(added.map(|member| (Deviation::Added, member.clone())));
        let missed = open.iter().filter(|(how, _)| *how == Deviation::Gone).map(|(_, m)| m);
        let was = before.iter().chain(missed);
        let gone = was.filter(|member| list.accepts(member) && !now.contains(*member));
        holds.extend(gone.map(|member| (Deviation::Gone, member.clone())));
    }
    Turn {
        opened: holds.difference(open).cloned().collect(),
        ended: open.difference(&holds).cloned().collect(),
    }
}

/// Offenders of a rule that are members, without those that the list accepts. A rule that fails for
/// nothing else passes: a person said yes to each of them.
pub fn without_accepted(offenders: &[String], list: &List) -> Vec<String> {
    offenders.iter().filter(|member| !list.accepts(member)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(members: &[&str]) -> BTreeSet<String> {
        members.iter().map(|member| (*member).to_owned()).collect()
    }

    fn list(members: &[(&str, Standing)]) -> List {
        let members = members.iter().map(|(member, standing)| ((*member).to_owned(), *standing));
        List { members: members.collect() }
    }

    fn held(how: Deviation, member: &str) -> (Deviation, String) {
        (how, member.to_owned())
    }

    #[test]
    fn what_is_not_on_the_list_deviates_and_what_waits_for_a_decision_does_not() {
        use Standing::*;
        let list = list(&[("a", Accepted), ("b", Proposed), ("c", Refused), ("d", Expired)]);
        let now = set(&["a", "b", "c", "d", "new"]);
        let turn = deviations(Some(&list), &now, &now, &Deviations::new());
        let added = ["c", "d", "new"].map(|member| held(Deviation::Added, member));
        assert_eq!(turn.opened, added.into());
        assert_eq!(deviations(None, &now, &now, &Deviations::new()), Turn::default());
    }

    #[test]
    fn what_is_gone_deviates_until_it_is_back_or_off_the_list() {
        let accepted = list(&[("a", Standing::Accepted)]);
        let gone = deviations(Some(&accepted), &set(&["a"]), &set(&[]), &Deviations::new()).opened;
        assert_eq!(gone, [held(Deviation::Gone, "a")].into());
        // The next look does not know it any more, and it is still gone.
        assert_eq!(deviations(Some(&accepted), &set(&[]), &set(&[]), &gone), Turn::default());
        assert_eq!(deviations(Some(&accepted), &set(&[]), &set(&["a"]), &gone).ended, gone);
        let removed = list(&[("a", Standing::Removed)]);
        assert_eq!(deviations(Some(&removed), &set(&[]), &set(&[]), &gone).ended, gone);
        // On a host where it never was nothing is missed.
        let never = deviations(Some(&accepted), &set(&[]), &set(&[]), &Deviations::new());
        assert_eq!(never, Turn::default());
    }

    #[test]
    fn a_rule_passes_only_when_every_offender_was_accepted() {
        let list = list(&[("a", Standing::Accepted), ("b", Standing::Proposed)]);
        let offenders = ["a".to_owned(), "b".to_owned()];
        assert_eq!(without_accepted(&offenders, &list), ["b"]);
        assert!(without_accepted(&offenders[..1], &list).is_empty());
    }

    proptest! {
        #[test]
        fn no_member_that_nobody_accepted_is_ever_without_a_deviation(
            states in proptest::collection::btree_map("[a-d]", 0..5usize, 0..4),
            before in proptest::collection::btree_set("[a-f]", 0..5),
            now in proptest::collection::btree_set("[a-f]", 0..5),
            open in proptest::collection::btree_set((any::<bool>(), "[a-f]"), 0..5),
        ) {
            let members = states.into_iter().map(|(m, n)| (m, Standing::ALL[n]));
            let list = List { members: members.collect() };
            let how = |gone| if gone { Deviation::Gone } else { Deviation::Added };
            let open: Deviations = open.into_iter().map(|(gone, m)| (how(gone), m)).collect();
            let turn = deviations(Some(&list), &before, &now, &open);
            let mut after = open.clone();
            after.retain(|held| !turn.ended.contains(held));
            after.extend(turn.opened.iter().cloned());
            for member in &now {
                let known = matches!(
                    list.members.get(member),
                    Some(Standing::Accepted | Standing::Proposed)
                );
                prop_assert_eq!(after.contains(&(Deviation::Added, member.clone())), !known);
                prop_assert!(!after.contains(&(Deviation::Gone, member.clone())));
            }
            prop_assert!(turn.opened.is_disjoint(&open));
            prop_assert_eq!(deviations(Some(&list), &now, &now, &after), Turn::default());
        }
    }
}
