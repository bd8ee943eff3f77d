//! The threads that hash: as many as may hash at a time.
//!
//! The system runs them only where nobody else wants a core (`SCHED_IDLE`): whoever logs in can wait a little, and nobody else
//! waits for that. Such a thread can be stopped for long at any point, so it holds no lock that another one may want: jobs
//! come to it, and results leave it, through queues without locks, and one thread of ordinary kind, the desk, hands the
//! results out. Where all cores are taken for so long that nothing gets done, the desk hashes as well, so that there is an end
//! to the waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use argon2::Block;
use crossbeam_queue::SegQueue;
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

use crate::accounts::error::Error;

/// How long a thread without work keeps its memory.
const KEEP_MEMORY: Duration = Duration::from_secs(1);
/// How much the others go before the desk: a tenth of the weight of an ordinary thread.
const NICE: i32 = 10;

/// What one of the threads does.
pub(super) type Job = Box<dyn FnOnce(&mut Memory) -> Deliver + Send>;
/// Hands the result to the one who waits for it.
pub(super) type Deliver = Box<dyn FnOnce() + Send>;

/// The memory that argon2 fills. A thread keeps it from one password to the next: to get it anew each time, page by page, is
/// a tenth of the work, and holds up what else in the process needs memory at that moment.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// So many blocks, with anything in them.
    pub(super) fn blocks(&mut self, count: usize) -> Result<&mut [Block], Error> {
        let more = count.saturating_sub(self.0.len());
        let reserved = self.0.try_reserve_exact(more);
        reserved.map_err(|error| Error::Internal(format!("memory for argon2: {error}")))?;
        if more > 0 {
            self.0.resize(count, Block::new());
        }
        Ok(&mut self.0[..count])
    }
}

/// The threads; they end with this.
pub(super) struct Threads {
    work: Arc<Work>,
    hashing: Vec<Thread>,
    desk: Thread,
}

/// What the threads share.
struct Work {
    jobs: SegQueue<Job>,
    done: SegQueue<Deliver>,
    /// Which of the threads that hash have found nothing to do. The first of them is woken, so that few have memory where
    /// there is little to do.
    resting: Box<[AtomicBool]>,
    is_over: AtomicBool,
    /// How long nothing may get done before the desk hashes as well.
    patience: Duration,
}

impl Threads {
    pub(super) fn start(count: u32, patience: Duration) -> Result<Self, String> {
        let work = Arc::new(Work {
            jobs: SegQueue::new(),
            done: SegQueue::new(),
            resting: (0..count).map(|_| AtomicBool::new(false)).collect(),
            is_over: AtomicBool::new(false),
            patience,
        });
        let of_desk = Arc::clone(&work);
        // From here on the threads are dropped, and so ended, where one more can't be started.
        let mut threads = Self {
            work,
            hashing: Vec::new(),
            desk: spawn("hashing-desk", move || desk(&of_desk))?,
        };
        for place in 0..count as usize {
            let (work, desk) = (Arc::clone(&threads.work), threads.desk.clone());
            threads
                .hashing
                .push(spawn("hashing", move || hash(&work, place, &desk))?);
        }
        Ok(threads)
    }

    /// Has a job done in its turn.
    pub(super) fn run(&self, job: Job) {
        self.work.jobs.push(job);
        // Together with the one in `rest`: either the job is seen there, or the thread is seen to rest here.
        fence(Ordering::SeqCst);
        let mut places = self.work.resting.iter().zip(&self.hashing);
        if let Some((_, thread)) = places.find(|(is_resting, _)| is_resting.swap(false, Ordering::SeqCst)) {
            thread.unpark();
        }
        self.desk.unpark();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.work.is_over.store(true, Ordering::Release);
        self.hashing.iter().chain([&self.desk]).for_each(Thread::unpark);
    }
}

fn spawn(name: &str, serve: impl FnOnce() + Send + 'static) -> Result<Thread, String> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(serve);
    let handle = spawned.map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(handle.thread().clone())
}

impl Work {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Waits until there may be something to do, and gives the memory back where that takes long.
    fn rest(&self, place: usize, memory: &mut Memory) {
        let is_resting = &self.resting[place];
        is_resting.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        match self.jobs.is_empty() {
            true if memory.0.is_empty() => thread::park(),
            true => thread::park_timeout(KEEP_MEMORY),
            false => {}
        }
        is_resting.store(false, Ordering::SeqCst);
        if self.jobs.is_empty() {
            *memory = Memory::default();
        }
    }
}

/// Hashes one password after the other.
fn hash(work: &Work, place: usize, desk: &Thread) {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // Where it is refused, hashing is as urgent as the rest.
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    let mut memory = Memory::default();
    while !work.is_over() {
        if let Some(job) = work.jobs.pop() {
            if let Some(deliver) = done(job, &mut memory) {
                work.done.push(deliver);
                desk.unpark();
            }
        } else {
            work.rest(place, &mut memory);
        }
    }
}

/// Hands out results, and sees to it that there are some.
fn desk(work: &Work) {
    let _ = setpriority_process(Some(gettid()), NICE);
    let mut memory = Memory::default();
    let mut progress = Instant::now();
    while !work.is_over() {
        while let Some(deliver) = work.done.pop() {
            deliver();
            progress = Instant::now();
        }
        if work.jobs.is_empty() {
            memory = Memory::default();
            thread::park();
            progress = Instant::now();
            continue;
        }
        match work.patience.checked_sub(progress.elapsed()) {
            Some(rest) if !rest.is_zero() => thread::park_timeout(rest),
            _ => {
                let deliver = work.jobs.pop().and_then(|job| done(job, &mut memory));
                deliver.into_iter().for_each(|deliver| deliver());
            }
        }
    }
}

/// What comes of a job. What panics is a defect; the thread goes on, and the one who waits is told.
fn done(job: Job, memory: &mut Memory) -> Option<Deliver> {
    catch_unwind(AssertUnwindSafe(|| job(memory))).ok()
}
