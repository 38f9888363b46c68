//! Canonical JSON: RFC 8785, narrowed to what evidence needs.
//!
//! Floats, integers beyond ±2⁵³ and duplicate keys are refused on the way in and on the way out:
//! each of them is a value that two readers may understand differently.

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The largest integer magnitude that every JSON reader keeps exactly (2⁵³).
pub const MAX_INTEGER: i64 = 1 << 53;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// The value cannot be canonical JSON: a float, an integer beyond ±2⁵³. Fix the producer.
    #[error("not canonical JSON at {path}: {reason}")]
    Value { path: String, reason: &'static str },
    /// The text is not strict JSON. Refuse the document.
    #[error("not strict JSON: {0}")]
    Text(#[source] serde_json::Error),
    /// The bytes are JSON, but not in canonical form. Refuse the document.
    #[error("JSON is not in canonical form (RFC 8785)")]
    Form,
}

/// The canonical bytes of `value`.
pub fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let value = serde_json::to_value(value).map_err(CanonicalError::Text)?;
    check(&value, &mut String::from("$"))?;
    serde_json_canonicalizer::to_vec(&value).map_err(CanonicalError::Text)
}

/// Reads strict JSON: duplicate keys, floats and integers beyond ±2⁵³ are errors with their place.
pub fn from_slice(bytes: &[u8]) -> Result<Value, CanonicalError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: MAX_DEPTH }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    value.map_err(CanonicalError::Text)
}

/// Reads bytes that must already be canonical, so that equal values have equal digests.
pub fn from_canonical_slice(bytes: &[u8]) -> Result<Value, CanonicalError> {
    let value = from_slice(bytes)?;
    if to_vec(&value)? == bytes { Ok(value) } else { Err(CanonicalError::Form) }
}

fn check(value: &Value, path: &mut String) -> Result<(), CanonicalError> {
    let refuse = |path: &str, reason| Err(CanonicalError::Value { path: path.to_owned(), reason });
    let length = path.len();
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(n) if n.unsigned_abs() <= MAX_INTEGER.unsigned_abs() => {}
            Some(_) => return refuse(path, "integer beyond ±2^53"),
            None if number.is_u64() => return refuse(path, "integer beyond ±2^53"),
            None => return refuse(path, "float"),
        },
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                check(item, path)?;
                path.truncate(length);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                path.push('.');
                path.push_str(key);
                check(member, path)?;
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
    Ok(())
}

/// Reads one value and refuses what canonical JSON does not have.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth {
            0 => Err(E::custom("nested too deeply")),
            depth => Ok(Self { depth: depth - 1 }),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strict JSON without floats")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > MAX_INTEGER.unsigned_abs() {
            return Err(E::custom(format_args!("integer {value} is beyond ±2^53")));
        }
        Ok(Value::from(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => Err(E::custom(format_args!("integer {value} is beyond ±2^53"))),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Err(E::custom(format_args!("float {value}; only integers are evidence")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let seed = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(seed)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let seed = self.inner()?;
        let mut members = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(seed)?;
            if members.insert(key.clone(), value).is_some() {
                return Err(A::Error::custom(format_args!("duplicate key `{key}`")));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests;
