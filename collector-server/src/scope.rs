//! Parts of the organisation that something is asked of: all of it, an ISMS, a group, a host. Pure.

use crate::span::Span;
use crate::store::HostSpan;
use crate::store::model::HostRow;
use evidence::HostId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// What is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    #[default]
    Organisation,
    /// By its id.
    Isms(String),
    Group(String),
    Host(HostId),
}

/// A text that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope; write organisation, isms:ID, group:NAME or host:ID")]
pub struct NoScope(String);

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        let no = || NoScope(text.to_owned());
        match text.split_once(':') {
            None if text == "organisation" => Ok(Self::Organisation),
            Some(("isms", id)) if !id.is_empty() => Ok(Self::Isms(id.to_owned())),
            Some(("group", name)) if !name.is_empty() => Ok(Self::Group(name.to_owned())),
            Some(("host", id)) => id.to_uppercase().parse().map(Self::Host).map_err(|_| no()),
            _ => Err(no()),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisation => f.write_str("organisation"),
            Self::Isms(id) => write!(f, "isms:{id}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Host(id) => write!(f, "host:{id}"),
        }
    }
}

impl Scope {
    /// Whose tolerances hold: those of an ISMS come before the organisation's.
    pub fn isms(&self) -> Option<&str> {
        match self {
            Self::Isms(id) => Some(id),
            _ => None,
        }
    }

    /// The hosts that are in it now; `groups` are those of its ISMS.
    pub fn hosts(&self, hosts: &[HostRow], groups: &BTreeSet<String>) -> BTreeSet<HostId> {
        let within = |host: &&HostRow| match self {
            Self::Organisation => true,
            Self::Isms(_) => groups.contains(&host.group),
            Self::Group(name) => host.group == *name,
            Self::Host(id) => host.id == *id,
        };
        hosts.iter().filter(within).map(|host| host.id).collect()
    }
}

/// A half-open interval of time, microseconds.
pub type Interval = (i64, i64);

/// When each group belonged to an ISMS.
pub type GroupTimes = BTreeMap<String, Vec<Interval>>;

/// When each host was in service and in the scope, within `[from, to)`, as it is known now. Hosts
/// that never were are left out. `groups` says when each group was in the ISMS.
pub fn service_times(
    scope: &Scope,
    spans: &[HostSpan],
    groups: &GroupTimes,
    period: Interval,
) -> BTreeMap<HostId, Vec<Interval>> {
    type Spans<'a> = Vec<&'a Span<String>>;
    let mut said: BTreeMap<HostId, (Spans<'_>, Spans<'_>)> = BTreeMap::new();
    for row in spans.iter().filter(|row| row.span.superseded_known.is_none()) {
        let (of_group, of_state) = said.entry(row.host).or_default();
        match row.property.as_str() {
            "group" => of_group.push(&row.span),
            "state" if is_service(&row.span.value) => of_state.push(&row.span),
            _ => {}
        }
    }
    let times = |(host, (of_group, of_state)): (HostId, (Spans<'_>, Spans<'_>))| {
        let in_service = of_state.into_iter().filter_map(|span| clip(span, period)).collect();
        let in_scope = match scope {
            Scope::Organisation => vec![period],
            Scope::Host(id) => (*id == host).then_some(period).into_iter().collect(),
            Scope::Group(name) => {
                let of = of_group.iter().filter(|span| span.value == *name);
                of.filter_map(|span| clip(span, period)).collect()
            }
            Scope::Isms(_) => {
                let of = of_group.iter().filter_map(|span| {
                    let held = clip(span, period)?;
                    Some(intersection(&[held], groups.get(&span.value)?))
                });
                of.flatten().collect()
            }
        };
        let both = joined(intersection(&joined(in_service), &joined(in_scope)));
        (!both.is_empty()).then_some((host, both))
    };
    said.into_iter().filter_map(times).collect()
}

fn is_service(state: &str) -> bool {
    matches!(state, "enrolling" | "active" | "maintenance")
}

