//! The tables of Debian's distro-info-data: releases of Debian and Ubuntu and when their support
//! ends (/usr/share/distro-info/*.csv).

/// Ends of support of one release, as days since the epoch. A column that is missing or empty in
/// its row is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Release {
    /// `eol`, for Ubuntu `eol-server` where it is set.
    pub standard_end_day: Option<i64>,
    /// `eol-lts` (Debian).
    pub lts_end_day: Option<i64>,
    /// `eol-elts` (Debian) or `eol-esm` (Ubuntu).
    pub extended_end_day: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    #[error("line 1: no columns `version` and `eol`")]
    Header,
    #[error("line {0}: not a date")]
    Date(usize),
}

/// The row of a version (`12`, `24.04`), or `None` when the table does not know it.
pub fn release(text: &str, version: &str) -> Result<Option<Release>, CsvError> {
    let mut lines = text.lines().enumerate();
    let header: Vec<&str> = lines.next().map(|(_, l)| l.split(',').collect()).unwrap_or_default();
    let column = |name: &str| header.iter().position(|column| *column == name);
    let (Some(version_at), Some(eol_at)) = (column("version"), column("eol")) else {
        return Err(CsvError::Header);
    };
    for (index, line) in lines {
        let cells: Vec<&str> = line.split(',').collect();
        // Ubuntu writes `24.04 LTS`.
        let name = cells.get(version_at).and_then(|cell| cell.split(' ').next());
        if name != Some(version) {
            continue;
        }
        let day = |at: Option<usize>| match at.and_then(|at| cells.get(at)) {
            None | Some(&"") => Ok(None),
            Some(cell) => day(cell).map(Some).ok_or(CsvError::Date(index + 1)),
        };
        return Ok(Some(Release {
            standard_end_day: day(column("eol-server"))?.or(day(Some(eol_at))?),
            lts_end_day: day(column("eol-lts"))?,
            extended_end_day: day(column("eol-elts").or(column("eol-esm")))?,
        }));
    }
    Ok(None)
}

/// Days since the epoch of a date `YYYY-MM-DD`.
pub fn day(date: &str) -> Option<i64> {
    let date: jiff::civil::Date = (date.len() == 10).then(|| date.parse().ok())??;
    let epoch = jiff::civil::date(1970, 1, 1);
    date.since((jiff::Unit::Day, epoch)).ok().map(|span| i64::from(span.get_days()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "version,codename,series,created,release,eol,eol-lts,eol-elts\n\
        12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-07-11,2028-06-30,2033-06-30\n\
        14,Forky,forky,2025-08-09\n,Sid,sid,1993-08-16\n";

    #[test]
    fn a_row_gives_the_days_of_its_columns() {
        let release = |version| super::release(DEBIAN, version);
        let bookworm = Release {
            standard_end_day: day("2026-07-11"),
            lts_end_day: day("2028-06-30"),
            extended_end_day: day("2033-06-30"),
        };
        assert_eq!(release("12"), Ok(Some(bookworm)));
        assert_eq!(release("14"), Ok(Some(Release::default())));
        assert_eq!(release("1"), Ok(None));
    }

    #[test]
    fn ubuntu_servers_end_with_their_own_column() {
        let text = "version,eol,eol-server,eol-esm\n12.04 LTS,2017-04-27,2017-04-28,2019-04-26\n";
        let precise = release(text, "12.04").expect("table").expect("row");
        assert_eq!(precise.standard_end_day, day("2017-04-28"));
        assert_eq!(precise.extended_end_day, day("2019-04-26"));
    }

    #[test]
    fn a_table_without_its_columns_or_with_another_date_is_refused() {
        assert_eq!(release("series,eol\n", "12"), Err(CsvError::Header));
        assert_eq!(release("version,eol\n12,soon\n", "12"), Err(CsvError::Date(2)));
    }

    #[test]
    fn days_are_counted_from_the_epoch() {
        assert_eq!(day("1970-01-01"), Some(0));
        assert_eq!(day("2026-07-11"), Some(20645));
        assert_eq!(day("2026-7-11"), None);
        assert_eq!(day("2026-02-30"), None);
    }
}
