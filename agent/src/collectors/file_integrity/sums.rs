//! Files of packages beside the MD5 sums that dpkg keeps of them, as `dpkg -V` compares them. A sum
//! that is no longer one of the package (its file was taken over by another) counts for nothing.
//! Every run compares the same files: what is found stays found until it is repaired. An agent that
//! goes on running hashes a file again when it is another one, and within a day when it is not.

use crate::collectors::file_walk::packages::{Diversion, diversions, lies_at};
use crate::formats::deb822::Stanzas;
use crate::host::{Failure, FileKind, Opened, ReadError, Reading};
use evidence::Status;
use evidence::kinds::file_integrity::{Changed, Verified};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const INFO: &str = "/var/lib/dpkg/info";
const STATUS: &str = "/var/lib/dpkg/status";
const MAX_LIST_BYTES: u64 = 64 << 20;
const MAX_STATUS_BYTES: u64 = 256 << 20;
/// Most bytes that one run reads of programs; a server has some 300 MB of them.
const MAX_BYTES: u64 = 4 << 30;
const PART: usize = 128 << 10;
const PROGRAMS: [&str; 4] = ["bin/", "sbin/", "usr/bin/", "usr/sbin/"];

/// One file of a package: path, package, sum in hexadecimal.
#[derive(Serialize, Deserialize)]
struct Wanted {
    path: String,
    package: String,
    sum: String,
}

/// `None` where the sums, or one of the files, could not be read.
pub(super) fn programs(reading: &mut Reading<'_>) -> Option<Verified> {
    let wanted = reading.remembered("sums of programs", |reading| known(wanted_programs(reading)));
    compare(reading, &wanted.ok()?)
}

/// What was not read, and is so not remembered either; its source says why.
fn known<T>(read: Option<T>) -> Result<T, Failure> {
    read.ok_or(Failure(Status::IoError))
}

fn wanted_programs(reading: &mut Reading<'_>) -> Option<Vec<Wanted>> {
    let names = reading.list(INFO).ok()?;
    let diversions = diversions(reading)?;
    let mut wanted = Vec::new();
    let mut packages = 0;
    for name in names.iter().filter_map(|name| name.strip_suffix(".md5sums")) {
        packages += 1;
        wanted.extend(of_package(reading, name, &diversions)?);
    }
    (packages > 0).then_some(wanted)
}

/// What is meant of one package. Its two files can be large, so that only one is held at a time.
fn of_package(
    reading: &mut Reading<'_>,
    name: &str,
    diversions: &[Diversion],
) -> Option<Vec<Wanted>> {
    let package = name.split(':').next().unwrap_or(name);
    let mut found = BTreeMap::<_, Vec<_>>::new();
    let path = format!("{INFO}/{name}.md5sums");
    let text = reading.strict_text(&path, MAX_LIST_BYTES).ok()?;
    for (number, line) in (1..).zip(text.lines()) {
        let Some((sum, file)) = sum_line(line) else {
            reading.malformed(&path, format!("line {number}: not a sum and a file"));
            return None;
        };
        let full = format!("/{file}");
        let at = lies_at(&full, package, diversions);
        let is_program = PROGRAMS.iter().any(|below| file.starts_with(below))
            || (file.ends_with(".so") && file.contains("/security/"));
        // Set-id files may be anywhere among all that packages have: looked for once a day.
        let is_meant = if is_program { Ok(true) } else { is_set_id(reading, at) };
        if is_meant != Ok(false) {
            let (at, sum) = (at.to_owned(), sum.to_owned());
            let wanted = Wanted { path: at, package: package.to_owned(), sum };
            found.entry(full).or_default().push((wanted, is_meant));
        }
    }
    drop(text);
    let list = reading.strict_text(&format!("{INFO}/{name}.list"), MAX_LIST_BYTES).ok()?;
    let mut meant = Vec::new();
    for (wanted, is_meant) in list.lines().filter_map(|file| found.remove(file)).flatten() {
        if let Err(error) = is_meant {
            reading.failed(&wanted.path, error);
            return None;
        }
        meant.push(wanted);
    }
    Some(meant)
}

