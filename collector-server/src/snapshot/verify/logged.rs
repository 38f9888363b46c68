//! The log of an archive: checkpoint, tiles, and acts.

use super::{Layer, Reading, Trust};
use crate::judge::Judge;
use crate::snapshot::document::{ActLine, Head, RulesDocument};
use crate::snapshot::rules::Shelf;
use crate::snapshot::tlog::{Tile, Tiles, hashes_of, tile_root, tiles};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::checkpoint::{Checkpoint, LogKey};
use evidence::key::PublicKey;
use evidence::{Digest, HostId, leaf, merkle, proof};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use std::sync::Arc;

/// What acts of the log prove.
#[derive(Default)]
pub(super) struct Acts {
    /// Hosts that enrolled.
    pub(super) enrolled: BTreeMap<HostId, Enrolled>,
    pub(super) activated: BTreeSet<Digest>,
}

/// What the act of an enrolment says.
pub(super) struct Enrolled {
    pub(super) index: u64,
    pub(super) key: PublicKey,
    pub(super) name: String,
}

/// Rule sets of an archive.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) judges: Vec<Arc<Judge>>,
    /// Sets that this program refuses.
    pub(super) refused: u64,
}

impl Rules {
    /// The judge of a set, by the name that it has for a host's group.
    pub(super) fn of(&self, name: Digest) -> Option<&Arc<Judge>> {
        self.judges.iter().find(|judge| judge.rules().has(name))
    }
}

impl<R: Read + Seek> Reading<R> {
    pub(super) fn log(&mut self, head: &Head, trust: &Trust) {
        if let Err(error) = self.checkpoint(head, trust) {
            self.outcome.fails(Layer::Log, error);
        }
        let (size, mut bad) = (head.pins.known_size, vec![]);
        let mut level_one: BTreeMap<u64, Digest> = BTreeMap::new();
        let mut hashes: BTreeMap<(u8, u64), Vec<u8>> = BTreeMap::new();
        // A size that the archive cannot hold is no reason to look for its tiles.
        if size > (self.archive.files.len() as u64).saturating_mul(256) {
            return self.outcome.fails(Layer::Log, format!("tiles of {size} leaves are not here"));
        }
        for tile in tiles(size, 0) {
            match self.file(&tile.path()) {
                Ok(bytes) if bytes.len() as u64 == tile.width * 32 => {
                    if let Some(root) = tile_root(&bytes).filter(|_| tile.level == 0) {
                        level_one.insert(tile.index, root);
                    }
                    if tile.level > 0 || tile.width < 256 {
                        hashes.insert((tile.level, tile.index), bytes);
                    }
                }
                Ok(_) => bad.push(format!("{} is not of its width", tile.path())),
                Err(error) => bad.push(error),
            }
        }
        let mut get = |tile: &Tile| hashes.get(&(tile.level, tile.index)).cloned();
        let mut tree = Tiles::new(size, &mut get);
        for (index, root) in level_one {
            if tree.node(merkle::Node { level: 8, index }) != Some(root) {
                bad.push(format!("tile {index} of the log does not lead to its hash above"));
            }
        }
        if tree.root() != Some(head.root) {
            bad.push("the tiles lead to another root".to_owned());
        }
        for error in bad {
            self.outcome.fails(Layer::Log, error);
        }
        if self.outcome.is_faultless(Layer::Log) {
            let what = format!("{size} leaves under root {}", head.root);
            self.outcome.holds(Layer::Log, what);
        }
    }

    fn checkpoint(&mut self, head: &Head, trust: &Trust) -> Result<(), String> {
        let note = String::from_utf8(self.file("log/checkpoint")?).map_err(|e| e.to_string())?;
        let keys = match &trust.log {
            Some(keys) => keys.clone(),
            None => {
                let named = self.file("keys/log.vkeys")?;
                let named = String::from_utf8_lossy(&named).into_owned();
                named.lines().filter_map(log_key).collect()
            }
        };
        let checkpoint =
            Checkpoint::verify(&note, &keys).map_err(|e| format!("checkpoint: {e}"))?;
        if checkpoint.origin != head.origin
            || checkpoint.head.size != head.pins.known_size
            || checkpoint.head.root != head.root
        {
            return Err("the checkpoint is of another log, size or root".to_owned());
        }
        if trust.log.is_none() {
            let what = "its key is the one that the signed archive names".to_owned();
            self.outcome.open(Layer::Log, what);
        }
        Ok(())
    }

