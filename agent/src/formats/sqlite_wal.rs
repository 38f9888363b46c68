//! The write-ahead log of an SQLite database (sqlite.org/fileformat2.html, "The Write-Ahead Log"):
//! pages that were committed and not yet copied into the file. Without them the last transactions
//! are missing from what one reads.
//!
//! Stricter than SQLite, which takes whatever comes after the last whole transaction for the rest of
//! a crash: here that is refused if it bears the log's own mark, for a damaged frame would else hide
//! all that was committed after it.

use super::random_access::RandomAccess;
use std::collections::HashMap;

const HEADER_BYTES: usize = 32;
const FRAME_BYTES: usize = 24;
/// Checksums over words in little endian; with the last bit set, in big endian.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;
/// Larger logs are those of a transaction that never ends.
const MAX_FRAMES: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    #[error("not a log of SQLite")]
    NotALog,
    #[error("the log ends within a page")]
    Truncated,
    #[error("page {0} of the log is damaged")]
    Frame(u64),
    #[error("the log is too large")]
    TooLarge,
}

/// A log, and where the pages are that it has.
pub struct Wal<'a> {
    file: &'a dyn RandomAccess,
    page_bytes: usize,
    /// Page → place in the log.
    places: HashMap<u32, u64>,
    /// Of the database after the last transaction; 0 where there was none.
    pages: u32,
}

/// The sums that run through a log.
#[derive(Clone, Copy)]
struct Sums {
    one: u32,
    two: u32,
    big_endian: bool,
}

impl Sums {
    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let (a, b) = (self.word(&pair[..4]), self.word(&pair[4..]));
            self.one = self.one.wrapping_add(a).wrapping_add(self.two);
            self.two = self.two.wrapping_add(b).wrapping_add(self.one);
        }
    }

    fn word(self, bytes: &[u8]) -> u32 {
        let word = u32_at(bytes, 0);
        if self.big_endian { word } else { word.swap_bytes() }
    }

    fn are(self, bytes: &[u8]) -> bool {
        self.one == u32_at(bytes, 0) && self.two == u32_at(bytes, 4)
    }
}

impl<'a> Wal<'a> {
    /// Reads the whole log; an empty one has no pages.
    pub fn open(file: &'a dyn RandomAccess) -> Result<Self, WalError> {
        let mut wal = Self { file, page_bytes: 0, places: HashMap::new(), pages: 0 };
        if file.size_bytes() == 0 {
            return Ok(wal);
        }
        let mut header = [0; HEADER_BYTES];
        if !file.fill(0, &mut header) {
            return Err(WalError::Truncated);
        }
        let magic = u32_at(&header, 0);
        let mut sums = Sums { one: 0, two: 0, big_endian: magic & 1 == 1 };
        sums.add(&header[..24]);
        let page_bytes = u32_at(&header, 8);
        let is_log =
            magic & !1 == MAGIC && u32_at(&header, 4) == VERSION && sums.are(&header[24..]);
        if !is_log || !page_bytes.is_power_of_two() || !(512..=65_536).contains(&page_bytes) {
            return Err(WalError::NotALog);
        }
        wal.page_bytes = page_bytes as usize;
        wal.frames(&header[16..24], sums)?;
        Ok(wal)
    }

    fn frames(&mut self, salt: &[u8], mut sums: Sums) -> Result<(), WalError> {
        let size = FRAME_BYTES + self.page_bytes;
        let rest = self.file.size_bytes() - HEADER_BYTES as u64;
        let count = rest / size as u64;
        if count > MAX_FRAMES {
            return Err(WalError::TooLarge);
        }
        if !rest.is_multiple_of(size as u64) {
            return Err(WalError::Truncated);
        }
        let mut frame = vec![0; size];
        let mut open: HashMap<u32, u64> = HashMap::new();
        let mut is_over = false;
        for number in 0..count {
            let at = HEADER_BYTES as u64 + number * size as u64;
            if !self.file.fill(at, &mut frame) {
                return Err(WalError::Truncated);
            }
            // What an earlier log left behind has another mark.
            if &frame[8..16] != salt {
                is_over = true;
                continue;
            }
            sums.add(&frame[..8]);
            sums.add(&frame[FRAME_BYTES..]);
            if is_over || !sums.are(&frame[16..24]) {
                return Err(WalError::Frame(number + 1));
            }
            open.insert(u32_at(&frame, 0), at + FRAME_BYTES as u64);
            let pages = u32_at(&frame, 4);
            // Only the last page of a transaction says how many there are then.
            if pages > 0 {
                self.pages = pages;
                self.places.extend(open.drain());
            }
        }
        Ok(())
    }

    pub fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// How many pages the database has after the last transaction; 0 without one.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// The beginning of a page, if the log has it.
    pub fn fill(&self, page: u32, buffer: &mut [u8]) -> bool {
        self.places.get(&page).is_some_and(|at| self.file.fill(*at, buffer))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
