//! Acts of the log that belong to a snapshot.

use super::{Common, Maker};
use crate::snapshot::document::{ActLine, Pins};
use crate::snapshot::files::Work;
use crate::snapshot::{SnapshotError, tlog};
use crate::store::LoggedAct;
use evidence::{Digest, HostId, leaf, merkle, proof};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Acts that say what the evidence is worth: by the beginning of their names. Those about people who
/// sign in, tokens and alerts are left to the log.
const KEPT: [&str; 16] = [
    "applicability_",
    "authority_key_",
    "collector_initialised",
    "exception_",
    "expected_hosts_imported",
    "group_described",
    "host_",
    "isms_",
    "list_",
    "log_key_",
    "overlay_activated",
    "review_",
    "rules_activated",
    "snapshot_key_",
    "tolerance_set",
    "window_",
];
const PAGE: i64 = 1000;
/// Proofs that are made in one go.
const PROOFS: usize = 200;

/// Acts with what they say.
pub(super) struct Acts(Vec<(LoggedAct, Value)>);

impl Acts {
    /// Rule sets that were activated by then, in order.
    pub(super) fn activated(&self, at_us: i64) -> Vec<(u64, Digest)> {
        let of = self.named("rules_activated").filter(|(act, _)| act.at_us <= at_us);
        let id = |body: &Value| body["detail"]["rules"].as_str()?.parse().ok();
        of.filter_map(|(act, body)| Some((act.index, id(body)?))).collect()
    }

    /// The index of each host's enrolment.
    pub(super) fn enrolled(&self) -> BTreeMap<HostId, u64> {
        let host = |body: &Value| body["detail"]["host"].as_str()?.parse().ok();
        let of = self.named("host_enrolled");
        of.filter_map(|(act, body)| Some((host(body)?, act.index))).collect()
    }

    fn named(&self, name: &'static str) -> impl Iterator<Item = &(LoggedAct, Value)> {
        self.0.iter().filter(move |(_, body)| body["act"] == name)
    }
}

impl Maker<'_> {
    /// Acts among the first leaves that a snapshot may hold.
    pub(super) async fn acts(&self, pins: &Pins) -> Result<Acts, SnapshotError> {
        let (mut kept, mut after) = (vec![], -1);
        loop {
            let page = self.store.acts_after(after, pins.known(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(Acts(kept)) };
            after = last.index as i64;
            for act in page {
                let Some(body) = &act.body else { continue };
                let body: Value = serde_json::from_slice(body)
                    .map_err(|e| SnapshotError::Damaged(format!("act {}: {e}", act.index)))?;
                let name = body["act"].as_str().unwrap_or_default();
                if KEPT.iter().any(|kept| name.starts_with(kept)) {
                    kept.push((act, body));
                }
            }
        }
    }

    /// Writes those that concern no host, or one in scope, each with its proof.
    pub(super) async fn write_acts(
        &self,
        acts: &Acts,
        scope: &BTreeSet<HostId>,
        common: &Common,
        work: &Work,
    ) -> Result<(), SnapshotError> {
        let in_scope = |body: &Value| match body["detail"]["host"].as_str() {
            Some(host) => host.parse().is_ok_and(|host| scope.contains(&host)),
            None => true,
        };
        let kept: Vec<_> = acts.0.iter().filter(|(_, body)| in_scope(body)).collect();
        let size = common.pins.known_size;
        let root = self.store.root_at(size).await?;
        let mut lines = vec![];
        for page in kept.chunks(PROOFS) {
            let plans: Vec<_> =
                page.iter().map(|(act, _)| merkle::inclusion_plan(act.index, size)).collect();
            let proofs = self.store.prove(&plans).await?;
            for ((act, _), proof) in page.iter().zip(proofs) {
                lines.push(line(act, proof, size, &root)?);
            }
        }
        work.lines("acts.jsonl", &lines)
    }
}

fn line(
    act: &LoggedAct,
    path: Vec<Digest>,
    size: u64,
    root: &Digest,
) -> Result<ActLine, SnapshotError> {
    let damaged = |what: &str| SnapshotError::Damaged(format!("act {}: {what}", act.index));
    let salt: [u8; 16] = act.salt.as_slice().try_into().map_err(|_| damaged("its salt"))?;
    let body = act.body.clone().unwrap_or_default();
    let leaf = merkle::leaf_hash(&leaf::act_leaf(&salt, &body));
    proof::verify_inclusion(&leaf, act.index, size, &path, root)
        .map_err(|_| damaged("it is not the act that was logged"))?;
    Ok(ActLine {
        index: act.index,
        salt: hex::encode(salt),
        body: String::from_utf8(body).map_err(|_| damaged("not text"))?,
        proof: tlog::written(&path),
    })
}
