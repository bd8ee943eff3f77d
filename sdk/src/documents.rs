//! Documents, inside the call's transaction and under the call's scope.
//!
//! A plugin may touch the collections of its own resources, and those that its manifest wants and the operator
//! grants. The host checks schema, uniqueness and scope. A call sees one state of the store: it needs no locks and no
//! retries of its own, and where it returns an error, nothing that it wrote stays.
//!
//! ```
//! use portcullis_sdk::{Problem, Result, Selection, documents};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Product {
//!     sku: String,
//!     stock: u32,
//! }
//!
//! fn take_one(sku: &str) -> Result<()> {
//!     let mut product = documents::first::<Product>("products", Selection::new().eq("sku", sku))?
//!         .ok_or(Problem::NotFound)?;
//!     product.body.stock =
//!         product.body.stock.checked_sub(1).ok_or_else(|| Problem::conflict(format!("{sku} is sold out.")))?;
//!     documents::replace("products", &product.id, &product.body)?;
//!     Ok(())
//! }
//! # let host = portcullis_sdk::testing::Host::new().collection("products");
//! # host.call(|| documents::insert("products", &Product { sku: "0ad".into(), stock: 1 })).unwrap();
//! # assert_eq!(host.call(|| take_one("0ad")), Ok(()));
//! # assert_eq!(host.call(|| take_one("0ad")), Err(Problem::conflict("0ad is sold out.")));
//! ```

use crate::{Document, FromJson, Page, Result, Selection, ToJson, host};

/// The document, or none where it does not exist or may not be read.
pub fn get<T: FromJson>(collection: &str, id: &str) -> Result<Option<Document<T>>> {
    host::documents::get(collection, id)?.map(Document::typed).transpose()
}

/// At most 1,000 documents, in the order of the ids; none in the place of one that is missing.
pub fn get_many<T: FromJson>(collection: &str, ids: &[String]) -> Result<Vec<Option<Document<T>>>> {
    let found = host::documents::get_many(collection, ids)?;
    found
        .into_iter()
        .map(|document| document.map(Document::typed).transpose())
        .collect()
}

/// One page of the documents that match.
pub fn query<T: FromJson>(collection: &str, selection: Selection) -> Result<Page<T>> {
    host::documents::query(collection, selection)?.typed()
}

/// The first document that matches.
pub fn first<T: FromJson>(collection: &str, selection: Selection) -> Result<Option<Document<T>>> {
    Ok(query(collection, selection.limit(1))?.items.into_iter().next())
}

/// Every document that matches, page after page; `limit` is the size of a page.
///
/// ```
/// # use portcullis_sdk::{Selection, documents, testing::Host};
/// # use serde_json::json;
/// # let host = Host::new().collection("lines");
/// # let sum: portcullis_sdk::Result<u64> = host.call(|| {
/// # for amount in 1..=4 { documents::insert("lines", &json!({ "amount": amount }))?; }
/// let mut sum = 0;
/// for line in documents::all::<serde_json::Value>("lines", Selection::new().limit(3)) {
///     sum += line?.body["amount"].as_u64().unwrap_or(0);
/// }
/// # Ok(sum)
/// # });
/// # assert_eq!(sum, Ok(10));
/// ```
pub fn all<T: FromJson>(collection: &str, selection: Selection) -> impl Iterator<Item = Result<Document<T>>> {
    let mut items = Vec::new().into_iter();
    let mut next = Some(selection);
    std::iter::from_fn(move || {
        loop {
            if let Some(document) = items.next() {
                return Some(Ok(document));
            }
            let selection = next.take()?;
            match query(collection, selection.clone()) {
                Ok(page) => {
                    items = page.items.into_iter();
                    next = page.next.map(|cursor| selection.after(cursor));
                }
                Err(problem) => return Some(Err(problem)),
            }
        }
    })
}

/// Stores a new document under a new id; it belongs to the caller.
/// [`Invalid`](crate::Problem::Invalid) where the body breaks the schema, [`Conflict`](crate::Problem::Conflict) where
/// a unique field is taken.
pub fn insert(collection: &str, body: &(impl ToJson + ?Sized)) -> Result<Document> {
    host::documents::insert(collection, &body.to_json()?)
}

/// Replaces the whole body.
pub fn replace(collection: &str, id: &str, body: &(impl ToJson + ?Sized)) -> Result<Document> {
    host::documents::replace(collection, id, &body.to_json()?)
}

/// Applies a JSON Merge Patch (RFC 7396).
pub fn patch(collection: &str, id: &str, merge_patch: &(impl ToJson + ?Sized)) -> Result<Document> {
    host::documents::patch(collection, id, &merge_patch.to_json()?)
}

/// Removes the document; [`NotFound`](crate::Problem::NotFound) where there is none.
pub fn delete(collection: &str, id: &str) -> Result<()> {
    host::documents::delete(collection, id)
}
