//! One host: its document, its check-ins with their proofs, its facts, and why its results are what
//! they are. Everything is checked as it is read; the document is written last.

use super::{Common, Maker, said};
use crate::clock::day_of;
use crate::judge::Judge;
use crate::scope::Interval;
use crate::snapshot::document::{
    CheckInLine, Envelope, EnvelopeSignature, HostDocument, LastDocument,
};
use crate::snapshot::files::Work;
use crate::snapshot::judged::{Said, compare, explanations, left_out};
use crate::snapshot::{SnapshotError, sample, tlog};
use crate::store::model::HostRow;
use crate::store::{HostSpan, LoggedCheckIn};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::check_in::PAYLOAD_TYPE;
use evidence::key::PublicKey;
use evidence::{Digest, Facts, Manifest, SignedCheckIn, leaf, merkle, proof};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type FactsById = BTreeMap<Digest, Arc<Facts>>;

/// Which rules judged a host, for which day, and what they say otherwise than the record.
struct Judged {
    judge: Arc<Judge>,
    day: i64,
    differ: Vec<String>,
}

impl Maker<'_> {
    pub(super) async fn host(
        &self,
        common: &Common,
        row: &HostRow,
        times: &[Interval],
        work: &Work,
    ) -> Result<(), SnapshotError> {
        let (id, pins) = (row.id, &common.pins);
        let key = common.keys.get(&id).copied();
        let key =
            key.ok_or_else(|| SnapshotError::Damaged(format!("host {id} has no evidence key")))?;
        let last = self.store.last_check_in(id, pins.at_us, pins.known()).await?;
        let mut document = HostDocument {
            host: id,
            name: row.name.clone(),
            evidence_key: key,
            enrolled_us: row.enrolled_us,
            enrolled_index: common.enrolled.get(&id).copied(),
            group: said_at(&common.spans, row, "group", pins.at_us).unwrap_or(row.group.clone()),
            state: said_at(&common.spans, row, "state", pins.at_us).unwrap_or_default(),
            times: times.to_vec(),
            silent_since_us: silent_since(row, last.as_ref(), pins.at_us),
            last: last.as_ref().map(last_document),
            judged: true,
            missing: BTreeSet::new(),
            day: None,
            disagrees: vec![],
            rules: None,
            kinds: self.store.kinds_within(id, pins).await?,
            results: self.store.results_within(id, pins).await?,
            covers: self.store.covers_within(id, pins).await?,
            members: self.store.members_within(id, pins).await?,
            silences: self.store.silences_within(id, pins).await?,
        };
        document.members.retain(|m| !said::is_personal(&m.population, &common.left_out));
        let check_ins = self.boundaries(common, &document, last.as_ref()).await?;
        self.write_check_ins(&check_ins, &key, common, &document, work).await?;
        let (manifests, facts) = self.objects(&check_ins, &mut document).await?;
        write_objects(&manifests, &facts, common, work)?;
        if let Some(last) = &last {
            let judged = common.judged.get(&id.to_string()).copied().unwrap_or(-1);
            document.judged = judged >= last.index as i64;
            let manifest = manifests.get(&last.signed.check_in.manifest).cloned();
            self.judge(common, &mut document, (&manifest.unwrap_or_default(), &facts), work)?;
        }
        work.document(&format!("hosts/{id}.json"), &document)
    }

    /// Judges the host again, says whether that agrees, and explains what fails.
    fn judge(
        &self,
        common: &Common,
        document: &mut HostDocument,
        (manifest, facts): (&Manifest, &FactsById),
        work: &Work,
    ) -> Result<(), SnapshotError> {
        let Some(judged) = judged(common, document, manifest, facts) else { return Ok(()) };
        document.rules = Some(judged.judge.rules().id_of(&document.group));
        document.day = Some(judged.day);
        if document.judged {
            document.disagrees = judged.differ;
        }
        let said = Said { manifest, facts, left_out: &common.left_out };
        let lines = explanations(&judged.judge, &document.group, &common.lists, &said, judged.day)?;
        work.lines(&format!("explanations/{}.jsonl", document.host), &lines)?;
        hide(document, &judged.judge, common);
        Ok(())
    }

    /// Check-ins at which something in the document began, the last one, and those an auditor drew.
    async fn boundaries(
        &self,
        common: &Common,
        document: &HostDocument,
        last: Option<&LoggedCheckIn>,
    ) -> Result<Vec<LoggedCheckIn>, SnapshotError> {
        let kinds = document.kinds.iter().map(|kind| kind.known);
        let results = document.results.iter().map(|result| result.known);
        let mut indexes: BTreeSet<u64> = kinds.chain(results).map(i64::unsigned_abs).collect();
        indexes.extend(last.map(|last| last.index));
        let drawn = sample::drawn_of(document, &common.pins, common.asked.sample.as_ref());
        if !drawn.is_empty() {
            let times = self.store.check_in_times(document.host, &common.pins).await?;
            indexes.extend(drawn.iter().filter_map(|day| sample::check_in_of(*day, &times)));
        }
        let mut found = vec![];
        for index in indexes {
            // A day that turned, or other rules: known by an act, or by another host's check-in.
            if let Some(logged) = self.store.check_in_at(index).await?
                && logged.signed.check_in.host == document.host
            {
                found.push(logged);
            }
        }
        Ok(found)
    }

    async fn write_check_ins(
        &self,
        check_ins: &[LoggedCheckIn],
        key: &PublicKey,
        common: &Common,
        document: &HostDocument,
        work: &Work,
    ) -> Result<(), SnapshotError> {
        let size = common.pins.known_size;
        let root = self.store.root_at(size).await?;
        let plans: Vec<_> =
            check_ins.iter().map(|logged| merkle::inclusion_plan(logged.index, size)).collect();
        let proofs = self.store.prove(&plans).await?;
        let mut lines = vec![];
        for (logged, path) in check_ins.iter().zip(proofs) {
            let (signed, index) = (&logged.signed, logged.index);
            let damaged = |what: &str| {
                SnapshotError::Damaged(format!("check-in {index} of {}: {what}", document.host))
            };
            signed.verify(key).map_err(|_| damaged("its signature does not fit"))?;
            let leaf = merkle::leaf_hash(&leaf::check_in_leaf(signed));
            proof::verify_inclusion(&leaf, index, size, &path, &root)
                .map_err(|_| damaged("it is not the one that was logged"))?;
            lines.push(CheckInLine {
                index,
                observed_us: logged.observed_us,
                received_us: logged.received_us,
                envelope: envelope(signed, key),
                proof: tlog::written(&path),
            });
        }
        work.lines(&format!("check-ins/{}.jsonl", document.host), &lines)
    }

    /// Manifests of the check-ins and the facts they and the states name, as the host sent them.
    async fn objects(
        &self,
        check_ins: &[LoggedCheckIn],
        document: &mut HostDocument,
    ) -> Result<(BTreeMap<Digest, Manifest>, FactsById), SnapshotError> {
        let host = document.host;
        let damaged = |id: &Digest, what: &str| {
            SnapshotError::Damaged(format!("object {id} of host {host}: {what}"))
        };
        let (mut manifests, mut facts) = (BTreeMap::new(), FactsById::new());
        let mut named: BTreeSet<Digest> =
            document.kinds.iter().filter_map(|kind| kind.entry.facts).collect();
        for id in check_ins.iter().map(|logged| logged.signed.check_in.manifest) {
            let Some(bytes) = self.store.object_of_host(host, id).await? else {
                document.missing.insert(id);
                continue;
            };
            if Digest::of(&bytes) != id {
                return Err(damaged(&id, "its bytes are others"));
            }
            let manifest =
                Manifest::from_bytes(&bytes).map_err(|e| damaged(&id, &e.to_string()))?;
            named.extend(manifest.facts());
            manifests.insert(id, manifest);
        }
        for id in named {
            let Some(bytes) = self.store.object_of_host(host, id).await? else {
                document.missing.insert(id);
                continue;
            };
            if Digest::of(&bytes) != id {
                return Err(damaged(&id, "its bytes are others"));
            }
            let read = Facts::from_bytes(bytes).map_err(|e| damaged(&id, &e.to_string()))?;
            facts.insert(id, Arc::new(read));
        }
        Ok((manifests, facts))
    }
}

