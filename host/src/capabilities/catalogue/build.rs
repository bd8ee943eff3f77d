//! Building indexes on documents that were there before, and sweeping the entries of those that are gone, page by page
//! beside the calls that write.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::definition::{Definition, IndexDefinition, IndexState, MayHold};
use super::{Catalogue, CatalogueError, CatalogueState, Collection, Index};
use crate::capabilities::documents::{index, stored};
use crate::storage::engine::{Direction, Key, PAGE_BYTES};
use crate::storage::keyspace;
use crate::storage::transaction::{Ended, Scanned, Transaction};

/// Documents of one commit of the builder; fewer after a conflict.
const PAGE: usize = 100;
/// Entries that one commit removes.
const SWEPT_AT_A_TIME: usize = 500;
/// How many documents in the way a failed build names.
const MAX_NAMED: usize = 100;

/// What one page of a build came to.
enum Step {
    More { behind: Key, held: Vec<MayHold> },
    Done { held: Vec<MayHold> },
    InTheWay(Vec<Uuid>),
}

/// Builds what is to be built and sweeps what is to be swept; returns when nothing is left. May be stopped at any moment:
/// each page is a commit of its own, and pages that were done are harmless to do again.
pub async fn build_indexes(catalogue: &Catalogue, now_ms: impl Fn() -> u64) -> Result<(), CatalogueError> {
    loop {
        let state = catalogue.current();
        let Some((collection, index)) = next_open(&state) else {
            return Ok(());
        };
        if index.state == IndexState::Building {
            build(catalogue, collection, index, &now_ms).await?;
        } else {
            sweep(catalogue, collection, index, &now_ms).await?;
        }
    }
}

/// An index that there is something to do for.
fn next_open(state: &CatalogueState) -> Option<(&Arc<Collection>, &Index)> {
    let all = state
        .collections()
        .flat_map(|collection| collection.indexes().iter().map(move |index| (collection, index)));
    let mut open =
        all.filter(|(_, index)| !matches!(index.state, IndexState::Ready | IndexState::Failed { swept: true, .. }));
    open.next()
}

async fn build(
    catalogue: &Catalogue,
    collection: &Collection,
    index: &Index,
    now_ms: &impl Fn() -> u64,
) -> Result<(), CatalogueError> {
    let (mut behind, mut size) = (None, PAGE);
    let mut held = vec![MayHold::default(); index.parts.len()];
    let state = loop {
        let mut transaction = Transaction::begin(catalogue.engine().clone(), now_ms());
        let step = match page(&mut transaction, collection, index, behind.as_ref(), size).await {
            Ok(step) => transaction.commit().await.map(|_| step),
            Err(ended) => Err(ended),
        };
        match step {
            Ok(Step::More {
                behind: reached,
                held: found,
            }) => {
                merge(&mut held, &found);
                (behind, size) = (Some(reached), PAGE);
            }
            Ok(Step::Done { held: found }) => {
                merge(&mut held, &found);
                break IndexState::Ready;
            }
            Ok(Step::InTheWay(documents)) => {
                let documents = documents.iter().map(Uuid::to_string).collect();
                break IndexState::Failed {
                    documents,
                    swept: false,
                };
            }
            // Somebody writes there: a smaller page is sooner done.
            Err(Ended::Conflict(_)) => {
                size = (size / 2).max(1);
                tokio::task::yield_now().await;
            }
            Err(ended) => return Err(ended.into()),
        }
    };
    report(collection, index, &state);
    settle(catalogue, collection, index, now_ms(), |definition| {
        merge(&mut definition.may_hold, &held);
        definition.state = state.clone();
        true
    })
    .await
}

