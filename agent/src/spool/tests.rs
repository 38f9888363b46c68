use super::*;
use crate::durable::RealDisk;
use evidence::check_in::Clock;
use evidence::key::SigningKey;
use evidence::{CheckIn, Facts, HostId, KindEntry, Status};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const FRESH: ChainId = ChainId::from_parts(9, 9);
const WIDE: Limits = Limits { max_size: 1 << 30, max_age: Duration::from_secs(86_400 * 365) };

/// A disk that dies at its n-th change, having done it, half done it, or not begun it; or that
/// fails this once and lives on.
struct DyingDisk {
    left: AtomicUsize,
    how: Death,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Death {
    Before,
    Torn,
    After,
    Once,
}

impl DyingDisk {
    fn at(step: usize, how: Death) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(step), how })
    }

    /// Whether this change is the last one; later ones fail.
    fn dies(&self) -> io::Result<bool> {
        match self.left.load(Ordering::SeqCst) {
            0 if self.how == Death::Once => Ok(false),
            0 => Err(io::Error::other("dead")),
            left => {
                self.left.store(left - 1, Ordering::SeqCst);
                Ok(left == 1)
            }
        }
    }

    fn end(&self, dies: bool) -> io::Result<()> {
        if dies { Err(io::Error::other("dead")) } else { Ok(()) }
    }
}

impl Disk for DyingDisk {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let dies = self.dies()?;
        match self.how {
            Death::Torn if dies => {
                std::fs::write(durable::temporary(path), &bytes[..bytes.len() / 2])?;
            }
            Death::Before | Death::Once if dies => {}
            _ => RealDisk.write(path, bytes)?,
        }
        self.end(dies)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let dies = self.dies()?;
        if !dies || self.how == Death::After {
            RealDisk.remove(path)?;
        }
        self.end(dies)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let dies = self.dies()?;
        if !dies || self.how == Death::After {
            RealDisk.rename(from, to)?;
        }
        self.end(dies)
    }
}

struct Bench {
    directory: tempfile::TempDir,
    key: SigningKey,
}

impl Bench {
    /// A state directory whose chain is (1, 1).
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let chain = Chain::start(ChainId::from_parts(1, 1), None).to_bytes().expect("chain");
        RealDisk.write(&directory.path().join(Chain::FILE), &chain).expect("chain");
        Self { directory, key: SigningKey::generate().expect("key").0 }
    }

    fn open(&self) -> Spool {
        self.open_with(Arc::new(RealDisk), WIDE).expect("spool")
    }

    fn open_with(&self, disk: Arc<dyn Disk>, limits: Limits) -> Result<Spool, SpoolError> {
        Spool::open(self.directory.path(), disk, &self.key.public(), limits, FRESH)
    }

    /// Puts a check-in whose only facts say `value`.
    fn put(&self, spool: &mut Spool, value: &str, at_ms: i64) -> Result<SignedCheckIn, SpoolError> {
        let facts = Facts::new("packages", 1, json!({ "value": value })).expect("facts");
        let entry = KindEntry {
            status: Status::Ok,
            facts: Some(facts.id()),
            sources: vec![],
            unread: vec![],
        };
        let manifest = evidence::Manifest { kinds: [("packages".to_owned(), entry)].into() };
        let bytes = manifest.to_bytes().expect("manifest");
        let signed = self.sign(spool.chain(), Digest::of(&bytes), at_ms);
        let current = Current {
            manifest: Digest::of(&bytes),
            agent: "0.1.0".into(),
            at_ms,
            collected_ms: [("packages".to_owned(), at_ms)].into(),
        };
        spool.put(&signed, &[facts.bytes(), &bytes], current)?;
        Ok(signed)
    }

    fn sign(&self, chain: &Chain, manifest: Digest, at_ms: i64) -> SignedCheckIn {
        let check_in = CheckIn {
            agent: "0.1.0".into(),
            at_ms,
            chain: chain.chain,
            checkpoint: chain.checkpoint,
            clock: Clock { synchronised: None },
            collected: [("packages".to_owned(), 0)].into(),
            healed: chain.healed.iter().find(|one| !one.told).map(|one| one.healed),
            host: HostId::from_parts(3, 3),
            manifest,
            next_due_s: 3600,
            prev: chain.prev,
            resumes: if chain.next_seq == 0 { chain.resumes } else { None },
            seq: chain.next_seq,
        };
        SignedCheckIn::sign(check_in, &self.key).expect("signed")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(directory)).expect("listed");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("entry").file_name().into_string().expect("name"))
            .collect();
        names.sort();
        names
    }
}

