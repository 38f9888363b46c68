//! The collector's answer to a check-in.

use crate::digest::Digest;
use crate::healing::Healing;
use serde::{Deserialize, Serialize};

/// Sent only after the check-in is durable in the store and in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The check-in this answers: [`crate::SignedCheckIn::id`].
    pub check_in: Digest,
    /// Its place in the log.
    pub index: u64,
    /// A signed checkpoint of a log that holds it (C2SP signed note).
    pub checkpoint: String,
    /// Shows that the leaf is under the checkpoint (RFC 6962 audit path).
    pub inclusion: Vec<Digest>,
    /// Shows that the checkpoint continues the one the check-in carried; absent if it carried none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Vec<Digest>>,
    /// The operator's statement that the log was put back, for a host that knows more of the former
    /// one; absent where nothing is to be healed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healing: Option<Healing>,
    /// What the collector does not have yet from this host.
    pub want: Want,
}

/// Objects to send. The check-in leaves the spool when both are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Digest>,
}

impl Want {
    pub fn is_empty(&self) -> bool {
        self.manifest.is_none() && self.facts.is_empty()
    }
}
