//! Who may delete an account: its holder, and those who may do everything.

use uuid::Uuid;

use super::{Caller, Refusal};

/// Whether `caller` may delete `account`. Only administrators and the operator delete other people's accounts.
pub fn may_erase(caller: &Caller, account: Uuid) -> Result<(), Refusal> {
    match caller {
        Caller::Anonymous => Err(Refusal::Unauthenticated),
        caller if caller.account() == Some(account) || caller.is_operator() => Ok(()),
        Caller::Account(_) | Caller::Operator => Err(Refusal::Forbidden),
    }
}
