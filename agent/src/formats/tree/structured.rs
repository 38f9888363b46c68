//! JSON, YAML and TOML.

use super::{MAX_DEPTH, Malformed, Tree};
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// RFC 8259, with keys that are unique in their object.
pub fn json(text: &str) -> Result<Tree, Malformed> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let tree = Build { depth: MAX_DEPTH }
        .deserialize(&mut deserializer)
        .and_then(|tree| deserializer.end().map(|()| tree));
    tree.map_err(|error| Malformed { line: error.line(), what: "not JSON with unique keys" })
}

/// TOML 1.0.
pub fn toml(text: &str) -> Result<Tree, Malformed> {
    let table = text.parse::<toml::Table>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or_default();
        Malformed { line: before.matches('\n').count() + 1, what: "not TOML" }
    })?;
    Ok(of_toml(toml::Value::Table(table)))
}

fn of_toml(value: toml::Value) -> Tree {
    match value {
        toml::Value::String(text) => Tree::Text(text),
        toml::Value::Integer(integer) => Tree::Integer(integer),
        toml::Value::Boolean(boolean) => Tree::Boolean(boolean),
        toml::Value::Float(_) | toml::Value::Datetime(_) => Tree::Other,
        toml::Value::Array(items) => Tree::List(items.into_iter().map(of_toml).collect()),
        toml::Value::Table(table) => {
            Tree::Map(table.into_iter().map(|(key, value)| (key, vec![of_toml(value)])).collect())
        }
    }
}

/// One document of YAML 1.2 without aliases and tags. Plain scalars are read by the core schema;
/// words that older readers take for booleans (`yes`, `off`) stay words.
pub fn yaml(text: &str) -> Result<Tree, Malformed> {
    let mut events = Events { parser: Parser::new_from_str(text) };
    let mut next = events.next()?;
    while matches!(next.0, Event::StreamStart | Event::DocumentStart(_)) {
        next = events.next()?;
    }
    if next.0 == Event::StreamEnd {
        return Err(Malformed { line: 0, what: "an empty document" });
    }
    let tree = events.tree(next, MAX_DEPTH)?;
    loop {
        match events.next()? {
            (Event::DocumentEnd | Event::Nothing, _) => {}
            (Event::StreamEnd, _) => return Ok(tree),
            (_, line) => return Err(Malformed { line, what: "several documents" }),
        }
    }
}

struct Events<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
}

impl<'t> Events<'t> {
    /// The next event and its line.
    fn next(&mut self) -> Result<(Event<'t>, usize), Malformed> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => Err(Malformed { line: error.marker().line(), what: "not YAML" }),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn tree(&mut self, begun: (Event<'t>, usize), depth: usize) -> Result<Tree, Malformed> {
        let (event, line) = begun;
        let depth = depth.checked_sub(1).ok_or(Malformed { line, what: "nested too deeply" })?;
        match event {
            Event::Scalar(text, style, _, tag) => {
                untagged(tag.as_ref(), line)?;
                Ok(if style == ScalarStyle::Plain { plain(&text) } else { Tree::Text(text.into()) })
            }
            Event::SequenceStart(_, tag) => {
                untagged(tag.as_ref(), line)?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => return Ok(Tree::List(items)),
                        item => items.push(self.tree(item, depth)?),
                    }
                }
            }
            Event::MappingStart(_, tag) => {
                untagged(tag.as_ref(), line)?;
                self.mapping(depth)
            }
            Event::Alias(_) => Err(Malformed { line, what: "an alias" }),
            _ => Err(Malformed { line, what: "not YAML" }),
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Tree, Malformed> {
        let mut members = BTreeMap::new();
        loop {
            let (key, line) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Tree::Map(members)),
                (Event::Scalar(key, _, _, None), line) => (key.into_owned(), line),
                (_, line) => return Err(Malformed { line, what: "a key that is no plain text" }),
            };
            let value = self.next()?;
            let value = self.tree(value, depth)?;
            if members.insert(key, vec![value]).is_some() {
                return Err(Malformed { line, what: "a key that is given twice" });
            }
        }
    }
}

fn untagged(tag: Option<&Cow<'_, Tag>>, line: usize) -> Result<(), Malformed> {
    tag.map_or(Ok(()), |_| Err(Malformed { line, what: "a tag" }))
}

/// YAML 1.2.2, 10.3.2: the core schema.
fn plain(text: &str) -> Tree {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Tree::Other,
        "true" | "True" | "TRUE" => return Tree::Boolean(true),
        "false" | "False" | "FALSE" => return Tree::Boolean(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // A leading zero is octal to older readers.
        let ambiguous = digits.len() > 1 && digits.starts_with('0');
        let integer = text.parse().ok().filter(|_| !ambiguous);
        return integer.map_or(Tree::Other, Tree::Integer);
    }
    let unsigned = digits.to_ascii_lowercase();
    let number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (text.parse::<f64>().is_ok() || matches!(unsigned.as_str(), ".inf" | ".nan"));
    match number || text.starts_with("0x") || text.starts_with("0o") {
        true => Tree::Other,
        false => Tree::Word(text.to_owned()),
    }
}

/// Builds a tree from JSON and refuses keys that are given twice.
#[derive(Clone, Copy)]
struct Build {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Build {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(i64::try_from(value).map_or(Tree::Other, Tree::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let below = self.below()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(below)? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let below = self.below()?;
        let mut members = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(below)?;
            if members.insert(key, vec![value]).is_some() {
                return Err(A::Error::custom("a key that is given twice"));
            }
        }
        Ok(Tree::Map(members))
    }
}

impl Build {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth })
    }
}
