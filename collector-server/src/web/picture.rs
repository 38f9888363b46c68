//! The controls as one picture: a tally of the six states, and a cell for every control by theme.

use super::input::{Control, Theme};
use super::marks::{Mark, State};
use super::page::{control_path, count};

/// How many controls are in one state.
#[derive(Debug, PartialEq, Eq)]
pub struct Tally {
    pub count: String,
    pub mark: Mark,
}

/// The controls of one theme.
pub struct ThemeRow {
    pub title: &'static str,
    /// `26 of 34 operating`.
    pub operating: String,
    pub cells: Vec<Cell>,
}

/// One control.
pub struct Cell {
    pub path: String,
    /// The last part of its id.
    pub number: String,
    pub id: String,
    pub title: String,
    pub mark: Mark,
}

/// All six states, most urgent first, those without a control too.
pub fn tally(controls: &[Control]) -> Vec<Tally> {
    let of = |state| controls.iter().filter(|control| control.state == state).count();
    State::ALL
        .into_iter()
        .map(|state| Tally { count: count(of(state) as u64), mark: state.mark() })
        .collect()
}

/// The themes that have controls, in the order of the catalogue.
pub fn themes(controls: &[Control]) -> Vec<ThemeRow> {
    Theme::ALL.into_iter().filter_map(|theme| theme_row(theme, controls)).collect()
}

fn theme_row(theme: Theme, controls: &[Control]) -> Option<ThemeRow> {
    let controls: Vec<&Control> = controls.iter().filter(|c| c.theme == theme).collect();
    let operating = controls.iter().filter(|c| c.state == State::Operating).count();
    (!controls.is_empty()).then(|| ThemeRow {
        title: theme.title(),
        operating: format!("{operating} of {} operating", controls.len()),
        cells: controls.into_iter().map(cell).collect(),
    })
}

fn cell(control: &Control) -> Cell {
    let number = control.id.rsplit('.').next().unwrap_or_default();
    Cell {
        path: control_path(&control.id),
        number: number.to_owned(),
        id: control.id.clone(),
        title: control.title.clone(),
        mark: control.state.mark(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::testing::control;

    #[test]
    fn the_tally_and_the_cells_both_add_up_to_the_controls() {
        let controls = [
            control("A.5.1", Theme::Organizational, State::None),
            control("A.8.5", Theme::Technological, State::Deviating),
            control("A.8.6", Theme::Technological, State::Operating),
        ];
        let counts: Vec<String> = tally(&controls).into_iter().map(|t| t.count).collect();
        assert_eq!(counts, ["1", "0", "0", "1", "1", "0"]);
        let themes = themes(&controls);
        assert_eq!(themes.iter().map(|theme| theme.cells.len()).sum::<usize>(), controls.len());
        assert_eq!(themes[1].operating, "1 of 2 operating");
        assert_eq!(themes[1].cells[0].number, "5");
    }
}
