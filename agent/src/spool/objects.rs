//! Manifests and facts on disk, by digest, compressed as they travel.

use super::{SpoolError, at, move_to_damaged};
use crate::durable::{self, Disk};
use evidence::Digest;
use evidence::wire::MAX_OBJECT_BYTES;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Compression level: facts compress to a tenth, and a higher level costs time for little.
const LEVEL: i32 = 3;

pub(super) struct Objects {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    /// Size on disk of every object, in bytes.
    sizes: BTreeMap<Digest, u64>,
}

impl Objects {
    pub(super) fn open(directory: PathBuf, disk: Arc<dyn Disk>) -> Result<Self, SpoolError> {
        durable::make_directory(&directory).map_err(at(&directory))?;
        durable::sweep(&directory).map_err(at(&directory))?;
        let mut sizes = BTreeMap::new();
        for entry in std::fs::read_dir(&directory).map_err(at(&directory))? {
            let entry = entry.map_err(at(&directory))?;
            let name = entry.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            let length = entry.metadata().map_err(at(&entry.path()))?.len();
            sizes.insert(id, length);
        }
        Ok(Self { directory, disk, sizes })
    }

    /// Keeps `bytes` under their digest. Durable when it returns; nothing is written if they are
    /// here already.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<Digest, SpoolError> {
        let id = Digest::of(bytes);
        if self.sizes.contains_key(&id) {
            return Ok(id);
        }
        let path = self.path(&id);
        let compressed = zstd::bulk::compress(bytes, LEVEL).map_err(at(&path))?;
        self.disk.write(&path, &compressed).map_err(at(&path))?;
        self.sizes.insert(id, compressed.len() as u64);
        Ok(id)
    }

    /// The bytes of an object, if it is here and whole.
    pub(super) fn read(&mut self, id: &Digest) -> Option<Vec<u8>> {
        self.load(id).map(|(_, bytes)| bytes)
    }

    /// The compressed bytes of an object, if it is here and whole.
    pub(super) fn compressed(&mut self, id: &Digest) -> Option<Vec<u8>> {
        self.load(id).map(|(compressed, _)| compressed)
    }

    pub(super) fn size(&self, id: &Digest) -> Option<u64> {
        self.sizes.get(id).copied()
    }

    pub(super) fn total(&self) -> u64 {
        self.sizes.values().sum()
    }

    pub(super) fn remove(&mut self, id: &Digest) -> Result<(), SpoolError> {
        let path = self.path(id);
        self.disk.remove(&path).map_err(at(&path))?;
        self.sizes.remove(id);
        Ok(())
    }

    pub(super) fn retain(&mut self, needed: &BTreeSet<Digest>) -> Result<(), SpoolError> {
        let ids: Vec<_> = self.sizes.keys().filter(|id| !needed.contains(id)).copied().collect();
        ids.iter().try_for_each(|id| self.remove(id))
    }

    /// Compressed and plain bytes. An object that cannot be read back is set aside, so that it is
    /// written anew when it is gathered again.
    fn load(&mut self, id: &Digest) -> Option<(Vec<u8>, Vec<u8>)> {
        self.sizes.get(id)?;
        let path = self.path(id);
        let reason = match std::fs::read(&path).and_then(|c| plain(&c).map(|p| (c, p))) {
            Ok((compressed, bytes)) if Digest::of(&bytes) == *id => {
                return Some((compressed, bytes));
            }
            Ok(_) => "its bytes have another digest".to_owned(),
            Err(error) => error.to_string(),
        };
        if let Some(spool) = self.directory.parent() {
            let moved = move_to_damaged(&*self.disk, spool, &path, &reason);
            if let Err(error) = moved {
                tracing::warn!(%error, "cannot set a damaged object aside");
            }
        }
        self.sizes.remove(id);
        None
    }

    fn path(&self, id: &Digest) -> PathBuf {
        Path::new(&self.directory).join(id.to_string())
    }
}

fn plain(compressed: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(compressed)?;
    decoder.take(MAX_OBJECT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
