//! Documents as JSON texts: spliced together from the stored body, which is not parsed.

use uuid::Uuid;

use crate::capabilities::model::{Document, Page};

/// What the host adds to a body: names, punctuation, two ids, two times.
const ADDED_BYTES: usize = 200;

/// One document, as clients see it.
pub fn document(document: &Document) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.body.len() + ADDED_BYTES);
    write_document(&mut out, document);
    out
}

/// One page of a list.
pub(super) fn page(page: &Page) -> Vec<u8> {
    let bodies: usize = page.items.iter().map(|item| item.body.len() + ADDED_BYTES).sum();
    let mut out = Vec::with_capacity(bodies + ADDED_BYTES + page.next.as_ref().map_or(0, String::len));
    out.extend_from_slice(b"{\"items\":[");
    for (index, item) in page.items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_document(&mut out, item);
    }
    out.extend_from_slice(b"],\"next_cursor\":");
    match &page.next {
        // A cursor needs no escapes: it is made of letters, digits, `-` and `_`.
        Some(cursor) => {
            out.push(b'"');
            out.extend_from_slice(cursor.as_bytes());
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
    if let Some(total) = page.total {
        out.extend_from_slice(b",\"count\":");
        out.extend_from_slice(itoa::Buffer::new().format(total).as_bytes());
    }
    out.push(b'}');
    out
}

/// The id first, then the body's fields, then what else the host knows.
pub(super) fn write_document(out: &mut Vec<u8>, document: &Document) {
    out.extend_from_slice(b"{\"id\":");
    write_uuid(out, &document.id);
    if let [b'{', fields @ .., b'}'] = &*document.body
        && !fields.is_empty()
    {
        out.push(b',');
        out.extend_from_slice(fields);
    }
    out.extend_from_slice(b",\"owner\":");
    match &document.owner {
        Some(owner) => write_uuid(out, owner),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"created_at\":\"");
    out.extend_from_slice(&rfc3339(document.created_ms));
    out.extend_from_slice(b"\",\"updated_at\":\"");
    out.extend_from_slice(&rfc3339(document.updated_ms));
    out.extend_from_slice(b"\"}");
}

fn write_uuid(out: &mut Vec<u8>, id: &Uuid) {
    out.push(b'"');
    out.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    out.push(b'"');
}

/// The last millisecond that four digits of a year can name.
const MAX_MS: u64 = 253_402_300_799_999;

/// A time as clients see it.
pub(super) fn time(ms: u64) -> String {
    rfc3339(ms).map(char::from).iter().collect()
}

/// `2026-11-23T09:48:56.123Z`. Written by hand: a general formatter costs more than all the rest of a document.
fn rfc3339(ms: u64) -> [u8; 24] {
    let ms = ms.min(MAX_MS);
    let (days, ms_of_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil_date(days);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], ms_of_day / 3_600_000);
    digits(&mut text[14..16], ms_of_day / 60_000 % 60);
    digits(&mut text[17..19], ms_of_day / 1_000 % 60);
    digits(&mut text[20..23], ms_of_day % 1_000);
    text
}

fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The Gregorian date of a day after 1970-01-01. Years begin in March, so that a leap day is the last of its year.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn sample(body: &'static str) -> Document {
        Document {
            id: Uuid::from_u128(7),
            revision: 3,
            owner: None,
            created_ms: 0,
            updated_ms: 1_795_427_336_123,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn the_hosts_fields_surround_the_bodys() {
        assert_eq!(
            String::from_utf8(document(&sample(r#"{"name":"x","n":1}"#))).unwrap(),
            r#"{"id":"00000000-0000-0000-0000-000000000007","name":"x","n":1,"owner":null,"created_at":"1970-01-01T00:00:00.000Z","updated_at":"2026-11-23T09:48:56.123Z"}"#
        );
        let owned = Document {
            owner: Some(Uuid::from_u128(8)),
            ..sample("{}")
        };
        let value: Value = serde_json::from_slice(&document(&owned)).unwrap();
        assert_eq!(value["owner"], "00000000-0000-0000-0000-000000000008");
        assert_eq!(value.as_object().unwrap().len(), 4);
    }

    #[test]
    fn a_page_has_its_items_its_cursor_and_its_count() {
        let empty: Value = serde_json::from_slice(&page(&Page::default())).unwrap();
        assert_eq!(empty, json!({"items": [], "next_cursor": null}));
        let items = vec![sample("{}"), sample(r#"{"a":1}"#)];
        let full = Page {
            items,
            next: Some("abc".into()),
            total: Some(17),
        };
        let full: Value = serde_json::from_slice(&page(&full)).unwrap();
        assert_eq!(
            (&full["next_cursor"], &full["count"], &full["items"][1]["a"]),
            (&json!("abc"), &json!(17), &json!(1))
        );
    }

    proptest! {
        #[test]
        fn times_are_written_as_the_calendar_has_them(ms in 0..=MAX_MS) {
            let text = String::from_utf8(rfc3339(ms).to_vec()).unwrap();
            let time: jiff::Timestamp = text.parse().unwrap();
            prop_assert_eq!(time.as_millisecond(), ms as i64);
        }
    }
}
