//! `portcullis audit`: who did what, and whether the log of it is whole.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::admin::{Target, block_on};
use super::failure::Failure;
use super::output::Output;
use super::store::Accounts;

/// Show the audit log, and check that nothing in it was changed.
///
/// The commands talk to the running host; where none has the data directory open, they open it themselves.
#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Act {
    /// List the newest entries, up to 200
    ///
    /// What an entry says beside that is cut where it is long: `-o json` has all of it.
    List {
        /// Go on behind the entry with this number
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
    },
    /// Follow the chain of hashes from the first entry to the last
    Verify {
        /// Fail unless the log is this one or goes on from it: a hash that was noted before
        #[arg(long, value_name = "HASH")]
        expect: Option<String>,
    },
}

/// So many characters of an entry's details are shown to people.
const SHOWN: usize = 200;

impl Audit {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { act, target, output } = self;
        match act {
            Act::List { before } => {
                let entries = block_on(async { Accounts::reach(&target).await?.audit(before).await })?;
                output.print(&Value::Array(entries), listed)
            }
            Act::Verify { expect } => {
                let report = block_on(async { Accounts::reach(&target).await?.audit_verify(expect.as_deref()).await })?;
                output.print(&report, verified)?;
                match report["problems"].as_array().is_none_or(Vec::is_empty) {
                    true => Ok(()),
                    false => Err(Failure::Failed("the audit log is not whole".to_owned())),
                }
            }
        }
    }
}

fn listed(entries: &Value) -> String {
    let line = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        let actor = match &entry["actor"] {
            Value::String(actor) => actor.clone(),
            actor => format!("account {}", actor["account"].as_str().unwrap_or_default()),
        };
        let more: Vec<String> = [&entry["detail"], &entry["personal"]]
            .into_iter()
            .filter(|more| !more.is_null() && **more != json!([]))
            .map(|more| cut(&more.to_string()))
            .collect();
        format!(
            "{}  {}  {actor}  {}  {}  {}",
            entry["number"],
            text("at"),
            text("act"),
            text("subject"),
            more.join(" ")
        )
    };
    let entries: Vec<String> = entries.as_array().into_iter().flatten().map(line).collect();
    match entries.is_empty() {
        true => "nothing".to_owned(),
        false => entries.join("\n"),
    }
}

/// The beginning of what is long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

fn verified(report: &Value) -> String {
    let problems = report["problems"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let mut lines: Vec<String> = problems.map(str::to_owned).collect();
    lines.push(format!(
        "{} entries; the last one is {}",
        report["entries"],
        report["head"]["hash"].as_str().unwrap_or_default()
    ));
    lines.join("\n")
}
