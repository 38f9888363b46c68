//! One rule of nf_tables: a little program that loads parts of a packet into registers, compares
//! them, and ends in a verdict. Here it says whether it matches the packet of
//! [`packet_filter`](super::super::packet_filter).

use super::attributes::{Attributes, each, number, text};
use super::{Element, Set};
use crate::formats::packet_filter::{Matches, Rule, Verdict};
use std::collections::BTreeMap;

/// The packet that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'a> {
    pub is_ipv6: bool,
    /// Names of the interfaces that lead outside; `None` where they are not known, and any may.
    pub outside: Option<&'a [String]>,
}

impl Probe<'_> {
    pub(super) fn family(&self) -> u8 {
        if self.is_ipv6 { 10 } else { 2 }
    }

    /// A rule over the interface of this name, or over all whose names begin so.
    pub fn comes_by(&self, name: &str, is_prefix: bool) -> Matches {
        let is = |one: &String| if is_prefix { one.starts_with(name) } else { one == name };
        match self.outside {
            _ if name == "lo" && !is_prefix => Matches::Never,
            Some(outside) if !outside.iter().any(is) => Matches::Never,
            _ => Matches::May,
        }
    }

    /// A rule over every interface but this one.
    pub fn comes_by_another_than(&self, name: &str) -> Matches {
        match self.outside {
            Some([only]) if only == name => Matches::Never,
            _ => Matches::May,
        }
    }
}

/// More than half of all ports are no narrow choice.
const MANY_PORTS: u32 = 1 << 15;
/// States of a connection that a new one has: NEW and UNTRACKED.
const NEW_STATES: u32 = 8 | 64;
/// TCP, UDP, DCCP, SCTP, UDP-Lite: what services listen on.
const SERVICES: [u8; 5] = [6, 17, 33, 132, 136];
const VERDICT_REGISTER: u32 = 0;

/// What a register holds.
#[derive(Debug, Clone, Default)]
struct Loaded {
    what: What,
    mask: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum What {
    State,
    /// Whether it was translated before; a packet as it came was not.
    Status,
    Protocol,
    Family,
    EtherType,
    InterfaceName,
    Interface,
    /// Unicast, broadcast, multicast.
    PacketType,
    Port,
    SourceAddress,
    #[default]
    Other,
}

type Registers = BTreeMap<u32, Loaded>;

/// A comparison with one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Below,
    Above,
}

struct Program<'p> {
    probe: &'p Probe<'p>,
    sets: &'p dyn Fn(&str) -> Option<&'p Set>,
    registers: Registers,
    matches: Matches,
}

/// The rule, or the several rules that one with a verdict map is.
pub(super) fn rules<'p>(
    expressions: &[u8],
    probe: &'p Probe<'p>,
    sets: &'p dyn Fn(&str) -> Option<&'p Set>,
) -> Option<Vec<Rule>> {
    let registers = Registers::new();
    let mut program = Program { probe, sets, registers, matches: Matches::Always };
    for (_, nested) in each(expressions)? {
        let one = Attributes::parse(nested)?;
        let name = text(one.get(1)?)?;
        let data = Attributes::parse(one.get(2).unwrap_or_default())?;
        if let Some(verdicts) = program.step(&name, &data)? {
            let so_far = program.matches;
            let rule = |(matches, verdict)| Rule { matches: so_far.max(matches), verdict };
            return Some(verdicts.into_iter().map(rule).collect());
        }
    }
    Some(vec![Rule { matches: program.matches, verdict: Verdict::Next }])
}

type Verdicts = Vec<(Matches, Verdict)>;

