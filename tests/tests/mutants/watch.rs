//! Watches the workers: which seed each is at, the panics of any thread, and mutants that take too long.

use std::panic::{self, PanicHookInfo};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::mutate;

/// A mutant that keeps a worker longer than this has made the host hang: its own limits are a second at most, and
/// compiling it takes no more.
const PATIENCE: Duration = Duration::from_secs(90);
/// What the names of threads begin with that work for a worker.
const NAME: &str = "mutants-";

/// A view of all workers.
pub struct Watch(Arc<State>);

struct State {
    /// Which seed each worker is at, and since when.
    under_way: Vec<Mutex<Option<(u64, Instant)>>>,
    panics: Mutex<Vec<String>>,
}

impl Watch {
    /// Begins to watch; the process's panic hook is the watch's from then on.
    pub fn new(workers: usize) -> Self {
        let state = Arc::new(State {
            under_way: (0..workers).map(|_| Mutex::default()).collect(),
            panics: Mutex::default(),
        });
        let (theirs, usual) = (Arc::clone(&state), panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            if !mutate::is_in_tool() {
                theirs.note(info);
                usual(info);
            }
        }));
        let theirs = Arc::downgrade(&state);
        thread::spawn(move || {
            while let Some(state) = theirs.upgrade() {
                state.end_if_it_hangs();
                drop(state);
                thread::sleep(Duration::from_secs(1));
            }
        });
        Self(state)
    }

    pub fn workers(&self) -> usize {
        self.0.under_way.len()
    }

    /// The name of the threads that work for a worker.
    pub fn thread_name(worker: usize) -> String {
        format!("{NAME}{worker}")
    }

    /// A worker begins with a mutant. The file is for who finds the process dead.
    pub fn begin(&self, worker: usize, seed: u64) {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Self::thread_name(worker));
        fs::write(file, format!("{seed}\n")).expect("the target folder takes files");
        *lock(&self.0.under_way[worker]) = Some((seed, Instant::now()));
    }

    pub fn end(&self, worker: usize) {
        *lock(&self.0.under_way[worker]) = None;
    }

    /// The panics so far, each with the seed of its mutant.
    pub fn panics(&self) -> Vec<String> {
        lock(&self.0.panics).clone()
    }
}

impl State {
    fn note(&self, info: &PanicHookInfo<'_>) {
        let current = thread::current();
        let worker = current.name().and_then(|name| name.strip_prefix(NAME)?.parse().ok());
        // A thread that is no worker's may have worked for any of them.
        let seeds: Vec<String> = (0..self.under_way.len())
            .filter(|of| worker.is_none_or(|worker: usize| worker == *of))
            .filter_map(|of| lock(&self.under_way[of]).map(|(seed, _)| seed.to_string()))
            .collect();
        lock(&self.panics).push(format!("PORTCULLIS_MUTANTS_SEED={}: {info}", seeds.join(" or ")));
    }

    fn end_if_it_hangs(&self) {
        for worker in &self.under_way {
            let Some((seed, began)) = *lock(worker) else { continue };
            if began.elapsed() > PATIENCE {
                eprintln!("a mutant makes the host hang: PORTCULLIS_MUTANTS_SEED={seed}");
                std::process::abort();
            }
        }
    }
}

/// What a panic has left locked is whole: nothing here panics half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
