//! One collection of one kind: every read is recorded as a source, every gap as unread.

mod remembered;

use super::memory::{Devices, Trace};
use super::sources::folded;
use super::{
    Bounds, Command, CommandError, Found, Host, MAX_FILE_BYTES, Meta, Opened, Output, Own,
    ReadError, Resources, Walked, bus, chronyd, netlink,
};
use crate::clock::Moment;
use crate::secret::Secret;
use evidence::{Digest, Source, Status};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// The door as a collector sees it.
pub struct Reading<'h> {
    host: &'h Host,
    sources: BTreeMap<String, Source>,
    unread: BTreeSet<String>,
    /// When it began, where the host remembers.
    begun: Option<Moment>,
    /// What was looked at, while an answer that may be remembered is worked out.
    trace: RefCell<Option<Trace>>,
    devices: RefCell<Devices>,
}

/// The kind gives no facts; the status says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure(pub Status);

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self(status_of(error))
    }
}

fn status_of(error: ReadError) -> Status {
    match error {
        ReadError::Absent => Status::Absent,
        ReadError::Denied => Status::Denied,
        ReadError::TooLarge(_) => Status::Truncated,
        ReadError::NotText => Status::ParseError,
        ReadError::WrongType | ReadError::Io(_) => Status::IoError,
    }
}

/// The text, or the line (from 1) with the first byte that text does not hold. Tabs, line ends and
/// form feeds are text.
fn text_of(bytes: Vec<u8>) -> Result<String, usize> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        good.filter(|byte| **byte == b'\n').count() + 1
    })?;
    let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c');
    match text.find(odd) {
        None => Ok(text),
        Some(at) => Err(text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1),
    }
}

impl<'h> Reading<'h> {
    pub fn new(host: &'h Host) -> Self {
        Self {
            host,
            sources: BTreeMap::new(),
            unread: BTreeSet::new(),
            begun: host.memory.as_ref().map(|memory| memory.now()),
            trace: RefCell::default(),
            devices: RefCell::default(),
        }
    }

    /// What another kind says, for one that builds on it: its sources are sources of this one, and
    /// its gaps its own.
    pub fn apart<T>(&mut self, collect: impl FnOnce(&mut Self) -> T) -> T {
        let mut other = Self { begun: self.begun, ..Self::new(self.host) };
        other.trace = RefCell::new(self.trace.take());
        let outcome = collect(&mut other);
        self.trace = other.trace;
        self.sources.extend(other.sources);
        outcome
    }

    /// Whether the running system is read; false with `--root`.
    pub fn is_live(&self) -> bool {
        self.host.is_live()
    }

    /// A configuration file whose text may not be UTF-8, as bytes, with a bound in bytes of its own;
    /// recorded as [`Reading::config`] does.
    pub fn config_bytes(&mut self, path: &str, max: u64) -> Result<Vec<u8>, ReadError> {
        let (bytes, meta) = self.bytes_and_meta(path, max)?;
        self.measure(path, &meta);
        Ok(bytes)
    }

    /// A file of secrets: only path and status are recorded, and the text cannot leave.
    pub fn secret(&mut self, path: &str, max: u64) -> Result<Secret, ReadError> {
        self.bytes_and_meta(path, max).map(|(bytes, _)| Secret::new(bytes))
    }

    /// A configuration file as text; its size and modification time go into the manifest. One
    /// damaged byte can make another directive, or a comment, of a line: a file with bytes that no
    /// text holds is refused whole, and the source says where.
    pub fn config(&mut self, path: &str) -> Result<String, ReadError> {
        let (bytes, meta) = self.bytes_and_meta(path, MAX_FILE_BYTES)?;
        self.measure(path, &meta);
        self.strict(path, bytes)
    }

    /// A file that moves by itself (/proc, /sys, a state file) as text, as strictly as
    /// [`Reading::config`]: path and status only.
    pub fn text(&mut self, path: &str) -> Result<String, ReadError> {
        let (bytes, _) = self.bytes_and_meta(path, MAX_FILE_BYTES)?;
        self.strict(path, bytes)
    }

    /// The same with a bound in bytes of its own.
    pub fn strict_text(&mut self, path: &str, max: u64) -> Result<String, ReadError> {
        let (bytes, _) = self.bytes_and_meta(path, max)?;
        self.strict(path, bytes)
    }

