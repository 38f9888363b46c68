//! A fleet in memory: groups of hosts that are alike in most kinds and differ in some, as hosts
//! that were installed from one image and live on do.

use evidence::{Digest, Facts, KindEntry, Manifest};
use evidenced_collector::judge::{HostState, KindState};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

const GROUPS: usize = 60;
/// Groups that an overlay says something of.
const NAMED: usize = 12;
/// Different facts of a kind within a group; of kinds that are not named, one.
const DIFFERENT: [(&str, usize); 10] = [
    ("accounts", 4),
    ("authorized_keys", 6),
    ("capacity", 12),
    ("certificates", 20),
    ("file_walk", 4),
    ("listening_ports", 5),
    ("logins", 15),
    ("package_updates", 8),
    ("packages", 8),
    ("services", 4),
];

pub(crate) struct Fleet {
    /// By kind, group and difference.
    facts: BTreeMap<String, Vec<Vec<Arc<Facts>>>>,
    state: HostState,
    hosts: usize,
}

impl Fleet {
    pub(crate) fn of(state: &HostState, hosts: usize) -> Self {
        let mut facts = BTreeMap::new();
        for (kind, held) in &state.kinds {
            let Some(body) = &held.facts else { continue };
            let group = |group: usize| {
                let each = |n: usize| variant(body, (group * 1_000 + n) as u64);
                (0..different(kind)).map(each).collect::<Vec<_>>()
            };
            facts.insert(kind.clone(), (0..GROUPS).map(group).collect());
        }
        Self { facts, state: state.clone(), hosts }
    }

    pub(crate) fn groups(&self) -> usize {
        GROUPS
    }

    pub(crate) fn different(&self) -> usize {
        self.facts.values().flatten().map(Vec::len).sum()
    }

    /// Parameters of one rule for some groups, and another one switched off for a few.
    pub(crate) fn overlay(&self) -> String {
        let mut text = String::new();
        for group in 0..NAMED {
            let _ = write!(
                text,
                "[[param]]\nrule = \"upd-os-supported\"\nname = \"tier\"\nvalue = \"{}\"\n\
                 policy_ref = \"POL-{group}\"\ngroups = [\"group-{group}\"]\n",
                if group % 2 == 0 { "extended" } else { "standard" },
            );
        }
        text.push_str("[[off]]\nrule = \"acc-uid0-only-root\"\nreason = \"r\"\ngroups = [\"group-1\", \"group-2\"]\n");
        text
    }

    /// A host: its group, manifest, the facts it sent, its state. `change` 1 gives it packages that
    /// nobody has, 2 those of its neighbour.
    pub(crate) fn host(
        &self,
        host: usize,
        change: usize,
    ) -> (String, Manifest, BTreeSet<Digest>, HostState) {
        // Neighbours in the queue are of different groups.
        let (group, n) = (host % GROUPS, host / GROUPS);
        let (mut manifest, mut state) = (Manifest::default(), HostState::default());
        let mut held = BTreeSet::new();
        for (kind, of_kind) in &self.state.kinds {
            let n = if change == 2 && kind == "packages" { n + 1 } else { n };
            let here = self.facts.get(kind).and_then(|groups| groups.get(group));
            let mut facts = here.and_then(|all| all.get(spread(n, kind) % all.len())).cloned();
            if change == 1 && kind == "packages" {
                facts = facts.map(|facts| variant(&facts, (self.hosts + host + 1_000_000) as u64));
            }
            let id = facts.as_ref().map(|facts| facts.id());
            held.extend(id);
            let (status, unread) = (of_kind.status, of_kind.unread.clone());
            let entry = KindEntry { status, facts: id, sources: vec![], unread: unread.clone() };
            manifest.kinds.insert(kind.clone(), entry);
            state.kinds.insert(kind.clone(), KindState { status, unread, facts });
        }
        (format!("group-{group}"), manifest, held, state)
    }
}

fn different(kind: &str) -> usize {
    DIFFERENT.iter().find(|(name, _)| *name == kind).map_or(1, |(_, n)| *n)
}

/// Kinds do not differ in step.
fn spread(n: usize, kind: &str) -> usize {
    n.wrapping_mul(2_654_435_761).wrapping_add(kind.len() * 7_919) >> 7
}

/// The same facts under another name: with a field that no rule reads.
fn variant(facts: &Facts, n: u64) -> Arc<Facts> {
    let mut data = facts.data.clone();
    if let Value::Object(members) = &mut data {
        members.insert("variant_of_benchmark".to_owned(), n.into());
    }
    Arc::new(Facts::new(&facts.kind, facts.v, data).expect("facts"))
}
