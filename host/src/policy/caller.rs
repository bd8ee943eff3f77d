//! Who makes a request.

use std::sync::Arc;

use uuid::Uuid;

use super::Limits;

/// The role of administrators.
pub const ADMINISTRATOR: &str = "admin";

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody signed in.
    Anonymous,
    /// An account with its roles.
    Account(Account),
    /// The holder of the operator token; may do everything.
    Operator,
}

/// An account, as far as policy needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account's id.
    pub id: Uuid,
    /// The roles that it has at this moment.
    pub roles: Arc<[String]>,
    /// What it acts through may be used for; `None` for a session, which may be used for all.
    pub limits: Option<Arc<Limits>>,
}

impl Caller {
    /// The account that owns what the caller creates.
    pub fn account(&self) -> Option<Uuid> {
        match self {
            Self::Account(account) => Some(account.id),
            Self::Anonymous | Self::Operator => None,
        }
    }

    /// Whether the caller may do everything but what is for nobody: the operator, and administrators.
    pub fn is_operator(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Account(account) => account.roles.iter().any(|held| held == ADMINISTRATOR),
            Self::Operator => true,
        }
    }

    /// Whether the caller acts through something that may not be used for all that the account may do.
    pub fn limits(&self) -> Option<&Limits> {
        match self {
            Self::Account(account) => account.limits.as_deref(),
            Self::Anonymous | Self::Operator => None,
        }
    }

    /// Whether the caller has the role; the operator and administrators have every one.
    pub fn has_role(&self, role: &str) -> bool {
        let held = match self {
            Self::Account(account) => account.roles.iter().any(|held| held == role),
            Self::Anonymous | Self::Operator => false,
        };
        held || self.is_operator()
    }
}
