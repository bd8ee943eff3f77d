//! What is decided, and by which rule: for people and for scripts.

use std::fmt;

use serde_json::{Value, json};

use super::installation::Installation;
use super::question::Question;
use crate::cli::failure::Failure;
use crate::policy::{Explanation, Reason, explain};

/// The answer to a question.
pub(super) struct Answer {
    allowed: bool,
    depends_on_document: bool,
    /// Whether another one may come of fields that were not told.
    lacks_fields: bool,
    /// `the operator may read products`
    sentence: String,
    rules: Vec<Rule>,
    failed: Option<String>,
}

/// A rule, and where it stands.
struct Rule {
    file: String,
    line: Option<usize>,
    /// How it is called or written.
    text: String,
}

impl Answer {
    pub(super) fn to(question: &Question, installation: &Installation) -> Result<Self, Failure> {
        let rules = installation.rules(&question.resource)?;
        let facts = question.facts();
        let explained = explain(&question.caller, question.action, &rules, facts.as_ref());
        let Explanation {
            allowed,
            depends_on_document,
            asks_for_fields,
            reason,
        } = explained;
        let lacks_fields = asks_for_fields && question.assumes_no_fields();
        let word = || {
            let (file, line) = installation.word_at(&question.resource, question.action)?;
            let word = rules.word(question.action);
            let text = match line {
                Some(_) => format!("{} = \"{word}\"", question.action),
                None => format!("{} is left out, which means \"{word}\"", question.action),
            };
            Some(Rule { file, line, text })
        };
        let mut failed = None;
        let rules = match reason {
            Reason::Word(_) => word().into_iter().collect(),
            Reason::Policies(verdict) => {
                failed = verdict.failed;
                let decided = verdict
                    .decided_by
                    .iter()
                    .filter_map(|id| match id.starts_with("access:") {
                        true => word(),
                        false => Some(policy(id, installation)),
                    });
                let decided: Vec<Rule> = decided.collect();
                // Where nothing permits it, the word is what does not.
                if decided.is_empty() {
                    word().into_iter().collect()
                } else {
                    decided
                }
            }
        };
        let verb = if allowed { "may" } else { "may not" };
        Ok(Self {
            sentence: format!("{} {verb} {} {}", question.who(), question.action, question.what()),
            allowed,
            depends_on_document: depends_on_document || lacks_fields,
            lacks_fields,
            rules,
            failed,
        })
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.allowed
    }

    pub(super) fn json(&self) -> Value {
        let rules = self.rules.iter();
        let rules = rules.map(|rule| json!({ "file": rule.file, "line": rule.line, "rule": rule.text }));
        json!({
            "decision": if self.allowed { "allow" } else { "deny" },
            "explanation": self.sentence,
            "depends_on_document": self.depends_on_document,
            "rules": rules.collect::<Vec<_>>(),
            "failed": self.failed,
        })
    }
}

/// A policy of the operator's: its id is its place.
fn policy(id: &str, installation: &Installation) -> Rule {
    let (file, line) = id.rsplit_once(':').unwrap_or((id, ""));
    let name = installation.policy_name(id);
    Rule {
        file: file.to_owned(),
        line: line.parse().ok(),
        text: name.map_or_else(
            || "a policy without an @id".to_owned(),
            |name| format!("@id(\"{name}\")"),
        ),
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.allowed { "allow" } else { "deny" }, self.sentence)?;
        if self.lacks_fields {
            write!(
                f,
                ", where it has none of the fields that policies ask for (--document tells them)"
            )?;
        } else if self.depends_on_document {
            write!(
                f,
                ", as far as each document allows it (--owner and --document describe one)"
            )?;
        }
        for Rule { file, line, text } in &self.rules {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            write!(f, "\n  {file}{line}  {text}")?;
        }
        match &self.failed {
            Some(reason) => write!(f, "\n  nothing is allowed where nothing can be decided: {reason}"),
            None => Ok(()),
        }
    }
}
