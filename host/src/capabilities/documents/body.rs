//! The body that is to be stored: one that is new to the host, or the very one that it has checked already.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::{Error, MAX_BODY_BYTES, invalid};
use crate::capabilities::catalogue::Collection;
use crate::capabilities::json;
use crate::capabilities::model::Problem;

/// A whole body that has passed the schema of its collection, with its compact text. What a plugin stores is most often
/// just what it was called with.
#[derive(Debug)]
pub struct Vetted {
    collection: Arc<str>,
    text: String,
    body: Arc<Value>,
}

impl Vetted {
    /// Checks a body against the schema of its collection.
    pub fn new(collection: &Collection, body: &Arc<Value>) -> Result<Self, Problem> {
        Ok(Self {
            text: checked(collection, body)?,
            collection: Arc::clone(collection.name()),
            body: Arc::clone(body),
        })
    }

    /// The compact text of the body.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A whole body of a document.
#[derive(Clone, Debug)]
pub enum Body {
    /// Still to be checked.
    New(Value),
    /// Checked before.
    Vetted(Arc<Vetted>),
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self::New(value)
    }
}

impl Body {
    /// What a plugin means by a text: the vetted body, where it is the text of that.
    pub fn of(text: &str, vetted: Option<&Arc<Vetted>>) -> Result<Self, json::JsonError> {
        match vetted.filter(|vetted| vetted.text == text) {
            Some(vetted) => Ok(Self::Vetted(Arc::clone(vetted))),
            None => json::parse_object(text.as_bytes()).map(|object| Self::New(Value::Object(object))),
        }
    }

    pub(super) fn value(&self) -> &Value {
        match self {
            Self::New(value) => value,
            Self::Vetted(vetted) => &vetted.body,
        }
    }

    /// The compact text, of a body that `collection` may store.
    pub(super) fn checked(&self, collection: &Collection) -> Result<Bytes, Error> {
        let text = match self {
            Self::Vetted(vetted) if vetted.collection == *collection.name() => {
                Bytes::copy_from_slice(vetted.text.as_bytes())
            }
            body => checked(collection, body.value())?.into(),
        };
        if text.len() > MAX_BODY_BYTES {
            return Err(invalid(
                String::new(),
                format!("a body holds at most {MAX_BODY_BYTES} bytes"),
            ));
        }
        Ok(text)
    }
}

/// The compact text of a body that passes the schema.
fn checked(collection: &Collection, body: &Value) -> Result<String, Problem> {
    collection.check(body)?;
    Ok(json::print(body))
}
