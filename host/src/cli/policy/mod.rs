//! `portcullis policy`: who may do what and by which rule, worked out from the files alone; no host has to run.

mod answer;
mod cases;
mod installation;
mod question;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::Failure;
use super::options::Files;
use super::output::Output;
use crate::policy::cedar;
use answer::Answer;
use installation::Installation;
use question::{Asked, Question};

/// Show who may do what, and by which rule.
///
/// All of it is worked out from the plugin directory and the configuration, with the policies that `[policy] directory` names;
/// no host has to run. Roles are those that are given here: an account has those of `--principal role:NAME`.
#[derive(Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    files: Files,
    /// The directory with a folder for each plugin [default: ./plugins]
    #[arg(long, value_name = "DIR", global = true)]
    plugins: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Command {
    /// Name the rule that decides, be it an access word or a policy
    #[command(
        after_help = EXAMPLES,
        override_usage = "portcullis policy explain [OPTIONS] --principal <WHO>... --action <ACTION> --resource <NAME[/ID]>"
    )]
    Explain {
        #[command(flatten)]
        asked: Asked,
    },
    /// Check one decision, or all the cases of a file
    ///
    /// One decision: exit code 0 where it is allowed, 1 where it is denied. A file: exit code 0 where every case is as it
    /// expects, 1 where one is not.
    #[command(
        after_help = CASES,
        override_usage = "portcullis policy test [OPTIONS] <FILE>\n       \
            portcullis policy test [OPTIONS] --principal <WHO>... --action <ACTION> --resource <NAME[/ID]>"
    )]
    Test {
        /// The file of cases
        #[arg(value_name = "FILE", conflicts_with_all = ["principal", "action", "resource"])]
        file: Option<PathBuf>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Validate the policies, and show to what they can apply
    Check,
    /// Print the Cedar schema that policies are validated against
    Schema,
}

const EXAMPLES: &str = "Examples:
  portcullis policy explain --principal anonymous --action list --resource products
  portcullis policy explain --principal account:0198c0de-0000-7000-8000-000000000001 --principal role:editor \\
    --action update --resource products/0198c0de-0000-7000-8000-000000000002 --owner self
  portcullis policy explain --principal operator --action read --resource products --document '{\"price_cents\": 100}'

Exit codes:
  0  explained, whatever the decision is
  1  the files are not sound, or there is no such resource
  2  the command line is wrong";

const CASES: &str = "A file of cases:
  [[case]]
  name = \"editors write\"           # may be left out
  principal = [\"role:editor\"]      # or one text; anonymous, operator, account:ID, role:NAME
  action = \"update\"
  resource = \"products\"            # or products/ID
  owner = \"none\"                   # or self, or the id of an account; for create it is the principal
  document = { price_cents = 100 } # what policies ask about; may be left out
  expect = \"allow\"                 # or deny";

impl Policy {
    pub(super) fn run(self) -> Result<(), Failure> {
        let installation = Installation::load(&self.files, self.plugins.as_deref())?;
        match self.command {
            Command::Explain { asked } => explain(&installation, &asked, &self.output).map(|_| ()),
            Command::Test { file: Some(file), .. } => cases::run(&installation, &file, &self.output),
            Command::Test { file: None, asked } => match explain(&installation, &asked, &self.output)? {
                true => Ok(()),
                false => Err(Failure::Said),
            },
            Command::Check => check(&installation, &self.output),
            Command::Schema => {
                let text = cedar::schema_text(installation.resources());
                let text = text.map_err(Failure::Failed)?;
                self.output
                    .print(&json!({ "schema": text }), |_| text.trim_end().to_owned())
            }
        }
    }
}

/// Says what is decided, and why; returns whether it is allowed.
fn explain(installation: &Installation, asked: &Asked, output: &Output) -> Result<bool, Failure> {
    let question = Question::read(asked)?;
    let answer = Answer::to(&question, installation)?;
    output.print(&answer.json(), |_| answer.to_string())?;
    Ok(answer.is_allowed())
}

/// To what the policies can apply.
fn check(installation: &Installation, output: &Output) -> Result<(), Failure> {
    let applies = installation.applies();
    let value = json!({
        "files": installation.files(),
        "resources": applies.iter().cloned().collect::<serde_json::Map<String, Value>>(),
    });
    output.print(&value, |_| {
        let mut text = match installation.files() {
            0 => "there are no policies: the access words decide alone".to_owned(),
            1 => "the file of policies is sound".to_owned(),
            several => format!("the {several} files of policies are sound"),
        };
        for (resource, actions) in &applies {
            let actions = actions.as_array().into_iter().flatten().filter_map(Value::as_str);
            text.push_str(&format!("\n  {resource}: {}", actions.collect::<Vec<_>>().join(", ")));
        }
        text
    })
}
