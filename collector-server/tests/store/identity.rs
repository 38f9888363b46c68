//! Identity: what both backends must do.

use crate::cases::{Agent, PEER, SECOND, accept, enrolment};
use evidence::key::SigningKey;
use evidence::{ChainId, Digest, HostId};
use evidenced_collector::store::model::DriftRow;
use evidenced_collector::store::{
    AfterExpiry, DriftFilter, EnrolRefusal, HostAct, IdentityRefusal, Incoming, KeyState, NewToken,
    Refusal, Renewal, Renewed, RotationRefusal, Sort, Step, Store, TokenChoice, TokenState,
    TrustKey,
};
use evidenced_collector::verify::verify;
use serde_json::json;
use std::net::IpAddr;

/// When the certificates of [`enrolment`] end.
const END_S: i64 = 2_000_000_000;

async fn open_drifts(store: &Store) -> Vec<DriftRow> {
    let open = DriftFilter { open: Some(true), limit: 10, ..DriftFilter::default() };
    store.drifts(open).await.expect("drifts")
}

fn serial(host: HostId) -> String {
    host.to_string().to_lowercase()
}

/// The renewal of a certificate over its own connection.
fn renewal(host: HostId, old: &str, new: &str, at_s: i64) -> Renewal {
    Renewal {
        host,
        old: old.into(),
        shown: true,
        serial: new.into(),
        not_after_s: END_S,
        authority: Digest::of(b"authority"),
        public_key: Digest::of(new.as_bytes()),
        peer: PEER,
        at_us: at_s * SECOND,
        after_expiry: AfterExpiry::Allow,
        grace_s: 100,
    }
}

async fn renew(store: &Store, renewal: &Renewal) -> Result<Renewed, IdentityRefusal> {
    store.renew(renewal).await.expect("store")
}

