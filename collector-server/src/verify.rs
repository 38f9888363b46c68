//! Re-reads everything, from the rows to the root. It trusts nothing that the log
//! says of itself: leaves are made anew from what is stored, the tree is grown again and compared
//! with its tiles, signatures, chains and times are checked; [`rest`] adds what lies beside the log.

pub mod rest;

use crate::store::model::LogHead;
use crate::store::{Act, Placed, Store, StoreError, StoredLeaf};
use evidence::key::PublicKey;
use evidence::merkle::{self, Frontier, Node};
use evidence::{ChainId, Digest, HostId, SignedCheckIn, leaf};
use std::collections::HashMap;

/// Leaves read at once when nothing else is to be done.
const PAGE: i64 = 1000;
/// A collector's clock may differ so much from another's; leaves are received in their order.
const CLOCKS_US: i64 = 3_600_000_000;

/// What was read, if all of it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    pub size: u64,
    pub check_ins: u64,
    pub acts: u64,
    /// Bodies of acts that were erased; their leaves still hold.
    pub erased: u64,
    /// Manifests and facts that are kept and are what their ids say; none if that was not read.
    pub objects: u64,
    pub root: Option<Digest>,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first damaged thing.
    #[error("leaf {index}{}: {what}", about(host, at_us))]
    Leaf { index: u64, host: Option<HostId>, at_us: Option<i64>, what: String },
    /// Something that lies beside the log.
    #[error("{what}{}", about(host, &None))]
    Beside { what: String, host: Option<HostId> },
    #[error("the stored tree has {stored} leaves, but {found} are there")]
    Size { stored: u64, found: u64 },
    #[error("the leaves lead to root {found}, but the log says {stored}")]
    Root { stored: Digest, found: Digest },
}

impl VerifyError {
    /// The host whose evidence is damaged.
    pub fn host(&self) -> Option<HostId> {
        match self {
            Self::Leaf { host, .. } | Self::Beside { host, .. } => *host,
            _ => None,
        }
    }
}

fn about(host: &Option<HostId>, at_us: &Option<i64>) -> String {
    let host = host.map(|host| format!(", host {host}")).unwrap_or_default();
    let at = at_us.and_then(|at_us| jiff::Timestamp::from_microsecond(at_us).ok());
    format!("{host}{}", at.map(|at| format!(", {at:.0}")).unwrap_or_default())
}

/// Verifies the whole log. `progress` is told how many leaves were read of how many.
pub async fn verify(
    store: &Store,
    mut progress: impl FnMut(u64, u64),
) -> Result<Verified, VerifyError> {
    let head = store.log().await?;
    let mut verifier = Verifier::new(store).await?;
    while verifier.size() < head.size {
        verifier.read(store, &head, PAGE).await?;
        progress(verifier.size(), head.size);
    }
    verifier.arrive(store, &head).await
}

