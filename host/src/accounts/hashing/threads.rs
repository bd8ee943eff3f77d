//! The threads that hash: as many as may hash at a time.
//!
//! The system runs them only where nobody else wants a core (`SCHED_IDLE`): whoever logs in can wait a little, and nobody else
//! waits for that. Such a thread can be stopped for long at any point, so it holds no lock that another one may want: jobs
//! come to it, and results leave it, without locks, and one thread of ordinary kind, the desk, hands the results out. Where
//! all cores are taken for so long that a job gets nowhere, the desk does it as well, and the first result counts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use argon2::Block;
use crossbeam_queue::SegQueue;
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use rustix::time::{ClockId, clock_gettime};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

use crate::accounts::error::Error;

/// How long a thread without work keeps its memory.
const KEEP_MEMORY: Duration = Duration::from_secs(1);
/// How much the others go before the desk: a tenth of the weight of an ordinary thread.
const NICE: i32 = 10;
/// How many times longer than it takes on a core of its own a job may take at least.
const SLOWED: u32 = 8;

/// How often it is looked in this time whether something gets nowhere.
const LOOKS: u32 = 4;

/// What one of the threads does; it may be done twice. `None` where nobody wanted it any more, so that nothing was done.
pub(super) type Job = Box<dyn Fn(&mut Memory) -> Option<Deliver> + Send + Sync>;
/// Hands the result to the one who waits for it; only the desk does.
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
    jobs: SegQueue<Arc<Job>>,
    done: SegQueue<Deliver>,
    places: Box<[Place]>,
    is_over: AtomicBool,
    /// Jobs that were taken, and jobs that were done.
    steps: AtomicU64,
    /// How long a job may take before the desk does it as well.
    patience: Duration,
    /// What a job has cost on a core of its own, in nanoseconds.
    cost_ns: AtomicU64,
}

/// A job that a thread has taken.
struct UnderWay {
    job: Arc<Job>,
    since: Instant,
    /// Whether the desk does it, too.
    is_at_desk: AtomicBool,
}

/// A thread that hashes, as the others see it.
#[derive(Default)]
struct Place {
    /// Whether it has found nothing to do. The first of those is woken, so that few have memory where there is little to do.
    is_resting: AtomicBool,
    /// Whether it may have taken a job that is not seen in `job` yet: it can be stopped between the two.
    is_taking: AtomicBool,
    job: ArcSwapOption<UnderWay>,
}

impl Threads {
    pub(super) fn start(count: u32, patience: Duration) -> Result<Self, String> {
        let work = Arc::new(Work::of(count, patience));
        let of_desk = Arc::clone(&work);
        // From here on the threads are dropped, and so ended, where one more can't be started.
        let mut threads = Self {
            work,
            hashing: Vec::new(),
            desk: spawn("hashing-desk", move || desk(&of_desk))?,
        };
        for place in 0..count as usize {
            let (work, desk) = (Arc::clone(&threads.work), threads.desk.clone());
            let thread = spawn("hashing", move || hash(&work, &work.places[place], &desk))?;
            threads.hashing.push(thread);
        }
        Ok(threads)
    }