pub(crate) async fn a_token_works_from_its_networks_until_it_is_revoked(store: &Store) {
    let hash = Digest::of(b"token");
    let token = NewToken {
        hash,
        group: "web".into(),
        uses: 3,
        expires_us: 1000,
        cidrs: vec!["192.0.2.0/24".parse().expect("net"), "2001:db8::/32".parse().expect("net")],
        actor: "operator".into(),
        at_us: 5,
    };
    store.create_token(&token).await.expect("token");
    let (key, _) = SigningKey::generate().expect("key");
    let enrol = async |peer: &str| {
        let peer: IpAddr = peer.parse().expect("address");
        let host = enrolment(HostId::generate(), &key, hash, 10);
        store.enrol(&evidenced_collector::store::Enrolment { peer, ..host }).await.expect("store")
    };
    // An IPv4 address that comes in through an IPv6 socket is that IPv4 address.
    for (peer, inside) in [
        ("192.0.2.9", true),
        ("192.0.3.9", false),
        ("::ffff:192.0.2.9", true),
        ("::ffff:192.0.3.9", false),
        ("2001:db9::1", false),
        ("2001:db8::1", true),
    ] {
        let outcome = enrol(peer).await;
        assert_eq!(outcome.is_ok(), inside, "{peer}: {outcome:?}");
        assert!(inside || matches!(outcome, Err(EnrolRefusal::Address { .. })), "{outcome:?}");
    }
    assert_eq!(enrol("192.0.2.9").await, Err(EnrolRefusal::UsedUp));
    let listed = store.tokens().await.expect("tokens");
    let [listed] = &listed[..] else { panic!("one token: {listed:?}") };
    assert_eq!((listed.uses, listed.uses_left, listed.created_us), (3, 0, 5));
    assert_eq!((listed.group.as_str(), &listed.cidrs), ("web", &token.cidrs));
    assert_eq!(listed.state(10), TokenState::UsedUp);
    let revoke = async |start: &str| store.revoke_token(start, "p", 20).await.expect("store");
    assert!(matches!(revoke("").await, Err(TokenChoice::Unknown(_))));
    assert!(matches!(revoke("zz").await, Err(TokenChoice::Unknown(_))));
    assert_eq!(revoke(&listed.id[..4]).await.expect("revoked").revoked_us, Some(20));
    assert_eq!(revoke(&listed.id).await, Err(TokenChoice::Already(listed.id.clone())));
    assert_eq!(enrol("192.0.2.9").await, Err(EnrolRefusal::Revoked));
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn a_renewed_certificate_follows_the_last_and_a_lost_answer_is_no_copy(
    store: &Store,
) {
    let agent = Agent::enrolled(store).await;
    let first = serial(agent.host);
    store.note_holder(agent.host, &first, None, 1).await.expect("noted");
    assert_eq!(renew(store, &renewal(agent.host, &first, "a1", 1)).await, Ok(Renewed::Granted));
    // The answer was lost: the host has the first one still, and nobody used the second.
    assert_eq!(renew(store, &renewal(agent.host, &first, "a2", 2)).await, Ok(Renewed::Granted));
    assert!(open_drifts(store).await.is_empty());
    for used in [first.as_str(), "a1", "a2"] {
        let holder = store.certificate_holder(used).await.expect("store").expect("still valid");
        assert_eq!((holder.host, holder.used), (agent.host, used == first));
    }
    // The third is in use, and then the first asks again: somebody else has it.
    store.note_holder(agent.host, "a2", Some(Digest::of(b"bundle 2")), 3).await.expect("noted");
    let holder = store.certificate_holder("a2").await.expect("store").expect("holder");
    assert_eq!((holder.used, holder.trust), (true, Some(Digest::of(b"bundle 2"))));
    for new in ["b1", "b2"] {
        assert_eq!(renew(store, &renewal(agent.host, &first, new, 4)).await, Ok(Renewed::Granted));
        let drifts = open_drifts(store).await;
        assert_eq!(drifts.len(), 1, "{drifts:?}");
        assert!(drifts[0].to.contains("from 192.0.2.7"), "{}", drifts[0].to);
    }
    let stranger = renewal(agent.host, "ff", "c1", 5);
    assert_eq!(renew(store, &stranger).await, Err(IdentityRefusal::Unknown));
    let nobody = renewal(HostId::generate(), &first, "c1", 5);
    assert_eq!(renew(store, &nobody).await, Err(IdentityRefusal::Unknown));
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn a_renewal_that_waits_is_approved_for_the_key_that_asked(store: &Store) {
    let agent = Agent::enrolled(store).await;
    let first = serial(agent.host);
    let asked = |key: &[u8], after_expiry, at_s| Renewal {
        shown: false,
        public_key: Digest::of(key),
        after_expiry,
        ..renewal(agent.host, &first, "a1", at_s)
    };
    use AfterExpiry::{Allow, Approve, Refuse};
    let late = END_S + 100;
    assert_eq!(renew(store, &asked(b"a", Refuse, late)).await, Err(IdentityRefusal::Expired));
    assert_eq!(renew(store, &asked(b"a", Allow, late + 1)).await, Err(IdentityRefusal::TooLate));
    let size = store.log().await.expect("log").size;
    for _ in 0..3 {
        assert_eq!(renew(store, &asked(b"a", Approve, late)).await, Ok(Renewed::Pending));
    }
    assert_eq!(store.log().await.expect("log").size, size + 1, "asking again is no other act");
    let pending = store.pending_renewals().await.expect("pending");
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].host, pending[0].expired_s), (agent.host, END_S));
    assert_eq!((pending[0].peer.as_str(), pending[0].approved_us), ("192.0.2.7", None));
    let approve = async || store.approve_renewal(agent.host, "p", 9).await.expect("store");
    assert_eq!(approve().await, Ok(()));
    assert_eq!(approve().await, Err(HostAct::NotPending(agent.host)));
    // Another key does not slip in under the approval, and takes it away.
    assert_eq!(renew(store, &asked(b"b", Approve, late)).await, Ok(Renewed::Pending));
    assert_eq!(renew(store, &asked(b"a", Approve, late)).await, Ok(Renewed::Pending));
    assert_eq!(approve().await, Ok(()));
    assert_eq!(renew(store, &asked(b"a", Approve, late)).await, Ok(Renewed::Granted));
    assert!(store.pending_renewals().await.expect("pending").is_empty());
}

pub(crate) async fn a_revoked_host_has_no_certificate_and_gets_none(store: &Store) {
    let (mut agent, other) = (Agent::enrolled(store).await, Agent::enrolled(store).await);
    let first = serial(agent.host);
    renew(store, &renewal(agent.host, &first, "a1", 1)).await.expect("renewed");
    // The commit looks at host and certificate again, whatever was known when it was received.
    let shown = |incoming| Incoming { certificate: Some(first.clone()), ..incoming };
    let check_in = shown(agent.incoming(Digest::of(b"m"), 1));
    assert!(accept(store, &check_in).await.is_ok());
    let check_in = shown(agent.incoming(Digest::of(b"m"), 2));
    let revoke = async || store.revoke_host(agent.host, "p", 9).await.expect("store");
    assert_eq!(revoke().await, Ok(2));
    assert_eq!(revoke().await, Err(HostAct::Already(agent.host)));
    assert_eq!(accept(store, &check_in).await, Err(Refusal::UnknownHost));
    for serial in [first.as_str(), "a1"] {
        let holder = store.certificate_holder(serial).await.expect("store");
        assert_eq!(holder, Err(IdentityRefusal::Revoked));
    }
    for shown in [true, false] {
        let asked = Renewal { shown, ..renewal(agent.host, "a1", "a2", 2) };
        assert_eq!(renew(store, &asked).await, Err(IdentityRefusal::Revoked));
    }
    assert_eq!(
        store.renewing_host(agent.host).await.expect("store"),
        Err(IdentityRefusal::Revoked)
    );
    assert!(store.certificate_holder(&serial(other.host)).await.expect("store").is_ok());
    let revoked = store.hosts().await.expect("hosts").into_iter();
    let mut revoked: Vec<_> = revoked.map(|host| (host.revoked_us, host.id)).collect();
    revoked.sort();
    assert_eq!(revoked, [(None, other.host), (Some(9), agent.host)]);
}

