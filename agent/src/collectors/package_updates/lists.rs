//! Lists of packages as apt keeps them, plain or compressed, read in parts.

use super::repositories::LISTS;
use super::{Apt, Place};
use crate::formats::apt_packages::{self, Listed, PackagesError};
use crate::host::{Opened, ReadError, Reading};
use std::io::{BufReader, Read};

/// Most bytes of one list, unpacked. The largest of Debian has some 60 MB.
const MAX_BYTES: u64 = 512 << 20;

/// Endings of names, and what unpacks them.
pub(super) const FORMS: [(&str, Unpack); 5] = [
    ("", |file| Ok(Box::new(file))),
    (".lz4", |file| Ok(Box::new(lz4_flex::frame::FrameDecoder::new(file)))),
    (".xz", |file| Ok(Box::new(lzma_rust2::XzReader::new(BufReader::new(file), true)))),
    (".gz", |file| Ok(Box::new(flate2::read::MultiGzDecoder::new(file)))),
    (".zst", |file| Ok(Box::new(zstd::Decoder::new(file)?))),
];

pub(super) type Unpack = fn(Part) -> std::io::Result<Box<dyn Read>>;

/// A list that has to be read: what it is about, and where it is.
pub(super) struct List {
    pub(super) component: String,
    pub(super) arch: String,
    path: String,
    unpack: Unpack,
    /// Its size unpacked, by the signed metadata.
    size_bytes: Option<u64>,
}

/// The lists of a source; `None`, with a note, where one is missing.
pub(super) fn of(place: &Place, apt: &Apt, reading: &mut Reading<'_>) -> Option<Vec<List>> {
    let (source, release) = (&place.source, place.release.as_ref()?);
    let components: Vec<&str> = match source.is_flat() {
        true => vec![""],
        false => source.components.iter().map(String::as_str).collect(),
    };
    let mut lists = Vec::new();
    for component in components {
        let before = lists.len();
        let mut is_known = false;
        // Debian names a list of all architectures, and says that apt is not to read it.
        let all = release.has_list_of_all.then_some("all");
        for arch in source.architectures(&apt.architectures).into_iter().chain(all) {
            let file = match source.is_flat() {
                true => "Packages".to_owned(),
                false => format!("{component}/binary-{arch}/Packages"),
            };
            let packed =
                |form: &(&str, Unpack)| release.files.contains_key(&format!("{file}{}", form.0));
            if !FORMS.iter().any(packed) && !release.files.contains_key(&format!("{file}.bz2")) {
                continue;
            }
            is_known = true;
            let size_bytes = release.files.get(&file).copied();
            let stem = format!("{LISTS}/{}", source.list_name(&apt.native, &file));
            let found =
                FORMS.iter().find(|form| reading.stat(&format!("{stem}{}", form.0)).is_ok());
            match found {
                Some((ending, unpack)) => lists.push(List {
                    component: component.to_owned(),
                    // Where all lie in one place, apt knows of no architecture.
                    arch: if source.is_flat() { String::new() } else { arch.to_owned() },
                    path: format!("{stem}{ending}"),
                    unpack: *unpack,
                    size_bytes,
                }),
                // apt keeps none of what is empty.
                None if size_bytes == Some(0) => {}
                None => {
                    reading.failed(&stem, ReadError::Absent);
                    return None;
                }
            }
            if source.is_flat() {
                break;
            }
        }
        if lists.len() == before && !is_known {
            let metadata = source.list_name(&apt.native, "InRelease");
            reading.note(
                &format!("{LISTS}/{metadata}"),
                "it names no list of a component that is configured",
            );
            return None;
        }
    }
    Some(lists)
}

/// Shows `take` every package of a list that is wanted. An error, with a note, unless the list is
/// as long as the signed metadata says: one that was cut between packages looks whole.
pub(super) fn read(
    list: &List,
    reading: &mut Reading<'_>,
    wanted: impl Fn(&str) -> bool,
    take: impl FnMut(Listed),
) -> Result<(), ReadError> {
    let part = Part::new(reading.open(&list.path)?);
    let read = (list.unpack)(part)
        .map_err(PackagesError::from)
        .and_then(|unpacked| apt_packages::read(unpacked, MAX_BYTES, wanted, take));
    let fault = match read {
        Ok(bytes) if list.size_bytes.is_none_or(|size| size == bytes) => return Ok(()),
        Ok(_) => "it is not as long as the metadata of its source says".to_owned(),
        Err(error) => error.to_string(),
    };
    reading.malformed(&list.path, fault);
    Err(ReadError::NotText)
}

/// An open file from where it was read to.
pub(super) struct Part {
    file: Opened,
    offset: u64,
}

impl Part {
    pub(super) fn new(file: Opened) -> Self {
        Self { file, offset: 0 }
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(self.offset, buffer).map_err(std::io::Error::other)?;
        self.offset += read as u64;
        Ok(read)
    }
}
