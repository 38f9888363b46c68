//! Kinds that an organisation declares for itself: which file or command says what about its hosts.
//! Agents gather by the declaration, and collectors check rules against it. One TOML file each:
//!
//! ```toml
//! kind = "own_restic"
//! v = 1
//! title = "Backup of this host by restic"
//! schedule = "20 * * * *"
//! file = "/var/lib/restic/last.json"
//! format = "json"
//!
//! [[field]]
//! name = "kept_days"
//! type = "integer"
//! from = "policy.kept_days"
//! about = "How long copies are kept, in days."
//! ```

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;

/// What the name of a declared kind begins with.
pub const PREFIX: &str = "own_";
/// Most fields of a kind.
const MAX_FIELDS: usize = 100;
/// Most letters of a name.
const MAX_NAME: usize = 48;

/// A kind as it was declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// Begins with [`PREFIX`].
    pub kind: String,
    /// Version of the facts: raised when a field is added.
    pub v: i64,
    /// What it is, for people.
    pub title: String,
    /// Whether its facts are about people.
    pub personal: bool,
    /// A five-field crontab(5) expression, UTC.
    pub schedule: String,
    pub origin: Origin,
    pub format: Format,
    /// What a line that says something again does.
    pub repeated: Repeated,
    pub fields: Vec<Field>,
}

/// Where the text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An absolute path.
    File(String),
    /// Name of a command in the host's own list.
    Command(String),
}

/// How the text is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Lines of `key = value` or `key value`; `#` begins a comment.
    KeyValue,
    /// Sections in brackets with `key = value` below them.
    Ini,
    Json,
    Yaml,
    Toml,
    /// A regular expression with named groups, tried on every line.
    Regex(String),
    /// Only how a command ended: the integer `exit_code`.
    ExitCode,
}

/// Which of several lines with the same key counts. There is no way to guess.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeated {
    /// A field that is given twice is not read.
    #[default]
    Unread,
    First,
    Last,
}

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub shape: FieldType,
    /// The keys that lead to it.
    pub from: Vec<String>,
    pub about: String,
    /// What holds where the text does not give it.
    pub default: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// `true`, `yes`, `on`, `1`, or their opposites.
    Boolean,
    /// Within ±2⁵³.
    Integer,
    Text,
    Texts,
    Integers,
}

/// What is wrong with a declaration, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct DeclarationError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub reason: String,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    kind: Spanned<String>,
    v: Spanned<i64>,
    title: Spanned<String>,
    #[serde(default)]
    personal: bool,
    schedule: String,
    file: Option<Spanned<String>>,
    command: Option<Spanned<String>>,
    format: Spanned<FormatName>,
    pattern: Option<Spanned<String>>,
    #[serde(default)]
    repeated: Repeated,
    field: Vec<Spanned<FieldDocument>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum FormatName {
    KeyValue,
    Ini,
    Json,
    Yaml,
    Toml,
    Regex,
    ExitCode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldDocument {
    name: Spanned<String>,
    #[serde(rename = "type")]
    shape: FieldType,
    from: Option<From>,
    about: String,
    default: Option<Spanned<toml::Value>>,
}

/// `"a.b"`, or `["a", "b.c"]` where a key has a dot in it.
#[derive(Deserialize)]
#[serde(untagged)]
enum From {
    Dotted(String),
    Keys(Vec<String>),
}

/// What is wrong, and which bytes of the text it is about.
struct Fault(Range<usize>, String);

impl Declaration {
    /// Reads the text of a declaration.
    pub fn parse(text: &str) -> Result<Self, DeclarationError> {
        let document = toml::from_str::<Document>(text).map_err(|error| {
            let message = error.message().trim().replace('\n', ", ");
            Fault(error.span().unwrap_or(0..0), message)
        });
        document.and_then(Self::of).map_err(|Fault(span, reason)| {
            let before = text.get(..span.start).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            DeclarationError {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                reason,
            }
        })
    }

    fn of(document: Document) -> Result<Self, Fault> {
        let kind = document.kind.get_ref();
        if !kind.starts_with(PREFIX) || kind.len() == PREFIX.len() || !is_name(kind) {
            let reason = format!("`{kind}` is no name of a kind; write {PREFIX} and a-z, 0-9, _");
            return Err(Fault(document.kind.span(), reason));
        }
        if *document.v.get_ref() < 1 {
            return Err(Fault(document.v.span(), "`v` counts from 1".to_owned()));
        }
        if document.title.get_ref().trim().is_empty() {
            return Err(Fault(document.title.span(), "`title` is empty".to_owned()));
        }
        let fields = fields(&document)?;
        Ok(Self {
            origin: origin(&document)?,
            format: format(&document, &fields)?,
            fields,
            kind: document.kind.into_inner(),
            v: document.v.into_inner(),
            title: document.title.into_inner(),
            personal: document.personal,
            schedule: document.schedule,
            repeated: document.repeated,
        })
    }

    /// JSON Schema (2020-12) of the kind's `data`.
    pub fn schema(&self) -> Value {
        let property = |field: &Field| {
            let mut schema = field.shape.schema();
            schema["description"] = field.about.clone().into();
            (field.name.clone(), schema)
        };
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.title,
            "type": "object",
            "properties": self.fields.iter().map(property).collect::<serde_json::Map<_, _>>(),
            "additionalProperties": false,
        })
    }
}