/// Finds the rules and the day that results on record are of: the latest that give them.
fn judged(
    common: &Common,
    document: &HostDocument,
    manifest: &Manifest,
    facts: &FactsById,
) -> Option<Judged> {
    let said = Said { manifest, facts, left_out: &BTreeSet::new() };
    let observed = document.last.as_ref().map_or(0, |last| day_of(last.observed_us));
    let today = day_of(common.pins.at_us).max(observed);
    let mut best: Option<Judged> = None;
    for judge in &common.judges {
        for day in [today, observed] {
            let differ = compare(document, judge, &common.lists, &said, day).differ;
            if best.as_ref().is_none_or(|best| differ.len() < best.differ.len()) {
                best = Some(Judged { judge: Arc::clone(judge), day, differ });
            }
        }
    }
    best
}

/// What holds of a property at a moment.
fn said_at(spans: &[HostSpan], row: &HostRow, property: &str, at_us: i64) -> Option<String> {
    let begin = spans.partition_point(|said| said.host < row.id);
    let of = spans.iter().skip(begin).take_while(|said| said.host == row.id);
    let of = of.filter(|said| said.property == property).map(|said| &said.span);
    let held = of.filter(|span| span.from_us <= at_us && span.to_us.is_none_or(|to| at_us < to));
    held.last().map(|span| span.value.clone())
}

