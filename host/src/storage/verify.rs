//! Checking the store: whether everything is readable, and whether what follows from it agrees with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::engine::{Direction, Engine, Key, MAX_SCAN_ROWS, PAGE_BYTES, Range, Scan, Unavailable};
use super::keyspace;
use super::transaction::{Ended, Transaction};

/// How many problems are told in words.
const MAX_TOLD: usize = 100;
/// How often a counter is compared again while calls write what it counts.
const MAX_ATTEMPTS: usize = 20;

/// What a check of the store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The records that were looked at, without what follows from them.
    pub records: u64,
    /// What is wrong, a sentence each; beyond a limit only how many more there are.
    pub problems: Vec<String>,
}

/// Reads every record, compares the expiry index both ways, and recounts the usage counters where everything is readable.
/// May run beside calls; a counter of what is written all the time is then left out.
pub async fn verify(engine: &Arc<dyn Engine>) -> Result<Verified, Unavailable> {
    let mut verified = Verified::default();
    let mut problems = Vec::new();
    let mut untold = 0;
    let mut from = Some(Key::new());
    while let Some(start) = from {
        let page = engine.check(&start).await?;
        verified.records += page.records;
        for problem in page.problems {
            if problems.len() < MAX_TOLD {
                problems.push(problem);
            } else {
                untold += 1;
            }
        }
        from = page.next;
        tokio::task::yield_now().await;
    }
    if problems.is_empty() {
        for prefix in counted(engine).await? {
            problems.extend(recount(engine, &prefix).await?);
        }
        untold = problems.len().saturating_sub(MAX_TOLD);
        problems.truncate(MAX_TOLD);
    }
    if untold > 0 {
        problems.push(format!("and {untold} more"));
    }
    verified.problems = problems;
    Ok(verified)
}

/// The prefixes that have a counter, or should have one.
async fn counted(engine: &Arc<dyn Engine>) -> Result<BTreeSet<Key>, Unavailable> {
    let mut prefixes = BTreeSet::new();
    let mut scan = Scan::keys(keyspace::usages(), MAX_SCAN_ROWS);
    loop {
        let rows = engine.scan(&scan).await?.data;
        prefixes.extend(rows.iter().filter_map(|(key, _)| keyspace::usage_prefix(key)));
        if rows.len() < scan.limit {
            break;
        }
        scan.after = rows.last().map(|(key, _)| key.clone());
    }
    for Range { mut start, end } in keyspace::charged_ranges() {
        // One key of each prefix is enough.
        loop {
            let range = Range {
                start,
                end: end.clone(),
            };
            let rows = engine.scan(&Scan::keys(range, 1)).await?.data;
            let Some((key, _)) = rows.first() else { break };
            start = match keyspace::charged(key) {
                Some(prefix) => {
                    prefixes.insert(prefix.clone());
                    keyspace::prefix_range(prefix).end
                }
                None => keyspace::successor(key),
            };
        }
    }
    Ok(prefixes)
}

/// The problem with the counter of a prefix, if there is one.
async fn recount(engine: &Arc<dyn Engine>, prefix: &Key) -> Result<Option<String>, Unavailable> {
    for _ in 0..MAX_ATTEMPTS {
        match compare(engine, prefix).await {
            Ok((counter, bytes)) if counter == bytes => return Ok(None),
            Ok((counter, bytes)) => {
                let name = prefix.escape_ascii();
                let text = format!("the usage counter of \"{name}\" says {counter} bytes, and there are {bytes}");
                return Ok(Some(text));
            }
            Err(Ended::Conflict(_)) => tokio::task::yield_now().await,
            Err(ended) => return Err(Unavailable(ended.to_string())),
        }
    }
    tracing::warn!(prefix = %prefix.escape_ascii(), "a usage counter was not compared: what it counts is written all the time");
    Ok(None)
}

/// What the counter of a prefix says, and what there is, in one state.
async fn compare(engine: &Arc<dyn Engine>, prefix: &Key) -> Result<(u64, u64), Ended> {
    // At time 0 nothing has expired: what has, and is not removed yet, is counted.
    let mut transaction = Transaction::begin(Arc::clone(engine), 0);
    let range = keyspace::prefix_range(prefix.clone());
    let mut bytes = 0;
    let mut after = None;
    loop {
        let page = (MAX_SCAN_ROWS, PAGE_BYTES);
        let scanned = transaction
            .scan_within(&range, after.as_ref(), page, Direction::Forward)
            .await?;
        let sizes = scanned.rows.iter().map(|(key, value)| (key.len() + value.len()) as u64);
        bytes += sizes.sum::<u64>();
        after = scanned.behind;
        if after.is_none() {
            break;
        }
    }
    let counter = transaction.get(&keyspace::usage(prefix)).await?;
    let counter = counter.and_then(|counter| counter.as_ref().try_into().ok());
    Ok((counter.map_or(0, u64::from_be_bytes), bytes))
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
