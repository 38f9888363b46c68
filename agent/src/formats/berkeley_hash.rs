//! The hash form of a Berkeley DB file, as rpm kept `Packages` in until 4.15 (RHEL 8 and before): a
//! head, and buckets, each a chain of pages with pairs of key and value; what is long lies on a
//! chain of pages of its own. Numbers are in the order of the machine that wrote the file.

use super::random_access::RandomAccess;

const MAGIC: u32 = 0x0006_1561;
const META_BYTES: usize = 512;
const PAGE_HEAD: usize = 26;
/// rpm takes no larger header.
const MAX_VALUE_BYTES: u32 = 256 << 20;

/// Sorts of pages.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const META: u8 = 8;
const HASH: u8 = 13;

/// Sorts of items on a hash page.
const ON_PAGE: u8 = 1;
const OFF_PAGE: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BerkeleyError {
    #[error("not a hash table of Berkeley DB")]
    NotADatabase,
    #[error("a hash table of Berkeley DB of a form that is not supported")]
    Unsupported,
    #[error("the file ends before its last page")]
    Truncated,
    #[error("page {0} is damaged")]
    Page(u32),
}

struct Table<'a> {
    file: &'a dyn RandomAccess,
    big_endian: bool,
    page_bytes: usize,
    last_page: u32,
    last_bucket: u32,
    spares: [u32; 32],
    /// Pages that may still be read: a damaged chain may lead in circles.
    left: std::cell::Cell<u32>,
}

/// Calls `each` with every key and value.
pub fn pairs(
    file: &dyn RandomAccess,
    each: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), BerkeleyError> {
    let table = Table::open(file)?;
    for bucket in 0..=table.last_bucket {
        let mut number = table.first_page(bucket)?;
        while number != 0 {
            let page = table.page(number)?;
            table.pairs_of(number, &page, each)?;
            number = table.u32_at(&page, 16);
        }
    }
    Ok(())
}

impl<'a> Table<'a> {
    fn open(file: &'a dyn RandomAccess) -> Result<Self, BerkeleyError> {
        let mut meta = [0; META_BYTES];
        if !file.fill(0, &mut meta) {
            return Err(BerkeleyError::NotADatabase);
        }
        let mut table = Self {
            file,
            big_endian: false,
            page_bytes: 0,
            last_page: 0,
            last_bucket: 0,
            spares: [0; 32],
            left: std::cell::Cell::new(0),
        };
        table.big_endian = match table.u32_at(&meta, 12) {
            MAGIC => false,
            magic if magic.swap_bytes() == MAGIC => true,
            _ => return Err(BerkeleyError::NotADatabase),
        };
        let version = table.u32_at(&meta, 16);
        // Encrypted, with checksums, or with duplicates: rpm never writes such a file.
        if !(8..=10).contains(&version) || meta[24] != 0 || meta[26] != 0 || meta[25] != META {
            return Err(BerkeleyError::Unsupported);
        }
        table.page_bytes = table.u32_at(&meta, 20) as usize;
        table.last_page = table.u32_at(&meta, 32);
        table.last_bucket = table.u32_at(&meta, 72);
        for (place, spare) in table.spares.iter_mut().enumerate() {
            let at = 96 + 4 * place;
            let bytes = [meta[at], meta[at + 1], meta[at + 2], meta[at + 3]];
            *spare = if table.big_endian {
                u32::from_be_bytes(bytes)
            } else {
                u32::from_le_bytes(bytes)
            };
        }
        let size = table.page_bytes;
        if !size.is_power_of_two() || !(512..=65_536).contains(&size) || table.last_page == u32::MAX
        {
            return Err(BerkeleyError::NotADatabase);
        }
        if file.size_bytes() < (u64::from(table.last_page) + 1) * size as u64 {
            return Err(BerkeleyError::Truncated);
        }
        table.left.set(table.last_page);
        Ok(table)
    }

    /// Buckets are made by doubling; those of one doubling follow each other.
    fn first_page(&self, bucket: u32) -> Result<u32, BerkeleyError> {
        let doubling = (u32::BITS - bucket.leading_zeros()) as usize;
        let spare = self.spares.get(doubling).copied().unwrap_or(u32::MAX);
        bucket.checked_add(spare).ok_or(BerkeleyError::NotADatabase)
    }

    fn page(&self, number: u32) -> Result<Vec<u8>, BerkeleyError> {
        let damaged = BerkeleyError::Page(number);
        let left = self.left.get().checked_sub(1).ok_or(damaged)?;
        self.left.set(left);
        let mut page = vec![0; self.page_bytes];
        let there = number > 0 && number <= self.last_page;
        let at = u64::from(number) * self.page_bytes as u64;
        if !there || !self.file.fill(at, &mut page) || self.u32_at(&page, 8) != number {
            return Err(damaged);
        }
        Ok(page)
    }

