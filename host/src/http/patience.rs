//! Connections that make no progress: each listener has one reaper that looks at all of them once in a while.
//!
//! hyper has a timer of its own for this, which is set and cleared for each request; and it does not run before the first
//! byte of a connection. Here a request costs two counters.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Write};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

/// How often the reaper looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// What a connection has done so far. Counters only grow, so that the reaper sees whether there was progress.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose head has arrived.
    begun: AtomicU64,
    /// Requests whose answer was made; what is left of it to send shows in `writes`.
    answered: AtomicU64,
    /// Writes that the system took.
    writes: AtomicU64,
}

impl Activity {
    /// Counts a request until the value is dropped.
    pub(super) fn request(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }
}

/// A request that is being answered.
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Relaxed);
    }
}

/// How long connections may do nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until the head of the first request is there.
    pub(super) first_request: Duration,
    /// Between requests, and between two writes of an answer. The head of a further request must be there by then, too.
    pub(super) idle: Duration,
}

/// The connections of a listener.
#[derive(Debug, Default)]
pub(super) struct Reaper {
    watched: Mutex<Vec<Watched>>,
}

#[derive(Debug)]
struct Watched {
    activity: Arc<Activity>,
    task: AbortHandle,
    /// The counters at `since`.
    seen: (u64, u64),
    /// The last time that there was progress.
    since: Instant,
}

impl Watched {
    /// Whether the connection has been without progress for too long.
    fn is_overdue(&mut self, now: Instant, patience: Patience) -> bool {
        let activity = &self.activity;
        let (begun, writes) = (activity.begun.load(Relaxed), activity.writes.load(Relaxed));
        let is_serving = begun > activity.answered.load(Relaxed);
        // What is written before the first request (settings, pongs) is no progress.
        if is_serving || (begun > 0 && self.seen != (begun, writes)) {
            self.seen = (begun, writes);
            self.since = now;
        }
        let allowed = if begun == 0 {
            patience.first_request
        } else {
            patience.idle
        };
        now.saturating_duration_since(self.since) > allowed
    }
}

impl Reaper {
    /// Watches the connection that a task serves.
    pub(super) fn watch(&self, activity: Arc<Activity>, task: AbortHandle) {
        self.watched.lock().push(Watched {
            activity,
            task,
            seen: (0, 0),
            since: Instant::now(),
        });
    }

    /// Ends connections that make no progress; runs until it is dropped.
    pub(super) async fn run(&self, patience: Patience) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.reap(Instant::now(), patience);
        }
    }

    fn reap(&self, now: Instant, patience: Patience) {
        self.watched.lock().retain_mut(|watched| {
            let is_overdue = watched.is_overdue(now, patience);
            if is_overdue {
                tracing::debug!(target: "http", "a connection made no progress and is closed");
                watched.task.abort();
            }
            !is_overdue && !watched.task.is_finished()
        });
    }
}

/// A connection whose writes are counted.
pub(super) struct Counted<T> {
    stream: T,
    activity: Arc<Activity>,
}

impl<T> Counted<T> {
    pub(super) fn new(stream: T, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.activity.writes.fetch_add(1, Relaxed);
        }
        written
    }
}

impl<T: Read + Unpin> Read for Counted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<T: Write + Unpin> Write for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.count(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        first_request: Duration::from_secs(10),
        idle: Duration::from_secs(60),
    };

    fn watched(begin: Instant) -> Watched {
        let task = tokio::spawn(async {}).abort_handle();
        Watched {
            activity: Arc::default(),
            task,
            seen: (0, 0),
            since: begin,
        }
    }

    #[tokio::test]
    async fn a_connection_that_never_asks_is_ended_soon() {
        let begin = Instant::now();
        let mut watched = watched(begin);
        assert!(!watched.is_overdue(begin + Duration::from_secs(10), PATIENCE));
        assert!(watched.is_overdue(begin + Duration::from_secs(11), PATIENCE));
    }

    #[tokio::test]
    async fn pongs_are_no_request() {
        let begin = Instant::now();
        let mut watched = watched(begin);
        for second in 1..=10 {
            watched.activity.writes.fetch_add(1, Relaxed);
            assert!(!watched.is_overdue(begin + Duration::from_secs(second), PATIENCE));
        }
        watched.activity.writes.fetch_add(1, Relaxed);
        assert!(watched.is_overdue(begin + Duration::from_secs(11), PATIENCE));
    }

    #[tokio::test]
    async fn a_request_in_flight_is_not_cut_off() {
        let begin = Instant::now();
        let mut watched = watched(begin);
        let in_flight = watched.activity.request();
        assert!(!watched.is_overdue(begin + Duration::from_secs(1_000), PATIENCE));
        drop(in_flight);
        assert!(!watched.is_overdue(begin + Duration::from_secs(1_060), PATIENCE));
        assert!(watched.is_overdue(begin + Duration::from_secs(1_061), PATIENCE));
    }

    #[tokio::test]
    async fn an_answer_may_take_as_long_as_the_client_goes_on_reading() {
        let begin = Instant::now();
        let mut watched = watched(begin);
        drop(watched.activity.request());
        for minute in 1..10 {
            watched.activity.writes.fetch_add(1, Relaxed);
            assert!(!watched.is_overdue(begin + Duration::from_secs(59 * minute), PATIENCE));
        }
        assert!(watched.is_overdue(begin + Duration::from_secs(59 * 9 + 61), PATIENCE));
    }

    #[tokio::test]
    async fn ended_connections_are_forgotten() {
        let reaper = Reaper::default();
        let task = tokio::spawn(async {});
        reaper.watch(Arc::default(), task.abort_handle());
        task.await.unwrap();
        reaper.reap(Instant::now(), PATIENCE);
        assert!(reaper.watched.lock().is_empty());
    }
}
