//! logrotate(8): how long each log file is kept. Reads what decides that and passes over the rest.

/// How long the entries of a log are kept, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Every entry is kept this long; `None` when the size of the file decides.
    pub at_least_days: Option<i64>,
    /// No entry of a log that is written to is kept longer; `None` when the size decides.
    pub at_most_days: Option<i64>,
}

/// The section that rotates some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Paths and patterns of glob(7).
    pub patterns: Vec<String>,
    pub kept: Kept,
}

/// Settings that hold where a section sets no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    rotate: i64,
    interval: Interval,
    maxage_days: Option<i64>,
    /// `size` replaces the interval; `maxsize` can only shorten it, `minsize` only lengthen it.
    size: bool,
    maxsize: bool,
    minsize: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interval {
    /// Depends on how often logrotate is started.
    None,
    Hourly,
    Days(i64, i64),
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rotate: 0,
            interval: Interval::None,
            maxage_days: None,
            size: false,
            maxsize: false,
            minsize: false,
        }
    }
}

/// What a file says, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Section(Section),
    /// A file or directory, and the settings so far.
    Include(String, Policy),
}

/// Reads one file; `policy` holds the settings so far and takes up those of this file, of which the
/// error names the line, from 1. Sections take the settings before them.
pub fn parse(text: &str, policy: &mut Policy) -> Result<Vec<Item>, usize> {
    let mut items = Vec::new();
    let mut patterns: Vec<String> = Vec::new();
    let mut section: Option<Policy> = None;
    let mut lines = text.lines().enumerate();
    while let Some((index, raw)) = lines.next() {
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = index + 1;
        let word = line.split_whitespace().next().unwrap_or_default();
        if SCRIPTS.contains(&word) {
            lines.find(|(_, line)| line.trim() == "endscript").ok_or(wrong)?;
            continue;
        }
        match &mut section {
            Some(own) if line == "}" => {
                let patterns = std::mem::take(&mut patterns);
                items.push(Item::Section(Section { patterns, kept: own.kept() }));
                section = None;
            }
            Some(own) => own.set(line).ok_or(wrong)?,
            None if line.starts_with(['/', '"', '\'', '{']) => {
                let head = line.strip_suffix('{');
                patterns.extend(paths(head.unwrap_or(line)).ok_or(wrong)?);
                if head.is_some() {
                    section = Some(*policy);
                }
            }
            None if !patterns.is_empty() => return Err(wrong),
            None => match line.strip_prefix("include") {
                Some(path) => items.push(Item::Include(path.trim().to_owned(), *policy)),
                None => policy.set(line).ok_or(wrong)?,
            },
        }
    }
    match section.is_none() && patterns.is_empty() {
        true => Ok(items),
        false => Err(text.lines().count()),
    }
}

const SCRIPTS: &[&str] = &["postrotate", "prerotate", "firstaction", "lastaction", "preremove"];
/// Settings that decide nothing about how long a log is kept.
const OTHERS: &[&str] = &[
    "addextension",
    "allowhardlink",
    "compress",
    "compresscmd",
    "compressext",
    "compressoptions",
    "copy",
    "copytruncate",
    "create",
    "createolddir",
    "dateext",
    "dateformat",
    "dateyesterday",
    "datehourago",
    "delaycompress",
    "extension",
    "ifempty",
    "mail",
    "mailfirst",
    "maillast",
    "missingok",
    "nocompress",
    "nocopy",
    "nocopytruncate",
    "nocreate",
    "nocreateolddir",
    "nodateext",
    "nodelaycompress",
    "nomail",
    "nomissingok",
    "noolddir",
    "norenamecopy",
    "nosharedscripts",
    "noshred",
    "notifempty",
    "olddir",
    "renamecopy",
    "sharedscripts",
    "shred",
    "shredcycles",
    "start",
    "su",
    "uncompresscmd",
];

/// The words of a line of paths; quotes hold blanks together.
fn paths(line: &str) -> Option<Vec<String>> {
    let mut paths = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (path, after) = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => rest[1..].split_once(quote)?,
            _ => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-*? @+:,".contains(c);
        // Braces and classes are patterns this reader does not match.
        let stars = path.matches('*').count();
        if !path.starts_with('/') || !path.chars().all(plain) || stars > 4 {
            return None;
        }
        paths.push(path.to_owned());
        rest = after.trim_start();
    }
    Some(paths)
}

