//! The decision on one request: a `Permit`, which only this file can make, or a refusal.

use std::sync::Arc;

use crate::manifest::{AccessWord, Action};

use super::cedar::{CedarScope, Kind, Prepared, Principal, ResourcePolicies, Slice};
use super::{Caller, Limits, Rules, Scope};

/// The proof that policy was asked and agreed. `dispatch::call` consumes it.
#[derive(Debug)]
pub struct Permit {
    caller: Caller,
    resource: Arc<str>,
    action: Action,
    scope: Scope,
    prepared: Prepared,
    imports: bool,
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
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The caller as Cedar sees it, to decide again with.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// For an import, which brings documents back as they were: it sets what clients may only read. Others than the operator
    /// and administrators import nothing.
    #[must_use]
    pub fn importing(self) -> Self {
        let imports = self.caller.is_operator();
        Self { imports, ..self }
    }

    /// Whether it is for an import.
    pub fn imports(&self) -> bool {
        self.imports
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
pub fn authorize(caller: &Caller, action: Action, resource: &Arc<str>, rules: &Rules) -> Result<Permit, Refusal> {
    let prepared = Prepared::default();
    let scope = authorize_again(caller, &prepared, (action, resource), rules)?;
    Ok(Permit {
        caller: caller.clone(),
        resource: Arc::clone(resource),
        action,
        scope,
        prepared,
        imports: false,
    })
}

/// On which documents a caller may act, who is known to policy already: what a plugin does on its behalf.
pub fn authorize_again(
    caller: &Caller,
    prepared: &Prepared,
    (action, resource): (Action, &str),
    rules: &Rules,
) -> Result<Scope, Refusal> {
    within(caller.limits(), action, resource)?;
    decide(caller, prepared, action, rules)
}

/// On which documents of its own collection a plugin may act on a caller's behalf. It answers for them itself, so no word binds
/// it; what the operator's policies forbid does, and where they forbid something, these limits do as well.
pub fn authorize_own(
    caller: &Caller,
    prepared: &Prepared,
    (action, resource): (Action, &str),
    limits: Option<&Limits>,
    rules: &Rules,
) -> Result<Scope, Refusal> {
    let policies = rules.policies.as_ref();
    // Known since they were loaded: where nothing is forbidden, nothing is looked at.
    let Some(slice) = policies.and_then(|policies| policies.forbidden(action, Kind::of(caller))) else {
        return Ok(Scope::All);
    };
    within(limits, action, resource)?;
    by_slice(prepared.of(caller), slice).ok_or(Refusal::Forbidden)
}

/// What a program may do is part of what its account may do.
fn within(limits: Option<&Limits>, action: Action, resource: &str) -> Result<(), Refusal> {
    match limits {
        Some(limits) if !limits.allow(action, resource) => Err(Refusal::Forbidden),
        _ => Ok(()),
    }
}

/// On which documents somebody may act who acts through nothing that may less.
pub(super) fn decide(caller: &Caller, prepared: &Prepared, action: Action, rules: &Rules) -> Result<Scope, Refusal> {
    match &rules.policies {
        Some(policies) if policies.decides(action) => by_policies(caller, prepared, action, rules, policies),
        _ => by_word(rules.access.word(action), caller),
    }
}

/// On which documents the word lets the caller act.
pub(super) fn by_word(word: &AccessWord, caller: &Caller) -> Result<Scope, Refusal> {
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

/// On which documents the policies let the caller act: decided here, unless they ask about the document.
fn by_policies(
    caller: &Caller,
    prepared: &Prepared,
    action: Action,
    rules: &Rules,
    policies: &ResourcePolicies,
) -> Result<Scope, Refusal> {
    let principal = prepared.of(caller);
    let refusal = match (caller, rules.access.word(action)) {
        (_, AccessWord::Nobody) | (Caller::Account(_) | Caller::Operator, _) => Refusal::Forbidden,
        (Caller::Anonymous, _) => Refusal::Unauthenticated,
    };
    let slice = policies.slice(action, principal.kind());
    slice.and_then(|slice| by_slice(principal, slice)).ok_or(refusal)
}

/// The same of one slice; none where it lets nobody like this one act on anything.
fn by_slice(principal: &Arc<Principal>, slice: &Arc<Slice>) -> Option<Scope> {
    if !slice.may_permit(principal) {
        return None;
    }
    if slice.asks_about_document() {
        let scope = CedarScope::new(Arc::clone(principal), Arc::clone(slice));
        return Some(Scope::Cedar(Arc::new(scope)));
    }
    slice.allows(principal, None).then_some(Scope::All)
}