fn clip<V>(span: &Span<V>, (from, to): Interval) -> Option<Interval> {
    let held = (span.from_us.max(from), span.to_us.unwrap_or(i64::MAX).min(to));
    (held.0 < held.1).then_some(held)
}

/// Intervals in order, those that touch or overlap as one.
pub fn joined(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut out: Vec<Interval> = vec![];
    for (from, to) in intervals {
        match out.last_mut() {
            Some(last) if last.1 >= from => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

/// What lies in both.
pub fn intersection(a: &[Interval], b: &[Interval]) -> Vec<Interval> {
    let both = |x: &Interval| {
        let x = *x;
        b.iter().map(move |y| (x.0.max(y.0), x.1.min(y.1))).filter(|(from, to)| from < to)
    };
    a.iter().flat_map(both).collect()
}

/// `a` without what lies in `b`.
pub fn without(a: &[Interval], b: &[Interval]) -> Vec<Interval> {
    let b = joined(b.to_vec());
    let mut out = vec![];
    for (mut from, to) in a.iter().copied() {
        for cut in &b {
            if cut.1 <= from || cut.0 >= to {
                continue;
            }
            if cut.0 > from {
                out.push((from, cut.0));
            }
            from = from.max(cut.1);
        }
        if from < to {
            out.push((from, to));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(host: u128, property: &str, value: &str, from_us: i64, to_us: Option<i64>) -> HostSpan {
        let span = Span {
            value: value.to_owned(),
            from_us,
            to_us,
            known: 1,
            ended_known: None,
            superseded_known: None,
        };
        HostSpan { host: HostId::from(host), property: property.to_owned(), span, cause: None }
    }

    #[test]
    fn a_scope_is_written_as_it_is_read() {
        let host = format!("host:{}", HostId::from(7));
        for text in ["organisation", "isms:X", "group:web:blue", &host] {
            assert_eq!(text.parse::<Scope>().map(|scope| scope.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "web", "group:", "isms:", "host:x", "Organisation"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_counts_while_it_was_in_service_and_its_group_in_the_isms() {
        let spans = [
            said(1, "group", "web", 0, Some(50)),
            said(1, "group", "db", 50, None),
            said(1, "state", "active", 10, Some(70)),
            said(1, "state", "retired", 70, None),
            said(2, "group", "lab", 0, None),
            said(2, "state", "active", 0, None),
        ];
        let groups: GroupTimes =
            [("web".to_owned(), vec![(20, 1000)]), ("db".to_owned(), vec![(0, 60)])].into();
        let times =
            |scope: &str| service_times(&scope.parse().expect("scope"), &spans, &groups, (0, 100));
        let (one, two) = (HostId::from(1), HostId::from(2));
        assert_eq!(times("isms:x"), [(one, vec![(20, 60)])].into());
        assert_eq!(times("group:web"), [(one, vec![(10, 50)])].into());
        assert_eq!(times("organisation"), [(one, vec![(10, 70)]), (two, vec![(0, 100)])].into());
        assert_eq!(times(&format!("host:{two}")), [(two, vec![(0, 100)])].into());
    }

    proptest! {
        #[test]
        fn every_moment_is_within_or_without(
            a in proptest::collection::vec((0..40i64, 1..9i64), 0..5),
            b in proptest::collection::vec((0..40i64, 1..9i64), 0..5),
        ) {
            let of = |list: Vec<(i64, i64)>| {
                joined(list.into_iter().map(|(from, length)| (from, from + length)).collect())
            };
            let (a, b) = (of(a), of(b));
            let holds = |list: &[Interval], at: i64| list.iter().any(|i| i.0 <= at && at < i.1);
            let (both, rest) = (intersection(&a, &b), without(&a, &b));
            for at in 0..60 {
                prop_assert_eq!(holds(&both, at), holds(&a, at) && holds(&b, at));
                prop_assert_eq!(holds(&rest, at), holds(&a, at) && !holds(&b, at));
            }
        }
    }
}
