//! Connections that make no progress: each listener has one reaper that looks at all of them once in a while.
//!
//! hyper has a timer of its own for this, which is set and cleared for each request; and it does not run before the first
//! byte of a connection. Here a request costs two counters.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::body::Body;

/// How often the reaper looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// How much of an answer hyper is given at a time. It takes more only once the client has taken most of what it has, so a
/// client has the patience of a connection for each piece of this size.
const PIECE_BYTES: usize = 64 << 10;

/// What a connection has done so far. Counters only grow, so that the reaper sees whether there was progress.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose head has arrived.
    begun: AtomicU64,
    /// Requests whose answer was made; what is left of it to send shows in `pieces`.
    answered: AtomicU64,
    /// Pieces of answers that were taken. What else is written, such as the pongs of HTTP/2, is no progress.
    pieces: AtomicU64,
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
    /// Between requests, and between two pieces of an answer. The head of a further request must be there by then, too.
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
        let seen = (activity.begun.load(Relaxed), activity.pieces.load(Relaxed));
        let (begun, _) = seen;
        let is_serving = begun > activity.answered.load(Relaxed);
        if is_serving || self.seen != seen {
            self.seen = seen;
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

/// The body of an answer, handed out in pieces that are counted.
pub(super) struct Paced {
    body: Body,
    /// What was taken from the body and not handed out yet.
    rest: Bytes,
    activity: Arc<Activity>,
}

impl Paced {
    pub(super) fn new(body: Body, activity: Arc<Activity>) -> Self {
        let rest = Bytes::new();
        Self { body, rest, activity }
    }
}

impl hyper::body::Body for Paced {
    type Data = Bytes;
    type Error = <Body as hyper::body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        self.activity.pieces.fetch_add(1, Relaxed);
        let length = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (of_body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::full;
    use http_body_util::BodyExt;
    use hyper::body::Body as _;

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
            watched.activity.pieces.fetch_add(1, Relaxed);
            assert!(!watched.is_overdue(begin + Duration::from_secs(59 * minute), PATIENCE));
        }
        assert!(watched.is_overdue(begin + Duration::from_secs(59 * 9 + 61), PATIENCE));
    }

    #[tokio::test]
    async fn an_answer_is_handed_out_in_pieces_and_whole() {
        let whole: Vec<u8> = (0..PIECE_BYTES * 2 + 5).map(|number| number as u8).collect();
        let activity: Arc<Activity> = Arc::default();
        let mut paced = Paced::new(full(Bytes::from(whole.clone())), Arc::clone(&activity));
        let mut sent = Vec::new();
        while !paced.is_end_stream() {
            assert_eq!(paced.size_hint().exact(), Some((whole.len() - sent.len()) as u64));
            sent.extend(paced.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        assert_eq!((sent == whole, activity.pieces.load(Relaxed)), (true, 3));
        assert!(paced.frame().await.is_none());
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
