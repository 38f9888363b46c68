//! `Packages.db`, the package database of rpm's backend `ndb`, which SUSE uses: a head, a table of
//! slots, and the headers of the packages, each between a head and a tail with a checksum of its
//! own. All numbers are little endian.

use super::random_access::RandomAccess;

const PAGE_BYTES: u64 = 4096;
const BLOCK_BYTES: u64 = 16;
const SLOT_BYTES: usize = 16;
/// The place of the first two slots is that of the head.
const HEAD_BYTES: usize = 32;
const TAIL_BYTES: usize = 12;
/// Pages of slots: as many as four million packages need.
const MAX_SLOT_PAGES: u32 = 1 << 14;
/// rpm takes no larger header.
const MAX_BLOB_BYTES: u64 = 256 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NdbError {
    #[error("not a package database of the form ndb")]
    NotADatabase,
    #[error("a later version of the form ndb")]
    Version,
    #[error("the file ends before its last package")]
    Truncated,
    #[error("the slot at byte {0} is damaged")]
    Slot(u64),
    #[error("the package at byte {0} is damaged")]
    Blob(u64),
    #[error("two packages overlap at byte {0}")]
    Overlap(u64),
}

/// Calls `each` with the header of every package, in the order of the slots.
pub fn headers(file: &dyn RandomAccess, each: &mut dyn FnMut(&[u8])) -> Result<(), NdbError> {
    for slot in slots(file)? {
        each(&blob(file, &slot)?);
    }
    Ok(())
}

struct Slot {
    package: u32,
    start: u64,
    bytes: u64,
}

/// Slots that hold a package.
fn slots(file: &dyn RandomAccess) -> Result<Vec<Slot>, NdbError> {
    let mut head = [0; HEAD_BYTES];
    if !file.fill(0, &mut head) || &head[..4] != b"RpmP" {
        return Err(NdbError::NotADatabase);
    }
    let (version, pages) = (u32_at(&head, 4), u32_at(&head, 12));
    if version != 0 {
        return Err(NdbError::Version);
    }
    if pages == 0 || pages > MAX_SLOT_PAGES {
        return Err(NdbError::NotADatabase);
    }
    let first_blob = u64::from(pages) * PAGE_BYTES;
    let mut found = Vec::new();
    let mut page = [0; PAGE_BYTES as usize];
    for number in 0..u64::from(pages) {
        if !file.fill(number * PAGE_BYTES, &mut page) {
            return Err(NdbError::Truncated);
        }
        let first = if number == 0 { HEAD_BYTES / SLOT_BYTES } else { 0 };
        for (place, slot) in page.chunks_exact(SLOT_BYTES).enumerate().skip(first) {
            let at = number * PAGE_BYTES + (place * SLOT_BYTES) as u64;
            found.extend(
                self::slot(file, slot, first_blob)
                    .map_err(|error| error.unwrap_or(NdbError::Slot(at)))?,
            );
        }
    }
    refuse_overlaps(&mut found)?;
    Ok(found)
}

/// A slot, or nothing where it is free; an error without a name is that of the slot itself.
fn slot(
    file: &dyn RandomAccess,
    slot: &[u8],
    first_blob: u64,
) -> Result<Option<Slot>, Option<NdbError>> {
    if &slot[..4] != b"Slot" {
        return Err(None);
    }
    let (package, block, blocks) = (u32_at(slot, 4), u32_at(slot, 8), u32_at(slot, 12));
    if block == 0 {
        // A free slot holds nothing else; half of one is damage, and hides a package.
        return if package == 0 && blocks == 0 { Ok(None) } else { Err(None) };
    }
    let (start, bytes) = (u64::from(block) * BLOCK_BYTES, u64::from(blocks) * BLOCK_BYTES);
    if package == 0 || blocks < 2 || start < first_blob || bytes > MAX_BLOB_BYTES {
        return Err(None);
    }
    if start + bytes > file.size_bytes() {
        return Err(Some(NdbError::Truncated));
    }
    Ok(Some(Slot { package, start, bytes }))
}

