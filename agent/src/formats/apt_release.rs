//! What an archive says of itself: Release and InRelease files.

use super::deb822::{Stanza, Stanzas};
use std::collections::HashMap;

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const END: &str = "-----BEGIN PGP SIGNATURE-----";
const LAST: &str = "-----END PGP SIGNATURE-----";

/// Metadata of a suite.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    pub origin: String,
    pub label: String,
    pub suite: String,
    pub codename: String,
    pub version: String,
    /// Days since the epoch.
    pub date_day: i64,
    pub valid_until_day: Option<i64>,
    pub not_automatic: bool,
    pub but_automatic_upgrades: bool,
    /// Packages for all architectures have a list of their own, beside those of each one.
    pub has_list_of_all: bool,
    /// Files by their path below the suite, with their size in bytes.
    pub files: HashMap<String, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    #[error("it is not signed from beginning to end")]
    Cut,
    #[error("it is no list of fields")]
    Format,
    #[error("`{0}` is missing or not of its form")]
    Field(&'static str),
}

/// The text of an InRelease file without its signature. That the signature is good was apt's to
/// see when it took the file in.
pub fn signed_text(text: &str) -> Result<&str, ReleaseError> {
    let body = text.strip_prefix(BEGIN).and_then(|rest| rest.split_once("\n\n"));
    let (_, body) = body.ok_or(ReleaseError::Cut)?;
    let (body, signature) = body.split_once(END).ok_or(ReleaseError::Cut)?;
    if signature.trim_end().ends_with(LAST) { Ok(body) } else { Err(ReleaseError::Cut) }
}

impl Release {
    /// What a text without signature says. Keeps the sizes of files that `wanted` names.
    pub fn parse(text: &str, wanted: impl Fn(&str) -> bool) -> Result<Self, ReleaseError> {
        let stanza = Stanzas::new(text).next().ok_or(ReleaseError::Format)?;
        let stanza = stanza.map_err(|_| ReleaseError::Format)?;
        let text = |name| stanza.value(name).unwrap_or_default().to_owned();
        let flag = |name| stanza.value(name).is_some_and(|v| v.eq_ignore_ascii_case("yes"));
        let date = stanza.value("Date").and_then(day).ok_or(ReleaseError::Field("Date"))?;
        let valid_until_day = match stanza.value("Valid-Until") {
            None => None,
            Some(value) => Some(day(value).ok_or(ReleaseError::Field("Valid-Until"))?),
        };
        Ok(Self {
            origin: text("Origin"),
            label: text("Label"),
            suite: text("Suite"),
            codename: text("Codename"),
            version: text("Version"),
            date_day: date,
            valid_until_day,
            not_automatic: flag("NotAutomatic"),
            but_automatic_upgrades: flag("ButAutomaticUpgrades"),
            has_list_of_all: text("Architectures").split_whitespace().any(|arch| arch == "all")
                && !text("No-Support-for-Architecture-all").contains("Packages"),
            files: files(&stanza, wanted)?,
        })
    }

    /// Whether it holds security updates.
    pub fn is_security(&self) -> bool {
        let suites = [&self.suite, &self.codename];
        self.label == "Debian-Security" || suites.iter().any(|suite| suite.ends_with("-security"))
    }

    /// Whether fixes come into this suite itself, and there is none apart for them.
    pub fn is_rolling(&self) -> bool {
        self.origin == "Debian" && self.codename == "sid"
    }

    /// Whether it belongs to the release of a codename.
    pub fn is_of(&self, codename: &str) -> bool {
        let stem = |name: &str| name.split(['-', '/']).next() == Some(codename);
        stem(&self.codename) || stem(&self.suite)
    }
}

/// The strongest list of files that is there.
fn files(
    stanza: &Stanza<'_>,
    wanted: impl Fn(&str) -> bool,
) -> Result<HashMap<String, u64>, ReleaseError> {
    let lists = ["SHA256", "SHA512", "SHA1", "MD5Sum"];
    let Some(list) = lists.iter().find_map(|name| stanza.field(name)) else {
        return Ok(HashMap::new());
    };
    let mut files = HashMap::new();
    for line in list.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(_), Some(size), Some(path)) = (words.next(), words.next(), words.next()) else {
            return Err(ReleaseError::Field("SHA256"));
        };
        let path = path.strip_prefix("./").unwrap_or(path);
        if wanted(path) {
            let size = size.parse().map_err(|_| ReleaseError::Field("SHA256"))?;
            files.insert(path.to_owned(), size);
        }
    }
    Ok(files)
}

/// The day of `Sat, 10 Jun 2023 08:53:33 UTC`. The zone is always UTC.
fn day(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_ascii_whitespace().skip(1);
    let day = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(month))?;
    let year = words.next()?.parse().ok()?;
    words.next().filter(|time| time.split(':').count() == 3)?;
    let date = jiff::civil::Date::new(year, i8::try_from(month + 1).ok()?, day).ok()?;
    let since = date.since(jiff::civil::date(1970, 1, 1)).ok()?;
    Some(i64::from(since.get_days()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\n\
                        Codename: bookworm-security\nDate: Sat, 10 Jun 2023 08:53:33 UTC\n\
                        Valid-Until: Sat, 17 Jun 2023 08:53:33 UTC\nArchitectures: amd64\n\
                        MD5Sum:\n 00 9 main/binary-amd64/Packages\nSHA256:\n \
                        00 12 main/binary-amd64/Packages\n 00 3 other\n";

    #[test]
    fn a_release_says_what_it_is_and_how_large_its_files_are() {
        let release = Release::parse(TEXT, |path| path != "other").expect("release");
        assert_eq!((release.date_day, release.valid_until_day), (19_518, Some(19_525)));
        assert_eq!(release.files, HashMap::from([("main/binary-amd64/Packages".to_owned(), 12)]));
        assert!(release.is_security() && release.is_of("bookworm") && !release.is_of("book"));
        let plain = TEXT.replace("-security", "").replace("Debian-Security", "Debian");
        assert!(!Release::parse(&plain, |_| true).expect("release").is_security());
        for (what, other) in [
            ("Date: Sat, 10 Jun", "Date: soon"),
            (" 12 main", " x main"),
            ("Valid-Until: Sat, 17 Jun", "Valid-Until: 17"),
        ] {
            assert!(Release::parse(&TEXT.replace(what, other), |_| true).is_err(), "{other}");
        }
    }

    #[test]
    fn a_signed_text_has_its_signature_at_its_end() {
        let signed = format!("{BEGIN}\nHash: SHA256\n\n{TEXT}{END}\n\nabc\n{LAST}\n");
        assert_eq!(signed_text(&signed), Ok(TEXT));
        for at in [0, 40, 200, signed.len() - 3] {
            assert_eq!(signed_text(&signed[..at]), Err(ReleaseError::Cut));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(Date: |SHA256:\n |[A-z0-9:, \n]|Sat, 10 Jun 2023){0,40}") {
            let _ = (signed_text(&text), Release::parse(&text, |_| true));
        }
    }
}
