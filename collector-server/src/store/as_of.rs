//! What held at a moment, as was known then: the readings of `now`, on two axes.
//!
//! Results, and what is said of hosts, are spans. What a host said last before a moment is found in
//! its chains: a chain's check-ins are in order of both axes, so it is looked for by halves, which
//! takes as long for the first day of a log as for the last.

mod decisions;
mod heads;
mod kinds;
mod spoken;

use super::db::read;
use super::hosts::host_id;
use super::model::HostRow;
use super::{Store, StoreError, hosts};
use crate::moment::{Known, Moment, NoMoment};
use evidence::HostId;
use std::collections::{BTreeMap, BTreeSet};

pub use heads::Head;
pub use kinds::ResultSpan;

/// Spans that hold at `$1` as is known by `$2`.
macro_rules! held {
    ($s:literal) => {
        concat!(
            $s,
            "known_from <= $2 AND (",
            $s,
            "superseded_known IS NULL OR ",
            $s,
            "superseded_known > $2) AND ",
            $s,
            "observed_from_us <= $1 AND (",
            $s,
            "observed_to_us IS NULL OR ",
            $s,
            "ended_known > $2 OR ",
            $s,
            "observed_to_us > $1)"
        )
    };
}
use held;

/// Since when, by host and rule.
type Since = BTreeMap<(HostId, String), i64>;

macro_rules! failing_since {
    ($of:literal) => {
        concat!(
            "SELECT f.host, f.rule, MIN(f.observed_from_us)
             FROM result_span o
             JOIN result_span f ON f.host = o.host AND f.rule = o.rule
             WHERE ",
            $of,
            " AND o.outcome = 'fail' AND ",
            held!("o."),
            " AND f.outcome = 'fail' AND f.known_from <= $2 AND f.observed_from_us <= $1
               AND (f.superseded_known IS NULL OR f.superseded_known > $2)
               AND NOT EXISTS (
                 SELECT 1 FROM result_span n WHERE n.host = f.host AND n.rule = f.rule
                 AND n.known_from <= $2 AND n.observed_from_us <= $1
                 AND (n.superseded_known IS NULL OR n.superseded_known > $2)
                 AND n.outcome IN ('pass', 'not_applicable')
                 AND n.observed_from_us > f.observed_from_us)
             GROUP BY f.host, f.rule"
        )
    };
}

impl Store {
    /// The moment that is asked for: `at_us`, and the log as it is asked for, or as it is now.
    pub async fn moment(
        &self,
        at_us: i64,
        known: Option<Known>,
    ) -> Result<Result<Moment, NoMoment>, StoreError> {
        let size = self.log().await?.size;
        let known = match known {
            None => size,
            Some(Known::Size(asked)) if asked > size => {
                return Ok(Err(NoMoment::Size(asked, size)));
            }
            Some(Known::Size(asked)) => asked,
            Some(Known::At(us)) => self.size_at(us, size).await?,
        };
        let known = i64::try_from(known).unwrap_or(i64::MAX) - 1;
        let known_us = match known + 1 == i64::try_from(size).unwrap_or(i64::MAX) {
            // What was decided since the last leaf is known too.
            true => i64::MAX,
            false => self.leaf_us(known).await?.unwrap_or(i64::MIN),
        };
        Ok(Ok(Moment { at_us, known, known_us }))
    }

    /// When a leaf of the log came.
    async fn leaf_us(&self, index: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT received_us FROM check_in WHERE log_index = $1
                   UNION ALL SELECT at_us FROM act WHERE log_index = $1";
        Ok(read!(&self.db, optional, (i64,), sql, index)?.map(|(us,)| us))
    }

