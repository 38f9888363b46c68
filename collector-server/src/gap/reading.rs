//! The gaps of a host, from the store.

use super::{Gap, KindRead, Known, Spoken, gaps};
use crate::moment::Moment;
use crate::scope::Interval;
use crate::store::{Store, StoreError};
use evidence::{Digest, HostId};
use std::collections::BTreeSet;

/// Every gap of a host in a period that ends by now, as is known now or was known then.
pub async fn of_host(
    store: &Store,
    host: HostId,
    period: Interval,
    moment: Option<&Moment>,
    now_us: i64,
) -> Result<Vec<Gap>, StoreError> {
    let period = (period.0, period.1.min(now_us));
    let Some(row) = store.host(host).await? else { return Ok(vec![]) };
    let known = moment.map_or(i64::MAX, |moment| moment.known);
    let then = Moment { at_us: period.1, known, known_us: i64::MAX };
    let said = store.host_spans(Some(host)).await?;
    let states = said.iter().filter(|row| row.property == "state" && row.span.counts_at(known));
    let service = states
        .filter(|row| matches!(row.span.value.as_str(), "enrolling" | "active" | "maintenance"));
    let service = service.map(|row| (row.span.from_us, row.span.end_at(known).unwrap_or(i64::MAX)));
    let service = service.collect();
    let check_ins = store.spoken(host, period, known).await?;
    let manifests: BTreeSet<Digest> = check_ins.iter().map(|said| said.1).collect();
    let held = store.held(host, manifests.into_iter()).await?;
    let spoken = check_ins
        .into_iter()
        .map(|(said, manifest)| Spoken { whole: held.contains(&manifest), ..said });
    let spans = store.kind_spans_at(host, period.0, &then).await?;
    let facts: BTreeSet<Digest> = spans.iter().filter_map(|span| span.row.facts).collect();
    let facts = store.held(host, facts.into_iter()).await?;
    let read = |span: crate::store::KindSpan| KindRead {
        lost: span.row.facts.is_some_and(|id| !facts.contains(&id)),
        status: span.row.status,
        held: (span.row.since_us, span.to_us.unwrap_or(i64::MAX)),
        kind: span.row.kind,
    };
    let known = Known {
        period,
        enrolled_us: row.enrolled_us,
        service,
        spoken: spoken.collect(),
        kinds: spans.into_iter().map(read).collect(),
        outages: store.outages(period).await?,
    };
    Ok(gaps(&known))
}
