//! `portcullis account`: what an operator does with accounts, of a running host or of one that is stopped.

mod secret;
mod store;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::admin::{Target, block_on};
use super::failure::Failure;
use super::output::Output;
use store::Accounts;

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
    /// End all sessions of an account
    EndSessions {
        /// The e-mail address
        email: String,
    },
}

impl Account {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { act, target, output } = self;
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
                let held = account["roles"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                let mut roles: BTreeSet<&str> = held.collect();
                roles.extend(add.iter().map(String::as_str));
                roles.retain(|role| !remove.iter().any(|removed| removed == role));
                accounts.change(&account, json!({ "roles": roles })).await
            }
            Self::Lock { email, undo } => {
                let account = accounts.find(&email).await?;
                accounts.change(&account, json!({ "locked": !undo })).await
            }
            Self::EndSessions { email } => {
                let account = accounts.find(&email).await?;
                accounts.end_sessions(&account).await?;
                Ok(account)
            }
        }
    }
}

/// One account a line.
fn described(value: &Value) -> String {
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
