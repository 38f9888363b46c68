//! What a snapshot reads: one host after the other, as it was at a moment and as the log knew it.

use super::db::read;
use super::packed::unpack;
use super::{Store, StoreError};
use crate::snapshot::document::{
    CoverDocument, KindDocument, MemberDocument, Pins, ResultDocument, ToleranceDocument,
};
use crate::status::Tolerance;
use evidence::{Digest, HostId, SignedCheckIn};
use std::collections::{BTreeMap, BTreeSet};

/// A check-in as a snapshot needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCheckIn {
    pub index: u64,
    pub observed_us: i64,
    pub received_us: i64,
    pub signed: SignedCheckIn,
}

/// An act with the salt of its leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedAct {
    pub index: u64,
    pub at_us: i64,
    pub salt: Vec<u8>,
    /// None: it was erased.
    pub body: Option<Vec<u8>>,
}

type CheckInRow = (i64, i64, i64, Vec<u8>);

fn check_in(
    (index, observed_us, received_us, packed): CheckInRow,
) -> Result<LoggedCheckIn, StoreError> {
    let signed = unpack(&packed)?;
    Ok(LoggedCheckIn { index: index.unsigned_abs(), observed_us, received_us, signed })
}

impl Store {
    /// States of a host's kinds that held at any time of the period.
    pub async fn kinds_within(
        &self,
        host: HostId,
        pins: &Pins,
    ) -> Result<Vec<KindDocument>, StoreError> {
        let sql = "SELECT kind, entry, observed_from_us,
                     CASE WHEN observed_to_us > $3 OR ended_known > $4 THEN NULL
                          ELSE observed_to_us END,
                     known_from
                   FROM kind_span
                   WHERE host = $1 AND known_from <= $4
                     AND (superseded_known IS NULL OR superseded_known > $4)
                     AND observed_from_us <= $3
                     AND (observed_to_us IS NULL OR ended_known > $4 OR observed_to_us > $2)
                   ORDER BY kind, observed_from_us, known_from";
        type Row = (String, String, i64, Option<i64>, i64);
        let (from, at, known) = (pins.from_us, pins.at_us, pins.known());
        let rows = read!(&self.db, all, Row, sql, host.to_string(), from, at, known)?;
        rows.into_iter()
            .map(|(kind, entry, from_us, to_us, known)| {
                let entry = serde_json::from_str(&entry);
                let entry =
                    entry.map_err(|e| StoreError::corrupt(format!("entry of {kind}: {e}")))?;
                Ok(KindDocument { kind, entry, from_us, to_us, known })
            })
            .collect()
    }

    /// Results of a host that held at any time of the period.
    pub async fn results_within(
        &self,
        host: HostId,
        pins: &Pins,
    ) -> Result<Vec<ResultDocument>, StoreError> {
        let sql = "SELECT rule, outcome, reason, offenders, cause, rules, observed_from_us,
                     CASE WHEN observed_to_us > $3 OR ended_known > $4 THEN NULL
                          ELSE observed_to_us END,
                     known_from
                   FROM result_span
                   WHERE host = $1 AND known_from <= $4
                     AND (superseded_known IS NULL OR superseded_known > $4)
                     AND observed_from_us <= $3
                     AND (observed_to_us IS NULL OR ended_known > $4 OR observed_to_us > $2)
                   ORDER BY rule, observed_from_us, known_from";
        type Row = (
            String,
            String,
            Option<String>,
            String,
            Option<String>,
            Vec<u8>,
            i64,
            Option<i64>,
            i64,
        );
        let (from, at, known) = (pins.from_us, pins.at_us, pins.known());
        let rows = read!(&self.db, all, Row, sql, host.to_string(), from, at, known)?;
        let mut results = Vec::with_capacity(rows.len());
        for (rule, outcome, reason, offenders, cause, rules, from_us, to_us, known) in rows {
            let corrupt = |what: String| StoreError::corrupt(format!("result {rule}: {what}"));
            let offenders = serde_json::from_str(&offenders).map_err(|e| corrupt(e.to_string()))?;
            let rules =
                Digest::from_slice(&rules).ok_or_else(|| corrupt("its rule set".to_owned()))?;
            results.push(ResultDocument {
                rule,
                outcome,
                reason,
                offenders,
                cause,
                rules,
                from_us,
                to_us,
                known,
                failing_since_us: None,
            });
        }
        let since = self.failures_begun(host, pins).await?;
        for result in results.iter_mut().filter(|result| result.outcome == "fail") {
            result.failing_since_us =
                since.get(&(result.rule.clone(), result.from_us)).copied().or(Some(result.from_us));
        }
        Ok(results)
    }

