//! Manifests and facts: stored once each, and counted per host.

use super::db::{Tx, execute, execute_rows, fetch, fetch_rows, read, read_rows};
use super::ingest::enqueue;
use super::{Store, StoreError};
use evidence::{Digest, Facts, HostId, Manifest};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Which of the pairs that follow are there.
const HELD: &str = "SELECT object FROM host_object WHERE (host, object) IN (VALUES ";

/// zstd level of stored objects: they are written once and read often.
const LEVEL: i32 = 6;

#[derive(Debug, thiserror::Error)]
pub enum ObjectRefusal {
    /// Nobody asked this host for it. The agent sends its check-in first.
    #[error("this object was not asked for")]
    NotWanted,
    /// The bytes are not what the name says, or not canonical JSON.
    #[error("{0}")]
    Malformed(String),
}

/// Manifests that hosts said will never be whole, until they are judged so. In memory alone: a
/// collector that forgets them, or another one, judges with the host's next check-in.
#[derive(Debug, Clone, Default)]
pub(super) struct Lost(Arc<Mutex<BTreeSet<(HostId, Digest)>>>);

impl Lost {
    pub(super) fn has(&self, host: HostId, manifest: Digest) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(host, manifest))
    }

    pub(super) fn judged(&self, host: HostId, manifest: Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(host, manifest));
    }

    fn note(&self, host: HostId, manifests: impl Iterator<Item = Digest>) {
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lost.extend(manifests.map(|manifest| (host, manifest)));
    }
}

impl Store {
    /// Notes that a host will never send these objects, and queues it for judgement. What nobody
    /// asked it for changes nothing. They stay wanted: if they turn up after all, they are taken.
    /// Returns how many of them were wanted.
    pub async fn note_lost(
        &self,
        host: HostId,
        objects: &[Digest],
        now_us: i64,
    ) -> Result<usize, StoreError> {
        let name = host.to_string();
        let mut tx = self.db.begin().await?;
        let (mut manifests, mut wanted) = (BTreeSet::new(), 0);
        for object in objects {
            let sql = "SELECT manifest FROM wanted WHERE host = $1 AND object = $2";
            let rows = fetch!(&mut tx, all, (Vec<u8>,), sql, name.clone(), object.0.to_vec())?;
            wanted += usize::from(!rows.is_empty());
            manifests.extend(rows.iter().filter_map(|(id,)| Digest::from_slice(id)));
        }
        if wanted > 0 {
            enqueue(&mut tx, &name, now_us).await?;
            self.lost.note(host, manifests.into_iter());
            tx.commit().await?;
        }
        Ok(wanted)
    }

    /// Keeps a manifest that a receipt asked for, and notes which of its facts are missing.
    pub async fn put_manifest(
        &self,
        host: HostId,
        id: Digest,
        bytes: &[u8],
    ) -> Result<Result<(), ObjectRefusal>, StoreError> {
        let manifest = match check(id, bytes).map(|()| Manifest::from_bytes(bytes)) {
            Ok(Ok(manifest)) => manifest,
            Ok(Err(error)) => return Ok(Err(ObjectRefusal::Malformed(error.to_string()))),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let object = Stored::new(bytes)?;
        let name = host.to_string();
        let mut tx = self.db.begin().await?;
        if !is_wanted(&mut tx, &name, id).await? {
            return Ok(Err(ObjectRefusal::NotWanted));
        }
        let named: BTreeSet<Digest> = manifest.facts().collect();
        let held = held_now(&mut tx, host, named.iter().copied()).await?;
        let missing: Vec<_> = named.difference(&held).collect();
        execute_rows!(
            &mut tx,
            "INSERT INTO wanted (host, object, manifest) VALUES ",
            3,
            " ON CONFLICT DO NOTHING",
            missing,
            |facts| name.clone(),
            facts.0.to_vec(),
            id.0.to_vec()
        );
        keep(&mut tx, &name, id, &object).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Keeps facts that a receipt asked for.
    pub async fn put_facts(
        &self,
        host: HostId,
        id: Digest,
        bytes: Vec<u8>,
    ) -> Result<Result<(), ObjectRefusal>, StoreError> {
        if let Err(refusal) = check(id, &bytes) {
            return Ok(Err(refusal));
        }
        let facts = match Facts::from_bytes(bytes) {
            Ok(facts) => facts,
            Err(error) => return Ok(Err(ObjectRefusal::Malformed(error.to_string()))),
        };
        let object = Stored::new(facts.bytes())?;
        let host = host.to_string();
        let mut tx = self.db.begin().await?;
        if !is_wanted(&mut tx, &host, id).await? {
            return Ok(Err(ObjectRefusal::NotWanted));
        }
        keep(&mut tx, &host, id, &object).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// The canonical bytes of an object.
    pub async fn object(&self, id: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT zstd, size_bytes FROM object WHERE id = $1";
        let row = read!(&self.db, optional, (Vec<u8>, i64), sql, id.0.to_vec())?;
        let Some((compressed, size)) = row else { return Ok(None) };
        let size = usize::try_from(size).unwrap_or(0);
        let bytes = zstd::bulk::decompress(&compressed, size);
        let bytes = bytes.map_err(|e| StoreError::corrupt(format!("object {id}: {e}")))?;
        if Digest::of(&bytes) != id {
            return Err(StoreError::corrupt(format!("object {id} does not have its own digest")));
        }
        Ok(Some(bytes))
    }

    pub async fn facts(&self, id: Digest) -> Result<Option<Facts>, StoreError> {
        let Some(bytes) = self.object(id).await? else { return Ok(None) };
        let facts = Facts::from_bytes(bytes);
        facts.map(Some).map_err(|e| StoreError::corrupt(format!("facts {id}: {e}")))
    }

    pub async fn manifest(&self, id: Digest) -> Result<Option<Manifest>, StoreError> {
        let Some(bytes) = self.object(id).await? else { return Ok(None) };
        let manifest = Manifest::from_bytes(&bytes);
        manifest.map(Some).map_err(|e| StoreError::corrupt(format!("manifest {id}: {e}")))
    }

    /// The facts, if this host itself uploaded them.
    pub async fn facts_of_host(
        &self,
        host: HostId,
        id: Digest,
    ) -> Result<Option<Facts>, StoreError> {
        if self.has_sent(host, id).await? { self.facts(id).await } else { Ok(None) }
    }

    /// The manifest, if this host itself uploaded it.
    pub async fn manifest_of_host(
        &self,
        host: HostId,
        id: Digest,
    ) -> Result<Option<Manifest>, StoreError> {
        if self.has_sent(host, id).await? { self.manifest(id).await } else { Ok(None) }
    }

    /// Which of these objects this host itself uploaded.
    pub async fn held(
        &self,
        host: HostId,
        objects: impl Iterator<Item = Digest>,
    ) -> Result<BTreeSet<Digest>, StoreError> {
        let mut rows: Vec<(Vec<u8>,)> = Vec::new();
        read_rows!(
            &self.db,
            (Vec<u8>,),
            HELD,
            2,
            ")",
            in_one_run(objects),
            rows,
            |object| host.to_string(),
            object.0.to_vec()
        );
        Ok(rows.iter().filter_map(|(id,)| Digest::from_slice(id)).collect())
    }

    async fn has_sent(&self, host: HostId, id: Digest) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) FROM host_object WHERE host = $1 AND object = $2";
        let (n,) = read!(&self.db, one, (i64,), sql, host.to_string(), id.0.to_vec())?;
        Ok(n > 0)
    }
}

fn check(id: Digest, bytes: &[u8]) -> Result<(), ObjectRefusal> {
    if Digest::of(bytes) == id {
        Ok(())
    } else {
        Err(ObjectRefusal::Malformed("the bytes do not have the digest in the path".to_owned()))
    }
}

async fn is_wanted(tx: &mut Tx, host: &str, id: Digest) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM wanted WHERE host = $1 AND object = $2";
    let (n,) = fetch!(tx, one, (i64,), sql, host.to_owned(), id.0.to_vec())?;
    Ok(n > 0)
}

