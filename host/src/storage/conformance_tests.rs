//! One suite for every engine: random histories, compared step by step with a plain model.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::{Builder, Runtime};

use super::conformance_model::Model;
use super::engine::{
    Commit, Direction, Engine, Idempotency, Key, MAX_KEY_BYTES, MAX_VALUE_BYTES, Outcome, Put, Range, Reads, Rows,
    Scan, Sequence,
};
use super::verify::verify;
use super::{disk, keyspace, memory};

const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;
/// Keys of each family: two collections, a plugin's bucket, index entries.
const FAMILIES: [&str; 4] = ["dc\0", "dd\0", "kp\0", "ic\0"];
const KEYS: u8 = 6;
/// An answer that waits longer than this fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_engine_on_disk_does_what_the_model_does() {
    run(40, || {
        let directory = tempfile::tempdir().unwrap();
        Store::new(
            move || Arc::new(disk::open(directory.path(), CACHE_BYTES).unwrap()),
            true,
        )
    });
}

#[test]
fn the_engine_in_memory_does_what_the_model_does() {
    run(150, || Store::new(|| Arc::new(memory::open().unwrap()), false));
}

/// A key: its family, and its number in it.
type Name = (u8, u8);

/// A range inside of a family, from one number to another.
type Span = (u8, u8, u8);

/// A commit, before it is known what was read.
#[derive(Clone, Debug)]
struct Draft {
    /// How many commits ago the reads were made.
    lag: u64,
    reads: Vec<Name>,
    ranges: Vec<Span>,
    puts: Vec<(Name, usize, Option<u64>)>,
    deletes: Vec<Name>,
    changed: Vec<Name>,
    quota: Option<u64>,
    idempotency: Option<u8>,
    excess: Excess,
    now_ms: u64,
}

/// The engine's own limit that a commit breaks.
#[derive(Clone, Copy, Debug)]
enum Excess {
    None,
    Key,
    Value,
    Total,
}

#[derive(Clone, Debug)]
enum Step {
    /// Commits that are handed in together, and so may share a round.
    Commits(Vec<Draft>),
    Get(Vec<Name>),
    Scan(Span, Option<Name>, (usize, usize), bool, bool),
    Changed(Vec<Name>, Vec<Span>, u64, u64),
    Changes(u64, usize),
    Reopen,
}

fn name() -> impl Strategy<Value = Name> {
    (0..FAMILIES.len() as u8, 0..KEYS)
}

fn span() -> impl Strategy<Value = Span> {
    (0..FAMILIES.len() as u8, 0..=KEYS, 0..=KEYS)
}

/// Around the size from which values are cut into chunks, and well beyond.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..60usize, 2 => 4_090..4_100usize, 1 => 8_190..8_194usize, 1 => 10_000..60_000usize]
}

