//! Why a command did not do its work, and the exit code for it.

use std::process::ExitCode;

use super::output::note;
use crate::manifest::SourceError;

/// Exit code 2, as clap has it for a wrong command line.
const USAGE: u8 = 2;

/// Why a command did not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line makes no sense: exit code 2.
    Usage(String),
    /// The work failed: exit code 1.
    Failed(String),
    /// The work failed, and all is said already: exit code 1.
    Said,
}

impl Failure {
    /// Why, for a log or an answer.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Usage(reason) | Self::Failed(reason) => reason,
            Self::Said => String::new(),
        }
    }

    /// Says why on stderr.
    pub(super) fn report(self) -> ExitCode {
        match self {
            Self::Usage(reason) => {
                note(&format!("error: {reason}\n\nFor more information, try '--help'."));
                ExitCode::from(USAGE)
            }
            // Complaints about a file say `error:` themselves.
            Self::Failed(reason) if reason.starts_with("error: ") => {
                note(&reason);
                ExitCode::FAILURE
            }
            Self::Failed(reason) => {
                note(&format!("error: {reason}"));
                ExitCode::FAILURE
            }
            Self::Said => ExitCode::FAILURE,
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Failed(error.to_string())
    }
}
