//! The log's head and tiles.

use super::db::{Db, Tx, execute, fetch, read};
use super::{Store, StoreError};
use evidence::Digest;
use evidence::checkpoint::TreeHead;
use evidence::merkle::{self, Frontier, Node, Plan};
use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Hashes per tile and levels per tile (C2SP tlog-tiles).
const TILE_WIDTH: u64 = 256;
const TILE_HEIGHT: u8 = 8;

/// A tile: level and index.
type TileId = (u8, u64);

/// Size and root, as one transaction left them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    pub size: u64,
    pub root: Digest,
}

impl LogState {
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root }
    }
}

/// The log inside a transaction that holds its lock.
pub(super) struct Appender {
    frontier: Frontier,
    tiles: BTreeMap<TileId, Vec<u8>>,
}

impl Appender {
    /// Takes the log's lock. Must be the first statement of the transaction.
    pub(super) async fn lock(tx: &mut Tx) -> Result<Self, StoreError> {
        // An update that changes nothing still locks the row, on both backends.
        let sql = "UPDATE log_head SET size = size WHERE id = 1 RETURNING size, peaks";
        let row: Option<(i64, Vec<u8>)> = fetch!(tx, optional, (i64, Vec<u8>), sql)?;
        let row = match row {
            Some(row) => row,
            None => create_head(tx).await?,
        };
        Ok(Self { frontier: frontier(row)?, tiles: BTreeMap::new() })
    }

    /// How many leaves there are.
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Appends a leaf and returns its index.
    pub(super) async fn append(&mut self, tx: &mut Tx, leaf: &[u8]) -> Result<u64, StoreError> {
        let index = self.frontier.size();
        for (node, hash) in self.frontier.append(merkle::leaf_hash(leaf)) {
            if node.level.is_multiple_of(TILE_HEIGHT) {
                self.place(tx, node, &hash).await?;
            }
        }
        Ok(index)
    }

    async fn place(&mut self, tx: &mut Tx, node: Node, hash: &Digest) -> Result<(), StoreError> {
        let id = (node.level / TILE_HEIGHT, node.index / TILE_WIDTH);
        let filled = (node.index % TILE_WIDTH) as usize * 32;
        let tile = match self.tiles.entry(id) {
            Entry::Occupied(tile) => tile.into_mut(),
            Entry::Vacant(place) if filled == 0 => place.insert(vec![]),
            Entry::Vacant(place) => place.insert(tile_in(tx, id).await?),
        };
        if tile.len() != filled {
            return Err(StoreError::corrupt(format!("log tile {id:?} has {} bytes", tile.len())));
        }
        tile.extend_from_slice(hash.as_bytes());
        Ok(())
    }

    /// Writes head and tiles; the caller commits.
    pub(super) async fn finish(self, tx: &mut Tx) -> Result<LogState, StoreError> {
        self.finish_with_tiles(tx).await.map(|(state, _)| state)
    }

    /// [`Appender::finish`], with the tiles as they are once the caller has committed.
    pub(super) async fn finish_with_tiles(
        self,
        tx: &mut Tx,
    ) -> Result<(LogState, FreshTiles), StoreError> {
        for ((level, index), hashes) in &self.tiles {
            let sql = "INSERT INTO log_tile (level, idx, hashes) VALUES ($1, $2, $3)
                       ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes";
            execute!(tx, sql, i64::from(*level), signed(*index), hashes.clone())?;
        }
        let peaks: Vec<u8> = self.frontier.peaks().iter().flat_map(|peak| peak.0).collect();
        let size = signed(self.frontier.size());
        execute!(
            tx,
            "UPDATE log_head SET size = $1, peaks = $2 WHERE id = 1",
            size,
            peaks.clone()
        )?;
        let state = LogState { size: self.frontier.size(), root: self.frontier.root() };
        Ok((state, FreshTiles(self.tiles)))
    }
}

async fn create_head(tx: &mut Tx) -> Result<(i64, Vec<u8>), StoreError> {
    let sql =
        "INSERT INTO log_head (id, size, peaks) VALUES (1, 0, $1) ON CONFLICT (id) DO NOTHING";
    execute!(tx, sql, Vec::<u8>::new())?;
    let sql = "UPDATE log_head SET size = size WHERE id = 1 RETURNING size, peaks";
    Ok(fetch!(tx, one, (i64, Vec<u8>), sql)?)
}

