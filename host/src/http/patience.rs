//! Connections that make no progress: each listener has one reaper that looks at all of them once in a while.
//!
//! hyper has a timer of its own for this, which is set and cleared for each request; and it does not run before the first
//! byte of a connection. Here a request costs two counters.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::body::Body;

/// How often the reaper looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// How much of an answer hyper is given at a time. It takes more only once the client has taken most of what it has, so a
/// client has the patience of a connection for each piece of this size.
const PIECE_BYTES: usize = 64 << 10;
/// What all long answers may take that their clients have not taken yet.
const MAX_UNSENT_KIB: usize = 512 << 10;

/// What a connection has done so far. Counters only grow, so that the reaper sees whether there was progress.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose head has arrived.
    begun: AtomicU64,
    /// Requests whose answer was made; what is left of it to send shows in `pieces`.
    answered: AtomicU64,
    /// Pieces of answers that were taken. What else is written, such as the pongs of HTTP/2, is no progress.
    pieces: AtomicU64,
    /// When a piece of each long answer was last taken: no other request excuses a client that takes none of it.
    long_answers: Mutex<Vec<Weak<Mutex<Instant>>>>,
}

impl Activity {
    /// Counts a request until the value is dropped.
    pub(super) fn request(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    fn long_answer(&self) -> Arc<Mutex<Instant>> {
        let taken = Arc::new(Mutex::new(Instant::now()));
        self.long_answers.lock().push(Arc::downgrade(&taken));
        taken
    }

    /// Whether there is a long answer of which nothing has been taken for so long.
    fn has_stuck_answer(&self, now: Instant, allowed: Duration) -> bool {
        let mut is_stuck = false;
        self.long_answers.lock().retain(|answer| {
            let taken = answer.upgrade().map(|taken| *taken.lock());
            is_stuck |= taken.is_some_and(|taken| now.saturating_duration_since(taken) > allowed);
            taken.is_some()
        });
        is_stuck
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
        now.saturating_duration_since(self.since) > allowed || self.activity.has_stuck_answer(now, patience.idle)
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

/// Memory for answers that their clients have not taken yet, all connections together.
#[derive(Debug)]
pub(super) struct Unsent(Arc<Semaphore>);

impl Default for Unsent {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_UNSENT_KIB)))
    }
}

impl Unsent {
    /// Room for an answer of a known length; nothing for a short one, and an error where there is none.
    pub(super) fn room(&self, length: Option<u64>) -> Result<Option<OwnedSemaphorePermit>, NoRoom> {
        let kib = length.unwrap_or_default() >> 10;
        if kib <= (PIECE_BYTES >> 10) as u64 {
            return Ok(None);
        }
        let room = Arc::clone(&self.0).try_acquire_many_owned(u32::try_from(kib).map_err(|_| NoRoom)?);
        room.map(Some).map_err(|_| NoRoom)
    }
}

/// Too many answers wait for their clients.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// What an answer keeps until its client has taken it.
pub(super) struct Kept {
    /// Its place among the requests of the connection.
    pub(super) _place: Option<OwnedSemaphorePermit>,
    /// Its room among the answers of all connections.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// The body of an answer, handed out in pieces that are counted.
pub(super) struct Paced {
    body: Body,
    /// What was taken from the body and not handed out yet.
    rest: Bytes,
    activity: Arc<Activity>,
    /// When a piece was last taken, where there are several.
    taken: Option<Arc<Mutex<Instant>>>,
    _kept: Kept,
}

impl Paced {
    pub(super) fn new(body: Body, activity: Arc<Activity>, kept: Kept) -> Self {
        let is_long = body
            .size_hint()
            .exact()
            .is_none_or(|length| length > PIECE_BYTES as u64);
        Self {
            body,
            rest: Bytes::new(),
            taken: is_long.then(|| activity.long_answer()),
            activity,
            _kept: kept,
        }
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
        if let Some(taken) = &self.taken {
            *taken.lock() = Instant::now();
        }
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
        let mut paced = Paced::new(full(Bytes::from(whole.clone())), Arc::clone(&activity), nothing_kept());
        let mut sent = Vec::new();
        while !paced.is_end_stream() {
            assert_eq!(paced.size_hint().exact(), Some((whole.len() - sent.len()) as u64));
            sent.extend(paced.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        assert_eq!((sent == whole, activity.pieces.load(Relaxed)), (true, 3));
        assert!(paced.frame().await.is_none());
    }

    fn nothing_kept() -> Kept {
        Kept {
            _place: None,
            _room: None,
        }
    }

    #[tokio::test]
    async fn a_long_answer_that_is_not_taken_is_not_excused_by_other_requests() {
        let begin = Instant::now();
        let mut watched = watched(begin);
        let long = full(vec![0; PIECE_BYTES + 1].into());
        let mut answer = Paced::new(long, Arc::clone(&watched.activity), nothing_kept());
        for second in [30, 59] {
            drop(watched.activity.request());
            assert!(!watched.is_overdue(begin + Duration::from_secs(second), PATIENCE));
        }
        drop(watched.activity.request());
        assert!(watched.is_overdue(begin + Duration::from_secs(65), PATIENCE));
        // Once it is taken, or given up, it is forgotten.
        assert!(answer.frame().await.is_some());
        drop(answer);
        assert!(!watched.is_overdue(begin + Duration::from_secs(65), PATIENCE));
        assert!(watched.activity.long_answers.lock().is_empty());
    }

    #[test]
    fn there_is_room_for_so_much_that_is_unsent() {
        let unsent = Unsent::default();
        let whole = unsent.room(Some((MAX_UNSENT_KIB as u64) << 10));
        assert!(whole.as_ref().is_ok_and(Option::is_some));
        assert_eq!(unsent.room(Some(100 << 10)).err(), Some(NoRoom));
        // Short answers need none.
        assert!(unsent.room(Some(1_000)).is_ok());
        drop(whole);
        assert!(unsent.room(Some(100 << 10)).is_ok());
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