/// Since when two promised check-ins had not come, or its identity was ended.
fn silent_since(row: &HostRow, last: Option<&LoggedCheckIn>, at_us: i64) -> Option<i64> {
    let due =
        |last: &LoggedCheckIn| last.received_us + 2 * last.signed.check_in.next_due_s * 1_000_000;
    let since = last.map(due).into_iter().chain(row.revoked_us).min()?;
    (since < at_us).then_some(since)
}

fn last_document(last: &LoggedCheckIn) -> LastDocument {
    let check_in = &last.signed.check_in;
    LastDocument {
        index: last.index,
        observed_us: last.observed_us,
        received_us: last.received_us,
        next_due_s: check_in.next_due_s,
        manifest: check_in.manifest,
        agent: check_in.agent.clone(),
    }
}

/// A check-in in the form of DSSE.
fn envelope(signed: &SignedCheckIn, key: &PublicKey) -> Envelope {
    Envelope {
        payload: STANDARD.encode(signed.payload()),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![EnvelopeSignature {
            keyid: Digest::of(&key.0).to_string(),
            sig: STANDARD.encode(signed.signature()),
        }],
    }
}

fn write_objects(
    manifests: &BTreeMap<Digest, Manifest>,
    facts: &FactsById,
    common: &Common,
    work: &Work,
) -> Result<(), SnapshotError> {
    for (id, manifest) in manifests {
        let name = format!("objects/{id}");
        if !work.has(&name) {
            work.put(&name, &manifest.to_bytes()?)?;
        }
    }
    for (id, facts) in facts.iter().filter(|(_, facts)| !common.left_out.contains(&facts.kind)) {
        let name = format!("objects/{id}");
        if !work.has(&name) {
            work.put(&name, facts.bytes())?;
        }
    }
    Ok(())
}

/// Takes away offenders of rules that read kinds which are left out.
fn hide(document: &mut HostDocument, judge: &Judge, common: &Common) {
    for result in &mut document.results {
        let rule = judge.rules().rule_of(&document.group, &result.rule);
        let reads = rule.is_none_or(|r| r.evidence.iter().any(|k| common.left_out.contains(k)));
        if reads && !common.left_out.is_empty() && !result.offenders.is_empty() {
            result.offenders = vec![left_out(result.offenders.len())];
        }
    }
}
