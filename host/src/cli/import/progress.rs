//! How far an import is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::note;

/// Without a terminal, a line is said each time so many lines have gone through.
const LINES_PER_REPORT: u64 = 5_000;

/// How far an import is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    reported: u64,
}

impl Progress {
    /// `size` is the file's, in bytes, where it is known.
    pub(super) fn start(size: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| match size {
            Some(size) => ProgressBar::new(size).with_style(style("{bar:40} {percent:>3}%  {msg}  {eta} left")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {msg}")),
        });
        Self { bar, reported: 0 }
    }

    /// Shows that everything up to here has gone through.
    pub(super) fn reached(&mut self, bytes: u64, lines: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{lines} lines"));
                bar.set_position(bytes);
            }
            None if lines >= self.reported + LINES_PER_REPORT => {
                note(&format!("{lines} lines"));
                self.reported = lines;
            }
            None => {}
        }
    }

    /// Says something about a line, above the bar.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Takes the bar away.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // A template that is wrong shows the plain bar; that is not worth a panic.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
