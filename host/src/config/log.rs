//! `[log]`: what the host says about itself, on stderr.

use serde::Deserialize;

use super::reading::{RawText, word};
use crate::manifest::Source;

/// What the host says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; also per target: `info,plugin=debug`. `PORTCULLIS_LOG` goes first.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    level: RawText,
    format: RawText,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Log {
    let mut log = Log::default();
    if let Some(given) = raw.level {
        if let Err(reason) = crate::telemetry::filter(given.get_ref()) {
            let help = "write `\"error\"`, `\"warn\"`, `\"info\"`, `\"debug\"` or `\"trace\"`, or per target `\"info,plugin=debug\"`".to_owned();
            source.complain(given.span(), reason, Some(help));
        }
        log.level = given.into_inner();
    }
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    word(raw.format, &formats, &mut log.format, source);
    log
}