/// [`verify`], and everything that lies beside the log: objects, keys, checkpoints that went out,
/// stated breaks.
pub async fn verify_all(
    store: &Store,
    mut progress: impl FnMut(&'static str, u64, u64),
) -> Result<Verified, VerifyError> {
    let verified = verify(store, |read, of| progress("leaves", read, of)).await?;
    rest::keys(store).await?;
    rest::anchors(store).await?;
    rest::healings(store).await?;
    let objects = rest::objects(store, |read, of| progress("objects", read, of)).await?;
    Ok(Verified { objects, ..verified })
}

/// The newest check-in of a chain.
#[derive(Debug, Clone, Copy)]
struct Chain {
    seq: i64,
    id: Digest,
    first_index: i64,
}

#[derive(Debug, Clone, Copy)]
enum Observed {
    Enrolled(i64),
    Last(i64),
}

/// A reading of the log from its first leaf on. It can be interrupted, and go on when the log has
/// grown.
#[derive(Default)]
pub struct Verifier {
    keys: HashMap<HostId, PublicKey>,
    chains: HashMap<(HostId, ChainId), Chain>,
    /// Whose chain began at a leaf.
    begun: HashMap<i64, HostId>,
    /// When each host was enrolled, and then when it was last observed.
    observed: HashMap<HostId, Observed>,
    received_us: i64,
    frontier: Frontier,
    /// Of each level the tile that is being filled.
    tiles: HashMap<u8, (u64, Vec<u8>)>,
    verified: Verified,
}

impl Verifier {
    /// One that has read nothing.
    pub async fn new(store: &Store) -> Result<Self, StoreError> {
        let keys = store.evidence_keys().await?.into_iter().collect();
        Ok(Self { keys, ..Self::default() })
    }

    /// Leaves that were read and fit.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Reads at most `leaves` more, none after `head`.
    pub async fn read(
        &mut self,
        store: &Store,
        head: &LogHead,
        leaves: i64,
    ) -> Result<(), VerifyError> {
        let mut leaves = store.leaves(self.size(), leaves).await?;
        // Those after the head were appended while we read; alone they are no leaf of it.
        leaves.retain(|(index, _)| *index < head.size);
        if leaves.is_empty() {
            return Err(VerifyError::Size { stored: head.size, found: self.size() });
        }
        if leaves.iter().any(|(_, leaf)| self.is_of_a_new_host(leaf)) {
            self.keys = store.evidence_keys().await?.into_iter().collect();
        }
        for (index, stored) in &leaves {
            let hash = self.leaf(*index, stored)?;
            self.grow(store, hash).await.map_err(|error| match error {
                VerifyError::Leaf { index, what, .. } => {
                    let (host, at_us) = about_leaf(stored, &self.begun);
                    VerifyError::Leaf { index, host, at_us, what }
                }
                other => other,
            })?;
        }
        Ok(())
    }

    /// Appends a leaf, and compares each node that a tile holds with that tile.
    async fn grow(&mut self, store: &Store, leaf: Digest) -> Result<(), VerifyError> {
        let index = self.frontier.size();
        for (Node { level, index: node }, hash) in self.frontier.append(leaf) {
            if !level.is_multiple_of(8) {
                continue;
            }
            let (level, tile, at) = (level / 8, node / 256, (node % 256) as usize * 32);
            let held = self.tiles.get(&level);
            // A tile grows while the log does.
            if !held.is_some_and(|(held, bytes)| *held == tile && bytes.len() >= at + 32) {
                let bytes = store.log_tile(level, tile).await?;
                self.tiles.insert(level, (tile, bytes));
            }
            let bytes = self.tiles.get(&level).and_then(|(_, bytes)| bytes.get(at..at + 32));
            let what = match bytes {
                Some(bytes) if bytes == hash.0 => continue,
                Some(_) => format!(
                    "tile {level}/{tile} of the tree holds another hash: leaf or tile was changed"
                ),
                None => format!("tile {level}/{tile} of the tree is missing or too short"),
            };
            return Err(VerifyError::Leaf { index, host: None, at_us: None, what });
        }
        Ok(())
    }

    /// Compares the root of what was read, all of `head`, with what the log says of itself.
    pub async fn arrive(&self, store: &Store, head: &LogHead) -> Result<Verified, VerifyError> {
        let found = self.frontier.root();
        if found != head.root {
            return Err(VerifyError::Root { stored: head.root, found });
        }
        let tiles = store.root_at(head.size).await?;
        if tiles != found {
            return Err(VerifyError::Root { stored: tiles, found });
        }
        // Leaves beyond the head, unless the log has grown meanwhile.
        let beyond = store.leaves(head.size, 1).await?.len() as u64;
        if beyond > 0 && store.log().await?.size == head.size {
            return Err(VerifyError::Size { stored: head.size, found: head.size + beyond });
        }
        rest::chains(store, self).await?;
        Ok(Verified { size: head.size, root: Some(found), ..self.verified })
    }

    fn is_of_a_new_host(&self, leaf: &StoredLeaf) -> bool {
        match leaf {
            StoredLeaf::CheckIn(signed, _) => !self.keys.contains_key(&signed.check_in.host),
            StoredLeaf::Act { body: Some(body), .. } => {
                enrolled(body).is_some_and(|(host, _)| !self.keys.contains_key(&host))
            }
            StoredLeaf::Act { .. } | StoredLeaf::Unreadable { .. } => false,
        }
    }

    /// Checks a leaf by itself and against those before it; gives its hash.
    fn leaf(&mut self, index: u64, stored: &StoredLeaf) -> Result<Digest, VerifyError> {
        let (host, at_us) = about_leaf(stored, &self.begun);
        let fail = |what: String| VerifyError::Leaf { index, host, at_us, what };
        let size = self.frontier.size();
        if index != size {
            let what = format!("it is missing; the next one that is there is leaf {index}");
            return Err(VerifyError::Leaf { index: size, host: None, at_us, what });
        }
        match stored {
            StoredLeaf::CheckIn(signed, placed) => {
                self.check_in(index, signed, *placed).map_err(fail)?;
                self.verified.check_ins += 1;
            }
            StoredLeaf::Act { leaf, salt, body, at_us } => {
                match body {
                    Some(body) => self.act(leaf, salt, body, *at_us).map_err(fail)?,
                    None => self.verified.erased += 1,
                }
                self.verified.acts += 1;
            }
            StoredLeaf::Unreadable { why, .. } => return Err(fail(why.clone())),
        }
        Ok(merkle::leaf_hash(&stored.bytes()))
    }

    /// An act's body, and what it says of a host's beginning.
    fn act(&mut self, leaf: &[u8], salt: &[u8], body: &[u8], at_us: i64) -> Result<(), String> {
        let made = <[u8; 16]>::try_from(salt).map(|salt| leaf::act_leaf(&salt, body));
        if made.ok().as_deref() != Some(leaf) {
            return Err("the act's body is not the one that was logged".to_owned());
        }
        let act: Act = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if act.at_us != at_us {
            return Err("its row has another time than the act that was logged".to_owned());
        }
        let Some((host, key)) = enrolled(body) else { return Ok(()) };
        if self.keys.get(&host) != Some(&key) {
            return Err(format!(
                "the evidence key that is kept of host {host} is not the one it was enrolled with"
            ));
        }
        self.observed.insert(host, Observed::Enrolled(at_us));
        Ok(())
    }

    /// Signature, place in its chain, and what the row says of both.
    fn check_in(
        &mut self,
        index: u64,
        signed: &SignedCheckIn,
        placed: Placed,
    ) -> Result<(), String> {
        let check_in = &signed.check_in;
        let host = check_in.host;
        let key = self.keys.get(&host).ok_or(format!("host {host} has no evidence key"))?;
        let of = |what: &str| format!("check-in {}: {what}", check_in.seq);
        signed.verify(key).map_err(|_| of("its signature does not fit"))?;
        let place = (host, check_in.chain);
        let before = self.chains.get(&place).copied();
        let follows = match before {
            None => check_in.seq == 0,
            Some(Chain { seq, id, .. }) => check_in.seq == seq + 1 && check_in.prev == Some(id),
        };
        if !follows {
            return Err(of("it does not follow the one before it"));
        }
        let first_index = before.map_or(index as i64, |before| before.first_index);
        if (placed.seq, placed.first_index) != (check_in.seq, first_index) {
            return Err(of("its row names another chain or number than the host signed"));
        }
        self.chains.insert(place, Chain { seq: check_in.seq, id: signed.id(), first_index });
        self.begun.insert(first_index, host);
        self.times(signed, placed).map_err(|what| of(&what))
    }

    /// When it was observed follows from what the host signed and when it was received; that is the
    /// collector's own word, and has to fit the leaves around it.
    fn times(&mut self, signed: &SignedCheckIn, placed: Placed) -> Result<(), String> {
        let Placed { observed_us, received_us, .. } = placed;
        if received_us < self.received_us - CLOCKS_US {
            return Err("its row says that it was received long before leaves before it".to_owned());
        }
        self.received_us = self.received_us.max(received_us);
        let host = signed.check_in.host;
        let earliest = match self.observed.get(&host) {
            Some(Observed::Last(last)) => Some(last + 1),
            Some(Observed::Enrolled(at_us)) => Some(*at_us),
            None => None,
        };
        self.observed.insert(host, Observed::Last(observed_us));
        let said = signed.check_in.at_ms.saturating_mul(1000).min(received_us);
        match earliest {
            Some(earliest) if observed_us != said.max(earliest) => {
                Err("its row has another time of observation than follows from what was signed"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The host and the key that an act enrolled, if it is such an act.
fn enrolled(body: &[u8]) -> Option<(HostId, PublicKey)> {
    const ACT: &[u8] = b"host_enrolled";
    // Nearly all acts are others.
    body.windows(ACT.len()).find(|part| *part == ACT)?;
    let act: Act =
        serde_json::from_slice(body).ok().filter(|act: &Act| act.act.as_bytes() == ACT)?;
    let text = |name: &str| act.detail[name].as_str();
    Some((text("host")?.parse().ok()?, text("evidence_key")?.parse().ok()?))
}

/// Whose leaf it is, and when it came.
fn about_leaf(stored: &StoredLeaf, begun: &HashMap<i64, HostId>) -> (Option<HostId>, Option<i64>) {
    match stored {
        StoredLeaf::CheckIn(signed, placed) => {
            (Some(signed.check_in.host), Some(placed.received_us))
        }
        StoredLeaf::Unreadable { placed, .. } => {
            (begun.get(&placed.first_index).copied(), Some(placed.received_us))
        }
        StoredLeaf::Act { at_us, .. } => (None, Some(*at_us)),
    }
}
