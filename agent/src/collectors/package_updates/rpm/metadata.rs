//! What a refresh left of a repository in the cache of dnf or zypper.

use super::super::lists::{FORMS, Part, Unpack};
use super::sources::Source;
use crate::formats::rpm_metadata::{Data, Index, index};
use crate::formats::xml::XmlError;
use crate::host::{Opened, ReadError, Reading};
use aws_lc_rs::digest::{self, Algorithm, Context};
use evidence::kinds::package_updates::UpdateManager;
use std::io::Read;

const DNF_CACHES: [&str; 2] = ["/var/cache/dnf", "/var/cache/libdnf5"];
const ZYPP_CACHE: &str = "/var/cache/zypp/raw";
/// dnf puts so many hexadecimal digits after the name of a repository.
const DIGITS: usize = 16;
/// Most bytes of one list, unpacked. The largest, of file names, are not read.
pub(super) const MAX_BYTES: u64 = 1 << 30;
const MAX_PACKED_BYTES: u64 = 256 << 20;
const PART: usize = 64 << 10;
const DAY_S: i64 = 86_400;

pub(super) struct Metadata {
    directory: String,
    index: Index,
    /// Day on which the repository was last asked.
    pub(super) refreshed_day: i64,
    pub(super) made_day: Option<i64>,
}

/// The metadata of a repository; `None`, and a source says why, where there is none.
pub(super) fn find(
    source: &Source,
    manager: UpdateManager,
    reading: &mut Reading<'_>,
) -> Option<Metadata> {
    let mut newest: Option<Metadata> = None;
    for directory in directories(source, manager, reading)? {
        let found = at(&directory, manager, reading)?;
        if newest.as_ref().is_none_or(|newest| newest.refreshed_day < found.refreshed_day) {
            newest = Some(found);
        }
    }
    if newest.is_none() {
        let cache = if manager == UpdateManager::Zypper { ZYPP_CACHE } else { DNF_CACHES[0] };
        reading.failed(&format!("{cache}/{}", source.id), ReadError::Absent);
    }
    newest
}

/// Where the metadata of a repository may lie. An address that was changed leaves the older ones.
fn directories(
    source: &Source,
    manager: UpdateManager,
    reading: &mut Reading<'_>,
) -> Option<Vec<String>> {
    if manager == UpdateManager::Zypper {
        let directory = format!("{ZYPP_CACHE}/{}/repodata", source.id);
        let is_there = has_index(&directory, reading)?;
        return Some(is_there.then_some(directory).into_iter().collect());
    }
    let mut found = Vec::new();
    for cache in DNF_CACHES {
        let names = match reading.list(cache) {
            Err(ReadError::Absent) => continue,
            other => other.ok()?,
        };
        let is_own = |name: &&String| {
            let digits = name.strip_prefix(&source.id).and_then(|rest| rest.strip_prefix('-'));
            digits.is_some_and(|digits| {
                digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit())
            })
        };
        for name in names.iter().filter(is_own) {
            let directory = format!("{cache}/{name}/repodata");
            if has_index(&directory, reading)? {
                found.push(directory);
            }
        }
    }
    Some(found)
}

/// A cache that was cleaned has directories without.
fn has_index(directory: &str, reading: &mut Reading<'_>) -> Option<bool> {
    let path = format!("{directory}/repomd.xml");
    match reading.stat(&path) {
        Ok(_) => Some(true),
        Err(ReadError::Absent) => Some(false),
        Err(error) => {
            reading.failed(&path, error);
            None
        }
    }
}

fn at(directory: &str, manager: UpdateManager, reading: &mut Reading<'_>) -> Option<Metadata> {
    let path = format!("{directory}/repomd.xml");
    let text = reading.text(&path).ok()?;
    let index = match index(&text) {
        Ok(index) => index,
        Err(error) => {
            reading.malformed(&path, error.to_string());
            return None;
        }
    };
    let Some(primary) = index.files.get("primary") else {
        reading.malformed(&path, "it names no list of packages");
        return None;
    };
    // dnf touches the list of packages when the repository says that nothing is new, zypper the
    // index.
    let touched = match manager {
        UpdateManager::Zypper => path.clone(),
        _ => format!("{directory}/{}", primary.name),
    };
    let touched_s = match reading.stat(&touched) {
        Ok(meta) => meta.modified_s,
        Err(error) => {
            reading.failed(&touched, error);
            return None;
        }
    };
    Some(Metadata {
        directory: directory.to_owned(),
        refreshed_day: touched_s.div_euclid(DAY_S),
        made_day: index.made_s.map(|seconds| seconds.div_euclid(DAY_S)),
        index,
    })
}

