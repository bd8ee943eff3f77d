//! `portcullis outbox`: what is still to be done in the outside world, and what could not be.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admin::{Target, block_on};
use super::failure::Failure;
use super::output::Output;

/// Show what waits for being done outside, such as mail, and decide about what could not be done.
#[derive(Args)]
pub(super) struct Outbox {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Act {
    /// List what waits, up to 500
    List {
        /// What has failed for good instead
        #[arg(long)]
        dead: bool,
    },
    /// Try a dead letter again
    Retry {
        /// Its id
        id: Uuid,
    },
    /// Drop a dead letter
    Drop {
        /// Its id
        id: Uuid,
    },
}

impl Outbox {
    pub(super) fn run(self) -> Result<(), Failure> {
        let admin = self.target.connect()?;
        let done = block_on(async {
            match self.act {
                Act::List { dead } => {
                    let state = if dead { "dead" } else { "waiting" };
                    admin.get_json(&format!("/admin/api/outbox?state={state}")).await
                }
                Act::Retry { id } => {
                    admin
                        .post(&format!("/admin/api/outbox/{id}/retry"), &Value::Null)
                        .await?;
                    Ok(json!({ "retried": id }))
                }
                Act::Drop { id } => {
                    admin.delete(&format!("/admin/api/outbox/{id}")).await?;
                    Ok(json!({ "dropped": id }))
                }
            }
        })?;
        self.output.print(&done, described)
    }
}

fn described(done: &Value) -> String {
    let Some(items) = done["items"].as_array() else {
        return if done.get("retried").is_some() {
            "tried again"
        } else {
            "dropped"
        }
        .to_owned();
    };
    if items.is_empty() {
        return "nothing".to_owned();
    }
    let line = |item: &Value| {
        let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
        let (id, target, key) = (text("id"), text("target"), text("key"));
        let tried = format!("tried {} times, next {}", item["attempts"], text("next_attempt_at"));
        format!("{id}  {target}  {key}  {tried}  {}", text("reason"))
    };
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}
