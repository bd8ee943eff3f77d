//! What a `crud` plugin returns, made safe to be spliced into an answer.
//!
//! Most plugins return a document just as the host has given it to them; that one was checked when it was stored, and
//! comparing bytes is much cheaper than parsing them.

use crate::capabilities::catalogue::RESERVED_FIELDS;
use crate::capabilities::json;
use crate::capabilities::model::{Document, Page, Selection};

/// The most rows of a page.
const MAX_ROWS: usize = 1_000;
/// The longest cursor.
const MAX_CURSOR_BYTES: usize = 4_096;

/// The document, its body a compact JSON object without the host's fields. `handed` is what the plugin was given last.
pub(super) fn document(document: Document, handed: &[Document]) -> Result<Document, String> {
    checked(document, handed.first())
}

fn checked(mut document: Document, handed: Option<&Document>) -> Result<Document, String> {
    if handed.is_some_and(|handed| handed.body == document.body) {
        return Ok(document);
    }
    let body = json::parse_object(&document.body).map_err(|error| error.to_string())?;
    if let Some(field) = RESERVED_FIELDS.iter().find(|field| body.contains_key(**field)) {
        return Err(format!("the body has the field `{field}`, which the host adds"));
    }
    document.body = json::print(&body.into()).into();
    Ok(document)
}

/// The page, each of its documents checked.
pub(super) fn page(page: Page, selection: &Selection, handed: &[Document]) -> Result<Page, String> {
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
    let items = items.into_iter().enumerate();
    let items = items.map(|(at, item)| checked(item, handed.get(at)));
    let items = items.collect::<Result<_, _>>()?;
    Ok(Page { items, next, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_body(body: &str) -> Document {
        Document {
            id: uuid::Uuid::from_u128(7),
            revision: 1,
            owner: None,
            created_ms: 0,
            updated_ms: 0,
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn what_the_plugin_made_up_is_parsed_and_made_compact() {
        let body = |text| document(with_body(text), &[]).map(|document| document.body);
        assert_eq!(body(r#" { "a" : 1 } "#), Ok(r#"{"a":1}"#.into()));
        for hostile in [
            "",
            "[]",
            r#"{"a":1}}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"id":"another"}"#,
            r#"{"a":1},"owner":"me""#,
        ] {
            assert!(body(hostile).is_err(), "{hostile}");
        }
    }

    #[test]
    fn what_the_host_gave_it_passes_as_it_is_and_a_changed_text_does_not() {
        let handed = [with_body(r#"{"a":1}"#)];
        assert_eq!(document(handed[0].clone(), &handed), Ok(handed[0].clone()));
        assert!(document(with_body(r#"{"id":1}"#), &handed).is_err());
    }
}
