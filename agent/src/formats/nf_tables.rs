//! The kernel's own form of nf_tables: answers over netlink (linux/netfilter/nf_tables.h), from
//! nft(8), firewalld, ufw and iptables-nft alike, as a [`Filter`] for one family of addresses.

mod attributes;
mod expressions;

use super::packet_filter::{Base, Chain, Filter, Hook};
use crate::host::netlink::{Ask, Ends, Message, Question, Whom, messages};
use attributes::{Attributes, number, text};
pub use expressions::Probe;
use expressions::rules;
use std::collections::{BTreeMap, BTreeSet};

pub const RULES: &str = "/netlink/nf_tables";
pub const SETS: &str = "/netlink/nf_tables_sets";

/// The part of nfnetlink that is nf_tables, in the upper byte of a message's type.
const NF_TABLES: u16 = 10 << 8;
const NEW_TABLE: u16 = NF_TABLES;
const GET_TABLE: u16 = NF_TABLES | 1;
const NEW_CHAIN: u16 = NF_TABLES | 3;
const GET_CHAIN: u16 = NF_TABLES | 4;
const NEW_RULE: u16 = NF_TABLES | 6;
const GET_RULE: u16 = NF_TABLES | 7;
const NEW_SET: u16 = NF_TABLES | 9;
const GET_SET: u16 = NF_TABLES | 10;
const NEW_ELEMENTS: u16 = NF_TABLES | 12;
const GET_ELEMENTS: u16 = NF_TABLES | 13;
/// Ends of lists in the answer to [`question`].
const LISTS: usize = 4;

const INET: u8 = 1;
/// A table that is switched off.
const DORMANT: u32 = 1;
const ANONYMOUS: u32 = 1;
const INTERVALS: u32 = 4;
/// Flags of a set whose members come and go by themselves (timeout, rules that add), or are ranges of
/// several values.
const MOVING: u32 = 0x10 | 0x20 | 0x80;
/// More members of a set with a name are not looked at one by one: nobody knows what such a list
/// leaves out.
const MAX_NAMED: usize = 256;
const INTERVAL_END: u32 = 1;

/// Everything but what is in sets.
pub fn question() -> Question {
    let dump = |kind| Ask { kind, body: family_header(0), ends: Ends::Dump };
    let asks = [GET_TABLE, GET_CHAIN, GET_RULE, GET_SET].map(dump).to_vec();
    Question { name: RULES, to: Whom::Netfilter, asks }
}

/// What is in the sets that rules hold within themselves, `{ 22, 80 }`, and in those with a name that
/// somebody filled and nothing changes.
pub fn question_of_sets(answer: &Answer) -> Question {
    let ask = |(family, table, set): &(u8, String, String)| {
        let mut body = family_header(*family);
        attributes::put_text(&mut body, 1, table);
        attributes::put_text(&mut body, 2, set);
        Ask { kind: GET_ELEMENTS, body, ends: Ends::Dump }
    };
    let asks = answer.sets.iter().filter(|(_, set)| set.is_asked()).map(|(key, _)| ask(key));
    Question { name: SETS, to: Whom::Netfilter, asks: asks.collect() }
}

fn family_header(family: u8) -> Vec<u8> {
    vec![family, 0, 0, 0]
}

/// The bytes are not what the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an answer of nf_tables")]
pub struct NotAnAnswer;

type Key = (u8, String, String);

/// What the kernel said, by family, table and name.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    dormant: BTreeSet<(u8, String)>,
    tables: BTreeSet<(u8, String)>,
    chains: Vec<(Key, Option<Base>)>,
    /// With their expressions, as they came.
    rules: Vec<(Key, Vec<u8>)>,
    pub(super) sets: BTreeMap<Key, Set>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Set {
    is_anonymous: bool,
    /// With a name, and as somebody wrote it.
    is_still: bool,
    pub(super) has_intervals: bool,
    /// Key and, in a map, what it stands for: both as they came.
    pub(super) elements: Option<Vec<Element>>,
}

impl Set {
    fn is_asked(&self) -> bool {
        self.is_anonymous || self.is_still
    }
}

#[derive(Debug, Clone)]
pub(super) struct Element {
    pub(super) key: Vec<u8>,
    /// The nested data of a map.
    pub(super) value: Vec<u8>,
    pub(super) is_end: bool,
    pub(super) is_catch_all: bool,
}

