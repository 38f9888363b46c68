//! The shapes that facts can have, read from the JSON Schema of their kind.

use evidence::declared::Declaration;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The type of a fact or of an expression over facts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Bool,
    Int,
    Text,
    /// A text from a closed list.
    Enum(Arc<[String]>),
    List(Box<Shape>),
    /// Named fields.
    Record(Arc<BTreeMap<String, Shape>>),
    /// Any keys, all of one shape.
    Map(Box<Shape>),
    /// Member of a list that is always empty.
    Nothing,
}

impl Shape {
    /// Whether both can be compared with each other.
    pub(super) fn agrees(&self, other: &Shape) -> bool {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => true,
            (Self::List(a), Self::List(b)) => a.agrees(b),
            (a, b) if a.is_text() && b.is_text() => true,
            (Self::Bool, Self::Bool) | (Self::Int, Self::Int) => true,
            _ => false,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text | Self::Enum(_))
    }

    pub(super) fn is_scalar(&self) -> bool {
        matches!(self, Self::Bool | Self::Int) || self.is_text()
    }

    /// Shape of a value in an example or of a parameter; `None` for floats, dates and mixtures.
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(_) => Some(Self::Bool),
            Value::Number(number) => number.as_i64().map(|_| Self::Int),
            Value::String(_) => Some(Self::Text),
            Value::Array(items) => {
                let mut item_shape = Self::Nothing;
                for item in items {
                    let shape = Self::of_value(item)?;
                    if !shape.is_scalar() || !item_shape.agrees(&shape) {
                        return None;
                    }
                    item_shape = shape;
                }
                Some(Self::List(Box::new(item_shape)))
            }
            Value::Null | Value::Object(_) => None,
        }
    }

    /// Collects the dotted paths, without the kind, at which facts do not have this shape: what
    /// stands there is no proof. Fields that a newer agent added are passed over.
    pub(super) fn strangers(&self, value: &Value, path: &str, found: &mut BTreeSet<String>) {
        let below = |key: &str| match path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        match (self, value) {
            (Self::Record(fields), Value::Object(members)) => {
                for (key, shape) in fields.iter() {
                    if let Some(member) = members.get(key) {
                        shape.strangers(member, &below(key), found);
                    }
                }
            }
            (Self::Map(item), Value::Object(members)) => {
                members.iter().for_each(|(key, member)| item.strangers(member, &below(key), found));
            }
            (Self::List(item), Value::Array(items)) => {
                items.iter().for_each(|member| item.strangers(member, path, found));
            }
            (shape, value) if shape.is_scalar() && shape.misfit(value, path).is_none() => {}
            _ => drop(found.insert(path.to_owned())),
        }
    }

    /// The first place where `value` does not have this shape. Absent fields are allowed.
    pub(super) fn misfit(&self, value: &Value, path: &str) -> Option<String> {
        match (self, value) {
            (Self::Bool, Value::Bool(_)) | (Self::Text, Value::String(_)) => None,
            (Self::Int, Value::Number(number)) if number.as_i64().is_some() => None,
            (Self::Enum(known), Value::String(text)) if known.contains(text) => None,
            (Self::List(item), Value::Array(items)) => {
                items.iter().find_map(|value| item.misfit(value, path))
            }
            (Self::Map(item), Value::Object(members)) => {
                members.iter().find_map(|(key, value)| item.misfit(value, &format!("{path}.{key}")))
            }
            (Self::Record(fields), Value::Object(members)) => {
                members.iter().find_map(|(key, value)| match fields.get(key) {
                    Some(shape) => shape.misfit(value, &format!("{path}.{key}")),
                    None => Some(format!("there is no fact `{path}.{key}`")),
                })
            }
            _ => Some(format!("`{path}` is not {self}")),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("a bool"),
            Self::Int => f.write_str("an int"),
            Self::Text => f.write_str("a string"),
            Self::Enum(known) => write!(f, "one of {}", known.join(", ")),
            Self::List(_) => f.write_str("a list"),
            Self::Record(_) => f.write_str("a record"),
            Self::Map(_) => f.write_str("a map"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

/// The kinds that rules may read: those of the product, and those that an organisation declared.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    declared: BTreeMap<String, (i64, Shape)>,
}

impl Known {
    /// Adds a declared kind. False if it is there already.
    pub(super) fn declare(&mut self, declaration: &Declaration) -> bool {
        let shape = of_schema(&declaration.schema());
        let shape = shape.unwrap_or_else(|| Shape::Record(Arc::default()));
        let kind = declaration.kind.clone();
        self.declared.insert(kind, (declaration.v, shape)).is_none()
    }

    /// The newest version of a kind's facts; none for an unknown kind.
    pub(super) fn v(&self, kind: &str) -> Option<i64> {
        let declared = self.declared.get(kind).map(|(v, _)| *v);
        declared.or_else(|| evidence::kinds::find(kind).map(|kind| kind.v))
    }

    pub(super) fn shape(&self, kind: &str) -> Option<&Shape> {
        self.declared.get(kind).map(|(_, shape)| shape).or_else(|| of_kind(kind))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let product = evidence::kinds::ALL.iter().map(|kind| kind.name);
        product.chain(self.declared.keys().map(String::as_str))
    }
}

/// The shape of a kind's facts; `None` for a kind that is none of the product's.
fn of_kind(kind: &str) -> Option<&'static Shape> {
    static SHAPES: OnceLock<HashMap<&'static str, Shape>> = OnceLock::new();
    let shapes = SHAPES.get_or_init(|| {
        let known = evidence::kinds::ALL.iter();
        known.filter_map(|kind| Some((kind.name, of_schema(kind.schema().as_value())?))).collect()
    });
    shapes.get(kind)
}

fn of_schema(root: &Value) -> Option<Shape> {
    resolve(root, root, 16)
}

/// `depth` bounds recursive schemas, of which there are none.
fn resolve(node: &Value, root: &Value, depth: u8) -> Option<Shape> {
    let depth = depth.checked_sub(1)?;
    if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
        return resolve(root.pointer(reference.strip_prefix('#')?)?, root, depth);
    }
    if let Some(choices) = node.get("anyOf").and_then(Value::as_array) {
        let mut choices = choices.iter().filter(|c| c.get("type") != Some(&Value::from("null")));
        return resolve(choices.next()?, root, depth).filter(|_| choices.next().is_none());
    }
    if let Some(choices) = node.get("oneOf").and_then(Value::as_array) {
        let texts: Option<Vec<_>> = choices.iter().map(texts).collect();
        return Some(Shape::Enum(texts?.concat().into()));
    }
    if let Some(texts) = texts(node) {
        return Some(Shape::Enum(texts.into()));
    }
    match type_name(node)? {
        "boolean" => Some(Shape::Bool),
        "integer" => Some(Shape::Int),
        "string" => Some(Shape::Text),
        "array" => Some(Shape::List(Box::new(resolve(node.get("items")?, root, depth)?))),
        "object" => object(node, root, depth),
        _ => None,
    }
}