    /// Has a job done in its turn.
    pub(super) fn run(&self, job: Job) {
        self.work.jobs.push(Arc::new(job));
        // Together with the one in `rest`: either the job is seen there, or the thread is seen to rest here.
        fence(Ordering::SeqCst);
        let mut places = self.work.places.iter().zip(&self.hashing);
        if let Some((_, thread)) = places.find(|(place, _)| place.is_resting.swap(false, Ordering::SeqCst)) {
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
    fn of(count: u32, patience: Duration) -> Self {
        Self {
            jobs: SegQueue::new(),
            done: SegQueue::new(),
            places: (0..count).map(|_| Place::default()).collect(),
            is_over: AtomicBool::new(false),
            steps: AtomicU64::new(0),
            patience,
            cost_ns: AtomicU64::new(0),
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Waits until there may be something to do, and gives the memory back where that takes long.
    fn rest(&self, place: &Place, memory: &mut Memory) {
        place.is_resting.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        match self.jobs.is_empty() {
            true if memory.0.is_empty() => thread::park(),
            true => thread::park_timeout(KEEP_MEMORY),
            false => {}
        }
        place.is_resting.store(false, Ordering::SeqCst);
        if self.jobs.is_empty() {
            *memory = Memory::default();
        }
    }

    /// How long a job may take before it is taken for one that gets nowhere: what is slow by itself has longer.
    fn patience(&self) -> Duration {
        let cost = Duration::from_nanos(self.cost_ns.load(Ordering::Relaxed));
        self.patience.max(cost * SLOWED)
    }

    /// Takes the next job, and has it seen that it is under way.
    fn take(&self, place: &Place) -> Option<Arc<Job>> {
        place.is_taking.store(true, Ordering::SeqCst);
        let job = self.jobs.pop();
        if let Some(job) = &job {
            self.steps.fetch_add(1, Ordering::Relaxed);
            place.job.store(Some(Arc::new(UnderWay {
                job: Arc::clone(job),
                since: Instant::now(),
                is_at_desk: AtomicBool::new(false),
            })));
        }
        place.is_taking.store(false, Ordering::SeqCst);
        job
    }

    /// Whether there is nothing that the desk has to look after. A job goes from the queue to a thread that takes, and on to its
    /// place: it is looked for in this order, so that none is missed that goes on meanwhile.
    fn is_quiet(&self) -> bool {
        let is_taking = |place: &Place| place.is_taking.load(Ordering::SeqCst);
        self.jobs.is_empty() && !self.places.iter().any(is_taking) && self.under_way().next().is_none()
    }

    /// What is under way and not with the desk.
    fn under_way(&self) -> impl Iterator<Item = Arc<UnderWay>> {
        let under_way = self.places.iter().filter_map(|place| place.job.load_full());
        under_way.filter(|under_way| !under_way.is_at_desk.load(Ordering::Relaxed))
    }

    /// A job that gets nowhere: one that was taken too long ago, or, where nothing was taken or done for as long, the next one.
    fn overdue(&self, still: Duration) -> Option<Arc<Job>> {
        let patience = self.patience();
        if let Some(overdue) = self.under_way().find(|under_way| under_way.since.elapsed() >= patience) {
            overdue.is_at_desk.store(true, Ordering::Relaxed);
            return Some(Arc::clone(&overdue.job));
        }
        if still >= patience { self.jobs.pop() } else { None }
    }
}

/// Hashes one password after the other.
fn hash(work: &Work, place: &Place, desk: &Thread) {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // Where it is refused, hashing is as urgent as the rest.
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    let mut memory = Memory::default();
    while !work.is_over() {
        let Some(job) = work.take(place) else {
            work.rest(place, &mut memory);
            continue;
        };
        let before = cpu_time();
        // What nobody wanted says nothing about what a job costs.
        if let Some(deliver) = done(&job, &mut memory) {
            let cost = cpu_time().saturating_sub(before);
            work.cost_ns.store(cost.as_nanos() as u64, Ordering::Relaxed);
            work.done.push(deliver);
        }
        place.job.store(None);
        work.steps.fetch_add(1, Ordering::Release);
        desk.unpark();
    }
}

/// The time that this thread has had on a core.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Hands out results, and sees to it that there are some.
fn desk(work: &Work) {
    let _ = setpriority_process(Some(gettid()), NICE);
    let mut memory = Memory::default();
    let mut last_step = (0, Instant::now());
    while !work.is_over() {
        while let Some(deliver) = work.done.pop() {
            deliver();
        }
        let step = work.steps.load(Ordering::Relaxed);
        if work.is_quiet() {
            memory = Memory::default();
            thread::park();
            last_step = (step, Instant::now());
            continue;
        }
        if step != last_step.0 {
            last_step = (step, Instant::now());
        }
        match work.overdue(last_step.1.elapsed()) {
            Some(job) => done(&job, &mut memory).into_iter().for_each(|deliver| deliver()),
            None => thread::park_timeout(work.patience() / LOOKS),
        }
    }
}

/// What comes of a job. What panics is a defect; the thread goes on, and the one who waits is told.
fn done(job: &Job, memory: &mut Memory) -> Option<Deliver> {
    catch_unwind(AssertUnwindSafe(|| job(memory))).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_desk_sees_a_job_that_a_thread_had_taken_when_it_was_stopped() {
        let work = Arc::new(Work::of(1, Duration::from_millis(1)));
        let place = &work.places[0];
        place.is_taking.store(true, Ordering::SeqCst);
        let of_desk = Arc::clone(&work);
        let desk = spawn("desk", move || desk(&of_desk)).unwrap();
        // Long enough for the desk to go to sleep for good, if it did.
        thread::sleep(Duration::from_millis(100));
        let (done, is_done) = mpsc::channel();
        let job: Job = Box::new(move |_| {
            let done = done.clone();
            Some(Box::new(move || done.send(()).unwrap()))
        });
        // The thread gets a core at last, and nobody wakes the desk.
        place.job.store(Some(Arc::new(UnderWay {
            job: Arc::new(job),
            since: Instant::now(),
            is_at_desk: AtomicBool::new(false),
        })));
        place.is_taking.store(false, Ordering::SeqCst);
        is_done.recv_timeout(Duration::from_secs(10)).unwrap();
        work.is_over.store(true, Ordering::Release);
        desk.unpark();
    }

    #[test]
    fn a_job_that_is_not_wanted_says_nothing_about_the_cost() {
        let threads = Threads::start(1, Duration::MAX).unwrap();
        let work = &threads.work;
        let ended = |steps| {
            let begin = Instant::now();
            while work.steps.load(Ordering::Acquire) < steps {
                assert!(begin.elapsed() < Duration::from_secs(60), "the job is not done");
                thread::sleep(Duration::from_millis(1));
            }
        };
        threads.run(Box::new(|memory| {
            memory.blocks(1_000).unwrap();
            Some(Box::new(|| ()))
        }));
        ended(2);
        let cost_ns = work.cost_ns.load(Ordering::Relaxed);
        assert_ne!(cost_ns, 0);
        threads.run(Box::new(|_| None));
        ended(4);
        assert_eq!(work.cost_ns.load(Ordering::Relaxed), cost_ns);
    }
}
