//! The binary records of wtmp(5) and lastlog(5), as glibc lays them out on x86 (bits/utmp.h,
//! bits/utmpx.h): 384 and 292 bytes, little endian. Other machines use other lengths; their files
//! do not pass the checks here.

/// Length of a record of wtmp(5), in bytes.
pub const WTMP_BYTES: usize = 384;
/// Length of a record of lastlog(5), in bytes.
pub const LASTLOG_BYTES: usize = 292;

const TYPE_MAX: i16 = 9;
const USER_PROCESS: i16 = 7;
const NAME: std::ops::Range<usize> = 44..76;
const SECONDS: std::ops::Range<usize> = 340..344;

/// The record does not follow its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a record of this format")]
pub struct Malformed;

/// What a record of wtmp(5) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Seconds since the epoch, unsigned: the format is said to last until 2106.
    pub at_s: i64,
    /// Who opened a session; `None` for boots, logouts and the like.
    pub user: Option<&'a [u8]>,
}

/// Reads a record of [`WTMP_BYTES`]; `None` for one that is empty.
pub fn entry(record: &[u8]) -> Result<Option<Entry<'_>>, Malformed> {
    let sort = record.get(..2).and_then(|two| two.try_into().ok()).map(i16::from_le_bytes);
    let sort = sort.filter(|sort| (0..=TYPE_MAX).contains(sort)).ok_or(Malformed)?;
    if sort == 0 {
        let is_empty = record.len() == WTMP_BYTES && record.iter().all(|byte| *byte == 0);
        return if is_empty { Ok(None) } else { Err(Malformed) };
    }
    let at_s = seconds(record.get(SECONDS).ok_or(Malformed)?).ok_or(Malformed)?;
    let user = until_nul(record.get(NAME).ok_or(Malformed)?);
    let is_login = sort == USER_PROCESS && !user.is_empty();
    if is_login && at_s == 0 {
        return Err(Malformed);
    }
    Ok(Some(Entry { at_s, user: is_login.then_some(user) }))
}

/// The time in a record of [`LASTLOG_BYTES`], in seconds since the epoch; `None` where there was no
/// login. Terminal and host are filled up with zeros: a record that is not is none.
pub fn last_login(record: &[u8]) -> Result<Option<i64>, Malformed> {
    let (time, rest) = record.split_at_checked(4).ok_or(Malformed)?;
    let (line, host) = rest.split_at_checked(32).ok_or(Malformed)?;
    if record.len() != LASTLOG_BYTES || !is_padded(line) || !is_padded(host) {
        return Err(Malformed);
    }
    match seconds(time).ok_or(Malformed)? {
        0 if line[0] == 0 && host[0] == 0 => Ok(None),
        0 => Err(Malformed),
        at_s => Ok(Some(at_s)),
    }
}

fn seconds(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(|bytes| i64::from(u32::from_le_bytes(bytes)))
}

fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn is_padded(text: &[u8]) -> bool {
    text[until_nul(text).len()..].iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wtmp(sort: i16, name: &[u8], at_s: u32) -> Vec<u8> {
        let mut record = vec![0; WTMP_BYTES];
        record[..2].copy_from_slice(&sort.to_le_bytes());
        record[NAME][..name.len()].copy_from_slice(name);
        record[SECONDS].copy_from_slice(&at_s.to_le_bytes());
        record
    }

    #[test]
    fn a_session_has_a_user_and_a_boot_has_none() {
        let day =
            |record: &[u8]| entry(record).map(|entry| entry.map(|e| e.user.map(<[u8]>::to_vec)));
        assert_eq!(day(&wtmp(7, b"ada", 5)), Ok(Some(Some(b"ada".to_vec()))));
        assert_eq!(
            day(&wtmp(7, &[b'x'; 32], 5)),
            Ok(Some(Some(vec![b'x'; 32]))),
            "no room for a 0"
        );
        for sort in [1, 2, 6, 8] {
            assert_eq!(day(&wtmp(sort, b"reboot", 5)), Ok(Some(None)), "{sort}");
        }
        assert_eq!(entry(&wtmp(0, b"", 0)), Ok(None));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for bad in [wtmp(10, b"ada", 5), wtmp(-1, b"", 5), wtmp(0, b"ada", 5), wtmp(7, b"ada", 0)] {
            assert_eq!(entry(&bad), Err(Malformed));
        }
        // Records of 400 bytes, as on 64-bit Arm, do not pass for ones of 384.
        let other: Vec<u8> =
            (0..24).flat_map(|_| [wtmp(7, b"ada", 5), vec![0; 16]].concat()).collect();
        assert_eq!(other.len() % WTMP_BYTES, 0);
        assert!(other.chunks(WTMP_BYTES).any(|record| entry(record).is_err()));
    }

    #[test]
    fn a_record_of_lastlog_is_whole_or_empty() {
        let mut record = vec![0; LASTLOG_BYTES];
        assert_eq!(last_login(&record), Ok(None));
        record[..4].copy_from_slice(&7u32.to_le_bytes());
        record[4..9].copy_from_slice(b"pts/0");
        assert_eq!(last_login(&record), Ok(Some(7)));
        assert_eq!(last_login(&record[..291]), Err(Malformed));
        record[20] = 1;
        assert_eq!(last_login(&record), Err(Malformed), "text after the end of the terminal");
        record[20] = 0;
        record[..4].fill(0);
        assert_eq!(last_login(&record), Err(Malformed), "a terminal without a time");
    }
}
