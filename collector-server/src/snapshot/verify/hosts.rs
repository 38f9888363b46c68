//! The hosts of an archive: check-ins, facts, results.

use super::logged::{Acts, Rules};
use super::{Layer, Reading};
use crate::clock::day_of;
use crate::judge::Judge;
use crate::snapshot::document::{CheckInLine, Head, HostDocument, ListsDocument};
use crate::snapshot::judged::{Said, compare, explanations};
use crate::snapshot::tlog::hashes_of;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::check_in::PAYLOAD_TYPE;
use evidence::key::PublicKey;
use evidence::{Digest, Facts, HostId, Manifest, SignedCheckIn, canonical, leaf, merkle, proof};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use std::sync::Arc;

/// What was counted over all hosts.
#[derive(Default)]
struct Counts {
    hosts: u64,
    unjudged: u64,
    check_ins: u64,
    objects: BTreeSet<Digest>,
    equal: u64,
    not_judged: u64,
    /// Hosts whose rules this program does not have.
    without_rules: u64,
    disagreeing: u64,
}

/// A check-in of the archive that was verified.
struct Verified {
    observed_us: i64,
    received_us: i64,
    signed: SignedCheckIn,
}

impl<R: Read + Seek> Reading<R> {
    pub(super) fn hosts(&mut self, head: &Head, acts: &Acts, rules: &Rules) {
        let lists: ListsDocument = match self.document("lists.json") {
            Ok(lists) => lists,
            Err(error) => {
                self.outcome.fails(Layer::Results, error);
                ListsDocument::new()
            }
        };
        let within = self.archive.files.range("hosts/".to_owned().."hosts0".to_owned());
        let names: Vec<String> = within.map(|(name, _)| name.clone()).collect();
        let mut counts = Counts::default();
        for name in names {
            let host: HostDocument = match self.document(&name) {
                Ok(host) => host,
                Err(error) => {
                    self.outcome.fails(Layer::Facts, error);
                    continue;
                }
            };
            if name != format!("hosts/{}.json", host.host) {
                self.outcome.fails(Layer::Facts, format!("{name} is of another host"));
                continue;
            }
            counts.hosts += 1;
            counts.unjudged += u64::from(!host.judged);
            self.host(head, &host, acts, (rules, &lists), &mut counts);
        }
        self.sum(head, rules, &counts);
    }

    fn sum(&mut self, head: &Head, rules: &Rules, counts: &Counts) {
        if counts.hosts != head.hosts || counts.unjudged != head.unjudged {
            let what = format!(
                "{} hosts are here, {} of them not judged; snapshot.json says {} and {}",
                counts.hosts, counts.unjudged, head.hosts, head.unjudged
            );
            self.outcome.fails(Layer::Facts, what);
        }
        for (layer, what) in [
            (Layer::CheckIns, format!("{} check-ins of {} hosts", counts.check_ins, counts.hosts)),
            (Layer::Facts, format!("{} manifests and facts", counts.objects.len())),
            (Layer::Results, format!("{} results judged again are equal", counts.equal)),
        ] {
            match self.outcome.is_faultless(layer) {
                // Nothing proves nothing.
                true if counts.check_ins == 0 => self.outcome.open(layer, what),
                true => self.outcome.holds(layer, what),
                false => {}
            }
        }
        let mut open = |count: u64, what: &str| {
            if count > 0 {
                self.outcome.open(Layer::Results, format!("{count} {what}"));
            }
        };
        open(counts.not_judged, "results rest on facts that are left out");
        open(counts.unjudged, "hosts have a check-in that was not judged yet");
        open(counts.without_rules, "hosts were judged by rules that this program does not have");
        open(rules.refused, "rule sets are refused by this version of the program");
        open(
            counts.disagreeing,
            "hosts have results on record that the rules do not give; the snapshot itself says so",
        );
    }

