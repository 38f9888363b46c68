//! A fleet whose hosts change as real ones do.

use evidence::check_in::Clock;
use evidence::key::SigningKey;
use evidence::{
    ChainId, CheckIn, Digest, Facts, HostId, KindEntry, Manifest, SignedCheckIn, Status,
};
use evidenced_collector::store::{Enrolment, Incoming, NewToken, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

pub(crate) const DAY_S: i64 = 86_400;
/// When it begins.
pub(crate) const START_S: i64 = 20_000 * DAY_S;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
/// Check-ins of one commit.
const BATCH: usize = 512;

/// One in so many hosts changes a kind on a day.
const CHANGES: [(&str, usize); 6] = [
    ("package_updates", 1), // apt's timer, daily
    ("logins", 1),          // somebody signs in
    ("packages", 14),       // an upgrade
    ("services", 60),
    ("accounts", 90),
    ("ssh_server", 365),
];

struct Host {
    id: HostId,
    key: SigningKey,
    chain: ChainId,
    seq: i64,
    prev: Option<Digest>,
    /// How often each kind changed.
    versions: BTreeMap<&'static str, usize>,
    manifest: (Digest, Vec<u8>, Vec<Facts>),
}

pub(crate) struct Fleet {
    hosts: Vec<Host>,
}

impl Fleet {
    pub(crate) async fn enrolled(store: &Store, count: usize) -> Self {
        let hash = Digest::of(b"a token");
        let token = NewToken {
            hash,
            group: "default".into(),
            uses: count as i64,
            expires_us: i64::MAX,
            cidrs: vec![],
            actor: "operator".into(),
            at_us: 0,
        };
        store.create_token(&token).await.expect("token");
        let mut hosts = vec![];
        for n in 0..count {
            let (key, _) = SigningKey::generate().expect("key");
            let id = HostId::generate();
            let enrolment = Enrolment {
                host: id,
                name: format!("host-{n:05}.example.org"),
                machine: None,
                evidence_key: key.public(),
                token: hash,
                serial: id.to_string().to_lowercase(),
                not_after_s: START_S + 10_000 * DAY_S,
                authority: Digest::of(b"authority"),
                trust: Digest::of(b"bundle"),
                peer: PEER,
                at_us: START_S * 1_000_000 - 1,
            };
            store.enrol(&enrolment).await.expect("store").expect("enrolled");
            let versions = CHANGES.iter().map(|(kind, _)| (*kind, 0)).collect();
            let manifest = state(n, &versions);
            hosts.push(Host {
                id,
                key,
                chain: ChainId::generate(),
                seq: 0,
                prev: None,
                versions,
                manifest,
            });
        }
        Self { hosts }
    }

    /// Every host reports once; gives how many had something new.
    pub(crate) async fn report(&mut self, store: &Store, day: usize, hour: usize) -> usize {
        let mut changed = 0;
        for (n, host) in self.hosts.iter_mut().enumerate() {
            let mut moved = false;
            for (kind, every) in CHANGES {
                // Each kind of each host has its hour, and its day among so many.
                let due = (n * 7 + kind.len() * 5) % 24 == hour && (day + n).is_multiple_of(every);
                if due && day > 0 {
                    *host.versions.entry(kind).or_default() += 1;
                    moved = true;
                }
            }
            if moved {
                host.manifest = state(n, &host.versions);
                changed += 1;
            }
        }
        self.send(store, START_S + day as i64 * DAY_S + hour as i64 * 3600).await;
        changed
    }

    /// Every host says the same again.
    pub(crate) async fn repeat(&mut self, store: &Store, days: usize, hour: usize) {
        self.send(store, START_S + days as i64 * DAY_S + hour as i64 * 60).await;
    }

    async fn send(&mut self, store: &Store, at_s: i64) {
        for hosts in self.hosts.chunks_mut(BATCH) {
            let batch: Vec<Incoming> =
                hosts.iter_mut().enumerate().map(|(n, host)| host.incoming(at_s, n)).collect();
            let (answers, _) = store.accept(&batch).await.expect("store");
            for (n, answer) in answers.into_iter().enumerate() {
                let want = answer.expect("accepted").want;
                if want.is_empty() {
                    continue;
                }
                let host = &hosts[n];
                let (id, bytes, facts) = &host.manifest;
                if want.manifest.is_some() {
                    store.put_manifest(host.id, *id, bytes).await.expect("store").expect("taken");
                }
                for body in facts {
                    // Refused when it is there already.
                    let bytes = body.bytes().to_vec();
                    let _ = store.put_facts(host.id, body.id(), bytes).await.expect("store");
                }
                let again = store.accept(&batch[n..=n]).await.expect("store").0;
                assert!(again.into_iter().all(|answer| answer.is_ok_and(|a| a.want.is_empty())));
            }
        }
    }
}

impl Host {
    fn incoming(&mut self, at_s: i64, n: usize) -> Incoming {
        // Jittered, as agents are.
        let at_s = at_s + (n % 50) as i64;
        let collected = CHANGES.iter().map(|(kind, _)| ((*kind).to_owned(), 5)).collect();
        let check_in = CheckIn {
            agent: "0.1.0".into(),
            at_ms: at_s * 1000,
            chain: self.chain,
            checkpoint: None,
            healed: None,
            clock: Clock { synchronised: Some(true) },
            collected,
            host: self.id,
            manifest: self.manifest.0,
            next_due_s: 3600,
            prev: self.prev,
            resumes: None,
            seq: self.seq,
        };
        let signed = SignedCheckIn::sign(check_in, &self.key).expect("signed");
        (self.seq, self.prev) = (self.seq + 1, Some(signed.id()));
        Incoming {
            signed,
            received_us: at_s * 1_000_000 + 50_000,
            peer: Some(PEER),
            certificate: None,
        }
    }
}

/// What a host says after so many changes.
fn state(host: usize, versions: &BTreeMap<&'static str, usize>) -> (Digest, Vec<u8>, Vec<Facts>) {
    let mut manifest = Manifest::default();
    let mut bodies = vec![];
    for (kind, version) in versions {
        let facts = Facts::new(kind, 1, data(kind, host, *version)).expect("facts");
        let entry = KindEntry {
            status: Status::Ok,
            facts: Some(facts.id()),
            sources: vec![],
            unread: vec![],
        };
        manifest.kinds.insert((*kind).to_owned(), entry);
        bodies.push(facts);
    }
    let bytes = manifest.to_bytes().expect("manifest");
    (Digest::of(&bytes), bytes, bodies)
}

/// Facts of a size as real ones have it; what rules read of them need not be there.
fn data(kind: &str, host: usize, version: usize) -> Value {
    match kind {
        "packages" => {
            let package = |n: usize| {
                let version = if n % 40 == version % 40 { version } else { 1 };
                json!({"name": format!("package-{n}"), "version": format!("1.{version}-1")})
            };
            json!({"packages": (0..400).map(package).collect::<Vec<_>>()})
        }
        "package_updates" => {
            let update = |n: usize| {
                json!({
                    "name": format!("package-{n}"), "candidate": format!("1.{version}-2"),
                    "security": n.is_multiple_of(3), "severity": "moderate", "advised_day": 20_000,
                })
            };
            json!({"pending": (0..version % 12).map(update).collect::<Vec<_>>()})
        }
        "logins" => {
            json!({"users": [{"user": "anna", "last_day": 20_000 + version}, {"user": "ben"}]})
        }
        _ => json!({"of": host % 50, "version": version, "items": (0..30).collect::<Vec<_>>()}),
    }
}
