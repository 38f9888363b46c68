//! What people said: statements, expected hosts, exceptions, approved lists.

use super::{Common, Maker};
use crate::exception::State;
use crate::population;
use crate::snapshot::SnapshotError;
use crate::snapshot::document::{
    ExceptionDocument, ExpectedDocument, IsmsDocument, RecordsDocument, StatementDocument,
};
use crate::snapshot::files::Work;
use crate::store::ExceptionRow;
use evidence::HostId;
use std::collections::BTreeSet;

/// Whether a population is read from kinds that are left out.
pub(super) fn is_personal(id: &str, left_out: &BTreeSet<String>) -> bool {
    let population = population::find(id);
    !left_out.is_empty()
        && population.is_none_or(|p| p.from.iter().any(|from| left_out.contains(&from.kind)))
}

impl Maker<'_> {
    pub(super) async fn write_said(
        &self,
        common: &Common,
        scope: &BTreeSet<HostId>,
        work: &Work,
    ) -> Result<(), SnapshotError> {
        let statements = self.statements(common).await?;
        let groups: BTreeSet<String> = statements.iter().flat_map(|s| s.groups.clone()).collect();
        let pins = &common.pins;
        let list = self.store.expected_hosts().await?;
        let mut entries = self.store.expected_at(pins.at_us, pins.known()).await?;
        if !common.asked.isms.is_empty() {
            entries.retain(|entry| groups.contains(&entry.group));
        }
        let imported_us = list.imported_us.filter(|us| *us <= pins.at_us);
        work.document("expected.json", &ExpectedDocument { imported_us, entries })?;
        work.document("statements.json", &statements)?;
        let rows = self.store.exceptions().await?;
        let mut exceptions: Vec<_> = rows.iter().filter_map(|row| exception(row, common)).collect();
        exceptions.retain(|exception| {
            exception.scope != "host"
                || exception.scope_name.parse().is_ok_and(|host| scope.contains(&host))
        });
        exceptions.sort_by(|a, b| a.id.cmp(&b.id));
        work.document("exceptions.json", &exceptions)?;
        work.document("lists.json", &common.lists)?;
        work.document("records.json", &self.records(common, &statements).await?)
    }

    /// Records as they stood at the end, of the management systems that are in it.
    async fn records(
        &self,
        common: &Common,
        of: &[IsmsDocument],
    ) -> Result<RecordsDocument, SnapshotError> {
        let personal = |register: &str| {
            common.asked.without_personal
                && self.registers.get(register).is_none_or(|register| register.personal)
        };
        let at_us = common.pins.at_us;
        let records = self.store.records(None).await?.into_iter();
        let records = records.filter(|record| of.iter().any(|isms| isms.id == record.isms));
        let records = records.filter_map(|record| record.at(at_us)).map(|record| {
            let withheld = personal(&record.register);
            if withheld { record.without_words() } else { record }
        });
        Ok(RecordsDocument { registers: self.registers.all().to_vec(), records: records.collect() })
    }

    async fn statements(&self, common: &Common) -> Result<Vec<IsmsDocument>, SnapshotError> {
        let pins = &common.pins;
        let mut documents = vec![];
        for isms in self.store.all_isms().await? {
            let asked = &common.asked.isms;
            let is_asked = |text: &String| {
                *text == isms.id || text.to_lowercase() == isms.text.name.to_lowercase()
            };
            if isms.created_us > pins.at_us || !(asked.is_empty() || asked.iter().any(is_asked)) {
                continue;
            }
            let times = self.group_times(&isms.id, pins.known()).await?;
            let holds = |held: &Vec<(i64, i64)>| {
                held.iter().any(|(from, to)| *from <= pins.at_us && pins.at_us < *to)
            };
            let groups = times.iter().filter(|(_, held)| holds(held));
            let groups = groups.map(|(group, _)| group.clone()).collect();
            let versions = self.store.applicability_versions(&isms.id).await?;
            let approved = versions.iter().find(|version| {
                version.approved_us.is_some_and(|us| us <= pins.at_us)
                    && version.known.is_none_or(|known| known <= pins.known())
            });
            let statement = match approved {
                Some(version) => {
                    let entries =
                        self.store.applicability_entries(&isms.id, version.version).await?;
                    StatementDocument::of(version, entries)
                }
                None => None,
            };
            documents.push(IsmsDocument {
                id: isms.id,
                name: isms.text.name,
                legal_entity: isms.text.legal_entity,
                scope_statement: isms.text.scope_statement,
                certificate: isms.text.certificate,
                groups,
                statement,
            });
        }
        Ok(documents)
    }
}

/// An exception as it stood at the end; none if nobody had asked for it, or it was over before.
fn exception(row: &ExceptionRow, common: &Common) -> Option<ExceptionDocument> {
    let (from_us, at_us) = (common.pins.from_us, common.pins.at_us);
    let by_then = |us: Option<i64>| us.filter(|us| *us <= at_us);
    let over = row.ended_us.unwrap_or(i64::MAX).min(row.until_us);
    if row.requested_us > at_us || over < from_us {
        return None;
    }
    let decided_us = by_then(row.decided_us);
    let ended_us = by_then(row.ended_us);
    let decided = |text: &Option<String>| text.clone().filter(|_| decided_us.is_some());
    let ended = |text: &Option<String>| text.clone().filter(|_| ended_us.is_some());
    let decision = decided(&row.decision);
    Some(ExceptionDocument {
        id: row.id.clone(),
        scope: row.scope.sort().to_owned(),
        scope_name: row.scope.name(),
        rules: row.rules.clone(),
        reason: row.reason.clone(),
        measure: row.measure.clone(),
        ticket: row.ticket.clone(),
        risk: row.risk.clone(),
        requested_by: row.requested_by.clone(),
        requested_us: row.requested_us,
        until_us: row.until_us,
        renews: row.renews.clone(),
        state: State::of(decision.as_deref(), ended_us, row.until_us, at_us).as_str().to_owned(),
        decided_by: decided(&row.decided_by),
        decided_us,
        note: decided(&row.note),
        ended_us,
        ended_by: ended(&row.ended_by),
        end_note: ended(&row.end_note),
    })
}