/// The values of an enum: variants with a description are a `const` each, the others share an
/// `enum`.
fn texts(node: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match (node.get("const"), node.get("enum").and_then(Value::as_array)) {
        (Some(value), _) => Some(vec![text(value)?]),
        (None, Some(values)) => values.iter().map(text).collect(),
        (None, None) => None,
    }
}

/// `type`, or the one beside `null` of an optional field.
fn type_name(node: &Value) -> Option<&str> {
    match node.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

fn object(node: &Value, root: &Value, depth: u8) -> Option<Shape> {
    if let Some(fields) = node.get("properties").and_then(Value::as_object) {
        let field =
            |(name, field): (&String, &Value)| Some((name.clone(), resolve(field, root, depth)?));
        return fields.iter().map(field).collect::<Option<_>>().map(|f| Shape::Record(Arc::new(f)));
    }
    let item = node.get("additionalProperties").filter(|item| item.is_object())?;
    Some(Shape::Map(Box::new(resolve(item, root, depth)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(kind: &str, path: &str) -> Shape {
        let mut shape = of_kind(kind).expect(kind).clone();
        for step in path.split('.') {
            while let Shape::List(item) = shape {
                shape = *item;
            }
            let Shape::Record(fields) = shape else { panic!("{path} at {step}") };
            shape = fields.get(step).unwrap_or_else(|| panic!("{path} at {step}")).clone();
        }
        shape
    }

    #[test]
    fn every_kind_has_a_shape() {
        for kind in evidence::kinds::ALL {
            assert!(matches!(of_kind(kind.name), Some(Shape::Record(_))), "{}", kind.name);
        }
        assert_eq!(of_kind("acounts"), None);
    }

    #[test]
    fn optional_fields_lists_enums_and_maps_are_seen_through() {
        assert_eq!(at("accounts", "users.uid"), Shape::Int);
        assert_eq!(at("accounts", "users.enabled"), Shape::Bool);
        assert_eq!(at("accounts", "nss_passwd"), Shape::List(Box::new(Shape::Text)));
        let Shape::Enum(states) = at("accounts", "users.password.state") else { panic!("enum") };
        assert!(states.contains(&"locked".to_owned()) && states.contains(&"unknown".to_owned()));
        assert!(matches!(at("accounts", "users.password.hash_scheme"), Shape::Enum(_)));
        assert_eq!(at("ssh_server", "matches.settings"), Shape::Map(Box::new(Shape::Text)));
        assert_eq!(at("ssh_server", "host_keys.type"), Shape::Text);
    }

    #[test]
    fn an_enum_is_whole_whether_its_variants_are_described_or_not() {
        let schema = json!({"oneOf": [{"type": "string", "enum": ["a", "b"]},
            {"description": "d", "type": "string", "const": "unknown"}]});
        let whole = ["a", "b", "unknown"].map(str::to_owned);
        assert_eq!(of_schema(&schema), Some(Shape::Enum(whole.to_vec().into())));
        assert_eq!(of_schema(&json!({"oneOf": [{"type": "integer"}]})), None);
    }

    #[test]
    fn a_value_that_does_not_fit_is_named() {
        let shape = of_kind("accounts").expect("accounts");
        let misfit = |value: Value| shape.misfit(&value, "accounts");
        assert_eq!(misfit(json!({"users": [{"name": "eve", "uid": 0}]})), None);
        let named = |value: Value| misfit(value).expect("misfit");
        assert_eq!(named(json!({"user": []})), "there is no fact `accounts.user`");
        assert_eq!(named(json!({"users": [{"uid": "0"}]})), "`accounts.users.uid` is not an int");
        let state = json!({"users": [{"password": {"state": "lost"}}]});
        assert!(named(state).starts_with("`accounts.users.password.state` is not one of set"));
    }

    #[test]
    fn strangers_are_found_by_path_and_new_fields_are_none() {
        let strangers = |value: Value| {
            let mut found = BTreeSet::new();
            of_kind("accounts").expect("accounts").strangers(&value, "", &mut found);
            found.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(strangers(json!({"users": [{"uid": 0, "shoe_size": 42}], "new": 1})), "");
        let users = json!([{"uid": 0}, {"uid": "0", "password": {"state": "lost"}}, 7]);
        assert_eq!(strangers(json!({"users": users})), "users users.password.state users.uid");
        let mut whole = BTreeSet::new();
        of_kind("accounts").expect("accounts").strangers(&json!([]), "", &mut whole);
        assert_eq!(whole, [String::new()].into(), "the path of the whole is empty");
    }

    #[test]
    fn parameters_are_scalars_and_even_lists() {
        assert_eq!(Shape::of_value(&json!([1, 2])), Some(Shape::List(Box::new(Shape::Int))));
        assert_eq!(Shape::of_value(&json!([1, "a"])), None);
        assert_eq!(Shape::of_value(&json!(1.5)), None);
    }
}
