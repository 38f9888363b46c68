//! The last check-in of each host before a moment.

use super::super::db::{read, read_rows};
use super::super::hosts::host_id;
use super::super::packed::unpack;
use super::super::{Store, StoreError};
use crate::moment::Moment;
use evidence::{Digest, HostId};
use std::collections::{BTreeMap, HashMap};

/// The last check-in of a host that a moment knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub index: i64,
    pub observed_us: i64,
    pub received_us: i64,
    pub next_due_s: i64,
    pub agent: String,
    pub manifest: Digest,
}

impl Head {
    /// When the host was heard: when it came in, or, if that was later, when it was seen.
    pub fn heard_us(&self, moment: &Moment) -> i64 {
        if self.received_us <= moment.at_us { self.received_us } else { self.observed_us }
    }
}

/// A chain, while its last check-in before the moment is looked for.
struct Search {
    host: HostId,
    first: i64,
    /// Check-ins before `low` are before the moment, those from `high` on after it.
    low: i64,
    high: i64,
    found: Option<(i64, i64, i64)>,
}

impl Search {
    fn middle(&self) -> i64 {
        self.low + (self.high - self.low) / 2
    }
}

/// Of a check-in: chain, seq, log index, observed, received.
type Place = (i64, i64, i64, i64, i64);

impl Store {
    /// The last check-in of each of these hosts; of those without one, nothing.
    pub async fn heads_at(
        &self,
        hosts: &[HostId],
        moment: &Moment,
    ) -> Result<BTreeMap<HostId, Head>, StoreError> {
        let mut searches = self.searches(hosts, moment).await?;
        while searches.iter().any(|search| search.low < search.high) {
            self.halve(&mut searches, moment).await?;
        }
        let mut last: BTreeMap<HostId, (i64, i64, i64)> = BTreeMap::new();
        for search in searches {
            let Some(found) = search.found else { continue };
            let held = last.entry(search.host).or_insert(found);
            *held = found.max(*held);
        }
        self.with_bodies(last).await
    }

    async fn searches(&self, hosts: &[HostId], moment: &Moment) -> Result<Vec<Search>, StoreError> {
        let rows = match hosts {
            [one] => {
                let sql = "SELECT host, first_index, next_seq FROM chain
                           WHERE first_index <= $1 AND host = $2";
                let host = one.to_string();
                read!(&self.db, all, (String, i64, i64), sql, moment.known, host.clone())?
            }
            _ => {
                let sql = "SELECT host, first_index, next_seq FROM chain WHERE first_index <= $1";
                read!(&self.db, all, (String, i64, i64), sql, moment.known)?
            }
        };
        let wanted: std::collections::BTreeSet<&HostId> = hosts.iter().collect();
        let mut searches = vec![];
        for (host, first, high) in rows {
            let host = host_id(&host)?;
            if wanted.contains(&host) {
                searches.push(Search { host, first, low: 0, high, found: None });
            }
        }
        Ok(searches)
    }

    /// Looks at the middle of each chain.
    async fn halve(&self, searches: &mut [Search], moment: &Moment) -> Result<(), StoreError> {
        let open = searches.iter().filter(|search| search.low < search.high);
        let mut asked: Vec<(i64, i64)> =
            open.map(|search| (search.first, search.middle())).collect();
        // As many as a power of two: few statements, and so few ways to the database.
        if let Some(last) = asked.last().copied() {
            asked.resize(asked.len().next_power_of_two(), last);
        }
        let mut rows: Vec<Place> = vec![];
        read_rows!(
            &self.db,
            Place,
            "SELECT first_index, seq, log_index, observed_us, received_us FROM check_in
             WHERE (first_index, seq) IN (VALUES ",
            2,
            ")",
            asked,
            rows,
            |place| place.0,
            place.1
        );
        let rows: HashMap<(i64, i64), Place> =
            rows.into_iter().map(|row| ((row.0, row.1), row)).collect();
        for search in searches.iter_mut().filter(|search| search.low < search.high) {
            let middle = search.middle();
            match rows.get(&(search.first, middle)) {
                Some((_, _, index, observed, received))
                    if *index <= moment.known && *observed <= moment.at_us =>
                {
                    search.found = Some((*index, *observed, *received));
                    search.low = middle + 1;
                }
                _ => search.high = middle,
            }
        }
        Ok(())
    }

    async fn with_bodies(
        &self,
        last: BTreeMap<HostId, (i64, i64, i64)>,
    ) -> Result<BTreeMap<HostId, Head>, StoreError> {
        let asked: Vec<i64> = last.values().map(|(index, ..)| *index).collect();
        let mut rows: Vec<(i64, Vec<u8>)> = vec![];
        read_rows!(
            &self.db,
            (i64, Vec<u8>),
            "SELECT log_index, packed FROM check_in WHERE log_index IN (VALUES ",
            1,
            ")",
            asked,
            rows,
            |index| index
        );
        let bodies: HashMap<i64, Vec<u8>> = rows.into_iter().collect();
        let mut heads = BTreeMap::new();
        for (host, (index, observed_us, received_us)) in last {
            let Some(bytes) = bodies.get(&index) else { continue };
            let check_in = unpack(bytes)?.check_in;
            let (next_due_s, agent, manifest) =
                (check_in.next_due_s, check_in.agent, check_in.manifest);
            let head = Head { index, observed_us, received_us, next_due_s, agent, manifest };
            heads.insert(host, head);
        }
        Ok(heads)
    }
}