/// An object as its row has it.
struct Stored {
    compressed: Vec<u8>,
    size_bytes: i64,
}

impl Stored {
    /// Done before a transaction begins: there is one writer.
    fn new(bytes: &[u8]) -> Result<Self, StoreError> {
        let compressed = zstd::bulk::compress(bytes, LEVEL);
        let compressed = compressed.map_err(|e| StoreError::corrupt(e.to_string()))?;
        Ok(Self { compressed, size_bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX) })
    }
}

async fn keep(tx: &mut Tx, host: &str, id: Digest, object: &Stored) -> Result<(), StoreError> {
    let id = id.0.to_vec();
    let sql =
        "INSERT INTO object (id, zstd, size_bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    execute!(tx, sql, id.clone(), object.compressed.clone(), object.size_bytes)?;
    let sql = "INSERT INTO host_object (host, object) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    execute!(tx, sql, host.to_owned(), id.clone())?;
    let sql = "DELETE FROM wanted WHERE host = $1 AND object = $2";
    execute!(tx, sql, host.to_owned(), id.clone())?;
    execute!(tx, "DELETE FROM erased_object WHERE id = $1", id.clone())?;
    Ok(())
}

/// Facts that a stored manifest names.
pub(super) async fn facts_named(tx: &mut Tx, manifest: Digest) -> Result<Vec<Digest>, StoreError> {
    let sql = "SELECT zstd, size_bytes FROM object WHERE id = $1";
    let row = fetch!(tx, optional, (Vec<u8>, i64), sql, manifest.0.to_vec())?;
    let Some((compressed, size)) = row else { return Ok(vec![]) };
    let bytes = zstd::bulk::decompress(&compressed, usize::try_from(size).unwrap_or(0));
    let bytes = bytes.map_err(|e| StoreError::corrupt(format!("object {manifest}: {e}")))?;
    let manifest = Manifest::from_bytes(&bytes);
    let manifest = manifest.map_err(|e| StoreError::corrupt(format!("a manifest: {e}")))?;
    Ok(manifest.facts().collect())
}

/// [`Store::held`], within a transaction.
async fn held_now(
    tx: &mut Tx,
    host: HostId,
    objects: impl Iterator<Item = Digest>,
) -> Result<BTreeSet<Digest>, StoreError> {
    let mut rows: Vec<(Vec<u8>,)> = Vec::new();
    fetch_rows!(
        tx,
        (Vec<u8>,),
        HELD,
        2,
        ")",
        in_one_run(objects),
        rows,
        |object| host.to_string(),
        object.0.to_vec()
    );
    Ok(rows.iter().filter_map(|(id,)| Digest::from_slice(id)).collect())
}

/// As many as a power of two, the last one repeated: to ask twice for one costs less than another
/// way to the database.
fn in_one_run(objects: impl Iterator<Item = Digest>) -> Vec<Digest> {
    let mut objects: Vec<_> = objects.collect();
    if let Some(last) = objects.last().copied() {
        objects.resize(objects.len().next_power_of_two(), last);
    }
    objects
}
