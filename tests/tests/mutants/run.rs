//! Runs mutants in the real sandbox, with short limits, and says what came of each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use portcullis::capabilities::catalogue::Catalogue;
use portcullis::capabilities::context::{CallContext, PluginContext, Reach, Reachable};
use portcullis::capabilities::documents::Cursors;
use portcullis::capabilities::log::LogBudget;
use portcullis::capabilities::model::{Document, Selection};
use portcullis::manifest::{Access, AccessWord, Action, Instances, Limits, Resource};
use portcullis::policy::grants::{Power, Standing};
use portcullis::policy::{Caller, Permit, Rules, authorize};
use portcullis::sandbox::{
    CallLimits, Compiler, CrudCall, Fault, Finished, Guest, HookCall, InstallError, Invocation, Sandbox,
    SandboxSettings, Seed,
};
use portcullis::storage::engine::Engine;
use portcullis::storage::transaction::Transaction;
use portcullis::storage::{keyspace, memory};
use serde_json::json;
use tempfile::TempDir;

const COLLECTION: &str = "things";
/// A body that each of the plugins takes.
const BODY: &str = r#"{"behaviour":"none","sku":"lamp","name":"Lamp","amount":1}"#;
const NOW_MS: u64 = 1_700_000_000_123;

/// What came of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Refused: parsing, validating or compiling it failed.
    Invalid,
    /// Refused: it does not fit the host's interfaces, or exports nothing that the host calls.
    Unlinked,
    /// Refused: it broke when it was tried out.
    Broken,
    /// Every call was answered, or refused by the guest itself.
    Answered,
    /// A call broke.
    Faulted,
}

impl Outcome {
    pub const ALL: [Self; 5] = [
        Self::Invalid,
        Self::Unlinked,
        Self::Broken,
        Self::Answered,
        Self::Faulted,
    ];

    /// Whether guest code was called.
    pub fn ran(self) -> bool {
        matches!(self, Self::Answered | Self::Faulted)
    }
}

/// A host of one collection with one document, without HTTP and dispatch.
pub struct Bench {
    here: Arc<Sandbox>,
    child: Arc<Sandbox>,
    engine: Arc<dyn Engine>,
    catalogue: Catalogue,
    cursors: Arc<Cursors>,
    rules: Rules,
    plugin: Arc<PluginContext>,
    reach: Arc<Reach>,
    document: Option<Document>,
    _directory: TempDir,
}

