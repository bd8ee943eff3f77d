//! Where the accounts are: behind the admin API of a running host, or in the data directory of one that is stopped.

use serde_json::{Value, json};

use crate::accounts::{self, Change, NewAccount};
use crate::app;
use crate::cli::admin::{Admin, Target};
use crate::cli::failure::Failure;
use crate::http;

/// The accounts of a host. Accounts are JSON objects as the admin API has them.
pub(super) enum Accounts {
    /// It runs.
    Running(Admin),
    /// It does not; its store is open here.
    Stopped(accounts::Accounts),
}

impl Accounts {
    /// The accounts of the host that is named; without a name, of the data directory if nobody has it open.
    pub(super) async fn reach(target: &Target) -> Result<Self, Failure> {
        if !target.is_named() {
            let opened = app::accounts(&target.files().load()?).await;
            match opened.map_err(|error| Failure::Failed(error.to_string()))? {
                app::Reached::Accounts(accounts) => return Ok(Self::Stopped(*accounts)),
                app::Reached::InUse => {}
            }
        }
        Ok(Self::Running(target.connect()?))
    }

    pub(super) async fn create(&self, new: Value) -> Result<Value, Failure> {
        match self {
            Self::Running(admin) => admin.post("/admin/api/accounts", &new).await,
            Self::Stopped(accounts) => {
                let new = NewAccount {
                    address: parsed(&new["email"])?,
                    name: new["name"].as_str().map(str::to_owned),
                    password: new["password"].as_str().map(str::to_owned),
                    roles: serde_json::from_value(new["roles"].clone()).unwrap_or_default(),
                };
                described(accounts.create(new).await)
            }
        }
    }

    pub(super) async fn list(&self) -> Result<Vec<Value>, Failure> {
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
                Self::Stopped(accounts) => {
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
    pub(super) async fn find(&self, email: &str) -> Result<Value, Failure> {
        let nobody = || Failure::Failed(format!("there is no account with the address {email}"));
        match self {
            Self::Running(admin) => {
                let encoded = percent_encoding::utf8_percent_encode(email, percent_encoding::NON_ALPHANUMERIC);
                let found = admin.get_json(&format!("/admin/api/accounts?email={encoded}")).await?;
                found["items"].get(0).cloned().ok_or_else(nobody)
            }
            Self::Stopped(accounts) => match accounts.account_of(&parsed(&json!(email))?).await {
                Err(accounts::Error::NotFound) => Err(nobody()),
                found => described(found),
            },
        }
    }

    /// Changes what `change` names of an account.
    pub(super) async fn change(&self, account: &Value, change: Value) -> Result<Value, Failure> {
        match self {
            Self::Running(admin) => admin.patch(&path(account), &change).await,
            Self::Stopped(accounts) => {
                let change = Change {
                    roles: serde_json::from_value(change["roles"].clone()).unwrap_or_default(),
                    is_locked: change["locked"].as_bool(),
                };
                described(accounts.change(id(account)?, &change).await)
            }
        }
    }

    pub(super) async fn end_sessions(&self, account: &Value) -> Result<(), Failure> {
        match self {
            Self::Running(admin) => admin.delete(&format!("{}/sessions", path(account))).await,
            Self::Stopped(accounts) => accounts.end_sessions(id(account)?, None).await.map_err(refused),
        }
    }
}

fn path(account: &Value) -> String {
    format!("/admin/api/accounts/{}", account["id"].as_str().unwrap_or_default())
}

fn id(account: &Value) -> Result<uuid::Uuid, Failure> {
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
