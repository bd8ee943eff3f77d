//! What goes to stdout, results only, so that a script can read them; and to stderr, where people read along.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde_json::Value;

use super::failure::Failure;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object, for scripts
    Json,
}

/// The flag `-o`.
#[derive(clap::Args)]
pub(super) struct Output {
    /// How to print the result
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        global = true
    )]
    format: Format,
}

impl Output {
    /// Prints a result; `text` makes the form for people.
    pub(super) fn print(&self, value: &Value, text: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Text => line(&text(value)),
            Format::Json => line(&value.to_string()),
        }
    }
}

/// Says something beside the result. That nobody reads it is no reason to stop.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints one line, or several.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::Failed(format!("cannot write to stdout: {error}")))
}
