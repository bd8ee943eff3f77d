//! `fn:xml-to-json`, on documents of strangers: no DTD, no entities beyond the five of XML, bounded depth.

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use serde_json::{Map, Number, Value};

use super::{MAX_DEPTH, NAMESPACE, is_allowed};

/// The most namespace declarations in scope, and the most attributes of an element: each costs a search.
const MAX_DECLARATIONS: usize = 8;
const MAX_ATTRIBUTES: usize = 16;

/// Why a document can't be read: a sentence for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::http) struct BadXml(String);

fn bad(message: impl Into<String>) -> BadXml {
    BadXml(message.into())
}

/// The JSON value that an XML document stands for.
pub(in crate::http) fn from_xml(document: &[u8]) -> Result<Value, BadXml> {
    let text = std::str::from_utf8(document).map_err(|_| bad("the document is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.chars().all(is_allowed) {
        return Err(bad("the document holds a character that XML does not allow"));
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    reader.resolver_mut().set_max_namespace_bindings(MAX_DECLARATIONS);
    let mut parser = Parser { reader };
    let value = match parser.next(true)? {
        Token::Start(start) => parser.value(&start, 1)?,
        _ => return Err(bad("the document has no element")),
    };
    match parser.next(false)? {
        Token::Eof => Ok(value),
        _ => Err(bad("there is more than one element at the top")),
    }
}

/// What is wrong, in words for clients.
fn broken(error: &quick_xml::Error) -> BadXml {
    match error {
        quick_xml::Error::Namespace(_) => bad("its namespaces are malformed, or too many"),
        other => bad(other.to_string()),
    }
}

struct Parser<'d> {
    reader: NsReader<&'d [u8]>,
}

/// An element of the mapping.
struct Element {
    kind: Kind,
    key: Option<String>,
    is_escaped: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Map,
}

enum Token {
    Start(Element),
    End,
    Eof,
}

impl Parser<'_> {
    /// The next child element of a map or an array, if there is one.
    fn child(&mut self) -> Result<Option<Element>, BadXml> {
        match self.next(false)? {
            Token::Start(child) => Ok(Some(child)),
            Token::End => Ok(None),
            Token::Eof => Err(bad("the document ends inside an element")),
        }
    }

    /// The next tag. Between elements there may be white space and comments, nothing else.
    fn next(&mut self, is_first: bool) -> Result<Token, BadXml> {
        let mut may_declare = is_first;
        loop {
            let (namespace, event) = self
                .reader
                .read_resolved_event()
                .map_err(|error| bad(error.to_string()))?;
            match event {
                Event::Start(start) => {
                    if namespace != ResolveResult::Bound(Namespace(NAMESPACE)) {
                        return Err(bad(format!("every element must be in the namespace {NAMESPACE}")));
                    }
                    return self.element(&start).map(Token::Start);
                }
                Event::End(_) => return Ok(Token::End),
                Event::Eof => return Ok(Token::Eof),
                Event::Comment(_) => {}
                Event::Text(text) if text.bytes().all(|byte| byte.is_ascii_whitespace()) => {}
                Event::Decl(declaration) if may_declare => match declaration.encoding().transpose() {
                    Ok(None) => {}
                    Ok(Some(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => {}
                    _ => return Err(bad("the encoding must be UTF-8")),
                },
                _ => return Err(forbidden(&event)),
            }
            may_declare = false;
        }
    }

    fn element(&self, start: &BytesStart<'_>) -> Result<Element, BadXml> {
        let kind = match start.local_name().as_ref() {
            "null" => Kind::Null,
            "boolean" => Kind::Boolean,
            "number" => Kind::Number,
            "string" => Kind::String,
            "array" => Kind::Array,
            "map" => Kind::Map,
            other => return Err(bad(format!("`{}` is not an element of the mapping", shorten(other)))),
        };
        let (mut key, mut key_is_escaped, mut is_escaped) = (None, false, false);
        for (index, attribute) in start.attributes().enumerate() {
            let attribute = attribute.map_err(|error| bad(error.to_string()))?;
            if index == MAX_ATTRIBUTES {
                return Err(bad("an element has too many attributes"));
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| bad(error.to_string()))?;
            if !value.chars().all(is_allowed) {
                return Err(bad("an attribute holds a character that XML does not allow"));
            }
            match attribute.key.as_ref() {
                "key" => key = Some(value.into_owned()),
                "escaped-key" => key_is_escaped = boolean(&value)?,
                "escaped" if kind == Kind::String => is_escaped = boolean(&value)?,
                name if name == "xmlns" || name.contains(':') => {}
                name => return Err(bad(format!("`{}` is not an attribute of this element", shorten(name)))),
            }
        }
        if key_is_escaped {
            key = key.as_deref().map(unescape_json).transpose()?;
        }
        Ok(Element { kind, key, is_escaped })
    }

    /// The value of an element whose start was just read; reads to its end.
    fn value(&mut self, element: &Element, depth: usize) -> Result<Value, BadXml> {
        if depth > MAX_DEPTH {
            return Err(bad(format!("the document is nested deeper than {MAX_DEPTH} levels")));
        }
        match element.kind {
            Kind::Map => self.map(depth),
            Kind::Array => self.array(depth),
            kind => {
                let text = self.text()?;
                match kind {
                    Kind::String if element.is_escaped => Ok(Value::String(unescape_json(&text)?)),
                    Kind::String => Ok(Value::String(text)),
                    Kind::Boolean => boolean(&text).map(Value::Bool),
                    Kind::Number => number(&text).map(Value::Number),
                    _ if text.is_empty() => Ok(Value::Null),
                    _ => Err(bad("`null` must be empty")),
                }
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, BadXml> {
        let mut members = Map::new();
        while let Some(mut child) = self.child()? {
            let key = child.key.take().ok_or_else(|| bad("a child of `map` needs a `key`"))?;
            let value = self.value(&child, depth + 1)?;
            if members.contains_key(&key) {
                return Err(bad(format!("the key `{}` is there twice", shorten(&key))));
            }
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Value, BadXml> {
        let mut values = Vec::new();
        while let Some(child) = self.child()? {
            values.push(self.value(&child, depth + 1)?);
        }
        Ok(Value::Array(values))
    }

    /// The characters up to the end of the element.
    fn text(&mut self) -> Result<String, BadXml> {
        let mut text = String::new();
        loop {
            match self.reader.read_event().map_err(|error| broken(&error))? {
                Event::End(_) => return Ok(text),
                Event::Text(part) => text.push_str(&part.xml10_content()),
                Event::CData(part) => text.push_str(&part.xml10_content()),
                Event::GeneralRef(reference) => text.push(character(&reference)?),
                Event::Comment(_) => {}
                Event::Eof => return Err(bad("the document ends inside an element")),
                Event::Start(_) => return Err(bad("an element with text has no child elements")),
                event => return Err(forbidden(&event)),
            }
        }
    }
}

/// What must not be in a document: above all what could make a short document long.
fn forbidden(event: &Event<'_>) -> BadXml {
    bad(match event {
        Event::DocType(_) => "a document type declaration is not allowed",
        Event::PI(_) => "processing instructions are not allowed",
        Event::Decl(_) => "an XML declaration is allowed only at the start",
        _ => "there is text outside of `string`, `number` and `boolean`",
    })
}

/// `&#10;`, or one of the five entities that XML itself defines.
fn character(reference: &BytesRef<'_>) -> Result<char, BadXml> {
    let resolved = reference.resolve_char_ref().map_err(|error| bad(error.to_string()))?;
    let resolved = resolved.or(match &**reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    });
    let resolved = resolved.filter(|character| is_allowed(*character));
    resolved.ok_or_else(|| bad(format!("`&{};` is not allowed", shorten(reference))))
}

fn boolean(text: &str) -> Result<bool, BadXml> {
    match trim(text) {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(bad("a boolean is `true`, `false`, `1` or `0`")),
    }
}

fn number(text: &str) -> Result<Number, BadXml> {
    trim(text)
        .parse()
        .map_err(|_| bad("a number is written as in JSON, and must not be too large"))
}

/// The white space of XML, which is less than that of Unicode.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// Undoes JSON escapes; a bare quotation mark or control character stands for itself.
fn unescape_json(text: &str) -> Result<String, BadXml> {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                quoted.push('\\');
                quoted.extend(characters.next());
            }
            '"' => quoted.push_str("\\\""),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    serde_json::from_str(&quoted).map_err(|_| bad("a text marked as escaped holds a malformed JSON escape"))
}

/// What the client sent, short enough to be shown to it.
fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(40)]
}
