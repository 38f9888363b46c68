//! Exceptions: approved, expiring acceptance laid over results, which stay visible. Pure: what was
//! asked for and decided, what fails, and the time go in; what is covered comes out.

use evidence::HostId;
use std::collections::{BTreeMap, BTreeSet};

/// Longest text of a field, in characters.
pub const MAX_TEXT: usize = 2000;
/// Most rules of one exception.
const MAX_RULES: usize = 50;

/// Where an exception holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Organisation,
    Group(String),
    Host(HostId),
}

impl Scope {
    /// `organisation`, `group NAME`, `host ID`, as two words of the store.
    pub fn read(sort: &str, name: &str) -> Option<Self> {
        match (sort, name.trim()) {
            ("organisation", "") => Some(Self::Organisation),
            ("group", name) if !name.is_empty() && !name.chars().any(char::is_control) => {
                Some(Self::Group(name.to_owned()))
            }
            ("host", name) => name.parse().ok().map(Self::Host),
            _ => None,
        }
    }

    pub fn sort(&self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Group(_) => "group",
            Self::Host(_) => "host",
        }
    }

    /// The group or the host id; empty for the organisation.
    pub fn name(&self) -> String {
        match self {
            Self::Organisation => String::new(),
            Self::Group(name) => name.clone(),
            Self::Host(host) => host.to_string(),
        }
    }

    /// Whether a host of this group is in it.
    pub fn has(&self, host: HostId, group: &str) -> bool {
        match self {
            Self::Organisation => true,
            Self::Group(name) => name == group,
            Self::Host(id) => *id == host,
        }
    }
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Rules with their severities.
    pub rules: BTreeMap<String, String>,
    pub scope: Scope,
    pub reason: String,
    pub measure: String,
    pub ticket: String,
    pub risk: String,
    pub until_us: i64,
}

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("no rule is named; an exception is for 1 to {MAX_RULES} rules")]
    NoRules,
    #[error("an exception is for at most {MAX_RULES} rules")]
    TooManyRules,
    #[error("there is no rule {0} among those that judge")]
    UnknownRule(String),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} has more than {MAX_TEXT} characters, or characters that are no text")]
    Text(&'static str),
    #[error("its end is not in the future")]
    Over,
    #[error("it would last longer than the {days} days that [exceptions] max_duration allows")]
    TooLong { days: i64 },
}

const DAY_US: i64 = 86_400_000_000;

impl Wanted {
    /// Whether it can be asked for.
    pub fn check(&self, max_us: i64, now_us: i64) -> Result<(), Wrong> {
        match self.rules.len() {
            0 => return Err(Wrong::NoRules),
            1..=MAX_RULES => {}
            _ => return Err(Wrong::TooManyRules),
        }
        let texts = [
            ("the reason", &self.reason, true),
            ("the compensating measure", &self.measure, true),
            ("the ticket", &self.ticket, false),
            ("the linked risk", &self.risk, true),
        ];
        for (name, text, needed) in texts {
            if needed && text.trim().is_empty() {
                return Err(Wrong::Missing(name));
            }
            let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
            if text.chars().count() > MAX_TEXT || text.contains(odd) {
                return Err(Wrong::Text(name));
            }
        }
        if self.until_us <= now_us {
            return Err(Wrong::Over);
        }
        if self.until_us - now_us > max_us {
            return Err(Wrong::TooLong { days: max_us / DAY_US });
        }
        Ok(())
    }
}

/// Where an exception stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It waits for a risk owner.
    Requested,
    Active,
    Refused,
    /// Its time ran out before anybody decided.
    Lapsed,
    Expired,
    Withdrawn,
}

impl State {
    pub const ALL: [Self; 6] = [
        Self::Requested,
        Self::Active,
        Self::Refused,
        Self::Lapsed,
        Self::Expired,
        Self::Withdrawn,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Active => "active",
            Self::Refused => "refused",
            Self::Lapsed => "lapsed",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Where one stands that was decided on in this way and ends then.
    pub fn of(decision: Option<&str>, ended_us: Option<i64>, until_us: i64, now_us: i64) -> Self {
        let over = until_us <= now_us;
        match decision {
            _ if ended_us.is_some() => Self::Withdrawn,
            Some("approved") if over => Self::Expired,
            Some("approved") => Self::Active,
            Some(_) => Self::Refused,
            None if over => Self::Lapsed,
            None => Self::Requested,
        }
    }
}

/// An approved exception as its covers are computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    pub id: String,
    pub scope: Scope,
    pub rules: BTreeSet<String>,
    pub until_us: i64,
    /// Withdrawn.
    pub ended_us: Option<i64>,
}

