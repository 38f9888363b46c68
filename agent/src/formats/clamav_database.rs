//! The header of a signature database of ClamAV (`.cvd`, and `.cld` once updates were applied):
//! 512 bytes of text, padded with blanks, with fields between colons:
//!
//! ```text
//! ClamAV-VDB:TIME:VERSION:SIGNATURES:LEVEL:MD5:SIGNATURE:BUILDER:SECONDS
//! ```
//!
//! TIME is `22 Nov 2026 09-30 +0000`; SECONDS is the same since the epoch, and old ones lack it.

use chrono::DateTime;

/// What `sigtool --info` reads.
pub const HEADER_BYTES: usize = 512;
const MAGIC: &str = "ClamAV-VDB";
const DAY_S: i64 = 86_400;

/// The UTC day on which the database was made; None when the header is none, or its two times are
/// not those of one moment. The signature over it is not verified.
pub fn build_day(header: &[u8]) -> Option<i64> {
    let header = header.get(..HEADER_BYTES)?;
    let text = std::str::from_utf8(header).ok()?.trim_end_matches([' ', '\n']);
    // ClamAV ends the header at the first end of line: one within a field leaves half a header.
    if !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return None;
    }
    let mut fields = text.split(':');
    let (magic, time) = (fields.next()?, fields.next()?);
    let (version, count, level) = (fields.next()?, fields.next()?, fields.next()?);
    let (md5, _signature, _builder) = (fields.next()?, fields.next()?, fields.next()?);
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    let is_md5 = md5.len() == 32 && md5.bytes().all(|b| b.is_ascii_hexdigit());
    if magic != MAGIC || !is_md5 || ![version, count, level].into_iter().all(is_number) {
        return None;
    }
    let made = DateTime::parse_from_str(time, "%d %b %Y %H-%M %z").ok()?.timestamp();
    if let Some(seconds) = fields.next() {
        let seconds: i64 = seconds.parse().ok()?;
        if seconds.abs_diff(made) >= DAY_S.unsigned_abs() {
            return None;
        }
    }
    (made > 0).then(|| made.div_euclid(DAY_S))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn padded(text: &str) -> Vec<u8> {
        let mut header = text.as_bytes().to_vec();
        header.resize(HEADER_BYTES, b' ');
        header
    }

    fn header(time: &str, rest: &str) -> Vec<u8> {
        let md5 = "0123456789abcdef0123456789abcdef";
        padded(&format!("ClamAV-VDB:{time}:27820:2077000:90:{md5}:AbC/+d:builder{rest}"))
    }

    #[test]
    fn the_day_is_that_of_utc() {
        assert_eq!(build_day(&header("22 Nov 2026 09-30 +0000", ":1795339800")), Some(20_779));
        assert_eq!(build_day(&header("22 Nov 2026 23-30 -0500", "")), Some(20_780));
        assert_eq!(build_day(&header("22 Nov 2026 00-30 +0200", "")), Some(20_778));
    }

    #[test]
    fn what_is_no_header_or_contradicts_itself_has_no_day() {
        let good = header("22 Nov 2026 09-30 +0000", ":1795339800");
        for bad in [
            header("22 Nov 2026 09-30 +0000", ":1795500000"),
            header("22 Nov 2026 09-30 +0000", ":soon"),
            header("22 Nov 2026", ":1795339800"),
            header("22 Nov 2026\n09-30 +0000", ":1795339800"),
            header("\n2 Nov 2026 09-30 +0000", ""),
            header("22 Nov 2026 09-30", ":1795339800"),
            padded("ClamAV-VDB:22 Nov 2026 09-30 +0000"),
            padded("ClamAV-VDX:22 Nov 2026 09-30 +0000:1:1:1:0123456789abcdef0123456789abcdef:a:b"),
            good[..511].to_vec(),
            Vec::new(),
        ] {
            assert_eq!(build_day(&bad), None, "{}", String::from_utf8_lossy(&bad));
        }
    }

    proptest! {
        #[test]
        fn every_header_has_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = build_day(&bytes);
        }

        #[test]
        fn every_text_in_a_header_has_an_answer(time in "[ -~]{0,40}", rest in "[ -~]{0,40}") {
            let _ = build_day(&header(&time, &rest));
        }
    }
}
