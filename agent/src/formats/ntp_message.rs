//! The property `NTPMessage` of systemd-timesyncd, org.freedesktop.timesync1(5): a variant of what
//! its server answered last, as RFC 5905 names it, and of what it made of that.

const SIGNATURE: &[u8] = b"(uuuuittayttttbtt)";
const UNSYNCHRONISED: u32 = 3;

/// What systemd-timesyncd learnt from the last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NtpMessage {
    /// There was none, or it was not taken: an outlier, or a server that follows nothing.
    NotTaken,
    Taken {
        /// When it came, in seconds since the epoch, by the clock of then.
        at_s: i64,
        /// By how much the clock may have differed from the reference of its server, in
        /// microseconds: the difference, half of the way there and back, the root dispersion and
        /// half of the root delay.
        error_us: u64,
    },
}

/// `None` where the bytes are not such a property.
pub fn parse(body: &[u8]) -> Option<NtpMessage> {
    let mut cursor = Cursor { body, at: 0 };
    let signature = cursor.take(SIGNATURE.len() + 2)?;
    if usize::from(signature[0]) != SIGNATURE.len() || &signature[1..=SIGNATURE.len()] != SIGNATURE
    {
        return None;
    }
    cursor.align(8);
    let leap = cursor.word()?;
    let (_version, _mode, _stratum, _precision) =
        (cursor.word()?, cursor.word()?, cursor.word()?, cursor.word()?);
    let (root_delay, root_dispersion) = (cursor.long()?, cursor.long()?);
    let reference = cursor.word()? as usize;
    cursor.take(reference)?;
    let [origin, receive, transmit, destination] =
        [cursor.time()?, cursor.time()?, cursor.time()?, cursor.time()?];
    let ignored = cursor.word()?;
    let (packets, _jitter) = (cursor.long()?, cursor.long()?);
    if cursor.at != body.len() {
        return None;
    }
    if packets == 0 || ignored != 0 || leap >= UNSYNCHRONISED {
        return Some(NtpMessage::NotTaken);
    }
    let offset = (receive - origin + transmit - destination).unsigned_abs().div_ceil(2);
    let way = (destination - origin - (transmit - receive)).unsigned_abs().div_ceil(2);
    let root = i128::from(root_delay).unsigned_abs().div_ceil(2) + u128::from(root_dispersion);
    let error_us = u64::try_from(offset + way + root).unwrap_or(u64::MAX);
    let at_s = i64::try_from(destination / 1_000_000).ok()?;
    Some(NtpMessage::Taken { at_s, error_us })
}

struct Cursor<'b> {
    body: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.body.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn word(&mut self) -> Option<u32> {
        self.align(4);
        self.take(4)?.first_chunk().copied().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.align(8);
        self.take(8)?.first_chunk().copied().map(u64::from_le_bytes)
    }

    /// Microseconds since the epoch, with room for differences.
    fn time(&mut self) -> Option<i128> {
        self.long().map(i128::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As systemd writes it.
    fn body(leap: u32, root: [u64; 2], times: [u64; 4], ignored: u32, packets: u64) -> Vec<u8> {
        let mut bytes = vec![SIGNATURE.len() as u8];
        bytes.extend(SIGNATURE);
        bytes.resize(24, 0);
        for word in [leap, 4, 4, 2, -25_i32 as u32, 0] {
            bytes.extend(word.to_le_bytes());
        }
        root.iter().for_each(|long| bytes.extend(long.to_le_bytes()));
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend([192, 0, 2, 1]);
        times.iter().for_each(|long| bytes.extend(long.to_le_bytes()));
        bytes.extend(ignored.to_le_bytes());
        bytes.extend([0; 4]);
        [packets, 7].iter().for_each(|long| bytes.extend(long.to_le_bytes()));
        bytes
    }

    /// The server is 1,500 µs ahead, 200 µs away, and holds its answer for 50 µs.
    const TIMES: [u64; 4] = [
        1_000_000_000_000_000,
        1_000_000_000_001_700,
        1_000_000_000_001_750,
        1_000_000_000_000_450,
    ];

    #[test]
    fn the_error_is_the_difference_and_what_is_not_known() {
        let taken = |error_us| Some(NtpMessage::Taken { at_s: 1_000_000_000, error_us });
        assert_eq!(parse(&body(0, [0, 0], TIMES, 0, 1)), taken(1500 + 200));
        assert_eq!(parse(&body(0, [3000, 40], TIMES, 0, 1)), taken(1500 + 200 + 1500 + 40));
        // The other way round: the server is behind.
        let behind = [TIMES[0] + 3000, TIMES[1], TIMES[2], TIMES[3] + 3000];
        assert_eq!(parse(&body(0, [0, 0], behind, 0, 1)), taken(1500 + 200));
        assert_eq!(parse(&body(2, [u64::MAX; 2], TIMES, 0, 1)), taken(u64::MAX));
    }

    #[test]
    fn what_was_not_taken_says_nothing() {
        for bytes in [
            body(0, [0, 0], [0; 4], 0, 0),
            body(0, [0, 0], TIMES, 1, 9),
            body(3, [0, 0], TIMES, 0, 9),
        ] {
            assert_eq!(parse(&bytes), Some(NtpMessage::NotTaken));
        }
    }

    #[test]
    fn a_property_that_was_cut_or_is_another_is_none() {
        let whole = body(0, [0, 0], TIMES, 0, 1);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
        assert_eq!(parse(&[whole.clone(), vec![0]].concat()), None);
        let mut other = whole;
        other[2] = b'i';
        assert_eq!(parse(&other), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let whole = body(0, [0, 0], TIMES, 0, 1);
            let _ = (parse(&bytes), parse(&[&whole[..24], bytes.as_slice()].concat()));
        }
    }
}
