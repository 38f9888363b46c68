//! Makes the documents of a snapshot from the store, host by host. What is in the directory of work
//! already is not made again.

mod host;
mod logged;
mod said;

use super::SnapshotError;
use super::document::{Asked, FORMAT, Head, HostDocument, ListsDocument, Pins};
use super::files::{Documents, Work};
use super::rules::{self, Shelf};
use crate::judge::Judge;
use crate::record::Registers;
use crate::scope::{GroupTimes, Interval, Scope, joined, service_times};
use crate::settings;
use crate::span::Span;
use crate::status::RepairLimits;
use crate::store::model::HostRow;
use crate::store::{HostSpan, Store};
use evidence::checkpoint::Checkpoint;
use evidence::key::PublicKey;
use evidence::{Digest, HostId};
use logged::Acts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a snapshot is made with.
pub struct Maker<'a> {
    pub store: &'a Store,
    /// Signs checkpoints of any size.
    pub signer: &'a crate::log::LogSigner,
    pub limits: RepairLimits,
    pub shelf: Arc<Shelf>,
    pub registers: Registers,
}

/// `begun.json`, beside the documents: what a run that goes on must agree with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    program: String,
    asked: Asked,
    pins: Pins,
}

/// What all hosts of a snapshot have in common.
struct Common {
    pins: Pins,
    asked: Asked,
    left_out: BTreeSet<String>,
    /// Since when each rule set was in force, the latest last.
    activated: Vec<(u64, Digest)>,
    /// The last two of them: a host may have been judged by the one before.
    judges: Vec<Arc<Judge>>,
    enrolled: BTreeMap<HostId, u64>,
    lists: ListsDocument,
    judged: BTreeMap<String, i64>,
    keys: BTreeMap<HostId, PublicKey>,
    spans: Vec<HostSpan>,
}

