//! Facts: what one kind of evidence says about a host.

use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use crate::kinds::Kind;
use serde::Serialize;
use serde_json::Value;

/// Facts of one kind in their canonical bytes. Equal state gives equal bytes and an equal id on
/// every host: no host name and no collection time is inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub kind: String,
    /// Version of the kind's facts. Fields are only added and never change meaning.
    pub v: i64,
    pub data: Value,
    bytes: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The bytes or the value are not canonical JSON. Refuse them.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The document is not `{"kind","v","data"}` without nulls. Refuse it.
    #[error("not facts: {0}")]
    Shape(String),
}

impl Facts {
    /// The facts of a typed kind.
    pub fn of<K: Kind>(data: &K) -> Result<Self, FactsError> {
        let data = serde_json::to_value(data).map_err(CanonicalError::Text)?;
        Self::new(K::NAME, K::V, data)
    }

    pub fn new(kind: &str, v: i64, data: Value) -> Result<Self, FactsError> {
        #[derive(Serialize)]
        struct Document<'a> {
            kind: &'a str,
            v: i64,
            data: &'a Value,
        }
        no_null(&data, "data")?;
        let bytes = canonical::to_vec(&Document { kind, v, data: &data })?;
        Ok(Self { kind: kind.to_owned(), v, data, bytes })
    }

    /// Reads facts that came over the wire; anything but canonical bytes is refused.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, FactsError> {
        let shape = |what: &str| FactsError::Shape(what.to_owned());
        let Value::Object(mut members) = canonical::from_canonical_slice(&bytes)? else {
            return Err(shape("not an object"));
        };
        let kind = match members.remove("kind") {
            Some(Value::String(kind)) => kind,
            _ => return Err(shape("`kind` is not a string")),
        };
        let v = members.remove("v").and_then(|v| v.as_i64()).ok_or(shape("`v` is no integer"))?;
        let data = members.remove("data").ok_or(shape("`data` is missing"))?;
        if let Some(key) = members.keys().next() {
            return Err(FactsError::Shape(format!("unexpected key `{key}`")));
        }
        no_null(&data, "data")?;
        Ok(Self { kind, v, data, bytes })
    }

    /// SHA-256 of the canonical bytes.
    pub fn id(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A null would let a rule pass (in CEL `null == "x"` is merely false), so there is none.
fn no_null(value: &Value, path: &str) -> Result<(), FactsError> {
    match value {
        Value::Null => Err(FactsError::Shape(format!("`{path}` is null; leave the key out"))),
        Value::Array(items) => items.iter().try_for_each(|item| no_null(item, path)),
        Value::Object(members) => {
            members.iter().try_for_each(|(key, member)| no_null(member, &format!("{path}.{key}")))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_state_has_an_equal_id_whatever_the_order_of_keys() {
        let a = Facts::new("accounts", 1, json!({"b": 1, "a": [true]})).expect("facts");
        let b = Facts::new("accounts", 1, json!({"a": [true], "b": 1})).expect("facts");
        assert_eq!(a.id(), b.id());
        assert_eq!(a.bytes(), br#"{"data":{"a":[true],"b":1},"kind":"accounts","v":1}"#);
        assert_eq!(Facts::from_bytes(a.bytes().to_vec()).expect("read"), a);
    }

    #[test]
    fn null_extra_keys_and_loose_bytes_are_refused() {
        let error = Facts::new("a", 1, json!({"x": {"y": [null]}})).expect_err("null");
        assert!(error.to_string().contains("data.x.y"), "{error}");
        for text in [
            r#"{"data":{},"host":"web-01","kind":"a","v":1}"#,
            r#"{"data":{"x":null},"kind":"a","v":1}"#,
            r#"{"data":{},"kind":"a"}"#,
            r#"{"kind":"a","v":1,"data":{}}"#,
            r#"[]"#,
        ] {
            assert!(Facts::from_bytes(text.as_bytes().to_vec()).is_err(), "{text}");
        }
    }
}
