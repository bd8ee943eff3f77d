//! Where the accounts are: behind the admin API of a running host, or in the data directory of one that is stopped.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::{self, By, Change, NewAccount};
use crate::app;
use crate::capabilities::catalogue::Catalogue;
use crate::cli::admin::{Admin, Target};
use crate::cli::failure::Failure;
use crate::http;

/// The accounts of a host. Accounts are JSON objects as the admin API has them.
pub(in crate::cli) enum Accounts {
    /// It runs.
    Running(Box<Admin>),
    /// It does not; its store is open here.
    Stopped(Box<accounts::Accounts>, Arc<Catalogue>),
}

impl Accounts {
    /// The accounts of the host that is named; without a name, of the data directory if nobody has it open.
    pub(in crate::cli) async fn reach(target: &Target) -> Result<Self, Failure> {
        if !target.is_named() {
            let opened = app::accounts(&target.files().load()?).await;
            match opened.map_err(|error| Failure::Failed(error.to_string()))? {
                app::Reached::Accounts(accounts, catalogue) => return Ok(Self::Stopped(accounts, catalogue)),
                app::Reached::InUse => {}
            }
        }
        Ok(Self::Running(Box::new(target.connect()?)))
    }

    pub(in crate::cli) async fn create(&self, new: Value) -> Result<Value, Failure> {
        match self {
            Self::Running(admin) => admin.post("/admin/api/accounts", &new).await,
            Self::Stopped(accounts, _) => {
                let new = NewAccount {
                    address: parsed(&new["email"])?,
                    name: new["name"].as_str().map(str::to_owned),
                    password: new["password"].as_str().map(str::to_owned),
                    roles: serde_json::from_value(new["roles"].clone()).unwrap_or_default(),
                };
                described(accounts.create(new, &By::console()).await)
            }
        }
    }

    pub(in crate::cli) async fn list(&self) -> Result<Vec<Value>, Failure> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let last = all.last().and_then(|account| account["id"].as_str().map(str::to_owned));
            let page = match self {
                Self::Running(admin) => {
                    let cursor = last.map(|last| format!("&cursor={last}")).unwrap_or_default();
                    let page = admin
                        .get_json(&format!("/admin/api/accounts?limit=500{cursor}"))
                        .await?;
                    page["items"].as_array().cloned().unwrap_or_default()
                }
                Self::Stopped(accounts, _) => {
                    let after = last.and_then(|last| last.parse().ok());
                    let page = accounts.list(after, accounts::MAX_PAGE).await.map_err(refused)?;
                    page.iter().map(http::account_value).collect()
                }
            };
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// The account with an address.
    pub(in crate::cli) async fn find(&self, email: &str) -> Result<Value, Failure> {
        let nobody = || Failure::Failed(format!("there is no account with the address {email}"));
        match self {
            Self::Running(admin) => {
                let encoded = percent_encoding::utf8_percent_encode(email, percent_encoding::NON_ALPHANUMERIC);
                let found = admin.get_json(&format!("/admin/api/accounts?email={encoded}")).await?;
                found["items"].get(0).cloned().ok_or_else(nobody)
            }
            Self::Stopped(accounts, _) => match accounts.account_of(&parsed(&json!(email))?).await {
                Err(accounts::Error::NotFound) => Err(nobody()),
                found => described(found),
            },
        }
    }

    /// The account with an id, unless it is gone.
    pub(in crate::cli) async fn with_id(&self, id: Uuid) -> Result<Option<Value>, Failure> {
        match self {
            Self::Running(admin) => {
                // The first one behind all ids before.
                let before = Uuid::from_u128(id.as_u128().saturating_sub(1));
                let path = format!("/admin/api/accounts?limit=1&cursor={before}");
                let page = admin.get_json(&path).await?;
                let found = page["items"].get(0).cloned();
                Ok(found.filter(|account| account["id"] == json!(id)))
            }
            Self::Stopped(accounts, _) => match accounts.account(id).await {
                Err(accounts::Error::NotFound) => Ok(None),
                found => described(found).map(Some),
            },
        }
    }

    /// Changes what `change` names of an account.
    pub(in crate::cli) async fn change(&self, account: &Value, change: Value) -> Result<Value, Failure> {
        match self {
            Self::Running(admin) => admin.patch(&path(account), &change).await,
            Self::Stopped(accounts, _) => {
                let roles = |named: &str| serde_json::from_value(change[named].clone()).unwrap_or_default();
                let change = Change {
                    roles: None,
                    added_roles: roles("add_roles"),
                    removed_roles: roles("remove_roles"),
                    is_locked: change["locked"].as_bool(),
                };
                described(accounts.change(id(account)?, &change, &By::console()).await)
            }
        }
    }

