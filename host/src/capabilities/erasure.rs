//! What plugins keep of an account: the documents that it owns, and its buckets; found, and removed when it is erased. Page by page,
//! so that it can be done beside the calls of others, and go on after a crash.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::catalogue::{CatalogueState, Collection};
use super::documents::{self, Cursors, Documents, stored};
use super::model::Document;
use crate::manifest::OnErase;
use crate::policy::{Caller, Scope};
use crate::storage::engine::{Direction, Engine, Key, PAGE_BYTES, Quota, Scan, Versioned};
use crate::storage::keyspace;
use crate::storage::transaction::{Ended, Transaction};

/// Documents that are looked at at a time.
const EXAMINED: usize = 200;
/// Documents that one commit removes, and entries of buckets that are read at a time.
const PAGE: usize = 32;
/// Entries of buckets that one commit removes.
const ENTRIES: usize = 200;

/// Some of the documents that an account owns.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// As they were when they were found.
    pub documents: Vec<Document>,
    /// Where the search goes on; `None` at the end.
    pub last: Option<Key>,
}

/// Searches a collection for documents of an account, behind a key. What is found may be gone by the time it is used.
pub async fn owned(
    engine: &Arc<dyn Engine>,
    collection: &str,
    account: Uuid,
    behind: Option<Key>,
) -> Result<Owned, Ended> {
    let mut scan = Scan {
        after: behind,
        max_bytes: PAGE_BYTES,
        ..Scan::first(keyspace::documents(collection), EXAMINED)
    };
    let (mut found, mut found_bytes) = (Owned::default(), 0);
    loop {
        let rows = engine.scan(&scan).await?.data;
        if rows.is_empty() {
            return Ok(found);
        }
        for (key, row) in rows {
            let id = keyspace::parse_document(&key).map(|(_, id)| id);
            let document = id.and_then(|id| stored::decode(id, row.value));
            scan.after = Some(key);
            let Some(document) = document.filter(|document| document.owner == Some(account)) else {
                continue;
            };
            found_bytes += document.body.len();
            found.documents.push(document);
            if found.documents.len() == PAGE || found_bytes >= PAGE_BYTES {
                found.last = scan.after;
                return Ok(found);
            }
        }
        // Others want to be served meanwhile.
        tokio::task::yield_now().await;
    }
}

/// The plugins that keep something in buckets, of whomever.
pub async fn plugins_with_buckets(engine: &Arc<dyn Engine>) -> Result<Vec<String>, Ended> {
    let mut scan = Scan {
        keys_only: true,
        ..Scan::first(keyspace::buckets(), 1)
    };
    let mut plugins = Vec::new();
    loop {
        let rows = engine.scan(&scan).await?.data;
        let Some((plugin, of_plugin)) = rows.first().and_then(|(key, _)| keyspace::parse_bucket(key)) else {
            return Ok(plugins);
        };
        plugins.push(plugin.to_owned());
        scan.after = Some(of_plugin.end);
    }
}

/// Some entries of a bucket, with their names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// As they were when they were found.
    pub entries: Vec<(String, Bytes)>,
    /// Where the search goes on; `None` at the end.
    pub last: Option<Key>,
}

/// What a plugin keeps in the bucket of an account, behind a key.
pub async fn bucket(
    engine: &Arc<dyn Engine>,
    plugin: &str,
    account: Uuid,
    behind: Option<Key>,
) -> Result<Entries, Ended> {
    let name = super::keyvalue::bucket_of(account);
    let scan = Scan {
        after: behind,
        max_bytes: PAGE_BYTES,
        ..Scan::first(keyspace::keyvalue_bucket(plugin, &name), PAGE)
    };
    let rows = engine.scan(&scan).await?.data;
    let last = rows.last().map(|(key, _)| key.clone());
    let entry = |(key, row): (Key, Versioned)| {
        let entry = keyspace::keyvalue_name(&key, plugin, &name)?;
        Some((entry.to_owned(), row.value))
    };
    Ok(Entries {
        entries: rows.into_iter().filter_map(entry).collect(),
        last,
    })
}

/// Removes documents of an account, or has them belong to nobody, as their collection says. How many there were.
pub async fn erase(
    transaction: &mut Transaction,
    catalogue: &CatalogueState,
    collection: &Collection,
    account: Uuid,
    found: &[Document],
) -> Result<u64, Ended> {
    // Nothing is listed here, and nothing grows.
    let (cursors, quota) = (Cursors::new([0; 32]), no_limit());
    let mut documents = Documents {
        transaction,
        catalogue,
        collection,
        cursors: &cursors,
        caller: &Caller::Operator,
        readable: Some(Scope::All),
        writable: Scope::All,
        write_only: true,
        quota: &quota,
    };
    let mut erased = 0;
    for found in found {
        let id = found.id.to_string();
        let document = documents.get(&id).await.map_err(ended)?;
        if document.is_none_or(|document| document.owner != Some(account)) {
            continue;
        }
        match collection.on_erase() {
            OnErase::Delete => documents.delete(&id).await,
            OnErase::Anonymise => documents.disown(&id).await,
        }
        .map_err(ended)?;
        erased += 1;
    }
    Ok(erased)
}

