//! What a store holds: the call that is being served, and what the instance keeps from one call to the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtxView, WasiView};

use crate::capabilities::context::CallContext;

use super::call::{CallLimits, Invocation, Seed};
use super::fault::Fault;
use super::limits::Limiter;
use super::trap::Interrupt;
use super::wasi::Wasi;
use super::watch::Meter;

/// The most bytes that a guest hands to the host at a time.
const HOSTCALL_BYTES: usize = 8 * 1_024 * 1_024;
/// The most handles that a guest holds.
const HANDLES: usize = 1_000;

/// The data of a store.
#[derive(Default)]
pub(super) struct CallState {
    call: Option<Call>,
    limiter: Limiter,
    meter: Meter,
    cpu_limit: Duration,
    deadline: Option<Instant>,
    /// The resources of WASI, which a guest may keep from call to call: its standard output, for one.
    wasi_table: ResourceTable,
    wasi: Option<Wasi>,
    /// The other resources, such as buckets. They end with the call, since they may be the caller's.
    table: ResourceTable,
}

/// The call that is being served.
struct Call {
    context: Box<CallContext>,
    limits: Arc<CallLimits>,
    seed: Seed,
    host_calls: u32,
}

impl CallState {
    /// A store for one instance.
    pub(super) fn store(engine: &Engine) -> Store<Self> {
        let mut state = Self::default();
        state.wasi_table.set_max_capacity(HANDLES);
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(HANDLES);
        store.epoch_deadline_callback(at_epoch);
        store
    }

    /// Begins a call: nothing of the call before is left, but for what the guest itself remembers.
    pub(super) fn begin(&mut self, invocation: Invocation) {
        let Invocation {
            context,
            limits,
            deadline,
            seed,
        } = invocation;
        self.bound(&limits, deadline);
        self.table = ResourceTable::new();
        self.table.set_max_capacity(HANDLES);
        if let Some(wasi) = &self.wasi {
            wasi.clock.set(context.now_ms());
            wasi.output.begin(limits.stdio_bytes);
        }
        self.call = Some(Call {
            context,
            limits,
            seed,
            host_calls: 0,
        });
    }

    /// Sets the limits for what the guest does next; without a call, every host call is refused.
    pub(super) fn bound(&mut self, limits: &CallLimits, deadline: Instant) {
        self.limiter.begin(limits.memory_bytes, limits.table_elements);
        self.meter.reset();
        self.cpu_limit = limits.cpu;
        self.deadline = Some(deadline);
    }

    /// Ends the call and gives back its context, with what the guest printed in its log.
    pub(super) fn end(&mut self) -> Box<CallContext> {
        let mut call = self.call.take().expect("a call that has begun");
        if let Some(wasi) = &self.wasi {
            wasi.output.log(&mut call.context);
        }
        call.context
    }

    /// The context and the table of resources, for one host call, which counts.
    pub(super) fn host_call(&mut self) -> wasmtime::Result<(&mut CallContext, &mut ResourceTable)> {
        let Some(call) = &mut self.call else {
            return Err(Interrupt::raise(Fault::Denied("a host call outside of a request")));
        };
        call.host_calls += 1;
        if call.host_calls > call.limits.host_calls {
            return Err(Interrupt::raise(Fault::HostCalls));
        }
        Ok((&mut call.context, &mut self.table))
    }

    /// The resources of the call, for a drop: giving back is never denied.
    pub(super) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// The limits that the guest has run into.
    pub(super) fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// The CPU time of the call.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// Looks at the clocks, and lets other tasks run.
fn at_epoch(store: StoreContextMut<'_, CallState>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data();
    if state.meter.used() >= state.cpu_limit {
        return Err(Interrupt::raise(Fault::Cpu));
    }
    if state.deadline.is_none_or(|deadline| Instant::now() >= deadline) {
        return Err(Interrupt::raise(Fault::Deadline));
    }
    Ok(UpdateDeadline::Yield(1))
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let call = &self.call;
        let wasi = self.wasi.get_or_insert_with(|| match call {
            Some(call) => Wasi::new(&call.seed, call.context.now_ms(), call.limits.stdio_bytes),
            None => Wasi::new(&Seed::default(), 0, 0),
        });
        WasiCtxView {
            ctx: &mut wasi.ctx,
            table: &mut self.wasi_table,
        }
    }
}
