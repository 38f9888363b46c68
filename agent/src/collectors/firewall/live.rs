//! What the running kernel filters.

use super::fate_of;
use crate::formats::nf_tables::{self, Answer, NotAnAnswer, Probe};
use crate::formats::packet_filter::{self, Filter, Hook};
use crate::host::{ReadError, Reading};
use evidence::kinds::firewall::Fate;

const ROUTES: &str = "/proc/net/route";
const IPV6_ROUTES: &str = "/proc/net/ipv6_route";
const IPV6_ADDRESSES: &str = "/proc/net/if_inet6";
const IPV6_SWITCH: &str = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
/// Names of the tables of x_tables that are in use; the files are for root only.
const LEGACY: [&str; 2] = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) active: Option<bool>,
    pub(super) input: Option<Fate>,
    pub(super) ipv6_input: Option<Fate>,
    pub(super) forward: Option<Fate>,
    pub(super) ipv6_forward: Option<Fate>,
    pub(super) legacy: Option<bool>,
}

/// `None` where the kernel was not read.
pub(super) fn read(reading: &mut Reading<'_>, outside: Option<&[String]>) -> Option<Live> {
    if !reading.is_live() {
        return None;
    }
    let answer = answer(reading)?;
    let probe = |is_ipv6| Probe { is_ipv6, outside };
    let filters = answer.filter(&probe(false)).and_then(|four| {
        let six = answer.filter(&probe(true))?;
        Ok((four, six))
    });
    let Ok((four, six)) = filters else {
        reading.malformed(nf_tables::RULES, NotAnAnswer.to_string());
        return None;
    };
    let [legacy4, legacy6] = LEGACY.map(|path| legacy(reading, path));
    let fate = |filter: &Filter, hook, legacy| settled(filter.fate(hook), legacy).map(fate_of);
    let refuses = four.refuses_at(Hook::Input) || six.refuses_at(Hook::Input);
    let legacy = match (legacy4, legacy6) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    };
    Some(Live {
        active: (refuses || legacy == Some(false)).then_some(refuses),
        input: fate(&four, Hook::Input, legacy4),
        ipv6_input: fate(&six, Hook::Input, legacy6),
        forward: fate(&four, Hook::Forward, legacy4),
        ipv6_forward: fate(&six, Hook::Forward, legacy6),
        legacy,
    })
}

/// Tables of x_tables may refuse what nf_tables lets through.
fn settled(fate: Option<packet_filter::Fate>, legacy: Option<bool>) -> Option<packet_filter::Fate> {
    fate.filter(|fate| *fate != packet_filter::Fate::Accept || legacy == Some(false))
}

fn answer(reading: &mut Reading<'_>) -> Option<Answer> {
    let bytes = match reading.ask(&nf_tables::question()) {
        // The kernel has no nf_tables, so that there is nothing in them.
        Err(ReadError::Absent) => return Some(Answer::default()),
        other => other.ok()?,
    };
    let Ok(mut answer) = Answer::parse(&bytes) else {
        reading.malformed(nf_tables::RULES, NotAnAnswer.to_string());
        return None;
    };
    let mut question = nf_tables::question_of_sets(&answer);
    if question.asks.is_empty() {
        return Some(answer);
    }
    let mut bytes = reading.ask(&question);
    if matches!(bytes, Err(ReadError::TooLarge(_))) {
        // Lists of addresses, longer than anybody reads.
        answer.leave_named_sets();
        question = nf_tables::question_of_sets(&answer);
        if question.asks.is_empty() {
            reading.note(nf_tables::SETS, "too much in sets with names: not read");
            return Some(answer);
        }
        bytes = reading.ask(&question);
    }
    let bytes = bytes.ok()?;
    if answer.add_sets(&bytes).is_err() {
        reading.malformed(nf_tables::SETS, NotAnAnswer.to_string());
        return None;
    }
    Some(answer)
}

/// Whether the table `filter` of x_tables is in use.
fn legacy(reading: &mut Reading<'_>, path: &str) -> Option<bool> {
    match reading.text(path) {
        Ok(names) => Some(names.lines().any(|name| name == "filter" || name == "mangle")),
        // The kernel was built without it.
        Err(ReadError::Absent) if reading.stat(IPV6_SWITCH).is_ok() => Some(false),
        Err(_) => None,
    }
}

/// Interfaces that a default route leads out of; `None` where there is none, or it was not read.
pub(super) fn outside(reading: &mut Reading<'_>) -> Option<Vec<String>> {
    if !reading.is_live() {
        return None;
    }
    let four = reading.text(ROUTES).ok()?;
    let mut names: Vec<String> = Vec::new();
    for line in four.lines().skip(1) {
        let words: Vec<_> = line.split_whitespace().collect();
        if words.get(1) == Some(&"00000000") {
            names.push((*words.first()?).to_owned());
        }
    }
    match reading.text(IPV6_ROUTES) {
        Ok(six) => {
            for line in six.lines() {
                let words: Vec<_> = line.split_whitespace().collect();
                let is_default =
                    words.first()?.bytes().all(|byte| byte == b'0') && words.get(1) == Some(&"00");
                names.extend(
                    words
                        .last()
                        .filter(|name| is_default && **name != "lo")
                        .map(|n| (*n).to_owned()),
                );
            }
        }
        Err(ReadError::Absent) => {}
        Err(_) => return None,
    }
    names.sort();
    names.dedup();
    (!names.is_empty()).then_some(names)
}

/// Whether an interface other than lo has an address.
pub(super) fn ipv6_enabled(reading: &mut Reading<'_>) -> Option<bool> {
    if !reading.is_live() {
        return None;
    }
    match reading.text(IPV6_ADDRESSES) {
        Ok(text) => {
            let names = text.lines().map(|line| line.split_whitespace().nth(5));
            let names: Option<Vec<_>> = names.collect();
            match names {
                Some(names) => Some(names.iter().any(|name| *name != "lo")),
                None => {
                    reading.malformed(IPV6_ADDRESSES, "a line that is no address");
                    None
                }
            }
        }
        // The whole of IPv6 is missing, and not this file alone.
        Err(ReadError::Absent) => match reading.text(IPV6_SWITCH) {
            Err(ReadError::Absent) if reading.text(ROUTES).is_ok() => Some(false),
            _ => None,
        },
        Err(_) => None,
    }
}
