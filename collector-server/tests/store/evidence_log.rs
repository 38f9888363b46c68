//! The log against its witnesses, and against damage to any of its rows.

use crate::cases::{Agent, SECOND, accept};
use evidence::checkpoint::{Checkpoint, TreeHead};
use evidence::healing::Healed;
use evidence::key::SigningKey;
use evidence::{Digest, HostId, SignedCheckIn};
use evidenced_collector::audit::reading::{Audit, audit};
use evidenced_collector::audit::{Meaning, Witness};
use evidenced_collector::settings;
use evidenced_collector::store::{
    Act, AnchorSort, Anchored, DueAnchor, KeyState, Sort, Store, TrustKey,
};
use evidenced_collector::verify::{VerifyError, verify_all};
use serde_json::json;

const ORIGIN: &str = "log.example.org/evidence";

async fn audited(store: &Store, files: &[(String, String)]) -> Audit {
    audit(store, files, |_, _| ()).await.expect("an audit")
}

async fn head(store: &Store) -> TreeHead {
    store.log().await.expect("the log").head()
}

async fn note(store: &Store, n: i64) {
    let (actor, act) = ("operator".to_owned(), "noted".to_owned());
    store.log_act(&Act { at_us: n, actor, act, detail: json!({"n": n}) }).await.expect("logged");
}

/// The log's key, made known to the store.
async fn log_key(store: &Store) -> SigningKey {
    let settings = [(settings::LOG_ORIGIN, ORIGIN.to_owned())];
    assert!(store.initialise(&settings, 1).await.expect("store"));
    let (key, _) = SigningKey::generate().expect("key");
    let (sort, state) = (Sort::Log, KeyState::Active);
    let (id, public) = (Digest::of(&key.public().0), key.public().to_string());
    let row = TrustKey { from_size: Some(0), ..TrustKey::new(sort, id, public, state) };
    store.adopt_key(&row, 1).await.expect("adopted");
    key
}

/// The witness's next check-in carries `known`.
async fn carries(store: &Store, agent: &mut Agent, known: TreeHead, at_s: i64) -> u64 {
    agent.checkpoint = Some(known);
    let incoming = agent.incoming(Digest::of(b"m"), at_s);
    accept(store, &incoming).await.expect("accepted").index
}

/// Whether a host that knows this head is told of a stated break.
async fn is_offered(store: &Store, host: HostId, known: TreeHead) -> bool {
    let state = store.log().await.expect("the log");
    store.healing_for(host, known, state).await.expect("store").is_some()
}

/// Two agents, one of which was shown another log of the same collector, by its own key: found when
/// both check-ins are there, and by a checkpoint in a file.
pub(crate) async fn a_fork_is_found_when_the_check_ins_of_both_sides_meet(store: &Store) {
    let key = log_key(store).await;
    let (mut one, mut other) = (Agent::enrolled(store).await, Agent::enrolled(store).await);
    let before = head(store).await;
    carries(store, &mut one, before, 10).await;
    let here = head(store).await;
    let elsewhere = TreeHead { root: Digest::of(b"shown to the other"), ..here };
    carries(store, &mut one, here, 20).await;
    assert_eq!(audited(store, &[]).await.disagreements, vec![], "so far nobody knows");
    let index = carries(store, &mut other, elsewhere, 30).await;
    let found = audited(store, &[]).await;
    let [fork] = found.disagreements.as_slice() else { panic!("{found:?}") };
    let received_us = 30 * SECOND + 5;
    assert_eq!(fork.witness, Witness::Host { host: other.host, index, received_us });
    assert_eq!((fork.head, fork.meaning), (elsewhere, Meaning::Fork { kept: before.size }));
    assert_eq!(found.unexplained().count(), 1);

    // The checkpoint that the other side was shown, kept in a file.
    let file = |head| ("kept.txt".to_owned(), Checkpoint::sign(ORIGIN, head, &key).note);
    let fits = audited(store, &[file(here)]).await;
    assert_eq!((fits.disagreements.len(), fits.unreadable.len()), (1, 0), "{fits:?}");
    let both = audited(store, &[file(elsewhere)]).await;
    assert!(both.disagreements.iter().any(|one| one.witness == Witness::File("kept.txt".into())));
    let (stranger, _) = SigningKey::generate().expect("key");
    let foreign = Checkpoint::sign(ORIGIN, here, &stranger).note;
    let foreign = audited(store, &[("foreign.txt".to_owned(), foreign)]).await;
    assert_eq!(foreign.unreadable[0].0, "foreign.txt");
}

