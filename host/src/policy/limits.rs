//! What a token for programs may be used for, of what its account may do.

use serde::{Deserialize, Serialize};

use crate::manifest::{Action, is_resource_name};

/// The most scopes of a token.
const MAX_SCOPES: usize = 64;

/// The scopes of a token. They take away from what the account may do, and never add to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits(Vec<String>);

impl Limits {
    /// Reads `read`, `write`, `RESOURCE:read` and `RESOURCE:write`; an error says what is wrong.
    pub fn parse(scopes: &[String]) -> Result<Self, String> {
        if scopes.is_empty() || scopes.len() > MAX_SCOPES {
            return Err(format!("a token has 1 to {MAX_SCOPES} scopes"));
        }
        for scope in scopes {
            let (resource, word) = scope
                .split_once(':')
                .map_or((None, scope.as_str()), |(resource, word)| (Some(resource), word));
            if !matches!(word, "read" | "write") || !resource.is_none_or(is_resource_name) {
                return Err(format!(
                    "{scope:?} is no scope: write `read`, `write`, `RESOURCE:read` or `RESOURCE:write`"
                ));
            }
        }
        Ok(Self(scopes.to_vec()))
    }

    /// The scopes as they were written.
    pub fn scopes(&self) -> &[String] {
        &self.0
    }

    /// Whether an action on a resource is among them. Who may write something may not read it for that, but for the answer to a write,
    /// which is the document.
    pub fn allow(&self, action: Action, resource: &str) -> bool {
        let needed = match action {
            Action::List | Action::Read => "read",
            Action::Create | Action::Update | Action::Delete => "write",
        };
        self.0.iter().any(|scope| match scope.split_once(':') {
            Some((of, word)) => of == resource && word == needed,
            None => scope == needed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(scopes: &[&str]) -> Result<Limits, String> {
        Limits::parse(&scopes.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_token_is_good_for_what_its_scopes_name() {
        let limits = limits(&["orders:read", "products:write"]).unwrap();
        for (action, resource, is_allowed) in [
            (Action::List, "orders", true),
            (Action::Read, "orders", true),
            (Action::Create, "orders", false),
            (Action::Read, "products", false),
            (Action::Update, "products", true),
            (Action::Delete, "products", true),
            (Action::Read, "order", false),
        ] {
            assert_eq!(limits.allow(action, resource), is_allowed, "{action} {resource}");
        }
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for scopes in [
            &[][..],
            &["all"],
            &["read", "orders"],
            &["a:b:read"],
            &[":read"],
            &["orders:delete"],
        ] {
            assert!(limits(scopes).is_err(), "{scopes:?}");
        }
        assert!(limits(&["read"; 65]).is_err());
    }
}