fn head(size: u64) -> TreeHead {
    TreeHead { root: Digest::of(&size.to_le_bytes()), size }
}

fn facts_id(value: &str) -> Digest {
    Facts::new("packages", 1, json!({ "value": value })).expect("facts").id()
}

#[test]
fn check_ins_come_out_oldest_first_and_survive_a_restart() {
    let bench = Bench::new();
    let mut spool = bench.open();
    let first = bench.put(&mut spool, "one", 1).expect("put");
    let second = bench.put(&mut spool, "two", 2).expect("put");
    assert_eq!(second.check_in.prev, Some(first.id()));
    drop(spool);
    let mut spool = bench.open();
    assert_eq!(spool.oldest().expect("oldest"), Some(first.clone()));
    assert_eq!((spool.chain().next_seq, spool.chain().prev), (2, Some(second.id())));
    spool.accept(&first, head(1)).expect("accepted");
    spool.remove(&first).expect("removed");
    assert_eq!(spool.oldest().expect("oldest"), Some(second));
}

/// Put, accept, remove and put again, dying at every change in every manner. Whatever reached the
/// world before (a check-in that was put may have been sent) never meets another of its number.
#[test]
fn no_number_is_ever_signed_twice_with_other_contents_whatever_the_moment_of_the_crash() {
    for how in [Death::Before, Death::Torn, Death::After, Death::Once] {
        for step in 1.. {
            let bench = Bench::new();
            let disk = DyingDisk::at(step, how);
            let mut seen: BTreeMap<(ChainId, i64), Digest> = BTreeMap::new();
            let finished = bench
                .open_with(disk, WIDE)
                .and_then(|mut spool| life(&bench, &mut spool, &mut seen))
                .is_ok();
            let mut spool = bench.open();
            note_spooled(&mut spool, &mut seen);
            let next = bench.put(&mut spool, "after the crash", 9).expect("put");
            note(&next, &mut seen);
            assert_eq!(
                spool.oldest().expect("oldest").map(|it| it.check_in.host),
                Some(next.check_in.host)
            );
            assert!(bench.names("spool").iter().all(|name| !name.ends_with(".tmp")));
            if finished {
                assert!(step > 10, "the life has more steps than {step}");
                break;
            }
        }
    }
}

/// What an agent does with a spool: keep, send, keep, have accepted, keep.
fn life(
    bench: &Bench,
    spool: &mut Spool,
    seen: &mut BTreeMap<(ChainId, i64), Digest>,
) -> Result<(), SpoolError> {
    for at in 0..3 {
        let put = bench.put(spool, &format!("state {at}"), at);
        // Whether or not the put was finished, what the queue holds is sent.
        note_spooled(spool, seen);
        let signed = match put {
            Ok(signed) => signed,
            Err(error) => {
                while let Ok(Some(sent)) = spool.oldest() {
                    if spool.accept(&sent, head(1)).and_then(|()| spool.remove(&sent)).is_err() {
                        break;
                    }
                }
                return Err(error);
            }
        };
        spool.accept(&signed, head(at as u64 + 1))?;
        spool.remove(&signed)?;
        spool.collect_garbage()?;
    }
    Ok(())
}

fn note_spooled(spool: &mut Spool, seen: &mut BTreeMap<(ChainId, i64), Digest>) {
    let keys: Vec<_> = spool.queue.keys().copied().collect();
    for key in keys {
        let bytes = std::fs::read(spool.path(key)).expect("spooled");
        note(&SignedCheckIn::from_bytes(&bytes).expect("check-in"), seen);
    }
}

fn note(signed: &SignedCheckIn, seen: &mut BTreeMap<(ChainId, i64), Digest>) {
    let place = (signed.check_in.chain, signed.check_in.seq);
    let known = *seen.entry(place).or_insert(signed.id());
    assert_eq!(known, signed.id(), "{place:?} was signed twice");
}