    pub(in crate::cli) async fn end_sessions(&self, account: &Value) -> Result<(), Failure> {
        match self {
            Self::Running(admin) => admin.delete(&format!("{}/sessions", path(account))).await.map(drop),
            Self::Stopped(accounts, _) => accounts
                .end_sessions_of(id(account)?, &By::console())
                .await
                .map_err(refused),
        }
    }

    /// Erases an account.
    pub(in crate::cli) async fn erase(&self, account: &Value) -> Result<Value, Failure> {
        match self {
            Self::Running(admin) => admin.delete(&path(account)).await,
            Self::Stopped(accounts, catalogue) => {
                let erased = accounts.erase(catalogue, id(account)?, &By::console()).await;
                erased.map(|signed| http::receipt_value(&signed)).map_err(refused)
            }
        }
    }

    /// What is left of an account.
    pub(in crate::cli) async fn traces(&self, account: &Value) -> Result<Value, Failure> {
        match self {
            Self::Running(admin) => {
                let email = account["email"].as_str().map(|email| {
                    let encoded = percent_encoding::utf8_percent_encode(email, percent_encoding::NON_ALPHANUMERIC);
                    format!("?email={encoded}")
                });
                let path = format!("{}/traces{}", path(account), email.unwrap_or_default());
                admin.get_json(&path).await
            }
            Self::Stopped(accounts, _) => {
                let email = account["email"].as_str().and_then(|email| email.parse().ok());
                let traces = accounts.traces(id(account)?, email.as_ref()).await.map_err(refused)?;
                Ok(json!(traces))
            }
        }
    }

    /// Entries of the audit log behind a number, the newest first.
    pub(in crate::cli) async fn audit(&self, behind: Option<u64>) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Running(admin) => {
                let cursor = behind.map(|behind| format!("&cursor={behind}")).unwrap_or_default();
                let page = admin.get_json(&format!("/admin/api/audit?limit=200{cursor}")).await?;
                Ok(page["items"].as_array().cloned().unwrap_or_default())
            }
            Self::Stopped(accounts, _) => {
                let page = accounts.audit_page(behind, 200).await.map_err(refused)?;
                Ok(page.iter().map(http::audit_value).collect())
            }
        }
    }

    /// Whether the audit log is whole.
    pub(in crate::cli) async fn audit_verify(&self, expected: Option<&str>) -> Result<Value, Failure> {
        match self {
            Self::Running(admin) => {
                let expect = expected.map(|hash| format!("?expect={hash}")).unwrap_or_default();
                admin.get_json(&format!("/admin/api/audit/verify{expect}")).await
            }
            Self::Stopped(accounts, _) => Ok(json!(accounts.audit_verify(expected).await.map_err(refused)?)),
        }
    }

    /// The public half of the key that signs receipts, a JSON Web Key.
    pub(in crate::cli) async fn receipt_key(&self) -> Result<Value, Failure> {
        match self {
            Self::Running(admin) => admin.get_json("/admin/api/receipt-key").await,
            Self::Stopped(accounts, _) => Ok(accounts.receipt_key()),
        }
    }

    /// Removes the second factors of an account, and ends its sessions.
    pub(in crate::cli) async fn reset_factors(&self, account: &Value) -> Result<(), Failure> {
        match self {
            Self::Running(admin) => admin.delete(&format!("{}/factors", path(account))).await.map(drop),
            Self::Stopped(accounts, _) => {
                let done = accounts.reset_factors(id(account)?, &By::console()).await;
                done.map_err(refused)
            }
        }
    }
}

fn path(account: &Value) -> String {
    format!("/admin/api/accounts/{}", account["id"].as_str().unwrap_or_default())
}

fn id(account: &Value) -> Result<Uuid, Failure> {
    let id = account["id"].as_str().and_then(|id| id.parse().ok());
    id.ok_or_else(|| Failure::Failed("the host has named no account".to_owned()))
}

fn parsed(email: &Value) -> Result<accounts::Address, Failure> {
    let text = email.as_str().unwrap_or_default();
    text.parse()
        .map_err(|error| Failure::Failed(format!("{text}: {error}")))
}

fn described(account: Result<accounts::Account, accounts::Error>) -> Result<Value, Failure> {
    account.map(|account| http::account_value(&account)).map_err(refused)
}

fn refused(error: accounts::Error) -> Failure {
    Failure::Failed(match error {
        accounts::Error::Invalid(violations) => {
            let told = violations.iter().map(|violation| violation.message.as_str());
            told.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    })
}
