//! Which documents a permit covers: what can't be decided before a document is read.

use std::sync::Arc;

use uuid::Uuid;

use super::cedar::{CedarScope, Facts};

/// Which documents of a collection a call may touch.
#[derive(Clone, Debug, PartialEq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those that the account owns.
    Owned(Uuid),
    /// Those that the operator's policies allow, one by one.
    Cedar(Arc<CedarScope>),
    /// Those that one of the two covers.
    Either(Arc<(Self, Self)>),
    /// Those that both of the two cover.
    Both(Arc<(Self, Self)>),
}

impl Scope {
    /// Whether a document is covered.
    pub fn covers(&self, document: &Facts<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Owned(account) => document.owner == Some(*account),
            Self::Cedar(scope) => scope.covers(document),
            Self::Either(both) => both.0.covers(document) || both.1.covers(document),
            Self::Both(both) => both.0.covers(document) && both.1.covers(document),
        }
    }

    /// Whether `covers` looks at the body of a document.
    pub fn needs_body(&self) -> bool {
        match self {
            Self::All | Self::Owned(_) => false,
            Self::Cedar(scope) => scope.needs_body(),
            Self::Either(both) | Self::Both(both) => both.0.needs_body() || both.1.needs_body(),
        }
    }

    /// What this one or the other covers.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (one, other) if one == other => one,
            (one, other) => Self::Either(Arc::new((one, other))),
        }
    }

    /// What this one and the other cover.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, scope) | (scope, Self::All) => scope,
            (one, other) if one == other => one,
            (one, other) => Self::Both(Arc::new((one, other))),
        }
    }
}
