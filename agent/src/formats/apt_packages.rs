//! The packages of an archive: a Packages file, read as it comes, 64 KiB at a time.
//!
//! A list has some 45 MB and 60,000 stanzas, of which a host wants a few hundred. The name comes
//! first in every stanza that an archive writes, so that the others are passed over unread.

use memchr::{memchr, memmem};
use std::io::Read;

const ROOM: usize = 64 << 10;
/// Longest stanza.
const MAX_STANZA: usize = 4 << 20;

/// What is wanted of a stanza.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    pub version: String,
    pub arch: String,
    /// Name and version of the source package, if the stanza gives them.
    pub source: Option<String>,
    pub source_version: Option<String>,
    /// Share of hosts that get it now; absent for all of them.
    pub phased_percent: Option<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    #[error("byte {0}: a stanza that is none")]
    Stanza(u64),
    #[error("it ends within a stanza")]
    Cut,
}

/// Shows `take` every stanza whose name is `wanted`; says how many bytes there were.
pub fn read(
    mut from: impl Read,
    max: u64,
    wanted: impl Fn(&str) -> bool,
    mut take: impl FnMut(Listed),
) -> Result<u64, PackagesError> {
    let mut buffer = vec![0; ROOM];
    // What of the buffer is filled, and where in the file it begins.
    let (mut filled, mut base) = (0, 0_u64);
    loop {
        if filled == buffer.len() {
            if filled >= MAX_STANZA {
                return Err(PackagesError::Stanza(base));
            }
            buffer.resize(filled * 2, 0);
        }
        let more = match from.read(&mut buffer[filled..]) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        filled += more;
        if base + filled as u64 > max {
            return Err(PackagesError::TooLarge(max));
        }
        let is_end = more == 0;
        let used = whole(&buffer[..filled], is_end, &wanted, &mut take)
            .map_err(|at| PackagesError::Stanza(base + at as u64))?;
        buffer.copy_within(used..filled, 0);
        (filled, base) = (filled - used, base + used as u64);
        if is_end {
            return if filled == 0 { Ok(base) } else { Err(PackagesError::Cut) };
        }
    }
}

/// Goes through the stanzas that are whole; says how many bytes they have, or where one is none.
fn whole(
    bytes: &[u8],
    is_end: bool,
    wanted: &impl Fn(&str) -> bool,
    take: &mut impl FnMut(Listed),
) -> Result<usize, usize> {
    let ends = memmem::Finder::new(b"\n\n");
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        if rest[0] == b'\n' {
            start += 1;
            continue;
        }
        let stanza = match ends.find(rest) {
            Some(end) => &rest[..=end],
            // The last one may do without a blank line, as apt has it.
            None if is_end && rest.ends_with(b"\n") => rest,
            None => break,
        };
        if is_wanted(stanza, wanted).ok_or(start)? {
            take(listed(stanza).ok_or(start)?);
        }
        start += stanza.len();
    }
    Ok(start)
}

/// Whether a stanza is about a wanted package, or does not say so in its first line; `None` for
/// something that is no name: it may have been that of a wanted one.
fn is_wanted(stanza: &[u8], wanted: &impl Fn(&str) -> bool) -> Option<bool> {
    let Some(rest) = stanza.strip_prefix(b"Package: ") else { return Some(true) };
    let name = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
    let name = std::str::from_utf8(name).ok()?.trim_end();
    name.bytes().all(|byte| byte.is_ascii_graphic()).then(|| wanted(name))
}

fn listed(stanza: &[u8]) -> Option<Listed> {
    let mut listed = Listed::default();
    if stanza.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t')) {
        return None;
    }
    for line in stanza.split(|byte| *byte == b'\n') {
        let first = *line.first().unwrap_or(&b' ');
        if !b"PpVvAaSs".contains(&first) {
            if first.is_ascii_alphanumeric() || first == b' ' || first == b'\t' {
                continue;
            }
            return None;
        }
        let colon = memchr(b':', line)?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        let field = FIELDS.iter().find(|(field, _)| field.eq_ignore_ascii_case(name.trim_end()));
        if let Some((_, set)) = field {
            set(&mut listed, std::str::from_utf8(&line[colon + 1..]).ok()?.trim())?;
        }
    }
    let is_whole =
        [&listed.name, &listed.version, &listed.arch].iter().all(|text| !text.is_empty());
    is_whole.then_some(listed)
}

type Set = fn(&mut Listed, &str) -> Option<()>;

const FIELDS: [(&str, Set); 5] = [
    ("Package", |listed, value| word(value).map(|value| listed.name = value)),
    ("Version", |listed, value| word(value).map(|value| listed.version = value)),
    ("Architecture", |listed, value| word(value).map(|value| listed.arch = value)),
    ("Source", |listed, value| {
        listed.source = value.split_whitespace().next().map(str::to_owned);
        let version = value.split_once('(').map(|(_, rest)| rest.trim_end_matches(')'));
        listed.source_version = version.map(|version| version.trim().to_owned());
        Some(())
    }),
    ("Phased-Update-Percentage", |listed, value| {
        listed.phased_percent = Some(value.parse().ok()?);
        Some(())
    }),
];

fn word(value: &str) -> Option<String> {
    (!value.contains(|c: char| c.is_whitespace() || c.is_control())).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Result<Vec<String>, PackagesError> {
        let mut names = Vec::new();
        read(text.as_bytes(), 1 << 30, |name| name != "b", |listed| names.push(listed.name))?;
        Ok(names)
    }

    fn stanza(name: &str) -> String {
        format!("Package: {name}\nVersion: 1-1\nArchitecture: all\nDescription: x\n Version: y\n\n")
    }

    #[test]
    fn wanted_stanzas_are_given_and_others_passed_over() {
        let text = format!("{}{}\n{}", stanza("a"), stanza("b"), stanza("c").trim_end());
        assert_eq!(names(&format!("{text}\n")).expect("names"), ["a", "c"]);
        assert!(matches!(names(&text), Err(PackagesError::Cut)));
        let shuffled = "Version: 2\nSource: s (3)\nPackage: d\nArchitecture: amd64\nPhased-Update-Percentage: 20\n";
        let mut all = Vec::new();
        let size =
            read(shuffled.as_bytes(), 1 << 20, |_| true, |listed| all.push(listed)).expect("read");
        assert_eq!((size, all[0].version.as_str()), (shuffled.len() as u64, "2"));
        assert_eq!(
            (all[0].source.as_deref(), all[0].source_version.as_deref()),
            (Some("s"), Some("3"))
        );
        assert_eq!(all[0].phased_percent, Some(20));
    }

    #[test]
    fn what_is_no_stanza_is_refused() {
        for text in [
            "Package: a\nVersion: 1\n\n",
            "Package: a\nVersion: 1 2\nArchitecture: x\n\n",
            "\u{1}x\n\n",
            "Package: a\nVersion 1\nArchitecture: x\n\n",
        ] {
            assert!(matches!(names(text), Err(PackagesError::Stanza(0))), "{text:?}");
        }
        assert!(matches!(
            read(stanza("a").as_bytes(), 20, |_| true, |_| {}),
            Err(PackagesError::TooLarge(20))
        ));
    }

    #[test]
    fn stanzas_longer_than_the_room_are_whole() {
        let long =
            stanza("a").replace("Description: x", &format!("Depends: {}", "x".repeat(3 * ROOM)));
        assert_eq!(names(&format!("{long}{}", stanza("c"))).expect("names"), ["a", "c"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(Package: |Version: 1\n|[a-zP:\n ]|\n\n){0,40}") {
            let _ = names(&text);
        }
    }
}