async fn tile_in(tx: &mut Tx, (level, index): TileId) -> Result<Vec<u8>, StoreError> {
    let sql = "SELECT hashes FROM log_tile WHERE level = $1 AND idx = $2";
    let row = fetch!(tx, optional, (Vec<u8>,), sql, i64::from(level), signed(index))?;
    row.map(|(hashes,)| hashes)
        .ok_or_else(|| StoreError::corrupt(format!("log tile {level}/{index} is missing")))
}

fn frontier((size, peaks): (i64, Vec<u8>)) -> Result<Frontier, StoreError> {
    let corrupt = || StoreError::corrupt("log_head does not fit its size");
    let size = u64::try_from(size).map_err(|_| corrupt())?;
    let peaks: Option<Vec<_>> = peaks.chunks(32).map(Digest::from_slice).collect();
    Frontier::from_parts(size, peaks.ok_or_else(corrupt)?).ok_or_else(corrupt)
}

/// Log sizes and indexes fit an `i64`: at a million a second it takes 292,000 years to fill one.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Store {
    /// The log's size and root now.
    pub async fn log(&self) -> Result<LogState, StoreError> {
        let sql = "SELECT size, peaks FROM log_head WHERE id = 1";
        let row = read!(&self.db, optional, (i64, Vec<u8>), sql)?;
        let frontier = frontier(row.unwrap_or_default())?;
        Ok(LogState { size: frontier.size(), root: frontier.root() })
    }

    /// Proofs that leaf `index` is among the first `size` leaves (RFC 6962 audit path).
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Digest>, StoreError> {
        let mut proofs = self.prove(&[merkle::inclusion_plan(index, size)]).await?;
        Ok(proofs.pop().unwrap_or_default())
    }

    /// Proof that the first `new` leaves begin with the first `old` ones.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Digest>, StoreError> {
        let mut proofs = self.prove(&[merkle::consistency_plan(old, new)]).await?;
        Ok(proofs.pop().unwrap_or_default())
    }

    /// The root over the first `size` leaves, from the tiles.
    pub async fn root_at(&self, size: u64) -> Result<Digest, StoreError> {
        if size == 0 {
            return Ok(merkle::empty_root());
        }
        let mut roots = self.prove(&[Some(merkle::root_plan(size))]).await?;
        let root = roots.pop().and_then(|root| root.first().copied());
        root.ok_or_else(|| StoreError::corrupt("the log's tiles do not reach its size"))
    }

    /// Computes several plans with each tile read once and each node hashed once.
    pub async fn prove(&self, plans: &[Option<Plan>]) -> Result<Vec<Vec<Digest>>, StoreError> {
        self.prove_with(FreshTiles::default(), plans).await
    }

    /// [`Store::prove`], with the tiles that a transaction wrote and committed.
    pub(crate) async fn prove_with(
        &self,
        fresh: FreshTiles,
        plans: &[Option<Plan>],
    ) -> Result<Vec<Vec<Digest>>, StoreError> {
        let needed: BTreeSet<TileId> =
            plans.iter().flatten().flat_map(Plan::nodes).map(|node| tile_of(node).0).collect();
        let mut tiles = fresh.0;
        for id in needed {
            if let Entry::Vacant(place) = tiles.entry(id) {
                place.insert(tile(&self.db, id).await?);
            }
        }
        let nodes = Nodes { tiles, hashed: RefCell::default() };
        let proof = |plan: &Option<Plan>| match plan {
            Some(plan) => plan.resolve(|node| nodes.hash(node)),
            None => None,
        };
        let missing = || StoreError::corrupt("a node of the log is missing from its tiles");
        plans.iter().map(|plan| proof(plan).ok_or_else(missing)).collect()
    }
}

async fn tile(db: &Db, (level, index): TileId) -> Result<Vec<u8>, StoreError> {
    let sql = "SELECT hashes FROM log_tile WHERE level = $1 AND idx = $2";
    let row = read!(db, optional, (Vec<u8>,), sql, i64::from(level), signed(index))?;
    Ok(row.map(|(hashes,)| hashes).unwrap_or_default())
}

/// The tile that holds what `node` is made of, and where in it.
fn tile_of(node: Node) -> (TileId, std::ops::Range<usize>) {
    let rise = node.level % TILE_HEIGHT;
    let first = node.index << rise;
    let offset = (first % TILE_WIDTH) as usize;
    ((node.level / TILE_HEIGHT, first / TILE_WIDTH), offset..offset + (1 << rise))
}

