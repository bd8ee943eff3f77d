//! What is stored of an account.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::address::Address;
use super::session::half_digest;
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
    /// A new account without roles.
    pub(super) fn new(address: Address, name: Option<String>, now_ms: u64) -> Self {
        Self {
            id: Uuid::now_v7(),
            address,
            name,
            roles: BTreeSet::new(),
            is_locked: false,
            created_ms: now_ms,
        }
    }

    /// As far as policy needs to know it.
    pub fn for_policy(&self) -> policy::Account {
        policy::Account {
            id: self.id,
            roles: Arc::from_iter(self.roles.iter().cloned()),
            limits: None,
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
    /// Whether the password is only long enough with a second factor.
    #[serde(default)]
    pub(super) is_short: bool,
}

/// The hash of a new password.
#[derive(Clone, Debug)]
pub(super) struct NewPassword {
    /// A PHC string.
    pub(super) hash: String,
    /// Whether it is only long enough with a second factor.
    pub(super) is_short: bool,
}

impl Record {
    /// Without a password.
    pub(super) fn of(account: Account) -> Self {
        Self {
            account,
            password: None,
            is_short: false,
        }
    }

    /// What attempts to log in are counted under. Another password has another one, so that whoever sets one through a link in a
    /// mail is not held back by what was tried before.
    pub(super) fn budget(&self) -> Uuid {
        let password = self.password.as_deref().unwrap_or_default();
        half_digest(&format!("{} {password}", self.account.id))
    }

    pub(super) fn set_password(&mut self, new: NewPassword) {
        self.password = Some(new.hash);
        self.is_short = new.is_short;
    }
}
