//! What has to be true of a store after the storm, read from the store itself.

use crate::storm::Host;
use evidence::{ChainId, Digest, HostId, SignedCheckIn};
use evidenced_collector::store::model::DriftRow;
use evidenced_collector::store::{DriftFilter, Store, StoredLeaf};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) async fn check(store: &Store, hosts: &[Host]) {
    let check_ins = logged(store).await;
    receipts_are_kept(&check_ins, hosts);
    let mut reported = 0;
    for host in hosts {
        let id: HostId = host.agent.host().parse().expect("a host id");
        let own: Vec<_> = check_ins.iter().filter(|signed| signed.check_in.host == id).collect();
        chains_are_whole(&own);
        let filter = DriftFilter { host: Some(id), open: None, limit: 100_000 };
        let drifts = store.drifts(filter).await.expect("drifts");
        reported += drifts.len();
        nothing_drifted_twice(&own, drifts);
    }
    assert!(reported > 0, "the changes were never seen: the test shows nothing");
}

/// Every check-in, in the order of the log.
async fn logged(store: &Store) -> Vec<SignedCheckIn> {
    let (mut found, mut next) = (vec![], 0);
    loop {
        let leaves = store.leaves(next, 1000).await.expect("leaves");
        let Some((last, _)) = leaves.last() else { return found };
        next = last + 1;
        found.extend(leaves.into_iter().filter_map(|(_, leaf)| match leaf {
            StoredLeaf::CheckIn(signed, _) => Some(*signed),
            StoredLeaf::Act { .. } | StoredLeaf::Unreadable { .. } => None,
        }));
    }
}

fn receipts_are_kept(check_ins: &[SignedCheckIn], hosts: &[Host]) {
    let mut times: BTreeMap<Digest, usize> = BTreeMap::new();
    for signed in check_ins {
        *times.entry(signed.id()).or_default() += 1;
    }
    let receipts: BTreeSet<_> = hosts.iter().flat_map(|host| &host.receipts).copied().collect();
    assert!(receipts.len() > hosts.len() * 5, "only {} receipts", receipts.len());
    for receipt in receipts {
        assert_eq!(times.get(&receipt), Some(&1), "check-in {receipt}, which has a receipt");
    }
    assert!(times.values().all(|times| *times == 1), "a check-in is in the log twice");
}

/// Numbers without a gap, each naming the one before; a later chain names the end of an earlier.
fn chains_are_whole(own: &[&SignedCheckIn]) {
    let mut chains: BTreeMap<ChainId, Vec<&SignedCheckIn>> = BTreeMap::new();
    for signed in own {
        chains.entry(signed.check_in.chain).or_default().push(signed);
    }
    let mut resumed = BTreeSet::new();
    for check_ins in chains.values() {
        let mut before = None;
        for (signed, seq) in check_ins.iter().zip(0..) {
            assert_eq!((signed.check_in.seq, signed.check_in.prev), (seq, before));
            before = Some(signed.id());
        }
        resumed.extend(check_ins.first().and_then(|first| first.check_in.resumes));
    }
    let ends = chains.values().filter_map(|check_ins| check_ins.last()).map(|last| last.id());
    let unnamed = ends.filter(|id| !resumed.contains(id)).count();
    assert_eq!(unnamed, 1, "one chain goes on, and each other one is named by its successor");
}

/// A rule drifts at most as often as the state changed, and again only after it was in order.
fn nothing_drifted_twice(own: &[&SignedCheckIn], drifts: Vec<DriftRow>) {
    let manifests: Vec<_> = own.iter().map(|signed| signed.check_in.manifest).collect();
    let changes = manifests.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let mut by_subject: BTreeMap<_, Vec<DriftRow>> = BTreeMap::new();
    for drift in drifts {
        let subject = (drift.drift.clone(), drift.rule.clone(), drift.kind.clone());
        by_subject.entry(subject).or_default().push(drift);
    }
    for (subject, mut drifts) in by_subject {
        drifts.sort_by_key(|drift| drift.opened_us);
        assert!(drifts.len() <= changes.div_ceil(2), "{subject:?} drifted {} times", drifts.len());
        for pair in drifts.windows(2) {
            let resolved = pair[0].resolved_us.expect("an older drift ended");
            assert!(resolved <= pair[1].opened_us, "{subject:?} drifted while it was open");
        }
    }
}
