//! Mutants of real components: each is refused or runs, and none makes the host panic, abort or hang.
//!
//! `PORTCULLIS_MUTANTS` says how many there are. A failure names the seeds of its mutants: `PORTCULLIS_MUTANTS_SEED=N`
//! runs just that one, as long as the components are the same. Where the whole process dies, the seeds under way are in
//! `target/tmp/mutants-*`.

#[path = "mutants/mutate.rs"]
mod mutate;
#[path = "mutants/run.rs"]
mod run;
#[path = "mutants/watch.rs"]
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use mutate::Kind;
use portcullis_tests::{Plugin, Random};
use run::{Bench, Outcome};
use watch::Watch;

/// How many mutants there are where nobody says it.
const MUTANTS: u64 = 300;
/// One mutant of so many is compiled in a process of its own, as the host does it. A panic of the compiler is found
/// either way; here it is faster.
const CHILD: u64 = 16;
/// What is mutated, and how often of so many times: each role, and what is refused. The large ones take long.
const COMPONENTS: &[(&str, usize)] = &[
    ("hooked", 6),
    ("probe", 6),
    ("sums", 1),
    ("hostile", 1),
    ("table-bomb", 1),
    ("missing-import", 1),
];

/// How many mutants of a kind came to an outcome.
type Counts = BTreeMap<(Kind, Outcome), u64>;

#[test]
fn no_mutant_makes_the_host_panic_or_hang() {
    let components = components();
    let seeds = match number("PORTCULLIS_MUTANTS_SEED") {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..number("PORTCULLIS_MUTANTS").unwrap_or(MUTANTS),
    };
    let began = Instant::now();
    // Fewer than the sandbox has instances, so that none is ever refused one.
    let workers = thread::available_parallelism().map_or(1, usize::from).min(16);
    let watch = Watch::new(workers);
    let counts = run_all(&components, seeds.clone(), &watch);
    let panics = watch.panics();
    eprintln!("{}", table(&counts));
    eprintln!(
        "{} mutants in {:.1} s, {} panics",
        counts.values().sum::<u64>(),
        began.elapsed().as_secs_f64(),
        panics.len()
    );
    assert!(panics.is_empty(), "mutants make the host panic:\n{}", panics.join("\n"));
    assert_eq!(counts.values().sum::<u64>(), seeds.end - seeds.start);
    if seeds.end - seeds.start >= MUTANTS {
        assert_they_are_no_empty_exercise(&counts);
    }
}

/// Mutants that are all refused at the door would try nothing behind it, and those that all run would not try the door.
fn assert_they_are_no_empty_exercise(counts: &Counts) {
    for kind in Kind::ALL {
        for ran in [true, false] {
            let count: u64 = counts
                .iter()
                .filter(|((of, outcome), _)| *of == kind && outcome.ran() == ran)
                .map(|(_, count)| count)
                .sum();
            assert!(
                count > 0,
                "of the kind {kind:?}, none has `ran` {ran}:\n{}",
                table(counts)
            );
        }
    }
    for outcome in Outcome::ALL {
        let seen = counts.keys().any(|(_, of)| *of == outcome);
        assert!(seen, "none is {outcome:?}:\n{}", table(counts));
    }
}

/// Runs the mutants, as many at a time as there are processors.
fn run_all(components: &[Vec<u8>], seeds: Range<u64>, watch: &Watch) -> Counts {
    let bench = runtime("mutants").block_on(Bench::new());
    let (next, counts) = (AtomicU64::new(seeds.start), Mutex::new(Counts::new()));
    thread::scope(|scope| {
        for worker in 0..watch.workers() {
            let (bench, next, counts, end) = (&bench, &next, &counts, seeds.end);
            let work = move || {
                let runtime = runtime(&Watch::thread_name(worker));
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    watch.begin(worker, seed);
                    let ran = catch_unwind(AssertUnwindSafe(|| {
                        let (kind, mutant) = mutant(components, seed);
                        (kind, runtime.block_on(bench.run(mutant, seed % CHILD == 0)))
                    }));
                    watch.end(worker);
                    // The watch has written down a panic.
                    if let Ok(ran) = ran {
                        *counts.lock().expect("counting never panics").entry(ran).or_default() += 1;
                    }
                }
            };
            let thread = thread::Builder::new().name(Watch::thread_name(worker));
            thread.spawn_scoped(scope, work).expect("a thread can be started");
        }
    });
    counts.into_inner().expect("counting never panics")
}

/// The name is that of the threads that block in the place of the worker, so that the watch knows whose they are.
fn runtime(name: &str) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name(name)
        .build()
        .expect("a runtime can be started")
}

fn mutant(components: &[Vec<u8>], seed: u64) -> (Kind, Vec<u8>) {
    let mut random = Random(seed);
    let mut chosen = random.below(COMPONENTS.iter().map(|(_, weight)| weight).sum());
    for (component, (_, weight)) in components.iter().zip(COMPONENTS) {
        match chosen.checked_sub(*weight) {
            Some(rest) => chosen = rest,
            None => return mutate::mutant(component, &mut random),
        }
    }
    unreachable!("the number is below the sum")
}

fn components() -> Vec<Vec<u8>> {
    COMPONENTS
        .iter()
        .map(|(name, _)| fs::read(Plugin::named(name).component()).expect("it is built"))
        .collect()
}

/// The counts, a line for each kind.
fn table(counts: &Counts) -> String {
    let line = |kind: Kind| {
        let cells = Outcome::ALL.map(|outcome| {
            let count = counts.get(&(kind, outcome)).copied().unwrap_or_default();
            format!("{outcome:?} {count:>6}")
        });
        format!("{:<9} {}", format!("{kind:?}"), cells.join("  "))
    };
    Kind::ALL.map(line).join("\n")
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
fn a_component_is_put_together_again_as_it_was() {
    for component in components() {
        let same = mutate::in_place(&component, &mut Random(1), |module, _| Some(module.to_vec()));
        // Lengths may be written with fewer bytes; what they are the lengths of is the same.
        assert_eq!(
            mutate::sections(&same.expect("a component")),
            mutate::sections(&component)
        );
    }
}

#[test]
fn the_same_seed_makes_the_same_mutant() {
    let components = components();
    for seed in 0..32 {
        assert!(
            mutant(&components, seed) == mutant(&components, seed),
            "the seed {seed} makes two mutants"
        );
    }
}