impl Program<'_> {
    /// One expression. With verdicts the rule ends; the outer `None` says that it has no sound form.
    fn step(&mut self, name: &str, data: &Attributes<'_>) -> Option<Option<Verdicts>> {
        let always = |verdict| Some(Some(vec![(Matches::Always, verdict)]));
        match name {
            "counter" | "log" | "notrack" | "last" | "objref" | "dup" => {}
            "meta" | "ct" if data.get(1).is_none() => {}
            "meta" => self.load(data.get(1)?, of_meta(number(data.get(2)?)?))?,
            "ct" => self.load(data.get(1)?, of_connection(number(data.get(2)?)?))?,
            "payload" if data.get(1).is_none() => {}
            "payload" => {
                // A packet without this part matches nothing.
                self.narrow(Matches::May);
                self.load(data.get(1)?, self.of_payload(data)?)?;
            }
            "bitwise" => self.mask(data)?,
            "immediate" if number(data.get(1)?)? == VERDICT_REGISTER => {
                let data = Attributes::parse(data.get(2)?)?;
                return verdict(data.get(2)?)?.map_or(Some(None), always);
            }
            "immediate" => self.load(data.get(1)?, What::Other)?,
            "cmp" => {
                let matches = self.compare(data)?;
                self.narrow(matches);
            }
            "range" => {
                let matches = self.range(data)?;
                self.narrow(matches);
            }
            "lookup" => return self.lookup(data),
            "match" => {
                let info = data.get(3).unwrap_or_default();
                let matches = extension(&text(data.get(1)?)?, number(data.get(2)?)?, info);
                self.narrow(matches);
            }
            "reject" => return always(Verdict::Reject),
            "target" => match text(data.get(1)?)?.as_str() {
                "REJECT" => return always(Verdict::Reject),
                "NFQUEUE" | "QUEUE" => return always(Verdict::Unclear),
                _ => {}
            },
            "queue" => return always(Verdict::Unclear),
            // Loads, limits, hashes and what is newer: whether it matches may depend on it.
            _ => {
                self.narrow(Matches::May);
                self.registers.clear();
            }
        }
        Some(None)
    }

    fn narrow(&mut self, matches: Matches) {
        self.matches = self.matches.max(matches);
    }

    fn load(&mut self, register: &[u8], what: What) -> Option<()> {
        self.registers.insert(register_number(register)?, Loaded { what, mask: None });
        Some(())
    }

    fn loaded(&self, register: &[u8]) -> Option<Loaded> {
        Some(self.registers.get(&register_number(register)?).cloned().unwrap_or_default())
    }

    fn mask(&mut self, data: &Attributes<'_>) -> Option<()> {
        let mut loaded = self.loaded(data.get(1)?)?;
        match data.get(4) {
            Some(mask) => loaded.mask = Some(Attributes::parse(mask)?.get(1)?.to_vec()),
            // A shift, or arithmetic between registers.
            None => loaded.what = What::Other,
        }
        self.registers.insert(register_number(data.get(2)?)?, loaded);
        Some(())
    }

    fn of_payload(&self, data: &Attributes<'_>) -> Option<What> {
        let (base, offset) = (number(data.get(2)?)?, number(data.get(3)?)?);
        let length = number(data.get(4)?)?;
        let source = if self.probe.is_ipv6 { (8, 16) } else { (12, 4) };
        Some(match (base, offset, length) {
            (2, 2, 2) => What::Port,
            (1, 9, 1) if !self.probe.is_ipv6 => What::Protocol,
            (1, 6, 1) if self.probe.is_ipv6 => What::Protocol,
            (1, offset, length) if offset == source.0 && length <= source.1 => What::SourceAddress,
            _ => What::Other,
        })
    }

    fn compare(&self, data: &Attributes<'_>) -> Option<Matches> {
        let loaded = self.loaded(data.get(1)?)?;
        let value = Attributes::parse(data.get(3)?)?.get(1)?;
        let comparison = match number(data.get(2)?)? {
            0 => Comparison::Equal,
            1 => Comparison::Unequal,
            2 | 3 => Comparison::Below,
            4 | 5 => Comparison::Above,
            _ => return None,
        };
        Some(self.holds(&loaded, comparison, value))
    }

    /// Whether the packet compares so.
    fn holds(&self, loaded: &Loaded, comparison: Comparison, value: &[u8]) -> Matches {
        use Comparison::{Above, Below, Equal, Unequal};
        let yes = |yes: bool| if yes { Matches::May } else { Matches::Never };
        let exactly = |yes: bool| if yes { Matches::Always } else { Matches::Never };
        let word = || value.try_into().map_or(0, u32::from_ne_bytes);
        let port = || value.try_into().map_or(0, u16::from_be_bytes);
        let ends_early = value.len() < 16 && value.last() != Some(&0);
        let ether = if self.probe.is_ipv6 { [0x86, 0xdd] } else { [8, 0] };
        let is_service = value.first().is_some_and(|value| SERVICES.contains(value));
        match (loaded.what, comparison) {
            // `ct state established,related`: some bit of the mask is set.
            (What::State, Unequal) if value.iter().all(|byte| *byte == 0) => {
                let mask = loaded.mask.as_deref().and_then(|mask| mask.try_into().ok());
                yes(mask.is_none_or(|mask| u32::from_ne_bytes(mask) & NEW_STATES != 0))
            }
            (What::State, Equal) => yes(word() & NEW_STATES != 0),
            (What::Status, Unequal) if loaded.mask.is_some() => Matches::Never,
            (What::Protocol, Equal) => yes(is_service),
            (What::Family, Equal) => exactly(value.first() == Some(&self.probe.family())),
            (What::Family, Unequal) => exactly(value.first() != Some(&self.probe.family())),
            (What::EtherType, Equal) => exactly(value == ether),
            (What::EtherType, Unequal) => exactly(value != ether),
            (What::InterfaceName, Equal) => self.probe.comes_by(&name_of(value), ends_early),
            (What::InterfaceName, Unequal) if !ends_early => {
                self.probe.comes_by_another_than(&name_of(value))
            }
            // The first interface of every network namespace is lo.
            (What::Interface, Equal) => yes(word() != 1),
            (What::PacketType, Equal) => yes(value.first() == Some(&0)),
            (What::Port, Equal) => yes(loaded.mask.is_some()),
            (What::Port, Below) => yes(u32::from(port()) >= MANY_PORTS),
            (What::Port, Above) => yes(u32::from(port()) < MANY_PORTS),
            // The mask of a prefix, or a prefix by its length.
            (What::SourceAddress, Equal) => {
                let first = loaded.mask.as_ref().and_then(|mask| mask.first());
                yes(first.is_some_and(|first| *first != 0xff))
            }
            _ => Matches::May,
        }
    }

    fn range(&self, data: &Attributes<'_>) -> Option<Matches> {
        let loaded = self.loaded(data.get(1)?)?;
        let value = |kind| Attributes::parse(data.get(kind)?)?.get(1);
        let is_within = number(data.get(2)?)? == 0;
        Some(match (loaded.what, is_within) {
            (What::Port, true) => ports(value(3)?, value(4)?)?,
            _ => Matches::May,
        })
    }

    /// Whether a value is in a set, or what a map says to it.
    fn lookup(&mut self, data: &Attributes<'_>) -> Option<Option<Verdicts>> {
        let loaded = self.loaded(data.get(2)?)?;
        let is_inverted = data.get(5).map_or(Some(0), number)? & 1 != 0;
        let set = (self.sets)(&text(data.get(1)?)?);
        let known = set.and_then(|set| Some((set, set.elements.as_ref()?)));
        let target = data.get(3).map(number);
        if target == Some(Some(VERDICT_REGISTER)) {
            let Some((set, elements)) = known else {
                return Some(Some(vec![(self.of_unread_set(&loaded), Verdict::Unclear)]));
            };
            let mut verdicts = Vec::new();
            for element in elements.iter().filter(|element| !element.value.is_empty()) {
                let matches = self.of_element(&loaded, set, elements, element)?;
                let data = Attributes::parse(&element.value)?;
                if let Some(verdict) = verdict(data.get(2)?)? {
                    // What is in no map goes on to the next rule.
                    verdicts.push((matches.max(Matches::May), verdict));
                }
            }
            return Some(Some(verdicts));
        }
        if let Some(register) = data.get(3) {
            self.load(register, What::Other)?;
            self.narrow(Matches::May);
            return Some(None);
        }
        let matches = match known {
            _ if is_inverted => Matches::May,
            None => self.of_unread_set(&loaded),
            Some((set, elements)) => {
                let mut matches = Matches::Never;
                for element in elements.iter().filter(|element| !element.is_end) {
                    matches = matches.min(self.of_element(&loaded, set, elements, element)?);
                }
                matches.max(Matches::May)
            }
        };
        self.narrow(matches);
        Some(None)
    }

    /// A set with a name: addresses and ports that somebody chose, unless it says anything.
    fn of_unread_set(&self, loaded: &Loaded) -> Matches {
        match loaded.what {
            What::Other => Matches::May,
            _ => Matches::Unclear,
        }
    }

    fn of_element(
        &self,
        loaded: &Loaded,
        set: &Set,
        elements: &[Element],
        element: &Element,
    ) -> Option<Matches> {
        if element.is_catch_all {
            return Some(Matches::May);
        }
        if !set.has_intervals {
            return Some(self.holds(loaded, Comparison::Equal, &element.key));
        }
        // An interval ends before the least end above it.
        let ends = elements.iter().filter(|one| one.is_end && one.key > element.key);
        let end = ends.map(|one| &one.key).min();
        Some(match loaded.what {
            What::Port => ports(&element.key, end.map_or(&[0xff, 0xff], |end| end))?,
            What::SourceAddress => match end {
                Some(end) if end.first()?.abs_diff(*element.key.first()?) <= 1 => Matches::Never,
                _ => Matches::May,
            },
            _ => Matches::May,
        })
    }
}

