//! A break of the log that its operator stated.
//!
//! A collector that was restored from an older copy has lost the end of its log: hosts know more of
//! it than it does, and refuse its receipts. Its operator says so by an **act**, which is a leaf like
//! any other: what was kept of the former log, when, who, and why. Receipts carry the act with the
//! proof that the log holds it, so that no host has to be touched.
//!
//! A host takes it once, for a head that reaches beyond what was kept; in its next check-in it says,
//! signed, which head it gave up for which act. So no log can be put back in silence: the act is in
//! the new log for good, and so is the witness of every host that knew the former one.

use crate::checkpoint::TreeHead;
use crate::digest::Digest;
use crate::leaf::act_leaf;
use crate::merkle::leaf_hash;
use crate::proof::{ProofError, verify_inclusion};
use serde::{Deserialize, Serialize};

/// The name of the act.
pub const ACT: &str = "log_healed";

/// The act, as a receipt carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healing {
    pub index: u64,
    /// Salt of the leaf, hexadecimal.
    pub salt: String,
    /// Body of the act: JSON.
    pub body: String,
    /// Shows that the leaf is under the receipt's checkpoint.
    pub inclusion: Vec<Digest>,
}

/// What the act says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// Hash of the act's leaf: its name.
    pub leaf: Digest,
    /// What was kept of the former log: its first leaves.
    pub kept: TreeHead,
    pub at_us: i64,
    pub reason: String,
}

/// What a host gave up for an act, as its check-in says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Healed {
    /// The head of the former log that it knew.
    pub gave_up: TreeHead,
    /// Leaf hash of the act.
    pub leaf: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HealingError {
    #[error("it is no statement that the log was healed")]
    Malformed,
    #[error("the log does not hold it: {0}")]
    NotLogged(#[from] ProofError),
    /// It would excuse that leaves were rewritten of which it says that they were kept.
    #[error("it says that {kept} leaves were kept, and this host knows no more than {known}")]
    Kept { kept: u64, known: u64 },
    #[error("this host took it before; it excuses nothing more")]
    Again,
}

#[derive(Deserialize)]
struct Body {
    at_us: i64,
    act: String,
    detail: Detail,
}

/// The detail of the act.
#[derive(Debug, Serialize, Deserialize)]
pub struct Detail {
    pub kept: TreeHead,
    pub reason: String,
}

impl Healing {
    /// What it says, if it is such an act. Nothing is proven yet.
    pub fn read(&self) -> Option<Stated> {
        let salt: [u8; 16] = hex::decode(&self.salt).ok()?.try_into().ok()?;
        let body: Body = serde_json::from_str(&self.body).ok()?;
        let Body { at_us, act, detail: Detail { kept, reason } } = body;
        let leaf = leaf_hash(&act_leaf(&salt, self.body.as_bytes()));
        (act == ACT && kept.size <= self.index).then_some(Stated { leaf, kept, at_us, reason })
    }

    /// Whether a host that knows `known` of the former log may take it for the log under `head`,
    /// a checkpoint that was verified. `taken` are the acts that it took before.
    pub fn verify(
        &self,
        head: &TreeHead,
        known: &TreeHead,
        taken: impl IntoIterator<Item = Digest>,
    ) -> Result<Stated, HealingError> {
        let stated = self.read().ok_or(HealingError::Malformed)?;
        verify_inclusion(&stated.leaf, self.index, head.size, &self.inclusion, &head.root)?;
        if known.size <= stated.kept.size {
            return Err(HealingError::Kept { kept: stated.kept.size, known: known.size });
        }
        if taken.into_iter().any(|leaf| leaf == stated.leaf) {
            return Err(HealingError::Again);
        }
        Ok(stated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::Frontier;

    const BODY: &str = r#"{"at_us":7,"actor":"operator","act":"log_healed","detail":{"kept":{"root":"0000000000000000000000000000000000000000000000000000000000000000","size":2},"reason":"restored"}}"#;

    /// A log of two leaves and the act, and the act as a receipt carries it.
    fn healing(body: &str) -> (TreeHead, Healing) {
        let salt = [7; 16];
        let mut log = Frontier::default();
        for leaf in [b"one".as_slice(), b"two", &act_leaf(&salt, body.as_bytes())] {
            log.append(leaf_hash(leaf));
        }
        let inclusion = vec![log.peaks()[0]];
        let head = TreeHead { size: 3, root: log.root() };
        (head, Healing { index: 2, salt: hex::encode(salt), body: body.to_owned(), inclusion })
    }

    fn known(size: u64) -> TreeHead {
        TreeHead { size, root: Digest::of(b"former") }
    }

    #[test]
    fn an_act_that_the_log_holds_heals_what_reaches_beyond_what_was_kept_once() {
        let (head, healing) = healing(BODY);
        let stated = healing.verify(&head, &known(9), []).expect("taken");
        assert_eq!((stated.kept.size, stated.reason.as_str()), (2, "restored"));
        assert!(healing.verify(&head, &known(3), []).is_ok());
        let kept = healing.verify(&head, &known(2), []);
        assert_eq!(kept, Err(HealingError::Kept { kept: 2, known: 2 }));
        assert_eq!(healing.verify(&head, &known(9), [stated.leaf]), Err(HealingError::Again));
    }

    #[test]
    fn an_act_that_the_log_does_not_hold_or_that_says_something_else_heals_nothing() {
        let (head, whole) = healing(BODY);
        for change in [
            |healing: &mut Healing| healing.body = healing.body.replace("restored", "whatever"),
            |healing: &mut Healing| healing.salt = hex::encode([8; 16]),
            |healing: &mut Healing| healing.inclusion = vec![],
        ] {
            let mut other = whole.clone();
            change(&mut other);
            let refused = other.verify(&head, &known(9), []);
            assert!(matches!(refused, Err(HealingError::NotLogged(_))), "{refused:?}");
        }
        for body in
            [BODY.replace("log_healed", "logged_in"), BODY.replace("\"size\":2", "\"size\":3")]
        {
            let (head, other) = healing(&body);
            assert_eq!(other.verify(&head, &known(9), []), Err(HealingError::Malformed));
        }
    }
}