/// History written anew by whoever holds the key: every leaf, tile, signature and chain fits, and the
/// witness is what tells.
pub(crate) async fn a_log_that_was_written_anew_is_found_by_those_who_saw_the_former(
    store: &Store,
) {
    log_key(store).await;
    let mut agent = Agent::enrolled(store).await;
    let before = head(store).await;
    carries(store, &mut agent, before, 10).await;
    for n in 0..5 {
        note(store, n).await;
    }
    let former = TreeHead { size: before.size + 3, root: Digest::of(b"the former log") };
    let index = carries(store, &mut agent, former, 20).await;
    verify_all(store, |_, _, _| ()).await.expect("by itself it holds");
    let found = audited(store, &[]).await;
    let [one] = found.disagreements.as_slice() else { panic!("{found:?}") };
    assert_eq!(one.meaning, Meaning::Replaced { kept: before.size });
    assert_eq!((found.kept, one.head), (Some(before.size), former));

    // The operator says why. What the host knew by then is explained; what it sees later is not.
    let healing = store.heal(before.size, "restored", "operator", 25 * SECOND).await;
    healing.expect("store").expect("healed");
    let found = audited(store, &[]).await;
    assert_eq!(found.unexplained().count(), 0, "{found:?}");
    assert_eq!(found.breaks[0].former, Some(former.size));
    let leaf = store.healings().await.expect("healings")[0].leaf;
    let later = Agent::enrolled_at(store, HostId::generate(), 26 * SECOND).await;
    assert!(is_offered(store, agent.host, former).await, "it was there before");
    assert!(!is_offered(store, later.host, former).await, "it came after the break was stated");
    agent.checkpoint = Some(head(store).await);
    let mut incoming = agent.incoming(Digest::of(b"m"), 30);
    let mut says = incoming.signed.check_in.clone();
    says.healed = Some(Healed { gave_up: former, leaf });
    incoming.signed = SignedCheckIn::sign(says, &agent.key).expect("signed");
    agent.prev = Some(incoming.signed.id());
    accept(store, &incoming).await.expect("accepted");
    assert_eq!(audited(store, &[]).await.breaks[0].accepted, 1);
    assert!(!is_offered(store, agent.host, former).await, "it took the break once");
    let again = TreeHead { size: former.size + 1, root: Digest::of(b"another one") };
    carries(store, &mut agent, again, 40).await;
    let found = audited(store, &[]).await;
    let later: Vec<_> = found.unexplained().collect();
    assert!(
        later.len() == 1
            && later[0].head == again
            && matches!(&later[0].witness, Witness::Host { host, .. } if *host == agent.host)
    );
    assert!(index < head(store).await.size);
}

