//! The role of a plugin that has a say before writes.

use crate::{Document, Json, Result};

/// Has a say before each write of a client or an import; the host does the rest, reads included.
///
/// A plugin that only checks or normalises bodies writes [`before_write`](Hooks::before_write):
///
/// ```
/// use portcullis_sdk::{Hooks, Json, Problem, Result, export_hooks};
///
/// struct Rooms;
///
/// impl Hooks for Rooms {
///     fn before_write(_: &str, body: Json) -> Result<Json> {
///         let room = body.to_value()?;
///         if room["beds"].as_u64() == Some(13) {
///             return Err(Problem::invalid("/beds", "Nobody sleeps well among thirteen."));
///         }
///         Ok(body)
///     }
/// }
///
/// export_hooks!(Rooms);
/// ```
pub trait Hooks {
    /// What holds for every body, new or changed: returns the body to store, which must pass the schema again, or refuses.
    fn before_write(collection: &str, body: Json) -> Result<Json> {
        let _ = collection;
        Ok(body)
    }

    /// Returns the body of a new document, or refuses.
    fn before_create(collection: &str, body: Json) -> Result<Json> {
        Self::before_write(collection, body)
    }

    /// Returns the body to store in the place of `current`, or refuses; `next` is the whole new body, a merge patch
    /// already applied.
    fn before_update(collection: &str, current: Document, next: Json) -> Result<Json> {
        let _ = current;
        Self::before_write(collection, next)
    }

    /// Lets the document be removed, or refuses.
    fn before_delete(collection: &str, current: Document) -> Result<()> {
        let _ = (collection, current);
        Ok(())
    }
}

/// Makes the component export the role of a type that implements [`Hooks`](trait@crate::Hooks). Once in a component;
/// with `export_crud!` beside it, the component exports both.
#[macro_export]
macro_rules! export_hooks {
    ($plugin:ty) => {
        const _: () = {
            type Exported = $crate::export::Exported<$plugin>;
            const fn implements_hooks<T: $crate::Hooks>() {}
            implements_hooks::<$plugin>();
            #[cfg(target_family = "wasm")]
    $crate::bindings::hooks::export_hooks_bindings!(Exported with_types_in $crate::bindings::hooks);
        };
    };
}
