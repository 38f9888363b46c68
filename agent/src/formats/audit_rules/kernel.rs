//! What the kernel says of its audit (linux/audit.h): its state, and its rules in their order.

use super::syscalls::{self, AARCH64, I386, X86_64};
use super::{Arch, Field, List, Rule, STATE, Target};
use crate::host::netlink::{Ask, Ends, Question, Whom, messages};
use std::collections::BTreeSet;

const GET: u16 = 1000;
const LIST_RULES: u16 = 1013;
const MASK_WORDS: usize = 64;
const MAX_FIELDS: usize = 64;

const ARCH: u32 = 11;
const WATCH: u32 = 105;
const PERM: u32 = 106;
const DIR: u32 = 107;
/// Fields whose value is the length of a text behind the rule.
const TEXTS: [u32; 14] = [13, 14, 15, 16, 17, 19, 20, 21, 22, 23, WATCH, DIR, 112, 210];

pub fn question() -> Question {
    let ask = |kind, ends| Ask { kind, body: Vec::new(), ends };
    let asks = vec![ask(GET, Ends::With(GET)), ask(LIST_RULES, Ends::List)];
    Question { name: STATE, to: Whom::Audit, asks }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an answer of audit")]
pub struct NotAnAnswer;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// 0 off, 1 on, 2 on until the next restart.
    pub enabled: u32,
    /// Whether a daemon takes the records.
    pub has_daemon: bool,
    pub has_lost: bool,
    pub rules: Vec<Rule>,
}

pub fn read(bytes: &[u8]) -> Result<State, NotAnAnswer> {
    let mut state = None;
    let (mut rules, mut ends) = (Vec::new(), 0);
    for message in messages(bytes) {
        let message = message.ok_or(NotAnAnswer)?;
        match message.kind {
            _ if message.is_end() => ends += 1,
            GET if state.is_none() => state = Some(status(message.body).ok_or(NotAnAnswer)?),
            LIST_RULES if ends == 0 => rules.push(rule(message.body).ok_or(NotAnAnswer)?),
            _ => return Err(NotAnAnswer),
        }
    }
    match state {
        // A list that was cut has no end.
        Some((enabled, has_daemon, has_lost)) if ends == 1 => {
            Ok(State { enabled, has_daemon, has_lost, rules })
        }
        _ => Err(NotAnAnswer),
    }
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(index * 4..)?.first_chunk()?))
}

/// struct audit_status.
fn status(body: &[u8]) -> Option<(u32, bool, bool)> {
    let enabled = word(body, 1).filter(|enabled| *enabled <= 2)?;
    Some((enabled, word(body, 3)? != 0, word(body, 6)? != 0))
}

/// struct audit_rule_data: list, action, number of fields, mask of calls, fields, values, operators,
/// length of texts, texts.
fn rule(body: &[u8]) -> Option<Rule> {
    let list = match word(body, 0)? {
        4 => List::Exit,
        5 => List::Exclude,
        1 => List::Task,
        0 | 6 | 7 => List::Other,
        _ => return None,
    };
    let always = match word(body, 1)? {
        0 => false,
        2 => true,
        _ => return None,
    };
    let count = word(body, 2)? as usize;
    if count > MAX_FIELDS {
        return None;
    }
    let mut rule = Rule::new(list, always);
    let fields = 3 + MASK_WORDS;
    let mut texts = body.get((fields + 3 * MAX_FIELDS + 1) * 4..)?;
    let mut machine = 0;
    for at in 0..count {
        let kind = word(body, fields + at)?;
        let value = word(body, fields + MAX_FIELDS + at)?;
        let operator = operator(word(body, fields + 2 * MAX_FIELDS + at)?)?;
        let text = if TEXTS.contains(&kind) {
            let (text, rest) = texts.split_at_checked(value as usize)?;
            texts = rest;
            Some(std::str::from_utf8(text).ok()?.to_owned())
        } else {
            None
        };
        match (kind, text) {
            (ARCH, _) if operator == "=" => {
                machine = value;
                rule.arch = Some(match value {
                    X86_64 | AARCH64 => Arch::B64,
                    I386 => Arch::B32,
                    _ => Arch::Other,
                });
            }
            (WATCH, Some(path)) => rule.target = Some(Target { path, is_tree: false }),
            (DIR, Some(path)) => rule.target = Some(Target { path, is_tree: true }),
            (PERM, _) => rule.perm = Some(perms(value)),
            (kind, text) => {
                let value = text.unwrap_or_else(|| value.to_string());
                let name = name(kind, &value);
                rule.fields.push(Field { name, operator, value });
            }
        }
    }
    rule.calls = calls(body, machine)?;
    Some(rule)
}

/// `None` stands for all; calls that this program has no name for are told by their number.
fn calls(body: &[u8], machine: u32) -> Option<Option<BTreeSet<String>>> {
    let words: Option<Vec<u32>> = (0..MASK_WORDS).map(|at| word(body, 3 + at)).collect();
    let words = words?;
    // The last word has bits for classes of calls, which the kernel spreads over the others.
    if words.iter().take(MASK_WORDS - 1).all(|word| *word == u32::MAX) {
        return Some(None);
    }
    let mut calls = BTreeSet::new();
    for (word, first) in words.iter().zip((0u32..).step_by(32)) {
        for bit in (0..32).filter(|bit| word & (1 << bit) != 0) {
            let number = first + bit;
            // Without an architecture the numbers are those of the kernel's own.
            let machine = if machine == 0 { native() } else { machine };
            let name = syscalls::name(number, machine).map(str::to_owned);
            calls.insert(name.unwrap_or_else(|| number.to_string()));
        }
    }
    // A rule over a file names no calls at all.
    Some(if calls.is_empty() { None } else { Some(calls) })
}

fn native() -> u32 {
    if cfg!(target_arch = "aarch64") { AARCH64 } else { X86_64 }
}

fn operator(bits: u32) -> Option<&'static str> {
    Some(match bits & 0x7800_0000 {
        0x4000_0000 => "=",
        0x3000_0000 => "!=",
        0x1000_0000 => "<",
        0x2000_0000 => ">",
        0x5000_0000 => "<=",
        0x6000_0000 => ">=",
        0x0800_0000 => "&",
        0x4800_0000 => "&=",
        _ => return None,
    })
}

fn perms(bits: u32) -> String {
    let letters = [(4, 'r'), (2, 'w'), (1, 'x'), (8, 'a')];
    letters.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, letter)| *letter).collect()
}

fn name(kind: u32, value: &str) -> String {
    match kind {
        2 => "euid",
        9 => "auid",
        12 => "msgtype",
        24 => "loginuid_set",
        103 => "exit",
        104 => "success",
        111 if value == "11" => "uid_to_euid",
        112 => "exe",
        200 => "a0",
        210 => "key",
        other => return format!("field {other}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..1300)) {
            let _ = (read(&bytes), rule(&bytes), status(&bytes));
        }
    }
}