/// Damages one column of one row and looks whether that is found and named; then mends it.
async fn damaged(store: &Store, (table, column, at): (&str, &str, &str), to: &str, named: &str) {
    let run = async |sql: String| {
        store.damage_for_testing(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    };
    run(format!("CREATE TABLE saved AS SELECT {column} AS was FROM {table} WHERE {at}")).await;
    // Where the column is what names the row, the new value names it afterwards.
    let touched = run(format!("UPDATE {table} SET {column} = {to} WHERE {at}")).await;
    assert_eq!(touched, 1, "{table}.{column}: one row");
    let outcome = verify_all(store, |_, _, _| ()).await;
    let error = outcome.expect_err(&format!("{table}.{column}: damage is found"));
    let said = error.to_string();
    assert!(said.contains(named), "{table}.{column}: {said}");
    let back = if at.starts_with(&format!("{column} =")) {
        format!("UPDATE {table} SET {column} = (SELECT was FROM saved) WHERE {column} = ({to})")
    } else {
        format!("UPDATE {table} SET {column} = (SELECT was FROM saved) WHERE {at}")
    };
    run(back).await;
    run("DROP TABLE saved".to_owned()).await;
    let mended = verify_all(store, |_, _, _| ()).await;
    assert!(mended.is_ok(), "{table}.{column}: mended: {mended:?}");
}

pub(crate) async fn damage_to_any_column_of_evidence_is_found_and_named(store: &Store) {
    let key = log_key(store).await;
    let (mut one, mut other) = (Agent::enrolled(store).await, Agent::enrolled(store).await);
    one.report(store, json!({"users": [1]}), 10).await;
    other.report(store, json!({"users": [2]}), 20).await;
    for n in 0..260 {
        note(store, 21 * SECOND + n).await;
    }
    one.report(store, json!({"users": [3]}), 30).await;
    other.report(store, json!({"users": [4]}), 40).await;
    let state = head(store).await;
    let signed = Checkpoint::sign(ORIGIN, state, &key).note;
    let place = [(AnchorSort::Directory, "/kept".to_owned())];
    store.anchor(state.size, &signed, &place, 50 * SECOND).await.expect("anchored");
    let due: Vec<DueAnchor> = store.take_anchors(51 * SECOND, 52 * SECOND, 9).await.expect("due");
    let done = Anchored::Done { at_us: 51 * SECOND, stamped_us: None, token: None };
    store.anchored(&due[0], &done).await.expect("noted");
    store.heal(4, "of a test", "operator", 60 * SECOND).await.expect("store").expect("healed");
    verify_all(store, |_, _, _| ()).await.expect("it holds");

    let indexes: Vec<_> = store.witnessed(0, 1000).await.expect("check-ins");
    let of = |host, n: usize| {
        indexes.iter().filter(|one| one.host == host).nth(n).expect("a check-in").index
    };
    let (first, second) = (of(one.host, 0), of(other.host, 1));
    let at = format!("log_index = {first}");
    let other_row =
        |column: &str| format!("(SELECT {column} FROM check_in WHERE log_index = {second})");
    let here = format!("host {}", one.host);
    let check_in = |column, to: &str, named: &str| {
        (("check_in", column), to.to_owned(), named.to_owned(), at.clone())
    };
    let act = store.healings().await.expect("healings")[0].index;
    let last_act = format!("log_index = {act}");
    let acts = |column, to: &str, named: &str| {
        (("act", column), to.to_owned(), named.to_owned(), last_act.clone())
    };
    let chain_at = format!("host = '{}'", one.host);
    let chains = |column, to: &str, named: &str| {
        (("chain", column), to.to_owned(), named.to_owned(), chain_at.clone())
    };
    let elsewhere = format!("(SELECT last_id FROM chain WHERE host = '{}')", other.host);
    let object = "id = (SELECT id FROM object ORDER BY id LIMIT 1)";
    let row = |table, column, to: &str, named: &str, at: &str| {
        ((table, column), to.to_owned(), named.to_owned(), at.to_owned())
    };
    let cases = [
        check_in("log_index", "100000", "is missing"),
        check_in("first_index", "100000", &here),
        check_in("seq", "100000", &here),
        check_in("observed_us", "7", &here),
        check_in("received_us", "0", &here),
        check_in("packed", &other_row("packed"), "does not follow"),
        acts("log_index", "100000", "269 are there"),
        acts("at_us", "7", "another time"),
        acts("leaf", "(SELECT leaf FROM act WHERE log_index = 0)", "not the one that was logged"),
        acts("salt", "(SELECT salt FROM act WHERE log_index = 0)", "not the one that was logged"),
        acts("body", "(SELECT body FROM act WHERE log_index = 0)", "not the one that was logged"),
        chains("chain", "'01ARZ3NDEKTSV4RRFFQ69G5FAV'", &here),
        chains("first_index", "100000", &here),
        chains("next_seq", "100000", &here),
        chains("last_id", &elsewhere, &here),
        row("log_head", "size", "size - 1", "the log says", "id = 1"),
        row("log_head", "peaks", "(SELECT leaf FROM healing)", "", "id = 1"),
        row(
            "log_tile",
            "hashes",
            "(SELECT hashes FROM log_tile WHERE level = 0 AND idx = 1)",
            "tile 0/0",
            "level = 0 AND idx = 0",
        ),
        row(
            "log_tile",
            "hashes",
            "(SELECT leaf FROM healing)",
            "tile 1/0",
            "level = 1 AND idx = 0",
        ),
        row("log_tile", "idx", "100000", "tile 0/1", "idx = 1 AND level = 0"),
        row("log_tile", "level", "60", "tile 1/0", "level = 1 AND idx = 0"),
        row(
            "host",
            "evidence_key",
            &format!("(SELECT evidence_key FROM host WHERE id = '{}')", other.host),
            &here,
            &format!("id = '{}'", one.host),
        ),
        row(
            "object",
            "zstd",
            "(SELECT zstd FROM object ORDER BY id DESC LIMIT 1)",
            "host ",
            object,
        ),
        row("object", "size_bytes", "size_bytes + 1", "host ", object),
        row("object", "id", "(SELECT leaf FROM healing)", "is not what its id says", object),
        row(
            "trust_key",
            "public",
            "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='",
            "log key",
            "sort = 'log'",
        ),
        row("trust_key", "id", "(SELECT leaf FROM healing)", "log key", "sort = 'log'"),
        row("anchor", "note", "'nothing'", "signed it", "sort = 'directory'"),
        row("anchor", "size", "1", "another size", "sort = 'directory'"),
        row("anchor", "sort", "'tsa'", "time stamp", "sort = 'directory'"),
        row(
            "healing",
            "leaf",
            "(SELECT id FROM object ORDER BY id LIMIT 1)",
            "stated break",
            &last_act,
        ),
        row("healing", "kept_size", "5", "stated break", &last_act),
        row("healing", "kept_root", "leaf", "stated break", &last_act),
    ];
    for ((table, column), to, named, at) in &cases {
        damaged(store, (table, column, at), to, named).await;
    }
    // A row that is gone.
    let sql = format!("DELETE FROM check_in WHERE log_index = {first}");
    assert_eq!(store.damage_for_testing(&sql).await.expect("deleted"), 1);
    let error = verify_all(store, |_, _, _| ()).await.expect_err("found");
    assert!(matches!(error, VerifyError::Leaf { index, .. } if index == first), "{error}");
}

/// Those that are due longest go first, a few at once, and what one collector took is left alone.
pub(crate) async fn checkpoints_are_taken_a_few_at_once_and_by_one_collector(store: &Store) {
    log_key(store).await;
    for n in 1..=3 {
        let places = [(AnchorSort::Directory, "/kept".to_owned())];
        store.anchor(n, "a checkpoint", &places, 10 + n as i64).await.expect("anchored");
    }
    let taken = async |now_us, until_us| -> Vec<u64> {
        let due = store.take_anchors(now_us, until_us, 2).await.expect("due");
        due.iter()
            .map(|due| due.size)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    assert_eq!(taken(5, 100).await, Vec::<u64>::new(), "none is due yet");
    assert_eq!(taken(20, 100).await, [1, 2]);
    assert_eq!(taken(20, 100).await, [3]);
    assert_eq!(taken(99, 200).await, Vec::<u64>::new());
    assert_eq!(taken(100, 200).await, [1, 2], "whoever took them did not come back");
}
