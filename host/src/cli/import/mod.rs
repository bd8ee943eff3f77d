//! `portcullis import`: documents from a file of JSON lines, through the plugin's hooks.

mod lines;
mod progress;
mod send;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::admin::{Admin, Target, block_on};
use super::failure::Failure;
use super::output::Output;
use crate::manifest::is_resource_name;
use lines::Lines;
pub(super) use lines::Renames;
use progress::Progress;

/// Load documents from a file, one JSON object a line, through the plugin.
///
/// Each line is a create of its own, checked by the schema and the plugin as a client's would be. A line that is refused is
/// reported with its number and the reason, and the rest goes on.
#[derive(Args)]
#[command(after_help = "Exit codes:
  0  every line is imported
  1  a line was refused, or the import stopped
  2  the command line is wrong")]
pub(super) struct Import {
    /// The resource
    #[arg(value_parser = resource_name)]
    resource: String,
    /// The file; `-` stands for stdin
    file: PathBuf,
    /// Members to rename, all at once: `--rename name=sku,summary=name`
    #[arg(long, value_name = "FROM=TO,...", value_parser = Renames::parse, default_value = "", hide_default_value = true)]
    rename: Renames,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

impl Import {
    pub(super) fn run(self) -> Result<(), Failure> {
        let admin = self.target.connect()?;
        let outcome = block_on(file(&admin, &self.resource, &self.file, &self.rename))?;
        let result = json!({
            "resource": self.resource,
            "imported": outcome.imported,
            "failed": outcome.failed,
        });
        self.output.print(&result, |_| outcome.to_string())?;
        match outcome.failed.is_empty() {
            true => Ok(()),
            false => Err(Failure::Said),
        }
    }
}

/// What came of an import.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// How many lines are documents now.
    pub(super) imported: u64,
    /// The lines that are not.
    pub(super) failed: Vec<Refused>,
}

/// A line that is no document now.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Refused {
    /// From 1.
    pub(super) line: u64,
    /// In words.
    pub(super) reason: String,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { imported, failed } = self;
        write!(f, "{imported} of {} lines imported", imported + failed.len() as u64)
    }
}

/// Imports a file, with progress and refused lines on stderr.
pub(super) async fn file(admin: &Admin, resource: &str, path: &Path, renames: &Renames) -> Result<Outcome, Failure> {
    let mut lines = Lines::open(path)?;
    let mut progress = Progress::start(lines.size());
    let mut outcome = Outcome::default();
    loop {
        let batch = lines.batch(renames)?;
        if batch.is_empty() {
            break;
        }
        let refused = send::batch(admin, resource, &batch.documents).await?;
        outcome.imported += batch.documents.len() as u64 - refused.len() as u64;
        let mut refused: Vec<Refused> = batch.refused.into_iter().chain(refused).collect();
        refused.sort_by_key(|refused| refused.line);
        for Refused { line, reason } in &refused {
            progress.say(&format!("line {line}: {reason}"));
        }
        outcome.failed.extend(refused);
        progress.reached(lines.read(), lines.number());
    }
    progress.end();
    Ok(outcome)
}

/// A line that is ready to be sent.
#[derive(Debug)]
struct Numbered {
    line: u64,
    document: Value,
}

/// Checks a resource's name on the command line.
pub(super) fn resource_name(name: &str) -> Result<String, String> {
    match is_resource_name(name) {
        true => Ok(name.to_owned()),
        false => Err("a resource's name has lower-case letters, digits, `-` and `_`".to_owned()),
    }
}
