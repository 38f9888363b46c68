//! Formats of lines.

use super::{Malformed, Tree};
use regex_lite::Regex;
use std::collections::BTreeMap;

type Members = BTreeMap<String, Vec<Tree>>;

/// Lines of `key = value`, `key: value` or `key value`. A line that begins with `#` or `;` is a
/// comment; a value in double or single quotes is what stands between them.
pub fn key_value(text: &str) -> Result<Tree, Malformed> {
    let mut members = Members::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let end = line.find(|c: char| c == '=' || c == ':' || c.is_whitespace());
        let (key, rest) = line.split_at(end.unwrap_or(line.len()));
        let rest = rest.trim_start();
        let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim();
        add(&mut members, key, value, number)?;
    }
    Ok(Tree::Map(members))
}

/// Sections in brackets with `key = value` below them. Keys before the first section stand beside
/// the sections. A section that is opened again goes on.
pub fn ini(text: &str) -> Result<Tree, Malformed> {
    let mut top = Members::new();
    let mut section: Option<(String, Members)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            let name = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
            let name = name.ok_or(Malformed { line: number, what: "a section without its end" })?;
            close(&mut top, section.replace((name.trim().to_owned(), Members::new())));
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .ok_or(Malformed { line: number, what: "neither a section nor `key = value`" })?;
        let members = section.as_mut().map_or(&mut top, |(_, members)| members);
        add(members, key.trim(), value.trim(), number)?;
    }
    close(&mut top, section);
    Ok(Tree::Map(top))
}

fn close(top: &mut Members, section: Option<(String, Members)>) {
    let Some((name, members)) = section else { return };
    let said = top.entry(name).or_default();
    match said.iter_mut().find_map(|tree| match tree {
        Tree::Map(before) => Some(before),
        _ => None,
    }) {
        Some(before) => members.into_iter().for_each(|(key, mut values)| {
            before.entry(key).or_default().append(&mut values);
        }),
        None => said.push(Tree::Map(members)),
    }
}

fn add(members: &mut Members, key: &str, value: &str, line: usize) -> Result<(), Malformed> {
    if key.is_empty() {
        return Err(Malformed { line, what: "a value without a key" });
    }
    let value = unquoted(value).ok_or(Malformed { line, what: "a quote without its end" })?;
    members.entry(key.to_owned()).or_default().push(Tree::Word(value.to_owned()));
    Ok(())
}

/// What stands between quotes; a value without them as it is. None if only one of two is there.
fn unquoted(value: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.strip_suffix(quote);
        }
    }
    Some(value)
}

/// The named groups of a regular expression on every line it is found in.
pub fn matches(text: &str, pattern: &Regex) -> Tree {
    let mut members = Members::new();
    let names: Vec<&str> = pattern.capture_names().flatten().collect();
    for captures in text.lines().filter_map(|line| pattern.captures(line)) {
        for name in &names {
            if let Some(found) = captures.name(name) {
                let said = members.entry((*name).to_owned()).or_default();
                said.push(Tree::Word(found.as_str().to_owned()));
            }
        }
    }
    Tree::Map(members)
}
