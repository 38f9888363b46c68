//! Bytes that the format of a file does not hold.

use evidenced_tests::Random;

/// What a disk loses at a time, in bytes.
const SECTOR: usize = 512;

/// One damaged form of a file.
pub(crate) struct Noise {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Nothing of the file is left.
    pub(crate) throughout: bool,
}

/// Every noise on one file. `seed` is a name. A file with NUL in it is a binary one.
pub(crate) fn of(contents: &[u8], seed: &str) -> Vec<Noise> {
    if contents.contains(&0) { in_binary(contents, seed) } else { in_text(contents, seed) }
}

/// What a disk does to a binary file: it loses the end, or all, or a sector; and a letter in a text
/// becomes none. Another time or number in place of one is no noise, and zeros are none in a file
/// of records, where they say that there is nothing.
fn in_binary(contents: &[u8], seed: &str) -> Vec<Noise> {
    let random = &mut Random::named(seed);
    let mut all = vec![];
    let mut add = |name: &str, at: usize, bytes: Vec<u8>, throughout| {
        all.push(Noise { name: format!("with {name} at {at}"), bytes, throughout });
    };
    let length = contents.len().max(SECTOR);
    add("random bytes throughout", 0, random.bytes(length), true);
    add("ones throughout", 0, vec![0xff; length], true);
    // Long sparse files have their few records far apart: the sectors that hold something.
    let sectors = contents.chunks(SECTOR).zip(0..);
    let held: Vec<usize> =
        sectors.filter(|(s, _)| s.iter().any(|b| *b != 0)).map(|(_, n)| n).collect();
    for _ in 0..6 {
        let at = held.get(random.below(held.len())).map_or(0, |sector| sector * SECTOR);
        let end = contents.len().min(at + SECTOR);
        let mut bytes = contents.to_vec();
        bytes.splice(at..end, random.bytes(end - at));
        add("a sector of random bytes", at, bytes, false);
    }
    let is_letter = |byte: &u8| byte.is_ascii_graphic();
    let texts = contents.windows(3).zip(1..).filter(|(three, _)| three.iter().all(is_letter));
    let texts: Vec<usize> = texts.map(|(_, at)| at).collect();
    for _ in 0..6 {
        let Some(at) = texts.get(random.below(texts.len())).copied() else { break };
        for (name, byte) in
            [("a high bit", contents[at] | 0x80), ("a control character", 0x07), ("NUL", 0)]
        {
            let mut bytes = contents.to_vec();
            bytes[at] = byte;
            add(name, at, bytes, false);
        }
    }
    let at = random.below(contents.len()) | 1;
    add("its end lost", at, contents[..at.min(contents.len() - 1)].to_vec(), false);
    all
}

fn in_text(contents: &[u8], seed: &str) -> Vec<Noise> {
    let random = &mut Random::named(seed);
    let mut all = vec![];
    let mut add = |name: &str, at: usize, bytes: Vec<u8>, throughout| {
        all.push(Noise { name: format!("with {name} at {at}"), bytes, throughout });
    };
    let length = contents.len().max(64);
    add("random bytes throughout", 0, random.bytes(length), true);
    add("NUL throughout", 0, vec![0; length], true);
    for _ in 0..4 {
        let at = random.below(contents.len());
        let mut bytes = contents.to_vec();
        bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte |= 0x80);
        add("a high bit", at, bytes, false);
        let at = random.below(contents.len());
        let mut bytes = contents.to_vec();
        let control = *random.bytes(1).first().unwrap_or(&0) % 8 + 1;
        bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = control);
        add("a control character", at, bytes, false);
    }
    for _ in 0..2 {
        let at = random.below(contents.len() + 1);
        add("NUL", at, inserted(contents, at, &[0]), false);
        add("invalid UTF-8", at, inserted(contents, at, &[0xff, 0xc0, 0xaf]), false);
        let noise = random.bytes(64);
        let mut bytes = contents.to_vec();
        bytes.iter_mut().skip(at).zip(&noise).for_each(|(byte, noise)| *byte = *noise);
        bytes.extend(noise.iter().skip(contents.len() - at));
        add("a random block", at, bytes, false);
    }
    let ends: Vec<_> = contents.iter().zip(1..).filter(|(b, _)| **b == b'\n').collect();
    let at = ends.get(random.below(ends.len())).map_or(0, |(_, end)| *end);
    let line = [&[b'x'; 100_000][..], b"\n"].concat();
    add("a long line", at, inserted(contents, at, &line), false);
    all
}

fn inserted(contents: &[u8], at: usize, what: &[u8]) -> Vec<u8> {
    let (before, after) = contents.split_at(at.min(contents.len()));
    [before, what, after].concat()
}
