//! Reloads over a store that takes no writes for a while: what can't be written down does not come into force.

use std::sync::atomic::Ordering;

use super::*;
use crate::capabilities::catalogue::Catalogue;
use crate::capabilities::documents::Cursors;
use crate::dispatch::Parts;
use crate::sandbox::{Compiler, Sandbox, SandboxSettings};
use crate::storage::clock::ManualClock;
use crate::storage::engine::{Direction, Engine};
use crate::storage::watched::Watched;

/// What the configuration says once it is read again.
fn changed() -> Config {
    let mut config = Config::default();
    config.request.headers.insert("x-new".to_owned());
    config
}

#[tokio::test]
async fn a_reload_that_can_not_be_written_down_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Watched::new();
    let engine: Arc<dyn Engine> = Arc::clone(&store) as _;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(0));
    let mut settings = SandboxSettings::new(directory.path().join("code"));
    settings.compiler = Compiler::ThisProcess;
    let config = Arc::new(Config::default());
    let dispatch = Arc::new(Dispatch::new(Parts {
        engine: Arc::clone(&engine),
        catalogue: Arc::new(Catalogue::load(Arc::clone(&engine), 0).await.unwrap()),
        sandbox: Sandbox::new(settings).unwrap(),
        cursors: Arc::new(Cursors::new([0; 32])),
        clock: Arc::clone(&clock),
        config: Arc::clone(&config),
    }));
    dispatch.reconfigure(Arc::clone(&config)).await.unwrap();
    let reload: Reload = Box::new(|| Ok(changed()));
    let admin = Admin::new(Arc::clone(&dispatch), Vec::new(), config, reload, None, clock);
    let acts = async || -> Vec<String> {
        let entries = audit::page(&engine, None, Direction::Forward, 10, 0).await.unwrap();
        entries.into_iter().map(|entry| entry.act.act).collect()
    };

    let before = dispatch.request_headers();
    store.refuses.store(true, Ordering::Relaxed);
    for reloaded in [admin.reload(Actor::Operator).await, admin.reload_by_signal().await] {
        let refused = reloaded.unwrap_err().to_string();
        assert!(
            refused.contains("audit log") && refused.contains("the disk is full"),
            "{refused}"
        );
        assert_eq!(dispatch.request_headers(), before);
        assert!(!admin.config.load().request.headers.contains("x-new"));
    }
    assert_eq!(acts().await, Vec::<String>::new());

    store.refuses.store(false, Ordering::Relaxed);
    admin.reload_by_signal().await.unwrap();
    assert_ne!(dispatch.request_headers(), before);
    assert_eq!(acts().await, ["plugin.reload", "policy.change"]);
}
