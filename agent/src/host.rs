//! The only door to the machine.
//!
//! Collectors reach files, /proc and /sys through a [`Host`], so that `--root DIR` reads another
//! system without escaping through its links, and a fixture stands in for a machine in tests.
//! Nothing is written, no access times change where the kernel lets us choose, and no child
//! process is started, but for the commands that the operator of this host listed.

mod bus;
mod chronyd;
mod command;
mod fixture;
mod memory;
pub mod netlink;
mod opened;
mod own;
mod reading;
mod resources;
mod sources;
mod walk;

pub use command::{Command, CommandError, Output};
pub use fixture::{Fixture, FixtureError};
pub use memory::Now;
pub use opened::{Opened, Stamp};
pub use own::Own;
pub use reading::{Failure, Reading};
pub use resources::{Mounted, Resources};
pub use walk::{Bounds, Found, Walked};

use memory::Memory;
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Largest file a collector reads unless it asks for more, in bytes.
pub const MAX_FILE_BYTES: u64 = 4 << 20;
/// Most names of one directory.
pub const MAX_DIRECTORY_ENTRIES: usize = 100_000;
/// Room for a file without a size, in bytes.
const UNSIZED_ROOM: usize = 16 << 10;
/// Most links of one directory: as many files as a process may open by default (`fs.nr_open`).
const MAX_LINKS: u64 = 1 << 20;

/// As the kernel bounds it.
const MAX_ATTRIBUTE_BYTES: usize = 64 << 10;
/// The root directory of the first process.
const FIRST_ROOT: &str = "/proc/1/root";

/// A machine, or something that looks like one.
pub struct Host {
    door: Door,
    own: Own,
    memory: Option<Memory>,
    /// Bytes of files that were read so far.
    count: Arc<AtomicU64>,
}

enum Door {
    /// The root directory, and whether it is the running system's own.
    System {
        root: OwnedFd,
        live: bool,
    },
    Fixture(Box<Fixture>),
}

/// Why something could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It does not exist, and the directories above it could be searched.
    #[error("no such file")]
    Absent,
    /// Permission was refused, for it or for a directory above it.
    #[error("permission denied")]
    Denied,
    /// Larger than the bound.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// A directory, device, FIFO or socket stands where a file should be, or the other way round.
    #[error("not of the expected type")]
    WrongType,
    /// Bytes that no text file holds: NUL or another control character, or not UTF-8.
    #[error("not text")]
    NotText,
    /// The machine failed (EIO, ESTALE, ELOOP …).
    #[error("input/output error {0}")]
    Io(i32),
}

impl From<Errno> for ReadError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::Absent,
            Errno::NOTDIR => Self::Absent,
            // A process that ended between the opening of its file and the reading.
            Errno::SRCH => Self::Absent,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            // A socket or a device without a driver.
            Errno::NXIO | Errno::ISDIR => Self::WrongType,
            other => Self::Io(other.raw_os_error()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    File,
    Directory,
    Link,
    Other,
}

/// What stat(2) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    pub kind: FileKind,
    /// Permission bits, set-id and sticky bits included (`0o7777`).
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size_bytes: u64,
    /// Seconds since the epoch.
    pub modified_s: i64,
    /// What differs once it is another.
    pub stamp: Stamp,
}

impl Meta {
    pub fn has(&self, bits: u32) -> bool {
        self.mode & bits == bits
    }
}

impl Host {
    /// The machine the agent runs on.
    pub fn live() -> Result<Self, ReadError> {
        Self::open(Path::new("/"), true)
    }

    /// Another root file system: an image, a container, a disk. Links in it stay in it.
    pub fn rooted(root: &Path) -> Result<Self, ReadError> {
        Self::open(root, false)
    }

    pub fn fixture(fixture: Fixture) -> Self {
        let own = fixture.own.clone().unwrap_or_default();
        Self { own, ..Self::of(Door::Fixture(Box::new(fixture))) }
    }

