//! What an operator does with accounts.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::Accounts;
use super::account::{Account, Record};
use super::address::Address;
use super::audit::By;
use super::error::Error;
use super::judging::OF_KNOWN;
use super::sealing;
use super::store::{self, Work};
use crate::capabilities::model::Violation;
use crate::manifest::is_role_name;
use crate::storage::keyspace::accounts as keys;

/// The longest name of a person, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 200;
/// The most roles of an account.
const MAX_ROLES: usize = 32;
/// The most accounts of one page.
pub const MAX_PAGE: usize = 500;

/// An account that is to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The e-mail address.
    pub address: Address,
    /// What the person wants to be called.
    pub name: Option<String>,
    /// The password; without one the account can't log in with one.
    pub password: Option<String>,
    /// The roles.
    pub roles: BTreeSet<String>,
}

/// What is to be changed of an account; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The roles.
    pub roles: Option<BTreeSet<String>>,
    /// Roles that it gets beside those that it has.
    pub added_roles: BTreeSet<String>,
    /// Roles that it has no more, whatever else is said.
    pub removed_roles: BTreeSet<String>,
    /// Whether it may not log in. Locking it ends its sessions.
    pub is_locked: Option<bool>,
}

impl Accounts {
    /// Makes an account.
    pub async fn create(&self, new: NewAccount, by: &By) -> Result<Account, Error> {
        let account = Account {
            roles: new.roles,
            ..Account::new(new.address, new.name, self.clock.now_ms())
        };
        check(&account)?;
        let mut record = Record::of(account);
        if let Some(password) = &new.password {
            record.set_password(self.hash_alone(&record.account, password, &OF_KNOWN).await?);
        }
        store::again(|| async {
            let mut work = self.begin();
            self.require_right(&mut work, by).await?;
            self.add(&mut work, &record).await?;
            let detail = json!({ "roles": record.account.roles });
            self.audit_detail(&mut work, by, ("account.create", Some(&record.account)), detail)
                .await?;
            work.commit().await
        })
        .await?;
        Ok(record.account)
    }

    /// Writes a new account.
    pub(super) async fn add(&self, work: &mut Work, record: &Record) -> Result<(), Error> {
        let address = keys::address(record.account.address.as_str());
        if work.read::<Uuid>(&address).await?.is_some() {
            return Err(Error::AddressTaken);
        }
        work.write(address, &record.account.id, None)?;
        work.write(keys::personal_key(record.account.id), &sealing::random_key()?, None)?;
        self.note_administrator(work, &record.account)?;
        work.write(keys::record(record.account.id), record, None)
    }

    /// The accounts behind one, in the order in which they were made.
    pub async fn list(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<Account>, Error> {
        let mut work = self.begin();
        let after = after.map(keys::record);
        let rows = work.scan(&keys::records(), after.as_ref(), limit.min(MAX_PAGE)).await?;
        work.commit().await?;
        let records = rows.into_iter().map(|(_, value)| store::decode::<Record>(&value));
        records.map(|record| Ok(record?.account)).collect()
    }

    /// An account by its id.
    pub async fn account(&self, id: Uuid) -> Result<Account, Error> {
        let mut work = self.begin();
        let record = self.record(&mut work, id).await?;
        work.commit().await?;
        Ok(record.account)
    }

    /// An account by its address.
    pub async fn account_of(&self, address: &Address) -> Result<Account, Error> {
        let record = self.find(address).await?.ok_or(Error::NotFound)?;
        Ok(record.account)
    }

    /// Changes an account; the next request of each of its sessions has the new roles, and none once it is locked.
    pub async fn change(&self, id: Uuid, change: &Change, by: &By) -> Result<Account, Error> {
        store::again(|| async {
            let mut work = self.begin();
            self.require_right(&mut work, by).await?;
            let mut record = self.record(&mut work, id).await?;
            let before = record.account.clone();
            self.refuse_erased(&mut work, id).await?;
            if let Some(roles) = &change.roles {
                record.account.roles.clone_from(roles);
            }
            record.account.roles.extend(change.added_roles.iter().cloned());
            record.account.roles.retain(|role| !change.removed_roles.contains(role));
            if let Some(is_locked) = change.is_locked {
                record.account.is_locked = is_locked;
            }
            check(&record.account)?;
            if record.account.is_locked {
                self.end_all(&mut work, id, None).await?;
                self.end_tokens(&mut work, id).await?;
            }
            work.write(keys::record(id), &record, None)?;
            self.note_administrator(&mut work, &record.account)?;
            if before != record.account {
                let detail = json!({
                    "roles": { "before": before.roles, "after": record.account.roles },
                    "locked": { "before": before.is_locked, "after": record.account.is_locked },
                });
                self.audit_detail(&mut work, by, ("account.change", Some(&record.account)), detail)
                    .await?;
            }
            work.commit().await?;
            Ok(record.account)
        })
        .await
    }
}

impl Accounts {
    /// Ends all sessions and tokens of somebody's account.
    pub async fn end_sessions_of(&self, id: Uuid, by: &By) -> Result<(), Error> {
        store::again(|| async {
            let mut work = self.begin();
            self.require_right(&mut work, by).await?;
            let record = self.record(&mut work, id).await?;
            self.refuse_erased(&mut work, id).await?;
            self.end_all(&mut work, id, None).await?;
            self.end_tokens(&mut work, id).await?;
            self.forget(&mut work, id, None).await?;
            self.audit(&mut work, by, "account.end-sessions", Some(&record.account))
                .await?;
            work.commit().await
        })
        .await
    }
}

/// Checks the name and the roles.
pub(super) fn check(account: &Account) -> Result<(), Error> {
    let mut violations = Vec::new();
    let mut complain = |pointer: &str, message: String| {
        violations.push(Violation {
            pointer: pointer.to_owned(),
            message,
        });
    };
    if let Some(name) = &account.name {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            complain("/name", format!("a name has 1 to {MAX_NAME_BYTES} bytes"));
        }
        if name.chars().any(char::is_control) {
            complain("/name", "a name holds no control characters".to_owned());
        }
    }
    if account.roles.len() > MAX_ROLES {
        complain("/roles", format!("an account has at most {MAX_ROLES} roles"));
    }
    for role in account.roles.iter().filter(|role| !is_role_name(role)) {
        let rule = "a role's name has lower-case letters, digits, `-` and `_`";
        complain("/roles", format!("{role:?} is no name of a role: {rule}"));
    }
    match violations.is_empty() {
        true => Ok(()),
        false => Err(Error::Invalid(violations)),
    }
}
