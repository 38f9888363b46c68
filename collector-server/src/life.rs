//! What ends by itself in the life of hosts: maintenance when its time is over, and hosts of
//! ephemeral groups that nobody hears any more. And how long hosts were in service.

use crate::clock::Clock;
use crate::span::Span;
use crate::store::model::HostState;
use crate::store::{HostSpan, LifeChange, LifeRefusal, Store, StoreError};
use evidence::HostId;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(60);

/// Ends what is over until `stop`.
pub async fn run(store: Store, clock: Clock, mut stop: watch::Receiver<bool>) {
    loop {
        if let Err(error) = end_what_is_over(&store, clock.now_us()).await {
            tracing::error!(%error, "the life of hosts could not be looked at; it is shortly");
        }
        tokio::select! {
            () = clock.sleep(LOOK) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Ends maintenance whose time is over, and hosts of ephemeral groups that were silent for longer
/// than their group allows. Such a host ended when it was last heard; no alert is made of it.
pub async fn end_what_is_over(store: &Store, now_us: i64) -> Result<(), StoreError> {
    let change = |host, to, from_us, reason| LifeChange {
        host,
        to,
        actor: "collector".to_owned(),
        reason,
        from_us,
        now_us,
        until_us: None,
        unheard_since_us: None,
    };
    for (host, until_us) in store.maintained_hosts(now_us).await? {
        let reason = "its time was over".to_owned();
        step(store, &change(host, HostState::Active, until_us, reason)).await?;
    }
    for (host, heard_us, ttl_s) in store.expired_hosts(now_us).await? {
        let reason = format!("not heard for longer than the {ttl_s} s of its ephemeral group");
        let ended = change(host, HostState::Ended, heard_us, reason);
        step(store, &LifeChange { unheard_since_us: Some(heard_us), ..ended }).await?;
    }
    Ok(())
}

async fn step(store: &Store, change: &LifeChange) -> Result<(), StoreError> {
    match store.change_life(change).await? {
        Ok(_) => tracing::info!(host.id = %change.host, to = change.to.as_str(), "host life"),
        // Another collector or a person was quicker, or the host came back.
        Err(LifeRefusal::Final(_) | LifeRefusal::NotInMaintenance(_) | LifeRefusal::Heard) => {}
        Err(refusal) => tracing::warn!(host.id = %change.host, %refusal, "host life"),
    }
    Ok(())
}

/// How long hosts were in service as members of each group, in microseconds, within
/// `[from_us, to_us)`: the intersection of what was said of their group and of their state, as it
/// is known now. Pure.
pub fn service_us(spans: &[HostSpan], from_us: i64, to_us: i64) -> BTreeMap<String, i64> {
    type Spans<'a> = Vec<&'a Span<String>>;
    let mut hosts: BTreeMap<HostId, (Spans<'_>, Spans<'_>)> = BTreeMap::new();
    for row in spans.iter().filter(|row| row.span.superseded_known.is_none()) {
        let (groups, states) = hosts.entry(row.host).or_default();
        match row.property.as_str() {
            "group" => groups.push(&row.span),
            "state" if is_service(&row.span.value) => states.push(&row.span),
            _ => {}
        }
    }
    let mut total: BTreeMap<String, i64> = BTreeMap::new();
    for (groups, states) in hosts.into_values() {
        for group in groups {
            let end = |span: &Span<String>| span.to_us.unwrap_or(i64::MAX);
            let overlap = |state: &&Span<String>| {
                let from = group.from_us.max(state.from_us).max(from_us);
                (end(group).min(end(state)).min(to_us) - from).max(0)
            };
            let time: i64 = states.iter().map(overlap).sum();
            *total.entry(group.value.clone()).or_default() += time;
        }
    }
    total.retain(|_, time| *time > 0);
    total
}

fn is_service(state: &str) -> bool {
    matches!(state, "enrolling" | "active" | "maintenance")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(host: u128, property: &str, value: &str, from: i64, to: Option<i64>) -> HostSpan {
        let span = Span {
            value: value.to_owned(),
            from_us: from,
            to_us: to,
            known: 0,
            ended_known: to.map(|_| 1),
            superseded_known: None,
        };
        HostSpan { host: HostId::from(host), property: property.to_owned(), span, cause: None }
    }

    #[test]
    fn time_in_service_is_counted_per_group_within_the_period_and_once() {
        let mut spans = vec![
            said(1, "group", "ci", 0, Some(50)),
            said(1, "group", "web", 50, None),
            said(1, "state", "enrolling", 0, Some(10)),
            said(1, "state", "active", 10, Some(80)),
            said(1, "state", "ended", 80, None),
            said(2, "group", "ci", 20, None),
            said(2, "state", "active", 20, None),
            said(2, "tag:role", "runner", 20, None),
        ];
        let hours = |spans: &[HostSpan], from, to| service_us(spans, from, to);
        let expected = [("ci".to_owned(), 50 + 80), ("web".to_owned(), 30)].into();
        assert_eq!(hours(&spans, 0, 100), expected);
        let expected = [("ci".to_owned(), 10 + 20), ("web".to_owned(), 10)].into();
        assert_eq!(hours(&spans, 40, 60), expected);
        assert_eq!(hours(&spans, 200, 200), BTreeMap::new());
        // What gave way to later knowledge is not counted beside it.
        spans[6].span.superseded_known = Some(7);
        assert_eq!(hours(&spans, 0, 100).get("ci"), Some(&50));
    }
}