    fn of(door: Door) -> Self {
        Self { door, own: Own::default(), memory: None, count: Arc::default() }
    }

    fn open(root: &Path, live: bool) -> Result<Self, ReadError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::open(root, flags, Mode::empty())?;
        Ok(Self::of(Door::System { root, live }))
    }

    /// The machine, with what the agent knows about itself.
    pub fn about(self, own: Own) -> Self {
        Self { own, ..self }
    }

    /// The machine, and what is computed of its files is remembered while they stay the same: for
    /// an agent that goes on running.
    pub fn remembering(self, now: Now) -> Self {
        Self { memory: Some(Memory::new(now)), ..self }
    }

    /// Bytes of files that were read through this door so far.
    pub fn bytes_read(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn own(&self) -> &Own {
        &self.own
    }

    /// SHA-256 of the agent's program.
    pub(crate) fn program(&self) -> Option<evidence::Digest> {
        match self.door {
            Door::System { live: true, .. } => own::running_program(),
            _ => self.own.program,
        }
    }

    /// Whether /proc, /sys and the like speak of the running system. With `--root` they do not.
    pub fn is_live(&self) -> bool {
        match &self.door {
            Door::System { live, .. } => *live,
            Door::Fixture(fixture) => fixture.live,
        }
    }

    /// Reads a regular file of at most `max` bytes.
    pub fn read(&self, path: &str, max: u64) -> Result<(Vec<u8>, Meta), ReadError> {
        let read = self.read_whole(path, max)?;
        self.count.fetch_add(read.0.len() as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn read_whole(&self, path: &str, max: u64) -> Result<(Vec<u8>, Meta), ReadError> {
        let root = match &self.door {
            Door::System { root, .. } => root,
            Door::Fixture(fixture) => return fixture.read(path, max),
        };
        let (file, meta) = open_file(root, path)?;
        if meta.size_bytes > max {
            return Err(ReadError::TooLarge(max));
        }
        // Files of /proc have no size. Room for most of them spares reads, each of which may have
        // the kernel look through a large table once more.
        let room = if meta.size_bytes == 0 { UNSIZED_ROOM } else { meta.size_bytes as usize };
        let mut bytes = Vec::with_capacity(room);
        let mut reader = std::fs::File::from(file).take(max + 1);
        reader.read_to_end(&mut bytes).map_err(io_error)?;
        if bytes.len() as u64 > max {
            return Err(ReadError::TooLarge(max));
        }
        Ok((bytes, meta))
    }

    /// Opens a regular file of any size, to read parts of it.
    pub fn open_file(&self, path: &str) -> Result<Opened, ReadError> {
        match &self.door {
            Door::System { root, .. } => {
                open_file(root, path).map(|file| Opened::of_file(file, &self.count))
            }
            Door::Fixture(fixture) => {
                fixture.read(path, u64::MAX).map(|bytes| Opened::of_bytes(bytes, &self.count))
            }
        }
    }

    /// Names in a directory, sorted bytewise. Names that are not UTF-8 are shown with U+FFFD.
    pub fn list(&self, path: &str) -> Result<Vec<String>, ReadError> {
        let root = match &self.door {
            Door::System { root, .. } => root,
            Door::Fixture(fixture) => return fixture.list(path),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = resolve(root, path, flags)?;
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&directory)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name == b"." || name == b".." {
                continue;
            }
            if names.len() == MAX_DIRECTORY_ENTRIES {
                return Err(ReadError::TooLarge(MAX_DIRECTORY_ENTRIES as u64));
            }
            names.push(name);
        }
        names.sort_unstable();
        Ok(names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// Shows `visit` the target of every link in a directory, in no order, until it answers false.
    /// What is no link, and what is gone meanwhile, is passed over.
    pub fn links(&self, path: &str, visit: &mut dyn FnMut(&str) -> bool) -> Result<(), ReadError> {
        let root = match &self.door {
            Door::System { root, .. } => root,
            Door::Fixture(fixture) => return fixture.links(path, visit),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut directory = fs::Dir::new(resolve(root, path, flags)?)?;
        let mut target = Vec::new();
        for _ in 0..MAX_LINKS {
            let Some(entry) = directory.read() else { return Ok(()) };
            match fs::readlinkat(directory.fd()?, entry?.file_name(), target) {
                Ok(found) => {
                    if !visit(&found.to_string_lossy()) {
                        return Ok(());
                    }
                    target = found.into_bytes();
                }
                Err(Errno::INVAL | Errno::NOENT) => target = Vec::new(),
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(ReadError::TooLarge(MAX_LINKS))
    }

    /// stat(2): links are followed, within the root.
    pub fn stat(&self, path: &str) -> Result<Meta, ReadError> {
        self.status(path, OFlags::empty())
    }

    /// lstat(2): a link is reported as a link.
    pub fn lstat(&self, path: &str) -> Result<Meta, ReadError> {
        self.status(path, OFlags::NOFOLLOW)
    }

    fn status(&self, path: &str, follow: OFlags) -> Result<Meta, ReadError> {
        let root = match &self.door {
            Door::System { root, .. } => root,
            Door::Fixture(fixture) => return fixture.stat(path, follow.is_empty()),
        };
        let file = resolve(root, path, OFlags::PATH | OFlags::CLOEXEC | follow)?;
        Ok(meta_of(&fs::fstat(&file)?))
    }

    /// Device and magic number of the file system that a path leads to, statfs(2). `None` where that
    /// cannot be seen, and of a fixture.
    fn file_system(&self, path: &str, follow: bool) -> Option<(u64, u64)> {
        let Door::System { root, .. } = &self.door else { return None };
        let follow = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        let file = resolve(root, path, OFlags::PATH | OFlags::CLOEXEC | follow).ok()?;
        let device = Stamp::of(&fs::fstat(&file).ok()?).device();
        Some((device, fs::fstatfs(&file).ok()?.f_type as u64))
    }

    /// An extended attribute of what a path leads to; `None` where it has none. Of at most 64 KiB.
    pub fn attribute(&self, path: &str, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let root = match &self.door {
            Door::System { root, .. } => root,
            Door::Fixture(fixture) => return fixture.attribute(path, true, name),
        };
        let file = resolve(root, path, OFlags::PATH | OFlags::CLOEXEC)?;
        let mut value = vec![0_u8; MAX_ATTRIBUTE_BYTES];
        // A descriptor of O_PATH has no attributes, but its path has.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        match fs::getxattr(path, name, &mut value) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(value))
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Shows `visit` every file within bounds. Of the running system, the files of the first
    /// process: a unit's own view hides directories and has a /tmp of its own.
    pub fn walk(
        &self,
        bounds: &Bounds,
        visit: &mut dyn FnMut(&Found<'_>),
    ) -> Result<Walked, ReadError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match &self.door {
            Door::System { live: true, .. } => {
                let root = fs::open(FIRST_ROOT, flags, Mode::empty())?;
                Ok(walk::of_system(&root, bounds, visit))
            }
            Door::System { root, .. } => Ok(walk::of_system(root, bounds, visit)),
            Door::Fixture(fixture) => Ok(walk::of_fixture(fixture, bounds, visit)),
        }
    }

    /// What the running system has left.
    pub fn resources(&self) -> Result<Resources, ReadError> {
        match &self.door {
            Door::System { live: true, .. } => Ok(resources::of_this_machine()),
            Door::System { .. } => Err(ReadError::Absent),
            Door::Fixture(fixture) => fixture.resources.clone().ok_or(ReadError::Absent),
        }
    }

    /// Runs a command that the operator listed. Only the running system has any.
    pub fn run(&self, command: &Command) -> Result<Output, CommandError> {
        match &self.door {
            Door::System { live: true, .. } => command.run(),
            _ => Err(CommandError::Start(ReadError::Absent)),
        }
    }

    /// The body of systemd's answer to `ListUnits`. Only the running system has one.
    pub fn units(&self) -> Result<Vec<u8>, ReadError> {
        match &self.door {
            Door::System { live: true, .. } => bus::units(bus::SOCKET),
            Door::System { .. } => Err(ReadError::Absent),
            Door::Fixture(fixture) => {
                fixture.read(bus::SOCKET, MAX_FILE_BYTES).map(|(bytes, _)| bytes)
            }
        }
    }

    /// The body of systemd-timesyncd's answer about its server. Only the running system has one.
    pub fn ntp_message(&self) -> Result<Vec<u8>, ReadError> {
        match &self.door {
            Door::System { live: true, .. } => bus::ntp_message(bus::SOCKET),
            Door::System { .. } => Err(ReadError::Absent),
            Door::Fixture(fixture) => {
                fixture.read(bus::TIMESYNC, MAX_FILE_BYTES).map(|(bytes, _)| bytes)
            }
        }
    }

    /// How well chronyd says that it follows its reference. Only the running system has one.
    pub fn chrony_tracking(&self) -> Result<Vec<u8>, ReadError> {
        match &self.door {
            Door::System { live: true, .. } => chronyd::tracking(),
            Door::System { .. } => Err(ReadError::Absent),
            Door::Fixture(fixture) => {
                fixture.read(chronyd::SOURCE, MAX_FILE_BYTES).map(|(bytes, _)| bytes)
            }
        }
    }

    /// Asks the kernel. Only the running one answers.
    pub fn ask(&self, question: &netlink::Question) -> Result<Vec<u8>, ReadError> {
        match &self.door {
            Door::System { live: true, .. } => netlink::ask(question),
            Door::System { .. } => Err(ReadError::Absent),
            Door::Fixture(fixture) => match fixture.read(question.name, MAX_FILE_BYTES) {
                Ok((bytes, _)) => Ok(bytes),
                Err(ReadError::Absent) => Err(ReadError::Denied),
                Err(error) => Err(error),
            },
        }
    }

    /// readlink(2).
    pub fn link(&self, path: &str) -> Result<String, ReadError> {
        let root = match &self.door {
            Door::System { root, .. } => root,
            Door::Fixture(fixture) => return fixture.link(path),
        };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = resolve(root, path, flags)?;
        match fs::readlinkat(&file, "", Vec::new()) {
            Ok(target) => Ok(target.to_string_lossy().into_owned()),
            // "" on something that is no link.
            Err(Errno::NOENT | Errno::INVAL) => Err(ReadError::WrongType),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Opens `path` with `root` as `/`: openat2(2), Linux 5.6.
fn resolve(root: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    // The kernel asks for a retry when a rename or mount happens meanwhile.
    for _ in 0..16 {
        match fs::openat2(root, path, flags, Mode::empty(), within) {
            Err(Errno::AGAIN) => {}
            // A name that is no text was listed with U+FFFD, by which nothing is found: it is there.
            Err(Errno::NOENT) if path.contains(char::REPLACEMENT_CHARACTER) => {
                return Err(Errno::ILSEQ);
            }
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Opens a regular file. Non-blocking, so that a FIFO in its place does not hold the agent.
fn open_file(root: &OwnedFd, path: &str) -> Result<(OwnedFd, Meta), ReadError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = match resolve(root, path, flags | OFlags::NOATIME) {
        Err(Errno::PERM) => resolve(root, path, flags)?,
        other => other?,
    };
    let meta = meta_of(&fs::fstat(&file)?);
    match meta.kind {
        FileKind::File => Ok((file, meta)),
        _ => Err(ReadError::WrongType),
    }
}

fn io_error(error: std::io::Error) -> ReadError {
    match error.raw_os_error() {
        Some(code) => Errno::from_raw_os_error(code).into(),
        None => ReadError::Io(0),
    }
}

fn meta_of(stat: &fs::Stat) -> Meta {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    };
    Meta {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
        modified_s: stat.st_mtime,
        stamp: Stamp::of(stat),
    }
}

#[cfg(test)]
mod tests;
