//! How old the signatures of ClamAV are. Of its databases only `daily` has to be new: `main` is years
//! old by design. The time of the file is that of the download, so it is not asked.

use crate::formats::clamav_database::{HEADER_BYTES, build_day};
use crate::host::{ReadError, Reading};

/// clamd.conf(5): Debian, RHEL, the others.
const CONFIGURATIONS: [&str; 3] =
    ["/etc/clamav/clamd.conf", "/etc/clamd.d/scan.conf", "/etc/clamd.conf"];
const DIRECTORY: &str = "/var/lib/clamav";
/// As downloaded, and with updates applied. clamd takes the newer one.
const DAILY: [&str; 2] = ["daily.cvd", "daily.cld"];

/// None when there are none, or one of them cannot be read.
pub(super) fn signature_day(reading: &mut Reading<'_>) -> Option<i64> {
    let directory = directory(reading)?;
    let mut newest = None;
    for name in DAILY {
        let path = format!("{directory}/{name}");
        let database = match reading.open(&path) {
            Err(ReadError::Absent) => continue,
            other => other.ok()?,
        };
        let mut beginning = [0; HEADER_BYTES + 1];
        let length = match database.read_at(0, &mut beginning) {
            Ok(length) => length,
            Err(error) => {
                reading.failed(&path, error);
                return None;
            }
        };
        // A header alone is that of a database that was lost.
        let header = beginning.get(..HEADER_BYTES).filter(|_| length > HEADER_BYTES);
        let Some(day) = header.and_then(build_day) else {
            reading.malformed(&path, "no header of a database of ClamAV, or nothing behind it");
            return None;
        };
        newest = newest.max(Some(day));
    }
    newest
}

/// `DatabaseDirectory` of the first configuration there is.
fn directory(reading: &mut Reading<'_>) -> Option<String> {
    for path in CONFIGURATIONS {
        let text = match reading.config(path) {
            Err(ReadError::Absent) => continue,
            other => other.ok()?,
        };
        let mut words = text.lines().map(str::split_ascii_whitespace);
        let named = words.find_map(|mut words| {
            (words.next() == Some("DatabaseDirectory")).then(|| words.next().map(str::to_owned))
        });
        return named.unwrap_or_else(|| Some(DIRECTORY.to_owned()));
    }
    Some(DIRECTORY.to_owned())
}
