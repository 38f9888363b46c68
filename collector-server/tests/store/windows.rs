//! Change windows: what they excuse, for how long, and what they do not.

use crate::alerts::{DAY, HOUR, MINUTE, Subject, alerts, state, states};
use evidence::HostId;
use evidenced_collector::store::{DriftFilter, Store, WindowRefusal};
use evidenced_collector::window::Wanted;

const AT: i64 = 10 * DAY;

fn window(from_us: i64, to_us: i64) -> Wanted {
    Wanted { from_us, to_us, ticket: "CHG-1".into(), ..Wanted::default() }
}

/// Group `default`, rule `acc`.
fn expecting(from_us: i64, to_us: i64) -> Wanted {
    Wanted {
        groups: ["default".to_owned()].into(),
        rules: ["acc".to_owned()].into(),
        ..window(from_us, to_us)
    }
}

async fn created(store: &Store, wanted: Wanted) -> String {
    store.create_windows(&[wanted], "operator", AT).await.expect("store").remove(0)
}

async fn excused(store: &Store, host: HostId) -> Vec<Option<String>> {
    let filter = DriftFilter { host: Some(host), open: None, limit: 10 };
    let mut found = vec![];
    for drift in store.drifts(filter).await.expect("drifts") {
        found.push(store.window_of(&drift.id).await.expect("store").map(|(id, ..)| id));
    }
    found
}

pub(crate) async fn a_window_excuses_what_it_expects_until_it_ends(store: &Store) {
    let (mut web, mut stuck) = (Subject::new(store, AT).await, Subject::new(store, AT).await);
    let id = created(store, expecting(AT + HOUR, AT + 3 * HOUR)).await;
    web.says(store, "fail", AT + 2 * HOUR).await;
    stuck.says(store, "fail", AT + 2 * HOUR).await;
    assert!(alerts(store).await.is_empty());
    assert_eq!(excused(store, web.host()).await, [Some(id.clone())], "the drift names the window");
    let results = store.open_results(Some(web.host()), None).await.expect("store");
    assert!(results.iter().any(|row| row.outcome == "fail"), "and stays a failure");
    store.settle_alerts(AT + 3 * HOUR - 1).await.expect("store");
    assert!(alerts(store).await.is_empty());
    web.says(store, "pass", AT + 2 * HOUR + 30 * MINUTE).await;
    // What persists after its end is told; what was mended never is.
    store.settle_alerts(AT + 3 * HOUR).await.expect("store");
    assert_eq!(states(store).await, [state("open", 1)]);
    let alert = alerts(store).await.remove(0);
    let whole = store.alert(&alert.id).await.expect("store").expect("alert");
    assert_eq!(whole.hosts, [stuck.host()]);
    let row = store.windows(10).await.expect("windows").remove(0);
    assert_eq!((row.drifts, row.open), (2, 1));
}

pub(crate) async fn a_window_excuses_nothing_else(store: &Store) {
    // Before it, after it, on another host, by another rule, and cancelled.
    for n in 0..5 {
        let at = AT + n * 10 * DAY;
        let mut web = Subject::new(store, at).await;
        let whole = expecting(at, at + 9 * HOUR);
        let wanted = match n {
            0 => expecting(at + 3 * HOUR, at + 4 * HOUR),
            1 => expecting(at, at + HOUR),
            2 => Wanted { groups: ["db".to_owned()].into(), ..whole },
            3 => Wanted {
                rules: ["another".to_owned()].into(),
                populations: ["root-keys".to_owned()].into(),
                ..whole
            },
            _ => whole,
        };
        let id = created(store, wanted).await;
        if n == 4 {
            let cancel = async |at| store.cancel_window(&id, "operator", at).await.expect("store");
            assert_eq!(cancel(at + HOUR).await, Ok(()));
            assert_eq!(cancel(at + HOUR).await, Err(WindowRefusal::Over));
        }
        web.says(store, "fail", at + 2 * HOUR).await;
        assert_eq!(excused(store, web.host()).await, [None], "{n}");
        assert_eq!(alerts(store).await[0].state, "open", "{n}");
        web.says(store, "pass", at + 5 * HOUR).await;
    }
    assert_eq!(alerts(store).await.len(), 5);
}

pub(crate) async fn a_window_that_expects_a_kind_excuses_its_rules(store: &Store) {
    let mut web = Subject::new(store, AT).await;
    let wanted = Wanted {
        hosts: [web.host()].into(),
        kinds: ["accounts".to_owned()].into(),
        ..window(AT, AT + 9 * HOUR)
    };
    let id = created(store, wanted).await;
    web.says(store, "fail", AT + HOUR).await;
    assert_eq!(excused(store, web.host()).await, [Some(id.clone())]);
    assert!(alerts(store).await.is_empty());
    // Cancelled, it excuses nothing any more: what is open in it is told.
    store.cancel_window(&id, "operator", AT + 2 * HOUR).await.expect("store").expect("cancelled");
    store.settle_alerts(AT + 2 * HOUR).await.expect("store");
    assert_eq!(states(store).await, [state("open", 1)]);
}