impl Metadata {
    /// Its index, for notes.
    pub(super) fn path(&self) -> String {
        format!("{}/repomd.xml", self.directory)
    }

    /// Whether there are advisories, read or not.
    pub(super) fn has(&self, kind: &str) -> bool {
        // A repository may offer the same in a form that can be fetched in parts.
        self.index.files.keys().any(|name| name.split('_').next() == Some(kind))
    }

    /// Has `parse` read a file of the metadata, once it is known to be whole; `None`, and its source
    /// says why, where it is not.
    pub(super) fn read(
        &self,
        kind: &str,
        reading: &mut Reading<'_>,
        parse: &mut dyn FnMut(Box<dyn Read>) -> Result<u64, XmlError>,
    ) -> Option<()> {
        let Some(data) = self.index.files.get(kind) else {
            reading.note(
                &format!("{}/repomd.xml", self.directory),
                format!("{kind} comes in a form that is not read"),
            );
            return None;
        };
        let path = format!("{}/{}", self.directory, data.name);
        let Some(unpack) = form(&data.name) else {
            reading.failed(&path, ReadError::WrongType);
            reading.note(&path, "packed in a form that is not read");
            return None;
        };
        if let Err(fault) = check(&path, data, reading)? {
            reading.malformed(&path, fault);
            return None;
        }
        let part = Part::new(reading.open(&path).ok()?);
        let read = unpack(part).map_err(|error| XmlError::Read(error.to_string())).and_then(parse);
        let fault = match read {
            Ok(bytes) if data.open_bytes.is_none_or(|size| size == bytes) => return Some(()),
            Ok(_) => "it is not as long as its index says".to_owned(),
            Err(error) => error.to_string(),
        };
        reading.malformed(&path, fault);
        None
    }
}

fn form(name: &str) -> Option<Unpack> {
    let ending = name.split_once(".xml")?.1;
    FORMS.iter().find(|(known, _)| *known == ending).map(|(_, unpack)| *unpack)
}

/// Whether the file is the one that its index means; `None` where it cannot be read.
fn check(path: &str, data: &Data, reading: &mut Reading<'_>) -> Option<Result<(), String>> {
    let Some(algorithm) = algorithm(&data.sum.algorithm) else {
        return Some(Err(format!("its index gives a checksum of sort {:?}", data.sum.algorithm)));
    };
    let opened = reading.open(path).ok()?;
    let sum = match summed(&opened, algorithm) {
        Ok(sum) => sum,
        Err(error) => {
            reading.failed(path, error);
            return None;
        }
    };
    let is_same = sum == data.sum.hex;
    Some(is_same.then_some(()).ok_or_else(|| "it has not the checksum of its index".to_owned()))
}

fn algorithm(name: &str) -> Option<&'static Algorithm> {
    Some(match name {
        "sha256" => &digest::SHA256,
        "sha384" => &digest::SHA384,
        "sha512" => &digest::SHA512,
        _ => return None,
    })
}

fn summed(opened: &Opened, algorithm: &'static Algorithm) -> Result<String, ReadError> {
    if opened.size_bytes() > MAX_PACKED_BYTES {
        return Err(ReadError::TooLarge(MAX_PACKED_BYTES));
    }
    let (mut context, mut offset) = (Context::new(algorithm), 0);
    let mut part = vec![0; PART];
    loop {
        let length = opened.read_at(offset, &mut part)?;
        context.update(&part[..length]);
        offset += length as u64;
        if length < part.len() {
            return Ok(hex::encode(context.finish()));
        }
    }
}
