//! Kinds that the operator declared: one file, or one command of this host's own list, read as its
//! declaration says. A field that the text does not give is unread, unless the declaration says
//! what holds then.

use super::Collected;
use crate::formats::tree::{self, Malformed, Tree};
use crate::host::{Command, CommandError, Failure, Host, Output, Reading};
use evidence::declared::{Declaration, Field, FieldType, Format, Origin, Repeated};
use evidence::{Facts, Status};
use regex_lite::Regex;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Longest text of one field, in bytes: facts are not a way to ship files.
const MAX_TEXT_BYTES: usize = 1024;
/// Most members of a list.
const MAX_MEMBERS: usize = 1000;
/// What a command is asked of whose output does not matter.
const EXIT_CODE: &str = "exit_code";

/// A declared kind, ready to be gathered.
#[derive(Debug)]
pub struct Declared {
    pub declaration: Declaration,
    /// Of the format `regex`.
    pattern: Option<Regex>,
    /// Where it comes from a command.
    command: Option<Command>,
}

/// Why a declaration cannot be used on this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKind {
    #[error("`pattern` is no regular expression: {0}")]
    Pattern(String),
    #[error("`pattern` has no group `{0}`; write (?P<{0}>…)")]
    Group(String),
    #[error("`{0}` is not in [own.commands] of this host's agent.toml")]
    Command(String),
}

impl Declared {
    /// With the commands that this host allows, by name.
    pub fn new(
        declaration: Declaration,
        commands: &BTreeMap<String, Command>,
    ) -> Result<Self, UnusableKind> {
        let pattern = match &declaration.format {
            Format::Regex(pattern) => Some(compiled(pattern, &declaration.fields)?),
            _ => None,
        };
        let command = match &declaration.origin {
            Origin::File(_) => None,
            Origin::Command(name) => {
                let command = commands.get(name).cloned();
                Some(command.ok_or_else(|| UnusableKind::Command(name.clone()))?)
            }
        };
        Ok(Self { declaration, pattern, command })
    }

    /// Gathers the kind. Never fails: what went wrong is the status.
    pub fn collect(&self, host: &Host) -> Collected {
        let mut reading = Reading::new(host);
        let outcome = self.facts(&mut reading);
        Collected::of(reading, outcome)
    }

    fn facts(&self, reading: &mut Reading<'_>) -> Result<Facts, Failure> {
        let Declaration { kind, v, fields, .. } = &self.declaration;
        let (source, tree) = self.tree(reading)?;
        let (mut data, mut gaps) = (Map::new(), Vec::new());
        for field in fields {
            match self.value(field, &tree) {
                Ok(value) => drop(data.insert(field.name.clone(), value)),
                Err(why) => {
                    reading.unread(&field.name);
                    gaps.push(format!("{}: {why}", field.name));
                }
            }
        }
        if !gaps.is_empty() {
            reading.note(&source, gaps.join("; "));
        }
        Facts::new(kind, *v, Value::Object(data)).map_err(|_| Failure(Status::ParseError))
    }

    /// What the source says, and the name under which it stands in the manifest.
    fn tree(&self, reading: &mut Reading<'_>) -> Result<(String, Tree), Failure> {
        let (source, text) = match (&self.declaration.origin, &self.command) {
            (Origin::File(path), _) => (path.clone(), reading.config(path)?),
            (Origin::Command(name), Some(command)) => {
                let source = format!("command:{name}");
                let output = run(reading, &source, command)?;
                if self.declaration.format == Format::ExitCode {
                    let code = output.exit_code.map(i64::from).ok_or(Failure(Status::IoError))?;
                    let members = [(EXIT_CODE.to_owned(), vec![Tree::Integer(code)])];
                    return Ok((source, Tree::Map(members.into())));
                }
                if output.exit_code != Some(0) {
                    let code = output.exit_code.map_or("a signal".to_owned(), |n| n.to_string());
                    reading.ended(&source, Status::IoError, format!("it ended with {code}"));
                    return Err(Failure(Status::IoError));
                }
                let text = String::from_utf8(output.bytes).map_err(|_| {
                    reading.malformed(&source, "its output is no text (UTF-8)");
                    Failure(Status::ParseError)
                })?;
                (source, text)
            }
            (Origin::Command(_), None) => return Err(Failure(Status::Unsupported)),
        };
        match self.parsed(&text) {
            Ok(tree) => Ok((source, tree)),
            Err(Malformed { line: 0, what }) => {
                reading.malformed(&source, what);
                Err(Failure(Status::ParseError))
            }
            Err(Malformed { line, what }) => {
                reading.malformed(&source, format!("line {line}: {what}"));
                Err(Failure(Status::ParseError))
            }
        }
    }