/// Tiles as a transaction left them: what was committed, not what may come to be.
#[derive(Debug, Default)]
pub(crate) struct FreshTiles(BTreeMap<TileId, Vec<u8>>);

/// Nodes of the tiles at hand. Proofs of one commit share nearly all of theirs.
struct Nodes {
    tiles: BTreeMap<TileId, Vec<u8>>,
    /// Those between the levels that tiles hold.
    hashed: RefCell<HashMap<Node, Digest>>,
}

impl Nodes {
    fn hash(&self, node: Node) -> Option<Digest> {
        if node.level.is_multiple_of(TILE_HEIGHT) {
            let (id, range) = tile_of(node);
            let bytes = self.tiles.get(&id)?.get(range.start * 32..range.end * 32)?;
            return Digest::from_slice(bytes);
        }
        if let Some(hash) = self.hashed.borrow().get(&node) {
            return Some(*hash);
        }
        let child = |index| self.hash(Node { level: node.level - 1, index });
        let hash = merkle::node_hash(&child(node.index * 2)?, &child(node.index * 2 + 1)?);
        self.hashed.borrow_mut().insert(node, hash);
        Some(hash)
    }
}

/// What a check-in's row says beside what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// First index of its chain.
    pub first_index: i64,
    pub seq: i64,
    pub observed_us: i64,
    pub received_us: i64,
}

/// A leaf as its row holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredLeaf {
    CheckIn(Box<evidence::SignedCheckIn>, Placed),
    Act {
        leaf: Vec<u8>,
        salt: Vec<u8>,
        body: Option<Vec<u8>>,
        at_us: i64,
    },
    /// A check-in whose bytes cannot be read back.
    Unreadable {
        why: String,
        placed: Placed,
    },
}

impl StoredLeaf {
    /// When it was received or done.
    pub fn at_us(&self) -> i64 {
        match self {
            Self::CheckIn(_, placed) | Self::Unreadable { placed, .. } => placed.received_us,
            Self::Act { at_us, .. } => *at_us,
        }
    }

    /// The bytes that the log holds the hash of.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Unreadable { .. } => vec![],
            Self::CheckIn(signed, _) => evidence::leaf::check_in_leaf(signed),
            Self::Act { leaf, .. } => leaf.clone(),
        }
    }
}

impl Store {
    /// The stored hashes of a tile (C2SP tlog-tiles): up to 256 of 32 bytes; none if there is no
    /// such tile.
    pub async fn log_tile(&self, level: u8, index: u64) -> Result<Vec<u8>, StoreError> {
        tile(&self.db, (level, index)).await
    }

    /// Leaves from index `from` on, in order, at most `limit`.
    pub async fn leaves(
        &self,
        from: u64,
        limit: i64,
    ) -> Result<Vec<(u64, StoredLeaf)>, StoreError> {
        type ActRow = (i64, Vec<u8>, Vec<u8>, Option<Vec<u8>>, i64);
        let (from, until) = (signed(from), signed(from).saturating_add(limit));
        let sql = "SELECT log_index, packed, first_index, seq, observed_us, received_us
                   FROM check_in WHERE log_index >= $1 AND log_index < $2";
        type Row = (i64, Vec<u8>, i64, i64, i64, i64);
        let check_ins = read!(&self.db, all, Row, sql, from, until)?;
        let sql = "SELECT log_index, leaf, salt, body, at_us FROM act
                   WHERE log_index >= $1 AND log_index < $2";
        let acts = read!(&self.db, all, ActRow, sql, from, until)?;
        let mut leaves = BTreeMap::new();
        for (index, bytes, first_index, seq, observed_us, received_us) in check_ins {
            let placed = Placed { first_index, seq, observed_us, received_us };
            let leaf = match super::packed::unpack(&bytes) {
                Ok(signed) => StoredLeaf::CheckIn(Box::new(signed), placed),
                Err(error) => StoredLeaf::Unreadable { why: error.to_string(), placed },
            };
            leaves.insert(index.unsigned_abs(), leaf);
        }
        for (index, leaf, salt, body, at_us) in acts {
            let act = StoredLeaf::Act { leaf, salt, body, at_us };
            leaves.insert(index.unsigned_abs(), act);
        }
        Ok(leaves.into_iter().collect())
    }
}
