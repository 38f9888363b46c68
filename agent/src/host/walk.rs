//! A walk through every directory of a machine, within bounds. Links are not followed, nothing is
//! opened but directories, and a directory that could not be read is said, never taken for empty.

use super::{FileKind, Fixture, Meta, ReadError, meta_of};
use rustix::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use rustix::fs::{self, AtFlags, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashSet};
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// Most directories that could not be read that are named.
const MAX_GAPS: usize = 20;
/// Longest value of `security.capability`, and more.
const MAX_CAPABILITY: usize = 64;
const ENTRIES: usize = 32 << 10;

/// Where a walk goes, and how far.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub max_inodes: u64,
    pub max_time: Duration,
    /// Mount points that a file system which is not entered lies above; `/` is always one.
    pub starts: Vec<String>,
    /// Directories that are not entered.
    pub closed: BTreeSet<String>,
}

/// One thing that a walk came by.
pub struct Found<'w> {
    pub path: &'w [u8],
    pub meta: Meta,
    /// The directory it lies in; `None` for a place to start from.
    pub parent: Option<&'w Meta>,
    /// The attribute `security.capability` of a regular file that somebody may execute.
    pub capability: Option<Vec<u8>>,
}

/// How a walk went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// It ended at a bound.
    pub truncated: bool,
    /// What could not be read, the first of it.
    pub gaps: Vec<(String, ReadError)>,
    /// Whether there was anything that could not be read.
    pub incomplete: bool,
}

impl Walked {
    fn gap(&mut self, path: &[u8], error: ReadError) {
        self.incomplete = true;
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push((String::from_utf8_lossy(path).into_owned(), error));
        }
    }
}

struct Pending {
    path: Vec<u8>,
    /// Attributes and device of the directory above, unless the walk starts here.
    above: Option<u64>,
}

/// Walks below `root`. The file system that `/` lies on is always entered.
pub(super) fn of_system(
    root: &OwnedFd,
    bounds: &Bounds,
    visit: &mut dyn FnMut(&Found<'_>),
) -> Walked {
    let mut walker = Walker {
        root,
        bounds,
        visit,
        walked: Walked::default(),
        until: Instant::now().checked_add(bounds.max_time),
        left: bounds.max_inodes,
        seen: HashSet::new(),
        pending: Vec::new(),
    };
    let starts = bounds.starts.iter().map(String::as_str).chain(["/"]);
    walker.pending =
        starts.map(|path| Pending { path: path.as_bytes().to_vec(), above: None }).collect();
    let mut buffer = vec![MaybeUninit::uninit(); ENTRIES];
    while let Some(next) = walker.pending.pop() {
        if walker.until.is_some_and(|until| Instant::now() >= until) {
            walker.walked.truncated = true;
        }
        if walker.walked.truncated {
            break;
        }
        if let Err(error) = walker.directory(&next, &mut buffer) {
            walker.walked.gap(&next.path, error);
        }
    }
    walker.walked
}

struct Walker<'w> {
    root: &'w OwnedFd,
    bounds: &'w Bounds,
    visit: &'w mut dyn FnMut(&Found<'_>),
    walked: Walked,
    until: Option<Instant>,
    left: u64,
    /// Device and inode of every directory that was entered: another mount may show it again.
    seen: HashSet<(u64, u64)>,
    pending: Vec<Pending>,
}

impl Walker<'_> {
    fn directory(
        &mut self,
        place: &Pending,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<(), ReadError> {
        let directory = match open(self.root, &place.path) {
            // Gone, or something else by now.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if place.above.is_some() => {
                return Ok(());
            }
            other => other?,
        };
        let stat = fs::fstat(&directory)?;
        let meta = meta_of(&stat);
        let crosses = place.above.is_some_and(|above| above != stat.st_dev);
        if crosses && !is_local(fs::fstatfs(&directory)?.f_type as u64) {
            return Ok(());
        }
        if !self.seen.insert((stat.st_dev, stat.st_ino)) {
            return Ok(());
        }
        if place.above.is_none() {
            let found = Found { path: &place.path, meta, parent: None, capability: None };
            (self.visit)(&found);
        }
        let mut entries = RawDir::new(directory.as_fd(), buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if self.left == 0 {
                self.walked.truncated = true;
                return Ok(());
            }
            self.left -= 1;
            let mut path = place.path.clone();
            if path != b"/" {
                path.push(b'/');
            }
            path.extend(name.to_bytes());
            if std::str::from_utf8(&path).is_ok_and(|path| self.bounds.closed.contains(path)) {
                continue;
            }
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
            let found = match fs::statat(&directory, name, flags) {
                Ok(found) => meta_of(&found),
                Err(Errno::NOENT) => continue,
                Err(errno) => {
                    self.walked.gap(&path, errno.into());
                    continue;
                }
            };
            let capability = match capability(&directory, name.to_bytes(), &found) {
                Ok(capability) => capability,
                Err(errno) => {
                    self.walked.gap(&path, errno.into());
                    None
                }
            };
            (self.visit)(&Found { path: &path, meta: found, parent: Some(&meta), capability });
            if found.kind == FileKind::Directory {
                self.pending.push(Pending { path, above: Some(stat.st_dev) });
            }
        }
        Ok(())
    }
}