impl Policy {
    fn set(&mut self, line: &str) -> Option<()> {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (name, argument) = line.split_once([' ', '\t', '=']).unwrap_or((line, ""));
        let argument = argument.trim_matches(|c: char| c.is_whitespace() || c == '=');
        match name {
            "hourly" => self.interval = Interval::Hourly,
            "daily" => self.interval = Interval::Days(1, 1),
            "weekly" => self.interval = Interval::Days(7, 7),
            "monthly" => self.interval = Interval::Days(28, 31),
            "yearly" => self.interval = Interval::Days(365, 366),
            "rotate" => self.rotate = argument.parse().ok().filter(|count| *count >= -1)?,
            "maxage" => self.maxage_days = Some(argument.parse().ok().filter(|days| *days >= 0)?),
            "size" => self.size = true,
            "maxsize" => self.maxsize = true,
            "minsize" => self.minsize = true,
            name if OTHERS.contains(&name) => {}
            _ => return None,
        }
        if ["hourly", "daily", "weekly", "monthly", "yearly"].contains(&name) {
            // The later of `size` and an interval is in force.
            self.size = false;
        }
        Some(())
    }

    fn kept(self) -> Kept {
        let by_size = Kept::default();
        let (short, long) = match self.interval {
            _ if self.size => return by_size,
            Interval::None | Interval::Hourly => return by_size,
            Interval::Days(short, long) => (short, long),
        };
        let forever = self.rotate == -1;
        // rotate 0 removes a log at once: nothing is sure to be kept.
        let least = self.rotate.checked_mul(short).filter(|_| !forever);
        let most = self.rotate.checked_add(1).and_then(|count| count.checked_mul(long));
        let most = most.filter(|_| !forever);
        let (least, most) = match self.maxage_days {
            None => (least, most),
            // Checked when the log is rotated, so up to an interval later.
            Some(age) => {
                let late = age.checked_add(long);
                (
                    Some(least.map_or(age, |days| days.min(age))),
                    most.map_or(late, |days| late.map(|late| days.min(late))),
                )
            }
        };
        Kept {
            at_least_days: least.filter(|_| !self.maxsize),
            at_most_days: most.filter(|_| !self.minsize),
        }
    }
}

/// glob(7) with `*` and `?`, neither of which matches `/`.
pub fn matches(pattern: &str, path: &str) -> bool {
    match (pattern.chars().next(), path.chars().next()) {
        (None, None) => true,
        (Some('*'), next) => {
            matches(&pattern[1..], path)
                || next.is_some_and(|c| c != '/' && matches(pattern, &path[c.len_utf8()..]))
        }
        (Some('?'), Some(c)) if c != '/' => matches(&pattern[1..], &path[c.len_utf8()..]),
        (Some(a), Some(b)) if a == b => matches(&pattern[a.len_utf8()..], &path[b.len_utf8()..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> (Option<i64>, Option<i64>) {
        let items = parse(text, &mut Policy::default()).expect(text);
        match items.last() {
            Some(Item::Section(section)) => (section.kept.at_least_days, section.kept.at_most_days),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_log_is_kept_for_its_rotations() {
        for (text, least, most) in [
            ("weekly\nrotate 4\n/a {\n}\n", Some(28), Some(35)),
            ("weekly\nrotate 4\n/a {\ndaily\nrotate 90\n}\n", Some(90), Some(91)),
            ("/a\n{\nmonthly\nrotate 12\n}\n", Some(336), Some(403)),
            ("/a {\nweekly\nrotate 52\nmaxage 90\n}\n", Some(90), Some(97)),
            ("/a {\ndaily\nrotate 7\nmaxsize 10M\n}\n", None, Some(8)),
            ("/a {\ndaily\nrotate 7\nminsize 1M\n}\n", Some(7), None),
            ("/a {\ndaily\nsize 1M\nrotate 7\n}\n", None, None),
            ("/a {\nsize 1M\ndaily\nrotate 7\n}\n", Some(7), Some(8)),
            ("/a {\nhourly\nrotate 7\n}\n", None, None),
            ("/a {\ndaily\nrotate -1\n}\n", None, None),
            ("/a {\ndaily\n}\n", Some(0), Some(1)),
            (
                "/a {\npostrotate\nrotate 99\n}\nendscript\ndaily\nrotate 1 # more\n}\n",
                Some(1),
                Some(2),
            ),
        ] {
            assert_eq!(kept(text), (least, most), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_names_its_line() {
        for text in ["\nrotat 4\n", "\n/a {\nrotate x\n", "\nrotate x\n", "\n/{a,b} {\n}\n", "\n/a"]
        {
            assert!(parse(text, &mut Policy::default()).is_err_and(|line| line >= 2), "{text}");
        }
    }

    #[test]
    fn a_star_stays_in_its_directory() {
        assert!(matches("/var/log/*.log", "/var/log/auth.log"));
        assert!(!matches("/var/log/*.log", "/var/log/a/auth.log"));
        assert!(!matches("/var/log/*.log", "/var/log/syslog"));
        assert!(matches("/var/log/sys???", "/var/log/syslog"));
    }
}
