//! What the recorded writer commits. All of a commit follows from its number, so that a check knows it as well.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portcullis::storage::disk;
use portcullis::storage::engine::{Commit, Engine, Key, Outcome, Put};
use portcullis::storage::keyspace;
use portcullis_tests::Random;

use crate::trace::MARK;

/// Few, so that values are replaced and removed, and sled takes its segments again.
const KEYS: usize = 60;
const WRITERS: usize = 6;
/// The store is closed and opened again in between.
const SESSIONS: u64 = 3;
const COMMITS_PER_SESSION: u64 = 120;
const MAX_TIME_PER_SESSION: Duration = Duration::from_secs(10);
/// Small, so that pages go out.
pub const CACHE_BYTES: u64 = 1 << 20;
/// 2100: the expiry index is written, and nothing expires.
const EXPIRES_MS: u64 = 4_102_444_800_000;

/// What each key holds: the number of the commit, and how many bytes.
pub type Model = BTreeMap<usize, (u64, usize)>;

pub fn key(index: usize) -> Key {
    keyspace::keyvalue("writer", "power", &format!("key-{index:03}"))
}

/// All keys that the writer may write.
pub fn keys() -> Vec<Key> {
    (0..KEYS).map(key).collect()
}

/// A value carries the number of its commit, and its key, from end to end.
pub fn value(commit: u64, index: usize, length: usize) -> Vec<u8> {
    let mut pattern = commit.to_le_bytes().to_vec();
    pattern.extend((index as u64).to_le_bytes());
    let mut value = pattern.repeat(length / pattern.len() + 1);
    value.truncate(length);
    value
}

/// The keys of a commit with the lengths of their new values; `None` where one is removed.
fn steps(commit: u64) -> BTreeMap<usize, Option<usize>> {
    let mut random = Random(commit);
    // Some are so large that sled fills many segments between two syncs.
    let large = if random.below(25) == 0 { 60 } else { 1 };
    let count = 3 + random.below(3);
    let mut steps = BTreeMap::new();
    while steps.len() < count {
        let length = match random.below(100) {
            draw if draw < large => Some(1_024 * 1_024),
            ..15 => Some(100 * 1_024),
            15..55 => Some(4_095 + random.below(3)),
            55..80 => Some(10),
            _ => None,
        };
        steps.insert(random.below(KEYS), length);
    }
    steps
}

/// What the store holds after the commits.
pub fn model(commits: &[u64]) -> Model {
    let mut model = Model::new();
    for &commit in commits {
        for (index, length) in steps(commit) {
            match length {
                Some(length) => model.insert(index, (commit, length)),
                None => model.remove(&index),
            };
        }
    }
    model
}

/// A commit by its number.
pub fn commit(number: u64) -> Commit {
    let mut commit = Commit::default();
    for (index, length) in steps(number) {
        let Some(length) = length else {
            commit.deletes.push(key(index));
            continue;
        };
        let put = Put {
            value: value(number, index, length).into(),
            expires_ms: number.is_multiple_of(4).then_some(EXPIRES_MS),
        };
        commit.puts.push((key(index), put));
    }
    commit.changed = steps(number).into_keys().map(key).collect();
    commit
}

/// The recorded process: writes, and marks what was acknowledged.
pub fn write(root: &Path) {
    let marks = Arc::new(File::create(root.join(MARK)).expect("the marks"));
    let number = Arc::new(AtomicU64::new(1));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    for session in 1..=SESSIONS {
        let engine: Arc<dyn Engine> = Arc::new(disk::open(&root.join("store"), CACHE_BYTES).expect("a store"));
        if session == 1 {
            (&*marks).write_all(b"opened").expect("a mark");
        }
        let until = Instant::now() + MAX_TIME_PER_SESSION;
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (engine, number, marks) = (Arc::clone(&engine), Arc::clone(&number), Arc::clone(&marks));
                runtime.spawn(async move {
                    while Instant::now() < until && number.load(Ordering::Relaxed) <= session * COMMITS_PER_SESSION {
                        one(&*engine, number.fetch_add(1, Ordering::Relaxed), &marks).await;
                    }
                })
            })
            .collect();
        for writer in writers {
            runtime.block_on(writer).expect("a writer ends");
        }
    }
}

/// The other recorded process: opens a store, and closes it again.
pub fn reopen(root: &Path) {
    drop(disk::open(&root.join("store"), CACHE_BYTES).expect("a store"));
}

async fn one(engine: &dyn Engine, number: u64, mut marks: &File) {
    match engine.commit(commit(number)).await {
        Outcome::Committed(sequence) => {
            let mark = format!("acknowledged {number} {sequence}");
            marks.write_all(mark.as_bytes()).expect("a mark");
        }
        other => panic!("commit {number} was not taken: {other:?}"),
    }
}
