//! As much of DER (X.690) as a time stamp needs: elements with tags of one byte.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const UTF8: u8 = 0x0c;
pub(super) const TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const EXPLICIT_0: u8 = 0xa0;

/// 2.16.840.1.101.3.4.2.1
pub(super) const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 1.2.840.113549.1.7.2
pub(super) const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.9.16.1.4
pub(super) const TST_INFO: &[u8] =
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];

/// An element shorter than 128 bytes, which all of a request are.
pub(super) fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    debug_assert!(value.len() < 128, "short form");
    [&[tag, value.len() as u8], value].concat()
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// Reads elements one after the other. What is not there, or is longer than what holds it, is none.
pub(super) struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    /// The inside of the one element that `bytes` are, with nothing after it.
    pub(super) fn only(bytes: &'d [u8], tag: u8) -> Option<Self> {
        let mut outer = Self(bytes);
        let inside = outer.within(tag)?;
        outer.0.is_empty().then_some(inside)
    }

    /// The next element, whatever it is.
    pub(super) fn any(&mut self) -> Option<(u8, &'d [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            // Without an end, or longer than anything that is read here.
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    /// The next element, if it has this tag.
    pub(super) fn next(&mut self, tag: u8) -> Option<&'d [u8]> {
        let before = self.0;
        match self.any() {
            Some((found, value)) if found == tag => Some(value),
            _ => {
                self.0 = before;
                None
            }
        }
    }

    pub(super) fn within(&mut self, tag: u8) -> Option<Self> {
        self.next(tag).map(Self)
    }

    /// A small integer that is not negative.
    pub(super) fn integer(&mut self) -> Option<u64> {
        let bytes = self.next(INTEGER)?;
        let small = (1..=8).contains(&bytes.len()) && bytes[0] < 0x80;
        small.then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}