/// Ports between two.
fn ports(from: &[u8], to: &[u8]) -> Option<Matches> {
    let from = u16::from_be_bytes(from.try_into().ok()?);
    let to = u16::from_be_bytes(to.try_into().ok()?);
    let many = u32::from(to.saturating_sub(from)) + 1 >= MANY_PORTS;
    Some(if many { Matches::May } else { Matches::Never })
}

fn of_meta(key: u32) -> What {
    match key {
        1 => What::EtherType,
        4 => What::Interface,
        6 => What::InterfaceName,
        15 => What::Family,
        16 => What::Protocol,
        19 => What::PacketType,
        _ => What::Other,
    }
}

fn of_connection(key: u32) -> What {
    match key {
        0 => What::State,
        2 => What::Status,
        _ => What::Other,
    }
}

/// Registers of 16 bytes have names of their own beside those of four.
fn register_number(value: &[u8]) -> Option<u32> {
    let register = number(value)?;
    Some(if (1..=4).contains(&register) { 4 + 4 * register } else { register })
}

fn name_of(value: &[u8]) -> String {
    let name: Vec<u8> = value.iter().copied().take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&name).into_owned()
}

/// The inner `None` is a verdict that changes nothing.
fn verdict(nested: &[u8]) -> Option<Option<Verdict>> {
    let data = Attributes::parse(nested)?;
    let target = || text(data.get(2)?);
    Some(match number(data.get(1)?)?.cast_signed() {
        0 => Some(Verdict::Drop),
        1 => Some(Verdict::Accept),
        -1 | -2 => None,
        -3 => Some(Verdict::Jump(target()?)),
        -4 => Some(Verdict::Goto(target()?)),
        -5 => Some(Verdict::Return),
        _ => Some(Verdict::Unclear),
    })
}