    fn pairs_of(
        &self,
        number: u32,
        page: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), BerkeleyError> {
        let damaged = BerkeleyError::Page(number);
        if !matches!(page[25], HASH | HASH_UNSORTED) {
            return Err(damaged);
        }
        let count = usize::from(self.u16_at(page, 20));
        if !count.is_multiple_of(2) || PAGE_HEAD + 2 * count > page.len() {
            return Err(damaged);
        }
        // Items fill the page from its end: each ends where the one before begins.
        let mut end = page.len();
        let mut key = Vec::new();
        for place in 0..count {
            let start = usize::from(self.u16_at(page, PAGE_HEAD + 2 * place));
            let item = page.get(start..end).filter(|item| !item.is_empty()).ok_or(damaged)?;
            if start < PAGE_HEAD + 2 * count {
                return Err(damaged);
            }
            let value = self.value(item).ok_or(damaged)?;
            if place % 2 == 0 {
                key = value;
            } else {
                each(&key, &value);
            }
            end = start;
        }
        Ok(())
    }

    fn value(&self, item: &[u8]) -> Option<Vec<u8>> {
        match item[0] {
            ON_PAGE => Some(item[1..].to_vec()),
            OFF_PAGE if item.len() == 12 => self.chain(self.u32_at(item, 4), self.u32_at(item, 8)),
            _ => None,
        }
    }

    fn chain(&self, first: u32, length: u32) -> Option<Vec<u8>> {
        if length > MAX_VALUE_BYTES {
            return None;
        }
        let (length, mut next) = (length as usize, first);
        let mut value = Vec::new();
        while value.len() < length {
            let page = self.page(next).ok()?;
            let here = usize::from(self.u16_at(&page, 22));
            if page[25] != OVERFLOW || here == 0 || here > length - value.len() {
                return None;
            }
            value.extend_from_slice(page.get(PAGE_HEAD..PAGE_HEAD + here)?);
            next = self.u32_at(&page, 16);
        }
        // A chain ends with its value.
        (next == 0).then_some(value)
    }

    fn u32_at(&self, bytes: &[u8], at: usize) -> u32 {
        let bytes = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn u16_at(&self, bytes: &[u8], at: usize) -> u16 {
        let bytes = [bytes[at], bytes[at + 1]];
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One bucket with two pairs; the value of the second lies on two pages of its own.
    fn table() -> Vec<u8> {
        let mut bytes = vec![0; 5 * 512];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        let numbers = [(12, MAGIC), (16, 9), (20, 512), (32, 4), (72, 0), (96, 1)];
        numbers.into_iter().for_each(|(at, number)| put(at, &number.to_le_bytes()));
        put(25, &[META]);
        for page in 1..5u32 {
            put(page as usize * 512 + 8, &page.to_le_bytes());
        }
        // Pages of the table's one bucket, the last of which is empty.
        put(512 + 16, &4u32.to_le_bytes());
        put(512 + 20, &4u16.to_le_bytes());
        put(512 + 25, &[HASH]);
        put(4 * 512 + 25, &[HASH_UNSORTED]);
        let items: [&[u8]; 4] = [
            &[ON_PAGE, b'k'],
            &[ON_PAGE, b'v', b'1'],
            &[ON_PAGE, b'l'],
            &[OFF_PAGE, 0, 0, 0, 2, 0, 0, 0, 0xf0, 1, 0, 0],
        ];
        let mut end = 512;
        for (place, item) in items.iter().enumerate() {
            end -= item.len();
            put(512 + end, item);
            let offset = u16::try_from(end).expect("small").to_le_bytes();
            put(512 + PAGE_HEAD + 2 * place, &offset);
        }
        for (page, next, length) in [(2usize, 3u32, 486u16), (3, 0, 10)] {
            put(page * 512 + 16, &next.to_le_bytes());
            put(page * 512 + 22, &length.to_le_bytes());
            put(page * 512 + 25, &[OVERFLOW]);
            put(page * 512 + PAGE_HEAD, &vec![b'x'; usize::from(length)]);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Vec<u8>, usize)>, BerkeleyError> {
        let mut found = Vec::new();
        pairs(&bytes, &mut |key, value| found.push((key.to_vec(), value.len())))?;
        Ok(found)
    }

    #[test]
    fn values_on_a_page_and_on_pages_of_their_own_are_read() {
        assert_eq!(read(&table()), Ok(vec![(b"k".to_vec(), 2), (b"l".to_vec(), 496)]));
    }

    #[test]
    fn a_chain_that_is_cut_or_leads_in_a_circle_is_refused() {
        let with = |at: usize, byte: u8| {
            let mut bytes = table();
            bytes[at] = byte;
            read(&bytes)
        };
        assert_eq!(with(2 * 512 + 16, 0), Err(BerkeleyError::Page(1)));
        assert_eq!(with(2 * 512 + 16, 2), Err(BerkeleyError::Page(1)));
        assert_eq!(with(4 * 512 + 16, 1), Err(BerkeleyError::Page(1)));
        assert_eq!(with(24, 1), Err(BerkeleyError::Unsupported));
        assert_eq!(read(&table()[..4 * 512]), Err(BerkeleyError::Truncated));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_bytes_make_it_panic(
            changes in prop::collection::vec((0usize..2560, any::<u8>()), 1..12),
            end in 0usize..2561,
        ) {
            let mut bytes = table();
            changes.into_iter().for_each(|(at, byte)| bytes[at] = byte);
            let _ = read(&bytes[..end]);
        }
    }
}
