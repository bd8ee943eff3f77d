//! The order of encodings is the order of the values.

use std::cmp::Ordering;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The order that the documentation promises, written down another way: numbers compare exactly.
fn compare(left: &Value, right: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(false) => 1,
        Value::Bool(true) => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
        _ => 5,
    };
    rank(left).cmp(&rank(right)).then_with(|| match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare_numbers(left, right),
        (Value::String(left), Value::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        _ => Ordering::Equal,
    })
}

fn compare_numbers(left: &Number, right: &Number) -> Ordering {
    let integer = |number: &Number| {
        number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from))
    };
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(left), None) => compare_mixed(left, right.as_f64().unwrap()),
        (None, Some(right)) => compare_mixed(right, left.as_f64().unwrap()).reverse(),
        (None, None) => left.as_f64().unwrap().partial_cmp(&right.as_f64().unwrap()).unwrap(),
    }
}

fn compare_mixed(integer: i128, float: f64) -> Ordering {
    if float.abs() > 1e30 {
        return if float > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    let whole = float.floor();
    integer
        .cmp(&(whole as i128))
        .then(if float > whole { Ordering::Less } else { Ordering::Equal })
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        (-3.0f64..3.0).prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |float| float.is_finite())
            .prop_map(Value::from),
        // Around the places where f64 stops telling integers apart.
        (52u32..64, -2i64..3).prop_map(|(bit, off)| Value::from((1u64 << bit).wrapping_add_signed(off))),
        (52u32..63, -2i64..3).prop_map(|(bit, off)| Value::from(-(1i64 << bit).wrapping_add(off))),
        (52i32..64).prop_map(|bit| Value::from(2f64.powi(bit))),
        Just(json!(-0.0)),
        Just(json!(0)),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number(),
        "[\u{0}\u{1}ab\u{ff}\u{10ffff}]{0,4}".prop_map(Value::String),
        Just(json!([1])),
        Just(json!({"a": 1})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn encodings_sort_as_values_do(left in scalar(), right in scalar()) {
        prop_assert_eq!(encoded(&left).cmp(&encoded(&right)), compare(&left, &right));
    }

    #[test]
    fn numbers_compare_exactly(left in number(), right in number()) {
        prop_assert_eq!(encoded(&left).cmp(&encoded(&right)), compare(&left, &right));
    }

    #[test]
    fn inverted_encodings_sort_the_other_way(left in scalar(), right in scalar()) {
        let inverted = |value| { let mut bytes = encoded(value); invert(&mut bytes); bytes };
        prop_assert_eq!(inverted(&left).cmp(&inverted(&right)), compare(&right, &left));
    }

    #[test]
    fn rows_of_values_sort_value_by_value(left in prop::collection::vec(scalar(), 3), right in prop::collection::vec(scalar(), 3)) {
        let row = |values: &[Value]| values.iter().flat_map(encoded).collect::<Vec<u8>>();
        let expected = left.iter().zip(&right).map(|(left, right)| compare(left, right)).find(|order| order.is_ne());
        prop_assert_eq!(row(&left).cmp(&row(&right)), expected.unwrap_or(Ordering::Equal));
    }

    #[test]
    fn a_prefix_bounds_exactly_the_strings_that_start_with_it(text in "[\u{0}\u{1}ab\u{ff}]{0,5}", start in "[\u{0}ab]{0,3}") {
        let (from, encoding) = (encoded_prefix(&start), encoded(&Value::String(text.clone())));
        prop_assert_eq!(from <= encoding && encoding < prefix_end(&from), text.starts_with(&start));
    }
}

#[test]
fn an_absent_field_counts_as_null() {
    let mut absent = Vec::new();
    encode(None, &mut absent);
    assert_eq!(absent, encoded(&Value::Null));
    assert_eq!(absent, null());
}

#[test]
fn a_string_of_1024_bytes_is_indexed_and_a_longer_one_is_not() {
    assert!(!is_too_long(&encoded(&json!("a".repeat(1_024)))));
    assert!(is_too_long(&encoded(&json!("a".repeat(1_025)))));
    assert!(
        is_too_long(&encoded(&json!("\0".repeat(513)))),
        "an escaped NUL takes two bytes"
    );
}
