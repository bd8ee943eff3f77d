//! One call of a plugin: a sandbox, a `crud.read`, in it one `documents.get` in a transaction on an engine in memory, and
//! the end of both.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::capabilities::catalogue::Catalogue;
use portcullis::capabilities::context::{CallContext, PluginContext, Reach, Reachable, RequestInfo};
use portcullis::capabilities::documents::Cursors;
use portcullis::capabilities::log::LogBudget;
use portcullis::manifest::{Action, Instances, Limits, Manifest};
use portcullis::policy::grants::{Power, Standing};
use portcullis::policy::{Caller, Rules, authorize};
use portcullis::sandbox::{CallLimits, Compiler, CrudCall, Guest, Invocation, Sandbox, SandboxSettings, Seed};
use portcullis::storage::engine::Engine;
use portcullis::storage::transaction::Transaction;
use portcullis::storage::{keyspace, memory};
use portcullis_bench::engine::stored;
use portcullis_tests::Plugin;
use tokio::runtime::Runtime;

const RESOURCE: &str = "probe";
const BODY: &str = r#"{"name":"0ad","category":"games","summary":"Real-time strategy game","size_kib":28591}"#;

/// A host of one plugin and one document, without HTTP and dispatch.
struct Bench {
    engine: Arc<dyn Engine>,
    catalogue: Catalogue,
    reach: Arc<Reach>,
    plugin: Arc<PluginContext>,
    request: Arc<RequestInfo>,
    cursors: Arc<Cursors>,
    limits: Arc<CallLimits>,
    resource: Arc<str>,
    rules: Rules,
    id: String,
}

impl Bench {
    async fn new() -> Self {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().expect("memory can be had"));
        let catalogue = Catalogue::load(Arc::clone(&engine), 0).await.expect("an empty store");
        let folder = Plugin::named(RESOURCE).source().to_owned();
        let manifest = Manifest::load(&folder).expect("the fixture has a manifest");
        let declared = catalogue.declare(RESOURCE, &manifest.resources, 0).await;
        declared.expect("the fixture's resource is sound");
        let (id, commit) = stored(RESOURCE, BODY);
        engine.commit(commit).await;
        let power = Power {
            actions: [Action::Read].into(),
            standing: Standing::Own,
            write_only: false,
        };
        let reachable = Reachable {
            power,
            rules: manifest.resources[0].access.clone().into(),
            quota: keyspace::quota(RESOURCE, [RESOURCE], u64::MAX),
        };
        Self {
            engine,
            catalogue,
            reach: Arc::new(Reach {
                collections: [(RESOURCE.to_owned(), reachable)].into(),
            }),
            plugin: Arc::default(),
            request: Arc::default(),
            cursors: Arc::new(Cursors::new([7; 32])),
            limits: Arc::new(CallLimits::from(&Limits::default())),
            resource: RESOURCE.into(),
            rules: manifest.resources[0].access.clone().into(),
            id: id.to_string(),
        }
    }

    fn invocation(&self) -> Invocation {
        let permit =
            authorize(&Caller::Anonymous, Action::Read, &self.resource, &self.rules).expect("anybody may read");
        let context = CallContext::new(
            Transaction::begin(Arc::clone(&self.engine), 0),
            (self.catalogue.current(), Arc::clone(&self.cursors)),
            &permit,
            (Arc::clone(&self.plugin), Arc::clone(&self.reach)),
            Arc::clone(&self.request),
            LogBudget::new(100, 1_024),
        );
        Invocation {
            context: Box::new(context),
            limits: Arc::clone(&self.limits),
            deadline: Instant::now() + Duration::from_secs(1),
            seed: Seed::default(),
        }
    }

    async fn read(&self, guest: &Guest) {
        let call = CrudCall::Read {
            collection: RESOURCE,
            id: &self.id,
        };
        let finished = guest.crud(self.invocation(), call).await;
        black_box(finished.result.expect("no fault").expect("no problem"));
        finished.context.transaction.abandon().await.expect("it is durable");
    }
}

fn calls(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime can be started");
    let bench = runtime.block_on(Bench::new());
    let code = tempfile::tempdir().expect("the temporary directory takes a new one");
    let mut settings = SandboxSettings::new(code.path().to_owned());
    settings.compiler = Compiler::ThisProcess;
    let sandbox = Sandbox::new(settings).expect("the sandbox starts");
    let wasm = Bytes::from(std::fs::read(Plugin::named(RESOURCE).component()).expect("the fixture is built"));
    let mut group = criterion.benchmark_group("a call with one documents.get");
    for (name, instances) in [
        ("fresh sandbox", Instances::Fresh),
        ("reused instance", Instances::Reuse(1_000)),
    ] {
        let guest = runtime.block_on(sandbox.load(wasm.clone(), instances));
        let guest = guest.expect("the fixture is sound");
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| bench.read(&guest));
        });
    }
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
