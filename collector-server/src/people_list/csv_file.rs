//! A list of people as comma-separated text.

use super::{Listed, key_of};
use crate::expected::{BadFile, BadLine, Row, Table, opened};
use std::collections::BTreeMap;

/// Longest name of a person, unit or account.
const MAX_CHARS: usize = 200;

/// A list, and the columns of the file that are not used.
pub struct PeopleFile {
    pub people: Vec<Listed>,
    pub ignored: Vec<String>,
}

/// Reads `person` and `accounts`, perhaps `unit`, `start` and `leave`. An account belongs to one
/// person.
pub fn parse(bytes: &[u8]) -> Result<PeopleFile, BadFile> {
    let table = Table::read(bytes, &["person", "accounts"], &["unit", "start", "leave"])?;
    let mut bad = table.bad.clone();
    let mut people: Vec<Listed> = vec![];
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    let mut owners: BTreeMap<String, u64> = BTreeMap::new();
    for (line, row) in &table.rows {
        let mut refuse = |reason: String, remedy: &str| {
            bad.push(BadLine { line: *line, reason, remedy: remedy.to_owned() });
        };
        let person = match person(row) {
            Ok(person) => person,
            Err((reason, remedy)) => {
                refuse(reason, &remedy);
                continue;
            }
        };
        if let Some(first) = lines.get(&key_of(&person.person)) {
            let reason = format!("this person is in line {first} already (case does not matter)");
            refuse(reason, "put all accounts into one line, or tell the two apart");
            continue;
        }
        let twice = person.accounts.iter().find_map(|name| Some((name, owners.get(name)?)));
        if let Some((account, first)) = twice {
            let reason = format!("the account {account} is that of line {first}");
            refuse(reason, "give a shared account to a line of its own");
            continue;
        }
        owners.extend(person.accounts.iter().map(|name| (name.clone(), *line)));
        lines.insert(key_of(&person.person), *line);
        people.push(person);
    }
    if people.is_empty() && bad.is_empty() {
        let (reason, remedy) = ("the file lists nobody".into(), "add a line per person".into());
        bad.push(BadLine { line: 1, reason, remedy });
    }
    bad.sort_by_key(|bad| bad.line);
    if !bad.is_empty() {
        return Err(BadFile(bad));
    }
    Ok(PeopleFile { people, ignored: table.ignored })
}

fn person(row: &Row) -> Result<Listed, (String, String)> {
    let text = |column: &str| row.get(column).map(|text| opened(text)).unwrap_or_default();
    let fits = |text: &str| text.chars().count() <= MAX_CHARS;
    let (person, unit) = (text("person"), text("unit"));
    if person.is_empty() {
        return Err(("`person` is empty".into(), "give the name or number of the person".into()));
    }
    if !fits(&person) || !fits(&unit) {
        let remedy = format!("write at most {MAX_CHARS} characters");
        return Err(("`person` or `unit` is too long".into(), remedy));
    }
    let accounts = text("accounts");
    let accounts = accounts.split([';', ' ']).map(str::trim).filter(|name| !name.is_empty());
    let account = |name: &str| match name.contains([',', ':', '/']) || !fits(name) {
        false => Ok(name.to_owned()),
        true => Err((
            format!("`{name}` is no name of an account"),
            "write names as passwd has them, with semicolons between them".to_owned(),
        )),
    };
    let listed = Listed {
        person,
        accounts: accounts.map(account).collect::<Result<_, _>>()?,
        unit,
        start_day: day(&text("start"))?,
        leave_day: day(&text("leave"))?,
    };
    if let (Some(start), Some(leave)) = (listed.start_day, listed.leave_day)
        && leave < start
    {
        return Err(("they leave before they start".into(), "correct one of the two days".into()));
    }
    Ok(listed)
}

/// `2026-11-30`, or nothing.
fn day(text: &str) -> Result<Option<i64>, (String, String)> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || (format!("`{text}` is no day"), "write days as 2026-11-30".to_owned());
    let date: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = epoch.until(date).map_err(|_| wrong())?;
    Ok(Some(i64::from(days.get_days())))
}
