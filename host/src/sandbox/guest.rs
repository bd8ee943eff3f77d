//! A plugin that is ready to be called, and the life of a call: an instance, the call, the end.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::capabilities::context::CallContext;
use crate::capabilities::model::Problem;
use crate::manifest::{Instances, Limits};

use super::Sandbox;
use super::call::{CallLimits, CrudCall, CrudReply, Finished, HookCall, HookReply, Invocation};
use super::convert::Answer;
use super::exports::{Crud, Export, Hooks};
use super::fault::Fault;
use super::install::InstallError;
use super::link::Linked;
use super::store::CallState;
use super::trap;
use super::watch::watch;

/// How long a component may take to be instantiated when it is loaded, in CPU time and by the clock.
const TRIAL_CPU: Duration = Duration::from_millis(500);
const TRIAL: Duration = Duration::from_secs(10);

/// A plugin that is ready to be called; cheap to clone.
#[derive(Clone)]
pub struct Guest(Arc<Inner>);

struct Inner {
    sandbox: Arc<Sandbox>,
    pre: InstancePre<CallState>,
    imports: Vec<String>,
    digest: [u8; 32],
    crud: Option<Crud>,
    hooks: Option<Hooks>,
    instances: Instances,
    /// Instances that wait for their next call.
    idle: Mutex<Vec<Running>>,
}

/// Which interfaces of the host's a plugin exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exports {
    /// `portcullis:plugin/crud`
    pub crud: bool,
    /// `portcullis:plugin/hooks`
    pub hooks: bool,
}

/// An instance in its store.
struct Running {
    store: Store<CallState>,
    /// None until the first call has instantiated it.
    instance: Option<Instance>,
    calls: u32,
}

impl Guest {
    /// Instantiates the component once: what would break every call is refused now.
    pub(super) async fn try_out(
        sandbox: Arc<Sandbox>,
        linked: Linked,
        digest: [u8; 32],
        instances: Instances,
    ) -> Result<Self, InstallError> {
        let component = linked.instance.component();
        let guest = Inner {
            crud: Crud::find(component),
            hooks: Hooks::find(component),
            sandbox,
            pre: linked.instance,
            imports: linked.imports,
            digest,
            instances,
            idle: Mutex::default(),
        };
        if guest.crud.is_none() && guest.hooks.is_none() {
            return Err(InstallError::NoRole);
        }
        guest.trial().await?;
        Ok(Self(Arc::new(guest)))
    }

    /// Which interfaces it exports.
    pub fn exports(&self) -> Exports {
        Exports {
            crud: self.0.crud.is_some(),
            hooks: self.0.hooks.is_some(),
        }
    }

    /// The interfaces that it imports, by their full names.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// The SHA-256 digest of the component.
    pub fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }

    /// Calls the export `crud`.
    pub async fn crud(&self, invocation: Invocation, call: CrudCall<'_>) -> Finished<CrudReply> {
        self.0.run(self.0.crud.as_ref(), invocation, call).await
    }

    /// Calls the export `hooks`.
    pub async fn hooks(&self, invocation: Invocation, call: HookCall<'_>) -> Finished<HookReply> {
        self.0.run(self.0.hooks.as_ref(), invocation, call).await
    }
}

impl Inner {
    async fn run<E: Export>(
        &self,
        export: Option<&E>,
        invocation: Invocation,
        call: E::Call<'_>,
    ) -> Finished<E::Reply> {
        let Some(export) = export else {
            return Finished {
                context: invocation.context,
                result: Err(Fault::Denied("a call of an interface that the plugin does not export")),
                cpu: Duration::ZERO,
            };
        };
        let (deadline, answer) = (invocation.deadline, Answer::new(invocation.limits.output_bytes));
        let mut running = self.take();
        let meter = running.store.data().meter().clone();
        running.store.data_mut().begin(invocation);
        running.store.set_epoch_deadline(1);
        let ended = {
            let call = pin!(async {
                let instance = match running.instance {
                    Some(instance) => instance,
                    None => self.pre.instantiate_async(&mut running.store).await?,
                };
                running.instance = Some(instance);
                export.call(&mut running.store, instance, call, answer).await
            });
            watch(&meter, deadline, call).await
        };
        let cpu = meter.used();
        let (context, result) = self.finish(running, ended);
        Finished { context, result, cpu }
    }

    fn take(&self) -> Running {
        let idle = match self.instances {
            Instances::Fresh => None,
            Instances::Reuse(_) => self.idle.lock().pop(),
        };
        idle.unwrap_or_else(|| Running {
            store: CallState::store(&self.sandbox.engine),
            instance: None,
            calls: 0,
        })
    }

    /// Takes the context back, names the fault, and keeps the instance where it may serve again.
    fn finish<T>(
        &self,
        mut running: Running,
        ended: Option<wasmtime::Result<Result<T, Problem>>>,
    ) -> (Box<CallContext>, Result<Result<T, Problem>, Fault>) {
        let context = running.store.data_mut().end();
        let result = match ended {
            Some(Ok(returned)) => {
                self.give_back(running);
                Ok(returned)
            }
            Some(Err(error)) => Err(trap::report(&context, &error, running.store.data().limiter())),
            None => Err(trap::report_waiting(&context)),
        };
        (context, result)
    }

    /// Keeps an instance that has answered for another call, as far as the plugin allows it.
    fn give_back(&self, mut running: Running) {
        let Instances::Reuse(calls) = self.instances else {
            return;
        };
        running.calls += 1;
        let mut idle = self.idle.lock();
        if running.calls < calls && idle.len() < self.most_idle() {
            idle.push(running);
        }
    }

    /// Idle instances hold places of the pool: no plugin keeps more than an eighth of them.
    fn most_idle(&self) -> usize {
        (self.sandbox.settings.section.instances as usize / 8).max(1)
    }

    /// Instantiates the component without a call, and checks the types of what it exports.
    async fn trial(&self) -> Result<(), InstallError> {
        let deadline = Instant::now() + TRIAL;
        let mut store = CallState::store(&self.sandbox.engine);
        store.data_mut().bound(&self.trial_limits(), deadline);
        store.set_epoch_deadline(1);
        let meter = store.data().meter().clone();
        let instantiated = watch(&meter, deadline, pin!(self.pre.instantiate_async(&mut store))).await;
        let instance = match instantiated {
            Some(Ok(instance)) => instance,
            Some(Err(error)) => {
                let fault = trap::classify(&error, store.data().limiter());
                return Err(InstallError::Instantiation(fault.to_string()));
            }
            None => return Err(InstallError::Instantiation(Fault::Deadline.to_string())),
        };
        self.check(&mut store, instance)
            .map_err(|error| InstallError::Mismatch(format!("{error:#}")))
    }

    fn trial_limits(&self) -> CallLimits {
        let settings = &self.sandbox.settings;
        CallLimits {
            memory_bytes: settings.memory_bytes(),
            table_elements: settings.table_elements(),
            cpu: TRIAL_CPU,
            ..CallLimits::from(&Limits::default())
        }
    }

    fn check(&self, store: &mut Store<CallState>, instance: Instance) -> wasmtime::Result<()> {
        if let Some(crud) = &self.crud {
            crud.check(store, instance)?;
        }
        if let Some(hooks) = &self.hooks {
            hooks.check(store, instance)?;
        }
        Ok(())
    }
}