impl Approved {
    /// What ended it, and when; none while it holds.
    fn end(&self, now_us: i64) -> Option<(Ended, i64)> {
        match self.ended_us {
            Some(at_us) if at_us <= now_us && at_us < self.until_us => {
                Some((Ended::Withdrawn, at_us))
            }
            _ if self.until_us <= now_us => Some((Ended::Expired, self.until_us)),
            _ => None,
        }
    }

    fn covers(&self, failure: &Failure, now_us: i64) -> bool {
        self.end(now_us).is_none()
            && self.rules.contains(&failure.rule)
            && self.scope.has(failure.host, &failure.group)
    }
}

/// A rule that fails on a host in service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    pub host: HostId,
    pub rule: String,
    pub group: String,
}

/// What ended the cover of one failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// It fails no more, or is of a host that left.
    Evidence,
    Expired,
    Withdrawn,
    /// Its host is in the scope no more.
    Scope,
}

impl Ended {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Scope => "scope",
        }
    }
}

/// A failure that an exception covers, since it was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cover {
    pub exception: String,
    pub host: HostId,
    pub rule: String,
}

/// What is to be written of covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    pub begun: Vec<Cover>,
    pub ended: Vec<(Cover, Ended, i64)>,
    /// Failures that nothing covers any more, with the exception that did and why it does not.
    pub uncovered: Vec<(Cover, Ended, i64)>,
    /// Exceptions that are over.
    pub closed: Vec<String>,
}

/// Compares what is covered with what should be.
pub fn turn(
    approved: &[Approved],
    failures: &BTreeSet<Failure>,
    held: &BTreeSet<Cover>,
    now_us: i64,
) -> Turn {
    let mut turn = Turn::default();
    let by_id: BTreeMap<&str, &Approved> = approved.iter().map(|e| (e.id.as_str(), e)).collect();
    let failing: BTreeMap<(HostId, &str), &Failure> =
        failures.iter().map(|f| ((f.host, f.rule.as_str()), f)).collect();
    for cover in held {
        let Some(exception) = by_id.get(cover.exception.as_str()) else { continue };
        let failure = failing.get(&(cover.host, cover.rule.as_str()));
        let end = match failure {
            None => Some((Ended::Evidence, now_us)),
            Some(failure) if !exception.scope.has(failure.host, &failure.group) => {
                Some((Ended::Scope, now_us))
            }
            Some(_) => exception.end(now_us),
        };
        let Some((why, at_us)) = end else { continue };
        turn.ended.push((cover.clone(), why, at_us));
        let Some(failure) = failure else { continue };
        if !approved.iter().any(|other| other.covers(failure, now_us)) {
            turn.uncovered.push((cover.clone(), why, at_us));
        }
    }
    // Two that end at once uncover a failure once.
    turn.uncovered.sort_by(|(a, _, at), (b, _, bt)| {
        (a.host, &a.rule, at, &a.exception).cmp(&(b.host, &b.rule, bt, &b.exception))
    });
    turn.uncovered.dedup_by(|(a, ..), (b, ..)| (a.host, &a.rule) == (b.host, &b.rule));
    for exception in approved {
        if exception.end(now_us).is_some() {
            turn.closed.push(exception.id.clone());
            continue;
        }
        for failure in failures.iter().filter(|failure| exception.covers(failure, now_us)) {
            let (host, rule) = (failure.host, failure.rule.clone());
            let cover = Cover { exception: exception.id.clone(), host, rule };
            if !held.contains(&cover) {
                turn.begun.push(cover);
            }
        }
    }
    turn
}

/// Whether nothing that fails has needed an exception for so long.
pub fn is_unneeded(
    approved_us: i64,
    covers_now: i64,
    needed_us: Option<i64>,
    after_us: i64,
    now_us: i64,
) -> bool {
    covers_now == 0 && now_us - needed_us.unwrap_or(approved_us).max(approved_us) >= after_us
}

#[cfg(test)]
mod tests;
