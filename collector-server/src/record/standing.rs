//! How records and registers stand at a moment, what they support, and what they owe.

use super::{Record, Register, Registers, Revision, end_of, start_of};
use crate::clock::DAY_US;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What ends within so many days is due.
pub const DUE_SOON_DAYS: i64 = 30;

/// How a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its last day is over.
    Expired,
    /// Nobody approved any of it.
    Unapproved,
    /// It ends within [`DUE_SOON_DAYS`].
    Due,
    /// It counts.
    InForce,
    /// It takes effect later.
    ToCome,
    /// Somebody took it back.
    Withdrawn,
}

impl Standing {
    pub const ALL: [Self; 6] =
        [Self::Expired, Self::Unapproved, Self::Due, Self::InForce, Self::ToCome, Self::Withdrawn];

    pub fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Unapproved => "unapproved",
            Self::Due => "due",
            Self::InForce => "in_force",
            Self::ToCome => "to_come",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// As people read it.
    pub fn says(self) -> &'static str {
        match self {
            Self::InForce => "in force",
            Self::ToCome => "to come",
            other => other.word(),
        }
    }

    /// Whether something may rest on it.
    pub fn counts(self) -> bool {
        matches!(self, Self::Due | Self::InForce)
    }
}

impl Record {
    pub fn standing(&self, now_us: i64) -> Standing {
        if self.withdrawn.is_some() {
            return Standing::Withdrawn;
        }
        let Some(held) = self.held(now_us) else {
            return if self.holds().is_some() { Standing::ToCome } else { Standing::Unapproved };
        };
        match end_of(&held.says.valid_until) {
            Some(end_us) if end_us <= now_us => Standing::Expired,
            Some(end_us) if end_us - DUE_SOON_DAYS * DAY_US <= now_us => Standing::Due,
            _ => Standing::InForce,
        }
    }

    /// The last revision that counts and has taken effect: one that takes effect later does not take
    /// away what holds until then.
    pub fn held(&self, now_us: i64) -> Option<&Revision> {
        let begun = |day: &str| start_of(day).is_some_and(|us| us <= now_us);
        let mut counting = self.revisions.iter().rev().filter(|revision| revision.counts());
        counting.find(|revision| begun(&revision.says.effective))
    }

    /// When it ends, renewals that follow without a gap counted in; none: never.
    fn ends_us(&self, now_us: i64) -> Option<i64> {
        let mut end_us = end_of(&self.held(now_us)?.says.valid_until)?;
        for revision in self.revisions.iter().filter(|revision| revision.counts()) {
            if start_of(&revision.says.effective).is_some_and(|us| now_us < us && us <= end_us) {
                end_us = end_of(&revision.says.valid_until)?;
            }
        }
        Some(end_us)
    }

    /// The days it took effect that are over or today, the latest; of what counts.
    fn effective_us(&self, now_us: i64) -> Option<i64> {
        let counting = self.revisions.iter().filter(|revision| revision.counts());
        let days = counting.filter_map(|revision| start_of(&revision.says.effective));
        days.filter(|us| *us <= now_us && self.withdrawn.is_none()).max()
    }
}

/// How a register of an ISMS stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterState {
    pub records: usize,
    pub counting: usize,
    pub waiting: usize,
    pub expired: usize,
    pub due: usize,
    /// Until when another record or revision is to take effect; none without a cadence, and before
    /// the first record.
    pub next_us: Option<i64>,
    /// That time is over.
    pub overdue: bool,
}

impl RegisterState {
    /// The worst of it, as people read it.
    pub fn word(&self) -> &'static str {
        match self {
            Self { records: 0, .. } => "no record",
            Self { overdue: true, .. } => "overdue",
            Self { expired: 1.., .. } => "expired",
            Self { counting: 0, waiting: 1.., .. } => "unapproved",
            Self { counting: 0, .. } => "none in force",
            Self { due: 1.., .. } => "due",
            _ => "in force",
        }
    }

    /// Whether what rests on it is as old as a fact that is not collected any more.
    pub fn is_stale(&self) -> bool {
        self.overdue || self.expired > 0
    }
}

/// The state of a register; `records` may be of any register and ISMS.
pub fn register_state(
    register: &Register,
    isms: &str,
    records: &[Record],
    now_us: i64,
) -> RegisterState {
    let mine = records.iter().filter(|row| row.register == register.id && row.isms == isms);
    let mine: Vec<_> = mine.filter(|row| row.withdrawn.is_none()).collect();
    let count = |wanted: &[Standing]| {
        mine.iter().filter(|row| wanted.contains(&row.standing(now_us))).count()
    };
    let last_us = mine.iter().filter_map(|row| row.effective_us(now_us)).max();
    let cadence_us = register.cadence_days.map(|days| i64::from(days) * DAY_US);
    // The last day counts whole.
    let next_us = last_us.zip(cadence_us).map(|(last, every)| last + every + DAY_US);
    let soon = |us: i64| us - DUE_SOON_DAYS * DAY_US <= now_us;
    RegisterState {
        records: mine.len(),
        counting: count(&[Standing::Due, Standing::InForce]),
        waiting: mine.iter().filter(|row| row.waiting().is_some()).count(),
        expired: count(&[Standing::Expired]),
        due: count(&[Standing::Due]) + usize::from(next_us.is_some_and(soon)),
        next_us,
        overdue: next_us.is_some_and(|us| us <= now_us),
    }
}

