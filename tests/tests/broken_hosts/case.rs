//! What a case says: one defect of a sound machine, and its near miss.

use crate::machine_text::Edit;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `cases/<kind>.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    /// Sound machines that are made of a fixture.
    #[serde(default)]
    base: BTreeMap<String, Base>,
    case: Vec<Case>,
}

/// A fixture, and what makes it sound.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct Base {
    pub(crate) fixture: String,
    #[serde(default)]
    pub(crate) edits: Vec<Edit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// A base of the file, or a fixture of the kind.
    base: String,
    /// Fixtures of other kinds of the same host; those that are not named are sound.
    #[serde(default)]
    pub(crate) beside: BTreeMap<String, String>,
    pub(crate) defect: Vec<Edit>,
    /// What passes without the defect, and what it says with it. `*` stands for all rules of the
    /// kind that are not named: they say this with the defect, and the same as before without.
    pub(crate) flips: BTreeMap<String, Says>,
    /// What else the defect changes.
    #[serde(default)]
    pub(crate) also: BTreeMap<String, Says>,
    /// What the near miss is.
    pub(crate) near_miss: String,
    pub(crate) near: Vec<Edit>,
    /// What the near miss changes: never what the defect flips.
    #[serde(default)]
    pub(crate) near_also: BTreeMap<String, Says>,
}

/// What a rule says: the offenders it finds, or `fail` of a rule that has none, `pass`,
/// `not_applicable`, or `unknown` with the reason (`unknown denied`). A star at the end stands for
/// whatever comes there.
#[derive(Deserialize, Clone, PartialEq, Eq)]
#[serde(try_from = "toml::Value")]
pub(crate) struct Says(pub(crate) String);

impl TryFrom<toml::Value> for Says {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Ok(Self(text)),
            toml::Value::Array(offenders) => {
                let text = |offender: &toml::Value| offender.as_str().map(str::to_owned);
                let offenders: Option<Vec<_>> = offenders.iter().map(text).collect();
                Ok(Self::offenders(&offenders.ok_or("offenders are strings")?))
            }
            other => Err(format!("{other} is neither an outcome nor a list of offenders")),
        }
    }
}

impl Says {
    pub(crate) fn is(&self, found: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => found.0.starts_with(start),
            None => self == found,
        }
    }

    pub(crate) fn offenders(offenders: &[String]) -> Self {
        Self(format!("fail: {}", offenders.join(", ")))
    }
}

/// The cases of one kind, with the bases they name.
pub(crate) struct File {
    pub(crate) kind: String,
    pub(crate) cases: Cases,
}

impl Cases {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = (&Case, Base)> {
        self.case.iter().map(|case| {
            let fixture = || Base { fixture: case.base.clone(), edits: vec![] };
            (case, self.base.get(&case.base).cloned().unwrap_or_else(fixture))
        })
    }
}

/// Every file, by name.
pub(crate) fn files() -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken_hosts/cases");
    let entries = std::fs::read_dir(folder).expect("cases");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    let file = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("cases");
        let cases = Cases::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        File { kind: path.file_stem().expect("kind").to_string_lossy().into_owned(), cases }
    };
    paths.iter().map(file).collect()
}
