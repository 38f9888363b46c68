use super::*;
use crate::judge::Profile;
use std::path::PathBuf;

const OFF: &str = "[[off]]\nrule = \"acc-uid0-only-root\"\nreason = \"a test\"\n";

fn chosen() -> config::Rules {
    config::Rules { profiles: vec![Profile::Essential], directory: PathBuf::new() }
}

fn overlay(text: &str) -> Vec<(String, String)> {
    vec![("overlay/own.toml".to_owned(), text.to_owned())]
}

async fn store(directory: &tempfile::TempDir) -> Store {
    let url = format!("sqlite:{}", directory.path().join("evidence.db").display());
    Store::open(&url).await.expect("store")
}

fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::builtin().expect("catalogue"))
}

fn following(store: &Store, active: &Active) -> Following {
    Following {
        store: store.clone(),
        active: active.clone(),
        chosen: chosen(),
        catalogue: catalogue(),
        clock: Clock::system(),
        wake: Arc::new(Notify::new()),
    }
}

#[tokio::test]
async fn a_running_collector_takes_an_overlay_up_and_makes_it_known() {
    let directory = tempfile::tempdir().expect("directory");
    let store = store(&directory).await;
    let active = Active::new(load(&store, &chosen(), &catalogue()).await.expect("rules"));
    announce(&store, &active.now(), 1).await.expect("announced");
    let with = following(&store, &active);
    let before = active.rules().id();
    assert_eq!(look(&with, None).await.expect("look"), 0);
    assert_eq!(active.rules().id(), before, "nothing was activated");

    store.activate_overlay(&overlay(OFF), "a person", 2).await.expect("store").expect("version");
    assert_eq!(look(&with, Some(0)).await.expect("look"), 1);
    let now = active.now();
    assert!(now.judge.rules().get("acc-uid0-only-root").is_none());
    assert_eq!(now.overlay.as_ref().map(|overlay| overlay.version), Some(1));
    let sources = store.active_rules().await.expect("store").expect("rules");
    assert!(sources.iter().any(|(name, text)| name == "overlay/own.toml" && text == OFF));
    // And back.
    store.activate_overlay(&[], "a person", 3).await.expect("store").expect("version");
    assert_eq!(look(&with, Some(1)).await.expect("look"), 2);
    assert_eq!(active.rules().id(), before);
}

#[tokio::test]
async fn an_overlay_that_is_refused_neither_stops_a_collector_nor_lets_a_rule_pass() {
    let directory = tempfile::tempdir().expect("directory");
    let store = store(&directory).await;
    store.activate_overlay(&overlay(OFF), "a person", 1).await.expect("store").expect("version");
    let first = load(&store, &chosen(), &catalogue()).await.expect("rules");
    announce(&store, &first, 1).await.expect("announced");
    let active = Active::new(first);
    let before = active.rules().id();

    // As another version of this program might have let it in.
    let broken = overlay("[[off]]\nrule = \"no-such-rule\"\nreason = \"r\"\n");
    store.activate_overlay(&broken, "a person", 2).await.expect("store").expect("version");
    let with = following(&store, &active);
    assert_eq!(look(&with, Some(1)).await.expect("look"), 2);
    let now = active.now();
    assert_eq!(now.judge.rules().id(), before, "what judged before judges on");
    let refused = now.refused.as_deref().expect("told");
    assert!(refused.contains("overlay/own.toml:2:8: unknown rule `no-such-rule`"), "{refused}");

    // One that starts now does the same.
    let started = load(&store, &chosen(), &catalogue()).await.expect("rules");
    assert_eq!(started.judge.rules().id(), before);
    assert!(started.refused.is_some());
    let active = Active::new(started);
    assert_eq!(look(&following(&store, &active), None).await.expect("look"), 2);

    // A good one ends it.
    store.activate_overlay(&[], "a person", 3).await.expect("store").expect("version");
    assert_eq!(look(&following(&store, &active), Some(2)).await.expect("look"), 3);
    assert_eq!(active.now().refused, None);
}

#[tokio::test]
async fn without_anything_that_judged_before_a_refused_overlay_leaves_every_result_unknown() {
    let directory = tempfile::tempdir().expect("directory");
    let store = store(&directory).await;
    store.activate_overlay(&overlay("[[off]"), "a person", 1).await.expect("store").expect("v");
    let judging = load(&store, &chosen(), &catalogue()).await.expect("rules");
    let results = judging.judge.judge(&crate::judge::HostState::default(), 0);
    assert!(results.iter().all(|r| r.reason == Some(crate::judge::Reason::RuleError)));
    assert!(!results.is_empty());
}
