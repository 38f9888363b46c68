//! Names of what a log serves, as C2SP `tlog-tiles` writes them. Pure.

/// Hashes of a full tile, and entries of a full bundle.
pub const WIDTH: u64 = 256;

/// A tile of hashes, or a bundle of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    pub what: What,
    pub index: u64,
    /// How many hashes or entries: 1 to 255 of a partial one, 256 of a full one.
    pub width: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Tiles of this level; its hashes cover 256^level leaves each.
    Hashes(u8),
    Entries,
}

impl Resource {
    /// Reads `<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`. There is one way to write each.
    pub fn parse(path: &str) -> Option<Self> {
        let (what, rest) = path.split_once('/')?;
        let what = match what {
            "entries" => What::Entries,
            level => What::Hashes(u8::try_from(decimal(level)?).ok().filter(|level| *level < 64)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, decimal(width).filter(|w| (1..WIDTH).contains(w))?),
            None => (rest, WIDTH),
        };
        Some(Self { what, index: number(index)?, width })
    }
}

/// `x001/x234/067` is 1234067.
fn number(text: &str) -> Option<u64> {
    let mut parts: Vec<_> = text.split('/').collect();
    let last = parts.pop()?;
    let mut number: u64 = 0;
    for part in &parts {
        number = number.checked_mul(1000)?.checked_add(three(part.strip_prefix('x')?)?)?;
    }
    // Not as a longer name with nothing in front.
    if parts.first() == Some(&"x000") {
        return None;
    }
    number.checked_mul(1000)?.checked_add(three(last)?)
}

fn three(text: &str) -> Option<u64> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Without sign or leading zero.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A bundle of entries: each with its length before it, two bytes, the larger first. None if one is
/// longer than that can say; no leaf is.
pub fn bundle(entries: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    for entry in entries {
        bytes.extend(u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend(entry);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_specification_writes_them_and_in_no_other_way() {
        let hashes =
            |level, index, width| Some(Resource { what: What::Hashes(level), index, width });
        assert_eq!(Resource::parse("0/000"), hashes(0, 0, 256));
        assert_eq!(Resource::parse("0/x001/x234/067"), hashes(0, 1_234_067, 256));
        assert_eq!(Resource::parse("1/x001/067.p/17"), hashes(1, 1067, 17));
        let entries = Resource { what: What::Entries, index: 2, width: 255 };
        assert_eq!(Resource::parse("entries/002.p/255"), Some(entries));
        for bad in [
            "",
            "0",
            "0/",
            "0/0",
            "0/0000",
            "0/x00/067",
            "0/001/067",
            "0/x000/067",
            "00/000",
            "64/000",
            "-1/000",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/",
            "0/000/",
            "0/ 00",
            "0/+00",
            "data/000",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Resource::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bundle_has_each_entry_behind_its_length() {
        let bytes = bundle(&[b"ab".to_vec(), vec![], vec![7; 300]]).expect("a bundle");
        assert_eq!(&bytes[..6], &[0, 2, b'a', b'b', 0, 0]);
        assert_eq!((&bytes[6..8], bytes.len()), (&[1, 44][..], 308));
        assert_eq!(bundle(&[vec![0; 1 << 16]]), None);
    }
}
