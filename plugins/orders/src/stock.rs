//! The stock of products, which belong to another plugin: read by their sku, lowered and raised in the call's transaction.

use portcullis_sdk::{Document, Problem, Result, Selection, documents, log};
use serde::{Deserialize, Serialize};

use crate::order::{Line, RequestLine};

/// The collection of the catalog.
const PRODUCTS: &str = "products";

/// What an order needs of a product.
#[derive(Debug, Deserialize)]
struct Product {
    price_cents: Option<u64>,
    stock: Option<u64>,
}

/// A merge patch that sets the stock and leaves the rest.
#[derive(Serialize)]
struct Stock {
    stock: u64,
}

/// Takes the pieces of each line, and returns the lines with their prices.
pub(crate) fn take(lines: &[RequestLine]) -> Result<Vec<Line>> {
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| take_line(index, line))
        .collect()
}

fn take_line(index: usize, line: &RequestLine) -> Result<Line> {
    let sku = &line.sku;
    let product = find(sku)?
        .ok_or_else(|| Problem::invalid(format!("/lines/{index}/sku"), format!("There is no product {sku}.")))?;
    let (Some(price_cents), Some(stock)) = (product.body.price_cents, product.body.stock) else {
        return Err(Problem::conflict(format!(
            "{sku} is not for sale: it has no price or no stock."
        )));
    };
    let left = stock.checked_sub(line.quantity).ok_or_else(|| {
        Problem::conflict(match stock {
            0 => format!("{sku} is sold out."),
            1 => format!("Only one piece of {sku} is left."),
            more => format!("Only {more} pieces of {sku} are left."),
        })
    })?;
    documents::patch(PRODUCTS, &product.id, &Stock { stock: left })?;
    Ok(Line {
        sku: sku.clone(),
        quantity: line.quantity,
        price_cents,
    })
}

/// Puts the pieces of a cancelled order back. A product that is gone by now has no stock to raise.
pub(crate) fn give_back(lines: &[Line]) -> Result<()> {
    for line in lines {
        match find(&line.sku)? {
            Some(product) => {
                let stock = product.body.stock.unwrap_or(0).saturating_add(line.quantity);
                documents::patch(PRODUCTS, &product.id, &Stock { stock })?;
            }
            None => log::warn(format_args!(
                "{} is no longer a product: {} pieces do not return",
                line.sku, line.quantity
            )),
        }
    }
    Ok(())
}

fn find(sku: &str) -> Result<Option<Document<Product>>> {
    documents::first(PRODUCTS, Selection::new().eq("sku", sku))
}
