//! The catalogue of controls: identifiers, labels and what host evidence can say of each.
//!
//! It is data (`config/controls/<edition>.toml`) and holds no text of the standard.

use crate::place;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Controls of one edition, in the order of the standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// Key of the edition: `iso27001-2022`.
    pub edition: String,
    /// Name of the standard for people.
    pub standard: String,
    controls: Vec<Control>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// `A.8.2`.
    pub id: String,
    /// Short title, as a label.
    pub title: String,
    pub theme: Theme,
    pub control_type: Vec<ControlType>,
    /// The controls of the 2013 edition that it came from; empty for a new one.
    pub iso2013: Vec<String>,
    /// How far hosts can support it; absent where only records of people can.
    #[serde(default)]
    pub host_evidence: Option<HostEvidence>,
    /// What host evidence leaves open; present exactly with `host_evidence`.
    #[serde(default)]
    pub not_shown: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    Organizational,
    People,
    Physical,
    Technological,
}

impl Theme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organizational => "organizational",
            Self::People => "people",
            Self::Physical => "physical",
            Self::Technological => "technological",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlType {
    Preventive,
    Detective,
    Corrective,
}

impl ControlType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preventive => "preventive",
            Self::Detective => "detective",
            Self::Corrective => "corrective",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostEvidence {
    /// What hosts report is the control's own subject.
    Direct,
    /// Hosts show a part of it.
    Partial,
    /// Hosts show a trace of it.
    Indirect,
}

impl HostEvidence {
    /// In a sentence, for people.
    pub fn says(self) -> &'static str {
        match self {
            Self::Direct => "Much of it: what hosts report is the control's own subject.",
            Self::Partial => "A part of it.",
            Self::Indirect => "A trace of it: hosts show an effect, not the control itself.",
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Partial => "partial",
            Self::Indirect => "indirect",
        }
    }
}

/// The catalogue cannot be used. Correct the file at the place named.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct CatalogueError {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    edition: String,
    standard: String,
    control: Vec<toml::Spanned<Control>>,
}

const BUILTIN: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/controls/iso27001-2022.toml"));

impl Catalogue {
    /// The catalogue that is compiled in.
    pub fn builtin() -> Result<Self, CatalogueError> {
        Self::parse("controls/iso27001-2022.toml", BUILTIN)
    }

    /// Reads a catalogue strictly; `file` names it in errors.
    pub fn parse(file: &str, text: &str) -> Result<Self, CatalogueError> {
        let fail = |offset: usize, message: String| {
            let (line, column) = place::line_column(text, offset);
            CatalogueError { file: file.to_owned(), line, column, message }
        };
        let document: Document = toml::from_str(text).map_err(|error| {
            fail(error.span().map_or(0, |span| span.start), error.message().to_owned())
        })?;
        let mut seen = BTreeSet::new();
        for control in &document.control {
            let here = |message: String| fail(control.span().start, message);
            let id = &control.get_ref().id;
            if !is_control_id(id) {
                return Err(here(format!("`{id}` is not a control id such as A.8.2")));
            }
            if !seen.insert(id) {
                return Err(here(format!("control {id} appears twice")));
            }
            if control.get_ref().host_evidence.is_some() != control.get_ref().not_shown.is_some() {
                return Err(here(format!("{id}: host_evidence and not_shown come together")));
            }
        }
        let controls = document.control.into_iter().map(toml::Spanned::into_inner).collect();
        Ok(Self { edition: document.edition, standard: document.standard, controls })
    }

    /// All controls, in the order of the standard.
    pub fn controls(&self) -> &[Control] {
        &self.controls
    }

    pub fn get(&self, id: &str) -> Option<&Control> {
        self.controls.iter().find(|control| control.id == id)
    }

    /// Whether a text has the form of a control's id.
    pub fn is_id(text: &str) -> bool {
        is_control_id(text)
    }

    /// Adds a control that an organisation keeps beside those of the standard.
    pub fn add(&mut self, control: Control) {
        self.controls.push(control);
    }
}

/// `A.`, then dotted numbers; an organisation's own controls have a prefix of their own.
fn is_control_id(id: &str) -> bool {
    let mut parts = id.split('.');
    let prefix = parts.next().is_some_and(|p| !p.is_empty() && p.chars().all(char::is_alphabetic));
    let numbers: Vec<_> = parts.collect();
    prefix && !numbers.is_empty() && numbers.iter().all(|n| n.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builtin() -> Catalogue {
        Catalogue::builtin().expect("catalogue")
    }

    #[test]
    fn the_edition_of_2022_has_93_controls_in_four_themes() {
        let catalogue = builtin();
        assert_eq!((catalogue.edition.as_str(), catalogue.controls().len()), ("iso27001-2022", 93));
        let count = |theme| catalogue.controls().iter().filter(|c| c.theme == theme).count();
        assert_eq!(
            [Theme::Organizational, Theme::People, Theme::Physical, Theme::Technological]
                .map(count),
            [37, 8, 14, 34]
        );
        let numbered = |theme: u32, count: u32| (1..=count).map(move |n| format!("A.{theme}.{n}"));
        let expected: Vec<_> = numbered(5, 37)
            .chain(numbered(6, 8))
            .chain(numbered(7, 14))
            .chain(numbered(8, 34))
            .collect();
        let ids: Vec<_> = catalogue.controls().iter().map(|c| c.id.clone()).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn all_114_controls_of_2013_lead_somewhere_and_11_are_new() {
        let catalogue = builtin();
        let all: Vec<_> = catalogue.controls().iter().flat_map(|c| &c.iso2013).collect();
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!((distinct.len(), all.len()), (114, 115)); // A.18.2.3 leads to two
        assert_eq!(catalogue.controls().iter().filter(|c| c.iso2013.is_empty()).count(), 11);
    }

    #[test]
    fn hosts_support_at_most_50_controls_and_say_what_they_leave_open() {
        let catalogue = builtin();
        let supported: Vec<_> =
            catalogue.controls().iter().filter(|c| c.host_evidence.is_some()).collect();
        assert_eq!(supported.len(), 50);
        assert!(supported.iter().all(|c| c.not_shown.as_ref().is_some_and(|t| t.len() > 8)));
        let direct = catalogue.get("A.8.2").and_then(|c| c.host_evidence);
        assert_eq!(direct, Some(HostEvidence::Direct));
        assert_eq!(catalogue.get("A.5.2").and_then(|c| c.host_evidence), None);
    }

    #[test]
    fn a_fault_is_refused_with_its_place() {
        let head = "edition = \"e\"\nstandard = \"s\"\n";
        let control = "[[control]]\nid = \"A.5.1\"\ntitle = \"t\"\ntheme = \"people\"\n\
                       control_type = []\niso2013 = []\n";
        let refused = |text: &str| {
            Catalogue::parse("c.toml", &format!("{head}{text}")).expect_err(text).to_string()
        };
        assert!(Catalogue::parse("c.toml", &format!("{head}{control}")).is_ok());
        assert!(refused(&format!("{control}titel = \"x\"\n")).starts_with("c.toml:9:1: unknown"));
        assert!(refused(&format!("{control}{control}")).contains("c.toml:9:1: control A.5.1"));
        assert!(refused(&control.replace("A.5.1", "5.x")).contains("not a control id"));
        let half = format!("{control}host_evidence = \"direct\"\n");
        assert!(refused(&half).contains("come together"));
        assert!(refused(&control.replace("people", "peple")).contains("c.toml:6:9"));
    }
}
