//! What is stored of an account.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::address::Address;
use crate::policy;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// A UUID of version 7, chosen by the host.
    pub id: Uuid,
    /// The e-mail address; no two accounts have the same.
    pub address: Address,
    /// What the person wants to be called.
    pub name: Option<String>,
    /// What the account may do beyond what everybody may.
    pub roles: BTreeSet<String>,
    /// Whether it may not log in.
    pub is_locked: bool,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
}

impl Account {
    /// As far as policy needs to know it.
    pub fn for_policy(&self) -> policy::Account {
        policy::Account {
            id: self.id,
            roles: Arc::from_iter(self.roles.iter().cloned()),
        }
    }
}

/// An account with what never leaves this layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(flatten)]
    pub(super) account: Account,
    /// A PHC string; without one nobody logs in with a password.
    pub(super) password: Option<String>,
}