pub(crate) async fn a_host_that_left_is_ended_once(store: &Store) {
    let agent = Agent::enrolled(store).await;
    let end = async |at| store.end_host(agent.host, &json!({}), at).await.expect("store");
    assert!(end(1).await);
    let size = store.log().await.expect("log").size;
    assert!(!end(2).await);
    assert_eq!(store.log().await.expect("log").size, size);
    let first = serial(agent.host);
    let holder = store.certificate_holder(&first).await.expect("store").expect("holder");
    assert!(holder.ended && holder.evidence_key.is_none());
    let asked = renewal(agent.host, &first, "a1", 3);
    assert_eq!(renew(store, &asked).await, Err(IdentityRefusal::Ended));
}

pub(crate) async fn keys_rotate_in_order_and_nothing_is_skipped(store: &Store) {
    let agent = Agent::enrolled(store).await;
    let key = |name: &str, state| {
        TrustKey::new(Sort::Authority, Digest::of(name.as_bytes()), name.into(), state)
    };
    let step = async |step, new: Option<&TrustKey>| {
        let sort = Sort::Authority;
        store.rotate(sort, step, new, false, 1).await.expect("store").map(|key| key.public)
    };
    store.adopt_key(&key("authority", KeyState::Active), 1).await.expect("adopted");
    store.adopt_key(&key("late", KeyState::Active), 1).await.expect("not adopted");
    let second = key("second", KeyState::Prepared);
    assert_eq!(step(Step::Activate, None).await, Err(RotationRefusal::NothingPrepared));
    assert_eq!(step(Step::Retire, None).await, Err(RotationRefusal::NothingFormer));
    assert_eq!(step(Step::Prepare, Some(&second)).await, Ok("second".into()));
    let third = key("third", KeyState::Prepared);
    assert_eq!(step(Step::Prepare, Some(&third)).await, Err(RotationRefusal::Prepared));
    assert_eq!(step(Step::Activate, None).await, Ok("second".into()));
    assert_eq!(step(Step::Prepare, Some(&third)).await, Err(RotationRefusal::Former));
    let states = store.trust_keys().await.expect("keys");
    let states: Vec<_> = states.iter().map(|key| (key.public.as_str(), key.state)).collect();
    assert_eq!(states, [("second", KeyState::Active), ("authority", KeyState::Former)]);
    let behind = async |trust: &[u8], authority: &str| {
        let (trust, authority) = (Digest::of(trust), Digest::of(authority.as_bytes()));
        let behind = store.behind(trust, authority, 1).await.expect("behind");
        behind.into_iter().map(|it| (it.host, it.trust, it.certificate)).collect::<Vec<_>>()
    };
    assert_eq!(behind(b"bundle", "authority").await, []);
    assert_eq!(behind(b"bundle", "second").await, [(agent.host, false, true)]);
    assert_eq!(behind(b"another", "authority").await, [(agent.host, true, false)]);
    assert_eq!(step(Step::Retire, None).await, Ok("authority".into()));
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn an_older_chain_that_goes_on_is_a_second_machine(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let m = Digest::of(b"m");
    accept(store, &agent.incoming(m, 1)).await.expect("accepted");
    let (old, old_prev) = (agent.chain, agent.prev);
    // A restored machine begins a new chain and leaves the old one alone.
    (agent.chain, agent.seq, agent.prev) = (ChainId::generate(), 0, None);
    let new = agent.chain;
    for at in 2..=3 {
        accept(store, &agent.incoming(m, at)).await.expect("accepted");
    }
    let drifts = open_drifts(store).await;
    assert_eq!(drifts.len(), 1);
    assert!(drifts[0].to.starts_with("new chain"), "{drifts:?}");
    // The old one goes on, from elsewhere: it was a copy.
    (agent.chain, agent.seq, agent.prev) = (old, 1, old_prev);
    for at in 4..=5 {
        let mut incoming = agent.incoming(m, at);
        incoming.peer = Some("198.51.100.9".parse().expect("address"));
        accept(store, &incoming).await.expect("accepted");
        let drifts = open_drifts(store).await;
        assert_eq!(drifts.len(), 1, "{drifts:?}");
        let words = &drifts[0].to;
        for part in [
            "two machines".to_owned(),
            format!("chain {old}, last seen from 198.51.100.9"),
            format!("chain {new}, last seen from 192.0.2.7 at 1970-01-01T00:00:03Z"),
        ] {
            assert!(words.contains(&part), "{part}: {words}");
        }
    }
    verify(store, |_, _| {}).await.expect("the log holds");
}
