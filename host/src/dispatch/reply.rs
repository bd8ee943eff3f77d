//! What a `crud` plugin returns, made safe to be spliced into an answer.

use crate::capabilities::json;
use crate::capabilities::model::{Document, Page, Selection};

/// The fields that the host adds: a body that has them would say them twice.
const HOST_FIELDS: [&str; 4] = ["id", "owner", "created_at", "updated_at"];
/// The most rows of a page.
const MAX_ROWS: usize = 1_000;
/// The longest cursor.
const MAX_CURSOR_BYTES: usize = 4_096;

/// The document, its body a compact JSON object without the host's fields.
pub(super) fn document(mut document: Document) -> Result<Document, String> {
    let body = json::parse_object(&document.body).map_err(|error| error.to_string())?;
    if let Some(field) = HOST_FIELDS.iter().find(|field| body.contains_key(**field)) {
        return Err(format!("the body has the field `{field}`, which the host adds"));
    }
    document.body = json::print(&body.into());
    Ok(document)
}

/// The page, each of its documents checked.
pub(super) fn page(page: Page, selection: &Selection) -> Result<Page, String> {
    let Page { items, next, total } = page;
    let limit = if selection.limit == 0 {
        MAX_ROWS
    } else {
        (selection.limit as usize).min(MAX_ROWS)
    };
    if items.len() > limit {
        return Err(format!("{} documents where {limit} were asked for", items.len()));
    }
    if let Some(cursor) = &next
        && (cursor.len() > MAX_CURSOR_BYTES
            || !cursor
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)))
    {
        return Err("the cursor is not one of the host's".to_owned());
    }
    let items = items.into_iter().map(document).collect::<Result<_, _>>()?;
    Ok(Page { items, next, total })
}