impl FieldType {
    fn schema(self) -> Value {
        match self {
            Self::Boolean => json!({"type": "boolean"}),
            Self::Integer => json!({"type": "integer"}),
            Self::Text => json!({"type": "string"}),
            Self::Texts => json!({"type": "array", "items": {"type": "string"}}),
            Self::Integers => json!({"type": "array", "items": {"type": "integer"}}),
        }
    }

    fn takes(self, value: &Value) -> bool {
        let all = |one: fn(&Value) -> bool| value.as_array().is_some_and(|all| all.iter().all(one));
        match self {
            Self::Boolean => value.is_boolean(),
            Self::Integer => value.is_i64(),
            Self::Text => value.is_string(),
            Self::Texts => all(Value::is_string),
            Self::Integers => all(Value::is_i64),
        }
    }
}

/// Lower-case words and digits with `_` between them.
fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(letter)
        && !name.ends_with('_')
        && !name.contains("__")
}

fn origin(document: &Document) -> Result<Origin, Fault> {
    match (&document.file, &document.command) {
        (Some(file), None) => match absolute(file.get_ref()) {
            true => Ok(Origin::File(file.get_ref().clone())),
            false => Err(Fault(file.span(), "`file` is an absolute path without `..`".to_owned())),
        },
        (None, Some(command)) => Ok(Origin::Command(command.get_ref().clone())),
        (_, both) => {
            let at = both.as_ref().map_or(document.kind.span(), Spanned::span);
            Err(Fault(at, "give either `file` or `command`".to_owned()))
        }
    }
}

fn absolute(path: &str) -> bool {
    path.starts_with('/') && path.split('/').all(|part| part != "..") && !path.ends_with('/')
}

fn format(document: &Document, fields: &[Field]) -> Result<Format, Fault> {
    let at = document.format.span();
    match (document.format.get_ref(), &document.pattern) {
        (FormatName::Regex, Some(pattern)) => Ok(Format::Regex(pattern.get_ref().clone())),
        (FormatName::Regex, None) => Err(Fault(at, "`regex` needs a `pattern`".to_owned())),
        (_, Some(pattern)) => Err(Fault(pattern.span(), "only `regex` has a `pattern`".to_owned())),
        (FormatName::ExitCode, None) => {
            let is_exit_code =
                |field: &Field| field.from == ["exit_code"] && field.shape == FieldType::Integer;
            match document.command.is_some() && fields.iter().all(is_exit_code) {
                true => Ok(Format::ExitCode),
                false => {
                    Err(Fault(at, "a command gives the integer `exit_code`, and no more".into()))
                }
            }
        }
        (FormatName::KeyValue, None) => Ok(Format::KeyValue),
        (FormatName::Ini, None) => Ok(Format::Ini),
        (FormatName::Json, None) => Ok(Format::Json),
        (FormatName::Yaml, None) => Ok(Format::Yaml),
        (FormatName::Toml, None) => Ok(Format::Toml),
    }
}

fn fields(document: &Document) -> Result<Vec<Field>, Fault> {
    if document.field.is_empty() || document.field.len() > MAX_FIELDS {
        let reason = format!("a kind has between 1 and {MAX_FIELDS} fields");
        return Err(Fault(document.kind.span(), reason));
    }
    let mut names = BTreeSet::new();
    let mut fields = Vec::new();
    for written in &document.field {
        let field = field(written.get_ref(), written.span())?;
        if !names.insert(field.name.clone()) {
            let reason = format!("another field is called `{}`", field.name);
            return Err(Fault(written.get_ref().name.span(), reason));
        }
        fields.push(field);
    }
    Ok(fields)
}

fn field(written: &FieldDocument, at: Range<usize>) -> Result<Field, Fault> {
    let name = written.name.get_ref();
    if !is_name(name) {
        let reason = format!("`{name}` is no name of a field; write a-z, 0-9 and single _");
        return Err(Fault(written.name.span(), reason));
    }
    let from = match &written.from {
        None => vec![name.clone()],
        Some(From::Dotted(dotted)) => dotted.split('.').map(str::to_owned).collect(),
        Some(From::Keys(keys)) => keys.clone(),
    };
    if from.is_empty() || from.iter().any(String::is_empty) {
        return Err(Fault(at, format!("`from` of `{name}` has an empty key")));
    }
    let default = written.default.as_ref().map(|written_default| {
        let value = serde_json::to_value(written_default.get_ref()).unwrap_or_default();
        match written.shape.takes(&value) {
            true => Ok(value),
            false => {
                let reason = format!("`default` of `{name}` is not of its type");
                Err(Fault(written_default.span(), reason))
            }
        }
    });
    Ok(Field {
        name: name.clone(),
        shape: written.shape,
        from,
        about: written.about.clone(),
        default: default.transpose()?,
    })
}

#[cfg(test)]
mod tests;
