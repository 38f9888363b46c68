//! A step in an alert's life as a person reads it, taken from the document that programs are sent.
//! Pure.

use serde_json::Value;
use std::fmt::Write;

/// Drifts and hosts that a message names; the page has all of them.
const NAMED: usize = 10;

/// What is told of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub alert: String,
    /// `opened`, `resolved` …
    pub event: String,
    pub at: String,
    pub title: String,
    pub severity: String,
    pub lane: String,
    pub cause: String,
    pub hosts: i64,
    pub host_names: Vec<String>,
    pub groups: Vec<String>,
    pub owners: Vec<String>,
    pub controls: Vec<String>,
    /// What changed: rule or kind, what it is now, who offends.
    pub changes: Vec<String>,
    pub note: Option<String>,
    /// Its page.
    pub url: Option<String>,
}

impl Told {
    /// Reads a CloudEvents document of this program; what is not there stays empty.
    pub(super) fn of(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let data = &document["data"];
        let text = |value: &Value| plain(value.as_str().unwrap_or_default());
        let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
        let event = text(&document["type"]);
        Self {
            alert: text(&document["subject"]),
            event: event.rsplit('.').next().unwrap_or_default().to_owned(),
            at: text(&document["time"]),
            title: text(&data["title"]),
            severity: text(&data["severity"]),
            lane: text(&data["lane"]),
            cause: text(&data["cause"]),
            hosts: data["hosts"].as_i64().unwrap_or_default(),
            host_names: list(&data["host_names"]),
            groups: list(&data["groups"]),
            owners: list(&data["owners"]),
            controls: list(&data["controls"]),
            changes: data["drifts"].as_array().into_iter().flatten().map(change).collect(),
            note: data["note"].as_str().map(plain),
            url: data["url"].as_str().map(plain),
        }
    }

    /// One line: `opened, critical: Only root has UID 0 (3 hosts)`.
    pub(super) fn subject(&self) -> String {
        let mut line = self.event.clone();
        if !self.severity.is_empty() {
            let _ = write!(line, ", {}", self.severity);
        }
        let _ = write!(line, ": {}", self.title);
        match self.hosts {
            0 => {}
            1 => line.push_str(" (1 host)"),
            n => {
                let _ = write!(line, " ({n} hosts)");
            }
        }
        line
    }

    /// What else there is to say, a line each.
    pub(super) fn lines(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "{name}: {value}");
            }
        };
        line("At", &self.at);
        line("Cause", &self.cause);
        line("Hosts", &some(&self.host_names, self.hosts));
        line("Groups", &self.groups.join(", "));
        line("Owners", &self.owners.join(", "));
        line("Controls", &self.controls.join(", "));
        line("Note", self.note.as_deref().unwrap_or_default());
        line("Page", self.url.as_deref().unwrap_or_default());
        for change in self.changes.iter().take(NAMED) {
            let _ = writeln!(text, "- {change}");
        }
        if let Some(more) = self.changes.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let _ = writeln!(text, "- and {more} more");
        }
        text
    }

    /// Whether it tells of the end of something.
    pub(super) fn is_end(&self) -> bool {
        self.event == "resolved"
    }
}

/// The last word on each alert of a digest, in the order in which they came up; what began and
/// ended meanwhile stays, as ended.
pub(super) fn digest(told: Vec<Told>) -> Vec<Told> {
    let mut kept: Vec<Told> = vec![];
    for step in told {
        match kept.iter_mut().find(|held| held.alert == step.alert && !step.alert.is_empty()) {
            Some(held) => *held = step,
            None => kept.push(step),
        }
    }
    kept
}

fn some(names: &[String], of: i64) -> String {
    let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>();
    let more = of - named.len() as i64;
    match (named.is_empty(), more) {
        (true, _) | (_, ..=0) => named.join(", "),
        (false, more) => format!("{} and {more} more", named.join(", ")),
    }
}

fn change(drift: &Value) -> String {
    let word = |key: &str| drift[key].as_str().map(plain).unwrap_or_default();
    let about = match word("rule") {
        rule if rule.is_empty() => word("kind"),
        rule => rule,
    };
    let mut line = format!("{about}: {} → {}", word("from"), word("to"));
    let offenders = drift["offenders"].as_array().into_iter().flatten();
    let offenders: Vec<_> = offenders.filter_map(Value::as_str).map(plain).collect();
    if !offenders.is_empty() {
        let _ = write!(line, " ({})", some(&offenders, offenders.len() as i64));
    }
    line
}

/// What a host said may hold anything; a line is a line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(event: &str, alert: &str) -> String {
        json!({
            "type": format!("evidenced.alert.{event}"), "subject": alert, "time": "2026-01-10T02:00:00Z",
            "data": {
                "title": "Only root has UID 0\nBcc: x@example.org", "severity": "critical",
                "lane": "page", "cause": "host_changed", "hosts": 12,
                "host_names": ["web-01", "web-02"], "groups": ["web"], "controls": ["A.8.2"],
                "drifts": [{"rule": "acc-uid0", "from": "pass", "to": "fail", "offenders": ["toor"]}],
                "url": "https://evidenced.example.org/alerts/1",
            },
        })
        .to_string()
    }

    #[test]
    fn a_step_is_told_in_a_line_and_a_few_more() {
        let told = Told::of(&document("opened", "1"));
        assert_eq!(
            told.subject(),
            "opened, critical: Only root has UID 0 Bcc: x@example.org (12 hosts)"
        );
        assert_eq!(
            told.lines(),
            "At: 2026-01-10T02:00:00Z\nCause: host_changed\nHosts: web-01, web-02 and 10 more\n\
             Groups: web\nControls: A.8.2\nPage: https://evidenced.example.org/alerts/1\n\
             - acc-uid0: pass → fail (toor)\n"
        );
    }

    #[test]
    fn a_digest_has_each_alert_once_with_its_last_word() {
        let steps = [("opened", "1"), ("opened", "2"), ("resolved", "1")];
        let steps = steps.map(|(event, alert)| Told::of(&document(event, alert)));
        let kept = digest(steps.to_vec());
        let kept: Vec<_> = kept.iter().map(|t| (t.alert.as_str(), t.is_end())).collect();
        assert_eq!(kept, [("1", true), ("2", false)]);
    }
}