    fn host(
        &mut self,
        head: &Head,
        host: &HostDocument,
        acts: &Acts,
        (rules, lists): (&Rules, &ListsDocument),
        counts: &mut Counts,
    ) {
        let id = host.host;
        let enrolled = acts.enrolled.get(&id);
        if enrolled.is_none_or(|act| {
            Some(act.index) != host.enrolled_index
                || act.key != host.evidence_key
                || act.name != host.name
        }) {
            let what = format!("no act of the log enrols host {id} with its key and name");
            self.outcome.fails(Layer::CheckIns, what);
        }
        let check_ins = self.check_ins(head, host);
        counts.check_ins += check_ins.len() as u64;
        let (manifests, facts) = self.objects(head, host, &check_ins, counts);
        let Some(last) = &host.last else {
            if host.results.iter().any(|result| result.holds()) {
                let what = format!("host {id} has results and no check-in");
                self.outcome.fails(Layer::Results, what);
            }
            return;
        };
        let is_last = check_ins.get(&last.index).is_some_and(|found| {
            let check_in = &found.signed.check_in;
            found.observed_us == last.observed_us
                && found.received_us == last.received_us
                && check_in.manifest == last.manifest
                && check_in.next_due_s == last.next_due_s
                && check_in.agent == last.agent
        });
        if !is_last || check_ins.keys().next_back() != Some(&last.index) {
            let what = format!("host {id}: the last check-in is not the one that is said");
            self.outcome.fails(Layer::CheckIns, what);
        }
        // Two promised check-ins that did not come are silence, whatever is said.
        let due_us = last.received_us + 2 * last.next_due_s * 1_000_000;
        if due_us < head.pins.at_us && host.silent_since_us.is_none_or(|since| since > due_us) {
            let what = format!("host {id} is silent, and that is not said");
            self.outcome.fails(Layer::Results, what);
        }
        counts.disagreeing += u64::from(!host.disagrees.is_empty());
        if !host.judged {
            self.read.insert(format!("explanations/{id}.jsonl"));
            return;
        }
        let manifest = manifests.get(&last.manifest).cloned().unwrap_or_default();
        let said = Said { manifest: &manifest, facts: &facts, left_out: &head.left_out };
        self.judge(head, host, rules, lists, &said, counts);
    }

    fn judge(
        &mut self,
        head: &Head,
        host: &HostDocument,
        rules: &Rules,
        lists: &ListsDocument,
        said: &Said<'_>,
        counts: &mut Counts,
    ) {
        let id = host.host;
        let judge = host.rules.and_then(|name| rules.of(name));
        let (Some(judge), Some(day)) = (judge, host.day) else {
            counts.without_rules += 1;
            self.read.insert(format!("explanations/{id}.jsonl"));
            return;
        };
        let observed = host.last.as_ref().map_or(0, |last| day_of(last.observed_us));
        if host.rules != Some(judge.rules().id_of(&host.group))
            || day < observed
            || day > day_of(head.pins.at_us).max(observed)
        {
            let what =
                format!("host {id}: its rules or its day are not those of its group and time");
            self.outcome.fails(Layer::Results, what);
        }
        let compared = compare(host, judge, lists, said, day);
        self.explained(host, judge, lists, said, day);
        counts.equal += compared.equal;
        counts.not_judged += compared.not_judged;
        // What a snapshot says of itself is no news: it was found when it was made.
        if compared.differ != host.disagrees && said.left_out.is_empty() {
            let what = match compared.differ.is_empty() {
                true => "results are equal that are said to differ".to_owned(),
                false => format!("the rules say otherwise: {}", compared.differ.join(", ")),
            };
            self.outcome.fails(Layer::Results, format!("host {id}: {what}"));
        } else if !said.left_out.is_empty() {
            let unsaid = compared.differ.iter().filter(|rule| !host.disagrees.contains(rule));
            for rule in unsaid {
                self.outcome
                    .fails(Layer::Results, format!("host {id}: the rules say otherwise: {rule}"));
            }
        }
    }

    /// Explanations are what the rules give; they are for people, and must not mislead them.
    fn explained(
        &mut self,
        host: &HostDocument,
        judge: &Judge,
        lists: &ListsDocument,
        said: &Said<'_>,
        day: i64,
    ) {
        let name = format!("explanations/{}.jsonl", host.host);
        let again = explanations(judge, &host.group, lists, said, day);
        let again = again.map_err(|error| error.to_string()).and_then(|lines| {
            let mut bytes = vec![];
            for line in lines {
                bytes.extend(canonical::to_vec(&line).map_err(|error| error.to_string())?);
                bytes.push(b'\n');
            }
            Ok(bytes)
        });
        match (self.file(&name), again) {
            (Ok(bytes), Ok(again)) if bytes == again => {}
            (Ok(_), Ok(_)) => {
                self.outcome.fails(Layer::Results, format!("{name} is not what the rules give"));
            }
            (Err(error), _) | (_, Err(error)) => self.outcome.fails(Layer::Results, error),
        }
    }

    fn check_ins(&mut self, head: &Head, host: &HostDocument) -> BTreeMap<u64, Verified> {
        let mut found = BTreeMap::new();
        let lines: Vec<CheckInLine> = match self.lines(&format!("check-ins/{}.jsonl", host.host)) {
            Ok(lines) => lines,
            Err(error) => {
                self.outcome.fails(Layer::CheckIns, error);
                return found;
            }
        };
        let mut last = None;
        for line in lines {
            let index = line.index;
            let in_order = last.is_none_or(|last| last < index);
            last = Some(index);
            match check_in(&line, head, host.host, &host.evidence_key) {
                Ok(signed) if in_order => {
                    let (observed_us, received_us) = (line.observed_us, line.received_us);
                    found.insert(index, Verified { observed_us, received_us, signed });
                }
                Ok(_) => {
                    let what = format!("check-in {index} is out of order");
                    self.outcome.fails(Layer::CheckIns, what);
                }
                Err(what) => {
                    self.outcome.fails(Layer::CheckIns, format!("check-in {index}: {what}"));
                }
            }
        }
        found
    }