#[test]
fn a_check_in_that_was_kept_is_there_after_a_crash_with_all_it_names() {
    for step in 1..8 {
        let bench = Bench::new();
        let put = bench
            .open_with(DyingDisk::at(step, Death::Torn), WIDE)
            .and_then(|mut spool| bench.put(&mut spool, "state", 1));
        let mut spool = bench.open();
        match spool.oldest().expect("oldest") {
            Some(kept) => {
                let facts = spool.facts_of(&kept).expect("its manifest is here");
                assert!(facts.iter().all(|id| spool.object(id).is_some()), "step {step}");
            }
            None => assert!(put.is_err(), "step {step}: kept and gone"),
        }
    }
}

/// A chain is given up while the disk dies: the check-in that waited is in the spool or among the
/// refused, and what comes next has a place of its own.
#[test]
fn giving_up_a_chain_loses_no_check_in_whatever_the_moment_of_the_crash() {
    for how in [Death::Before, Death::Torn, Death::After] {
        for step in 1.. {
            let bench = Bench::new();
            let waiting = bench.put(&mut bench.open(), "one", 1).expect("put");
            let finished = bench
                .open_with(DyingDisk::at(step, how), WIDE)
                .and_then(|mut spool| spool.abandon(waiting.check_in.chain, "why", FRESH))
                .is_ok();
            let mut spool = bench.open();
            let name = Key::of(&waiting).file_name();
            let places = ["spool", "spool/refused"].map(|place| bench.names(place).contains(&name));
            assert_eq!(places.iter().filter(|here| **here).count(), 1, "{how:?} {step}");
            let next = bench.put(&mut spool, "two", 2).expect("put");
            assert_ne!(Key::of(&next), Key::of(&waiting));
            if finished {
                assert!(step > 3 && places == [false, true], "{how:?} {step}");
                break;
            }
        }
    }
}

#[test]
fn a_damaged_file_is_set_aside_and_the_rest_goes_on() {
    let bench = Bench::new();
    let mut spool = bench.open();
    let first = bench.put(&mut spool, "one", 1).expect("put");
    let second = bench.put(&mut spool, "two", 2).expect("put");
    let path = spool.path(Key::of(&first));
    drop(spool);
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[3] ^= 1; // The signature: the payload still reads.
    std::fs::write(&path, bytes).expect("damaged");
    let mut spool = bench.open();
    assert_eq!(spool.oldest().expect("oldest"), Some(second));
    assert_eq!(bench.names("spool/damaged"), [Key::of(&first).file_name()]);
    assert_eq!(spool.chain().next_seq, 2);
}

#[test]
fn a_newest_check_in_whose_id_is_lost_ends_the_chain() {
    let bench = Bench::new();
    let before = std::fs::read(bench.path(Chain::FILE)).expect("chain");
    let mut spool = bench.open();
    let only = bench.put(&mut spool, "one", 1).expect("put");
    let path = spool.path(Key::of(&only));
    drop(spool);
    // The crash came before chain.json was written, and the disk lost the check-in's end.
    std::fs::write(bench.path(Chain::FILE), before).expect("older chain");
    std::fs::write(&path, b"short").expect("torn");
    let spool = bench.open();
    assert_eq!((spool.chain().chain, spool.chain().next_seq), (FRESH, 0));
}

#[test]
fn without_a_readable_chain_a_new_one_begins_and_the_old_check_ins_still_go() {
    for damage in [None, Some(b"{".as_slice())] {
        let bench = Bench::new();
        let mut spool = bench.open();
        let first = bench.put(&mut spool, "one", 1).expect("put");
        drop(spool);
        match damage {
            None => std::fs::remove_file(bench.path(Chain::FILE)).expect("removed"),
            Some(bytes) => std::fs::write(bench.path(Chain::FILE), bytes).expect("damaged"),
        }
        let mut spool = bench.open();
        assert_eq!(spool.oldest().expect("oldest"), Some(first.clone()));
        spool.accept(&first, head(1)).expect("accepted");
        let chain = spool.chain();
        assert_eq!((chain.chain, chain.next_seq, chain.resumes), (FRESH, 0, Some(first.id())));
    }
}

