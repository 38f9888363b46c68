//! Reads passwd(5), group(5), shadow(5), gshadow(5), login.defs(5) and nsswitch.conf(5). shadow and
//! gshadow need root or CAP_DAC_READ_SEARCH; without them the kind is `partial`.

mod homes;
mod memberships;
mod passwords;

use super::{Collector, facts};
use crate::formats::passwd::{self, PasswdLine, Records, shown};
use crate::formats::{login_defs, nsswitch};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::accounts::{Duplicates, User};
use evidence::kinds::{Accounts, Kind};
use memberships::Memberships;
use passwords::Shadow;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const COLLECTOR: Collector = Collector {
    kind: Accounts::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const PASSWD: &str = "/etc/passwd";
/// Bound of each of the four files: a hundred thousand accounts are 8 MiB.
const MAX_BYTES: u64 = 64 << 20;
/// The defaults of the shadow suite for UID_MIN and UID_MAX.
const UID_MIN: i64 = 1000;
const UID_MAX: i64 = 60_000;
const NOBODY: u32 = 65_534;

/// Shells that open no session. Whole paths: a program of the same name elsewhere may be anything.
const NO_LOGIN: &[&[u8]] = &[
    b"/usr/sbin/nologin",
    b"/sbin/nologin",
    b"/usr/bin/nologin",
    b"/bin/nologin",
    b"/usr/bin/false",
    b"/bin/false",
    b"/usr/bin/true",
    b"/bin/true",
    b"/dev/null",
];

fn collect(reading: &mut Reading<'_>) -> Result<Accounts, Failure> {
    let passwd = read_passwd(reading)?;
    let memberships = Memberships::read(reading);
    let shadow = Shadow::read(reading);
    let uids = uid_range(reading);
    let nss_passwd = nss_passwd(reading);
    let users = passwd
        .lines
        .iter()
        .map(|line| user(reading, line, memberships.as_ref(), shadow.as_ref(), uids.as_ref()))
        .collect();
    let privileged_users = memberships.as_ref().and_then(|known| known.privileged(&passwd.lines));
    if privileged_users.is_none() {
        reading.unread("privileged_users");
    }
    Ok(Accounts {
        users,
        duplicates: duplicates(&passwd.lines, memberships.as_ref()),
        privileged_users,
        hashes_in_passwd: hashes(&passwd.lines),
        legacy_plus_entries: legacy(reading, passwd.legacy, memberships.as_ref(), shadow.as_ref()),
        nss_passwd,
        shadow_only: shadow.as_ref().and_then(|shadow| shadow.without(&passwd.lines)),
        shadow_duplicates: shadow.as_ref().and_then(Shadow::duplicates),
        groups: memberships.as_ref().map(Memberships::facts),
    })
}

/// The C library skips a line it cannot read. Other programs may not, so such a line could be an
/// account nobody counted, root among them: then there is no list of users.
pub(super) fn read_passwd(reading: &mut Reading<'_>) -> Result<Records<PasswdLine>, Failure> {
    let bytes = reading.config_bytes(PASSWD, MAX_BYTES)?;
    let records = passwd::passwd(&bytes);
    match records.faults {
        None => Ok(records),
        Some(faults) => {
            reading.malformed(PASSWD, faults.to_string());
            Err(Failure(Status::ParseError))
        }
    }
}

fn user(
    reading: &mut Reading<'_>,
    line: &PasswdLine,
    memberships: Option<&Memberships>,
    shadow: Option<&Shadow>,
    uids: Option<&std::ops::RangeInclusive<i64>>,
) -> User {
    let uid = i64::from(line.uid);
    let home = homes::look(reading, &line.home);
    let login_shell = !NO_LOGIN.contains(&line.shell.as_slice());
    let password = shadow.and_then(|shadow| shadow.password(line));
    User {
        name: shown(&line.name),
        uid,
        gid: i64::from(line.gid),
        home: shown(&line.home),
        home_exists: home.exists,
        home_other_read: home.has(0o004),
        home_other_write: home.has(0o002),
        home_other_search: home.has(0o001),
        home_group_write: home.has(0o020),
        home_foreign_owner: home.is_of_another_than(line.uid),
        shell: shown(&line.shell),
        login_shell,
        system: uids.map(|uids| line.uid == 0 || !uids.contains(&uid)),
        human: uids.map(|uids| line.uid != 0 && line.uid != NOBODY && uids.contains(&uid)),
        enabled: password.as_ref().map(|password| {
            // Day 0 and 1 are the ways of saying "closed"; any later day is for rules to judge.
            login_shell && !matches!(password.expire_day, Some(0 | 1))
        }),
        groups: memberships.map(|memberships| memberships.names_of(line)),
        password,
    }
}

/// UID_MIN … UID_MAX. openSUSE keeps the vendor's file under /usr/etc.
fn uid_range(reading: &mut Reading<'_>) -> Option<std::ops::RangeInclusive<i64>> {
    let mut path = "/etc/login.defs";
    let mut text = reading.config(path);
    if text == Err(ReadError::Absent) {
        path = "/usr/etc/login.defs";
        text = reading.config(path);
    }
    let range = match text {
        Ok(text) => {
            let min = login_defs::number(&text, "UID_MIN", UID_MIN);
            let max = login_defs::number(&text, "UID_MAX", UID_MAX);
            let range = min.zip(max).map(|(min, max)| min..=max);
            if range.is_none() {
                reading.malformed(path, "UID_MIN or UID_MAX is not a number");
            }
            range
        }
        Err(ReadError::Absent) => Some(UID_MIN..=UID_MAX),
        Err(_) => None,
    };
    if range.is_none() {
        reading.unread("users.system");
        reading.unread("users.human");
    }
    range
}

/// openSUSE keeps the vendor's file under /usr/etc.
fn nss_passwd(reading: &mut Reading<'_>) -> Option<Vec<String>> {
    let mut path = "/etc/nsswitch.conf";
    let mut text = reading.config(path);
    if text == Err(ReadError::Absent) {
        path = "/usr/etc/nsswitch.conf";
        text = reading.config(path);
    }
    let services = text.ok().map(|text| nsswitch::services(&text, "passwd"));
    if services == Some(None) {
        reading.malformed(path, "not exactly one well-formed line `passwd:`");
    }
    let services = services.flatten();
    if services.is_none() {
        reading.unread("nss_passwd");
    }
    services
}

fn legacy(
    reading: &mut Reading<'_>,
    passwd: usize,
    memberships: Option<&Memberships>,
    shadow: Option<&Shadow>,
) -> Option<i64> {
    let shadow = shadow.filter(|shadow| shadow.is_whole());
    let others = memberships.zip(shadow).map(|(group, shadow)| group.legacy + shadow.legacy);
    let count = others.and_then(|others| i64::try_from(passwd + others).ok());
    if count.is_none() {
        reading.unread("legacy_plus_entries");
    }
    count
}

fn duplicates(lines: &[PasswdLine], memberships: Option<&Memberships>) -> Duplicates {
    let users: Vec<_> = lines.iter().map(|line| (line.uid, line.name.as_slice())).collect();
    let groups = memberships.map(Memberships::numbered);
    let names = groups.as_ref().map(|groups| {
        let group = repeated_names(groups).into_iter().map(|name| format!("group {name}"));
        let user = repeated_names(&users).into_iter().map(|name| format!("user {name}"));
        group.chain(user).collect()
    });
    Duplicates {
        uids: shared_numbers(&users),
        gids: groups.as_ref().map(|groups| shared_numbers(groups)),
        names,
    }
}

/// `number name name …` of every number with more than one name, by number.
fn shared_numbers(entries: &[(u32, &[u8])]) -> Vec<String> {
    let mut names: BTreeMap<u32, BTreeSet<&[u8]>> = BTreeMap::new();
    for (number, name) in entries {
        names.entry(*number).or_default().insert(name);
    }
    let shared = names.into_iter().filter(|(_, names)| names.len() > 1);
    shared
        .map(|(number, names)| {
            let names: Vec<_> = names.into_iter().map(shown).collect();
            format!("{number} {}", names.join(" "))
        })
        .collect()
}

fn repeated_names(entries: &[(u32, &[u8])]) -> Vec<String> {
    sorted_repeats(entries.iter().map(|(_, name)| *name))
}

/// What comes more than once, sorted.
fn sorted_repeats<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let repeated: BTreeSet<_> = names.filter(|name| !seen.insert(*name)).collect();
    repeated.into_iter().map(shown).collect()
}

fn hashes(lines: &[PasswdLine]) -> Vec<String> {
    let with_hash = lines.iter().filter(|line| line.password.scheme().is_some());
    let names: BTreeSet<_> = with_hash.map(|line| shown(&line.name)).collect();
    names.into_iter().collect()
}
