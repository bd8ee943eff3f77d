//! Tests of the sandbox with small guests: what breaks, how it is named, and that nothing is left of it.

mod calls;
mod guests;
mod installing;
mod keyvalue;
mod limits;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use super::{
    CallLimits, Compiler, Fault, Finished, Guest, HookCall, HookReply, Invocation, Sandbox, SandboxSettings, Seed,
};
use crate::capabilities::context::CallContext;
use crate::capabilities::documents::Cursors;
use crate::capabilities::log::LogBudget;
use crate::manifest::{Action, Instances, Limits};
use crate::policy::{Caller, Prepared, Scope};
use crate::storage::memory;
use crate::storage::transaction::Transaction;

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

/// A call on an empty store.
fn context() -> Box<CallContext> {
    Box::new(CallContext {
        transaction: Transaction::begin(Arc::new(memory::open().unwrap()), 1_700_000_000_123),
        catalogue: Arc::default(),
        cursors: Arc::new(Cursors::new([0; 32])),
        caller: Caller::Operator,
        prepared: Prepared::default(),
        resource: "things".into(),
        action: Action::Read,
        scope: Scope::All,
        reach: Arc::default(),
        vetted: None,
        handed: Vec::new(),
        refusal: None,
        request: Arc::default(),
        plugin: Arc::default(),
        log: LogBudget::new(100, 65_536),
    })
}