    fn parsed(&self, text: &str) -> Result<Tree, Malformed> {
        match (&self.declaration.format, &self.pattern) {
            (Format::KeyValue, _) => tree::key_value(text),
            (Format::Ini, _) => tree::ini(text),
            (Format::Json, _) => tree::json(text),
            (Format::Yaml, _) => tree::yaml(text),
            (Format::Toml, _) => tree::toml(text),
            (Format::Regex(_), Some(pattern)) => Ok(tree::matches(text, pattern)),
            (Format::Regex(_), None) | (Format::ExitCode, _) => Ok(Tree::Map(BTreeMap::new())),
        }
    }

    /// The value of a field, or why there is none.
    fn value(&self, field: &Field, tree: &Tree) -> Result<Value, &'static str> {
        let found = tree.at(&field.from);
        let default = || field.default.clone().ok_or("it is not there");
        match field.shape {
            FieldType::Texts | FieldType::Integers => {
                if found.is_empty() {
                    return default();
                }
                let members = found.into_iter().flat_map(|tree| match tree {
                    Tree::List(items) => items.iter().collect(),
                    one => vec![one],
                });
                let members: Vec<&Tree> = members.collect();
                if members.len() > MAX_MEMBERS {
                    return Err("it has more than 1000 members");
                }
                let of = |tree: &&Tree| match field.shape {
                    FieldType::Integers => integer(tree),
                    _ => text(tree),
                };
                members.iter().map(of).collect::<Result<_, _>>().map(Value::Array)
            }
            shape => {
                let one = match (found.as_slice(), self.declaration.repeated) {
                    ([], _) => return default(),
                    ([one], _) | ([one, ..], Repeated::First) | ([.., one], Repeated::Last) => one,
                    (_, Repeated::Unread) => return Err("it is given more than once"),
                };
                match shape {
                    FieldType::Boolean => boolean(one),
                    FieldType::Integer => integer(one),
                    _ => text(one),
                }
            }
        }
    }
}

fn compiled(pattern: &str, fields: &[Field]) -> Result<Regex, UnusableKind> {
    let regex = Regex::new(pattern).map_err(|error| UnusableKind::Pattern(error.to_string()))?;
    let known: Vec<&str> = regex.capture_names().flatten().collect();
    for field in fields {
        let group = field.from.join(".");
        if !known.contains(&group.as_str()) {
            return Err(UnusableKind::Group(group));
        }
    }
    Ok(regex)
}

fn run(reading: &mut Reading<'_>, source: &str, command: &Command) -> Result<Output, Failure> {
    if !reading.is_live() {
        return Err(Failure(Status::Unsupported));
    }
    reading.run(source, command).map_err(|error| {
        Failure(match error {
            CommandError::Start(error) => return Failure::from(error),
            CommandError::Unsafe => Status::Denied,
            CommandError::Timeout(_) => Status::Timeout,
            CommandError::TooLong(_) => Status::Truncated,
        })
    })
}

fn boolean(tree: &Tree) -> Result<Value, &'static str> {
    match tree {
        Tree::Boolean(value) => Ok(Value::Bool(*value)),
        Tree::Word(word) => match word.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "off" | "0" => Ok(Value::Bool(false)),
            _ => Err("it is no boolean"),
        },
        _ => Err("it is no boolean"),
    }
}

fn integer(tree: &Tree) -> Result<Value, &'static str> {
    let number = match tree {
        Tree::Integer(number) => Some(*number),
        Tree::Word(word) => word.parse().ok(),
        _ => None,
    };
    let exact = number.filter(|n| n.unsigned_abs() <= evidence::canonical::MAX_INTEGER as u64);
    exact.map(Value::from).ok_or("it is no whole number")
}

fn text(tree: &Tree) -> Result<Value, &'static str> {
    match tree {
        Tree::Word(text) | Tree::Text(text) if text.len() <= MAX_TEXT_BYTES => {
            Ok(Value::String(text.clone()))
        }
        Tree::Word(_) | Tree::Text(_) => Err("it is longer than 1024 bytes"),
        Tree::Integer(number) => Ok(Value::String(number.to_string())),
        Tree::Boolean(value) => Ok(Value::String(value.to_string())),
        _ => Err("it is no text"),
    }
}

#[cfg(test)]
mod tests;
