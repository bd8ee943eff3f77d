//! The body that is to be stored: one that is new to the host, or the very one that it has checked already.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::{Error, MAX_BODY_BYTES, fields, invalid};
use crate::capabilities::catalogue::Collection;
use crate::capabilities::json;
use crate::capabilities::model::Problem;

/// A whole body that has passed the schema of its collection, and the compact text that the plugin is called with. What a
/// plugin stores is most often just that.
#[derive(Debug)]
pub struct Vetted {
    collection: Arc<str>,
    /// What the plugin is called with.
    shown: Arc<Value>,
    text: String,
    whole: Whole,
}

/// What a vetted text stands for.
#[derive(Debug)]
enum Whole {
    /// Just that.
    Shown,
    /// The next body of this document, with what the plugin is not shown.
    Of { id: Uuid, body: Arc<Value>, text: String },
}

impl Vetted {
    /// Checks a body against the schema of its collection.
    pub fn new(collection: &Collection, body: &Arc<Value>) -> Result<Self, Problem> {
        Ok(Self {
            text: checked(collection, body)?,
            collection: Arc::clone(collection.name()),
            shown: Arc::clone(body),
            whole: Whole::Shown,
        })
    }

    /// Checks the next body of the document `id`, of which the plugin is shown only some.
    pub fn update(collection: &Collection, id: Uuid, whole: Value, shown: &Arc<Value>) -> Result<Self, Problem> {
        if whole == **shown {
            return Self::new(collection, shown);
        }
        let text = checked(collection, &whole)?;
        Ok(Self {
            text: json::print(shown),
            collection: Arc::clone(collection.name()),
            shown: Arc::clone(shown),
            whole: Whole::Of {
                id,
                body: Arc::new(whole),
                text,
            },
        })
    }

    /// The compact text that the plugin is called with.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The body and its compact text, where they can be stored as they are.
    fn ready_for(&self, collection: &Collection, target: &Target<'_>) -> Option<(&Arc<Value>, &str)> {
        if self.collection != *collection.name() {
            return None;
        }
        match (&self.whole, target) {
            (Whole::Of { id, body, text }, Target::Whole(of) | Target::Keeping(of, _)) if of == id => {
                Some((body, text))
            }
            (Whole::Of { .. }, _) => None,
            (Whole::Shown, Target::Keeping(..)) if !collection.write_only().is_empty() => None,
            (Whole::Shown, _) => Some((&self.shown, &self.text)),
        }
    }
}

/// Which document gets a body.
pub(super) enum Target<'v> {
    /// A new one.
    New,
    /// This one; the body is all of it.
    Whole(Uuid),
    /// This one, which holds this. What is hidden and not named is kept: one who does not see it does not destroy it by
    /// writing the rest.
    Keeping(Uuid, &'v Value),
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

/// What is to be stored: a body within the schema, and its compact text.
pub(super) struct Checked {
    pub(super) body: Arc<Value>,
    pub(super) text: Bytes,
}

impl Body {
    /// What a plugin means by a text: the vetted body, where it is the text of that.
    pub fn of(text: &str, vetted: Option<&Arc<Vetted>>) -> Result<Self, json::JsonError> {
        match vetted.filter(|vetted| vetted.text == text) {
            Some(vetted) => Ok(Self::Vetted(Arc::clone(vetted))),
            None => json::parse_object(text.as_bytes()).map(|object| Self::New(Value::Object(object))),
        }
    }

    /// The body as `collection` may store it in the document that gets it.
    pub(super) fn checked(self, collection: &Collection, target: &Target<'_>) -> Result<Checked, Error> {
        let ready = match &self {
            Self::Vetted(vetted) => vetted.ready_for(collection, target),
            Self::New(_) => None,
        };
        let checked = match ready {
            Some((body, text)) => Checked {
                body: Arc::clone(body),
                text: Bytes::copy_from_slice(text.as_bytes()),
            },
            None => self.fresh(collection, target)?,
        };
        if checked.text.len() > MAX_BODY_BYTES {
            return Err(invalid(
                String::new(),
                format!("a body holds at most {MAX_BODY_BYTES} bytes"),
            ));
        }
        Ok(checked)
    }

    fn fresh(self, collection: &Collection, target: &Target<'_>) -> Result<Checked, Error> {
        let mut body = match self {
            Self::New(value) => value,
            Self::Vetted(vetted) => (*vetted.shown).clone(),
        };
        if let Target::Keeping(_, stored) = target {
            fields::keep(&mut body, stored, collection.write_only());
        }
        let text = checked(collection, &body)?.into();
        Ok(Checked {
            body: Arc::new(body),
            text,
        })
    }
}

/// The compact text of a body that passes the schema.
fn checked(collection: &Collection, body: &Value) -> Result<String, Problem> {
    collection.check(body)?;
    Ok(json::print(body))
}
