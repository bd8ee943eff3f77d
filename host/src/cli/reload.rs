//! `portcullis reload`: makes a running host read its configuration and its certificate again.

use bytes::Bytes;
use clap::Args;

use super::admin::{Target, block_on};
use super::failure::Failure;
use super::output::Output;

/// Make a running host read its configuration and its certificate again.
///
/// A file with an error changes nothing: the host keeps what it has, and the error is shown here. SIGHUP does the same.
#[derive(Args)]
pub(super) struct Reload {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

impl Reload {
    pub(super) fn run(self) -> Result<(), Failure> {
        let admin = self.target.connect()?;
        let changed = block_on(admin.post_json("/admin/api/reload", Bytes::new()))?;
        self.output.print(&changed, |changed| {
            let names = |of: &str| {
                let names = changed[of].as_array().into_iter().flatten();
                names.filter_map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
            };
            let (ignored, unknown) = (names("ignored"), names("unknown_plugins"));
            let mut said = "reloaded".to_owned();
            if !ignored.is_empty() {
                said.push_str(&format!("; a new start is needed for {ignored}"));
            }
            if !unknown.is_empty() {
                said.push_str(&format!("; no plugin is called {unknown}, which [grants] names"));
            }
            said
        })
    }
}