fn refuse_overlaps(slots: &mut [Slot]) -> Result<(), NdbError> {
    slots.sort_by_key(|slot| slot.start);
    let overlap = slots.windows(2).find(|two| two[0].start + two[0].bytes > two[1].start);
    overlap.map_or(Ok(()), |two| Err(NdbError::Overlap(two[1].start)))
}

fn blob(file: &dyn RandomAccess, slot: &Slot) -> Result<Vec<u8>, NdbError> {
    let damaged = NdbError::Blob(slot.start);
    let size = usize::try_from(slot.bytes).map_err(|_| damaged)?;
    let mut bytes = vec![0; size];
    if !file.fill(slot.start, &mut bytes) {
        return Err(NdbError::Truncated);
    }
    let (sealed, tail) = bytes.split_at(size - TAIL_BYTES);
    let length = u32_at(sealed, 12);
    let is_whole = &sealed[..4] == b"BlbS"
        && u32_at(sealed, 4) == slot.package
        && &tail[8..] == b"BlbE"
        && u32_at(tail, 4) == length
        && u32_at(tail, 0) == adler32(sealed);
    let length = length as usize;
    if !is_whole || length > sealed.len() - 16 {
        return Err(damaged);
    }
    bytes.truncate(16 + length);
    bytes.drain(..16);
    Ok(bytes)
}

/// RFC 1950.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    // As many as a sum of 32 bits holds.
    for chunk in bytes.chunks(5552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        (a, b) = (a % 65_521, b % 65_521);
    }
    (b << 16) | a
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A database of these blobs, with a free slot between the first two.
    fn database(blobs: &[&[u8]]) -> Vec<u8> {
        let mut page = b"Slot\0\0\0\0\0\0\0\0\0\0\0\0".repeat(256);
        let number = |n: usize| u32::try_from(n).expect("small").to_le_bytes();
        let head =
            [&b"RpmP"[..], &number(0), &number(7), &number(1), &number(9), &[0; 12]].concat();
        page[..32].copy_from_slice(&head);
        let mut rest = Vec::new();
        for (place, blob) in blobs.iter().enumerate() {
            let blocks = (16 + blob.len() + TAIL_BYTES).div_ceil(16);
            let mut sealed =
                [b"BlbS", &number(place + 1)[..], &number(1), &number(blob.len())].concat();
            sealed.extend(*blob);
            sealed.resize(blocks * 16 - TAIL_BYTES, 0);
            let tail = [&adler32(&sealed).to_le_bytes()[..], &number(blob.len()), b"BlbE"].concat();
            let slot =
                [b"Slot", &number(place + 1)[..], &number(256 + rest.len() / 16), &number(blocks)];
            let at = 32 + 16 * (place + usize::from(place > 0));
            page[at..at + 16].copy_from_slice(&slot.concat());
            rest.extend([sealed, tail].concat());
        }
        [page, rest].concat()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, NdbError> {
        let mut found = Vec::new();
        headers(&bytes, &mut |blob| found.push(blob.to_vec()))?;
        Ok(found)
    }

    #[test]
    fn every_slot_that_holds_something_is_read() {
        let bytes = database(&[b"one", b"the second", &[7; 6000]]);
        let found = read(&bytes).expect("read");
        assert_eq!(found, [&b"one"[..], b"the second", &[7; 6000]]);
        assert_eq!(read(&database(&[])), Ok(vec![]));
    }

    #[test]
    fn any_byte_that_changed_is_noticed_and_so_is_a_cut() {
        let bytes = database(&[b"one", b"the second"]);
        let whole = read(&bytes).expect("read");
        // Of the head: how often it was written, the next number, and what is reserved.
        let free = (8..12).chain(16..32);
        for at in (0..bytes.len()).filter(|at| !free.clone().any(|f| f == *at)) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x41;
            assert_ne!(read(&changed), Ok(whole.clone()), "byte {at}");
            assert!(read(&changed).is_err(), "byte {at}");
        }
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_bytes_make_it_panic(
            changes in prop::collection::vec((0usize..4300, any::<u8>()), 1..20),
        ) {
            let mut bytes = database(&[b"one", b"the second", &[7; 100]]);
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let _ = read(&bytes);
        }
    }
}