#[test]
fn a_refused_chain_is_set_aside_with_its_reason_and_a_new_one_resumes() {
    let bench = Bench::new();
    let mut spool = bench.open();
    let accepted = bench.put(&mut spool, "one", 1).expect("put");
    spool.accept(&accepted, head(1)).expect("accepted");
    spool.remove(&accepted).expect("removed");
    let waiting = bench.put(&mut spool, "two", 2).expect("put");
    spool.abandon(waiting.check_in.chain, "does not fit", FRESH).expect("abandoned");
    assert!(spool.is_empty());
    let name = Key::of(&waiting).file_name();
    let reason = name.replace(".checkin", ".reason");
    assert_eq!(bench.names("spool/refused"), [name, reason.clone()]);
    let text = std::fs::read_to_string(bench.path("spool/refused").join(reason)).expect("reason");
    assert_eq!(text, "does not fit");
    drop(spool);
    let mut spool = bench.open();
    let next = bench.put(&mut spool, "two", 3).expect("put");
    assert_eq!((next.check_in.seq, next.check_in.resumes), (0, Some(accepted.id())));
}

#[test]
fn the_checkpoint_moves_on_only_along_a_proven_line() {
    let bench = Bench::new();
    let mut spool = bench.open();
    let first = bench.put(&mut spool, "one", 1).expect("put");
    let second = bench.put(&mut spool, "two", 2).expect("put");
    spool.accept(&first, head(5)).expect("accepted");
    assert_eq!(spool.chain().checkpoint, Some(head(5)));
    // The second was made before: its receipt proves nothing about the head of 5 leaves.
    spool.accept(&second, head(6)).expect("accepted");
    assert_eq!(spool.chain().checkpoint, Some(head(5)));
    let third = bench.put(&mut spool, "three", 3).expect("put");
    assert_eq!(third.check_in.checkpoint, Some(head(5)));
    spool.accept(&third, head(7)).expect("accepted");
    drop(spool);
    let spool = bench.open();
    assert_eq!(spool.chain().checkpoint, Some(head(7)), "after a restart");
    assert_eq!(spool.chain().accepted, Some(third.id()));
}

#[test]
fn garbage_goes_and_what_a_check_in_or_the_current_state_needs_stays() {
    let bench = Bench::new();
    let mut spool = bench.open();
    spool.keep(Keep { age: Duration::ZERO, size: 0 }).expect("nothing kept");
    let first = bench.put(&mut spool, "one", 1).expect("put");
    bench.put(&mut spool, "two", 2).expect("put");
    spool.collect_garbage().expect("collected");
    assert!(spool.object(&facts_id("one")).is_some());
    for signed in [first, spool.oldest().expect("oldest").expect("second")] {
        spool.accept(&signed, head(1)).expect("accepted");
        spool.remove(&signed).expect("removed");
    }
    while let Some(signed) = spool.oldest().expect("oldest") {
        spool.remove(&signed).expect("removed");
    }
    spool.collect_garbage().expect("collected");
    assert!(spool.object(&facts_id("one")).is_none());
    assert!(spool.object(&facts_id("two")).is_some(), "current");
    assert_eq!(bench.names("spool/objects").len(), 2);
}

#[test]
fn a_full_spool_drops_the_oldest_facts_and_never_a_check_in() {
    let bench = Bench::new();
    let limits = Limits { max_size: 6000, ..WIDE };
    let mut spool = bench.open_with(Arc::new(RealDisk), limits).expect("spool");
    let values: Vec<_> = (0..40).map(|at| format!("state {at}")).collect();
    for (at, value) in values.iter().enumerate() {
        bench.put(&mut spool, value, at as i64).expect("put");
    }
    assert_eq!(spool.len(), 40);
    let here: Vec<_> =
        values.iter().map(|value| spool.object(&facts_id(value)).is_some()).collect();
    let gone = here.iter().filter(|here| !**here).count();
    assert!(gone > 0 && here[39], "{here:?}");
    assert!(here.is_sorted(), "the oldest go first: {here:?}");
    assert_eq!(spool.dropped().facts, gone as u64);
    drop(spool);
    let spool = bench.open();
    assert_eq!((spool.len(), spool.dropped().facts), (40, gone as u64));
}

#[test]
fn facts_that_only_old_check_ins_need_are_dropped_by_age() {
    let bench = Bench::new();
    let limits = Limits { max_age: Duration::from_secs(10), ..WIDE };
    let mut spool = bench.open_with(Arc::new(RealDisk), limits).expect("spool");
    for (value, at_s) in [("old", 0), ("kept", 0), ("kept", 9), ("new", 11)] {
        bench.put(&mut spool, value, at_s * 1000).expect("put");
    }
    assert_eq!(spool.len(), 4);
    assert!(spool.object(&facts_id("old")).is_none());
    assert!(spool.object(&facts_id("kept")).is_some(), "a younger check-in needs it");
    assert_eq!((spool.dropped().facts, spool.dropped().last_ms), (1, 11_000));
}

