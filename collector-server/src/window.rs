//! Change windows: a change that was announced, which excuses only what it expects. Pure: reading
//! and checking; which drift lies in one is found where drifts are written.

use crate::alert::PAGE_RULES;
use crate::expected::{BadFile, BadLine, Table, finish};
use crate::population;
use evidence::{HostId, kinds};
use std::collections::{BTreeMap, BTreeSet};

/// Longest window: a change that lasts longer is the new state, or several windows.
const MAX_US: i64 = 30 * 86_400_000_000;
/// Most names of one sort.
const MAX_NAMES: usize = 1000;

/// A window that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub from_us: i64,
    pub to_us: i64,
    pub groups: BTreeSet<String>,
    pub hosts: BTreeSet<HostId>,
    pub rules: BTreeSet<String>,
    pub kinds: BTreeSet<String>,
    pub populations: BTreeSet<String>,
    pub ticket: String,
}

/// What is wrong with a window, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("its end is not after its begin")]
    Backwards,
    #[error("its end is over")]
    Over,
    #[error("it lasts longer than 30 days")]
    TooLong,
    #[error("it names no group and no host")]
    NoScope,
    #[error("it expects nothing: name rules, kinds or populations")]
    NothingExpected,
    #[error("it has no ticket")]
    NoTicket,
    #[error("there is no {0} `{1}`")]
    Unknown(&'static str, String),
    #[error("it names too much")]
    TooMuch,
}

/// What there is to name.
pub struct Known<'a> {
    pub rules: &'a BTreeSet<String>,
    pub groups: &'a BTreeSet<String>,
    /// By name; a name that several hosts have names none.
    pub hosts: &'a BTreeMap<String, Vec<HostId>>,
}

impl Wanted {
    pub fn check(&self, known: &Known<'_>, now_us: i64) -> Result<(), Wrong> {
        if self.to_us <= self.from_us {
            return Err(Wrong::Backwards);
        }
        if self.to_us <= now_us {
            return Err(Wrong::Over);
        }
        if self.to_us - self.from_us > MAX_US {
            return Err(Wrong::TooLong);
        }
        if self.groups.is_empty() && self.hosts.is_empty() {
            return Err(Wrong::NoScope);
        }
        if self.rules.is_empty() && self.kinds.is_empty() && self.populations.is_empty() {
            return Err(Wrong::NothingExpected);
        }
        if self.ticket.trim().is_empty() {
            return Err(Wrong::NoTicket);
        }
        let sizes = [&self.groups, &self.rules, &self.kinds, &self.populations].map(BTreeSet::len);
        if sizes.into_iter().chain([self.hosts.len(), self.ticket.len()]).any(|n| n > MAX_NAMES) {
            return Err(Wrong::TooMuch);
        }
        let unknown = |sort, names: &BTreeSet<String>, is: &dyn Fn(&str) -> bool| {
            let odd = names.iter().find(|name| !is(name));
            odd.map_or(Ok(()), |name| Err(Wrong::Unknown(sort, name.clone())))
        };
        unknown("group", &self.groups, &|name| known.groups.contains(name))?;
        unknown("rule", &self.rules, &|name| known.rules.contains(name))?;
        unknown("kind", &self.kinds, &|name| {
            kinds::find(name).is_some() || name.starts_with("own_")
        })?;
        unknown("population", &self.populations, &|name| population::find(name).is_some())
    }
}

/// Whether a window that expects a kind of evidence to change expects this rule to fail by it.
/// Rules that somebody is called for must be named.
pub fn goes_with_its_kind(rule: &str) -> bool {
    !PAGE_RULES.contains(&rule)
}

/// Reads a list of windows: `from`, `to`, `ticket`, and of `groups`, `hosts`, `rules`, `kinds` and
/// `populations` what there is, with spaces between names. All or nothing.
pub fn parse(bytes: &[u8], known: &Known<'_>, now_us: i64) -> Result<Vec<Wanted>, BadFile> {
    let more = ["groups", "hosts", "rules", "kinds", "populations"];
    let table = Table::read(bytes, &["from", "to", "ticket"], &more)?;
    let mut bad = table.bad.clone();
    let mut windows = vec![];
    for (line, row) in &table.rows {
        match window(row, known, now_us) {
            Ok(window) => windows.push(window),
            Err((reason, remedy)) => bad.push(BadLine { line: *line, reason, remedy }),
        }
    }
    finish(bad)?;
    Ok(windows)
}

type Refused = (String, String);

fn window(
    row: &BTreeMap<&'static str, String>,
    known: &Known<'_>,
    now_us: i64,
) -> Result<Wanted, Refused> {
    let cell = |column: &str| row.get(column).map(String::as_str).unwrap_or_default();
    let at = |column: &str| {
        let text = cell(column);
        moment(text).ok_or_else(|| {
            let remedy = "write a moment in UTC, 2026-11-27T22:00:00Z".to_owned();
            (format!("`{text}` in {column} is no moment"), remedy)
        })
    };
    let names = |column: &str| -> BTreeSet<String> {
        cell(column).split_whitespace().map(str::to_owned).collect()
    };
    let wanted = Wanted {
        from_us: at("from")?,
        to_us: at("to")?,
        groups: names("groups"),
        hosts: hosts(&names("hosts"), known)
            .map_err(|wrong| (wrong.to_string(), "name hosts that are enrolled".to_owned()))?,
        rules: names("rules"),
        kinds: names("kinds"),
        populations: names("populations"),
        ticket: cell("ticket").to_owned(),
    };
    wanted.check(known, now_us).map_err(|wrong| (wrong.to_string(), remedy(&wrong).to_owned()))?;
    Ok(wanted)
}

