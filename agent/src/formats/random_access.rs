//! A file that is read at places, for formats whose files are too large to hold whole.

/// Bytes by their place. Whoever implements it over a real file keeps the error of the system: a
/// parser only learns that there are no such bytes.
pub trait RandomAccess {
    fn size_bytes(&self) -> u64;

    /// Fills the whole of `buffer` from `offset` on; false where that many bytes cannot be had.
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> bool;
}

impl RandomAccess for &[u8] {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> bool {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        self.get(start..end).is_some_and(|part| {
            buffer.copy_from_slice(part);
            true
        })
    }
}

impl RandomAccess for Vec<u8> {
    fn size_bytes(&self) -> u64 {
        self.as_slice().size_bytes()
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> bool {
        self.as_slice().fill(offset, buffer)
    }
}
