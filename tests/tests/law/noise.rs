//! Bytes that are no text.

use evidenced_tests::Random;

/// One damaged form of a file.
pub(crate) struct Noise {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Nothing of the file is left.
    pub(crate) throughout: bool,
}

/// Every noise on one file. `seed` is a name.
pub(crate) fn of(contents: &[u8], seed: &str) -> Vec<Noise> {
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