    /// Since when each failure of a host was one, by rule and begin of its span: since the rule last
    /// passed or did not apply.
    async fn failures_begun(
        &self,
        host: HostId,
        pins: &Pins,
    ) -> Result<BTreeMap<(String, i64), i64>, StoreError> {
        let sql = "SELECT rule, outcome, observed_from_us FROM result_span
                   WHERE host = $1 AND known_from <= $3
                     AND (superseded_known IS NULL OR superseded_known > $3)
                     AND observed_from_us <= $2
                   ORDER BY rule, observed_from_us, known_from";
        type Row = (String, String, i64);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), pins.at_us, pins.known())?;
        let (mut since, mut open) = (BTreeMap::new(), None::<(String, i64)>);
        for (rule, outcome, from_us) in rows {
            let held = open.take().filter(|(of, _)| *of == rule).map(|(_, begun_us)| begun_us);
            open = match outcome.as_str() {
                "fail" => {
                    let begun_us = held.unwrap_or(from_us);
                    since.insert((rule.clone(), from_us), begun_us);
                    Some((rule, begun_us))
                }
                // That it was unknown meanwhile repaired nothing.
                "unknown" => held.map(|begun_us| (rule, begun_us)),
                _ => None,
            };
        }
        Ok(since)
    }

    /// The last check-in of a host that was observed by then, among the first leaves of the log.
    pub async fn last_check_in(
        &self,
        host: HostId,
        at_us: i64,
        known: i64,
    ) -> Result<Option<LoggedCheckIn>, StoreError> {
        let sql = "SELECT c.log_index, c.observed_us, c.received_us, c.packed
                   FROM check_in c JOIN chain ON chain.first_index = c.first_index
                   WHERE chain.host = $1 AND c.log_index <= $3 AND c.observed_us <= $2
                   ORDER BY c.log_index DESC LIMIT 1";
        let row = read!(&self.db, optional, CheckInRow, sql, host.to_string(), at_us, known)?;
        row.map(check_in).transpose()
    }

    /// A check-in by its place in the log; none if an act is there.
    pub async fn check_in_at(&self, index: u64) -> Result<Option<LoggedCheckIn>, StoreError> {
        let sql = "SELECT log_index, observed_us, received_us, packed FROM check_in
                   WHERE log_index = $1";
        let row = read!(&self.db, optional, CheckInRow, sql, super::log::signed(index))?;
        row.map(check_in).transpose()
    }

    /// When check-ins of a host were observed within the period: log index and time.
    pub async fn check_in_times(
        &self,
        host: HostId,
        pins: &Pins,
    ) -> Result<Vec<(u64, i64)>, StoreError> {
        let sql = "SELECT c.log_index, c.observed_us
                   FROM check_in c JOIN chain ON chain.first_index = c.first_index
                   WHERE chain.host = $1 AND c.log_index <= $4 AND c.observed_us <= $3
                     AND c.observed_us >= $2 ORDER BY c.log_index";
        let (from, at, known) = (pins.from_us, pins.at_us, pins.known());
        let rows = read!(&self.db, all, (i64, i64), sql, host.to_string(), from, at, known)?;
        Ok(rows.into_iter().map(|(index, us)| (index.unsigned_abs(), us)).collect())
    }

    /// Acts after a log index, in order.
    pub async fn acts_after(
        &self,
        after: i64,
        known: i64,
        limit: i64,
    ) -> Result<Vec<LoggedAct>, StoreError> {
        let sql = "SELECT log_index, at_us, salt, body FROM act
                   WHERE log_index > $1 AND log_index <= $2 ORDER BY log_index LIMIT $3";
        type Row = (i64, i64, Vec<u8>, Option<Vec<u8>>);
        let rows = read!(&self.db, all, Row, sql, after, known, limit)?;
        let act = |(index, at_us, salt, body): Row| LoggedAct {
            index: index.unsigned_abs(),
            at_us,
            salt,
            body,
        };
        Ok(rows.into_iter().map(act).collect())
    }

    /// Failures of a host that exceptions covered at any time of the period.
    pub async fn covers_within(
        &self,
        host: HostId,
        pins: &Pins,
    ) -> Result<Vec<CoverDocument>, StoreError> {
        let sql = "SELECT exception, rule, from_us, to_us, ended FROM exception_cover
                   WHERE host = $1 AND from_us <= $3 AND (to_us IS NULL OR to_us > $2)
                   ORDER BY exception, rule, from_us";
        type Row = (String, String, i64, Option<i64>, Option<String>);
        let (from, at) = (pins.from_us, pins.at_us);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), from, at)?;
        let cover = |(exception, rule, from_us, to_us, ended): Row| {
            let ended_by_then = to_us.is_some_and(|to| to <= at);
            let (to_us, ended) = (to_us.filter(|_| ended_by_then), ended.filter(|_| ended_by_then));
            CoverDocument { exception, rule, from_us, to_us, ended }
        };
        Ok(rows.into_iter().map(cover).collect())
    }

    /// Members of populations of a host that were there at any time of the period.
    pub async fn members_within(
        &self,
        host: HostId,
        pins: &Pins,
    ) -> Result<Vec<MemberDocument>, StoreError> {
        let sql = "SELECT population, member, from_us, to_us FROM host_member
                   WHERE host = $1 AND known <= $4 AND from_us <= $3
                     AND (to_us IS NULL OR to_us > $2)
                   ORDER BY population, member, from_us, known";
        type Row = (String, String, i64, Option<i64>);
        let (from, at, known) = (pins.from_us, pins.at_us, pins.known());
        let rows = read!(&self.db, all, Row, sql, host.to_string(), from, at, known)?;
        let member = |(population, member, from_us, to_us): Row| MemberDocument {
            population,
            member,
            from_us,
            to_us: to_us.filter(|to| *to <= at),
        };
        Ok(rows.into_iter().map(member).collect())
    }

    /// When a host did not report within the period, as it was found then.
    pub async fn silences_within(
        &self,
        host: HostId,
        pins: &Pins,
    ) -> Result<Vec<(i64, Option<i64>)>, StoreError> {
        let sql = "SELECT opened_us, resolved_us FROM drift
                   WHERE host = $1 AND drift = 'not_reporting' AND opened_us <= $3
                     AND opened_index <= $4 AND (resolved_us IS NULL OR resolved_us > $2)
                   ORDER BY opened_us";
        let (from, at, known) = (pins.from_us, pins.at_us, pins.known());
        type Row = (i64, Option<i64>);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), from, at, known)?;
        Ok(rows.into_iter().map(|(from, to)| (from, to.filter(|to| *to <= at))).collect())
    }

    /// The bytes of an object, if this host itself sent it.
    pub async fn object_of_host(
        &self,
        host: HostId,
        id: Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT o.zstd, o.size_bytes FROM object o
                   JOIN host_object h ON h.object = o.id WHERE h.host = $1 AND h.object = $2";
        let key = (host.to_string(), id.0.to_vec());
        let row = read!(&self.db, optional, (Vec<u8>, i64), sql, key.0.clone(), key.1.clone())?;
        let Some((packed, size)) = row else { return Ok(None) };
        let size = usize::try_from(size).unwrap_or_default();
        let bytes = zstd::bulk::decompress(&packed, size);
        let bytes = bytes.map_err(|e| StoreError::corrupt(format!("object {id}: {e}")))?;
        Ok(Some(bytes))
    }

    /// Every host's judged log index: check-ins after it have no results yet.
    pub async fn judged_indexes(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let rows = read!(&self.db, all, (String, i64), "SELECT id, judged_index FROM host")?;
        Ok(rows.into_iter().collect())
    }

    /// The files of a rule set that was ever active.
    pub async fn rule_sources(
        &self,
        id: Digest,
    ) -> Result<Option<Vec<(String, String)>>, StoreError> {
        let sql = "SELECT sources FROM rule_set WHERE name = $1";
        let row = read!(&self.db, optional, (String,), sql, id.to_string())?;
        let parse = |(sources,): (String,)| {
            serde_json::from_str(&sources)
                .map_err(|e| StoreError::corrupt(format!("rule set: {e}")))
        };
        row.map(parse).transpose()
    }

    /// The list of expected hosts as it was.
    pub async fn expected_at(
        &self,
        at_us: i64,
        known: i64,
    ) -> Result<Vec<crate::expected::Expected>, StoreError> {
        let sql = "SELECT name_key, entry FROM expected_host
                   WHERE known_from <= $2 AND from_us <= $1
                     AND (to_us IS NULL OR ended_known > $2 OR to_us > $1)
                   ORDER BY name_key, known_from";
        let rows = read!(&self.db, all, (String, String), sql, at_us, known)?;
        rows.into_iter()
            .map(|(key, text)| {
                serde_json::from_str(&text)
                    .map_err(|e| StoreError::corrupt(format!("expected host {key}: {e}")))
            })
            .collect()
    }

    /// The members of lists that were accepted by then and still are, by group and population.
    pub async fn accepted_at(
        &self,
        at_us: i64,
    ) -> Result<BTreeMap<String, BTreeMap<String, BTreeSet<String>>>, StoreError> {
        let sql = "SELECT host_group, population, member FROM approved_member
                   WHERE state = 'accepted' AND (decided_us IS NULL OR decided_us <= $1)";
        let mut lists: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (group, population, member) in
            read!(&self.db, all, (String, String, String), sql, at_us)?
        {
            lists.entry(group).or_default().entry(population).or_default().insert(member);
        }
        Ok(lists)
    }

    /// Tolerances as they were.
    pub async fn tolerance_documents(
        &self,
        at_us: i64,
        known: i64,
    ) -> Result<Vec<ToleranceDocument>, StoreError> {
        let sql = "SELECT isms, control, max_hosts, max_percent, owner, reason FROM tolerance
                   WHERE known_from <= $2 AND from_us <= $1
                     AND (to_us IS NULL OR ended_known > $2 OR to_us > $1)
                   ORDER BY isms, control, known_from";
        type Row = (String, String, Option<i64>, Option<i64>, String, String);
        let rows = read!(&self.db, all, Row, sql, at_us, known)?;
        let tolerance = |(isms, control, hosts, percent, owner, reason): Row| ToleranceDocument {
            isms,
            control,
            tolerance: Tolerance {
                max_hosts: hosts.map(i64::unsigned_abs),
                max_percent: percent.map(i64::unsigned_abs),
            },
            owner,
            reason,
        };
        Ok(rows.into_iter().map(tolerance).collect())
    }
}