fn draft() -> impl Strategy<Value = Draft> {
    // Not at the epoch itself: `verify` reads at time 0, when nothing has expired.
    let put = (name(), size(), proptest::option::of(1..40u64));
    let excess = prop_oneof![60 => Just(Excess::None), 1 => Just(Excess::Key), 1 => Just(Excess::Value), 1 => Just(Excess::Total)];
    let quota = proptest::option::weighted(0.3, prop_oneof![Just(100u64), Just(20_000), Just(100_000)]);
    let reads = (0..4u64, vec(name(), 0..3), vec(span(), 0..2));
    let writes = (vec(put, 0..4), vec(name(), 0..3), vec(name(), 0..3));
    let rest = (quota, proptest::option::weighted(0.2, 0..3u8), excess, 0..40u64);
    (reads, writes, rest).prop_map(
        |((lag, reads, ranges), (puts, deletes, changed), (quota, idempotency, excess, now_ms))| Draft {
            lag,
            reads,
            ranges,
            puts,
            deletes,
            changed,
            quota,
            idempotency,
            excess,
            now_ms,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let after = proptest::option::of(name());
    let max_bytes = prop_oneof![Just(usize::MAX), 1..50_000usize];
    prop_oneof![
        8 => vec(draft(), 1..4).prop_map(Step::Commits),
        2 => vec(name(), 0..5).prop_map(Step::Get),
        4 => (span(), after, (0..9usize, max_bytes), any::<bool>(), any::<bool>())
            .prop_map(|(span, after, limit, backward, keys_only)| Step::Scan(span, after, limit, backward, keys_only)),
        2 => (vec(name(), 0..4), vec(span(), 0..3), 0..6u64, 0..6u64)
            .prop_map(|(keys, ranges, since, until)| Step::Changed(keys, ranges, since, until)),
        1 => (0..6u64, 1..4usize).prop_map(|(back, limit)| Step::Changes(back, limit)),
        1 => Just(Step::Reopen),
    ]
}

fn key((family, number): Name) -> Key {
    Key::from(format!("{}{number}", FAMILIES[family as usize]))
}

fn range((family, start, end): Span) -> Range {
    Range {
        start: key((family, start)),
        end: key((family, end)),
    }
}

/// An engine under test, and the model beside it.
struct Store {
    open: Box<dyn Fn() -> Arc<dyn Engine>>,
    engine: Option<Arc<dyn Engine>>,
    survives: bool,
    model: Model,
}

fn run(cases: u32, store: impl Fn() -> Store) {
    let runtime: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let history = |steps: Vec<Step>| {
        runtime.block_on(async {
            let mut store = store();
            for step in steps {
                let taken = tokio::time::timeout(PATIENCE, store.step(&step)).await;
                taken.map_err(|_| TestCaseError::fail("the engine does not answer"))??;
            }
            store.compare_everything().await
        })
    };
    TestRunner::new(config)
        .run(&vec(step(), 1..40), history)
        .unwrap_or_else(|failure| panic!("{failure}"));
}

impl Store {
    fn new(open: impl Fn() -> Arc<dyn Engine> + 'static, survives: bool) -> Self {
        Self {
            engine: Some(open()),
            open: Box::new(open),
            survives,
            model: Model::default(),
        }
    }

    fn engine(&self) -> &Arc<dyn Engine> {
        self.engine
            .as_ref()
            .expect("it is absent only while it is opened again")
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Commits(drafts) => self.commit(drafts).await?,
            Step::Get(names) => self.get(names).await?,
            Step::Scan(span, after, (limit, max_bytes), backward, keys_only) => {
                let direction = if *backward {
                    Direction::Backward
                } else {
                    Direction::Forward
                };
                let (range, after) = (range(*span), after.map(key));
                self.scan(&Scan {
                    range,
                    after,
                    limit: *limit,
                    max_bytes: *max_bytes,
                    direction,
                    keys_only: *keys_only,
                })
                .await?;
            }
            Step::Changed(keys, ranges, since, until) => self.changed(keys, ranges, *since, *until).await?,
            Step::Changes(back, limit) => self.changes(*back, *limit).await?,
            Step::Reopen if self.survives => {
                self.engine = None;
                self.engine = Some((self.open)());
                self.model.reopen();
            }
            Step::Reopen => {}
        }
        let health = self.engine().health();
        let state = (health.applied, health.durable, health.read_only);
        prop_assert_eq!(state, (self.model.applied(), self.model.applied(), None));
        Ok(())
    }

    async fn commit(&mut self, drafts: &[Draft]) -> Result<(), TestCaseError> {
        let commits: Vec<Commit> = drafts.iter().map(|draft| self.finished(draft)).collect();
        let engine = Arc::clone(self.engine());
        // They are handed in in this order, and decided in it.
        let outcomes = join_all(commits.iter().map(|commit| engine.commit(commit.clone()))).await;
        for (commit, outcome) in commits.iter().zip(outcomes) {
            let outcome = match outcome {
                Outcome::TooLarge(_) => Outcome::TooLarge(String::new()),
                other => other,
            };
            match (outcome, self.model.commit(commit)) {
                // Where the engine has forgotten what was written since, it may know of more than the range's start.
                (Outcome::Conflict(found), Outcome::Conflict(expected)) if !self.model.remembers(commit.since) => {
                    prop_assert!(found.is_superset(&expected), "{:?} lacks some of {:?}", found, expected);
                }
                (found, expected) => prop_assert_eq!(found, expected),
            }
        }
        prop_assert_eq!(engine.durable(self.model.applied()).await, Ok(()));
        Ok(())
    }

    /// The commit of a call that read what was there `lag` commits ago.
    fn finished(&self, draft: &Draft) -> Commit {
        let since = self.model.applied().saturating_sub(draft.lag);
        let mut puts: Vec<(Key, Put)> = draft.puts.iter().map(|put| filled(*put)).collect();
        puts.extend(excessive(draft.excess));
        Commit {
            reads: self.reads(&draft.reads, &draft.ranges, since),
            since,
            puts,
            deletes: draft.deletes.iter().copied().map(key).collect(),
            changed: draft.changed.iter().copied().map(key).collect(),
            quotas: draft
                .quota
                .map(|limit| keyspace::quota("p", ["c", "d"], limit))
                .into_iter()
                .collect(),
            idempotency: draft.idempotency.map(|number| Idempotency {
                key: keyspace::answer(uuid::Uuid::nil(), &[number; 32]),
                answer: Bytes::from(format!("answer at {}", draft.now_ms)),
                expires_ms: draft.now_ms + 10,
            }),
            now_ms: draft.now_ms,
        }
    }

    fn reads(&self, names: &[Name], spans: &[Span], since: Sequence) -> Reads {
        let keys = names.iter().copied().map(key);
        Reads {
            keys: keys
                .map(|key| (key.clone(), self.model.version_at(&key, since)))
                .collect(),
            ranges: spans.iter().copied().map(range).collect(),
        }
    }

    async fn get(&self, names: &[Name]) -> Result<(), TestCaseError> {
        let keys: Vec<Key> = names.iter().copied().map(key).collect();
        let seen = self.engine().get(&keys).await.unwrap();
        let expected: Vec<_> = keys.iter().map(|key| self.model.get(key)).collect();
        prop_assert_eq!(seen.applied, self.model.applied());
        prop_assert!(seen.data == expected, "the values of {:?} differ", keys);
        Ok(())
    }

    async fn scan(&self, scan: &Scan) -> Result<(), TestCaseError> {
        let seen = self.engine().scan(scan).await.unwrap();
        prop_assert_eq!(seen.applied, self.model.applied());
        let (found, expected) = (comparable(seen.data, scan), comparable(self.model.scan(scan), scan));
        let keys = |rows: &Rows| {
            rows.iter()
                .map(|(key, row)| (key.clone(), row.version))
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(keys(&found), keys(&expected));
        prop_assert!(found == expected, "the rows of {:?} differ", scan);
        Ok(())
    }

    async fn changed(&self, names: &[Name], spans: &[Span], since: u64, until: u64) -> Result<(), TestCaseError> {
        let applied = self.model.applied();
        let (since, until) = (since.max(until), since.min(until));
        let (since, until) = (applied.saturating_sub(since), applied.saturating_sub(until));
        let reads = self.reads(names, spans, since);
        let changed = self.engine().changed(&reads, since, until).await.unwrap();
        prop_assert_eq!(changed, self.model.changed(&reads, since, until));
        Ok(())
    }

    async fn changes(&self, back: u64, limit: usize) -> Result<(), TestCaseError> {
        let after = self.model.applied().saturating_sub(back);
        let expected = self.model.changes(after, limit);
        // Where there is none, the engine would wait for one.
        if !expected.is_empty() {
            prop_assert_eq!(self.engine().changes(after, limit).await.unwrap(), expected);
        }
        Ok(())
    }

    /// At the end: every row, as it is, and after opening the store once more; and nothing that `verify` complains about.
    async fn compare_everything(&mut self) -> Result<(), TestCaseError> {
        for step in [
            Step::Changes(u64::MAX, 1_000),
            Step::Reopen,
            Step::Changes(u64::MAX, 1_000),
        ] {
            self.step(&step).await?;
            for prefix in FAMILIES.into_iter().chain(["r"]) {
                let range = keyspace::prefix_range(Key::from(prefix));
                self.scan(&Scan::first(range, 1_000)).await?;
            }
            prop_assert_eq!(verify(self.engine()).await.unwrap().problems, Vec::<String>::new());
        }
        Ok(())
    }
}

/// Rows whose values are left out where a scan does not ask for them.
fn comparable(mut rows: Rows, scan: &Scan) -> Rows {
    if scan.keys_only {
        rows.iter_mut().for_each(|(_, row)| row.value = Bytes::new());
    }
    rows
}

fn filled((name, size, expires_ms): (Name, usize, Option<u64>)) -> (Key, Put) {
    let value = Bytes::from(vec![size as u8 ^ name.1; size]);
    (key(name), Put { value, expires_ms })
}

/// What makes a commit too large.
fn excessive(excess: Excess) -> Vec<(Key, Put)> {
    let put = |key: Key, size: usize| {
        let value = Bytes::from(vec![0; size]);
        (
            key,
            Put {
                value,
                expires_ms: None,
            },
        )
    };
    match excess {
        Excess::None => Vec::new(),
        Excess::Key => vec![put(Key::from(vec![b'i'; MAX_KEY_BYTES + 1]), 0)],
        Excess::Value => vec![put(key((0, 0)), MAX_VALUE_BYTES + 1)],
        Excess::Total => (0..5).map(|number| put(key((0, number)), MAX_VALUE_BYTES)).collect(),
    }
}
