//! WASI as a call sees it: a clock that stands still, random numbers from the request's seed, output that goes to the
//! plugin's log, and nothing else.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx};

use crate::capabilities::context::CallContext;
use crate::capabilities::log::Level;

use super::call::Seed;
use super::fault::Fault;
use super::store::CallState;
use super::trap::Interrupt;

/// The most random bytes that a guest gets at a time.
const RANDOM_BYTES: u64 = 64 * 1_024;

/// The most bytes that a guest writes at a time.
const WRITE_BYTES: usize = 64 * 1_024;

/// The interface whose timers are denied, in the version of `wasmtime_wasi`.
const MONOTONIC_CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.12";

/// Adds all of WASI 0.2, with the timers taken out: to sleep would really wait, while the clock stands still.
pub(super) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    let mut clock = linker.instance(MONOTONIC_CLOCK)?;
    for timer in ["subscribe-duration", "subscribe-instant"] {
        clock.func_wrap(
            timer,
            |_, (_nanoseconds,): (u64,)| -> wasmtime::Result<(Resource<DynPollable>,)> {
                Err(Interrupt::raise(Fault::Denied(
                    "sleeping and timers: enqueue work for later instead of waiting for it",
                )))
            },
        )?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// WASI for one instance. Most calls never ask for it, so it is made when the first one does.
pub(super) struct Wasi {
    pub(super) ctx: WasiCtx,
    pub(super) clock: Clock,
    pub(super) output: Output,
}

impl Wasi {
    /// Without files, sockets, arguments, environment or input.
    pub(super) fn new(seed: &Seed, now_ms: u64, output_limit: usize) -> Self {
        let clock = Clock::default();
        clock.set(now_ms);
        let output = Output::default();
        output.begin(output_limit);
        let secure = random(seed, 0);
        let insecure = random(seed, 1);
        let mut key = [0; 16];
        random(seed, 2).fill_bytes(&mut key);
        let ctx = WasiCtx::builder()
            .secure_random(secure)
            .insecure_random(insecure)
            .insecure_random_seed(u128::from_le_bytes(key))
            .max_random_size(RANDOM_BYTES)
            .wall_clock(clock.clone())
            .monotonic_clock(clock.clone())
            .stdout(output.clone())
            .stderr(output.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        Self { ctx, clock, output }
    }
}

/// A generator of its own for each of WASI's three sources, so that none tells of another.
fn random(seed: &Seed, stream: u64) -> ChaCha20Rng {
    let mut random = ChaCha20Rng::from_seed(seed.bytes());
    random.set_stream(stream);
    random
}

/// A clock that shows the time of the call.
#[derive(Clone, Default)]
pub(super) struct Clock(Arc<AtomicU64>);

impl Clock {
    /// Sets the time; milliseconds since the Unix epoch.
    pub(super) fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }

    fn time(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.time()
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.time().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What a guest writes to its standard output and standard error during one call; what goes over the limit is dropped.
#[derive(Clone, Default)]
pub(super) struct Output(Arc<Mutex<Written>>);

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    limit: usize,
    dropped: usize,
}

impl Output {
    /// Begins a new call.
    pub(super) fn begin(&self, limit: usize) {
        *self.0.lock() = Written {
            limit,
            ..Written::default()
        };
    }

    /// Moves what was written into the plugin's log, line by line.
    pub(super) fn log(&self, context: &mut CallContext) {
        let written = std::mem::take(&mut *self.0.lock());
        for line in String::from_utf8_lossy(&written.bytes).lines() {
            context.log(Level::Info, "output", line);
        }
        if written.dropped > 0 {
            let dropped = format!("{} more bytes of output are dropped", written.dropped);
            context.log(Level::Warn, "output", &dropped);
        }
    }

    fn append(&self, bytes: &[u8]) {
        let mut written = self.0.lock();
        let room = written.limit.saturating_sub(written.bytes.len()).min(bytes.len());
        written.bytes.extend_from_slice(&bytes[..room]);
        written.dropped = written.dropped.saturating_add(bytes.len() - room);
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
