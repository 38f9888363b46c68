//! The language of sshd_config(5): lines, keywords, values, `Match` criteria, algorithm lists and
//! the defaults of each release. Pure; the collector `ssh_server` walks the files.
//!
//! Checked against `sshd -T` of OpenSSH 8.4p1, 8.9p1, 9.2p1, 9.6p1 and 10.0p1 as Debian and Ubuntu
//! build them.

pub mod algorithms;
pub mod criteria;
pub mod defaults;
pub mod keywords;
pub mod lexer;
pub mod pattern;
pub mod values;

/// An OpenSSH release, such as 9.2; the portable suffix (`p1`) changes no configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    pub major: u16,
    pub minor: u16,
}

impl Release {
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// `9.2p1` → 9.2.
    pub fn parse(version: &str) -> Option<Self> {
        let (number, portable) = version.split_once('p')?;
        if portable.is_empty() || !portable.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (major, minor) = number.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    /// Whether the meaning of the language is known. Between 8.4 and 8.9 comments, quotes and keyboard-interactive authentication changed; those releases are not proven.
    pub fn is_understood(self) -> bool {
        self == Self::new(8, 4) || self >= Self::new(8, 9)
    }

    /// Arguments split in the manner of releases before 8.7: double quotes only, no backslash.
    fn splits_in_the_old_way(self) -> bool {
        self < Self::new(8, 7)
    }
}

/// What is wrong with a line: sshd refuses to start on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("no argument after the keyword")]
    NoArgument,
    #[error("unbalanced quotes")]
    Quotes,
    #[error("extra arguments at the end of the line")]
    ExtraArguments,
    #[error("value not allowed for this keyword")]
    Value,
    #[error("keyword not allowed in a Match block")]
    NotInMatch,
    #[error("bad Match criteria")]
    Criteria,
    #[error("includes nested too deeply")]
    TooDeep,
}