impl Maker<'_> {
    /// Makes all documents but those that are derived. `progress` is told how many hosts were read
    /// of how many.
    pub async fn documents(
        &self,
        asked: &Asked,
        now_us: i64,
        work: &Work,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Head, SnapshotError> {
        let pins = self.begin(asked, now_us, work).await?;
        let acts = self.acts(&pins).await?;
        let hosts = self.hosts(asked, &pins).await?;
        let common = self.common(asked, pins, &acts).await?;
        let of = hosts.len() as u64;
        let mut unjudged = 0;
        let mut used: BTreeSet<Digest> = BTreeSet::new();
        for (done, (row, times)) in hosts.iter().enumerate() {
            progress(done as u64, of);
            let name = format!("hosts/{}.json", row.id);
            if !work.has(&name) {
                self.host(&common, row, times, work).await?;
            }
            let document: HostDocument = read(work, &name)?;
            unjudged += u64::from(!document.judged);
            used.extend(document.results.iter().map(|result| result.rules));
            used.extend(document.rules);
        }
        progress(of, of);
        let scope: BTreeSet<HostId> = hosts.iter().map(|(row, _)| row.id).collect();
        self.write_acts(&acts, &scope, &common, work).await?;
        let rules = common.activated.last().map(|(_, id)| *id);
        self.write_rules(&common, used, work).await?;
        self.write_said(&common, &scope, work).await?;
        let root = self.store.root_at(pins.known_size).await?;
        self.write_log(&pins, root, work).await?;
        let setting = async |name| Ok::<_, SnapshotError>(self.store.setting(name).await?);
        let head = Head {
            format: FORMAT.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            organisation: setting(settings::ORGANISATION).await?.unwrap_or_default(),
            origin: setting(settings::LOG_ORIGIN).await?.unwrap_or_default(),
            pins,
            root,
            asked: asked.clone(),
            limits: self.limits,
            tolerances: self.store.tolerance_documents(pins.at_us, pins.known()).await?,
            rules,
            hosts: of,
            unjudged,
            left_out: common.left_out,
        };
        work.document("snapshot.json", &head)?;
        Ok(head)
    }

    /// The pins: those of a run that was cut off, or new ones.
    async fn begin(&self, asked: &Asked, now_us: i64, work: &Work) -> Result<Pins, SnapshotError> {
        let path = work.beside("begun.json");
        let program = env!("CARGO_PKG_VERSION").to_owned();
        if let Ok(bytes) = std::fs::read(&path) {
            let begun = serde_json::from_slice::<Begun>(&bytes);
            return match begun {
                Ok(begun) if begun.asked == *asked && begun.program == program => Ok(begun.pins),
                _ => Err(SnapshotError::Asked(format!(
                    "{} is of another snapshot that was cut off: finish that one, or remove the \
                     directory",
                    path.parent().unwrap_or(&path).display()
                ))),
            };
        }
        let size = self.store.log().await?.size;
        let at_us = asked.at_us.unwrap_or(now_us);
        let pins = Pins {
            at_us,
            from_us: asked.from_us.unwrap_or(at_us),
            known_size: asked.known_size.unwrap_or(size),
        };
        let refuse = |what: String| Err(SnapshotError::Asked(what));
        if at_us > now_us {
            return refuse("the moment lies in the future".to_owned());
        }
        if pins.from_us > at_us {
            return refuse("the period ends before it begins".to_owned());
        }
        if pins.known_size > size || pins.known_size == 0 {
            return refuse(format!("the log has {size} leaves, not {}", pins.known_size));
        }
        let begun = Begun { program, asked: asked.clone(), pins };
        let bytes = serde_json::to_vec(&begun).unwrap_or_default();
        std::fs::write(&path, bytes).map_err(|source| SnapshotError::File { path, source })?;
        Ok(pins)
    }

    async fn common(
        &self,
        asked: &Asked,
        pins: Pins,
        acts: &Acts,
    ) -> Result<Common, SnapshotError> {
        let kinds = evidence::kinds::ALL.iter().filter(|kind| kind.personal);
        let left_out: BTreeSet<String> = match asked.without_personal {
            true => kinds.map(|kind| kind.name.to_owned()).collect(),
            false => BTreeSet::new(),
        };
        let mut lists = self.store.accepted_at(pins.at_us).await?;
        for list in lists.values_mut() {
            list.retain(|population, _| !said::is_personal(population, &left_out));
        }
        let spans = self.store.host_spans(None).await?;
        let activated = acts.activated(pins.at_us);
        let mut judges = vec![];
        for (_, id) in activated.iter().rev().take(2) {
            if let Some(sources) = self.store.rule_sources(*id).await? {
                judges.extend(self.shelf.judge(&rules::document(*id, sources)?));
            }
        }
        Ok(Common {
            judges,
            pins,
            asked: asked.clone(),
            left_out,
            activated,
            enrolled: acts.enrolled(),
            lists,
            judged: self.store.judged_indexes().await?,
            keys: self.store.evidence_keys().await?.into_iter().collect(),
            spans: spans.into_iter().filter_map(|row| as_known(row, pins.known())).collect(),
        })
    }

    /// Hosts that were in scope and known at any time of the period, by id, and when. Those that are
    /// out of service at a moment are there without a time.
    async fn hosts(
        &self,
        asked: &Asked,
        pins: &Pins,
    ) -> Result<Vec<(HostRow, Vec<Interval>)>, SnapshotError> {
        let known = pins.known();
        let spans: Vec<_> = self.store.host_spans(None).await?;
        let spans: Vec<_> = spans.into_iter().filter_map(|row| as_known(row, known)).collect();
        // A moment is an interval of a microsecond.
        let period = (pins.from_us, pins.at_us + 1);
        let ever = (i64::MIN, pins.at_us + 1);
        let mut scopes = vec![];
        for text in &asked.isms {
            let isms = self.store.isms(text).await?.ok_or_else(|| {
                SnapshotError::Asked(format!("there is no management system {text}"))
            })?;
            scopes.push((Scope::Isms(isms.id.clone()), self.group_times(&isms.id, known).await?));
        }
        if scopes.is_empty() {
            scopes.push((Scope::Organisation, GroupTimes::new()));
        }
        let mut times: BTreeMap<HostId, Vec<Interval>> = BTreeMap::new();
        for (scope, groups) in &scopes {
            for host in service_times(scope, &spans, groups, ever).into_keys() {
                times.entry(host).or_default();
            }
            for (host, held) in service_times(scope, &spans, groups, period) {
                times.entry(host).or_default().extend(held);
            }
        }
        let rows = self.store.hosts().await?;
        let mut rows: Vec<_> = rows
            .into_iter()
            .filter(|row| row.enrolled_us <= pins.at_us)
            .filter_map(|row| times.remove(&row.id).map(|times| (row, joined(times))))
            .collect();
        rows.sort_by_key(|(row, _)| row.id);
        Ok(rows)
    }

    /// When groups belonged to a management system, as it was known then.
    async fn group_times(&self, isms: &str, known: i64) -> Result<GroupTimes, SnapshotError> {
        let mut times = GroupTimes::new();
        for row in self.store.isms_spans(isms).await? {
            let Some(span) = span_as_known(row.span, known) else { continue };
            if span.value == "in" {
                let held = (span.from_us, span.to_us.unwrap_or(i64::MAX));
                times.entry(row.group).or_default().push(held);
            }
        }
        times.values_mut().for_each(|held| *held = joined(std::mem::take(held)));
        Ok(times)
    }

    async fn write_rules(
        &self,
        common: &Common,
        used: BTreeSet<Digest>,
        work: &Work,
    ) -> Result<(), SnapshotError> {
        // A result names the set by its group; the sets themselves are those that were activated.
        let sets = self.sets(common, &used).await?;
        for document in sets {
            work.document(&format!("rules/{}.json", document.id), &document)?;
        }
        Ok(())
    }

    /// The rule sets that judged anything here.
    async fn sets(
        &self,
        common: &Common,
        used: &BTreeSet<Digest>,
    ) -> Result<Vec<super::document::RulesDocument>, SnapshotError> {
        let all: BTreeSet<Digest> = common.activated.iter().map(|(_, id)| *id).collect();
        let last = common.activated.last().map(|(_, id)| *id);
        let mut found = vec![];
        for id in all {
            let Some(sources) = self.store.rule_sources(id).await? else { continue };
            let document = rules::document(id, sources)?;
            let judge = self.shelf.judge(&document);
            let judged = |name: &Digest| judge.as_ref().is_some_and(|j| j.rules().has(*name));
            if last == Some(id) || used.contains(&id) || used.iter().any(judged) {
                found.push(document);
            }
        }
        Ok(found)
    }

    async fn write_log(&self, pins: &Pins, root: Digest, work: &Work) -> Result<(), SnapshotError> {
        let head = evidence::checkpoint::TreeHead { size: pins.known_size, root };
        let state = crate::store::LogState { size: head.size, root: head.root };
        let Checkpoint { note, .. } = self.signer.checkpoint(state);
        work.put("log/checkpoint", note.as_bytes())?;
        let keys: String =
            self.signer.public().iter().map(|key| format!("{}\n", key.vkey())).collect();
        work.put("keys/log.vkeys", keys.as_bytes())?;
        for tile in super::tlog::tiles(pins.known_size, 0) {
            let hashes = self.store.log_tile(tile.level, tile.index).await?;
            let hashes = hashes.get(..tile.width as usize * 32).ok_or_else(|| {
                SnapshotError::Damaged(format!("{} of the log is too short", tile.path()))
            })?;
            work.put(&tile.path(), hashes)?;
        }
        Ok(())
    }
}

/// A document of the directory of work.
pub(super) fn read<T: serde::de::DeserializeOwned>(
    work: &Work,
    name: &str,
) -> Result<T, SnapshotError> {
    let bytes = work.clone().bytes(name)?.unwrap_or_default();
    serde_json::from_slice(&bytes).map_err(|error| SnapshotError::Other(format!("{name}: {error}")))
}

/// A span as the log knew it at an index: without what was said later.
fn span_as_known<V>(span: Span<V>, known: i64) -> Option<Span<V>> {
    if span.known > known || span.superseded_known.is_some_and(|index| index <= known) {
        return None;
    }
    let ended = span.ended_known.is_none_or(|index| index <= known);
    Some(Span { to_us: span.to_us.filter(|_| ended), superseded_known: None, ..span })
}

fn as_known(row: HostSpan, known: i64) -> Option<HostSpan> {
    Some(HostSpan { span: span_as_known(row.span, known)?, ..row })
}
