//! The state of passwords, from shadow(5) and from the field of passwd(5).

use super::MAX_BYTES;
use crate::formats::passwd::{self, PasswdLine, Records, ShadowLine, shown};
use crate::host::Reading;
use evidence::kinds::accounts::{Password, PasswordState};
use std::collections::{BTreeSet, HashMap, HashSet};

const SHADOW: &str = "/etc/shadow";

/// shadow(5) as it was read.
pub(super) struct Shadow {
    records: Records<ShadowLine>,
    /// Index of the first line of each name: the one the C library finds.
    first: HashMap<Vec<u8>, usize>,
    pub(super) legacy: usize,
}

impl Shadow {
    /// `None` when the file could not be read. A missing one is no better: passwords of unknown
    /// state are not passwords in order.
    pub(super) fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let records = reading.secret(SHADOW, MAX_BYTES).ok();
        let records = records.map(|text| passwd::shadow(text.expose()));
        let faults = records.as_ref().and_then(|records| records.faults);
        if let Some(faults) = faults {
            reading.malformed(SHADOW, faults.to_string());
        }
        if records.is_none() || faults.is_some() {
            for field in ["users.password", "users.enabled", "shadow_only", "shadow_duplicates"] {
                reading.unread(field);
            }
        }
        records.map(Self::of)
    }

    fn of(records: Records<ShadowLine>) -> Self {
        let mut first = HashMap::new();
        for (index, line) in records.lines.iter().enumerate() {
            first.entry(line.name.clone()).or_insert(index);
        }
        Self { legacy: records.legacy, first, records }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.records.faults.is_none()
    }

    /// `None` when a line that could not be read may be this user's.
    pub(super) fn password(&self, user: &PasswdLine) -> Option<Password> {
        let line = self.first.get(&user.name).and_then(|index| self.records.lines.get(*index));
        if line.is_none() && !self.is_whole() {
            return None;
        }
        let own = (!user.password.is_shadowed()).then_some(&user.password);
        let fields = own.into_iter().chain(line.map(|line| &line.password));
        let weakest = fields.max_by_key(|field| weakness(field.state()));
        let days = |of: fn(&ShadowLine) -> Option<i32>| line.and_then(of).map(i64::from);
        let expire_day = days(|line| line.expire_day);
        Some(Password {
            state: weakest.map_or(PasswordState::None, |field| field.state()),
            hash_scheme: weakest.and_then(|field| field.scheme()),
            last_change_day: days(|line| line.last_change_day),
            min_days: days(|line| line.min_days),
            max_days: days(|line| line.max_days),
            warn_days: days(|line| line.warn_days),
            inactive_days: days(|line| line.inactive_days),
            expires: expire_day.is_some(),
            expire_day,
        })
    }

    pub(super) fn without(&self, users: &[PasswdLine]) -> Option<Vec<String>> {
        let known: HashSet<_> = users.iter().map(|line| line.name.as_slice()).collect();
        let names = self.first.keys().filter(|name| !known.contains(name.as_slice()));
        let names: BTreeSet<_> = names.map(|name| shown(name)).collect();
        self.is_whole().then(|| names.into_iter().collect())
    }

    pub(super) fn duplicates(&self) -> Option<Vec<String>> {
        let names = self.records.lines.iter().map(|line| line.name.as_slice());
        self.is_whole().then(|| super::sorted_repeats(names))
    }
}

/// The higher, the easier to log in with.
fn weakness(state: PasswordState) -> u8 {
    match state {
        PasswordState::None => 0,
        PasswordState::Disabled => 1,
        PasswordState::Locked => 2,
        PasswordState::Unknown => 3,
        PasswordState::Set => 4,
        PasswordState::Empty => 5,
    }
}
