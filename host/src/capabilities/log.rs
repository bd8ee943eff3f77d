//! The log of a plugin: lines for the tracing target `plugin`, within the budget of the call.

use super::context::PluginContext;
use super::request::RequestInfo;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The values of variables and the flow of control.
    Trace,
    /// For somebody who debugs the plugin.
    Debug,
    /// For somebody who watches the plugin.
    Info,
    /// Something hazardous.
    Warn,
    /// An error, fatal ones included.
    Error,
}

/// What a call may still log. What goes beyond is dropped, and said once: a flood of lines is no reason to fail a call.
#[derive(Clone, Debug)]
pub struct LogBudget {
    lines: u32,
    bytes: usize,
    spent: bool,
}

impl LogBudget {
    /// The budget of one call.
    pub fn new(lines: u32, bytes: usize) -> Self {
        Self {
            lines,
            bytes,
            spent: false,
        }
    }

    /// Writes one line, as long as the budget lasts.
    pub fn write(&mut self, plugin: &PluginContext, request: &RequestInfo, level: Level, topic: &str, message: &str) {
        let size = topic.len() + message.len();
        if self.spent {
            return;
        }
        if self.lines == 0 || self.bytes < size {
            self.spent = true;
            tracing::warn!(
                target: "plugin",
                plugin = %plugin.name,
                request = %request.id,
                "the call logs more than limits.log_lines or limits.log_kib allow; the rest is dropped",
            );
            return;
        }
        self.lines -= 1;
        self.bytes -= size;
        emit(plugin, request, level, topic, message);
    }
}

/// Texts of a plugin are shown escaped: no line of theirs passes for one of the host's.
fn emit(plugin: &PluginContext, request: &RequestInfo, level: Level, topic: &str, message: &str) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(target: "plugin", plugin = %plugin.name, request = %request.id, ?topic, ?message)
        };
    }
    match level {
        Level::Trace => line!(trace),
        Level::Debug => line!(debug),
        Level::Info => line!(info),
        Level::Warn => line!(warn),
        Level::Error => line!(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, LogBudget};

    #[test]
    fn a_flood_is_dropped_behind_the_budget() {
        let (plugin, request) = Default::default();
        let mut budget = LogBudget::new(2, 1_000);
        for _ in 0..5 {
            budget.write(&plugin, &request, Level::Info, "", "drip");
        }
        assert!(budget.spent);
        assert_eq!(budget.bytes, 1_000 - 2 * "drip".len());
    }

    #[test]
    fn a_line_that_is_too_long_ends_the_budget() {
        let (plugin, request) = Default::default();
        let mut budget = LogBudget::new(100, 10);
        budget.write(&plugin, &request, Level::Info, "", "longer than ten bytes");
        assert!(budget.spent);
    }
}
