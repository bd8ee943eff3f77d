//! JSON texts, and the Rust types that they stand for.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Problem, Result};

/// A JSON text, kept as text: what a plugin only passes on is neither parsed nor printed again.
///
/// ```
/// use portcullis_sdk::Json;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Line {
///     sku: String,
///     quantity: u32,
/// }
///
/// let body = Json::from(serde_json::json!({ "sku": "0ad", "quantity": 2 }));
/// let line: Line = body.parse()?;
/// assert_eq!((line.sku.as_str(), line.quantity), ("0ad", 2));
/// # Ok::<(), portcullis_sdk::Problem>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// Prints a value.
    pub fn new(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        Ok(Self(serde_json::to_string(value)?))
    }

    /// Trusts the text to be JSON: it comes from the host.
    pub(crate) fn from_host(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Reads the text as a type; what does not fit is a [`Problem::Invalid`] that names the field.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str(&self.0)?)
    }

    /// Reads the text as a tree of values.
    pub fn to_value(&self) -> Result<Value> {
        self.parse()
    }

    /// This document with a JSON Merge Patch (RFC 7396) applied.
    ///
    /// ```
    /// use portcullis_sdk::Json;
    /// use serde_json::json;
    ///
    /// let order = Json::from(json!({ "status": "pending", "note": "by the door" }));
    /// let patched = order.merged(&Json::from(json!({ "status": "paid", "note": null })))?;
    /// assert_eq!(patched.to_value()?, json!({ "status": "paid" }));
    /// # Ok::<(), portcullis_sdk::Problem>(())
    /// ```
    pub fn merged(&self, patch: &Json) -> Result<Json> {
        let mut value = self.to_value()?;
        merge(&mut value, patch.to_value()?);
        Ok(value.into())
    }
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(value.to_string())
    }
}

impl FromStr for Json {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self> {
        serde_json::from_str::<serde::de::IgnoredAny>(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a JSON text can be read as: [`Json`] itself, and every type that serde deserializes.
pub trait FromJson: Sized {
    /// Reads the text.
    fn from_json(json: Json) -> Result<Self>;
}

impl FromJson for Json {
    fn from_json(json: Json) -> Result<Self> {
        Ok(json)
    }
}

impl<T: DeserializeOwned> FromJson for T {
    fn from_json(json: Json) -> Result<Self> {
        json.parse()
    }
}

/// What can be written as a JSON text: [`Json`] itself, and every type that serde serializes.
pub trait ToJson {
    /// Prints the value, or lends the text that it is.
    fn to_json(&self) -> Result<Cow<'_, str>>;
}

impl ToJson for Json {
    fn to_json(&self) -> Result<Cow<'_, str>> {
        Ok(Cow::Borrowed(&self.0))
    }
}

impl<T: Serialize + ?Sized> ToJson for T {
    fn to_json(&self) -> Result<Cow<'_, str>> {
        Ok(Cow::Owned(serde_json::to_string(self)?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_rfc_7396_hold() {
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let merged = Json::from(target).merged(&Json::from(patch)).expect("both are JSON");
            assert_eq!(merged.to_value().expect("JSON"), expected);
        }
    }

    #[test]
    fn a_text_that_is_not_json_is_refused() {
        assert!("{\"a\": 1".parse::<Json>().is_err());
        assert!("{\"a\": 1}".parse::<Json>().is_ok());
    }
}
