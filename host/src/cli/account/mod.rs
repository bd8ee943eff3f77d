//! `portcullis account`: what an operator does with accounts, of a running host or of one that is stopped.

mod receipt;
mod secret;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admin::{Target, block_on};
use super::failure::Failure;
use super::output::Output;
use super::store::Accounts;

/// Make accounts, and say what they may do.
///
/// The commands talk to the running host; where none has the data directory open, they open it themselves.
#[derive(Args)]
pub(super) struct Account {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Act {
    /// Make an account; the password is asked for, or is the first line of stdin
    Create {
        /// The e-mail address
        email: String,
        /// What the person wants to be called
        #[arg(long)]
        name: Option<String>,
        /// A role; may be given several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// Make it without a password: nobody logs in until one is set through a mail
        #[arg(long)]
        no_password: bool,
    },
    /// List all accounts
    List,
    /// Give roles to an account, or take them
    Role {
        /// The e-mail address
        email: String,
        /// A role to give
        #[arg(long, value_name = "ROLE")]
        add: Vec<String>,
        /// A role to take
        #[arg(long, value_name = "ROLE")]
        remove: Vec<String>,
    },
    /// Keep an account from logging in, and end its sessions
    Lock {
        /// The e-mail address
        email: String,
        /// Let it log in again
        #[arg(long)]
        undo: bool,
    },
    /// Remove the second factors of an account whose owner has lost them, and end its sessions
    ResetFactors {
        /// The e-mail address
        email: String,
    },
    /// Erase an account: what it owns, its sessions, tokens and activity; prints the signed receipt
    Erase {
        /// The e-mail address, or the id: that of an account which is gone already
        account: String,
        /// Look through the whole store afterwards, and fail where anything is left
        #[arg(long)]
        verify: bool,
        /// Do it without asking
        #[arg(long)]
        yes: bool,
    },
    /// Check that a receipt, a JSON file or stdin, is this host's
    VerifyReceipt {
        /// The file [default: stdin]
        file: Option<PathBuf>,
        /// The `x` of the host's key (`GET /auth/receipt-key`), where the host itself is not asked
        #[arg(long, value_name = "BASE64URL")]
        key: Option<String>,
    },
    /// End all sessions of an account
    EndSessions {
        /// The e-mail address
        email: String,
    },
}

impl Account {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { act, target, output } = self;
        if let Act::VerifyReceipt { file, key: Some(key) } = &act {
            return output.print(&receipt::verify(file.as_deref(), key)?, receipt::described);
        }
        if let Act::Erase {
            account, yes: false, ..
        } = &act
        {
            secret::confirm(&format!("This erases {account} and what it owns, for good."))?;
        }
        // Before anything is opened: somebody may take a while to type.
        let password = match &act {
            Act::Create { no_password: false, .. } => Some(secret::read()?),
            _ => None,
        };
        let done = block_on(async {
            let accounts = Accounts::reach(&target).await?;
            act.run(&accounts, password).await
        })?;
        output.print(&done, described)
    }
}

impl Act {
    async fn run(self, accounts: &Accounts, password: Option<String>) -> Result<Value, Failure> {
        match self {
            Self::Create { email, name, roles, .. } => {
                let new = json!({ "email": email, "name": name, "password": password, "roles": roles });
                accounts.create(new).await
            }
            Self::List => Ok(Value::Array(accounts.list().await?)),
            Self::Role { email, add, remove } => {
                if add.is_empty() && remove.is_empty() {
                    return Err(Failure::Usage("name a role with --add or --remove".to_owned()));
                }
                let account = accounts.find(&email).await?;
                // Not all that it is to have: somebody else may be changing others.
                let change = json!({ "add_roles": add, "remove_roles": remove });
                accounts.change(&account, change).await
            }
            Self::Lock { email, undo } => {
                let account = accounts.find(&email).await?;
                accounts.change(&account, json!({ "locked": !undo })).await
            }
            Self::Erase { account, verify, .. } => erase(accounts, &account, verify).await,
            Self::VerifyReceipt { file, .. } => {
                let key = accounts.receipt_key().await?;
                receipt::verify(file.as_deref(), key["x"].as_str().unwrap_or_default())
            }
            Self::ResetFactors { email } => {
                let account = accounts.find(&email).await?;
                accounts.reset_factors(&account).await?;
                Ok(account)
            }
            Self::EndSessions { email } => {
                let account = accounts.find(&email).await?;
                accounts.end_sessions(&account).await?;
                Ok(account)
            }
        }
    }
}

/// Erases an account, and looks for what is left.
async fn erase(accounts: &Accounts, named: &str, verify: bool) -> Result<Value, Failure> {
    let account = match Uuid::try_parse(named) {
        // As long as it is there, its address is known, and can be looked for as well.
        Ok(id) => accounts.with_id(id).await?.unwrap_or_else(|| json!({ "id": id })),
        Err(_) => accounts.find(named).await?,
    };
    let mut done = accounts.erase(&account).await?;
    if verify {
        let traces = accounts.traces(&account).await?;
        if traces["left"] != 0 {
            let places = traces["places"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            let places: Vec<&str> = places.collect();
            return Err(Failure::Failed(format!(
                "{} of {} keys still tell of the account: {}",
                traces["left"],
                traces["keys"],
                places.join(", ")
            )));
        }
        done["traces"] = traces;
    }
    Ok(done)
}

/// One account a line; a receipt as it is.
fn described(value: &Value) -> String {
    if value.get("receipt").is_some() || value.get("verified").is_some() {
        return receipt::described(value);
    }
    let line = |account: &Value| {
        let text = |name: &str| account[name].as_str().unwrap_or_default().to_owned();
        let roles: Vec<&str> = account["roles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let locked = if account["locked"] == true { "  locked" } else { "" };
        format!("{}  {}  [{}]{locked}", text("id"), text("email"), roles.join(", "))
    };
    match value {
        Value::Array(accounts) => accounts.iter().map(line).collect::<Vec<_>>().join("\n"),
        account => line(account),
    }
}
