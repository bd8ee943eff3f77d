//! Tests of reading lines: batches, numbers, renaming, and what is no document.

use std::io::Cursor;

use serde_json::json;

use super::lines::{Lines, Renames};

fn lines(text: &'static str) -> Lines {
    Lines::over(Cursor::new(text), None)
}

#[test]
fn lines_keep_their_numbers_over_empty_ones() {
    let batch = lines("{\"a\":1}\n\n  \r\n{\"b\":2}")
        .batch(&Renames::default())
        .unwrap();
    let found: Vec<_> = batch
        .documents
        .iter()
        .map(|numbered| (numbered.line, &numbered.document))
        .collect();
    assert_eq!(found, [(1, &json!({"a": 1})), (4, &json!({"b": 2}))]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    let marked = lines("\u{feff}{\"a\":1}\n\u{feff}{\"a\":2}\n");
    let batch = { marked }.batch(&Renames::default()).unwrap();
    assert_eq!(batch.documents[0].document, json!({"a": 1}));
    assert_eq!(batch.refused[0].line, 2);
}

#[test]
fn a_line_that_is_no_object_is_refused_with_its_number_and_the_rest_goes_on() {
    let batch = lines("[1]\n{\n{\"a\":1}\n\u{1}\n").batch(&Renames::default()).unwrap();
    let refused: Vec<_> = batch
        .refused
        .iter()
        .map(|refused| (refused.line, refused.reason.as_str()))
        .collect();
    assert_eq!(refused[0], (1, "a JSON object is needed"));
    assert_eq!(refused[1].0, 2);
    assert!(refused[1].1.contains("at column"), "{}", refused[1].1);
    assert_eq!(refused[2].0, 4);
    assert_eq!(batch.documents.len(), 1);
}

#[test]
fn a_batch_is_no_larger_than_the_host_takes() {
    let mut lines = Lines::over(Cursor::new("{}\n".repeat(1_201)), None);
    let mut sizes = Vec::new();
    loop {
        let batch = lines.batch(&Renames::default()).unwrap();
        if batch.is_empty() {
            break;
        }
        sizes.push(batch.documents.len());
    }
    assert_eq!(sizes, [500, 500, 201]);
    assert_eq!((lines.number(), lines.read()), (1_201, 3_603));
}

#[test]
fn large_lines_make_small_batches() {
    let line = format!("{{\"text\":\"{}\"}}\n", "x".repeat(3 * 1024 * 1024));
    let mut lines = Lines::over(Cursor::new(line.repeat(3)), None);
    assert_eq!(lines.batch(&Renames::default()).unwrap().documents.len(), 2);
    assert_eq!(lines.batch(&Renames::default()).unwrap().documents.len(), 1);
}

#[test]
fn a_line_without_end_stops_the_import() {
    let mut lines = Lines::over(Cursor::new(vec![b' '; 17 * 1024 * 1024]), None);
    assert!(lines.batch(&Renames::default()).is_err());
}

#[test]
fn what_the_host_sets_is_left_out_unless_it_gets_another_name() {
    let exported = r#"{"id":"7","sku":"lamp","owner":null,"created_at":"x","updated_at":"y"}"#;
    let imported = |renames: &str| {
        let batch = lines(exported).batch(&Renames::parse(renames).unwrap()).unwrap();
        batch.documents[0].document.clone()
    };
    assert_eq!(imported(""), json!({"sku": "lamp"}));
    assert_eq!(imported("id=number"), json!({"number": "7", "sku": "lamp"}));
}

#[test]
fn members_are_renamed_all_at_once() {
    let renames = Renames::parse("name=sku,summary=name").unwrap();
    let batch = lines(r#"{"name":"lamp","summary":"A lamp","size":1}"#)
        .batch(&renames)
        .unwrap();
    assert_eq!(
        batch.documents[0].document,
        json!({"sku": "lamp", "name": "A lamp", "size": 1})
    );
}

#[test]
fn two_members_never_become_one() {
    let renames = Renames::parse("name=sku").unwrap();
    let batch = lines(r#"{"name":"lamp","sku":"other"}"#).batch(&renames).unwrap();
    assert_eq!(batch.refused[0].reason, "two members would be called `sku`");
}

#[test]
fn renames_that_make_no_sense_are_refused() {
    for text in ["name", "=sku", "name=", "a=b=c", "a=c,b=c", "a=b,a=c"] {
        assert!(Renames::parse(text).is_err(), "{text}");
    }
    assert_eq!(Renames::parse("").unwrap(), Renames::default());
}
