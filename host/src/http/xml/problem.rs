//! Problems as XML: RFC 9457, appendix B. Members are elements named after them, and array items are `i`.

use serde_json::Value;

use super::{is_allowed, write::text};

/// A problem document, given as its JSON object. Members must have names that are XML names.
pub(in crate::http) fn problem(problem: &serde_json::Map<String, Value>) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<problem xmlns=\"urn:ietf:rfc:7807\">");
    members(&mut out, problem);
    out.push_str("</problem>");
    out
}

fn members(out: &mut String, members: &serde_json::Map<String, Value>) {
    for (name, value) in members {
        element(out, name, value);
    }
}

fn element(out: &mut String, name: &str, value: &Value) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        // Problems are read by people: what XML can't hold is shown as a replacement character.
        Value::String(plain) => text(out, &plain.replace(|character| !is_allowed(character), "\u{fffd}")),
        Value::Array(items) => items.iter().for_each(|item| element(out, "i", item)),
        Value::Object(inner) => members(out, inner),
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}
