//! Tests of the sandbox with small guests: what breaks, how it is named, and that nothing is left of it.

mod calls;
mod guests;
mod installing;
mod limits;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use super::{
    CallLimits, Compiler, Fault, Finished, Guest, HookCall, HookReply, Invocation, Sandbox, SandboxSettings, Seed,
};
use crate::capabilities::context::CallContext;
use crate::manifest::{Instances, Limits};

/// A sandbox with a directory of its own.
struct Bench {
    sandbox: Arc<Sandbox>,
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::new(settings(&directory)).unwrap();
        Self { sandbox, directory }
    }

    async fn guest(&self, wasm: Bytes) -> Guest {
        self.sandbox.load(wasm, Instances::Fresh).await.unwrap()
    }
}

fn settings(directory: &TempDir) -> SandboxSettings {
    let mut settings = SandboxSettings::new(directory.path().join("code"));
    settings.compiler = Compiler::ThisProcess;
    settings.section.instances = 8;
    settings
}

/// Limits that no well-behaved guest of these tests comes near.
fn generous() -> CallLimits {
    CallLimits {
        cpu: Duration::from_secs(60),
        ..CallLimits::from(&Limits::default())
    }
}

fn invocation(limits: CallLimits) -> Invocation {
    Invocation {
        context: context(),
        limits: Arc::new(limits),
        deadline: Instant::now() + Duration::from_secs(60),
        seed: Seed::fixed([7; 32]),
    }
}

async fn create(guest: &Guest, invocation: Invocation) -> Finished<HookReply> {
    let call = HookCall::BeforeCreate {
        collection: "things",
        body: r#"{"name":"it"}"#,
    };
    guest.hooks(invocation, call).await
}

/// The fault of a guest that does `body` with its own `items`, within these limits.
async fn fault(items: &str, body: &str, limits: CallLimits) -> Fault {
    let bench = Bench::new();
    let guest = bench.guest(guests::hooks(items, body)).await;
    create(&guest, invocation(limits)).await.result.expect_err("a fault")
}

/// The body that a guest returns which does `body` with its own `items`.
async fn body_of(items: &str, body: &str) -> String {
    let bench = Bench::new();
    let guest = bench.guest(guests::hooks(items, body)).await;
    text(create(&guest, invocation(generous())).await)
}

fn text(finished: Finished<HookReply>) -> String {
    match finished.result {
        Ok(Ok(HookReply::Body(body))) => body,
        other => panic!("no body: {other:?}"),
    }
}

fn context() -> CallContext {
    use crate::capabilities::context::PluginContext;
    use crate::storage::engine::*;
    use std::collections::BTreeSet;
    struct E;
    #[async_trait::async_trait]
    impl Engine for E {
        async fn get(&self, _: &[Key]) -> Result<Seen<Vec<Option<Versioned>>>, Unavailable> {
            todo!()
        }
        async fn scan(&self, _: &Scan) -> Result<Seen<Rows>, Unavailable> {
            todo!()
        }
        async fn changed(&self, _: &Reads, _: Sequence, _: Sequence) -> Result<BTreeSet<Key>, Unavailable> {
            todo!()
        }
        async fn commit(&self, _: Commit) -> Outcome {
            todo!()
        }
        async fn durable(&self, _: Sequence) -> Result<(), Unavailable> {
            todo!()
        }
        async fn changes(&self, _: Sequence, _: usize) -> Result<Vec<Change>, Unavailable> {
            todo!()
        }
        fn health(&self) -> Health {
            todo!()
        }
    }
    CallContext {
        transaction: crate::storage::transaction::Transaction::begin(Arc::new(E), 1_700_000_000_123),
        caller: crate::policy::Caller::Operator,
        request: Arc::default(),
        plugin: Arc::new(PluginContext {
            name: "p".into(),
            settings: Default::default(),
        }),
        refusal: None,
    }
}
