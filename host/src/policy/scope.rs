//! Which documents a permit covers: what can't be decided before a document is read.

use uuid::Uuid;

/// Which documents of a collection a call may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those that the account owns.
    Owned(Uuid),
}

impl Scope {
    /// Whether a document with this owner is covered.
    pub fn covers(self, owner: Option<Uuid>) -> bool {
        match self {
            Self::All => true,
            Self::Owned(account) => owner == Some(account),
        }
    }
}
