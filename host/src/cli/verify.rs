//! `portcullis verify`: checks every record of a store.

use clap::Args;
use serde_json::Value;

use super::admin::{Target, block_on};
use super::failure::Failure;
use super::output::{Output, note};
use crate::app;

/// Check every record of a store.
///
/// Checksums, index entries against documents, and unique values are checked. Without --to, the store in the data directory is
/// opened, so its host may not be running; with --to, the running host checks itself.
#[derive(Args)]
#[command(after_help = "Exit codes:
  0  the store is sound
  1  something is wrong with it, or it could not be checked
  2  the command line is wrong")]
pub(super) struct Verify {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

impl Verify {
    pub(super) fn run(self) -> Result<(), Failure> {
        let found = if self.target.is_named() {
            let admin = self.target.connect()?;
            block_on(admin.get_json("/admin/api/verify"))?
        } else {
            let config = self.target.files().load()?;
            let verified = block_on(async { Ok(app::verify(&config).await) })?;
            verified.map_err(|error| Failure::Failed(error.to_string()))?
        };
        let problems = problems(&found);
        self.output.print(&found, |found| match problems.as_slice() {
            [] => format!("{} records, all sound", found["records"]),
            problems => format!("{} records, {} problems", found["records"], problems.len()),
        })?;
        for problem in &problems {
            note(problem);
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Failure::Said),
        }
    }
}

/// What is wrong with the store, a sentence each.
fn problems(found: &Value) -> Vec<&str> {
    let problems = found["problems"].as_array().into_iter().flatten();
    problems.filter_map(Value::as_str).collect()
}
