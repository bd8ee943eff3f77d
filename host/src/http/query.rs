//! The query string of a list: `category=games&price[gte]=10&sort=-price,name&limit=20&cursor=…&count=true`.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::capabilities::catalogue::FieldKind;
use crate::capabilities::model::{Clause, Operator, Order, Selection};

/// The most conditions of one selection.
const MAX_FILTERS: usize = 16;
/// The most sort keys of one selection.
const MAX_SORT_KEYS: usize = 4;
/// The most values that `[in]` compares with.
const MAX_ONE_OF: usize = 100;
/// The largest page.
const MAX_LIMIT: u32 = 1_000;

/// What is wrong with a query string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadQuery {
    /// A stable name for programs.
    pub(super) code: &'static str,
    /// A sentence for people.
    pub(super) message: String,
}

fn bad(code: &'static str, message: impl Into<String>) -> BadQuery {
    BadQuery {
        code,
        message: message.into(),
    }
}

/// Reads a query string. `kind_of` knows the fields of the resource; a field that it does not know is refused.
pub(super) fn parse(query: &str, kind_of: impl Fn(&str) -> Option<FieldKind>) -> Result<Selection, BadQuery> {
    let mut selection = Selection::default();
    let mut seen = Vec::new();
    for (name, value) in pairs(query)? {
        if matches!(&*name, "sort" | "limit" | "cursor" | "count") {
            if seen.contains(&name) {
                return Err(bad("repeated_parameter", format!("`{name}` is given twice")));
            }
            seen.push(name.clone());
        }
        match &*name {
            "sort" => selection.sort = sort(&value, &kind_of)?,
            "limit" => selection.limit = limit(&value)?,
            "cursor" => selection.cursor = Some(value.into_owned()).filter(|cursor| !cursor.is_empty()),
            "count" => selection.with_total = count(&value)?,
            _ if selection.filters.len() == MAX_FILTERS => {
                return Err(bad(
                    "too_many_filters",
                    format!("a query has at most {MAX_FILTERS} conditions"),
                ));
            }
            _ => selection.filters.push(clause(&name, &value, &kind_of)?),
        }
    }
    Ok(selection)
}

/// A parameter's name and value.
type Pair<'q> = (Cow<'q, str>, Cow<'q, str>);

/// The parameters of a query string, decoded.
pub(super) fn pairs(query: &str) -> Result<Vec<Pair<'_>>, BadQuery> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// `+` and `%XX`, strictly: what is not valid is refused rather than passed on.
fn decode(text: &str) -> Result<Cow<'_, str>, BadQuery> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Ok(Cow::Borrowed(text));
    }
    let complete = text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .filter(|_| complete);
    match decoded {
        Some(decoded) if !decoded.contains('\0') => Ok(Cow::Owned(decoded.into_owned())),
        _ => Err(bad(
            "malformed_query",
            "the query string is not valid percent-encoded UTF-8",
        )),
    }
}

fn clause(name: &str, text: &str, kind_of: &impl Fn(&str) -> Option<FieldKind>) -> Result<Clause, BadQuery> {
    let (field, operator) = match name.split_once('[') {
        None => (name, "eq"),
        Some((field, rest)) => match rest.strip_suffix(']') {
            Some(operator) => (field, operator),
            None => {
                return Err(bad(
                    "malformed_query",
                    format!("`{name}` is not of the form `field[operator]`"),
                ));
            }
        },
    };
    let operator = match operator {
        "eq" => Operator::Eq,
        "ne" => Operator::Ne,
        "lt" => Operator::Lt,
        "le" | "lte" => Operator::Le,
        "gt" => Operator::Gt,
        "ge" | "gte" => Operator::Ge,
        "in" => Operator::OneOf,
        "prefix" => Operator::Prefix,
        _ => {
            let message = format!("`{operator}` is not an operator; there are eq, ne, lt, lte, gt, gte, in and prefix");
            return Err(bad("unknown_operator", message));
        }
    };
    let kind = kind_of(field).ok_or_else(|| unknown_field(field))?;
    let value = match operator {
        Operator::OneOf => one_of(field, text, &kind)?,
        Operator::Prefix if !may_be_text(&kind) => {
            return Err(bad(
                "bad_operator",
                format!("`prefix` compares text, and `{field}` is not text"),
            ));
        }
        Operator::Prefix => Value::from(text),
        _ => scalar(field, text, &kind)?,
    };
    Ok(Clause {
        field: field.to_owned(),
        operator,
        value,
    })
}