    /// Manifests of the check-ins, and every fact that is named; what is missing must be said.
    fn objects(
        &mut self,
        head: &Head,
        host: &HostDocument,
        check_ins: &BTreeMap<u64, Verified>,
        counts: &mut Counts,
    ) -> (BTreeMap<Digest, Manifest>, BTreeMap<Digest, Arc<Facts>>) {
        let (mut manifests, mut facts) = (BTreeMap::new(), BTreeMap::new());
        // Kind by id: which kinds a snapshot leaves out is known by their names.
        let mut named: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        for kind in &host.kinds {
            if let Some(id) = kind.entry.facts {
                named.entry(id).or_default().insert(kind.kind.clone());
            }
        }
        let mut missing = host.missing.clone();
        for id in check_ins.values().map(|found| found.signed.check_in.manifest) {
            match self.object(id, &mut missing) {
                Ok(Some(bytes)) => match Manifest::from_bytes(&bytes) {
                    Ok(manifest) => {
                        for (kind, entry) in &manifest.kinds {
                            if let Some(id) = entry.facts {
                                named.entry(id).or_default().insert(kind.clone());
                            }
                        }
                        counts.objects.insert(id);
                        manifests.insert(id, manifest);
                    }
                    Err(error) => {
                        self.outcome.fails(Layer::Facts, format!("manifest {id}: {error}"))
                    }
                },
                Ok(None) => {}
                Err(error) => self.outcome.fails(Layer::Facts, error),
            }
        }
        for (id, kinds) in named {
            if kinds.iter().all(|kind| head.left_out.contains(kind)) {
                missing.remove(&id);
                continue;
            }
            match self.object(id, &mut missing) {
                Ok(Some(bytes)) => match Facts::from_bytes(bytes) {
                    Ok(read) => {
                        counts.objects.insert(id);
                        facts.insert(id, Arc::new(read));
                    }
                    Err(error) => self.outcome.fails(Layer::Facts, format!("facts {id}: {error}")),
                },
                Ok(None) => {}
                Err(error) => self.outcome.fails(Layer::Facts, error),
            }
        }
        for id in missing {
            let what =
                format!("host {}: {id} is said to be missing, and nothing names it", host.host);
            self.outcome.fails(Layer::Facts, what);
        }
        (manifests, facts)
    }

    /// An object; none if it is said to be missing.
    fn object(
        &mut self,
        id: Digest,
        missing: &mut BTreeSet<Digest>,
    ) -> Result<Option<Vec<u8>>, String> {
        let is_missing = missing.remove(&id);
        let name = format!("objects/{id}");
        if is_missing {
            return Ok(None);
        }
        let bytes = self.file(&name)?;
        if Digest::of(&bytes) != id {
            return Err(format!("{name} does not have the digest of its name"));
        }
        Ok(Some(bytes))
    }
}

/// A check-in that its host signed and that is in the log.
fn check_in(
    line: &CheckInLine,
    head: &Head,
    host: HostId,
    key: &PublicKey,
) -> Result<SignedCheckIn, String> {
    let envelope = &line.envelope;
    let [signature] = envelope.signatures.as_slice() else {
        return Err("it does not have one signature".to_owned());
    };
    let plain = |text: &str| {
        let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
        if STANDARD.encode(&bytes) == text { Ok(bytes) } else { Err("other base64".to_owned()) }
    };
    let bytes = [plain(&signature.sig)?, plain(&envelope.payload)?].concat();
    let signed = SignedCheckIn::from_bytes(&bytes).map_err(|error| error.to_string())?;
    if envelope.payload_type != PAYLOAD_TYPE || signature.keyid != Digest::of(&key.0).to_string() {
        return Err("its envelope names another type or key".to_owned());
    }
    signed.verify(key).map_err(|error| error.to_string())?;
    if signed.check_in.host != host {
        return Err("it is of another host".to_owned());
    }
    let path = hashes_of(&line.proof).ok_or("its proof is none")?;
    let hash = merkle::leaf_hash(&leaf::check_in_leaf(&signed));
    proof::verify_inclusion(&hash, line.index, head.pins.known_size, &path, &head.root)
        .map_err(|error| error.to_string())?;
    Ok(signed)
}
