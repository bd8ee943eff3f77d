//! The role of a plugin that serves whole resources.

use crate::{Document, Json, Page, Problem, Result, Selection, documents};

/// Serves whole resources. Every operation has a default, which does what the host would: write those that differ.
///
/// A call runs in one transaction: an error, a panic or a deadline leaves nothing written.
/// A plugin that only has a say before writes implements [`Hooks`](crate::Hooks) instead; the host then serves reads
/// without calling the plugin at all.
///
/// ```
/// use portcullis_sdk::{Crud, Document, Json, Problem, Result, documents, export_crud};
///
/// struct Notes;
///
/// impl Crud for Notes {
///     fn remove(_: &str, _: &str) -> Result<()> {
///         Err(Problem::forbidden("Notes are kept."))
///     }
/// }
///
/// export_crud!(Notes);
/// ```
pub trait Crud {
    /// Serves `GET /api/{collection}`.
    fn query(collection: &str, selection: Selection) -> Result<Page> {
        documents::query(collection, selection)
    }

    /// Serves `GET /api/{collection}/{id}`.
    fn read(collection: &str, id: &str) -> Result<Document> {
        documents::get(collection, id)?.ok_or(Problem::NotFound)
    }

    /// Serves `POST /api/{collection}`; the body has passed the schema.
    fn create(collection: &str, body: Json) -> Result<Document> {
        documents::insert(collection, &body)
    }

    /// Serves `PUT /api/{collection}/{id}`; the body has passed the schema.
    fn replace(collection: &str, id: &str, body: Json) -> Result<Document> {
        documents::replace(collection, id, &body)
    }

    /// Serves `PATCH /api/{collection}/{id}` with a JSON Merge Patch (RFC 7396).
    fn patch(collection: &str, id: &str, merge_patch: Json) -> Result<Document> {
        documents::patch(collection, id, &merge_patch)
    }

    /// Serves `DELETE /api/{collection}/{id}`.
    fn remove(collection: &str, id: &str) -> Result<()> {
        documents::delete(collection, id)
    }
}

/// Makes the component export the role of a type that implements [`Crud`](trait@crate::Crud). Once in a component; with
/// `export_hooks!` beside it, the component exports both.
#[macro_export]
macro_rules! export_crud {
    ($plugin:ty) => {
        const _: () = {
            type Exported = $crate::export::Exported<$plugin>;
            const fn implements_crud<T: $crate::Crud>() {}
            implements_crud::<$plugin>();
            #[cfg(target_family = "wasm")]
    $crate::bindings::crud::export_crud_bindings!(Exported with_types_in $crate::bindings::crud);
        };
    };
}
