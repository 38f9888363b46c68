//! Snapshots: those that were asked for, how far they are, and the form of a new one.

use super::exceptions::person;
use super::page::{Frame, When};
use super::windows::utc;
use crate::snapshot::document::Asked;
use crate::store::{Isms, PersonRow, SnapshotRow};
use askama::Template;
use serde::Deserialize;

/// Longest label, recipient or purpose.
const MAX_TEXT: usize = 200;

/// The form, as it was sent.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Form {
    #[serde(default)]
    pub from: String,
    #[serde(default)]
    pub at: String,
    #[serde(default)]
    pub isms: String,
    #[serde(default)]
    pub controls: String,
    #[serde(default)]
    pub without_personal: String,
    #[serde(default)]
    pub label: String,
    #[serde(default)]
    pub recipient: String,
    #[serde(default)]
    pub purpose: String,
}

impl Form {
    /// What it asks for; what is wrong with it, in words.
    pub fn asked(&self, now_us: i64) -> Result<Asked, String> {
        let moment = |text: &str| match text.trim() {
            "" => Ok(None),
            text => match utc(text).parse::<jiff::Timestamp>() {
                Ok(at) => Ok(Some(at.as_microsecond())),
                Err(_) => {
                    Err(format!("“{text}” is not a moment in UTC, such as 2026-11-27T22:00:00Z."))
                }
            },
        };
        let (from_us, at_us) = (moment(&self.from)?, moment(&self.at)?.unwrap_or(now_us));
        if at_us > now_us {
            return Err("It cannot end in the future.".to_owned());
        }
        if from_us.is_some_and(|from| from > at_us) {
            return Err("It begins after its end.".to_owned());
        }
        let texts = [&self.label, &self.recipient, &self.purpose];
        if texts.iter().any(|text| text.chars().count() > MAX_TEXT) {
            return Err(format!(
                "Label, recipient and purpose have at most {MAX_TEXT} characters."
            ));
        }
        let controls = self.controls.split(|c: char| c.is_whitespace() || c == ',');
        let controls = controls.filter(|part| !part.is_empty()).map(str::to_owned);
        Ok(Asked {
            at_us: Some(at_us),
            from_us,
            known_size: None,
            isms: Some(self.isms.clone()).filter(|id| !id.is_empty()).into_iter().collect(),
            controls: controls.collect(),
            without_personal: !self.without_personal.is_empty(),
            label: self.label.trim().to_owned(),
            recipient: self.recipient.trim().to_owned(),
            purpose: self.purpose.trim().to_owned(),
            sample: None,
        })
    }
}

pub struct Input<'a> {
    pub rows: &'a [SnapshotRow],
    pub people: &'a [PersonRow],
    pub isms: &'a [Isms],
    pub may_ask: bool,
    pub form: Form,
    pub refused: Option<String>,
}

#[derive(Template)]
#[template(path = "snapshots.html")]
pub struct SnapshotsPage {
    pub frame: Frame,
    pub rows: Vec<Line>,
    /// Id, name, whether it is chosen.
    pub isms: Vec<(String, String, bool)>,
    pub may_ask: bool,
    pub form: Form,
    pub refused: Option<String>,
}

pub struct Line {
    pub label: String,
    pub from: Option<When>,
    pub at: When,
    pub by: String,
    pub for_whom: String,
    pub state: String,
    /// Where the archive is; none while there is none.
    pub path: Option<String>,
    pub size: String,
    pub digest: String,
}

pub fn page(frame: Frame, input: Input<'_>) -> SnapshotsPage {
    let chosen = input.form.isms.clone();
    let isms =
        input.isms.iter().map(|isms| (isms.id.clone(), isms.text.name.clone(), isms.id == chosen));
    SnapshotsPage {
        frame,
        rows: input.rows.iter().map(|row| line(row, input.people)).collect(),
        isms: isms.collect(),
        may_ask: input.may_ask,
        form: input.form,
        refused: input.refused,
    }
}

fn line(row: &SnapshotRow, people: &[PersonRow]) -> Line {
    let asked = &row.asked;
    let state = match (row.state.as_str(), &row.error) {
        ("failed", Some(why)) => format!("failed: {why}"),
        ("running", _) if row.hosts_of > 0 => {
            format!("running: {} of {} hosts read", row.hosts_done, row.hosts_of)
        }
        (word, _) => word.to_owned(),
    };
    let texts = [asked.recipient.as_str(), asked.purpose.as_str()];
    let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    Line {
        label: if asked.label.is_empty() { row.id.clone() } else { asked.label.clone() },
        from: asked.from_us.map(When::of),
        at: When::of(asked.at_us.unwrap_or(row.asked_us)),
        by: person(people, &row.asked_by),
        for_whom: texts.join("; "),
        state,
        path: row.file.as_ref().map(|_| format!("/snapshots/{}/archive", row.id)),
        size: row.size_bytes.map(size).unwrap_or_default(),
        digest: row.digest.map(|digest| digest.to_string()).unwrap_or_default(),
    }
}

/// `1.4 MB`.
fn size(bytes: i64) -> String {
    match bytes {
        n if n >= 1_000_000_000 => format!("{}.{} GB", n / 1_000_000_000, n / 100_000_000 % 10),
        n if n >= 1_000_000 => format!("{}.{} MB", n / 1_000_000, n / 100_000 % 10),
        n => format!("{} kB", (n + 999) / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_asks_for_a_moment_or_a_period_and_for_nothing_that_cannot_be() {
        let form =
            |from: &str, at: &str| Form { from: from.into(), at: at.into(), ..Form::default() };
        let now_us = 2_000_000_000_000_000;
        assert_eq!(form("", "").asked(now_us).map(|asked| asked.at_us), Ok(Some(now_us)));
        let period = form("2026-01-01T00:00", "2026-02-01T00:00").asked(now_us).expect("a period");
        assert!(period.from_us < period.at_us);
        for (from, at) in
            [("x", ""), ("", "2999-01-01T00:00"), ("2026-02-01T00:00", "2026-01-01T00:00")]
        {
            assert!(form(from, at).asked(now_us).is_err(), "{from} {at}");
        }
        let controls = Form { controls: "A.8.2, A.8.5".into(), ..Form::default() };
        assert_eq!(controls.asked(now_us).expect("asked").controls.len(), 2);
        assert_eq!(
            (size(1), size(1_449_000), size(2_050_000_000)),
            ("1 kB".into(), "1.4 MB".into(), "2.0 GB".into())
        );
    }
}
