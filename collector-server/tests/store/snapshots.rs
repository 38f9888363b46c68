//! Snapshots of a small store: made again, made of the past, damaged before and after.

mod site;
mod tampered;

use crate::cases::{Agent, SECOND};
use evidenced_collector::clock::Clock;
use evidenced_collector::keyring::{Keyring, Keys};
use evidenced_collector::snapshot::SnapshotError;
use evidenced_collector::snapshot::document::{Asked, HostDocument, Pins, Sampling};
use evidenced_collector::snapshot::job::Job;
use evidenced_collector::snapshot::make::signers;
use evidenced_collector::snapshot::verify::{Layer, Trust, verify};
use evidenced_collector::status::RepairLimits;
use evidenced_collector::store::{KeyState, Sort, Step, Store, TrustKey};
use site::{Site, T, users};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

pub(crate) async fn a_snapshot_holds_and_is_the_same_again(store: &Store) {
    let site = Site::new(store).await;
    let asked = Asked { label: "Audit".into(), ..Asked::default() };
    let (first, made) = site.make(&asked, "first").await;
    assert_eq!((made.disagreeing, made.head.hosts, made.head.unjudged), (0, 2, 0));
    let outcome = site.verified(&first);
    assert!(outcome.is_sound(), "{:#?}", outcome.layers);
    for layer in Layer::ALL {
        // There is no authority here, and that is no fault.
        let proved = !outcome.layers[&layer].proved.is_empty();
        assert_eq!(proved, layer != Layer::Stamp, "{layer:?}");
    }
    let Pins { at_us, known_size, .. } = made.head.pins;
    let pinned = |more: Asked| Asked {
        at_us: Some(at_us),
        known_size: Some(known_size),
        label: "Audit".into(),
        ..more
    };
    let (second, _) = site.make(&pinned(Asked::default()), "second").await;
    let (third, _) = site.make(&pinned(Asked::default()), "third").await;
    assert!(second == third, "equal questions give equal bytes");
    // More is known since: the same moment and log are the same archive.
    let mut late = Agent::enrolled(store).await;
    late.report(store, users(true), T + 500).await;
    site.work(T + 500).await;
    let (fourth, _) = site.make(&pinned(Asked::default()), "fourth").await;
    assert!(fourth == third, "what came later is in no archive of before");

    let sample = Some(Sampling { seed: "s".into(), size: 3 });
    let period = Asked { from_us: Some(T * SECOND), sample, ..Asked::default() };
    let (sampled, _) = site.make(&pinned(period), "sampled").await;
    let outcome = site.verified(&sampled);
    assert!(outcome.is_sound(), "{:#?}", outcome.layers);
    let drawn = site.text(&sampled, "sample/drawn.jsonl");
    assert_eq!(drawn.lines().count(), 4, "two days of hosts, and two failures: {drawn}");
    assert!(site.text(&sampled, "lists/deviations.csv").contains("acc-uid0-only-root"));
}

pub(crate) async fn a_run_that_was_cut_off_goes_on_and_gives_the_same_archive(store: &Store) {
    let site = Site::new(store).await;
    let (whole, made) = site.make(&Asked::default(), "whole").await;
    let pins = made.head.pins;
    let asked =
        Asked { at_us: Some(pins.at_us), known_size: Some(pins.known_size), ..Asked::default() };
    // The second of two hosts cannot be read: the run ends there, and what it did stays.
    let of_last =
        "UPDATE kind_span SET entry = 'x' || entry WHERE host = (SELECT MAX(id) FROM host)";
    store.damage_for_testing(of_last).await.expect("damaged");
    site.fails(&asked, "again").await;
    let hosts = site.directory.path().join("again.work/files/hosts");
    assert_eq!(std::fs::read_dir(hosts).expect("hosts").count(), 1);
    // A directory of another question is not gone on with.
    let other = Asked { label: "x".into(), ..asked.clone() };
    let error = site.fails(&other, "again").await;
    assert!(matches!(&error, SnapshotError::Asked(text) if text.contains("cut off")), "{error}");
    let mend =
        "UPDATE kind_span SET entry = SUBSTR(entry, 2) WHERE host = (SELECT MAX(id) FROM host)";
    store.damage_for_testing(mend).await.expect("mended");
    let (again, _) = site.make(&asked, "again").await;
    let (straight, _) = site.make(&asked, "straight").await;
    assert!(again == straight);
    assert!(site.verified(&again).is_sound() && site.verified(&whole).is_sound());
}

