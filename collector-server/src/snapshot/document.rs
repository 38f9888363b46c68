//! The documents of a snapshot, each a file of canonical JSON (RFC 8785) or lines of it.
//!
//! ```text
//! README.txt report.html           for people
//! SHA256SUMS SHA256SUMS.sig        every other file by its digest, and the signature over that
//! SHA256SUMS.sig.tsr               RFC 3161 time stamp of the signature, if there is one
//! snapshot.json                    [`Head`]: what it is of, by which rules, who asked
//! hosts/HOST.json                  [`HostDocument`]
//! check-ins/HOST.jsonl             [`CheckInLine`]
//! explanations/HOST.jsonl          what failures and unknowns rest on (`explained`)
//! acts.jsonl                       [`ActLine`]: what people and operators did
//! objects/HEX                      facts and manifests; the name is their SHA-256
//! rules/HEX.json                   [`RulesDocument`]: a rule set by its id
//! statements.json expected.json exceptions.json lists.json records.json
//! log/checkpoint log/tile/…        the log (C2SP tlog-checkpoint, tlog-tiles)
//! sample/…                         what an auditor drew: DSSE envelopes and `.tlog-proof`
//! oscal/ lists/ report.html        derived from the documents above, and derived again to verify
//! keys/                            public keys, for convenience: trust comes from elsewhere
//! ```

use crate::applicability::Entry;
use crate::expected::Expected;
use crate::judge::Profile;
use crate::record::{Record, Register};
use crate::status::{RepairLimits, Tolerance};
use crate::store::Version;
use evidence::key::PublicKey;
use evidence::{Digest, HostId, KindEntry};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The form of all these documents.
pub const FORMAT: &str = "evidenced-snapshot/1";

/// What a snapshot shall hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asked {
    /// The moment, or the end of the period; none: now.
    pub at_us: Option<i64>,
    /// The begin of the period; none: it is of a moment.
    pub from_us: Option<i64>,
    /// The log as it was with so many leaves; none: now.
    pub known_size: Option<u64>,
    /// Ids of management systems; none: the whole organisation.
    pub isms: BTreeSet<String>,
    /// Ids of controls; none: all.
    pub controls: BTreeSet<String>,
    /// Without the bodies of facts about people.
    pub without_personal: bool,
    pub label: String,
    pub recipient: String,
    pub purpose: String,
    pub sample: Option<Sampling>,
}

/// What an auditor draws.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Chosen by the auditor, after the population was fixed.
    pub seed: String,
    pub size: u64,
}

/// Moment and log that a snapshot is of: with them it is made again, byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    pub at_us: i64,
    /// The same as `at_us` for a moment.
    pub from_us: i64,
    pub known_size: u64,
}

impl Pins {
    /// The last log index that counts.
    pub fn known(&self) -> i64 {
        i64::try_from(self.known_size).unwrap_or(i64::MAX).saturating_sub(1)
    }

    pub fn is_period(&self) -> bool {
        self.from_us < self.at_us
    }
}

/// `snapshot.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub format: String,
    /// Version of the program that made it.
    pub program: String,
    pub organisation: String,
    /// Name of the log.
    pub origin: String,
    pub pins: Pins,
    /// Root of the log's first `known_size` leaves.
    pub root: Digest,
    pub asked: Asked,
    pub limits: RepairLimits,
    pub tolerances: Vec<ToleranceDocument>,
    /// The rule set in force at the end.
    pub rules: Option<Digest>,
    /// Hosts in scope at any time of the period.
    pub hosts: u64,
    /// Of these, hosts of which a check-in was not judged yet.
    pub unjudged: u64,
    /// Kinds of which no bodies are here.
    pub left_out: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToleranceDocument {
    /// Empty: the organisation.
    pub isms: String,
    pub control: String,
    pub tolerance: Tolerance,
    pub owner: String,
    pub reason: String,
}

/// `hosts/HOST.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostDocument {
    pub host: HostId,
    pub name: String,
    pub evidence_key: PublicKey,
    pub enrolled_us: i64,
    /// The log index of its enrolment, which names its key.
    pub enrolled_index: Option<u64>,
    /// At the end of the period.
    pub group: String,
    pub state: String,
    /// When it was in service and in scope within the period.
    pub times: Vec<(i64, i64)>,
    /// Since when it is silent, if it is.
    pub silent_since_us: Option<i64>,
    pub last: Option<LastDocument>,
    /// Its last check-in was judged; else results are of an earlier one.
    pub judged: bool,
    /// Objects that it named and never sent, or whose bodies were erased.
    pub missing: BTreeSet<Digest>,
    /// The day that its results were judged for; days since the epoch, UTC.
    pub day: Option<i64>,
    /// Results that the rules give for its last check-in and that are on record otherwise, or the
    /// other way round: it is said, and never mended. Empty: all agree.
    pub disagrees: Vec<String>,
    /// The rule set that judged it; that of its group where the overlay speaks of the group.
    pub rules: Option<Digest>,
    pub kinds: Vec<KindDocument>,
    pub results: Vec<ResultDocument>,
    pub covers: Vec<CoverDocument>,
    pub members: Vec<MemberDocument>,
    /// When it did not report, as was found then.
    pub silences: Vec<(i64, Option<i64>)>,
}

