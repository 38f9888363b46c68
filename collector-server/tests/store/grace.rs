//! New hosts.

use crate::alerts::{DAY, HOUR, Subject, alerts, state, states};
use evidenced_collector::store::Store;

const AT: i64 = 10 * DAY;

pub(crate) async fn what_a_new_host_does_is_told_when_it_is_new_no_more(store: &Store) {
    // Hosts of these tests are enrolled at the first microsecond.
    store.set_new_host_grace(AT + 3 * HOUR).await.expect("store");
    let (mut mended, mut stuck) = (Subject::new(store, AT).await, Subject::new(store, AT).await);
    let mut grave = Subject::new(store, AT).await;
    mended.says(store, "fail", AT + HOUR).await;
    stuck.says(store, "fail", AT + HOUR).await;
    store.settle_alerts(AT + 2 * HOUR).await.expect("store");
    assert!(alerts(store).await.is_empty());
    let critical = |judgement: &mut evidenced_collector::store::Judgement| {
        judgement.opened[0].severity = "critical".into();
    };
    grave.judged(store, "fail", AT + 2 * HOUR, critical).await;
    assert_eq!(states(store).await, [state("open", 1)], "what is critical is told at once");
    mended.says(store, "pass", AT + 2 * HOUR).await;
    store.settle_alerts(AT + 3 * HOUR).await.expect("store");
    assert_eq!(alerts(store).await.len(), 1, "the last moment of its time");
    store.settle_alerts(AT + 3 * HOUR + 1).await.expect("store");
    assert_eq!(states(store).await, [state("open", 1), state("open", 1)]);
}
