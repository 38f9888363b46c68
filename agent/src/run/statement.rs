//! From what was gathered to what is signed. Pure.

use crate::collectors::Collected;
use crate::identity::Chain;
use crate::spool::Current;
use evidence::canonical::CanonicalError;
use evidence::check_in::Clock;
use evidence::wire::MAX_OBJECT_BYTES;
use evidence::{CheckIn, Digest, HostId, KindEntry, Manifest, Status};
use std::collections::BTreeMap;

/// This agent's version.
pub(super) const AGENT: &str = env!("CARGO_PKG_VERSION");

/// One kind, freshly gathered.
pub(super) struct Gathered {
    pub(super) kind: String,
    pub(super) at_ms: i64,
    pub(super) collected: Collected,
}

/// A state: its manifest and the objects it names, as far as they are new.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) manifest: Digest,
    /// Facts, then the manifest that names them.
    pub(super) objects: Vec<Vec<u8>>,
    /// When each kind of the manifest was gathered.
    pub(super) collected_ms: BTreeMap<String, i64>,
    /// Of these, what was gathered now.
    pub(super) newly_collected_ms: BTreeMap<String, i64>,
}

impl Statement {
    /// The state before, with what was gathered laid over it. Kinds that are not `planned` any
    /// more are left out.
    pub(super) fn new(
        before: Option<(Current, Manifest)>,
        gathered: Vec<Gathered>,
        planned: impl Fn(&str) -> bool,
    ) -> Result<Self, CanonicalError> {
        let (mut collected_ms, mut manifest) =
            before.map(|(current, manifest)| (current.collected_ms, manifest)).unwrap_or_default();
        manifest.kinds.retain(|kind, _| planned(kind));
        collected_ms.retain(|kind, _| manifest.kinds.contains_key(kind));
        let mut objects = Vec::new();
        let mut newly_collected_ms = BTreeMap::new();
        for Gathered { kind, at_ms, collected } in gathered {
            let (entry, facts) = bounded(collected);
            objects.extend(facts);
            newly_collected_ms.insert(kind.clone(), at_ms);
            manifest.kinds.insert(kind, entry);
        }
        collected_ms.extend(newly_collected_ms.clone());
        let bytes = manifest.to_bytes()?;
        let manifest = Digest::of(&bytes);
        objects.push(bytes);
        Ok(Self { manifest, objects, collected_ms, newly_collected_ms })
    }
}

/// The kind's entry and its facts. Facts that no collector would take are not named.
fn bounded(collected: Collected) -> (KindEntry, Option<Vec<u8>>) {
    let mut entry = collected.entry();
    let facts = collected.facts.map(|facts| facts.bytes().to_vec());
    match facts {
        Some(facts) if facts.len() > MAX_OBJECT_BYTES => {
            (entry.status, entry.facts) = (Status::Truncated, None);
            entry.unread.clear();
            (entry, None)
        }
        facts => (entry, facts),
    }
}

/// How many seconds before `now_ms` each kind was gathered.
pub(super) fn ages_s(collected_ms: &BTreeMap<String, i64>, now_ms: i64) -> BTreeMap<String, i64> {
    let age = |(kind, at_ms): (&String, &i64)| (kind.clone(), (now_ms - at_ms).max(0) / 1000);
    collected_ms.iter().map(age).collect()
}

/// The next check-in of `chain`.
pub(super) fn check_in(
    host: HostId,
    chain: &Chain,
    manifest: Digest,
    collected: BTreeMap<String, i64>,
    now_ms: i64,
    next_due_s: i64,
) -> CheckIn {
    CheckIn {
        agent: AGENT.to_owned(),
        at_ms: now_ms,
        chain: chain.chain,
        checkpoint: chain.checkpoint,
        // adjtimex(2) is out of reach: it takes unsafe code, and the unit refuses it. The key is absent.
        clock: Clock { synchronised: None },
        collected,
        healed: chain.healed.iter().find(|one| !one.told).map(|one| one.healed),
        host,
        manifest,
        next_due_s,
        prev: chain.prev,
        resumes: if chain.next_seq == 0 { chain.resumes } else { None },
        seq: chain.next_seq,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::Facts;
    use serde_json::json;

    fn gathered(kind: &str, at_ms: i64, value: i64) -> Gathered {
        let facts = Facts::new(kind, 1, json!({ "value": value })).expect("facts");
        let collected =
            Collected { status: Status::Ok, facts: Some(facts), sources: vec![], unread: vec![] };
        Gathered { kind: kind.to_owned(), at_ms, collected }
    }

    fn current(statement: &Statement) -> (Current, Manifest) {
        let current = Current {
            manifest: statement.manifest,
            agent: AGENT.into(),
            at_ms: 0,
            collected_ms: statement.collected_ms.clone(),
        };
        let bytes = statement.objects.last().expect("manifest");
        (current, Manifest::from_bytes(bytes).expect("manifest"))
    }

    #[test]
    fn what_was_not_gathered_is_carried_and_what_is_switched_off_is_left_out() {
        let all = vec![gathered("a", 1, 1), gathered("b", 2, 1), gathered("c", 3, 1)];
        let first = Statement::new(None, all, |_| true).expect("first");
        let before = Some(current(&first));
        let next = Statement::new(before, vec![gathered("b", 9, 2)], |kind| kind != "c");
        let next = next.expect("next");
        let (_, manifest) = current(&next);
        assert_eq!(manifest.kinds.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_ne!(manifest.kinds["b"], current(&first).1.kinds["b"]);
        assert_eq!(manifest.kinds["a"], current(&first).1.kinds["a"]);
        assert_eq!(next.collected_ms, [("a".to_owned(), 1), ("b".to_owned(), 9)].into());
        assert_eq!(next.newly_collected_ms, [("b".to_owned(), 9)].into());
    }

    #[test]
    fn an_equal_state_has_an_equal_manifest() {
        let first = Statement::new(None, vec![gathered("a", 1, 1)], |_| true).expect("first");
        let before = Some(current(&first));
        let again = Statement::new(before, vec![gathered("a", 9, 1)], |_| true).expect("again");
        assert_eq!(again.manifest, first.manifest);
    }

    #[test]
    fn facts_above_the_wires_bound_are_truncated_and_not_named() {
        let facts = Facts::new("a", 1, json!({ "x": "y".repeat(MAX_OBJECT_BYTES) }));
        let facts = Some(facts.expect("facts"));
        let collected = Collected { status: Status::Ok, facts, sources: vec![], unread: vec![] };
        let (entry, facts) = bounded(collected);
        assert_eq!((entry.status, entry.facts, facts), (Status::Truncated, None, None));
    }

    #[test]
    fn an_age_is_never_negative() {
        let collected = [("a".to_owned(), 5_000), ("b".to_owned(), 1_500)].into();
        assert_eq!(ages_s(&collected, 4_000), [("a".to_owned(), 0), ("b".to_owned(), 2)].into());
    }
}