pub(crate) async fn a_change_of_the_store_is_found_when_a_snapshot_is_made_or_verified(
    store: &Store,
) {
    let site = Site::new(store).await;
    let asked = Asked::default();
    let (_, made) = site.make(&asked, "sound").await;
    assert_eq!(made.disagreeing, 0);
    let damages: [(&str, &'static str, &'static str); 6] = [
        (
            "an outcome",
            "UPDATE result_span SET outcome = 'pass', offenders = '[]' WHERE outcome = 'fail'",
            "UPDATE result_span SET outcome = 'fail', offenders = '[\"toor\"]'
             WHERE rule = 'acc-uid0-only-root' AND outcome = 'pass' AND cause IS NOT NULL",
        ),
        (
            "offenders",
            "UPDATE result_span SET offenders = '[\"other\"]' WHERE outcome = 'fail'",
            "UPDATE result_span SET offenders = '[\"toor\"]' WHERE outcome = 'fail'",
        ),
        (
            "the end of a failure",
            "UPDATE result_span SET observed_to_us = observed_from_us + 1, ended_known = known_from
             WHERE outcome = 'fail' AND observed_to_us IS NULL",
            "UPDATE result_span SET observed_to_us = NULL, ended_known = NULL
             WHERE outcome = 'fail'",
        ),
        (
            "a rule's name",
            "UPDATE result_span SET rule = 'x' WHERE outcome = 'fail'",
            "UPDATE result_span SET rule = 'acc-uid0-only-root' WHERE rule = 'x'",
        ),
        (
            "how a kind was read",
            "UPDATE kind_span SET entry = REPLACE(entry, '\"ok\"', '\"denied\"')",
            "UPDATE kind_span SET entry = REPLACE(entry, '\"denied\"', '\"ok\"')",
        ),
        (
            "a deleted span",
            "DELETE FROM result_span WHERE outcome = 'fail'",
            "UPDATE heartbeat SET at_us = at_us",
        ),
    ];
    for (n, (what, damage, mend)) in damages.into_iter().enumerate() {
        assert!(store.damage_for_testing(damage).await.expect("damaged") > 0, "{what}");
        let (_, made) = site.make(&asked, &format!("damaged-{n}")).await;
        assert!(made.disagreeing > 0, "{what}");
        store.damage_for_testing(mend).await.expect("mended");
    }
    // None of these is mended: each is found before the ones after it were done.
    let refused: [(&str, &'static str); 4] = [
        ("an act", "UPDATE act SET body = salt WHERE log_index = 2"),
        ("facts", "UPDATE object SET zstd = (SELECT o.zstd FROM object o ORDER BY o.id LIMIT 1)"),
        (
            "a key",
            "UPDATE host SET evidence_key = (SELECT object FROM host_object ORDER BY object LIMIT 1)",
        ),
        ("a tile", "UPDATE log_tile SET hashes = (SELECT peaks FROM log_head)"),
    ];
    for (n, (what, damage)) in refused.into_iter().enumerate() {
        assert!(store.damage_for_testing(damage).await.expect("damaged") > 0, "{what}");
        let error = site.fails(&asked, &format!("refused-{n}")).await;
        assert!(
            matches!(error, SnapshotError::Damaged(_) | SnapshotError::Store(_)),
            "{what}: {error}"
        );
    }
}

pub(crate) async fn a_moment_of_the_past_is_as_it_was_known_then(store: &Store) {
    let site = Site::new(store).await;
    let at = |second: i64| Asked { at_us: Some((T + second) * SECOND), ..Asked::default() };
    // The second host fails from its first word, the first one only later.
    for (second, failing) in [(50, 1), (150, 2), (250, 1)] {
        let (bytes, made) = site.make(&at(second), &format!("at-{second}")).await;
        assert_eq!(made.disagreeing, 0, "{second}");
        assert!(site.verified(&bytes).is_sound(), "{second}");
        let hosts: Vec<HostDocument> = site.hosts(&bytes);
        let fails =
            |host: &&HostDocument| host.results.iter().any(|r| r.holds() && r.outcome == "fail");
        assert_eq!(hosts.iter().filter(fails).count(), failing, "{second}");
    }
    let future = Asked { at_us: Some(i64::MAX), ..Asked::default() };
    assert!(matches!(site.fails(&future, "future").await, SnapshotError::Asked(_)));
    let unknown = Asked { known_size: Some(1 << 40), ..Asked::default() };
    assert!(matches!(site.fails(&unknown, "unknown").await, SnapshotError::Asked(_)));
}

pub(crate) async fn a_snapshot_key_is_named_with_the_days_that_it_signed(store: &Store) {
    let site = Site::new(store).await;
    let (old, _) = site.make(&Asked::default(), "old").await;
    let (key, pkcs8) = evidence::key::SigningKey::generate().expect("key");
    let (id, public) = evidenced_collector::keyring::key_names(&key);
    site.data.keep_snapshot_key(id, &pkcs8).expect("kept");
    let new = TrustKey::new(Sort::Snapshot, id, public, KeyState::Prepared);
    let now = (T + 86_400 * 400) * SECOND;
    let rotate = async |step, key: Option<&TrustKey>| {
        store.rotate(Sort::Snapshot, step, key, false, now).await.expect("store").expect("rotated");
    };
    rotate(Step::Prepare, Some(&new)).await;
    rotate(Step::Activate, None).await;
    rotate(Step::Retire, None).await;
    let keyring = Keyring::load(&site.data, store, now).await.expect("keys");
    let lines: Vec<_> =
        signers(&keyring.keys).expect("signers").iter().map(|signer| signer.line()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    // T is 2030-03-17; a day of grace at both ends.
    assert!(lines[0].contains("valid-after=\"20300316\",valid-before=\"20310423\""), "{lines:?}");
    assert!(lines[1].contains("valid-after=\"20310420\" ssh-ed25519"), "{lines:?}");
    let site = Site { keyring, ..site };
    let (new, _) = site.make(&Asked::default(), "new").await;
    for archive in [&old, &new] {
        assert!(site.verified(archive).is_sound());
    }
}

pub(crate) async fn facts_about_people_can_be_left_out_and_the_rest_verifies(store: &Store) {
    let site = Site::new(store).await;
    let asked = Asked { without_personal: true, ..Asked::default() };
    let (bytes, made) = site.make(&asked, "without").await;
    assert!(made.head.left_out.contains("accounts"));
    let outcome = site.verified(&bytes);
    assert!(outcome.is_sound(), "{:#?}", outcome.layers);
    assert!(outcome.layers[&Layer::Results].open.iter().any(|text| text.contains("left out")));
    assert_eq!(site.naming(&bytes, "toor"), Vec::<String>::new());
    let (whole, _) = site.make(&Asked::default(), "with").await;
    assert!(site.naming(&whole, "toor").contains(&"report.html".to_owned()));
}

pub(crate) async fn what_was_asked_for_on_the_page_is_made_also_after_a_collector_died(
    store: &Store,
) {
    let site = Site::new(store).await;
    let now_us = (T + 1000) * SECOND;
    let asked = |label: &str| Asked {
        at_us: Some(now_us),
        known_size: Some(10),
        label: label.into(),
        ..Asked::default()
    };
    let first = store.ask_snapshot(&asked("one"), "somebody", now_us).await.expect("asked");
    let second = store.ask_snapshot(&asked("two"), "somebody", now_us).await.expect("asked");
    let unknown = Asked { isms: ["nobody".to_owned()].into(), ..asked("three") };
    let third = store.ask_snapshot(&unknown, "somebody", now_us).await.expect("asked");
    // A collector takes the first one, for a moment, and dies.
    let taken = store.claim_snapshot(now_us, now_us + 1).await.expect("store").expect("one waits");
    assert_eq!((&taken.id, taken.state.as_str()), (&first, "waiting"));
    store.snapshot_progress(&first, (1, 2), now_us + 1).await.expect("told");
    let (trusted, shelf, folder) = (site.trusted(), site.shelf.clone(), site.directory);
    let job = Job {
        store: store.clone(),
        data: site.data.clone(),
        keys: Keys::new(site.keyring),
        limits: RepairLimits::default(),
        clock: Clock::fast(UNIX_EPOCH + Duration::from_micros(now_us as u64), 1),
        wake: Arc::default(),
        shelf: shelf.clone(),
        tsa: None,
    };
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(job.run(stopped));
    let rows = evidenced_tests::until("all are made", async || {
        let rows = store.snapshots(10).await.expect("rows");
        rows.iter().all(|row| row.state == "done" || row.state == "failed").then_some(rows)
    })
    .await;
    stop.send_replace(true);
    running.await.expect("the job ends");
    let of = |id: &str| rows.iter().find(|row| row.id == id).expect("a row");
    for id in [&first, &second] {
        let row = of(id);
        assert_eq!((row.state.as_str(), row.error.as_deref()), ("done", None));
        let file = row.file.as_deref().expect("a file");
        let bytes = std::fs::read(folder.path().join("data/snapshots").join(file)).expect("read");
        assert_eq!(row.digest, Some(evidence::Digest::of(&bytes)));
        let trust = Trust { signers: Some(trusted.clone()), log: None, brief: false };
        assert!(verify(std::io::Cursor::new(bytes), &trust, &shelf).is_sound());
    }
    assert!(of(&third).error.as_deref().is_some_and(|why| why.contains("nobody")), "{rows:?}");
    let acts = store.acts(10).await.expect("acts");
    assert_eq!(acts.iter().filter(|(_, act)| act.act == "snapshot_made").count(), 2);
}
