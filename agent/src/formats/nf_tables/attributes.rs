//! Netlink attributes: length, type, value, padded to four bytes.

const HEADER: usize = 4;
/// Flags in the upper bits of a type: nested, big-endian.
const TYPE_BITS: u16 = 0x3fff;

/// The attributes of one level; of a type that is doubled the last.
#[derive(Debug, Clone)]
pub(super) struct Attributes<'a>(Vec<(u16, &'a [u8])>);

impl<'a> Attributes<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        each(bytes).map(Self)
    }

    pub(super) fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.0.iter().rev().find(|(one, _)| *one == kind).map(|(_, value)| *value)
    }
}

pub(super) fn each(mut bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?) & TYPE_BITS;
        all.push((kind, bytes.get(..length)?.get(HEADER..)?));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(all)
}

/// Numbers of nf_tables are big-endian.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    let value: [u8; 4] = value.try_into().ok()?;
    Some(u32::from_be_bytes(value))
}

/// A name with its NUL.
pub(super) fn text(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value.strip_suffix(&[0])?).ok()?;
    let sound = !text.is_empty() && !text.chars().any(char::is_control);
    sound.then(|| text.to_owned())
}

pub(super) fn put_text(body: &mut Vec<u8>, kind: u16, text: &str) {
    let length = HEADER + text.len() + 1;
    body.extend((length as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(text.as_bytes());
    body.resize(body.len() + length.next_multiple_of(4) - length + 1, 0);
}
