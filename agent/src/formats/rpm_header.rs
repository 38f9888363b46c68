//! The header of an installed RPM package, as it lies in each of rpm's databases: the number of
//! entries, the length of the data, entries of 16 bytes (tag, type, place, count), the data; all
//! numbers big endian. Format: "Package format" of rpm's own manual.

/// Entries of a header; that of a large package has a hundred.
const MAX_ENTRIES: usize = 0xffff;
/// rpm holds no more data in a header either.
const MAX_DATA_BYTES: usize = 256 << 20;
const ENTRY_BYTES: usize = 16;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const INSTALL_TIME: u32 = 1008;
const VENDOR: u32 = 1011;
const ARCH: u32 = 1022;
const SOURCE_RPM: u32 = 1044;
const PROVIDE_NAME: u32 = 1047;

const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;

/// What is wanted of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub epoch: Option<u32>,
    pub version: String,
    pub release: String,
    /// Absent for the keys that rpm keeps as `gpg-pubkey`.
    pub arch: Option<String>,
    /// File name of the source package.
    pub source_rpm: Option<String>,
    pub vendor: Option<String>,
    pub installed_s: Option<u32>,
    /// Versions of it are installed beside each other: dnf(8) and zypper(8) go by what it provides.
    pub install_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("its lengths do not fit its size")]
    Size,
    #[error("tag {0} is not of its form")]
    Tag(u32),
    #[error("it has no tag {0}")]
    Missing(u32),
}

impl Header {
    pub fn parse(blob: &[u8]) -> Result<Self, HeaderError> {
        let tags = Tags::of(blob)?;
        let needed = |tag| tags.word(tag)?.ok_or(HeaderError::Missing(tag));
        Ok(Self {
            name: needed(NAME)?,
            epoch: tags.number(EPOCH)?,
            version: needed(VERSION)?,
            release: needed(RELEASE)?,
            arch: tags.word(ARCH)?,
            source_rpm: tags.word(SOURCE_RPM)?,
            vendor: tags.vendor()?,
            installed_s: tags.number(INSTALL_TIME)?,
            install_only: tags.is_install_only()?,
        })
    }

    /// `[EPOCH:]VERSION-RELEASE`, as rpm's `%{EVR}`.
    pub fn evr(&self) -> String {
        match self.epoch {
            Some(epoch) => format!("{epoch}:{}-{}", self.version, self.release),
            None => format!("{}-{}", self.version, self.release),
        }
    }

    /// Name and version of the source package: `openssh-8.7p1-43.el9.src.rpm`.
    pub fn source(&self) -> Option<(&str, &str)> {
        let file = self.source_rpm.as_deref()?.strip_suffix(".rpm")?;
        let (whole, _) = file.rsplit_once('.')?;
        let release = whole.rfind('-')?;
        let version = whole[..release].rfind('-')?;
        Some((&whole[..version], &whole[version + 1..]))
    }
}

/// The parts of a blob.
struct Tags<'a> {
    entries: &'a [u8],
    data: &'a [u8],
}

struct Entry {
    kind: u32,
    offset: usize,
    count: usize,
}

impl<'a> Tags<'a> {
    fn of(blob: &'a [u8]) -> Result<Self, HeaderError> {
        let number = |at| u32_at(blob, at).map(|n| n as usize).ok_or(HeaderError::Size);
        let (entries, data) = (number(0)?, number(4)?);
        if entries == 0 || entries > MAX_ENTRIES || data > MAX_DATA_BYTES {
            return Err(HeaderError::Size);
        }
        let data_at = 8 + entries * ENTRY_BYTES;
        if blob.len() != data_at + data {
            return Err(HeaderError::Size);
        }
        Ok(Self { entries: &blob[8..data_at], data: &blob[data_at..] })
    }

    /// The last of a tag: what was added after the package was built replaces what came with it.
    fn entry(&self, tag: u32) -> Option<Entry> {
        let entry = self.entries.chunks_exact(ENTRY_BYTES).rev().find(|e| word_at(e, 0) == tag)?;
        let size = |at| word_at(entry, at) as usize;
        Some(Entry { kind: word_at(entry, 4), offset: size(8), count: size(12) })
    }

