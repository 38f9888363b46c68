//! Archives that were changed after they were made: every change is found, and none is found in what
//! was not changed.

use super::site::{Site, T};
use crate::cases::SECOND;
use evidence::Digest;
use evidence::canonical;
use evidence::key::{PublicKey, SigningKey};
use evidenced_collector::snapshot::archive::{Archive, Writer};
use evidenced_collector::snapshot::document::{Asked, Sampling};
use evidenced_collector::snapshot::envelope::{
    RESULTS, RESULTS_ENVELOPE, over_results, public_pem,
};
use evidenced_collector::snapshot::rules::Shelf;
use evidenced_collector::snapshot::sshsig::{self, Signer};
use evidenced_collector::snapshot::verify::{Layer, Trust, verify};
use evidenced_tests::Random;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Cursor;
use std::sync::Arc;

/// Contents by name.
type Files = BTreeMap<String, Vec<u8>>;

fn files(archive: &[u8]) -> Files {
    let mut archive = Archive::read(Cursor::new(archive)).expect("an archive");
    let names: Vec<_> = archive.files.keys().cloned().collect();
    let file = |name: String| {
        let bytes = archive.bytes(&name, 1 << 30).expect("read").expect("a file");
        (name, bytes)
    };
    names.into_iter().map(file).collect()
}

fn packed(files: &Files, mtime_s: u64) -> Vec<u8> {
    let mut writer = Writer::new(vec![], mtime_s);
    for (name, bytes) in files {
        writer.file(name, bytes.len() as u64, bytes.as_slice()).expect("written");
    }
    writer.finish().expect("finished")
}

/// What somebody with a key of their own does after a change: sums, signatures and keys anew.
fn signed_by_a_stranger(files: &mut Files) {
    let (key, _) = SigningKey::generate().expect("key");
    let line = Signer { key: key.public(), from_day: None, to_day: None }.line() + "\n";
    files.insert("keys/allowed_signers".into(), line.into_bytes());
    files.insert("keys/snapshot.pem".into(), public_pem(&key.public()).into_bytes());
    if let Some(results) = files.get(RESULTS) {
        let envelope = over_results(results, &key).expect("an envelope");
        let mut bytes = canonical::to_vec(&envelope).expect("canonical");
        bytes.push(b'\n');
        files.insert(RESULTS_ENVELOPE.into(), bytes);
    }
    let mut sums = String::new();
    for (name, bytes) in files.iter().filter(|(name, _)| !name.starts_with("SHA256SUMS")) {
        let _ = writeln!(sums, "{}  {name}", Digest::of(bytes));
    }
    files.insert("SHA256SUMS.sig".into(), sshsig::sign(sums.as_bytes(), &key).into_bytes());
    files.insert("SHA256SUMS".into(), sums.into_bytes());
}

/// A change to the text of one file, which must have an effect.
fn replaced(files: &mut Files, prefix: &str, from: &str, to: &str) {
    let (name, bytes) = files
        .iter_mut()
        .find(|(name, bytes)| {
            name.starts_with(prefix) && String::from_utf8_lossy(bytes).contains(from)
        })
        .unwrap_or_else(|| panic!("no {from} in {prefix}"));
    let text = String::from_utf8(bytes.clone()).unwrap_or_else(|_| panic!("{name} is no text"));
    *bytes = text.replacen(from, to, 1).into_bytes();
}

async fn archive(from_us: Option<i64>) -> (Vec<u8>, Vec<PublicKey>, Arc<Shelf>) {
    let directory = tempfile::tempdir().expect("directory");
    let url = format!("sqlite:{}", directory.path().join("evidence.db").display());
    let store = crate::open(&url).await;
    let site = Site::new(&store).await;
    let sample = Some(Sampling { seed: "s".into(), size: 2 });
    let asked = Asked { from_us, sample, ..Asked::default() };
    let (bytes, _) = site.make(&asked, "one").await;
    assert!(site.verified(&bytes).is_sound());
    let (trusted, shelf) = (site.trusted(), site.shelf.clone());
    store.close().await;
    (bytes, trusted, shelf)
}

#[tokio::test]
async fn thousands_of_random_changes_are_all_found_and_none_in_what_was_not_changed() {
    let (sound, trusted, shelf) = archive(Some(T * SECOND)).await;
    let trust = Trust { signers: Some(trusted), log: None, brief: true };
    let is_sound = |bytes: &[u8]| verify(Cursor::new(bytes), &trust, &shelf).is_sound();
    let original = files(&sound);
    let mtime_s = (T + 1000) as u64;
    assert!(is_sound(&sound) && packed(&original, mtime_s) == sound);
    let mut random = Random::named("mutations of an archive");
    for n in 0..1500 {
        let mut changed = sound.clone();
        let at = random.below(changed.len());
        changed[at] ^= 1 << random.below(8);
        assert!(!is_sound(&changed), "flip {n} at {at}");
    }
    for n in 0..200 {
        let mut changed = sound.clone();
        let (from, length) = (random.below(changed.len()), 1 + random.below(4096));
        match n % 4 {
            0 => changed.truncate(from),
            1 => drop(changed.drain(from..(from + length).min(sound.len()))),
            2 => {
                let _ = changed.splice(from..from, sound[..length].iter().copied()).count();
            }
            _ => changed.extend(vec![0; 512 * (1 + length % 20)]),
        }
        assert!(!is_sound(&changed), "cut {n} at {from}");
    }
    let names: Vec<&String> = original.keys().collect();
    for n in 0..600 {
        let mut changed = original.clone();
        let (a, b) = (names[random.below(names.len())], names[random.below(names.len())]);
        match n % 4 {
            0 => drop(changed.remove(a)),
            1 => {
                let content = changed.remove(a).unwrap_or_default();
                changed.insert(format!("{a}x"), content);
            }
            2 => drop(changed.insert(format!("{b}.copy"), original[a].clone())),
            _ => {
                changed.insert(a.clone(), original[b].clone());
                changed.insert(b.clone(), original[a].clone());
            }
        }
        if changed != original {
            assert!(!is_sound(&packed(&changed, mtime_s)), "{n}: {a} {b}");
        }
    }
    // Whatever a stranger signs anew is found by whoever knows who may sign.
    for n in 0..200 {
        let mut changed = original.clone();
        let name = names[random.below(names.len())];
        let content = changed.get_mut(name).expect("a file");
        if content.is_empty() {
            continue;
        }
        let at = random.below(content.len());
        content[at] ^= 1 << random.below(8);
        signed_by_a_stranger(&mut changed);
        assert!(!is_sound(&packed(&changed, mtime_s)), "{n}: {name} at {at}");
    }
    assert!(is_sound(&sound));
}

