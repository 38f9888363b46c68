//! A machine written down in one text file, in the txtar form: a comment, then one section per
//! file. A section's name may carry attributes:
//!
//! ```text
//! # What this case shows.
//! -- /etc/passwd --
//! root:x:0:0:root:/root:/bin/bash
//! -- /etc/shadow mode=0640 gid=42 --
//! -- /root dir mode=0700 --
//! -- /etc/os-release -> ../usr/lib/os-release --
//! -- /etc/sudoers.d denied --
//! -- /etc/group io_error --
//! -- /var/log/lastlog hex --
//! 292000: 00f1536a 7074732f 30
//! 292292:
//! -- own.json --
//! {"version": "1.2.3", …}
//! -- expect.json --
//! {"status":"ok", …}
//! ```
//!
//! `acl=` and `capability=` give the extended attributes `system.posix_acl_access` and
//! `security.capability` in hexadecimal. Defaults: a file of mode 0644, a directory of mode 0755, owner and group 0, modified at 0.
//! Directories above a section exist by themselves. A line `live` in the comment makes the machine
//! answer as the running one. `hex` marks a binary file: lines `OFFSET: BYTES`, the offset in
//! decimal and the bytes in hexadecimal with blanks where one likes. What no line names is zero, and
//! a line without bytes sets the length, so that a sparse file is short. `own.json` is what the
//! agent knows about itself ([`Own`]).

mod fault;

use super::{FileKind, Meta, Own, ReadError, Resources, Stamp};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Default)]
pub struct Fixture {
    pub(super) live: bool,
    /// What the machine has left: the section `resources.json`.
    pub(super) resources: Option<Resources>,
    /// The section `own.json`, if there is one.
    pub(super) own: Option<Own>,
    nodes: BTreeMap<String, Node>,
    /// The section `expect.json`, if there is one.
    pub expect: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Node {
    meta: Meta,
    contents: Vec<u8>,
    target: Option<String>,
    /// Extended attributes by name.
    attributes: BTreeMap<String, Vec<u8>>,
    error: Option<ReadError>,
}

#[derive(Debug, thiserror::Error)]
#[error("fixture, section `{section}`: {reason}")]
pub struct FixtureError {
    section: String,
    reason: &'static str,
}

impl Fixture {
    pub fn parse(text: &str) -> Result<Self, FixtureError> {
        let mut fixture = Self::default();
        let mut section: Option<(String, String)> = None;
        for line in text.split_inclusive('\n') {
            let header = line.trim_end().strip_prefix("-- ").and_then(|l| l.strip_suffix(" --"));
            match (header, &mut section) {
                (Some(header), _) => {
                    fixture.add(section.replace((header.to_owned(), String::new())))?;
                }
                (None, Some((_, contents))) => contents.push_str(line),
                (None, None) => fixture.live |= line.trim() == "live",
            }
        }
        fixture.add(section)?;
        Ok(fixture)
    }