    pub(super) fn acts(&mut self, head: &Head) -> Acts {
        let mut acts = Acts::default();
        let lines: Vec<ActLine> = match self.lines("acts.jsonl") {
            Ok(lines) => lines,
            Err(error) => {
                self.outcome.fails(Layer::Acts, error);
                return acts;
            }
        };
        let mut last = None;
        for line in &lines {
            if last.is_some_and(|last| last >= line.index) {
                self.outcome.fails(Layer::Acts, format!("act {} is out of order", line.index));
            }
            last = Some(line.index);
            match act(line, head) {
                Ok(body) => acts.note(line.index, &body),
                Err(what) => {
                    self.outcome.fails(Layer::Acts, format!("act {}: {what}", line.index));
                }
            }
        }
        if self.outcome.is_faultless(Layer::Acts) {
            self.outcome.holds(Layer::Acts, format!("{} acts", lines.len()));
        }
        acts
    }

    /// Loads the rule sets; each must be the one of its name.
    pub(super) fn rules(&mut self, head: &Head, shelf: &Shelf) -> Rules {
        let mut rules = Rules::default();
        let within = self.archive.files.range("rules/".to_owned().."rules0".to_owned());
        let names: Vec<String> = within.map(|(name, _)| name.clone()).collect();
        for name in &names {
            let set: RulesDocument = match self.document(name) {
                Ok(set) => set,
                Err(error) => {
                    self.outcome.fails(Layer::Results, error);
                    continue;
                }
            };
            if *name != format!("rules/{}.json", set.id) || !Shelf::is_of_its_name(&set) {
                let what = format!("{name} is not the rule set of its name");
                self.outcome.fails(Layer::Results, what);
                continue;
            }
            match shelf.judge(&set) {
                Some(judge) => rules.judges.push(judge),
                None => rules.refused += 1,
            }
        }
        if let Some(id) = head.rules
            && !names.contains(&format!("rules/{id}.json"))
        {
            self.outcome.fails(Layer::Results, format!("the rules in force ({id}) are missing"));
        }
        rules
    }
}

/// The body of an act, if it is in the log.
fn act(line: &ActLine, head: &Head) -> Result<Value, String> {
    let salt = hex::decode(&line.salt).ok().and_then(|salt| <[u8; 16]>::try_from(salt).ok());
    let salt = salt.ok_or("its salt is none")?;
    if hex::encode(salt) != line.salt {
        return Err("its salt is written in another way".to_owned());
    }
    let path = hashes_of(&line.proof).ok_or("its proof is none")?;
    let hash = merkle::leaf_hash(&leaf::act_leaf(&salt, line.body.as_bytes()));
    proof::verify_inclusion(&hash, line.index, head.pins.known_size, &path, &head.root)
        .map_err(|error| error.to_string())?;
    serde_json::from_str(&line.body).map_err(|error| error.to_string())
}

impl Acts {
    fn note(&mut self, index: u64, body: &Value) {
        let detail = &body["detail"];
        let text = |name: &str| detail[name].as_str();
        match body["act"].as_str() {
            Some("host_enrolled") => {
                let host = text("host").and_then(|text| text.parse().ok());
                let key = text("evidence_key").and_then(|text| text.parse().ok());
                let name = text("name").unwrap_or_default().to_owned();
                self.enrolled.extend(host.zip(key.map(|key| Enrolled { index, key, name })));
            }
            Some("rules_activated") => {
                self.activated.extend(text("rules").and_then(|text| text.parse::<Digest>().ok()));
            }
            _ => {}
        }
    }
}

/// A verifier key as C2SP signed-note writes it.
pub fn log_key(vkey: &str) -> Option<LogKey> {
    let mut parts = vkey.trim().splitn(3, '+');
    let (origin, _, key) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = STANDARD.decode(key).ok()?;
    let key = LogKey {
        origin: origin.to_owned(),
        key: bytes
            .split_first()
            .filter(|(sort, _)| **sort == 1)
            .and_then(|(_, key)| PublicKey::from_slice(key))?,
    };
    (key.vkey() == vkey.trim()).then_some(key)
}
