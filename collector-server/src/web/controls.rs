//! The list of controls, by theme; above it those that need a person, most urgent first.

use super::counts::{Counts, Ledger};
use super::input::{Control, Now, Theme};
use super::marks::{Mark, State};
use super::page::{Frame, When, age, control_path, count, segment};
use super::picture::{self, Tally};
use askama::Template;

#[derive(Template)]
#[template(path = "controls.html")]
pub struct ControlsPage {
    pub frame: Frame,
    /// What is looked at, if it is not the organisation.
    pub scope: Option<String>,
    pub total: usize,
    /// Controls that the organisation keeps beside them.
    pub own: usize,
    /// Denominator of every count on the page.
    pub enrolled: String,
    pub tally: Vec<Tally>,
    /// Deviating, blind and stale ones.
    pub urgent: Vec<ControlRow>,
    pub themes: Vec<ThemeGroup>,
}

pub struct ThemeGroup {
    pub title: &'static str,
    pub says: String,
    pub rows: Vec<ControlRow>,
}

#[derive(Clone)]
pub struct ControlRow {
    pub path: String,
    pub id: String,
    pub title: String,
    pub mark: Mark,
    /// Hosts by their worst outcome; none when no rule looks at the control.
    pub counts: Option<CountCells>,
    /// Why there are no counts.
    pub why: &'static str,
    pub oldest: Option<When>,
    pub age: String,
}

/// Counts as they are shown.
#[derive(Clone)]
pub struct CountCells {
    pub fails: bool,
    pub fail: String,
    pub unknown: String,
    pub pass: String,
    pub not_applicable: String,
    /// `2 inherited`; none without.
    pub inherited: Option<String>,
}

impl CountCells {
    pub fn of(counts: &Counts) -> Self {
        let text = |n: usize| count(n as u64);
        Self {
            fails: counts.fail > 0,
            fail: text(counts.fail),
            unknown: text(counts.unknown),
            pass: text(counts.pass),
            not_applicable: text(counts.not_applicable),
            inherited: (counts.inherited > 0)
                .then(|| format!("{} inherited", text(counts.inherited))),
        }
    }
}

impl ControlsPage {
    /// The page of a part of the organisation; its controls lead to that part of them.
    #[must_use]
    pub fn of_scope(mut self, scope: Option<(String, String)>) -> Self {
        let Some((says, scope)) = scope else { return self };
        let rows = self.themes.iter_mut().flat_map(|theme| &mut theme.rows);
        for row in rows.chain(&mut self.urgent) {
            row.path = format!("{}?scope={}", row.path, segment(&scope));
        }
        self.scope = Some(says);
        self
    }
}

pub fn page(frame: Frame, now: &Now<'_>) -> ControlsPage {
    let ledger = Ledger::of(now);
    let rows: Vec<(&Control, ControlRow, Option<i64>)> =
        now.controls.iter().map(|control| row(control, now, &ledger)).collect();
    let mut urgent: Vec<_> = rows.iter().filter(|(c, ..)| c.state <= State::Stale).collect();
    // A stable sort: equals stay in the order of the catalogue.
    urgent.sort_by_key(|(control, _, oldest)| (control.state, oldest.unwrap_or(i64::MAX)));
    let own = now.controls.iter().filter(|control| !control.id.starts_with("A.")).count();
    ControlsPage {
        frame,
        scope: None,
        total: rows.len() - own,
        own,
        enrolled: count(ledger.population.enrolled() as u64),
        tally: picture::tally(now.controls),
        urgent: urgent.into_iter().map(|(_, row, _)| row.clone()).collect(),
        themes: Theme::ALL.into_iter().filter_map(|theme| theme_group(theme, &rows)).collect(),
    }
}

fn theme_group(theme: Theme, rows: &[(&Control, ControlRow, Option<i64>)]) -> Option<ThemeGroup> {
    let of_theme: Vec<_> = rows.iter().filter(|(control, ..)| control.theme == theme).collect();
    let operating = of_theme.iter().filter(|(c, ..)| c.state == State::Operating).count();
    (!of_theme.is_empty()).then(|| ThemeGroup {
        title: theme.title(),
        says: format!("{operating} of {} operating", of_theme.len()),
        rows: of_theme.into_iter().map(|(_, row, _)| row.clone()).collect(),
    })
}

fn row<'a>(
    control: &'a Control,
    now: &Now<'_>,
    ledger: &Ledger<'_>,
) -> (&'a Control, ControlRow, Option<i64>) {
    let counts = ledger.control(now, &control.id);
    let oldest_us = counts.and_then(|counts| counts.oldest_fail_us);
    let row = ControlRow {
        path: control_path(&control.id),
        id: control.id.clone(),
        title: control.title.clone(),
        mark: control.state.mark(),
        counts: counts.as_ref().map(CountCells::of),
        why: match control.host_evidence {
            Some(_) => "no active rule",
            None => "no host evidence",
        },
        oldest: oldest_us.map(When::cell),
        age: oldest_us.map(|us| age(us, now.at_us)).unwrap_or_default(),
    };
    (control, row, oldest_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::testing::{control as of_theme, log};

    fn control(id: &str, state: State) -> Control {
        let theme = if id == "A.8.1" { Theme::Physical } else { Theme::Technological };
        Control { theme: Theme::Technological, ..of_theme(id, theme, state) }
    }

    #[test]
    fn urgent_controls_come_first_and_all_controls_stay_in_their_theme() {
        let controls = [
            control("A.8.1", State::None),
            control("A.8.2", State::Stale),
            control("A.8.3", State::Deviating),
            control("A.8.4", State::Operating),
            control("A.8.5", State::Blind),
        ];
        let now = Now { at_us: 0, hosts: &[], results: &[], rules: &[], controls: &controls };
        let page = page(Frame::inside(None, 0, log()), &now);
        let ids = |rows: &[ControlRow]| rows.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&page.urgent), ["A.8.3", "A.8.5", "A.8.2"]);
        assert_eq!(ids(&page.themes[0].rows), ["A.8.1", "A.8.2", "A.8.3", "A.8.4", "A.8.5"]);
        assert_eq!(page.themes[0].says, "1 of 5 operating");
        assert_eq!(page.themes[0].rows[0].why, "no host evidence");
        assert_eq!(page.themes[0].rows[1].why, "no active rule");
    }
}
