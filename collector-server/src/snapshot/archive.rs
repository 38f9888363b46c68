//! The archive: a tar file (POSIX.1-1988 ustar) in exactly one form. Regular files alone, names in
//! order, one mode, one owner, one time; so equal contents are equal bytes, and whatever differs
//! from that form is refused while it is read: links, absolute names, `..`, duplicates, devices.

use aws_lc_rs::digest as sha2;
use evidence::Digest;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

const BLOCK: usize = 512;
/// Longest name that fits a header.
const MAX_NAME: usize = 99;
/// Largest file that the size of a header can say.
const MAX_FILE: u64 = (1 << 33) - 1;
/// Files of an archive; more is a bomb, or a fleet to be split by `--isms`.
pub const MAX_FILES: usize = 2_000_000;
/// A copy is made in pieces of so many bytes.
const PIECE: usize = 1 << 16;

/// Why an archive is not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read. Nothing is said of what it holds.
    #[error("the archive cannot be read: {0}")]
    Read(#[from] io::Error),
    /// At this byte it is not what a collector writes.
    #[error("at byte {at}: {what}")]
    Form { at: u64, what: String },
}

/// Whether a name may stand in an archive: relative, of plain characters, without `.` and `..`.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.len() <= MAX_NAME && name.chars().all(plain) && name.split('/').all(part)
}

/// The header of a file.
fn header(name: &str, size: u64, mtime_s: u64) -> io::Result<[u8; BLOCK]> {
    let refused =
        |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: {what}"));
    if !is_name(name) {
        return Err(refused("not a name for an archive"));
    }
    if size > MAX_FILE {
        return Err(refused("larger than 8 GiB"));
    }
    let mut block = [0; BLOCK];
    let mut put =
        |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, &format!("{:011o}", mtime_s.min(MAX_FILE)));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// Writes an archive; names must come in order.
pub struct Writer<W: Write> {
    out: W,
    mtime_s: u64,
    last: String,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W, mtime_s: u64) -> Self {
        Self { out, mtime_s, last: String::new() }
    }

    /// Adds a file of `size` bytes from a reader.
    pub fn file(&mut self, name: &str, size: u64, mut from: impl Read) -> io::Result<()> {
        if name <= self.last.as_str() {
            return Err(io::Error::other(format!("{name} does not come after {}", self.last)));
        }
        name.clone_into(&mut self.last);
        self.out.write_all(&header(name, size, self.mtime_s)?)?;
        let copied = io::copy(&mut from.by_ref().take(size), &mut self.out)?;
        if copied != size || from.read(&mut [0])? != 0 {
            return Err(io::Error::other(format!("{name} changed while it was packed")));
        }
        self.out.write_all(&vec![0; padding(size)])
    }

    /// Ends the archive.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Where a file lies in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub at: u64,
    pub size: u64,
    pub digest: Digest,
}

/// An archive whose form was checked, byte by byte. Files are read where they lie; nothing is ever
/// written out.
pub struct Archive<R> {
    from: R,
    pub files: BTreeMap<String, Place>,
    pub mtime_s: u64,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the whole archive once.
    pub fn read(mut from: R) -> Result<Self, ArchiveError> {
        let total = from.seek(SeekFrom::End(0))?;
        from.seek(SeekFrom::Start(0))?;
        let mut scan = Scan { from: io::BufReader::with_capacity(PIECE, from), at: 0, total };
        let (mut files, mut mtime) = (BTreeMap::new(), None);
        let mut last = String::new();
        while let Some((name, place, mtime_s)) = scan.next()? {
            if name <= last {
                return Err(scan.form(format!("{name} comes twice, or out of order")));
            }
            if *mtime.get_or_insert(mtime_s) != mtime_s {
                return Err(scan.form(format!("{name} has another time than the files before it")));
            }
            if files.len() == MAX_FILES {
                return Err(scan.form(format!("more than {MAX_FILES} files")));
            }
            last.clone_from(&name);
            files.insert(name, place);
        }
        let from = scan.from.into_inner();
        Ok(Self { from, files, mtime_s: mtime.unwrap_or_default() })
    }