    /// How many leaves the log had at a moment. Leaves are in the order they came in; clocks of
    /// several collectors may differ by moments, and so may this.
    async fn size_at(&self, us: i64, size: u64) -> Result<u64, StoreError> {
        let (mut low, mut high) = (0, size);
        while low < high {
            let middle = low + (high - low) / 2;
            let index = i64::try_from(middle).unwrap_or(i64::MAX);
            match self.leaf_us(index).await? {
                Some(at_us) if at_us <= us => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Hosts that were enrolled by then, as they stood, by name. That one was heard means: by what
    /// had come in by then, or, as is known later, by what it says it saw.
    pub async fn hosts_at(&self, moment: &Moment) -> Result<Vec<HostRow>, StoreError> {
        let said = self.said_at(None, moment).await?;
        let all = self.hosts().await?.into_iter().filter(|host| said.contains_key(&host.id));
        let all: Vec<HostRow> = all.filter(|host| host.enrolled_us <= moment.at_us).collect();
        let ids: Vec<HostId> = all.iter().map(|host| host.id).collect();
        let heads = self.heads_at(&ids, moment).await?;
        all.into_iter().map(|host| as_it_stood(host, &said, &heads, moment)).collect()
    }

    /// [`Store::hosts_at`] of one host; none if it was not enrolled by then.
    pub async fn host_at(
        &self,
        id: HostId,
        moment: &Moment,
    ) -> Result<Option<HostRow>, StoreError> {
        let Some(host) = self.host(id).await? else { return Ok(None) };
        let said = self.said_at(Some(id), moment).await?;
        if host.enrolled_us > moment.at_us || !said.contains_key(&id) {
            return Ok(None);
        }
        let heads = self.heads_at(&[id], moment).await?;
        as_it_stood(host, &said, &heads, moment).map(Some)
    }

    /// Group and state of hosts.
    async fn said_at(
        &self,
        host: Option<HostId>,
        moment: &Moment,
    ) -> Result<BTreeMap<HostId, BTreeMap<String, String>>, StoreError> {
        macro_rules! said {
            ($of:literal) => {
                concat!(
                    "SELECT host, property, value FROM host_span WHERE ",
                    $of,
                    " AND property IN ('group', 'state') AND ",
                    held!("")
                )
            };
        }
        let sql = if host.is_some() { said!("host = $3") } else { said!("$3 = ''") };
        let host = host.map(|host| host.to_string()).unwrap_or_default();
        type Row = (String, String, String);
        let rows = read!(&self.db, all, Row, sql, moment.at_us, moment.known, host.clone())?;
        let mut said: BTreeMap<HostId, BTreeMap<String, String>> = BTreeMap::new();
        for (host, property, value) in rows {
            said.entry(host_id(&host)?).or_default().insert(property, value);
        }
        Ok(said)
    }

    /// Hosts by id, from one on.
    pub async fn host_ids_from(
        &self,
        from: Option<HostId>,
        limit: i64,
    ) -> Result<Vec<HostId>, StoreError> {
        let sql = "SELECT id FROM host WHERE id >= $1 ORDER BY id LIMIT $2";
        let from = from.map(|host| host.to_string()).unwrap_or_default();
        let rows = read!(&self.db, all, (String,), sql, from.clone(), limit)?;
        rows.iter().map(|(id,)| host_id(id)).collect()
    }

    /// Since when each failure that held has been one, as [`Store::failing_since`] has it for now.
    pub async fn failing_since_at(&self, moment: &Moment) -> Result<Since, StoreError> {
        type Row = (String, String, i64);
        let sql = failing_since!("$3 = ''");
        let none = String::new();
        let rows = read!(&self.db, all, Row, sql, moment.at_us, moment.known, none.clone())?;
        rows.into_iter().map(|(host, rule, us)| Ok(((host_id(&host)?, rule), us))).collect()
    }

    /// [`Store::failing_since_at`] of one host.
    pub async fn failing_since_of(
        &self,
        host: HostId,
        moment: &Moment,
    ) -> Result<Since, StoreError> {
        type Row = (String, String, i64);
        let sql = failing_since!("o.host = $3");
        let rows = read!(&self.db, all, Row, sql, moment.at_us, moment.known, host.to_string())?;
        rows.into_iter().map(|(host, rule, us)| Ok(((host_id(&host)?, rule), us))).collect()
    }

    /// Groups that belonged to an ISMS, by its id.
    pub async fn isms_groups_at(
        &self,
        isms: &str,
        moment: &Moment,
    ) -> Result<BTreeSet<String>, StoreError> {
        let sql = concat!(
            "SELECT host_group FROM isms_group_span WHERE isms = $3 AND value = 'in' AND ",
            held!("")
        );
        let isms = isms.to_owned();
        let rows = read!(&self.db, all, (String,), sql, moment.at_us, moment.known, isms.clone())?;
        Ok(rows.into_iter().map(|(group,)| group).collect())
    }
}

fn as_it_stood(
    host: HostRow,
    said: &BTreeMap<HostId, BTreeMap<String, String>>,
    heads: &BTreeMap<HostId, Head>,
    moment: &Moment,
) -> Result<HostRow, StoreError> {
    let word = |property| said.get(&host.id).and_then(|said| said.get(property));
    let state = match word("state") {
        Some(state) => hosts::state(state)?,
        None => host.state,
    };
    let head = heads.get(&host.id);
    Ok(HostRow {
        group: word("group").cloned().unwrap_or_default(),
        state,
        last_received_us: head.map(|head| head.heard_us(moment)),
        next_due_s: head.map(|head| head.next_due_s),
        agent: head.map(|head| head.agent.clone()),
        manifest: head.map(|head| head.manifest),
        revoked_us: host.revoked_us.filter(|us| *us <= moment.decided_us()),
        ..host
    })
}