/// Opens a directory by its whole path, no part of which may be a link: the walk saw none.
fn open(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..16 {
        match fs::openat2(root, path, flags | OFlags::NOATIME, Mode::empty(), within) {
            Err(Errno::AGAIN) => {}
            // Who is not the owner may not ask for that.
            Err(Errno::PERM) => return fs::openat2(root, path, flags, Mode::empty(), within),
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

fn capability(directory: &OwnedFd, name: &[u8], meta: &Meta) -> Result<Option<Vec<u8>>, Errno> {
    if meta.kind != FileKind::File || meta.mode & 0o111 == 0 {
        return Ok(None);
    }
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend(name);
    let mut value = [0_u8; MAX_CAPABILITY];
    match fs::lgetxattr(path.as_slice(), "security.capability", &mut value) {
        Ok(length) => Ok(value.get(..length).map(<[u8]>::to_vec)),
        // None, or a file system that has none. A file that is gone had none that counts.
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// By the magic number of statfs(2): file systems that are not this machine's own files. Of the
/// kernel, of a network, of FUSE, layers over others, and images.
fn is_local(magic: u64) -> bool {
    const FOREIGN: &[u64] = &[
        0x0187,
        0x9fa0,
        0x1cd1,
        0x6265_6572,
        0x0027_e0eb,
        0x6367_7270,
        0x6462_6720,
        0x7472_6163,
        0x7363_6673,
        0xf97c_ff8c,
        0xcafe_4a11,
        0x6165_676c,
        0xde5e_81e4,
        0x1980_0202,
        0x9584_58f6,
        0x6265_6570,
        0x6573_5543,
        0x4249_4e4d,
        0x6e73_6673,
        0x6759_6969, // of the kernel
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x0102_1997,
        0x00c3_6400,
        0x5346_414f,
        0x6b41_4653,
        0x7375_7245,
        0x0116_1970,
        0x7461_636f,
        0x0bd0_0bd0,
        0x786f_4256, // network
        0x6573_5546,
        0x794c_7630,
        0x6175_6673, // FUSE, overlay, aufs
        0x7371_7368,
        0x9660,
        0x1501_3346,
        0x28cd_3d45,
        0xe0f5_e1e2, // images
    ];
    !FOREIGN.contains(&(magic & 0xffff_ffff))
}

/// The same of a machine that was written down.
pub(super) fn of_fixture(
    fixture: &Fixture,
    bounds: &Bounds,
    visit: &mut dyn FnMut(&Found<'_>),
) -> Walked {
    let mut walked = Walked::default();
    let mut left = bounds.max_inodes;
    let mut pending = bounds.starts.clone();
    pending.push("/".to_owned());
    let mut seen = BTreeSet::new();
    while let Some(directory) = pending.pop() {
        // Written-down directories have one path each.
        if !seen.insert(directory.clone()) {
            continue;
        }
        let listed = fixture.stat(&directory, false).and_then(|meta| {
            let names = fixture.list(&directory)?;
            Ok((meta, names))
        });
        let (meta, names) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                walked.gap(directory.as_bytes(), error);
                continue;
            }
        };
        if directory == "/" || bounds.starts.contains(&directory) {
            visit(&Found { path: directory.as_bytes(), meta, parent: None, capability: None });
        }
        for name in names {
            let path = format!("{}/{name}", directory.trim_end_matches('/'));
            if bounds.closed.contains(&path) {
                continue;
            }
            if left == 0 {
                walked.truncated = true;
                return walked;
            }
            left -= 1;
            let found = match fixture.stat(&path, false) {
                Ok(found) => found,
                Err(error) => {
                    walked.gap(path.as_bytes(), error);
                    continue;
                }
            };
            let is_program = found.kind == FileKind::File && found.mode & 0o111 != 0;
            let capability = is_program
                .then(|| fixture.attribute(&path, false, "security.capability").ok().flatten())
                .flatten();
            let parent = Some(&meta);
            visit(&Found { path: path.as_bytes(), meta: found, parent, capability });
            if found.kind == FileKind::Directory {
                pending.push(path);
            }
        }
    }
    walked
}
