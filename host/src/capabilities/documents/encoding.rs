//! Field values as bytes whose order is the order of the values: null < false < true < numbers < strings < anything else.
//!
//! No encoding is a prefix of another one, so that encodings can be put one behind the other and compared as a whole;
//! and the encoding of a descending field is the same with every bit flipped.

use serde_json::{Number, Value};

/// Longest indexed string, in bytes of its encoding without the marks around it: an index key must stay small.
pub const MAX_INDEXED_BYTES: usize = 1_024;

const NULL: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const NUMBER: u8 = 4;
const STRING: u8 = 5;
/// Arrays and objects: in no order among themselves, and equal to nothing that can be asked for.
const OTHER: u8 = 6;

/// In a string, NUL is written as these two bytes.
const ESCAPED_NUL: [u8; 2] = [0, 0xFF];
/// Behind a string; smaller than whatever may come in its place.
const END_OF_STRING: [u8; 2] = [0, 0];

/// Appends the encoding of a value; an absent one counts as null.
pub fn encode(value: Option<&Value>, out: &mut Vec<u8>) {
    match value {
        None | Some(Value::Null) => out.push(NULL),
        Some(Value::Bool(false)) => out.push(FALSE),
        Some(Value::Bool(true)) => out.push(TRUE),
        Some(Value::Number(number)) => encode_number(number, out),
        Some(Value::String(text)) => {
            encode_text(text, out);
            out.extend(END_OF_STRING);
        }
        Some(Value::Array(_) | Value::Object(_)) => out.push(OTHER),
    }
}

/// The encoding of a value.
pub fn encoded(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode(Some(value), &mut out);
    out
}

/// What the encodings of all strings that start with `text` start with, and no others.
pub fn encoded_prefix(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode_text(text, &mut out);
    out
}

/// Whether an encoding is longer than an index takes.
pub fn is_too_long(encoding: &[u8]) -> bool {
    encoding.len() > MAX_INDEXED_BYTES + 1 + END_OF_STRING.len()
}

/// The encoding of null.
pub const fn null() -> [u8; 1] {
    [NULL]
}

/// The encodings of the type of `value`: from the first bound up to, not including, the second one.
pub fn type_bounds(value: &Value) -> Option<(Vec<u8>, Vec<u8>)> {
    match value {
        Value::Number(_) => Some((vec![NUMBER], vec![NUMBER + 1])),
        Value::String(_) => Some((vec![STRING], vec![STRING + 1])),
        _ => None,
    }
}

/// The same field, largest first.
pub fn invert(encoding: &mut [u8]) {
    for byte in encoding {
        *byte = !*byte;
    }
}

/// The first byte string behind all that start with `prefix`, which holds a byte below 0xFF: every encoding does.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let kept = prefix
        .iter()
        .rposition(|&byte| byte < u8::MAX)
        .map_or(0, |last| last + 1);
    let mut end = prefix[..kept].to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    out.push(STRING);
    for &byte in text.as_bytes() {
        if byte == 0 {
            out.extend(ESCAPED_NUL);
        } else {
            out.push(byte);
        }
    }
}

/// A number as the nearest f64 and, for an integer, what that is off by. Rounding keeps the order, so that comparing the
/// two one after the other compares exactly, also an integer with a fraction.
fn encode_number(number: &Number, out: &mut Vec<u8>) {
    let integer = number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from));
    let (nearest, rest) = match integer {
        // At most 64 bits: the nearest f64 is at most 1,024 away.
        Some(integer) => (integer as f64, (integer - (integer as f64) as i128) as i16),
        None => (number.as_f64().unwrap_or(0.0), 0),
    };
    // -0.0 equals 0.0.
    let bits = (nearest + 0.0).to_bits();
    // IEEE 754 sorts as sign and magnitude: flip all bits of a negative number, and the sign of another.
    let sortable = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    out.push(NUMBER);
    out.extend(sortable.to_be_bytes());
    out.extend(((rest as u16) ^ 0x8000).to_be_bytes());
}

#[cfg(test)]
#[path = "encoding_tests.rs"]
mod tests;