/// Shows `add` every message of an answer, and says how many lists ended.
fn each(
    bytes: &[u8],
    mut add: impl FnMut(&Message<'_>) -> Option<()>,
) -> Result<usize, NotAnAnswer> {
    let mut ends = 0;
    for message in messages(bytes) {
        let message = message.ok_or(NotAnAnswer)?;
        if message.is_end() {
            ends += 1;
        } else {
            add(&message).ok_or(NotAnAnswer)?;
        }
    }
    Ok(ends)
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAnAnswer> {
        let mut answer = Self::default();
        let ends = each(bytes, |message| answer.add(message))?;
        // A list that was cut has no end.
        if ends != LISTS || !answer.is_consistent() {
            return Err(NotAnAnswer);
        }
        Ok(answer)
    }

    /// Adds what is in the sets: the answer to [`question_of_sets`].
    pub fn add_sets(&mut self, bytes: &[u8]) -> Result<(), NotAnAnswer> {
        for set in self.sets.values_mut().filter(|set| set.is_asked()) {
            set.elements = Some(Vec::new());
        }
        let ends = each(bytes, |message| self.add_elements(message))?;
        let asked = self.sets.values().filter(|set| set.is_asked()).count();
        if ends != asked {
            return Err(NotAnAnswer);
        }
        for set in self.sets.values_mut().filter(|set| set.is_still) {
            set.elements = set.elements.take().filter(|elements| elements.len() <= MAX_NAMED);
        }
        Ok(())
    }

    /// Asks for no more than the sets within rules.
    pub fn leave_named_sets(&mut self) {
        self.sets.values_mut().for_each(|set| set.is_still = false);
    }

    fn add(&mut self, message: &Message<'_>) -> Option<()> {
        let (family, all) = body(message)?;
        match message.kind {
            NEW_TABLE => {
                let key = (family, text(all.get(1)?)?);
                if number(all.get(2)?)? & DORMANT != 0 {
                    self.dormant.insert(key.clone());
                }
                self.tables.insert(key);
            }
            NEW_CHAIN => {
                let key = (family, text(all.get(1)?)?, text(all.get(3)?)?);
                self.chains.push((key, base(&all)?));
            }
            NEW_RULE => {
                let key = (family, text(all.get(1)?)?, text(all.get(2)?)?);
                self.rules.push((key, all.get(4).unwrap_or_default().to_vec()));
            }
            NEW_SET => {
                let key = (family, text(all.get(1)?)?, text(all.get(2)?)?);
                let flags = all.get(3).map_or(Some(0), number)?;
                let has_intervals = flags & INTERVALS != 0;
                let is_anonymous = flags & ANONYMOUS != 0;
                let is_still = !is_anonymous && flags & MOVING == 0;
                self.sets
                    .insert(key, Set { is_anonymous, is_still, has_intervals, elements: None });
            }
            _ => return None,
        }
        Some(())
    }

    fn add_elements(&mut self, message: &Message<'_>) -> Option<()> {
        let (family, all) = body(message)?;
        if message.kind != NEW_ELEMENTS {
            return None;
        }
        let key = (family, text(all.get(1)?)?, text(all.get(2)?)?);
        let elements = self.sets.get_mut(&key)?.elements.as_mut()?;
        for (_, nested) in attributes::each(all.get(3).unwrap_or_default())? {
            let one = Attributes::parse(nested)?;
            let flags = one.get(3).map_or(Some(0), number)?;
            let key = match one.get(1) {
                Some(key) => Attributes::parse(key)?.get(1)?.to_vec(),
                None => Vec::new(),
            };
            elements.push(Element {
                is_catch_all: one.get(1).is_none(),
                key,
                value: one.get(2).unwrap_or_default().to_vec(),
                is_end: flags & INTERVAL_END != 0,
            });
        }
        Some(())
    }

    /// Chains lie in tables, and rules in chains.
    fn is_consistent(&self) -> bool {
        let chains: BTreeSet<&Key> = self.chains.iter().map(|(key, _)| key).collect();
        let table = |key: &Key| self.tables.contains(&(key.0, key.1.clone()));
        self.chains.iter().all(|(key, _)| table(key))
            && self.rules.iter().all(|(key, _)| chains.contains(key))
    }

    /// The chains that packets of one family pass.
    pub fn filter(&self, probe: &Probe<'_>) -> Result<Filter, NotAnAnswer> {
        let passes = |family: u8| family == INET || family == probe.family();
        let is_awake = |key: &Key| !self.dormant.contains(&(key.0, key.1.clone()));
        let mut filter = Filter::default();
        // An inet table may have the name of an ip table.
        let name = |key: &Key| (format!("{} {}", key.0, key.1), key.2.clone());
        for (key, base) in &self.chains {
            if passes(key.0) && is_awake(key) {
                filter.chains.insert(name(key), Chain { base: *base, rules: Vec::new() });
            }
        }
        for (key, expressions) in &self.rules {
            let Some(chain) = filter.chains.get_mut(&name(key)) else { continue };
            let sets = |set: &str| self.sets.get(&(key.0, key.1.clone(), set.to_owned()));
            chain.rules.extend(rules(expressions, probe, &sets).ok_or(NotAnAnswer)?);
        }
        Ok(filter)
    }
}

/// Family and attributes of a message.
fn body<'a>(message: &Message<'a>) -> Option<(u8, Attributes<'a>)> {
    let (head, rest) = message.body.split_at_checked(4)?;
    Some((*head.first()?, Attributes::parse(rest)?))
}

/// A base chain of type filter at a hook that matters; NAT and routing refuse nobody.
fn base(all: &Attributes<'_>) -> Option<Option<Base>> {
    let Some(hook) = all.get(4) else { return Some(None) };
    let hook = match number(Attributes::parse(hook)?.get(1)?)? {
        1 => Hook::Input,
        2 => Hook::Forward,
        _ => return Some(None),
    };
    let drops = match number(all.get(5)?)? {
        0 => true,
        1 => false,
        _ => return None,
    };
    let is_filter = text(all.get(7)?)? == "filter";
    Some(is_filter.then_some(Base { hook, drops }))
}
