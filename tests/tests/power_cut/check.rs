//! Whether a store that a power cut has left is what it may be.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use portcullis::storage::disk;
use portcullis::storage::engine::{Engine, Outcome};
use portcullis::storage::verify::verify;

use crate::workload;

/// Opening takes well below a second; sled may also hang.
const MAX_TIME: Duration = Duration::from_secs(120);

/// What is wrong with what is left.
#[derive(Debug)]
pub enum Broken {
    /// It can't be opened or read: an error, a panic, no end.
    Unusable(String),
    /// Less is there than was acknowledged.
    Lost { acknowledged: u64, applied: u64 },
    /// It is in a state in which it never was.
    Wrong(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(reason) => write!(formatter, "unusable: {reason}"),
            Self::Wrong(reason) => write!(formatter, "wrong: {reason}"),
            Self::Lost { acknowledged, applied } => {
                write!(
                    formatter,
                    "lost: commit {acknowledged} was acknowledged, and the last one is {applied}"
                )
            }
        }
    }
}

/// Opens the store and compares it with the history, of which at least `acknowledged` commits must be there.
pub fn check(store: PathBuf, history: Arc<Vec<u64>>, acknowledged: u64) -> Result<(), Broken> {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || {
        let checked = catch_unwind(AssertUnwindSafe(|| compare(&store, &history, acknowledged)));
        // The other side may have given up.
        let _ = answer.send(checked.unwrap_or_else(|panic| Err(Broken::Unusable(words(&*panic)))));
    });
    answered
        .recv_timeout(MAX_TIME)
        .unwrap_or_else(|_| Err(Broken::Unusable("it takes for ever".to_owned())))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic".to_owned())
}

fn compare(store: &Path, history: &[u64], acknowledged: u64) -> Result<(), Broken> {
    let unusable = |error: &dyn fmt::Display| Broken::Unusable(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let engine: Arc<dyn Engine> = Arc::new(disk::open(store, workload::CACHE_BYTES).map_err(|error| unusable(&error))?);
    let applied = engine.health().applied;
    if applied < acknowledged {
        return Err(Broken::Lost { acknowledged, applied });
    }
    let happened = history
        .get(..applied as usize)
        .ok_or_else(|| Broken::Wrong(format!("commit {applied} never was")))?;
    runtime.block_on(async {
        compare_values(&*engine, happened).await?;
        let verified = verify(&engine).await.map_err(|error| unusable(&error))?;
        if !verified.problems.is_empty() {
            return Err(Broken::Wrong(verified.problems.join("; ")));
        }
        // Any number that the history does not have.
        match engine.commit(workload::commit(1_000_000)).await {
            Outcome::Committed(sequence) if sequence == applied + 1 => Ok(()),
            other => Err(Broken::Wrong(format!("a commit after {applied} gave {other:?}"))),
        }
    })
}

/// Every key holds what the commits have left there, or nothing.
async fn compare_values(engine: &dyn Engine, happened: &[u64]) -> Result<(), Broken> {
    let model = workload::model(happened);
    let seen = engine.get(&workload::keys()).await;
    let values = seen.map_err(|error| Broken::Unusable(error.to_string()))?.data;
    for (index, found) in values.iter().enumerate() {
        let found = found.as_ref().map(|found| found.value.as_ref());
        let expected = model
            .get(&index)
            .map(|&(commit, length)| workload::value(commit, index, length));
        if found != expected.as_deref() {
            let applied = happened.len();
            let lengths = (found.map(<[u8]>::len), model.get(&index));
            return Err(Broken::Wrong(format!(
                "key {index} after commit {applied}: {lengths:?}"
            )));
        }
    }
    Ok(())
}
