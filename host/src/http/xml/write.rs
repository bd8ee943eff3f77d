//! `fn:json-to-xml`: each JSON value is an element named after its type; members carry their name in `key`.

use std::fmt::Write;

use serde_json::Value;

use super::{NAMESPACE, is_allowed};

/// A JSON value as an XML document.
pub(in crate::http) fn to_xml(value: &Value) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    element(&mut out, value, None, true);
    out
}

fn element(out: &mut String, value: &Value, key: Option<&str>, is_root: bool) {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "map",
    };
    out.push('<');
    out.push_str(name);
    if is_root {
        attribute(out, "xmlns", NAMESPACE);
    }
    if let Some(key) = key {
        if needs_json_escapes(key) {
            attribute(out, "escaped-key", "true");
            attribute(out, "key", &json_escaped(key));
        } else {
            attribute(out, "key", key);
        }
    }
    let escaped = value.as_str().filter(|text| needs_json_escapes(text)).map(json_escaped);
    if escaped.is_some() {
        attribute(out, "escaped", "true");
    }
    if value.is_null() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    match value {
        Value::Null => {}
        Value::Bool(boolean) => out.push_str(if *boolean { "true" } else { "false" }),
        Value::Number(number) => _ = write!(out, "{number}"),
        Value::String(plain) => text(out, escaped.as_deref().unwrap_or(plain)),
        Value::Array(values) => values.iter().for_each(|value| element(out, value, None, false)),
        Value::Object(members) => members
            .iter()
            .for_each(|(key, value)| element(out, value, Some(key), false)),
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Whether a text holds characters that XML can't, so that it goes as JSON writes it.
fn needs_json_escapes(text: &str) -> bool {
    !text.chars().all(is_allowed)
}

fn json_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            _ if is_allowed(character) => out.push(character),
            _ => _ = write!(out, "\\u{:04x}", u32::from(character)),
        }
    }
    out
}

fn attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    for character in value.chars() {
        match character {
            '"' => out.push_str("&quot;"),
            // A parser would turn these into blanks.
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            _ => escape(out, character),
        }
    }
    out.push('"');
}

/// Character data.
pub(super) fn text(out: &mut String, text: &str) {
    text.chars().for_each(|character| escape(out, character));
}

fn escape(out: &mut String, character: char) {
    match character {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        // A parser would turn it into a line feed.
        '\r' => out.push_str("&#13;"),
        _ => out.push(character),
    }
}
