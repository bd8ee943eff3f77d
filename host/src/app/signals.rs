//! Signals: SIGTERM and SIGINT end the host gracefully, SIGHUP has it read its configuration again.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::admin::Admin;

/// The signals that a host listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Begins to listen: from here on no signal ends the process at once.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Returns when the host is to stop.
    pub(super) async fn until_stop(mut self, admin: Arc<Admin>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => match admin.reload_by_signal().await {
                    Ok(changed) => tracing::info!(target: "config", %changed, "reloaded"),
                    Err(error) => tracing::error!(target: "config", %error, "not reloaded; the old configuration stays"),
                },
            }
        }
    }
}
