//! JSON as XML and back: the mapping of the XPath functions `fn:json-to-xml` and `fn:xml-to-json` (W3C, XPath 3.1),
//! and problems as RFC 9457, appendix B, has them.

mod problem;
mod read;
mod write;

pub(super) use problem::problem;
pub(super) use read::{BadXml, from_xml};
pub(super) use write::to_xml;

/// The namespace of the mapping.
const NAMESPACE: &str = "http://www.w3.org/2005/xpath-functions";

/// The deepest nesting that is read: the same as that of JSON bodies.
const MAX_DEPTH: usize = 64;

/// Whether XML 1.0 can contain the character at all, be it written as a reference.
fn is_allowed(character: char) -> bool {
    !matches!(character, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests;