    fn add(&mut self, section: Option<(String, String)>) -> Result<(), FixtureError> {
        let Some((header, contents)) = section else { return Ok(()) };
        if header == "expect.json" {
            self.expect = Some(contents);
            return Ok(());
        }
        let fail = |reason| FixtureError { section: header.clone(), reason };
        if header == "own.json" {
            self.own = Some(serde_json::from_str(&contents).map_err(|_| fail("not of its form"))?);
            return Ok(());
        }
        if header == "resources.json" {
            let resources = serde_json::from_str(&contents);
            self.resources = Some(resources.map_err(|_| fail("not of its form"))?);
            return Ok(());
        }
        let mut words = header.split(' ');
        let path = words.next().filter(|path| path.starts_with('/'));
        let path = path.ok_or(fail("a path begins with /"))?;
        let mut node = Node::file(contents.into_bytes());
        let mut mode = None;
        while let Some(word) = words.next() {
            match word.split_once('=').unwrap_or((word, "")) {
                ("hex", "") => {
                    node.contents = unhex(&node.contents).ok_or(fail("not OFFSET: BYTES"))?;
                    node.meta.size_bytes = node.contents.len() as u64;
                }
                ("dir", "") => node.meta.kind = FileKind::Directory,
                ("fifo", "") => node.meta.kind = FileKind::Other,
                ("denied", "") => node.error = Some(ReadError::Denied),
                ("io_error", "") => node.error = Some(ReadError::Io(5)),
                ("->", "") => {
                    node.meta.kind = FileKind::Link;
                    node.target = words.next().map(str::to_owned);
                }
                ("mode", bits) => mode = u32::from_str_radix(bits, 8).ok(),
                ("uid", id) => node.meta.uid = id.parse().map_err(|_| fail("bad uid"))?,
                ("gid", id) => node.meta.gid = id.parse().map_err(|_| fail("bad gid"))?,
                ("mtime", s) => node.meta.modified_s = s.parse().map_err(|_| fail("bad mtime"))?,
                ("acl", value) => node.attribute("system.posix_acl_access", value, &fail)?,
                ("capability", value) => node.attribute("security.capability", value, &fail)?,
                _ => return Err(fail("unknown attribute")),
            }
        }
        let default = if node.meta.kind == FileKind::Directory { 0o755 } else { 0o644 };
        node.meta.mode = mode.unwrap_or(default);
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    pub(super) fn read(&self, path: &str, max: u64) -> Result<(Vec<u8>, Meta), ReadError> {
        let node = self.find(path, true)?;
        match (node.error, node.meta.kind) {
            (Some(error), _) => Err(error),
            (None, FileKind::File) if node.meta.size_bytes > max => Err(ReadError::TooLarge(max)),
            (None, FileKind::File) => Ok((node.contents, node.meta)),
            (None, _) => Err(ReadError::WrongType),
        }
    }

    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, ReadError> {
        let path = self.resolve(path, true)?;
        let node = self.node(&path).ok_or(ReadError::Absent)?;
        if let Some(error) = node.error {
            return Err(error);
        }
        if node.meta.kind != FileKind::Directory {
            return Err(ReadError::Absent); // ENOTDIR
        }
        let below = format!("{}/", path.trim_end_matches('/'));
        let names: BTreeSet<_> = self
            .nodes
            .keys()
            .filter_map(|key| key.strip_prefix(&below)?.split('/').next())
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(names.into_iter().collect())
    }

    pub(super) fn stat(&self, path: &str, follow: bool) -> Result<Meta, ReadError> {
        let node = self.find(path, follow)?;
        // stat(2) works on what may not be read; only a device fault stops it.
        match node.error {
            Some(error @ ReadError::Io(_)) => Err(error),
            _ => Ok(node.meta),
        }
    }

    pub(super) fn attribute(
        &self,
        path: &str,
        follow: bool,
        name: &str,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let node = self.find(path, follow)?;
        match node.error {
            Some(error @ ReadError::Io(_)) => Err(error),
            _ => Ok(node.attributes.get(name).cloned()),
        }
    }

    pub(super) fn link(&self, path: &str) -> Result<String, ReadError> {
        self.find(path, false)?.target.ok_or(ReadError::WrongType)
    }

    pub(super) fn links(
        &self,
        path: &str,
        visit: &mut dyn FnMut(&str) -> bool,
    ) -> Result<(), ReadError> {
        for name in self.list(path)? {
            match self.link(&format!("{path}/{name}")) {
                Ok(target) if !visit(&target) => break,
                Ok(_) | Err(ReadError::WrongType | ReadError::Absent) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn find(&self, path: &str, follow: bool) -> Result<Node, ReadError> {
        let path = self.resolve(path, follow)?;
        self.node(&path).ok_or(ReadError::Absent)
    }

    /// The path without links. A denied directory denies everything below it.
    fn resolve(&self, path: &str, follow: bool) -> Result<String, ReadError> {
        let mut todo: Vec<String> = words(path);
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(word) = todo.pop() {
            if word == ".." {
                done.pop();
                continue;
            }
            done.push(word);
            let here = format!("/{}", done.join("/"));
            let Some(node) = self.nodes.get(&here) else { continue };
            match (&node.target, node.error) {
                (Some(target), _) if follow || !todo.is_empty() => {
                    links += 1;
                    if links > 40 {
                        return Err(ReadError::Io(40)); // ELOOP
                    }
                    done.pop();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    todo.extend(words(target));
                }
                (None, Some(error)) if !todo.is_empty() => return Err(error),
                _ => {}
            }
        }
        Ok(format!("/{}", done.join("/")))
    }

    fn node(&self, path: &str) -> Option<Node> {
        if let Some(node) = self.nodes.get(path) {
            return Some(node.clone());
        }
        let below = format!("{}/", path.trim_end_matches('/'));
        let has_children = self.nodes.keys().any(|key| key.starts_with(&below));
        has_children.then(Node::directory)
    }
}

impl Node {
    fn file(contents: Vec<u8>) -> Self {
        let meta = Meta {
            kind: FileKind::File,
            mode: 0,
            uid: 0,
            gid: 0,
            size_bytes: contents.len() as u64,
            modified_s: 0,
            // On no device: what is written down is never remembered.
            stamp: Stamp::default(),
        };
        Self { meta, contents, target: None, attributes: BTreeMap::new(), error: None }
    }

    /// An extended attribute, in hexadecimal.
    fn attribute(
        &mut self,
        name: &str,
        value: &str,
        fail: &dyn Fn(&'static str) -> FixtureError,
    ) -> Result<(), FixtureError> {
        let value = hex::decode(value).map_err(|_| fail("not in hexadecimal"))?;
        self.attributes.insert(name.to_owned(), value);
        Ok(())
    }

    fn directory() -> Self {
        let mut node = Self::file(Vec::new());
        node.meta.kind = FileKind::Directory;
        node.meta.mode = 0o755;
        node
    }
}

/// The bytes that lines `OFFSET: BYTES` stand for.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for line in std::str::from_utf8(text).ok()?.lines() {
        let (offset, digits) = line.split_once(':')?;
        let offset: usize = offset.trim().parse().ok()?;
        let digits: String = digits.split_whitespace().collect();
        let part = hex::decode(digits).ok()?;
        let end = offset.checked_add(part.len()).filter(|end| *end <= 1 << 26)?;
        bytes.resize(end.max(bytes.len()), 0);
        bytes[offset..end].copy_from_slice(&part);
    }
    Some(bytes)
}

/// The words of a path, last first.
fn words(path: &str) -> Vec<String> {
    let words = path.split('/').filter(|word| !word.is_empty() && *word != ".");
    words.rev().map(str::to_owned).collect()
}