impl Bench {
    pub async fn new() -> Self {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().expect("memory can be had"));
        let catalogue = Catalogue::load(Arc::clone(&engine), NOW_MS).await;
        let catalogue = catalogue.expect("an empty store");
        let resource = resource();
        let access = resource.access.clone();
        let declared = catalogue.declare(COLLECTION, &[resource], NOW_MS).await;
        declared.expect("the resource is sound");
        let directory = portcullis_tests::scratch();
        let mut bench = Self {
            here: sandbox(&directory, "here", Compiler::ThisProcess),
            child: sandbox(&directory, "child", Compiler::Program(portcullis_tests::binary())),
            engine,
            catalogue,
            cursors: Arc::new(Cursors::new([7; 32])),
            plugin: Arc::new(PluginContext {
                name: COLLECTION.to_owned(),
                ..PluginContext::default()
            }),
            reach: Arc::new(reach(&access)),
            rules: access.into(),
            document: None,
            _directory: directory,
        };
        bench.document = Some(bench.insert().await);
        bench
    }

    /// Stores the document that is read.
    async fn insert(&self) -> Document {
        let mut context = self.context();
        let mut things = context.documents(COLLECTION, Action::Create).expect("it is granted");
        let document = things.insert(json!({ "amount": 1 })).await;
        context.transaction.commit().await.expect("nobody else writes");
        document.expect("the body is sound")
    }

    /// Loads a mutant and calls all that it exports.
    pub async fn run(&self, mutant: Vec<u8>, in_child: bool) -> Outcome {
        let sandbox = if in_child { &self.child } else { &self.here };
        match sandbox.load(Bytes::from(mutant), Instances::Fresh).await {
            Ok(guest) if self.call(&guest).await => Outcome::Answered,
            Ok(_) => Outcome::Faulted,
            Err(InstallError::Host(reason)) => panic!("the host failed: {reason}"),
            // So the child's panics are told; see `judge` of the host's compile.rs.
            Err(InstallError::Malformed(reason)) if reason.contains("the compiler fails on it") => {
                panic!("the compiler's process crashed")
            }
            Err(
                InstallError::Malformed(_)
                | InstallError::CoreModule
                | InstallError::TooLarge { .. }
                | InstallError::CompileLimit { .. },
            ) => Outcome::Invalid,
            Err(InstallError::Instantiation(_)) => Outcome::Broken,
            Err(_) => Outcome::Unlinked,
        }
    }

    /// Whether every call came to its end.
    async fn call(&self, guest: &Guest) -> bool {
        let document = self.document.as_ref().expect("it is stored first");
        let (id, selection) = (document.id.to_string(), Selection::default());
        let (collection, body) = (COLLECTION, BODY);
        let mut ended = true;
        if guest.exports().crud {
            for crud in [
                CrudCall::Create { collection, body },
                CrudCall::Read { collection, id: &id },
                CrudCall::Query {
                    collection,
                    selection: &selection,
                },
            ] {
                ended &= has_ended(guest.crud(self.invocation(), crud).await).await;
            }
        }
        if guest.exports().hooks {
            let current = document;
            for hook in [
                HookCall::BeforeCreate { collection, body },
                HookCall::BeforeDelete { collection, current },
            ] {
                ended &= has_ended(guest.hooks(self.invocation(), hook).await).await;
            }
        }
        ended
    }

    fn invocation(&self) -> Invocation {
        let limits = CallLimits {
            cpu: Duration::from_millis(50),
            ..CallLimits::from(&Limits::default())
        };
        Invocation {
            context: Box::new(self.context()),
            limits: Arc::new(limits),
            deadline: Instant::now() + Duration::from_millis(500),
            seed: Seed::fixed([7; 32]),
        }
    }

    fn context(&self) -> CallContext {
        CallContext::new(
            Transaction::begin(Arc::clone(&self.engine), NOW_MS),
            (self.catalogue.current(), Arc::clone(&self.cursors)),
            &self.permit(),
            (Arc::clone(&self.plugin), Arc::clone(&self.reach)),
            Arc::default(),
            LogBudget::new(100, 65_536),
        )
    }

    fn permit(&self) -> Permit {
        authorize(&Caller::Anonymous, Action::Create, &COLLECTION.into(), &self.rules).expect("anybody may create")
    }
}

async fn has_ended<T>(finished: Finished<T>) -> bool {
    // What it wrote is of no interest, but giving up a transaction is the host's code too.
    finished.context.transaction.abandon().await.expect("it is in memory");
    match finished.result {
        Ok(_) => true,
        // Each mutant is alone with its worker: a full pool means that instances are never given back.
        Err(Fault::Busy) => panic!("instances are lost"),
        Err(_) => false,
    }
}

fn sandbox(directory: &TempDir, name: &str, compiler: Compiler) -> Arc<Sandbox> {
    let mut settings = SandboxSettings::new(directory.path().join(name));
    settings.compiler = compiler;
    settings.section.instances = 32;
    Sandbox::new(settings).expect("the sandbox starts")
}

/// A collection that is open to all.
fn resource() -> Resource {
    Resource {
        name: COLLECTION.to_owned(),
        schema: Arc::new(json!({ "type": "object" })),
        indexes: Vec::new(),
        unique: Vec::new(),
        on_erase: Default::default(),
        access: Access::all(AccessWord::Anyone),
    }
}

/// The plugin may do everything with its collection.
fn reach(access: &Access) -> Reach {
    let power = Power {
        actions: Action::ALL.into_iter().collect(),
        standing: Standing::Own,
        write_only: false,
    };
    let reachable = Reachable {
        power,
        rules: access.clone().into(),
        quota: keyspace::quota(COLLECTION, [COLLECTION], 16 * 1_024 * 1_024),
    };
    Reach {
        collections: [(COLLECTION.to_owned(), reachable)].into(),
    }
}
