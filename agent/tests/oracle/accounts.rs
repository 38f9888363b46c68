//! The facts of `accounts` in the form in which getent(1) and passwd(1) print them.

use evidence::kinds::Accounts;
use evidence::kinds::accounts::{Group, PasswordState, User};
use std::collections::BTreeSet;

pub(super) fn colons(parts: &[&dyn std::fmt::Display]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(":")
}

/// Lines without their fields 2 (passwords) and, in passwd, 5 (comments).
pub(super) fn without_fields(text: &str, fields: &[usize]) -> Vec<String> {
    let line = |line: &str| {
        let parts = line.splitn(7, ':').enumerate().filter(|(at, _)| !fields.contains(at));
        parts.map(|(_, part)| part).collect::<Vec<_>>().join(":")
    };
    text.lines().map(line).collect()
}

pub(super) fn as_getent(users: &[User]) -> Vec<String> {
    let line = |u: &User| colons(&[&u.name, &u.uid, &u.gid, &u.home, &u.shell]);
    users.iter().map(line).collect()
}

/// Status letter and ageing as `passwd -S` prints them.
pub(super) fn as_passwd_status(user: &User) -> String {
    let password = user.password.as_ref().expect("password");
    let letter = match password.state {
        PasswordState::Empty => "NP",
        PasswordState::Locked | PasswordState::Disabled => "L",
        PasswordState::Set | PasswordState::Unknown => "P",
        PasswordState::None => return format!("{} P", user.name),
    };
    let date = password.last_change_day.map_or("never".to_owned(), |day| {
        let date = jiff::civil::date(1970, 1, 1) + jiff::ToSpan::days(day);
        date.to_string()
    });
    let days = [password.min_days, password.max_days, password.warn_days, password.inactive_days];
    let days = days.map(|days| days.unwrap_or(-1).to_string());
    format!("{} {letter} {date} {}", user.name, days.join(" "))
}

/// Groups with their members sorted.
pub(super) fn groups_as_getent(accounts: &Accounts) -> Vec<String> {
    let line = |g: &Group| colons(&[&g.name, &g.gid, &g.members.join(",")]);
    accounts.groups.as_ref().expect("groups").iter().map(line).collect()
}

/// Lines of `getent group` without passwords, and with their members sorted.
pub(super) fn sorted_members(getent: &str) -> Vec<String> {
    let mut lines = without_fields(getent, &[1]);
    for line in &mut lines {
        let (head, members) = line.rsplit_once(':').expect("members");
        let members: BTreeSet<_> = members.split(',').filter(|name| !name.is_empty()).collect();
        *line = format!("{head}:{}", members.into_iter().collect::<Vec<_>>().join(","));
    }
    lines
}
