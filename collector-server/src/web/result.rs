//! One result explained: the rule and its version, parameters and their policies, and every fact
//! that was read with its value and the place it came from.

use super::control::Offenders;
use super::host::ControlLink;
use super::inherited::InheritedLink;
use super::marks::{self, Mark, Outcome};
use super::page::{Frame, Pair, When, age, control_path, facts_path, host_path, plural, rule_path};
use super::rule::ParamLine;
use crate::explained::Explained;
use crate::judge::{Explanation, KindRead, ParamShown, Read, Step};
use crate::store::Inherited;
use askama::Template;
use evidence::HostId;

#[derive(Template)]
#[template(path = "result.html")]
pub struct ResultPage {
    pub frame: Frame,
    pub host: String,
    pub host_path: String,
    pub rule: String,
    pub rule_path: String,
    pub title: String,
    pub mark: Mark,
    pub verdict: String,
    pub offenders: Offenders,
    pub remediation: Option<String>,
    pub controls: Vec<ControlLink>,
    /// What the record says, where it is not the same.
    pub differs: Option<String>,
    pub silent: bool,
    /// Whom it is inherited from and until when, where a statement covers it.
    pub inherited: Option<InheritedLink>,
    pub params: Vec<ParamLine>,
    pub kinds: Vec<KindPart>,
    pub expressions: Vec<Pair>,
    pub about: Vec<Pair>,
    pub not_shown: Option<String>,
    /// The same for programs.
    pub json: String,
}

pub struct KindPart {
    pub kind: String,
    pub path: String,
    pub mark: Option<Mark>,
    pub says: String,
    pub sources: Vec<String>,
    pub unread: Vec<String>,
    pub reads: Vec<ReadLine>,
    pub left_out: Option<String>,
}

pub struct ReadLine {
    pub at: String,
    pub of: String,
    pub value: String,
    pub missing: bool,
    pub place: String,
    pub offends: bool,
}

pub fn page(frame: Frame, found: &Explained, now_us: i64) -> ResultPage {
    let (now, host) = (&found.explanation, &found.host);
    let link = |id: &String| ControlLink { id: id.clone(), path: control_path(id) };
    let fails = now.outcome == crate::judge::Outcome::Fail;
    ResultPage {
        frame,
        host: host.name.clone(),
        host_path: host_path(host.id),
        rule: now.rule.clone(),
        rule_path: rule_path(&now.rule),
        title: now.title.clone(),
        mark: Outcome::from_word(now.outcome.as_str()).mark(),
        verdict: verdict(found, now_us),
        offenders: Offenders::of(&now.offenders),
        remediation: fails.then(|| now.remediation.clone()),
        controls: now.controls.iter().map(link).collect(),
        differs: differs(found),
        silent: host.is_silent(now_us),
        inherited: None,
        params: ParamLine::all(&now.params),
        kinds: now.kinds.iter().map(|kind| part(host.id, kind)).collect(),
        expressions: expressions(now),
        about: about(found),
        not_shown: now.not_shown.clone(),
        json: format!("/api/v1{}", super::page::result_path(host.id, &now.rule)),
    }
}

impl ResultPage {
    /// With the statement that it stands on; what the host itself shows is said beside it.
    #[must_use]
    pub fn standing_on(mut self, inherited: Option<&Inherited>) -> Self {
        if let Some(by) = inherited {
            self.mark = Outcome::Inherited.mark();
            self.inherited = Some(InheritedLink::of(by));
        }
        self
    }

    /// With when the check-in that it stands on came, and until when it counts.
    #[must_use]
    pub fn received(mut self, received_us: Option<i64>, valid_until_us: Option<i64>) -> Self {
        let times = [("Received", received_us), ("Counts until", valid_until_us)];
        let said = times.into_iter().filter_map(|(name, us)| Some((name, us?)));
        self.about.extend(said.map(|(name, us)| Pair::said(name, When::of(us).text)));
        self
    }
}

impl ParamLine {
    fn all(params: &[ParamShown]) -> Vec<Self> {
        let line = |param: &ParamShown| Self {
            name: param.name.clone(),
            value: param.value.to_string(),
            origin: param.origin.clone(),
            adopted: param.policy_ref.is_some(),
        };
        params.iter().map(line).collect()
    }
}

