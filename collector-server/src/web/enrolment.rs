//! How hosts come in: tokens, the command to enrol with, hosts that have not checked in yet.

use super::page::{Frame, When, age, count, host_path, plural};
use crate::store::model::{HostRow, HostState};
use crate::store::{PendingRenewal, TokenRow, TokenState};
use askama::Template;

/// What became of the last request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Refused(String),
    /// A token, shown this once.
    Token {
        token: String,
        group: String,
        uses: i64,
        expires_us: i64,
    },
}

pub struct Input<'a> {
    pub now_us: i64,
    pub hosts: &'a [HostRow],
    pub tokens: &'a [TokenRow],
    /// Renewals that wait for a person.
    pub renewals: &'a [PendingRenewal],
    /// `https://HOST:PORT` for agents.
    pub server: &'a str,
    /// Whether the reader may make tokens.
    pub may_change: bool,
    pub said: Option<Said>,
}

#[derive(Template)]
#[template(path = "enrolment.html")]
pub struct EnrolmentPage {
    pub frame: Frame,
    pub says: String,
    pub may_change: bool,
    pub refused: Option<String>,
    pub made: Option<Made>,
    /// The commands with a place where the token goes.
    pub commands: Commands,
    pub tokens: Vec<TokenLine>,
    pub waiting: Vec<WaitingLine>,
    pub renewals: Vec<RenewalLine>,
    /// Some host was enrolled, heard or not.
    pub has_hosts: bool,
}

/// A new token, in the words to copy.
pub struct Made {
    pub says: String,
    pub until: When,
    pub commands: Commands,
}

pub struct Commands {
    pub enrol: String,
    pub run: &'static str,
}

pub struct TokenLine {
    pub id: String,
    pub group: String,
    /// `2 of 3 hosts`.
    pub uses: String,
    /// Networks it works from.
    pub from: String,
    pub until: When,
    pub left: String,
}

/// A host whose certificate has run out and that asks for another.
pub struct RenewalLine {
    pub id: String,
    pub path: String,
    pub name: String,
    pub group: String,
    pub asked: When,
    pub peer: String,
    pub expired: When,
    pub approved: bool,
}

pub struct WaitingLine {
    pub path: String,
    pub name: String,
    pub group: String,
    pub since: When,
    pub age: String,
}

/// As `deploy/systemd` runs the agent: its user, and its state directory of the same name.
const AGENT: &str = "evidenced-agent";

pub fn page(frame: Frame, input: &Input<'_>) -> EnrolmentPage {
    let mut waiting: Vec<&HostRow> =
        input.hosts.iter().filter(|host| host.state == HostState::Enrolling).collect();
    waiting.sort_by_key(|host| (host.enrolled_us, host.id));
    let now_us = input.now_us;
    let usable = |token: &&TokenRow| token.state(now_us) == TokenState::Usable;
    let mut tokens: Vec<&TokenRow> = input.tokens.iter().filter(usable).collect();
    tokens.sort_by_key(|token| (token.expires_us, &token.id));
    let (refused, made) = match &input.said {
        Some(Said::Refused(why)) => (Some(why.clone()), None),
        Some(Said::Token { token, group, uses, expires_us }) => {
            let hosts = plural(usize::try_from(*uses).unwrap_or(usize::MAX), "host");
            let made = Made {
                says: format!("{hosts} may enrol with it into the group {group}"),
                until: When::of(*expires_us),
                commands: commands(input.server, token),
            };
            (None, Some(made))
        }
        None => (None, None),
    };
    EnrolmentPage {
        frame,
        says: format!(
            "{} open, {} enrolled and not heard yet",
            plural(tokens.len(), "token"),
            plural(waiting.len(), "host")
        ),
        may_change: input.may_change,
        has_hosts: !input.hosts.is_empty(),
        refused,
        made,
        commands: commands(input.server, "TOKEN"),
        tokens: tokens.into_iter().map(|token| token_line(token, now_us)).collect(),
        renewals: input.renewals.iter().map(renewal_line).collect(),
        waiting: waiting.into_iter().map(|host| waiting_line(host, now_us)).collect(),
    }
}

fn commands(server: &str, token: &str) -> Commands {
    Commands {
        enrol: format!(
            "runuser -u {AGENT} -- {AGENT} enroll --state /var/lib/{AGENT} --server {server} \
             --token {token} && systemctl enable --now {AGENT}"
        ),
        run: "systemctl enable --now evidenced-agent",
    }
}

fn token_line(row: &TokenRow, now_us: i64) -> TokenLine {
    let cidrs: Vec<String> = row.cidrs.iter().map(ToString::to_string).collect();
    let uses = plural(usize::try_from(row.uses).unwrap_or(0), "host");
    TokenLine {
        id: row.id.clone(),
        group: row.group.clone(),
        uses: format!("{} of {uses}", count(row.uses_left.unsigned_abs())),
        from: if cidrs.is_empty() { "anywhere".to_owned() } else { cidrs.join(", ") },
        until: When::cell(row.expires_us),
        left: age(now_us, row.expires_us),
    }
}

fn renewal_line(row: &PendingRenewal) -> RenewalLine {
    RenewalLine {
        id: row.host.to_string(),
        path: host_path(row.host),
        name: row.name.clone(),
        group: row.group.clone(),
        asked: When::cell(row.asked_us),
        peer: row.peer.clone(),
        expired: When::cell(row.expired_s.saturating_mul(1_000_000)),
        approved: row.approved_us.is_some(),
    }
}

fn waiting_line(host: &HostRow, now_us: i64) -> WaitingLine {
    WaitingLine {
        path: host_path(host.id),
        name: host.name.clone(),
        group: host.group.clone(),
        since: When::cell(host.enrolled_us),
        age: age(host.enrolled_us, now_us),
    }
}
