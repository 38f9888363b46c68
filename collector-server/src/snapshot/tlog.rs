//! The log as files: tiles by the paths of C2SP `tlog-tiles`, and proofs as C2SP `tlog-proof`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::Digest;
use evidence::merkle::{self, Node};
use std::collections::BTreeMap;

/// Hashes of a tile, and levels of a tile.
const WIDTH: u64 = 256;
const HEIGHT: u8 = 8;

/// A tile of a log of some size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    pub level: u8,
    pub index: u64,
    /// Hashes it has: 256, or less at the edge.
    pub width: u64,
}

impl Tile {
    /// `log/tile/0/x001/067` or `log/tile/0/x001/067.p/8`.
    pub fn path(&self) -> String {
        let mut rest = self.index;
        let mut number = format!("{:03}", rest % 1000);
        while rest >= 1000 {
            rest /= 1000;
            number = format!("x{:03}/{number}", rest % 1000);
        }
        let partial = if self.width < WIDTH { format!(".p/{}", self.width) } else { String::new() };
        format!("log/tile/{}/{number}{partial}", self.level)
    }
}

/// Hashes that a level of tiles holds in a log of `size` leaves.
fn hashes(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * u32::from(HEIGHT)).unwrap_or(0)
}

/// Every tile of a log of `size` leaves, from level `from` up.
pub fn tiles(size: u64, from: u8) -> impl Iterator<Item = Tile> {
    (from..8).flat_map(move |level| {
        let hashes = hashes(level, size);
        (0..hashes.div_ceil(WIDTH)).map(move |index| tile(level, index, hashes))
    })
}

fn tile(level: u8, index: u64, hashes: u64) -> Tile {
    Tile { level, index, width: (hashes - index * WIDTH).min(WIDTH) }
}

/// The tile of level 0 that holds a leaf of a log of `size` leaves.
pub fn tile_of_leaf(leaf: u64, size: u64) -> Tile {
    tile(0, leaf / WIDTH, size)
}

/// The tile at the right edge of level 0, if it is not full: the root rests on its hashes.
pub fn edge(size: u64) -> Option<Tile> {
    (!size.is_multiple_of(WIDTH)).then(|| tile_of_leaf(size - 1, size))
}

/// Tiles by path, read whole, to compute roots from.
pub struct Tiles<'a> {
    pub size: u64,
    pub get: &'a mut dyn FnMut(&Tile) -> Option<Vec<u8>>,
    cache: BTreeMap<(u8, u64), Option<Vec<u8>>>,
}

impl<'a> Tiles<'a> {
    pub fn new(size: u64, get: &'a mut dyn FnMut(&Tile) -> Option<Vec<u8>>) -> Self {
        Self { size, get, cache: BTreeMap::new() }
    }

    /// The root of all leaves.
    pub fn root(&mut self) -> Option<Digest> {
        if self.size == 0 {
            return Some(merkle::empty_root());
        }
        let plan = merkle::root_plan(self.size);
        let nodes: Vec<Node> = plan.nodes().collect();
        let mut found = BTreeMap::new();
        for node in nodes {
            found.insert((node.level, node.index), self.node(node)?);
        }
        let root = plan.resolve(|node| found.get(&(node.level, node.index)).copied())?;
        root.first().copied()
    }

    /// The hash of a complete subtree.
    pub fn node(&mut self, node: Node) -> Option<Digest> {
        let rise = node.level % HEIGHT;
        if rise == 0 {
            return self.stored(node.level / HEIGHT, node.index);
        }
        let left = self.node(Node { level: node.level - 1, index: node.index * 2 })?;
        let right = self.node(Node { level: node.level - 1, index: node.index * 2 + 1 })?;
        Some(merkle::node_hash(&left, &right))
    }

    fn stored(&mut self, level: u8, index: u64) -> Option<Digest> {
        let tile = tile(level, index / WIDTH, hashes(level, self.size));
        let get = &mut self.get;
        let bytes = self.cache.entry((level, tile.index)).or_insert_with(|| get(&tile)).as_ref()?;
        let at = (index % WIDTH) as usize * 32;
        Digest::from_slice(bytes.get(at..at + 32)?)
    }
}

/// Whether each full tile leads to its hash in the level above; gives the first that does not.
/// `present` are tiles of one level that were read.
pub fn tile_root(bytes: &[u8]) -> Option<Digest> {
    let mut row: Vec<Digest> =
        bytes.chunks(32).map(Digest::from_slice).collect::<Option<Vec<_>>>()?;
    if row.len() as u64 != WIDTH {
        return None;
    }
    while row.len() > 1 {
        row = row.chunks(2).map(|pair| merkle::node_hash(&pair[0], &pair[1])).collect();
    }
    row.first().copied()
}

/// The hashes of a proof as they are written.
pub fn written(proof: &[Digest]) -> Vec<String> {
    proof.iter().map(|hash| STANDARD.encode(hash.0)).collect()
}

/// The hashes of a proof that was written; none if one is no hash, or written in another way.
pub fn hashes_of(proof: &[String]) -> Option<Vec<Digest>> {
    let hash = |text: &String| Digest::from_slice(&STANDARD.decode(text).ok()?);
    proof.iter().map(hash).collect()
}

/// A proof of one leaf, as a text that other tools read (C2SP tlog-proof).
pub fn proof_text(index: u64, proof: &[String], checkpoint: &str) -> String {
    let mut text = format!("c2sp.org/tlog-proof@v1\nindex {index}\n");
    for hash in proof {
        text.push_str(hash);
        text.push('\n');
    }
    text + "\n" + checkpoint
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::merkle::Frontier;

    #[test]
    fn paths_are_those_of_the_specification() {
        let path = |level, index, width| Tile { level, index, width }.path();
        assert_eq!(path(0, 0, 256), "log/tile/0/000");
        assert_eq!(path(0, 1_234_067, 256), "log/tile/0/x001/x234/067");
        assert_eq!(path(1, 999, 8), "log/tile/1/999.p/8");
        assert_eq!(path(0, 1000, 256), "log/tile/0/x001/000");
    }

    #[test]
    fn the_root_is_that_of_the_tree_at_every_size_around_a_tile() {
        let mut frontier = Frontier::default();
        let mut levels: Vec<Vec<u8>> = vec![vec![]; 3];
        for leaf in 0..66_000_u64 {
            for (node, hash) in frontier.append(merkle::leaf_hash(&leaf.to_be_bytes())) {
                if node.level.is_multiple_of(8) {
                    levels[usize::from(node.level / 8)].extend(hash.0);
                }
            }
            let size = leaf + 1;
            if ![1, 2, 255, 256, 257, 300, 65_535, 65_536, 65_537, 66_000].contains(&size) {
                continue;
            }
            let mut get = |tile: &Tile| {
                let from = (tile.index * 256) as usize * 32;
                levels[usize::from(tile.level)]
                    .get(from..from + tile.width as usize * 32)
                    .map(<[u8]>::to_vec)
            };
            assert_eq!(Tiles::new(size, &mut get).root(), Some(frontier.root()), "{size}");
            let all: Vec<_> = tiles(size, 0).collect();
            let named: u64 = all.iter().filter(|t| t.level == 0).map(|t| t.width).sum();
            assert_eq!(named, size);
        }
    }
}
