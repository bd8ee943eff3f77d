//! What was decided before. A decision depends on nothing but what the policies of its slice ask about, and a slice never changes:
//! other policies make other slices. So what was decided about one document holds for each that has the same in the fields
//! asked for. It is found by all that was asked about, and not by a digest of it: two that differ are never taken for one.
//!
//! How fast a decision comes can tell a caller that one about the like was made before. That takes a document which is like the
//! one that is hidden in all that is asked for, and microseconds that no network keeps.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use quick_cache::sync::Cache;
use serde_json::{Number, Value};
use uuid::Uuid;

/// The most decisions that are remembered of one set of policies: with the longest questions, three megabytes.
pub(super) const MAX_KNOWN: usize = 8_192;
/// The longest question whose answer is remembered, in bytes. Where more is asked about, as with long texts, Cedar decides each
/// time.
pub(super) const MAX_BYTES: usize = 256;

/// The decisions of one set of policies.
#[derive(Default)]
pub(super) struct Memories {
    decisions: Arc<Decisions>,
    slices: AtomicU32,
}

struct Decisions(Cache<Box<[u8]>, bool>);

impl Default for Decisions {
    fn default() -> Self {
        Self(Cache::new(MAX_KNOWN))
    }
}

impl Memories {
    /// That of one more slice.
    pub(super) fn of_slice(&self) -> Memory {
        Memory {
            decisions: Arc::clone(&self.decisions),
            slice: self.slices.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// The decisions of one slice.
pub(super) struct Memory {
    decisions: Arc<Decisions>,
    slice: u32,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("slice", &self.slice)
            .finish_non_exhaustive()
    }
}

impl Memory {
    /// A question about nothing so far.
    pub(super) fn question(&self) -> Question {
        let mut question = Question {
            bytes: [0; MAX_BYTES],
            length: 0,
        };
        let slice = self.slice.to_le_bytes();
        question.bytes[..slice.len()].copy_from_slice(&slice);
        question.length = slice.len();
        question
    }

    /// What was decided, where it is known.
    pub(super) fn answer(&self, question: &Question) -> Option<bool> {
        self.decisions.0.get(question.as_bytes())
    }

    /// Keeps a decision, in the place of one that was asked for less.
    pub(super) fn remember(&self, question: &Question, allowed: bool) {
        self.decisions.0.insert(question.as_bytes().into(), allowed);
    }

    /// How many decisions are known, of all slices.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.decisions.0.len()
    }
}

/// What a decision depends on. Each part tells where it ends, so questions of one slice are equal only where all parts are. A
/// part for which there is no room leaves the question without an answer to remember.
pub(super) struct Question {
    bytes: [u8; MAX_BYTES],
    length: usize,
}

impl Question {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn add(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.bytes.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn length(&mut self, length: usize) -> Option<()> {
        // What has more does not fit anyway.
        self.add(&[u8::try_from(length).ok()?])
    }

    /// Whether something is so.
    pub(super) fn truth(&mut self, truth: bool) -> Option<()> {
        self.add(&[u8::from(truth)])
    }

    /// An id, where there is one.
    pub(super) fn id(&mut self, id: Option<Uuid>) -> Option<()> {
        self.truth(id.is_some())?;
        id.map_or(Some(()), |id| self.add(id.as_bytes()))
    }

    fn number(&mut self, number: &Number) -> Option<()> {
        match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => {
                self.add(b"i")?;
                self.add(&whole.to_le_bytes())
            }
            (None, Some(real)) => {
                self.add(b"r")?;
                self.add(&real.to_bits().to_le_bytes())
            }
            (None, None) => None,
        }
    }

    fn text(&mut self, text: &str) -> Option<()> {
        self.length(text.len())?;
        self.add(text.as_bytes())
    }

    /// Texts, in their order.
    pub(super) fn texts<'t>(&mut self, texts: impl ExactSizeIterator<Item = &'t str>) -> Option<()> {
        self.length(texts.len())?;
        for text in texts {
            self.text(text)?;
        }
        Some(())
    }

    /// A field of a document. One that has none is as one with null, for Cedar as well.
    pub(super) fn value(&mut self, value: Option<&Value>) -> Option<()> {
        match value {
            None | Some(Value::Null) => self.add(b"-"),
            Some(Value::Bool(truth)) => self.add(if *truth { b"t" } else { b"f" }),
            Some(Value::Number(number)) => self.number(number),
            Some(Value::String(text)) => {
                self.add(b"s")?;
                self.text(text)
            }
            Some(Value::Array(elements)) => {
                self.add(b"a")?;
                self.length(elements.len())?;
                elements.iter().try_for_each(|element| self.value(Some(element)))
            }
            // No field that a policy can name may hold one: about such a document nothing is decided.
            Some(Value::Object(_)) => None,
        }
    }
}