#[test]
fn a_clock_a_year_ahead_makes_no_waiting_facts_old() {
    const DAY_MS: i64 = 86_400_000;
    let bench = Bench::new();
    let limits = Limits { max_age: Duration::from_secs(30 * 86_400), ..WIDE };
    let mut spool = bench.open_with(Arc::new(RealDisk), limits).expect("spool");
    for (day, value) in [(0, "one"), (1, "two"), (366, "ahead"), (2, "back"), (3, "three")] {
        bench.put(&mut spool, value, day * DAY_MS).expect("put");
    }
    assert_eq!(spool.dropped().facts, 0);
    for day in 4..40 {
        bench.put(&mut spool, &format!("{day}"), day * DAY_MS).expect("put");
    }
    assert!(spool.object(&facts_id("one")).is_none(), "true age still counts");
    assert!(spool.object(&facts_id("20")).is_some());
}

/// Puts a state and has it acknowledged.
fn acknowledged(bench: &Bench, spool: &mut Spool, value: &str, at_ms: i64) -> SignedCheckIn {
    let signed = bench.put(spool, value, at_ms).expect("put");
    spool.accept(&signed, head(1)).expect("accepted");
    spool.remove(&signed).expect("removed");
    spool.collect_garbage().expect("collected");
    signed
}

#[test]
fn what_was_acknowledged_is_kept_in_order_with_all_it_names() {
    let bench = Bench::new();
    let mut spool = bench.open();
    let made: Vec<_> = ["one", "two", "one"]
        .iter()
        .enumerate()
        .map(|(at, value)| acknowledged(&bench, &mut spool, value, at as i64))
        .collect();
    drop(spool);
    let mut spool = bench.open();
    assert!(spool.is_empty());
    spool.collect_garbage().expect("collected");
    let kept: Vec<_> =
        spool.kept().into_iter().filter_map(|place| spool.kept_check_in(place)).collect();
    assert_eq!(kept, made);
    for signed in &kept {
        let facts = spool.facts_of(signed).expect("its manifest is here");
        assert!(facts.iter().all(|id| spool.object(id).is_some()));
    }
}

#[test]
fn the_kept_go_by_their_age_which_no_clock_can_stretch() {
    const DAY_MS: i64 = 86_400_000;
    let bench = Bench::new();
    let mut spool = bench.open();
    for day in 0..20 {
        acknowledged(&bench, &mut spool, &format!("{day}"), day * DAY_MS);
    }
    assert_eq!(spool.kept().len(), 15, "fourteen days before the newest");
    // A year ahead and back again: two steps, of a day and of nothing.
    acknowledged(&bench, &mut spool, "ahead", 400 * DAY_MS);
    acknowledged(&bench, &mut spool, "back", 20 * DAY_MS);
    assert_eq!(spool.kept().len(), 16);
    drop(spool);
    let mut spool = bench.open();
    spool.keep(Keep { age: Duration::from_secs(86_400), ..Keep::default() }).expect("less");
    assert_eq!(spool.kept().len(), 3);
    spool.keep(Keep { age: Duration::ZERO, ..Keep::default() }).expect("nothing");
    assert_eq!((spool.kept().len(), bench.names("spool/kept").len()), (0, 0));
}

#[test]
fn the_kept_stay_within_their_bytes() {
    let bench = Bench::new();
    let mut spool = bench.open();
    spool.keep(Keep { size: 40_000, ..Keep::default() }).expect("keep");
    for at in 0..40 {
        acknowledged(&bench, &mut spool, &format!("state {at}"), at);
    }
    let kept = spool.kept();
    assert!((4..10).contains(&kept.len()), "{}", kept.len());
    let newest = kept.last().and_then(|place| spool.kept_check_in(*place)).expect("newest");
    assert_eq!(newest.check_in.seq, 39);
    // Two objects each, beside those of the current state.
    assert!(bench.names("spool/objects").len() <= 2 * kept.len() + 2);
}