#[tokio::test]
async fn what_contradicts_itself_is_found_whoever_signed_it() {
    let (sound, _, shelf) = archive(None).await;
    let mtime_s = (T + 1000) as u64;
    let original = files(&sound);
    let faults = |files: &Files| {
        let outcome = verify(Cursor::new(packed(files, mtime_s)), &Trust::default(), &shelf);
        outcome.faults().map(|(layer, text)| (layer, text.to_owned())).collect::<Vec<_>>()
    };
    // The near miss: signed anew by a stranger and changed by nobody.
    let mut same = original.clone();
    signed_by_a_stranger(&mut same);
    assert_eq!(faults(&same), []);
    type Change = Box<dyn Fn(&mut Files)>;
    let text = |prefix: &'static str, from: &'static str, to: &'static str| -> Change {
        Box::new(move |files: &mut Files| replaced(files, prefix, from, to))
    };
    let gone = |prefix: &'static str| -> Change {
        Box::new(move |files: &mut Files| {
            let name = files.keys().find(|name| name.starts_with(prefix)).cloned();
            files.remove(&name.expect("a file"));
        })
    };
    let changes: Vec<(&str, Layer, Change)> = vec![
        ("an outcome", Layer::Results, text("hosts/", "\"fail\"", "\"pass\"")),
        ("an offender", Layer::Results, text("hosts/", "[\"toor\"]", "[\"root\"]")),
        ("a status", Layer::Results, text("hosts/", "\"status\":\"ok\"", "\"status\":\"denied\"")),
        ("silence", Layer::Results, text("hosts/", "\"next_due_s\":3600", "\"next_due_s\":1")),
        ("a name", Layer::CheckIns, text("hosts/", "web-01.example.org", "web-02.example.org")),
        ("a group", Layer::Derived, text("hosts/", "\"group\":\"default\"", "\"group\":\"other\"")),
        ("a fact", Layer::Facts, text("objects/", "toor", "root")),
        ("a rule", Layer::Results, text("rules/", "acc-uid0-only-root", "acc-uid0-only-toor")),
        ("an act", Layer::Acts, text("acts.jsonl", "web-01", "web-02")),
        ("a check-in", Layer::CheckIns, text("check-ins/", "\"payload\":\"e", "\"payload\":\"f")),
        ("the checkpoint", Layer::Log, text("log/checkpoint", "\n", "x\n")),
        ("an explanation", Layer::Results, text("explanations/", "toor", "root")),
        ("a list", Layer::Derived, text("lists/results.csv", "\"fail\"", "\"pass\"")),
        ("the report", Layer::Derived, text("report.html", "deviating", "operating")),
        ("OSCAL", Layer::Derived, text(RESULTS, "not-satisfied", "satisfied")),
        ("the instructions", Layer::Derived, text("README.txt", "ssh-keygen", "true")),
        (
            "the size",
            Layer::Log,
            Box::new(|files: &mut Files| {
                let head = files.get_mut("snapshot.json").expect("a file");
                let mut value: serde_json::Value = serde_json::from_slice(head).expect("JSON");
                value["pins"]["known_size"] = 3.into();
                *head = [canonical::to_vec(&value).expect("canonical"), b"\n".to_vec()].concat();
            }),
        ),
        ("who asked", Layer::Derived, text("snapshot.json", "\"label\":\"\"", "\"label\":\"x\"")),
        ("a drawn item", Layer::Derived, gone("sample/")),
        ("a host", Layer::Facts, gone("hosts/")),
        ("a fact that is gone", Layer::Facts, gone("objects/")),
        ("check-ins that are gone", Layer::CheckIns, gone("check-ins/")),
        ("a tile", Layer::Log, gone("log/tile/")),
        ("the rules", Layer::Results, gone("rules/")),
        ("explanations that are gone", Layer::Results, gone("explanations/")),
        (
            "a file more",
            Layer::Facts,
            Box::new(|files: &mut Files| drop(files.insert("objects/x".into(), vec![]))),
        ),
        (
            "a list more",
            Layer::Derived,
            Box::new(|files: &mut Files| drop(files.insert("lists/x.csv".into(), vec![]))),
        ),
        (
            "another form of the same JSON",
            Layer::Facts,
            text("hosts/", "\"judged\":true", "\"judged\": true"),
        ),
    ];
    for (what, layer, change) in changes {
        let mut changed = original.clone();
        change(&mut changed);
        signed_by_a_stranger(&mut changed);
        let found = faults(&changed);
        assert!(found.iter().any(|(at, _)| *at == layer), "{what}: {found:?}");
    }
}
