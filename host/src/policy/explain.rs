//! The reasons of a decision, for people: the same rules as `authorize` asks, and what they say.

use crate::manifest::{AccessWord, Action};

use super::authorize::{by_word, decide};
use super::cedar::{Facts, Verdict};
use super::{Caller, Prepared, Rules, Scope};

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the caller may; without a document, whether it may on some document.
    pub allowed: bool,
    /// Without a document: whether it is another matter for each.
    pub depends_on_document: bool,
    /// Whether policies ask for fields of the document.
    pub asks_for_fields: bool,
    /// What decided.
    pub reason: Reason,
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The access word.
    Word(AccessWord),
    /// The operator's policies, and the word as they have it.
    Policies(Verdict),
}

/// Explains whether `caller` may do `action`, with a document or without one.
pub fn explain(caller: &Caller, action: Action, rules: &Rules, facts: Option<&Facts<'_>>) -> Explanation {
    let prepared = Prepared::default();
    let principal = prepared.of(caller);
    let policies = rules.policies.as_ref();
    let Some(slice) = policies.and_then(|policies| policies.slice(action, principal.kind())) else {
        let word = rules.access.word(action);
        let scope = by_word(word, caller).ok();
        let covered = |scope: &Scope| facts.is_none_or(|facts| scope.covers(facts));
        return Explanation {
            allowed: scope.as_ref().is_some_and(covered),
            asks_for_fields: false,
            depends_on_document: facts.is_none() && scope.is_some_and(|scope| scope != Scope::All),
            reason: Reason::Word(word.clone()),
        };
    };
    let depends = facts.is_none() && slice.asks_about_document();
    let verdict = slice.verdict(principal, facts);
    Explanation {
        allowed: match facts {
            // What `authorize` refuses before a document is read is refused for each.
            _ if decide(caller, &prepared, action, rules).is_err() => false,
            None => true,
            Some(_) => verdict.allowed,
        },
        depends_on_document: depends,
        asks_for_fields: slice.needs_body(),
        reason: Reason::Policies(verdict),
    }
}
