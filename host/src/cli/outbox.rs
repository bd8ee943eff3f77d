//! `portcullis outbox`: what is still to be done in the outside world, and what could not be.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admin::{Admin, Target, block_on};
use super::failure::Failure;
use super::output::Output;
use crate::http::NO_SUCH_LETTER;

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

/// The letters of a page.
const PAGE: usize = 500;

impl Outbox {
    pub(super) fn run(self) -> Result<(), Failure> {
        let admin = self.target.connect()?;
        let done = block_on(async {
            match self.act {
                Act::List { dead } => {
                    let state = if dead { "dead" } else { "waiting" };
                    admin
                        .get_json(&format!("/admin/api/outbox?state={state}&limit={PAGE}"))
                        .await
                }
                Act::Retry(Which { id: Some(id), .. }) => {
                    retry(&admin, id).await?;
                    Ok(json!({ "retried": id }))
                }
                Act::Drop(Which { id: Some(id), .. }) => {
                    drop(&admin, id).await?;
                    Ok(json!({ "dropped": id }))
                }
                Act::Retry(_) => all(&admin, "retried", retry).await,
                Act::Drop(_) => all(&admin, "dropped", drop).await,
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

/// Does something with each letter that is dead now: what fails again meanwhile is left, and what another has done meanwhile is
/// none of ours. How many they were.
async fn all(
    admin: &Admin,
    done: &str,
    act: impl AsyncFn(&Admin, Uuid) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let (mut cursor, mut ids) = (String::new(), Vec::new());
    loop {
        let page = admin
            .get_json(&format!("/admin/api/outbox?state=dead&limit={PAGE}{cursor}"))
            .await?;
        let items = page["items"].as_array().into_iter().flatten();
        ids.extend(items.filter_map(|item| Uuid::try_parse(item["id"].as_str()?).ok()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let mut gone = 0;
    for (number, id) in ids.iter().enumerate() {
        match act(admin, *id).await {
            Err(Failure::Failed(reason)) if reason.contains(NO_SUCH_LETTER) => gone += 1,
            other => other?,
        }
        if (number + 1) % PAGE == 0 {
            eprintln!("{} of {}", number + 1, ids.len());
        }
    }
    Ok(json!({ done: ids.len() - gone }))
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