/// A moment as RFC 3339 has it, in microseconds.
pub fn moment(text: &str) -> Option<i64> {
    text.trim().parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

/// Hosts by name or id.
pub fn hosts(names: &BTreeSet<String>, known: &Known<'_>) -> Result<BTreeSet<HostId>, Wrong> {
    let of = |name: &String| {
        let all = || known.hosts.values().flatten();
        match known.hosts.get(name).map(Vec::as_slice) {
            Some([one]) => Ok(*one),
            _ => {
                let id = name.parse::<HostId>().ok().filter(|id| all().any(|other| other == id));
                id.ok_or_else(|| Wrong::Unknown("host", name.clone()))
            }
        }
    };
    names.iter().map(of).collect()
}

fn remedy(wrong: &Wrong) -> &'static str {
    match wrong {
        Wrong::Backwards | Wrong::Over | Wrong::TooLong => "write the time of the change",
        Wrong::NoScope => "name groups or hosts",
        Wrong::NothingExpected => "name what the change will do",
        Wrong::NoTicket => "name what approved the change",
        Wrong::Unknown(..) => "write the name as the collector has it",
        Wrong::TooMuch => "split it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_423_320_000_000;
    const HOUR: i64 = 3_600_000_000;

    fn check<T>(test: impl FnOnce(&Known<'_>) -> T) -> T {
        let rules = BTreeSet::from(["ssh-root-login".to_owned()]);
        let groups = BTreeSet::from(["web".to_owned()]);
        let twins = vec![HostId::from(2u128), HostId::from(3u128)];
        let hosts = [("web-01".to_owned(), vec![HostId::from(1u128)]), ("twin".into(), twins)];
        test(&Known { rules: &rules, groups: &groups, hosts: &hosts.into() })
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_window_says_where_when_what_and_why() {
        let good = Wanted {
            from_us: NOW,
            to_us: NOW + HOUR,
            groups: names(&["web"]),
            rules: names(&["ssh-root-login"]),
            kinds: names(&["packages"]),
            populations: names(&["root-keys"]),
            ticket: "CHG-1".into(),
            ..Wanted::default()
        };
        let wrong = |change: fn(&mut Wanted)| {
            let mut wanted = good.clone();
            change(&mut wanted);
            check(|known| wanted.check(known, NOW))
        };
        assert_eq!(wrong(|_| {}), Ok(()));
        assert_eq!(wrong(|w| w.to_us = w.from_us), Err(Wrong::Backwards));
        assert_eq!(wrong(|w| w.to_us = NOW + MAX_US + 1), Err(Wrong::TooLong));
        assert_eq!(wrong(|w| (w.from_us, w.to_us) = (NOW - 2, NOW)), Err(Wrong::Over));
        assert_eq!(wrong(|w| w.groups.clear()), Err(Wrong::NoScope));
        assert_eq!(wrong(|w| w.ticket = " ".into()), Err(Wrong::NoTicket));
        let unknown = wrong(|w| w.rules = names(&["ssh-root"]));
        assert_eq!(unknown, Err(Wrong::Unknown("rule", "ssh-root".into())));
        let nothing = wrong(|w| {
            (w.rules, w.kinds, w.populations) = Default::default();
        });
        assert_eq!(nothing, Err(Wrong::NothingExpected));
    }

    #[test]
    fn a_file_is_taken_whole_or_every_bad_line_is_named() {
        let good = "from,to,hosts,groups,kinds,ticket\n\
            2026-11-23T22:00:00Z,2026-11-23T23:00:00Z,web-01,web,packages kernel,CHG-1\n";
        let read = |text: &str| check(|known| parse(text.as_bytes(), known, NOW));
        let windows = read(good).expect("windows");
        assert_eq!(windows.len(), 1);
        assert_eq!(windows[0].kinds, names(&["packages", "kernel"]));
        assert_eq!(windows[0].hosts, [HostId::from(1u128)].into());
        let bad = format!(
            "{good}tomorrow,2026-11-23T23:00:00Z,web-01,,packages,CHG-2\n\
             2026-11-23T22:00:00Z,2026-11-23T23:00:00Z,twin,,packages,CHG-3\n\
             2026-11-23T22:00:00Z,2026-11-23T23:00:00Z,web-01,,package,CHG-4\n\
             2026-11-23T22:00:00Z,2026-11-23T23:00:00Z,web-01,,,CHG-5\n"
        );
        let BadFile(lines) = read(&bad).expect_err("bad lines");
        let told: Vec<_> = lines.iter().map(|bad| bad.line).collect();
        assert_eq!(told, [3, 4, 5, 6], "{lines:#?}");
        assert!(lines[1].reason.contains("twin"), "two hosts have that name");
        assert!(lines[2].reason.contains("kind `package`"), "{}", lines[2].reason);
    }
}