/// What one register says of one control or clause, in one ISMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub isms: String,
    pub register: String,
    pub about: String,
    /// Records that count, that wait, and that are past their time.
    pub counting: usize,
    pub waiting: usize,
    pub expired: usize,
    /// The register waits for its next record.
    pub overdue: bool,
    /// Since when the oldest of it is past its time.
    pub stale_us: Option<i64>,
}

impl Claim {
    pub fn is_stale(&self) -> bool {
        self.overdue || self.expired > 0
    }
}

/// What all records claim, of every ISMS: each register for what it covers, though it has no record,
/// and for what its records say besides.
pub fn claims(
    registers: &Registers,
    isms: &[String],
    records: &[Record],
    now_us: i64,
) -> Vec<Claim> {
    let mut all = vec![];
    for isms in isms {
        for register in registers.all() {
            all.extend(claims_of(register, isms, records, now_us));
        }
    }
    all
}

fn claims_of(register: &Register, isms: &str, records: &[Record], now_us: i64) -> Vec<Claim> {
    let state = register_state(register, isms, records, now_us);
    let covered: BTreeSet<&str> =
        register.clauses.iter().chain(&register.controls).map(String::as_str).collect();
    let claim = |about: &str| Claim {
        isms: isms.to_owned(),
        register: register.id.clone(),
        about: about.to_owned(),
        counting: 0,
        waiting: 0,
        expired: 0,
        overdue: state.overdue && covered.contains(about),
        stale_us: state.next_us.filter(|_| state.overdue && covered.contains(about)),
    };
    let mut all: BTreeMap<String, Claim> =
        covered.iter().map(|about| ((*about).to_owned(), claim(about))).collect();
    let mine = records.iter().filter(|row| row.register == register.id && row.isms == isms);
    for row in mine {
        let standing = row.standing(now_us);
        let Some(shown) = row.held(now_us).or_else(|| row.last()) else { continue };
        let own: Vec<&str> = shown.says.about.iter().map(String::as_str).collect();
        let about = if own.is_empty() { covered.iter().copied().collect() } else { own };
        let ended_us = end_of(&shown.says.valid_until);
        for text in about {
            let held = all.entry(text.to_owned()).or_insert_with(|| claim(text));
            held.counting += usize::from(standing.counts());
            held.waiting += usize::from(row.waiting().is_some() && row.withdrawn.is_none());
            if standing == Standing::Expired {
                held.expired += 1;
                held.stale_us = held.stale_us.into_iter().chain(ended_us).min();
            }
        }
    }
    all.into_values().collect()
}

/// What records say of a control, over the ISMSs that are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// Records that count.
    pub counting: u64,
    /// Records past their last day, and registers that wait for their next record.
    pub stale: u64,
    /// Every one of the ISMSs has a record that counts.
    pub everywhere: bool,
}

/// Support by control or clause; of the ISMSs named, each of which must have its record.
pub fn support(claims: &[Claim], isms: &[String]) -> BTreeMap<String, Support> {
    let mut by_about: BTreeMap<&str, Vec<&Claim>> = BTreeMap::new();
    for claim in claims.iter().filter(|claim| isms.contains(&claim.isms)) {
        by_about.entry(&claim.about).or_default().push(claim);
    }
    let of = |claims: Vec<&Claim>| {
        let has = |isms: &String| claims.iter().any(|c| c.isms == *isms && c.counting > 0);
        Support {
            counting: claims.iter().map(|claim| claim.counting as u64).sum(),
            stale: claims.iter().map(|c| c.expired as u64 + u64::from(c.overdue)).sum(),
            everywhere: isms.iter().all(has),
        }
    };
    by_about.into_iter().map(|(about, claims)| (about.to_owned(), of(claims))).collect()
}

/// Something that is owed by a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owing {
    /// Tells it from all others.
    pub subject: String,
    pub isms: String,
    pub register: String,
    /// None: the register as a whole.
    pub record: Option<String>,
    /// `the record “…” of …`: goes on with `is overdue`, `is due on …`.
    pub says: String,
    pub due_us: i64,
}

/// All that records and registers owe: what ends is renewed, a register gets its next record, a task
/// is done.
pub fn owing(
    registers: &Registers,
    isms: &[(String, String)],
    records: &[Record],
    now_us: i64,
) -> Vec<Owing> {
    let mut all = vec![];
    for (id, name) in isms {
        for register in registers.all() {
            let state = register_state(register, id, records, now_us);
            all.extend(state.next_us.map(|due_us| Owing {
                subject: format!("register {} of {id}", register.id),
                isms: id.clone(),
                register: register.id.clone(),
                record: None,
                says: format!("the next record of “{}” in {name}", register.title),
                due_us,
            }));
        }
    }
    for row in records.iter().filter(|row| row.withdrawn.is_none()) {
        let Some(register) = registers.get(&row.register) else { continue };
        let Some(held) = row.held(now_us) else { continue };
        let of = |what: &str, subject: &str, due_us: i64| Owing {
            subject: format!("{subject} {}", row.id),
            isms: row.isms.clone(),
            register: row.register.clone(),
            record: Some(row.id.clone()),
            says: format!("{what} “{}” of {}", held.says.title, held.says.owner),
            due_us,
        };
        all.extend(row.ends_us(now_us).map(|us| of("the renewal of", "record", us)));
        let task = register.task.as_ref().filter(|task| held.says.get(&task.done).is_empty());
        let due_us = task.and_then(|task| end_of(held.says.get(&task.due)));
        all.extend(due_us.map(|us| of("what is to be done for", "task", us)));
    }
    all
}