async fn page(
    transaction: &mut Transaction,
    collection: &Collection,
    index: &Index,
    behind: Option<&Key>,
    size: usize,
) -> Result<Step, Ended> {
    let range = keyspace::documents(collection.name());
    let scanned = transaction.scan_within(&range, behind, (size, PAGE_BYTES), Direction::Forward);
    let Scanned { rows, behind } = scanned.await?;
    let (mut held, mut in_the_way) = (vec![MayHold::default(); index.parts.len()], Vec::new());
    for (key, value) in &rows {
        let Some((_, id)) = keyspace::parse_document(key) else {
            continue;
        };
        let document = stored::decode(id, value.clone());
        let parsed = document.and_then(|document| Some((serde_json::from_slice(&document.body).ok()?, document)));
        let Some((body, document)) = parsed else {
            in_the_way.push(id);
            continue;
        };
        merge(&mut held, &index::held(index, &document, &body));
        match index::entries(collection, index, &document, &body) {
            Ok(entries) => in_the_way.extend(put(transaction, index, id, entries).await?),
            Err(_) => in_the_way.push(id),
        }
    }
    if !in_the_way.is_empty() {
        in_the_way.truncate(MAX_NAMED);
        return Ok(Step::InTheWay(in_the_way));
    }
    Ok(match behind {
        Some(behind) => Step::More { behind, held },
        None => Step::Done { held },
    })
}

/// Puts the entries of a document; both documents' ids where a unique one is taken.
async fn put(
    transaction: &mut Transaction,
    index: &Index,
    id: Uuid,
    entries: BTreeSet<Key>,
) -> Result<Vec<Uuid>, Ended> {
    for key in entries {
        if !index.unique {
            transaction.put(key, Bytes::new(), None);
            continue;
        }
        match transaction
            .get(&key)
            .await?
            .and_then(|held| Uuid::from_slice(&held).ok())
        {
            Some(held) if held != id => return Ok(vec![held, id]),
            _ => transaction.put(key, Bytes::copy_from_slice(id.as_bytes()), None),
        }
    }
    Ok(Vec::new())
}

async fn sweep(
    catalogue: &Catalogue,
    collection: &Collection,
    index: &Index,
    now_ms: &impl Fn() -> u64,
) -> Result<(), CatalogueError> {
    let range = index.entries_from(collection.name(), &[]);
    loop {
        let mut transaction = Transaction::begin(catalogue.engine().clone(), now_ms());
        let swept = match transaction
            .scan(&range, None, SWEPT_AT_A_TIME, Direction::Forward)
            .await
        {
            Ok(rows) => {
                let count = rows.len();
                rows.into_iter().for_each(|(key, _)| transaction.delete(key));
                transaction.commit().await.map(|_| count)
            }
            Err(ended) => Err(ended),
        };
        match swept {
            Ok(count) if count < SWEPT_AT_A_TIME => break,
            Ok(_) | Err(Ended::Conflict(_)) => tokio::task::yield_now().await,
            Err(ended) => return Err(ended.into()),
        }
    }
    settle(
        catalogue,
        collection,
        index,
        now_ms(),
        |definition| match &mut definition.state {
            IndexState::Failed { swept, .. } => {
                *swept = true;
                true
            }
            _ => false,
        },
    )
    .await
}

/// Changes the definition of an index, or drops it where `edit` says so; not where somebody else has moved it on.
async fn settle(
    catalogue: &Catalogue,
    collection: &Collection,
    index: &Index,
    now_ms: u64,
    mut edit: impl FnMut(&mut IndexDefinition) -> bool,
) -> Result<(), CatalogueError> {
    let change = |definition: &mut Definition| {
        if let Some(collection) = definition.collections.get_mut(&**collection.name()) {
            collection
                .indexes
                .retain_mut(|known| known.id != index.id || known.state != index.state || edit(known));
        }
        Ok(())
    };
    catalogue.change(now_ms, change).await
}

fn merge(held: &mut [MayHold], found: &[MayHold]) {
    held.iter_mut()
        .zip(found)
        .for_each(|(known, found)| *known = known.or(*found));
}

fn report(collection: &Collection, index: &Index, state: &IndexState) {
    let (collection, fields) = (collection.name(), index.names().join(","));
    match state {
        IndexState::Failed { documents, .. } => {
            tracing::error!(%collection, %fields, unique = index.unique, ?documents,
                "the index can't be built: these documents are equal in it, or hold values that no index takes; \
                 mend them and declare the index again (reload or restart)");
        }
        _ => tracing::info!(%collection, %fields, unique = index.unique, "the index is ready"),
    }
}
