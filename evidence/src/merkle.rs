//! The append-only Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1): hashing, growing,
//! and which nodes a proof needs. Nodes are named by level and index; level 0 holds leaf hashes,
//! and node (l, i) covers leaves i·2ˡ to (i+1)·2ˡ. Only complete nodes are ever stored.

use crate::digest::Digest;

/// A complete subtree: `2^level` leaves, the `index`-th of its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    pub level: u8,
    pub index: u64,
}

pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest::of_parts(&[&[0x00], leaf])
}

pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[0x01], left.as_bytes(), right.as_bytes()])
}

/// Root of the empty tree.
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// The right edge of a tree: the hashes of its complete subtrees, largest first. It is all that
/// is needed to append, and to know the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// A frontier from storage: one peak per set bit of `size`.
    pub fn from_parts(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Appends a leaf hash and returns the complete nodes that came to be, the leaf first.
    pub fn append(&mut self, leaf: Digest) -> Vec<(Node, Digest)> {
        let mut node = Node { level: 0, index: self.size };
        let mut hash = leaf;
        let mut made = vec![(node, hash)];
        while node.index % 2 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            node = Node { level: node.level + 1, index: node.index / 2 };
            made.push((node, hash));
        }
        self.peaks.push(hash);
        self.size += 1;
        made
    }

    pub fn root(&self) -> Digest {
        fold(&self.peaks).unwrap_or_else(empty_root)
    }
}

/// The hash over adjacent complete subtrees, joined from the right.
fn fold(hashes: &[Digest]) -> Option<Digest> {
    let (last, rest) = hashes.split_last()?;
    Some(rest.iter().rev().fold(*last, |right, left| node_hash(left, &right)))
}

/// The complete nodes that cover leaves `start..end` of a subtree that starts at `start`.
fn cover(mut start: u64, end: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    while start < end {
        let fits = (end - start).ilog2();
        let aligned = if start == 0 { 63 } else { start.trailing_zeros() };
        let level = fits.min(aligned);
        nodes.push(Node { level: level as u8, index: start >> level });
        start += 1 << level;
    }
    nodes
}

/// A list of hashes to be computed, each from adjacent complete nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(Vec<Vec<Node>>);

impl Plan {
    /// Every node the plan needs.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        self.0.iter().flatten().copied()
    }

    /// The proof's hashes, given each node's hash; none if one is missing.
    pub fn resolve(&self, get: impl Fn(Node) -> Option<Digest>) -> Option<Vec<Digest>> {
        self.0
            .iter()
            .map(|nodes| {
                let hashes: Option<Vec<_>> = nodes.iter().map(|node| get(*node)).collect();
                fold(&hashes?)
            })
            .collect()
    }
}

/// What the root of the first `size` leaves is made of.
pub fn root_plan(size: u64) -> Plan {
    Plan(if size == 0 { vec![] } else { vec![cover(0, size)] })
}

/// PATH(index, D[size]) of RFC 6962 section 2.1.1; none if `index` is not in the tree.
pub fn inclusion_plan(index: u64, size: u64) -> Option<Plan> {
    if index >= size {
        return None;
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let split = start + largest_power_below(end - start);
        if index < split {
            path.push(cover(split, end));
            end = split;
        } else {
            path.push(cover(start, split));
            start = split;
        }
    }
    path.reverse();
    Some(Plan(path))
}

/// PROOF(old, D[new]) of RFC 6962 section 2.1.2; none unless `0 < old ≤ new`.
pub fn consistency_plan(old: u64, new: u64) -> Option<Plan> {
    if old == 0 || old > new {
        return None;
    }
    let (mut start, mut end) = (0, new);
    let mut whole = true;
    let mut path = Vec::new();
    while old != end {
        let split = start + largest_power_below(end - start);
        if old <= split {
            path.push(cover(split, end));
            end = split;
        } else {
            path.push(cover(start, split));
            start = split;
            whole = false;
        }
    }
    if !whole {
        path.push(cover(start, end));
    }
    path.reverse();
    Some(Plan(path))
}

/// The largest power of two smaller than `n`, for `n ≥ 2`.
fn largest_power_below(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

#[cfg(test)]
mod tests;
