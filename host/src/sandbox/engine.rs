//! The one engine of typed plugins: what a guest may use, how its memory is pooled, and the clock that interrupts it.

use std::thread;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails, WasmFeatures,
};

use super::settings::SandboxSettings;

/// How often a running guest looks up: it then yields to the async runtime, and its limits are checked.
pub(super) const EPOCH: Duration = Duration::from_millis(5);

/// Core instances of one component: the glue of a Rust component needs 3, a dynamically linked Python one dozens.
pub(super) const CORE_INSTANCES: u32 = 64;
/// Linear memories of one component.
pub(super) const MEMORIES: u32 = 4;
/// Tables of one component.
pub(super) const TABLES: u32 = 8;

/// The stack of a guest, and that of the host functions that it calls on top.
const WASM_STACK: usize = 512 * 1_024;
const HOST_STACK: usize = 1_536 * 1_024;

/// How much of a memory is reset by copying instead of by giving the pages back to the kernel, which then faults
/// each of them in again. Rust guests with a stack of 64 KiB fit.
const KEEP_RESIDENT: usize = 256 * 1_024;

/// What compiled code depends on. The compiler's process uses just this; it has no memory to pool.
pub(super) fn compile_config() -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(WASM_STACK + HOST_STACK)
        // A call must give the same result each time that it is tried.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        // Names of functions are enough; DWARF is attacker-controlled input to parse.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_features(unneeded_features(), false);
    config
}

/// What no typed plugin needs. Each feature is code that a hostile guest could reach.
fn unneeded_features() -> WasmFeatures {
    WasmFeatures::THREADS
        | WasmFeatures::SHARED_EVERYTHING_THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::STACK_SWITCHING
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::GC
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::CM_ASYNC
        | WasmFeatures::CM_THREADING
        | WasmFeatures::CM_ERROR_CONTEXT
}

/// The engine that runs guests.
pub(super) fn running(settings: &SandboxSettings) -> wasmtime::Result<Engine> {
    let mut config = compile_config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    let engine = Engine::new(&config)?;
    tick(&engine);
    Ok(engine)
}

/// The engine that only compiles.
pub(super) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&compile_config())
}

fn pool(settings: &SandboxSettings) -> PoolingAllocationConfig {
    let instances = settings.section.instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        // Counts only: nothing is reserved for them.
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        // Rust components use two tables, some JavaScript ones two memories. A memory reserves 4 GiB of address
        // space (512 instances: 4 TiB of 128), a table 8 bytes for each element.
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(2))
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_memory_size(settings.memory_bytes())
        .table_elements(settings.table_elements())
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(settings.table_elements() * size_of::<usize>())
        // It leaves a page that was swapped out as the last guest wrote it.
        .pagemap_scan(Enabled::No);
    pool
}

/// Starts the thread that advances the epoch, for as long as the engine lives.
fn tick(engine: &Engine) {
    let engine = engine.weak();
    thread::Builder::new()
        .name("epochs".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(EPOCH);
            }
        })
        .expect("a thread at start");
}
