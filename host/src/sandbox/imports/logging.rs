//! `wasi:logging/logging`: the plugin's log.

use wasmtime::Result;

use crate::capabilities::log;
use crate::sandbox::bindings::wasi::logging::logging::{Host, Level};
use crate::sandbox::store::CallState;

impl Host for CallState {
    fn log(&mut self, level: Level, context: String, message: String) -> Result<()> {
        let (call, _) = self.host_call()?;
        let level = match level {
            Level::Trace => log::Level::Trace,
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error | Level::Critical => log::Level::Error,
        };
        call.log(level, &context, &message);
        Ok(())
    }
}