    fn number(&self, tag: u32) -> Result<Option<u32>, HeaderError> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        let value = u32_at(self.data, entry.offset);
        let is_one = entry.kind == INT32 && entry.count == 1;
        value.filter(|_| is_one).map(Some).ok_or(HeaderError::Tag(tag))
    }

    fn text(&self, tag: u32) -> Result<Option<&'a [u8]>, HeaderError> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        let text = self.strings(&entry).next();
        text.filter(|_| entry.kind == STRING && entry.count == 1)
            .map(Some)
            .ok_or(HeaderError::Tag(tag))
    }

    /// Printable and without blanks, as names, versions and architectures are.
    fn word(&self, tag: u32) -> Result<Option<String>, HeaderError> {
        let Some(text) = self.text(tag)? else { return Ok(None) };
        if text.is_empty() || !text.iter().all(u8::is_ascii_graphic) {
            return Err(HeaderError::Tag(tag));
        }
        Ok(Some(String::from_utf8_lossy(text).into_owned()))
    }

    /// A name in words, of any encoding.
    fn vendor(&self) -> Result<Option<String>, HeaderError> {
        let Some(text) = self.text(VENDOR)? else { return Ok(None) };
        let text = String::from_utf8_lossy(text).into_owned();
        match text.chars().any(char::is_control) {
            true => Err(HeaderError::Tag(VENDOR)),
            false => Ok(Some(text).filter(|text| !text.is_empty())),
        }
    }

    fn is_install_only(&self) -> Result<bool, HeaderError> {
        let Some(entry) = self.entry(PROVIDE_NAME) else { return Ok(false) };
        if entry.kind != STRING_ARRAY {
            return Err(HeaderError::Tag(PROVIDE_NAME));
        }
        let marks: [&[u8]; 2] = [b"installonlypkg(", b"multiversion("];
        let mut names = self.strings(&entry).take(entry.count);
        Ok(names.any(|name| marks.iter().any(|mark| name.starts_with(mark))))
    }

    /// Texts that end with NUL, one after the other.
    fn strings(&self, entry: &Entry) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.data.get(entry.offset..).unwrap_or_default();
        std::iter::from_fn(move || {
            let end = rest.iter().position(|byte| *byte == 0)?;
            let (text, after) = rest.split_at(end);
            rest = &after[1..];
            Some(text)
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(4)?)?;
    part.try_into().ok().map(u32::from_be_bytes)
}

/// Of an entry, which is never shorter.
fn word_at(entry: &[u8], at: usize) -> u32 {
    u32_at(entry, at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header of texts and numbers.
    fn blob(tags: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
        let (mut entries, mut data) = (Vec::new(), Vec::new());
        for (tag, kind, count, value) in tags {
            let offset = u32::try_from(data.len()).expect("short");
            for number in [*tag, *kind, offset, *count] {
                entries.extend(number.to_be_bytes());
            }
            data.extend(*value);
        }
        let count = u32::try_from(tags.len()).expect("few");
        let length = u32::try_from(data.len()).expect("short");
        [&count.to_be_bytes()[..], &length.to_be_bytes(), &entries, &data].concat()
    }

    const KERNEL: [(u32, u32, u32, &[u8]); 7] = [
        (NAME, STRING, 1, b"kernel-core\0"),
        (VERSION, STRING, 1, b"5.14.0\0"),
        (RELEASE, STRING, 1, b"503.el9\0"),
        (INSTALL_TIME, INT32, 1, &[0x68, 0, 0, 1]),
        (ARCH, STRING, 1, b"x86_64\0"),
        (SOURCE_RPM, STRING, 1, b"kernel-5.14.0-503.el9.src.rpm\0"),
        (PROVIDE_NAME, STRING_ARRAY, 2, b"kernel-core\0installonlypkg(kernel)\0"),
    ];

    #[test]
    fn a_header_says_what_its_tags_say() {
        let header = Header::parse(&blob(&KERNEL)).expect("header");
        assert_eq!(
            (header.name.as_str(), header.evr().as_str()),
            ("kernel-core", "5.14.0-503.el9")
        );
        assert_eq!(header.source(), Some(("kernel", "5.14.0-503.el9")));
        assert_eq!((header.arch.as_deref(), header.vendor), (Some("x86_64"), None));
        assert!(header.install_only);
        let mut with_epoch = KERNEL.to_vec();
        with_epoch.push((EPOCH, INT32, 1, &[0, 0, 0, 2]));
        assert_eq!(Header::parse(&blob(&with_epoch)).expect("header").evr(), "2:5.14.0-503.el9");
        // One of two that are provided alone.
        with_epoch[6] = (PROVIDE_NAME, STRING_ARRAY, 1, b"kernel-core\0installonlypkg(kernel)\0");
        assert!(!Header::parse(&blob(&with_epoch)).expect("header").install_only);
    }

    #[test]
    fn what_was_added_later_replaces_what_came_with_the_package() {
        let mut tags = KERNEL.to_vec();
        tags.push((ARCH, STRING, 1, b"noarch\0"));
        assert_eq!(Header::parse(&blob(&tags)).expect("header").arch.as_deref(), Some("noarch"));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let refused = |place: usize, tag: (u32, u32, u32, &[u8])| {
            let mut tags = KERNEL.to_vec();
            tags[place] = (tag.0, tag.1, tag.2, tag.3);
            Header::parse(&blob(&tags)).expect_err("refused")
        };
        assert_eq!(refused(0, (9, STRING, 1, b"x\0")), HeaderError::Missing(NAME));
        assert_eq!(refused(0, (NAME, STRING, 1, b"a b\0")), HeaderError::Tag(NAME));
        assert_eq!(refused(0, (NAME, STRING, 1, b"\0")), HeaderError::Tag(NAME));
        assert_eq!(refused(0, (NAME, INT32, 1, b"abc\0")), HeaderError::Tag(NAME));
        assert_eq!(refused(3, (INSTALL_TIME, STRING, 1, b"abc\0")), HeaderError::Tag(INSTALL_TIME));
        let whole = blob(&KERNEL);
        for end in 0..whole.len() {
            assert_eq!(Header::parse(&whole[..end]), Err(HeaderError::Size), "{end}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0usize..300, with: u8) {
            let _ = Header::parse(&bytes);
            let mut whole = blob(&KERNEL);
            let at = at % whole.len();
            whole[at] = with;
            let _ = Header::parse(&whole);
        }
    }
}
