//! What the host says about itself: lines on stderr, none for a request that went well.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{Log, LogFormat};

/// The environment variable that goes before `[log] level`.
pub const LEVEL_VARIABLE: &str = "PORTCULLIS_LOG";

/// Sends the log to stderr, for the life of the process. Later calls change nothing, so that tests may start several hosts.
pub fn start(log: &Log) -> Result<(), String> {
    let filter = match std::env::var(LEVEL_VARIABLE) {
        Ok(level) => filter(&level).map_err(|reason| format!("{LEVEL_VARIABLE}: {reason}"))?,
        Err(_) => filter(&log.level)?,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A log that can't be written would be complained about where it can't be written either, with a panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    // An error here only says that the process has a log already.
    let _ = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// The filter that a level means, or what is wrong with it.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, String> {
    // A word alone would be taken for the name of a target, so that a misspelt level logs nothing at all.
    let mut alone = level
        .split(',')
        .map(str::trim)
        .filter(|part| !part.contains(['=', '[']));
    match alone.find(|word| word.is_empty() || word.parse::<LevelFilter>().is_err()) {
        Some("") => return Err("no level is named".to_owned()),
        Some(word) => return Err(format!("`{word}` is not a level")),
        None => {}
    }
    EnvFilter::builder()
        .parse(level)
        .map_err(|error| format!("`{level}` is not a level: {error}"))
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn a_level_is_a_word_or_a_word_for_each_target() {
        for level in ["info", "warn,plugin=debug", "off", "WARN", "portcullis[span]=trace"] {
            assert!(filter(level).is_ok(), "{level}");
        }
        for level in ["", " ", "loud", "info,", "plugin=loud", "info,plugin"] {
            assert!(filter(level).is_err(), "{level}");
        }
    }
}
