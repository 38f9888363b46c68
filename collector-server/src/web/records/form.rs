//! The form of a record, made of its register: as it is, as it was sent, and what it says.

use crate::record::{Attached, FieldKind, Register, Says};
use std::collections::{BTreeMap, BTreeSet};

/// What a form sent, by the names of its inputs. Fields of a register are `f.NAME`.
pub type Sent = BTreeMap<String, String>;

/// A form, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    pub title: String,
    pub owner: String,
    pub about: String,
    pub about_needed: bool,
    /// What it is about if nothing is said.
    pub covers: String,
    pub effective: String,
    pub valid_until: String,
    /// How long it holds if nothing is said.
    pub holds: String,
    pub link: String,
    pub link_sha256: String,
    /// The file that it has.
    pub file: Option<String>,
    pub fields: Vec<Input>,
    pub revision: i64,
}

/// One field of the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub name: String,
    pub label: String,
    pub hint: String,
    pub required: bool,
    pub value: String,
    /// `text`, `date`, `number`; `area` for several lines; `select` for one of `choices`.
    pub kind: &'static str,
    /// Each word, and whether it is chosen.
    pub choices: Vec<(String, bool)>,
}

impl Sheet {
    /// An empty form, that of a revision, or one as it was sent.
    pub fn of(register: &Register, sent: &Sent, file: Option<&Attached>, revision: i64) -> Self {
        let text = |name: &str| sent.get(name).cloned().unwrap_or_default();
        let holds = register.validity_days.map(|days| format!("Left out: {days} days"));
        Self {
            title: text("title"),
            owner: text("owner"),
            about: text("about"),
            about_needed: register.about_needed,
            covers: register.covers(),
            effective: text("effective"),
            valid_until: text("valid_until"),
            holds: holds.unwrap_or_else(|| "Left out: it does not end".to_owned()),
            link: text("link"),
            link_sha256: text("link_sha256"),
            file: file.map(|file| file.name.clone()),
            fields: register.field.iter().map(|field| input(field, sent)).collect(),
            revision,
        }
    }
}

fn input(field: &crate::record::Field, sent: &Sent) -> Input {
    let name = format!("f.{}", field.id);
    let value = sent.get(&name).cloned().unwrap_or_default();
    let words = match field.kind {
        FieldKind::YesNo => vec!["yes".to_owned(), "no".to_owned()],
        _ => field.choices.clone(),
    };
    let words = words.into_iter();
    Input {
        label: field.label.clone(),
        hint: field.hint.clone(),
        required: field.required,
        kind: match field.kind {
            FieldKind::Line => "text",
            FieldKind::Text => "area",
            FieldKind::Day => "date",
            FieldKind::Number => "number",
            FieldKind::Choice | FieldKind::YesNo | FieldKind::Level => "select",
        },
        choices: words.map(|word| (word.clone(), word == value)).collect(),
        name,
        value,
    }
}

/// What a form would have sent that says the same.
pub fn sent_of(says: &Says) -> Sent {
    let about: Vec<&str> = says.about.iter().map(String::as_str).collect();
    let common = [
        ("title", says.title.clone()),
        ("owner", says.owner.clone()),
        ("about", about.join(", ")),
        ("effective", says.effective.clone()),
        ("valid_until", says.valid_until.clone()),
        ("link", says.link.clone()),
        ("link_sha256", says.link_sha256.clone()),
    ];
    let fields = says.fields.iter().map(|(id, text)| (format!("f.{id}"), text.clone()));
    common.into_iter().map(|(name, text)| (name.to_owned(), text)).chain(fields).collect()
}

/// What a form says, with the file that it keeps or brings.
pub fn says_of(register: &Register, sent: &Sent, file: Option<Attached>) -> Says {
    let text = |name: &str| sent.get(name).cloned().unwrap_or_default();
    let about = text("about");
    let about = about.split([',', ';', '\n']).map(str::trim).filter(|text| !text.is_empty());
    let about: BTreeSet<String> = about.map(str::to_owned).collect();
    let fields = register.field.iter();
    let fields = fields.map(|field| (field.id.clone(), text(&format!("f.{}", field.id)))).collect();
    let says = Says {
        title: text("title"),
        owner: text("owner"),
        about,
        effective: text("effective"),
        valid_until: text("valid_until"),
        link: text("link"),
        link_sha256: text("link_sha256"),
        file,
        fields,
    };
    says.tidy(register)
}
