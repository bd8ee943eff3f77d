//! What the export macros export: an author's type behind the generated traits.

use std::marker::PhantomData;

use crate::bindings::crud::exports::portcullis::plugin::crud as crud_guest;
use crate::bindings::hooks::exports::portcullis::plugin::hooks as hooks_guest;
use crate::bindings::imports::portcullis::plugin::types as wit;
use crate::{Crud, Hooks, Json};

/// An author's type, as the generated export functions see it.
#[derive(Debug)]
pub struct Exported<T>(PhantomData<T>);

impl<T: Crud> crud_guest::Guest for Exported<T> {
    fn query(collection: String, selection: wit::Selection) -> Result<wit::Page, wit::Problem> {
        Ok(T::query(&collection, selection.into())?.into())
    }

    fn read(collection: String, id: String) -> Result<wit::Document, wit::Problem> {
        Ok(T::read(&collection, &id)?.into())
    }

    fn create(collection: String, body: String) -> Result<wit::Document, wit::Problem> {
        Ok(T::create(&collection, Json::from_host(body))?.into())
    }

    fn replace(collection: String, id: String, body: String) -> Result<wit::Document, wit::Problem> {
        Ok(T::replace(&collection, &id, Json::from_host(body))?.into())
    }

    fn patch(collection: String, id: String, merge_patch: String) -> Result<wit::Document, wit::Problem> {
        Ok(T::patch(&collection, &id, Json::from_host(merge_patch))?.into())
    }

    fn remove(collection: String, id: String) -> Result<(), wit::Problem> {
        Ok(T::remove(&collection, &id)?)
    }
}

impl<T: Hooks> hooks_guest::Guest for Exported<T> {
    fn before_create(collection: String, body: String) -> Result<String, wit::Problem> {
        Ok(T::before_create(&collection, Json::from_host(body))?.into_string())
    }

    fn before_update(collection: String, current: wit::Document, next: String) -> Result<String, wit::Problem> {
        Ok(T::before_update(&collection, current.into(), Json::from_host(next))?.into_string())
    }

    fn before_delete(collection: String, current: wit::Document) -> Result<(), wit::Problem> {
        Ok(T::before_delete(&collection, current.into())?)
    }
}