    /// A database with free text by many hands in it, of at most `max` bytes. Bytes that are not
    /// UTF-8 are shown with U+FFFD, and the source says so; the parser refuses them where it reads.
    pub fn text_up_to(&mut self, path: &str, max: u64) -> Result<String, ReadError> {
        let (bytes, _) = self.bytes_and_meta(path, max)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| {
            self.note(path, "not UTF-8: shown with replacement characters");
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }))
    }

    /// A binary file that moves by itself, of at most `max` bytes: path and status only.
    pub fn bytes(&mut self, path: &str, max: u64) -> Result<Vec<u8>, ReadError> {
        self.bytes_and_meta(path, max).map(|(bytes, _)| bytes)
    }

    /// Opens a binary file of any size that moves by itself: path and status only.
    pub fn open(&mut self, path: &str) -> Result<Opened, ReadError> {
        let opened = self.peek(path);
        self.record(path, opened.as_ref().err().copied());
        opened
    }

    /// What the running system has left.
    pub fn resources(&mut self) -> Result<Resources, ReadError> {
        self.asked();
        let found = self.host.resources();
        for path in ["/proc/loadavg", "/proc/meminfo", "/proc/mounts"] {
            self.record(path, found.as_ref().err().copied());
        }
        found
    }

    /// Units, as systemd tells them over the message bus.
    pub fn units(&mut self) -> Result<Vec<u8>, ReadError> {
        self.asked();
        let units = self.host.units();
        self.record(bus::SOCKET, units.as_ref().err().copied());
        units
    }

    /// What the server of systemd-timesyncd answered last, over the message bus.
    pub fn ntp_message(&mut self) -> Result<Vec<u8>, ReadError> {
        self.asked();
        let answer = self.host.ntp_message();
        self.record(bus::TIMESYNC, answer.as_ref().err().copied());
        answer
    }

    /// How well chronyd says that it follows its reference.
    pub fn chrony_tracking(&mut self) -> Result<Vec<u8>, ReadError> {
        self.asked();
        let answer = self.host.chrony_tracking();
        self.record(chronyd::SOURCE, answer.as_ref().err().copied());
        answer
    }

    /// Asks the kernel over netlink.
    pub fn ask(&mut self, question: &netlink::Question) -> Result<Vec<u8>, ReadError> {
        self.asked();
        let answer = self.host.ask(question);
        self.record(question.name, answer.as_ref().err().copied());
        answer
    }

    /// Runs a command of the operator's list. Its source is its name there.
    pub fn run(&mut self, source: &str, command: &Command) -> Result<Output, CommandError> {
        self.asked();
        let ran = self.host.run(command);
        let (status, note) = match &ran {
            Ok(_) => (Status::Ok, None),
            Err(CommandError::Start(error)) => (status_of(*error), None),
            Err(error @ CommandError::Unsafe) => (Status::Denied, Some(error.to_string())),
            Err(error @ CommandError::Timeout(_)) => (Status::Timeout, Some(error.to_string())),
            Err(error @ CommandError::TooLong(_)) => (Status::Truncated, Some(error.to_string())),
        };
        let here = self.source(source);
        (here.status, here.note) = (status, note);
        ran
    }

    /// Opens one of thousands of files; not recorded.
    pub fn peek(&self, path: &str) -> Result<Opened, ReadError> {
        let opened = self.host.open_file(path);
        self.looked_into(path, opened.as_ref().map(Opened::stamp_before));
        opened
    }

    /// Says how something ended that had begun well.
    pub fn ended(&mut self, source: &str, status: Status, note: String) {
        let source = self.source(source);
        (source.status, source.note) = (status, Some(note));
    }

    /// Says that reading a source failed after it was opened.
    pub fn failed(&mut self, path: &str, error: ReadError) {
        self.record(path, Some(error));
    }

    /// What the agent knows about itself; not recorded.
    pub fn own(&self) -> &'h Own {
        self.host.own()
    }

    /// SHA-256 of the agent's program; `None` where it cannot be read. Not recorded.
    pub fn program(&self) -> Option<Digest> {
        self.host.program()
    }

    fn bytes_and_meta(&mut self, path: &str, max: u64) -> Result<(Vec<u8>, Meta), ReadError> {
        let read = self.host.read(path, max);
        self.looked_into(path, read.as_ref().map(|(_, meta)| meta.stamp));
        self.record(path, read.as_ref().err().copied());
        read
    }

    fn strict(&mut self, path: &str, bytes: Vec<u8>) -> Result<String, ReadError> {
        match text_of(bytes) {
            Ok(text) => Ok(text),
            Err(line) => {
                self.malformed(path, format!("line {line}: bytes that are no text (UTF-8)"));
                Err(ReadError::NotText)
            }
        }
    }

    /// Names in a directory, sorted bytewise. The source is the path with a `/` at its end.
    pub fn list(&mut self, path: &str) -> Result<Vec<String>, ReadError> {
        self.look(path, true);
        let names = self.host.list(path);
        let name = format!("{}/", path.trim_end_matches('/'));
        self.record(&name, names.as_ref().err().copied());
        names
    }

    /// stat(2). Not recorded as a source: attributes are facts of their own.
    pub fn stat(&self, path: &str) -> Result<Meta, ReadError> {
        let found = self.host.stat(path);
        self.looked_at(path, true, found.as_ref().map(|meta| meta.stamp));
        found
    }

    /// Whether one of the files is there; `None` where that cannot be seen, and its source says why.
    pub fn any_is_there(&mut self, paths: &[&str]) -> Option<bool> {
        for path in paths {
            match self.stat(path) {
                Ok(_) => return Some(true),
                Err(ReadError::Absent) => {}
                Err(error) => {
                    self.failed(path, error);
                    return None;
                }
            }
        }
        Some(false)
    }

    /// lstat(2); not recorded.
    pub fn lstat(&self, path: &str) -> Result<Meta, ReadError> {
        let found = self.host.lstat(path);
        self.looked_at(path, false, found.as_ref().map(|meta| meta.stamp));
        found
    }

    /// An extended attribute; not recorded.
    pub fn attribute(&self, path: &str, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.look(path, true);
        self.host.attribute(path, name)
    }

    /// Every file within bounds; the source is `/`, and what could not be read.
    pub fn walk(
        &mut self,
        bounds: &Bounds,
        visit: &mut dyn FnMut(&Found<'_>),
    ) -> Result<Walked, ReadError> {
        self.asked();
        let walked = self.host.walk(bounds, visit);
        self.record("/", walked.as_ref().err().copied());
        for (path, error) in walked.iter().flat_map(|walked| &walked.gaps) {
            self.record(path, Some(*error));
        }
        if walked.as_ref().is_ok_and(|walked| walked.truncated) {
            self.ended("/", Status::Truncated, "the walk ended at its bounds".to_owned());
        }
        walked
    }

    /// readlink(2); not recorded.
    pub fn link(&self, path: &str) -> Result<String, ReadError> {
        self.look(path, false);
        self.host.link(path)
    }

    /// The targets of the links in a directory; see [`Host::links`]. Not recorded.
    pub fn links(&self, path: &str, visit: &mut dyn FnMut(&str) -> bool) -> Result<(), ReadError> {
        self.look(path, true);
        self.host.links(path, visit)
    }

    /// A file of a process, such as `cgroup`. Not recorded: its path changes with every start.
    pub fn process_text(&self, pid: u32, name: &str) -> Result<String, ReadError> {
        self.asked();
        let (bytes, _) = self.host.read(&format!("/proc/{pid}/{name}"), MAX_FILE_BYTES)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Says that a source does not follow its format, and where.
    pub fn malformed(&mut self, path: &str, note: impl Into<String>) {
        let source = self.source(path);
        source.status = Status::ParseError;
        source.note = Some(note.into());
    }

    /// Adds a remark to a source. Never contents of a secret file.
    pub fn note(&mut self, path: &str, note: impl Into<String>) {
        self.source(path).note = Some(note.into());
    }

    /// Says that a field of the facts was not read: a dotted path without indexes, such as
    /// `users.password`. The kind becomes `partial`.
    pub fn unread(&mut self, field: &str) {
        self.unread.insert(field.to_owned());
    }

    /// The same for every field whose second part says that it was not read.
    pub fn gaps<'f>(&mut self, fields: impl IntoIterator<Item = (&'f str, bool)>) {
        for (field, is_gap) in fields {
            if is_gap {
                self.unread(field);
            }
        }
    }

    /// What was read, in path order, and what was not.
    pub fn finish(self) -> (Vec<Source>, Vec<String>) {
        (folded(self.sources), self.unread.into_iter().collect())
    }

    fn measure(&mut self, path: &str, meta: &Meta) {
        let source = self.source(path);
        source.size_bytes = i64::try_from(meta.size_bytes).ok();
        source.modified_s = Some(meta.modified_s);
    }

    fn record(&mut self, path: &str, error: Option<ReadError>) {
        self.source(path).status = error.map_or(Status::Ok, status_of);
    }

    fn source(&mut self, path: &str) -> &mut Source {
        self.sources.entry(path.to_owned()).or_insert_with(|| Source {
            path: path.to_owned(),
            status: Status::Ok,
            size_bytes: None,
            modified_s: None,
            note: None,
        })
    }
}
