//! Stored documents and pages of them.

use crate::{FromJson, Json, Problem, Result, ToJson};

/// A stored document; its body is a [`Json`] text or any serde type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<T = Json> {
    /// A UUID of version 7, chosen by the host.
    pub id: String,
    /// 1 for a new document; each write adds 1. Clients see it as the `ETag`.
    pub revision: u64,
    /// The account that owns the document, if any.
    pub owner: Option<String>,
    /// Milliseconds since the Unix epoch, UTC.
    pub created_ms: u64,
    /// Milliseconds since the Unix epoch, UTC.
    pub updated_ms: u64,
    /// The fields, without those that the host adds (`id`, `owner`, `created_at`, `updated_at`).
    pub body: T,
}

impl<T> Document<T> {
    /// The same document with another body.
    fn with_body<U>(self, body: impl FnOnce(T) -> Result<U>) -> Result<Document<U>> {
        Ok(Document {
            id: self.id,
            revision: self.revision,
            owner: self.owner,
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
            body: body(self.body)?,
        })
    }

    /// The document with its body as text, as [`Crud`](crate::Crud) returns it.
    pub fn into_json(self) -> Result<Document>
    where
        T: ToJson,
    {
        self.with_body(|body| Ok(Json::from_host(body.to_json()?.into_owned())))
    }
}

impl Document {
    /// Reads the body of a stored document. Where it does not fit, the type is behind the data: a 500, not the
    /// client's fault.
    pub fn typed<T: FromJson>(self) -> Result<Document<T>> {
        self.with_body(|body| {
            T::from_json(body).map_err(|problem| {
                Problem::other(format!(
                    "A stored document does not fit {}: {problem}.",
                    std::any::type_name::<T>()
                ))
            })
        })
    }
}

/// One page of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T = Json> {
    /// The documents, in the order asked for.
    pub items: Vec<Document<T>>,
    /// The cursor of the next page; none on the last one.
    pub next: Option<String>,
    /// How many documents match in all, where asked for.
    pub total: Option<u64>,
}

impl Page {
    /// Reads the bodies.
    pub fn typed<T: FromJson>(self) -> Result<Page<T>> {
        Ok(Page {
            items: self.items.into_iter().map(Document::typed).collect::<Result<_>>()?,
            next: self.next,
            total: self.total,
        })
    }
}
