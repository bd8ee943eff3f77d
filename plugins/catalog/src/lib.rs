//! The shop's products. The host serves the reads; this plugin has a say before each write: it normalises category, tags
//! and texts, and refuses what makes no sense.

mod product;

#[cfg(test)]
mod tests;

use portcullis_sdk::{Hooks, Json, Result, export_hooks};

use product::Product;

/// The plugin.
#[derive(Debug)]
pub struct Catalog;

impl Hooks for Catalog {
    fn before_write(_collection: &str, body: Json) -> Result<Json> {
        let mut product: Product = body.parse()?;
        product.normalise();
        product.check()?;
        Json::new(&product)
    }
}

export_hooks!(Catalog);