/// An error where it cannot be seen. What is gone is no set-id file.
fn is_set_id(reading: &mut Reading<'_>, path: &str) -> Result<bool, ReadError> {
    match reading.aside(|reading| reading.lstat(path)) {
        Ok(meta) => Ok(meta.kind == FileKind::File && meta.mode & 0o6000 != 0),
        Err(ReadError::Absent) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `SUM  PATH`, the path without its first `/`.
fn sum_line(line: &str) -> Option<(&str, &str)> {
    let (sum, file) = line.split_once("  ")?;
    let is_sum = sum.len() == 32 && sum.bytes().all(|b| b.is_ascii_hexdigit());
    (is_sum && !file.is_empty() && !file.starts_with('/')).then_some((sum, file))
}

/// Configuration files by the field `Conffiles` of installed packages.
pub(super) fn conffiles(reading: &mut Reading<'_>) -> Option<Verified> {
    let wanted =
        reading.remembered("sums of configuration", |reading| known(wanted_conffiles(reading)));
    compare(reading, &wanted.ok()?)
}

fn wanted_conffiles(reading: &mut Reading<'_>) -> Option<Vec<Wanted>> {
    let text = reading.text_up_to(STATUS, MAX_STATUS_BYTES).ok()?;
    let mut wanted = Vec::new();
    for stanza in Stanzas::new(&text) {
        let Ok(stanza) = stanza else {
            reading.malformed(STATUS, "not of its form");
            return None;
        };
        if !stanza.closed {
            reading.malformed(STATUS, "no blank line ends the last package; the file was cut");
            return None;
        }
        let (package, status) = (stanza.value("Package")?, stanza.value("Status")?);
        let Some(field) = stanza.value("Conffiles").filter(|_| status.ends_with(" installed"))
        else {
            continue;
        };
        for line in field.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                // The package no longer has it, or never brought it whole.
                [_, _, "obsolete" | "remove-on-upgrade", ..] | [_, "newconffile", ..] => {}
                [path, sum] if path.starts_with('/') && sum.len() == 32 => wanted.push(Wanted {
                    path: (*path).to_owned(),
                    package: package.to_owned(),
                    sum: (*sum).to_owned(),
                }),
                _ => {
                    reading
                        .malformed(STATUS, format!("`Conffiles` of {package} is not of its form"));
                    return None;
                }
            }
        }
    }
    Some(wanted)
}

fn compare(reading: &mut Reading<'_>, wanted: &[Wanted]) -> Option<Verified> {
    let mut verified = Verified { checked: 0, modified: Vec::new(), missing: Vec::new() };
    let mut left = MAX_BYTES;
    let mut buffer = vec![0; PART];
    for one in wanted {
        let changed = || Changed { path: one.path.clone(), package: one.package.clone() };
        match sum(reading, &one.path, &mut buffer, &mut left) {
            Ok(sum) if sum == one.sum.to_ascii_lowercase() => {}
            Ok(_) => verified.modified.push(changed()),
            // A directory or a device in its place, too.
            Err(ReadError::WrongType) => verified.modified.push(changed()),
            Err(ReadError::Absent) => verified.missing.push(changed()),
            Err(error) => {
                reading.failed(&one.path, error);
                return None;
            }
        }
        verified.checked += 1;
    }
    verified.modified.sort();
    verified.missing.sort();
    Some(verified)
}

/// Not recorded as a source: there are thousands.
fn sum(
    reading: &Reading<'_>,
    path: &str,
    buffer: &mut [u8],
    left: &mut u64,
) -> Result<String, ReadError> {
    let opened = reading.peek(path)?;
    let sum = reading.of_contents("MD5", path, &opened, || hashed(&opened, buffer, left));
    sum.map(hex::encode)
}

fn hashed(opened: &Opened, buffer: &mut [u8], left: &mut u64) -> Result<Vec<u8>, ReadError> {
    let mut hash = Md5::new();
    let mut offset = 0;
    loop {
        let length = opened.read_at(offset, buffer)?;
        hash.update(&buffer[..length]);
        offset += length as u64;
        *left = left.checked_sub(length as u64).ok_or(ReadError::TooLarge(MAX_BYTES))?;
        if length < buffer.len() {
            return Ok(hash.finalize().to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_a_sum_and_a_path_below_the_root() {
        let sum = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(sum_line(&format!("{sum}  usr/bin/a b")), Some((sum, "usr/bin/a b")));
        for bad in ["", "x  usr/bin/a", &format!("{sum} usr/bin/a"), &format!("{sum}  /usr/bin/a")]
        {
            assert_eq!(sum_line(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_line_has_an_answer(line in "[ -~]{0,80}") {
            let _ = sum_line(&line);
        }
    }
}