/// An extension of x_tables within nf_tables, as iptables-nft makes them.
fn extension(name: &str, revision: u32, info: &[u8]) -> Matches {
    let word = |at: usize| Some(u16::from_ne_bytes(*info.get(at..)?.first_chunk()?));
    match name {
        "comment" => Matches::Always,
        "icmp" | "icmp6" => Matches::Never,
        "addrtype" | "limit" | "hashlimit" => Matches::May,
        // struct xt_conntrack_mtinfo2 and 3: flags, inverted ones, states.
        "conntrack" if revision >= 2 => match (word(146), word(148), word(150)) {
            (Some(1), Some(0), Some(states)) if u32::from(states) & NEW_STATES == 0 => {
                Matches::Never
            }
            _ => Matches::May,
        },
        // struct xt_state_info.
        "state" => match info.first_chunk().map(|word| u32::from_ne_bytes(*word)) {
            Some(states) if states & NEW_STATES == 0 => Matches::Never,
            _ => Matches::May,
        },
        // struct xt_tcp and xt_udp: source ports, then those it goes to, and inverted ones.
        "tcp" | "udp" => {
            let inverted = info.get(if name == "tcp" { 11 } else { 8 });
            match (word(4), word(6), inverted) {
                (Some(from), Some(to), Some(0)) => {
                    ports(&from.to_be_bytes(), &to.to_be_bytes()).unwrap_or(Matches::May)
                }
                _ => Matches::May,
            }
        }
        // struct xt_multiport_v1: which ports, how many, the ports, ranges, inverted.
        "multiport" => match (info.first(), info.get(47)) {
            (Some(1), Some(0))
                if info.get(32..47).is_some_and(|pairs| pairs.iter().all(|p| *p == 0)) =>
            {
                Matches::Never
            }
            _ => Matches::May,
        },
        _ => Matches::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, question, question_of_sets};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u16..14) {
            let mut framed = ((bytes.len() + 20) as u32).to_ne_bytes().to_vec();
            framed.extend((10u16 << 8 | kind).to_ne_bytes());
            framed.extend([0; 10]);
            framed.extend([1, 0, 0, 0]);
            framed.extend(&bytes);
            let _ = Answer::parse(&framed);
            let _ = Answer::parse(&bytes);
            let probe = Probe { is_ipv6: false, outside: None };
            let _ = rules(&bytes, &probe, &|_| None);
        }
    }

    #[test]
    fn an_answer_without_its_ends_is_none() {
        assert!(Answer::parse(&[]).is_err());
        assert_eq!(question().asks.len(), 4);
        assert!(question_of_sets(&Answer::default()).asks.is_empty());
    }

    #[test]
    fn an_interface_is_outside_only_where_one_is_known_to_be() {
        let outside = ["eth0".to_owned()];
        let probe = Probe { is_ipv6: false, outside: Some(&outside) };
        assert_eq!(probe.comes_by("eth0", false), Matches::May);
        assert_eq!(probe.comes_by("eth", true), Matches::May);
        assert_eq!(probe.comes_by("docker0", false), Matches::Never);
        assert_eq!(probe.comes_by_another_than("eth0"), Matches::Never);
        assert_eq!(probe.comes_by_another_than("docker0"), Matches::May);
        let unknown = Probe { is_ipv6: false, outside: None };
        assert_eq!(unknown.comes_by("docker0", false), Matches::May);
        assert_eq!(unknown.comes_by("lo", false), Matches::Never);
    }
}