fn may_be_text(kind: &FieldKind) -> bool {
    match kind {
        FieldKind::Text | FieldKind::Any => true,
        FieldKind::Array(elements) => may_be_text(elements),
        _ => false,
    }
}

fn unknown_field(field: &str) -> BadQuery {
    bad("unknown_field", format!("`{field}` is not a field of this resource"))
}

fn one_of(field: &str, text: &str, kind: &FieldKind) -> Result<Value, BadQuery> {
    let values = text
        .split(',')
        .map(|text| scalar(field, text, kind))
        .collect::<Result<Vec<_>, _>>()?;
    if values.len() > MAX_ONE_OF {
        return Err(bad(
            "too_many_values",
            format!("`{field}[in]` compares with at most {MAX_ONE_OF} values"),
        ));
    }
    Ok(Value::Array(values))
}

/// The JSON value that a text stands for on a field of this kind.
fn scalar(field: &str, text: &str, kind: &FieldKind) -> Result<Value, BadQuery> {
    let expected = match kind {
        FieldKind::Text => return Ok(Value::from(text)),
        FieldKind::Any => return Ok(literal(text).unwrap_or_else(|| Value::from(text))),
        // A condition on an array is about its elements.
        FieldKind::Array(elements) => return scalar(field, text, elements),
        FieldKind::Object => {
            return Err(bad(
                "bad_value",
                format!("`{field}` is an object: name one of its fields"),
            ));
        }
        FieldKind::Integer => "a whole number",
        FieldKind::Number => "a number",
        FieldKind::Boolean => "`true` or `false`",
    };
    let value = literal(text).filter(|value| match kind {
        FieldKind::Boolean => value.is_boolean() || value.is_null(),
        FieldKind::Integer => value.is_i64() || value.is_u64() || value.is_null(),
        _ => value.is_number() || value.is_null(),
    });
    value.ok_or_else(|| bad("bad_value", format!("`{field}` is compared with {expected}")))
}

/// `null`, `true`, `false` or a number as JSON writes it.
fn literal(text: &str) -> Option<Value> {
    match text {
        "null" => Some(Value::Null),
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            text.parse::<Number>().ok().map(Value::Number)
        }
        _ => None,
    }
}

fn sort(text: &str, kind_of: &impl Fn(&str) -> Option<FieldKind>) -> Result<Vec<Order>, BadQuery> {
    let mut keys: Vec<Order> = Vec::new();
    for key in text.split(',') {
        let (field, descending) = key.strip_prefix('-').map_or((key, false), |field| (field, true));
        kind_of(field).ok_or_else(|| unknown_field(field))?;
        if keys.len() == MAX_SORT_KEYS {
            return Err(bad(
                "too_many_sort_keys",
                format!("a query has at most {MAX_SORT_KEYS} sort keys"),
            ));
        }
        if keys.iter().any(|key| key.field == field) {
            return Err(bad("repeated_sort_key", format!("`sort` names `{field}` twice")));
        }
        keys.push(Order {
            field: field.to_owned(),
            descending,
        });
    }
    Ok(keys)
}

fn limit(text: &str) -> Result<u32, BadQuery> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text
        .parse()
        .ok()
        .filter(|limit| digits && (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| bad("bad_limit", format!("`limit` is a whole number from 1 to {MAX_LIMIT}")))
}

fn count(text: &str) -> Result<bool, BadQuery> {
    text.parse()
        .map_err(|_| bad("bad_count", "`count` is `true` or `false`"))
}

/// The query string of the next page: this one, with another cursor.
pub(super) fn with_cursor(query: &str, cursor: &str) -> String {
    let mut next = String::with_capacity(query.len() + cursor.len() + 8);
    for pair in query.split('&') {
        let name = pair.split('=').next().unwrap_or_default();
        if !pair.is_empty() && !decode(name).is_ok_and(|name| name == "cursor") {
            next.push_str(pair);
            next.push('&');
        }
    }
    next.push_str("cursor=");
    next.extend(percent_encoding::utf8_percent_encode(
        cursor,
        percent_encoding::NON_ALPHANUMERIC,
    ));
    next
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
