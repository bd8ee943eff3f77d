//! The decision on one request: a `Permit`, which only this file can make, or a refusal.

use std::sync::Arc;

use crate::manifest::{Access, AccessWord, Action};

use super::{Caller, Scope};

/// The proof that policy was asked and agreed. `dispatch::call` consumes it.
#[derive(Debug)]
pub struct Permit {
    caller: Caller,
    resource: Arc<str>,
    action: Action,
    scope: Scope,
}

impl Permit {
    /// Who may act.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// On which resource.
    pub fn resource(&self) -> &Arc<str> {
        &self.resource
    }

    /// Doing what.
    pub fn action(&self) -> Action {
        self.action
    }

    /// On which of its documents.
    pub fn scope(&self) -> Scope {
        self.scope
    }
}

/// Why a request may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Signing in might help: 401.
    #[error("sign in to do this")]
    Unauthenticated,
    /// Signing in does not help: 403.
    #[error("you may not do this")]
    Forbidden,
}

/// Decides whether `caller` may do `action` on `resource`.
pub fn authorize(caller: &Caller, action: Action, resource: &Arc<str>, access: &Access) -> Result<Permit, Refusal> {
    if caller.limits().is_some_and(|limits| !limits.allow(action, resource)) {
        return Err(Refusal::Forbidden);
    }
    let scope = scope(access.word(action), caller)?;
    Ok(Permit {
        caller: caller.clone(),
        resource: Arc::clone(resource),
        action,
        scope,
    })
}

/// On which documents the word lets the caller act.
fn scope(word: &AccessWord, caller: &Caller) -> Result<Scope, Refusal> {
    match (word, caller) {
        (AccessWord::Anyone, _) => Ok(Scope::All),
        (AccessWord::Nobody, _) => Err(Refusal::Forbidden),
        (_, caller) if caller.is_operator() => Ok(Scope::All),
        (_, Caller::Anonymous | Caller::Operator) => Err(Refusal::Unauthenticated),
        (AccessWord::Member, Caller::Account(_)) => Ok(Scope::All),
        (AccessWord::Owner, Caller::Account(account)) => Ok(Scope::Owned(account.id)),
        (AccessWord::Role(role), caller) if caller.has_role(role) => Ok(Scope::All),
        (AccessWord::Role(_) | AccessWord::Operator, Caller::Account(_)) => Err(Refusal::Forbidden),
    }
}
