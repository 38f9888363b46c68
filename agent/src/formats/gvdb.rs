//! GVDB, the format of compiled dconf(7) databases: a table of keys, each the end of a longer one,
//! with values in the serialisation of GVariant; tables lie in tables.

use std::collections::BTreeMap;

const MAGIC: &[u8] = b"GVariant\0\0\0\0\0\0\0\0";
const ITEM_BYTES: usize = 24;
/// Most parents of a key: a path has no more parts.
const MAX_DEPTH: usize = 64;
/// Most keys of a table.
const MAX_ITEMS: usize = 100_000;

/// A value of the types that are understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Boolean(bool),
    Unsigned(u32),
    /// Of another type.
    Other,
}

/// Keys and values, and the keys that are locked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    pub values: BTreeMap<String, Value>,
    pub locks: Vec<String>,
}

struct Item<'b> {
    hash: u32,
    key: &'b str,
    parent: u32,
    form: u8,
    value: (u32, u32),
}

/// Reads a database; `None` where it is damaged.
pub fn parse(bytes: &[u8]) -> Option<Database> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let mut database = Database::default();
    for (key, form, value) in table(bytes, pointer(bytes, MAGIC.len())?)? {
        match form {
            b'v' => {
                database.values.insert(key, variant(slice(bytes, value)?)?);
            }
            b'H' if key == ".locks" => {
                let locks = table(bytes, value)?.into_iter();
                database.locks =
                    locks.filter(|(_, form, _)| *form == b'v').map(|(key, ..)| key).collect();
            }
            _ => {}
        }
    }
    Some(database)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn pointer(bytes: &[u8], at: usize) -> Option<(u32, u32)> {
    Some((number(bytes, at)?, number(bytes, at + 4)?))
}

fn slice(bytes: &[u8], (start, end): (u32, u32)) -> Option<&[u8]> {
    bytes.get(start as usize..end as usize)
}

type Entry = (String, u8, (u32, u32));

/// Whole keys of the table at a place.
fn table(bytes: &[u8], place: (u32, u32)) -> Option<Vec<Entry>> {
    let own = slice(bytes, place)?;
    // The upper bits are a parameter of the filter.
    let bloom = (number(own, 0)? & 0x07ff_ffff) as usize;
    let buckets = number(own, 4)? as usize;
    let start = 8_usize.checked_add(bloom.checked_add(buckets)?.checked_mul(4)?)?;
    let rest = own.get(start..)?;
    if rest.len() % ITEM_BYTES != 0 || rest.len() / ITEM_BYTES > MAX_ITEMS {
        return None;
    }
    let items: Option<Vec<_>> = rest.chunks(ITEM_BYTES).map(|chunk| item(bytes, chunk)).collect();
    let items = items?;
    let entry = |item: &Item<'_>| {
        let key = whole(&items, item)?;
        (hash(&key) == item.hash).then_some((key, item.form, item.value))
    };
    items.iter().map(entry).collect()
}

/// hash, parent, key (start, length), type, value.
fn item<'b>(bytes: &'b [u8], chunk: &[u8]) -> Option<Item<'b>> {
    let start = number(chunk, 8)? as usize;
    let length = usize::from(u16::from_le_bytes([*chunk.get(12)?, *chunk.get(13)?]));
    let key = bytes.get(start..start.checked_add(length)?)?;
    Some(Item {
        hash: number(chunk, 0)?,
        key: std::str::from_utf8(key).ok()?,
        parent: number(chunk, 4)?,
        form: *chunk.get(14)?,
        value: pointer(chunk, 16)?,
    })
}

/// By it keys are found, and here damaged ones.
fn hash(key: &str) -> u32 {
    let more = |hash: u32, byte: u8| {
        hash.wrapping_mul(33).wrapping_add_signed(i32::from(byte.cast_signed()))
    };
    key.bytes().fold(5381, more)
}

fn whole(items: &[Item<'_>], item: &Item<'_>) -> Option<String> {
    let mut parts = vec![item.key];
    let mut parent = item.parent;
    while parent != u32::MAX {
        let above = items.get(parent as usize)?;
        parts.push(above.key);
        parent = above.parent;
        if parts.len() > MAX_DEPTH {
            return None;
        }
    }
    parts.reverse();
    Some(parts.concat())
}

/// A value in a value: its bytes, NUL, its type.
fn variant(bytes: &[u8]) -> Option<Value> {
    let at = bytes.iter().rposition(|byte| *byte == 0)?;
    let (value, form) = (bytes.get(..at)?, bytes.get(at + 1..)?);
    Some(match (form, value) {
        (b"b", [0]) => Value::Boolean(false),
        (b"b", [1]) => Value::Boolean(true),
        (b"u", value) => Value::Unsigned(u32::from_le_bytes(value.try_into().ok()?)),
        (b"b", _) | (b"", _) => return None,
        _ => Value::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_file_has_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300), place in 0u32..64) {
            let mut file = MAGIC.to_vec();
            file.extend(place.to_le_bytes());
            file.extend((place + 200).to_le_bytes());
            file.extend(bytes);
            let _ = parse(&file);
        }
    }
}