    /// The bytes of a file of at most `limit` bytes; none if there is no such file.
    pub fn bytes(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some(place) = self.files.get(name).copied() else { return Ok(None) };
        if place.size > limit {
            let what = format!("{name} has {} bytes; at most {limit} are read", place.size);
            return Err(ArchiveError::Form { at: place.at, what });
        }
        self.from.seek(SeekFrom::Start(place.at))?;
        let mut bytes = vec![];
        (&mut self.from).take(place.size).read_to_end(&mut bytes)?;
        // The file may have been changed under us.
        if Digest::of(&bytes) != place.digest {
            let what = format!("{name} changed while it was read");
            return Err(ArchiveError::Form { at: place.at, what });
        }
        Ok(Some(bytes))
    }
}

struct Scan<R> {
    from: io::BufReader<R>,
    at: u64,
    total: u64,
}

impl<R: Read> Scan<R> {
    fn form(&self, what: String) -> ArchiveError {
        ArchiveError::Form { at: self.at, what }
    }

    /// The next file; none at the end.
    fn next(&mut self) -> Result<Option<(String, Place, u64)>, ArchiveError> {
        let mut block = [0; BLOCK];
        self.exact(&mut block, "the archive ends in the middle")?;
        if block == [0; BLOCK] {
            self.end()?;
            return Ok(None);
        }
        let (name, size, mtime_s) = self.header(&block)?;
        let place = self.content(&name, size)?;
        Ok(Some((name, place, mtime_s)))
    }

    fn header(&self, block: &[u8; BLOCK]) -> Result<(String, u64, u64), ArchiveError> {
        let name = block[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        let shown: String = name.chars().take(80).filter(|c| !c.is_control()).collect();
        let sort = match block[156] {
            b'0' => None,
            b'1' | b'2' => Some("a link"),
            b'3' | b'4' | b'6' => Some("a device or a pipe"),
            b'5' => Some("a directory"),
            _ => Some("an entry of another sort"),
        };
        if let Some(sort) = sort {
            return Err(self.form(format!("{sort} ({shown}): only regular files are allowed")));
        }
        if !is_name(&name) {
            let what = "absolute, with `..`, too long or of unusual characters";
            return Err(self.form(format!("the name {shown:?} is not allowed: {what}")));
        }
        let number = |range: std::ops::Range<usize>| {
            let text = std::str::from_utf8(&block[range]).ok()?;
            u64::from_str_radix(text, 8).ok()
        };
        let size = number(124..135).ok_or_else(|| self.form(format!("size of {shown}")))?;
        let mtime_s = number(136..147).ok_or_else(|| self.form(format!("time of {shown}")))?;
        // Whatever else the header may say: it is the one that a collector writes.
        if header(&name, size, mtime_s)? != *block {
            return Err(self.form(format!("the header of {shown} is not as a collector writes it")));
        }
        Ok((name, size, mtime_s))
    }

    fn content(&mut self, name: &str, size: u64) -> Result<Place, ArchiveError> {
        let at = self.at;
        if size > self.total.saturating_sub(at) {
            return Err(self.form(format!("{name} is said to be larger than the archive")));
        }
        let mut context = sha2::Context::new(&sha2::SHA256);
        let (mut left, mut piece) = (size, vec![0; PIECE]);
        while left > 0 {
            let length = left.min(PIECE as u64) as usize;
            self.exact(&mut piece[..length], "the archive ends in the middle of a file")?;
            context.update(&piece[..length]);
            left -= length as u64;
        }
        let mut rest = [0; BLOCK];
        let rest = &mut rest[..padding(size)];
        self.exact(rest, "the archive ends in the middle of a file")?;
        if rest.iter().any(|byte| *byte != 0) {
            return Err(self.form(format!("bytes after the end of {name}")));
        }
        let digest = Digest::from_slice(context.finish().as_ref());
        let digest = digest.ok_or_else(|| self.form("no digest".to_owned()))?;
        Ok(Place { at, size, digest })
    }

    /// A second block of zeros, and nothing after it.
    fn end(&mut self) -> Result<(), ArchiveError> {
        let mut block = [0; BLOCK];
        self.exact(&mut block, "the archive ends in the middle")?;
        if block != [0; BLOCK] || self.at != self.total {
            return Err(self.form("bytes after the end of the archive".to_owned()));
        }
        Ok(())
    }

    fn exact(&mut self, into: &mut [u8], short: &str) -> Result<(), ArchiveError> {
        match self.from.read_exact(into) {
            Ok(()) => {
                self.at += into.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.form(short.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