/// Which step decided, in a sentence.
fn verdict(found: &Explained, now_us: i64) -> String {
    let now = &found.explanation;
    let detail = now.detail.as_deref().unwrap_or_default();
    let reason = now.reason.map(|reason| reason.as_str()).unwrap_or_default();
    let decided = match (now.decided_by, now.reason.is_some()) {
        (Step::Applies, false) => "The rule does not apply to what the facts say.".to_owned(),
        (Step::Gate, false) => {
            format!("Kind {detail} has no meaning on this host, which is proven.")
        }
        (Step::Gate, true) => format!("The evidence of kind {detail} is no proof: {reason}."),
        (Step::Guard, true) if reason == "guard" => {
            format!("The facts do not look like a real host's: {detail} does not hold.")
        }
        (_, true) if reason == "fact_missing" => format!("A fact was not read: {detail}."),
        (_, true) => format!("The rule could not be judged: {reason}, {detail}."),
        _ if now.offenders.is_empty() && !found.accepted.is_empty() => {
            format!(
                "The approved list of group {} accepts what the facts show: {}.",
                found.host.group,
                found.accepted.join(", ")
            )
        }
        _ if now.offenders.is_empty() => "The facts below decide.".to_owned(),
        _ => format!("{} in the facts below.", plural(now.offenders.len(), "offender")),
    };
    let since = match &found.recorded {
        Some(row) => {
            format!(" Since {}, {}.", When::of(row.since_us).text, age(row.since_us, now_us))
        }
        None => String::new(),
    };
    format!("{decided}{since}")
}

fn differs(found: &Explained) -> Option<String> {
    if found.agrees() {
        return None;
    }
    Some(match &found.recorded {
        Some(row) => {
            let reason = row.reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default();
            format!(
                "The record says {}{reason}: the host will be judged again shortly.",
                row.outcome
            )
        }
        None => "Nothing is on record yet: the host will be judged shortly.".to_owned(),
    })
}

fn part(host: HostId, kind: &KindRead) -> KindPart {
    let source = |source: &evidence::Source| {
        let note = source.note.as_ref().map(|note| format!(", {note}")).unwrap_or_default();
        format!("{} ({}{note})", source.path, source.status.as_str())
    };
    let version = match (kind.v, kind.needs_v) {
        (Some(v), Some(needed)) => format!("version {v} of its facts, {needed} or later is needed"),
        (Some(v), None) => format!("version {v} of its facts"),
        (None, _) => "no facts of it are here".to_owned(),
    };
    KindPart {
        kind: kind.kind.clone(),
        path: facts_path(host, &kind.kind),
        mark: kind.status.map(marks::of_status),
        says: version,
        sources: kind.sources.iter().map(source).collect(),
        unread: kind.unread.clone(),
        reads: kind.reads.iter().map(read_line).collect(),
        left_out: (kind.left_out > 0).then(|| plural(kind.left_out, "fact")),
    }
}

fn read_line(read: &Read) -> ReadLine {
    let place = match (&read.file, read.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.clone(),
        (None, Some(line)) => format!("line {line}"),
        (None, None) => String::new(),
    };
    ReadLine {
        at: read.at.clone(),
        of: read.of.clone().unwrap_or_default(),
        value: match &read.value {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => "not read".to_owned(),
        },
        missing: read.value.is_none(),
        place,
        offends: read.offends,
    }
}

fn expressions(now: &Explanation) -> Vec<Pair> {
    let applies = now.applies.iter().map(|text| Pair::mono("Applies if", text.clone()));
    let guards = now.guards.iter().map(|text| Pair::mono("Judges if", text.clone()));
    applies.chain(guards).chain([Pair::mono("Asks", now.expression.clone())]).collect()
}

fn about(found: &Explained) -> Vec<Pair> {
    let now = &found.explanation;
    let mut pairs = vec![
        Pair::said("Severity", now.severity.as_str()),
        Pair::said("Profile", now.profile.as_str()),
        Pair::mono("Version of the rule", now.version.to_string()),
        Pair::said("Check-in", format!("leaf {} of the log", found.statement.index)),
        Pair::said("Observed", When::of(found.statement.observed_us).text),
    ];
    pairs.extend(now.today.clone().map(|day| Pair::said("Judged for the day", day)));
    if let Some(row) = &found.recorded {
        pairs.push(Pair::said("Known since", format!("leaf {} of the log", row.known)));
        pairs.extend(row.cause.clone().map(|cause| Pair::said("Changed by", cause)));
    }
    pairs.extend(found.judged_rules.map(|id| Pair::mono("Rule set", id.to_string())));
    pairs
}

#[cfg(test)]
mod tests;