/// Removes some entries of an account's bucket with a plugin. How many there were, and the place at which it goes on: with the
/// next plugin where there were none, and `None` is the end.
pub async fn erase_buckets(
    engine: &Arc<dyn Engine>,
    transaction: &mut Transaction,
    account: Uuid,
    place: Option<Key>,
) -> Result<(u64, Option<Key>), Ended> {
    let all = keyspace::buckets();
    let next = transaction
        .scan_keys(&all, place.as_ref(), 1, Direction::Forward)
        .await?;
    let Some((plugin, of_plugin)) = next.first().and_then(keyspace::parse_bucket) else {
        return Ok((0, None));
    };
    let range = keyspace::keyvalue_bucket(plugin, &super::keyvalue::bucket_of(account));
    let scan = Scan {
        max_bytes: PAGE_BYTES,
        ..Scan::first(range, ENTRIES)
    };
    let entries = engine.scan(&scan).await?.data;
    let removed = entries.len() as u64;
    for (key, _) in entries {
        transaction.delete(key);
    }
    // The same plugin again where there may be more of it; what was removed is not there any more.
    let behind = match removed {
        0 => of_plugin.end,
        _ => place.unwrap_or(all.start),
    };
    Ok((removed, Some(behind)))
}

fn no_limit() -> Quota {
    Quota {
        namespace: String::new(),
        prefixes: Vec::new(),
        limit_bytes: u64::MAX,
    }
}

/// The operator may do everything with a document, so what remains is that the call can't go on, or that it is damaged.
fn ended(error: documents::Error) -> Ended {
    match error {
        documents::Error::Ended(ended) => ended,
        other => Ended::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::memory;

    const ADA: Uuid = Uuid::from_u128(1);
    const EVE: Uuid = Uuid::from_u128(2);

    async fn store(rows: impl IntoIterator<Item = (Key, Bytes)>) -> Arc<dyn Engine> {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().unwrap());
        for (key, value) in rows {
            let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
            transaction.put(key, value, None);
            transaction.commit().await.unwrap();
        }
        engine
    }

    fn document(number: u128, body: &Bytes) -> (Key, Bytes) {
        let id = Uuid::from_u128(number);
        let document = Document {
            id,
            revision: 1,
            owner: Some(if number.is_multiple_of(2) { ADA } else { EVE }),
            created_ms: 0,
            updated_ms: 0,
            body: body.clone(),
        };
        (keyspace::document("notes", id), stored::encode(&document))
    }

    /// How many documents of an account each page has.
    async fn pages(engine: &Arc<dyn Engine>) -> Vec<usize> {
        let (mut pages, mut behind) = (Vec::new(), None);
        loop {
            let found = owned(engine, "notes", ADA, behind).await.unwrap();
            pages.push(found.documents.len());
            behind = found.last;
            if behind.is_none() {
                return pages;
            }
        }
    }

    #[tokio::test]
    async fn large_documents_of_an_account_are_found_a_few_at_a_time() {
        let large = Bytes::from(vec![b' '; 1 << 20]);
        let engine = store((0..22).map(|number| document(number, &large))).await;
        assert_eq!(pages(&engine).await, [2, 2, 2, 2, 2, 1]);
        let engine = store((0..130).map(|number| document(number, &Bytes::new()))).await;
        assert_eq!(pages(&engine).await, [32, 32, 1]);
    }

    #[tokio::test]
    async fn large_entries_of_a_bucket_are_found_a_few_at_a_time() {
        let name = crate::capabilities::keyvalue::bucket_of(ADA);
        let large = Bytes::from(vec![b' '; 256 << 10]);
        let entry = |number: usize| (keyspace::keyvalue("shop", &name, &number.to_string()), large.clone());
        let engine = store((0..40).map(entry)).await;
        let (mut pages, mut behind) = (Vec::new(), None);
        loop {
            let found = bucket(&engine, "shop", ADA, behind).await.unwrap();
            pages.push(found.entries.len());
            behind = found.last;
            if behind.is_none() {
                break;
            }
        }
        assert_eq!(pages, [8, 8, 8, 8, 8, 0]);
    }
}
