//! `portcullis outbox`: what is still to be done in the outside world, and what could not be.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admin::{Admin, Target, block_on};
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
    /// Try a dead letter again, or all of them
    Retry(Which),
    /// Drop a dead letter, or all of them
    Drop(Which),
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Its id
    id: Option<Uuid>,
    /// All that are dead now
    #[arg(long)]
    all: bool,
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
                Act::Retry(Which { id: Some(id), .. }) => {
                    retry(&admin, id).await?;
                    Ok(json!({ "retried": id }))
                }
                Act::Drop(Which { id: Some(id), .. }) => {
                    drop(&admin, id).await?;
                    Ok(json!({ "dropped": id }))
                }
                Act::Retry(_) => Ok(json!({ "retried": each(&admin, retry).await? })),
                Act::Drop(_) => Ok(json!({ "dropped": each(&admin, drop).await? })),
            }
        })?;
        self.output.print(&done, described)
    }
}

async fn retry(admin: &Admin, id: Uuid) -> Result<(), Failure> {
    let path = format!("/admin/api/outbox/{id}/retry");
    admin.post(&path, &Value::Null).await.map(|_| ())
}

async fn drop(admin: &Admin, id: Uuid) -> Result<(), Failure> {
    admin.delete(&format!("/admin/api/outbox/{id}")).await.map(|_| ())
}

/// Does something with each letter that is dead now, and with none twice: what fails again meanwhile is left. How many they
/// were.
async fn each(admin: &Admin, act: impl AsyncFn(&Admin, Uuid) -> Result<(), Failure>) -> Result<usize, Failure> {
    let mut done = BTreeSet::new();
    loop {
        let page = admin.get_json("/admin/api/outbox?state=dead").await?;
        let ids = page["items"].as_array().into_iter().flatten();
        let ids = ids.filter_map(|item| Uuid::try_parse(item["id"].as_str()?).ok());
        let new: Vec<Uuid> = ids.filter(|id| !done.contains(id)).collect();
        if new.is_empty() {
            return Ok(done.len());
        }
        for id in new {
            act(admin, id).await?;
            done.insert(id);
        }
        eprintln!("{} so far", done.len());
    }
}

fn described(done: &Value) -> String {
    let Some(items) = done["items"].as_array() else {
        let (which, what) = match done.get("retried") {
            Some(which) => (which, "tried again"),
            None => (&done["dropped"], "dropped"),
        };
        return which
            .as_u64()
            .map_or_else(|| what.to_owned(), |count| format!("{count} {what}"));
    };
    if items.is_empty() {
        return "nothing".to_owned();
    }
    let line = |item: &Value| {
        let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
        let (id, target, key, about) = (text("id"), text("target"), text("key"), text("about"));
        let tried = format!("tried {} times, next {}", item["attempts"], text("next_attempt_at"));
        format!("{id}  {target}  {about}  {key}  {tried}  {}", text("reason"))
    };
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}
