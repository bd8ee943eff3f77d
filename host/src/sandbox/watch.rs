//! The watch on a running call: its CPU time, and the end of its patience with a host call that does not answer.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Sleep, sleep_until};

use super::engine::EPOCH;

/// The CPU time of a call so far. The watch adds to it between polls; the guest's epochs read it.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<AtomicU64>);

impl Meter {
    /// The CPU time up to the last poll.
    pub(super) fn used(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Begins a new call.
    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }
}

/// Runs a call until it ends or, `None`, until the deadline has passed while it waits.
///
/// Most calls are ready at their first poll: for those there is no timer, and a reading of the monotonic clock (20 ns)
/// in the place of the thread's CPU clock (a system call). A guest that computes ends itself at an epoch, with a
/// backtrace, so the timer gives it two more epochs.
///
/// The call is pinned by who made it: its future is large, and would be copied on its way here.
pub(super) async fn watch<F: Future>(meter: &Meter, deadline: Instant, mut call: Pin<&mut F>) -> Option<F::Output> {
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|context| {
        let result = match timer {
            None => poll_on_wall_clock(meter, call.as_mut(), context),
            Some(_) => poll_on_cpu_clock(meter, call.as_mut(), context),
        };
        match result {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => timer
                .get_or_insert_with(|| Box::pin(sleep_until((deadline + EPOCH * 2).into())))
                .as_mut()
                .poll(context)
                .map(|()| None),
        }
    })
    .await
}

fn poll_on_wall_clock<F: Future>(meter: &Meter, call: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
    let before = Instant::now();
    let result = call.poll(context);
    // A guest yields at the next epoch: what a first poll takes beyond that, the system gave to others.
    meter.add(before.elapsed().min(EPOCH * 2));
    result
}

fn poll_on_cpu_clock<F: Future>(meter: &Meter, call: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
    let before = thread_cpu_time();
    let result = call.poll(context);
    meter.add(thread_cpu_time().saturating_sub(before));
    result
}

fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