#[test]
fn in_a_full_spool_the_kept_go_before_any_facts_that_wait() {
    let bench = Bench::new();
    let limits = Limits { max_size: 12_000, ..WIDE };
    let mut spool = bench.open_with(Arc::new(RealDisk), limits).expect("spool");
    for at in 0..10 {
        acknowledged(&bench, &mut spool, &format!("old {at}"), at);
    }
    assert!(!spool.kept().is_empty());
    let mut waiting = 0;
    while !spool.kept().is_empty() {
        waiting += 1;
        bench.put(&mut spool, &format!("new {waiting}"), 10 + waiting).expect("put");
        assert_eq!(spool.dropped().facts, 0, "while there is something kept");
        assert!(waiting < 100);
    }
    for _ in 0..100 {
        waiting += 1;
        bench.put(&mut spool, &format!("new {waiting}"), 10 + waiting).expect("put");
    }
    assert!(spool.dropped().facts > 0);
    assert_eq!(spool.len() as i64, waiting, "check-ins are never dropped");
}

/// A check-in is acknowledged while the disk dies: it waits or is kept, one of both, and what it
/// names is there.
#[test]
fn an_acknowledged_check_in_waits_or_is_kept_whatever_the_moment_of_the_crash() {
    for how in [Death::Before, Death::Torn, Death::After, Death::Once] {
        for step in 1.. {
            let bench = Bench::new();
            let signed = bench.put(&mut bench.open(), "one", 1).expect("put");
            let disk = DyingDisk::at(step, how);
            let finished = bench.open_with(disk, WIDE).and_then(|mut spool| {
                spool.accept(&signed, head(1))?;
                spool.remove(&signed)?;
                spool.collect_garbage()
            });
            let mut spool = bench.open();
            let kept: Vec<_> =
                spool.kept().into_iter().filter_map(|place| spool.kept_check_in(place)).collect();
            assert_eq!(spool.len() + kept.len(), 1, "{how:?} {step}");
            spool.collect_garbage().expect("collected");
            let facts = spool.facts_of(&signed).expect("its manifest is here");
            assert!(facts.iter().all(|id| spool.object(id).is_some()), "{how:?} {step}");
            if finished.is_ok() && step > 2 {
                assert_eq!(kept, [signed], "{how:?} {step}");
                break;
            }
        }
    }
}

#[test]
fn trouble_is_noted_once_until_it_ends() {
    let bench = Bench::new();
    let directory = bench.path("spool");
    let mut spool = bench.open();
    spool.note_trouble("no answer", false, 5).expect("noted");
    spool.note_trouble("no answer", false, 9).expect("no news");
    drop(spool);
    let mut spool = bench.open();
    spool.note_trouble("no answer", false, 11).expect("no news");
    assert_eq!(Trouble::read(&directory).map(|it| it.since_ms), Some(5));
    spool.note_trouble("forked", true, 12).expect("noted");
    assert!(Trouble::read(&directory).is_some_and(|it| it.needs_a_person && it.since_ms == 12));
    spool.end_trouble().expect("ended");
    assert_eq!(Trouble::read(&directory), None);
}

#[test]
fn a_damaged_object_is_set_aside_and_written_anew_when_it_is_gathered_again() {
    let bench = Bench::new();
    let mut spool = bench.open();
    bench.put(&mut spool, "one", 1).expect("put");
    let id = facts_id("one");
    std::fs::write(bench.path("spool/objects").join(id.to_string()), b"rot").expect("damaged");
    assert!(spool.object(&id).is_none());
    assert_eq!(bench.names("spool/damaged"), [id.to_string()]);
    bench.put(&mut spool, "one", 2).expect("put");
    assert!(spool.object(&id).is_some());
}

#[test]
fn a_check_in_for_another_place_is_not_kept() {
    let bench = Bench::new();
    let mut spool = bench.open();
    let mut chain = spool.chain().clone();
    (chain.next_seq, chain.prev) = (1, Some(Digest::of(b"x")));
    let stray = bench.sign(&chain, Digest::of(b"m"), 1);
    let current = Current {
        manifest: Digest::of(b"m"),
        agent: "0.1.0".into(),
        at_ms: 1,
        collected_ms: BTreeMap::new(),
    };
    let refused = spool.put(&stray, &[], current);
    assert!(matches!(refused, Err(SpoolError::Misplaced)));
    assert!(spool.is_empty());
}