/// The last check-in before the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastDocument {
    pub index: u64,
    pub observed_us: i64,
    pub received_us: i64,
    pub next_due_s: i64,
    pub manifest: Digest,
    pub agent: String,
}

/// A state of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindDocument {
    pub kind: String,
    pub entry: KindEntry,
    pub from_us: i64,
    /// None: it held at the end.
    pub to_us: Option<i64>,
    pub known: i64,
}

/// A result over a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultDocument {
    pub rule: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub offenders: Vec<String>,
    pub cause: Option<String>,
    /// The rule set that judged when it began.
    pub rules: Digest,
    pub from_us: i64,
    /// None: it held at the end.
    pub to_us: Option<i64>,
    pub known: i64,
    /// Of a failure: since the rule last passed or did not apply.
    pub failing_since_us: Option<i64>,
}

impl ResultDocument {
    pub fn holds(&self) -> bool {
        self.to_us.is_none()
    }
}

/// A failure that an exception covered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverDocument {
    pub exception: String,
    pub rule: String,
    pub from_us: i64,
    pub to_us: Option<i64>,
    /// `evidence`, `expired`, `withdrawn`, `scope`.
    pub ended: Option<String>,
}

/// A member of a population that was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberDocument {
    pub population: String,
    pub member: String,
    pub from_us: i64,
    pub to_us: Option<i64>,
}

/// A line of `check-ins/HOST.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckInLine {
    pub index: u64,
    pub observed_us: i64,
    pub received_us: i64,
    /// DSSE: base64 of payload and signature.
    pub envelope: Envelope,
    /// Audit path to the root of the checkpoint: hashes in base64, as a `.tlog-proof` has them.
    pub proof: Vec<String>,
}

/// A DSSE envelope (DSSE v1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    pub payload: String,
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    pub signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    pub keyid: String,
    pub sig: String,
}

/// A line of `acts.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActLine {
    pub index: u64,
    /// 16 bytes, hexadecimal.
    pub salt: String,
    /// The text that was logged, byte by byte.
    pub body: String,
    /// As in [`CheckInLine`].
    pub proof: Vec<String>,
}

/// `rules/HEX.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesDocument {
    pub id: Digest,
    /// Which of them judge.
    pub profiles: Vec<Profile>,
    /// File names and texts.
    pub sources: Vec<(String, String)>,
}

/// `statements.json`: of each management system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsmsDocument {
    pub id: String,
    pub name: String,
    pub legal_entity: String,
    pub scope_statement: String,
    pub certificate: Option<String>,
    /// Groups that belonged to it at the end.
    pub groups: BTreeSet<String>,
    /// The Statement of Applicability that was approved last before the end.
    pub statement: Option<StatementDocument>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementDocument {
    pub version: i64,
    pub approved_us: i64,
    pub approved_by: String,
    /// The log index of the approval.
    pub known: Option<i64>,
    pub entries: Vec<Entry>,
}

impl StatementDocument {
    pub fn of(version: &Version, entries: Vec<Entry>) -> Option<Self> {
        Some(Self {
            version: version.version,
            approved_us: version.approved_us?,
            approved_by: version.approved_by.clone()?,
            known: version.known,
            entries,
        })
    }
}

/// `expected.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedDocument {
    /// None: nobody ever said which hosts are expected.
    pub imported_us: Option<i64>,
    pub entries: Vec<Expected>,
}

/// `records.json`: what people recorded, every revision, with the registers that say what it means.
/// Files are not in the archive: their SHA-256 is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsDocument {
    pub registers: Vec<Register>,
    pub records: Vec<Record>,
}

/// `exceptions.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceptionDocument {
    pub id: String,
    /// `organisation`, `group`, `host`.
    pub scope: String,
    pub scope_name: String,
    /// Rules with the severities they had.
    pub rules: BTreeMap<String, String>,
    pub reason: String,
    pub measure: String,
    pub ticket: String,
    pub risk: String,
    pub requested_by: String,
    pub requested_us: i64,
    pub until_us: i64,
    pub renews: Option<String>,
    /// At the end of the period.
    pub state: String,
    pub decided_by: Option<String>,
    pub decided_us: Option<i64>,
    pub note: Option<String>,
    pub ended_us: Option<i64>,
    pub ended_by: Option<String>,
    pub end_note: Option<String>,
}

/// `lists.json`: members that a person accepted, by group and population.
pub type ListsDocument = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A line of `sample/drawn.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrawnLine {
    /// `HOST DATE`, or `HOST RULE BEGIN`.
    pub item: String,
    /// SHA-256 of seed, line end and item: the lowest are drawn.
    pub rank: Digest,
    /// The check-in that answers for it: the last of the day, or the one that showed the failure.
    /// None: the host sent none that day.
    pub index: Option<u64>,
}
