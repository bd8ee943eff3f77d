//! Whether documents and index entries agree, for `portcullis verify`.

use uuid::Uuid;

use super::{Catalogue, Collection, Index, IndexState};
use crate::capabilities::documents::{index, stored};
use crate::storage::engine::{Direction, Key, PAGE_BYTES, Range};
use crate::storage::keyspace;
use crate::storage::transaction::{Ended, Transaction};

/// Rows that are compared in one state of the store.
const PAGE: usize = 200;
/// How often a page is tried again while calls write there.
const MAX_ATTEMPTS: usize = 1_000;
/// How many disagreements are told in words.
const MAX_TOLD: usize = 100;

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Documents that were looked at.
    pub documents: u64,
    /// Index entries that were looked at.
    pub entries: u64,
    /// How many disagreements there are.
    pub faults: u64,
    /// The first of them, as sentences.
    pub told: Vec<String>,
}

impl AuditReport {
    fn fault(&mut self, sentence: String) {
        self.faults += 1;
        if self.told.len() < MAX_TOLD {
            self.told.push(sentence);
        }
    }
}

/// Compares every document with its entries, and every entry of a ready index with its document. May run beside calls.
pub async fn audit(catalogue: &Catalogue, now_ms: u64) -> Result<AuditReport, Ended> {
    let mut report = AuditReport::default();
    let state = catalogue.current();
    for collection in state.collections() {
        let ready: Vec<&Index> = collection
            .indexes()
            .iter()
            .filter(|index| index.state == IndexState::Ready)
            .collect();
        pages(
            catalogue,
            now_ms,
            &keyspace::documents(collection.name()),
            &mut report,
            Look::Documents(collection, &ready),
        )
        .await?;
        for index in ready {
            let range = index.entries_from(collection.name(), &[]);
            pages(catalogue, now_ms, &range, &mut report, Look::Entries(collection, index)).await?;
        }
    }
    Ok(report)
}

/// What the rows of a range are.
#[derive(Clone, Copy)]
enum Look<'a> {
    Documents(&'a Collection, &'a [&'a Index]),
    Entries(&'a Collection, &'a Index),
}

async fn pages(
    catalogue: &Catalogue,
    now_ms: u64,
    range: &Range,
    report: &mut AuditReport,
    look: Look<'_>,
) -> Result<(), Ended> {
    let (mut behind, mut attempts): (Option<Key>, usize) = (None, 0);
    loop {
        let mut transaction = Transaction::begin(catalogue.engine().clone(), now_ms);
        let mut of_page = report.clone();
        match page(&mut transaction, range, behind.as_ref(), &mut of_page, look).await {
            Ok(last) => {
                *report = of_page;
                attempts = 0;
                let Some(last) = last else { return Ok(()) };
                behind = Some(last);
            }
            Err(Ended::Conflict(_)) if attempts < MAX_ATTEMPTS => attempts += 1,
            Err(ended) => return Err(ended),
        }
    }
}

/// Looks at one page; returns behind which key there may be more.
async fn page(
    transaction: &mut Transaction,
    range: &Range,
    behind: Option<&Key>,
    report: &mut AuditReport,
    look: Look<'_>,
) -> Result<Option<Key>, Ended> {
    let bounds = (PAGE, PAGE_BYTES);
    let scanned = transaction.scan_within(range, behind, bounds, Direction::Forward);
    let scanned = scanned.await?;
    for (key, value) in &scanned.rows {
        match look {
            Look::Documents(collection, ready) => {
                report.documents += 1;
                look_at_document(transaction, key, value, collection, ready, report).await?;
            }
            Look::Entries(collection, index) => {
                report.entries += 1;
                let expected = match index::entry_id(index, key, value) {
                    Some(id) => expected(transaction, collection, index, id).await?,
                    None => Vec::new(),
                };
                if !expected.contains(key) {
                    report.fault(format!(
                        "{}: an entry of {:?} is of no document",
                        collection.name(),
                        index.names()
                    ));
                }
            }
        }
    }
    Ok(scanned.behind)
}

async fn look_at_document(
    transaction: &mut Transaction,
    key: &Key,
    value: &bytes::Bytes,
    collection: &Collection,
    ready: &[&Index],
    report: &mut AuditReport,
) -> Result<(), Ended> {
    let document = keyspace::parse_document(key).and_then(|(_, id)| stored::decode(id, value.clone()));
    let parsed = document.and_then(|document| Some((serde_json::from_slice(&document.body).ok()?, document)));
    let Some((body, document)) = parsed else {
        report.fault(format!("{}: a document is not readable", collection.name()));
        return Ok(());
    };
    for index in ready {
        let Ok(entries) = index::entries(collection, index, &document, &body) else {
            report.fault(format!(
                "{}/{}: does not fit into {:?}",
                collection.name(),
                document.id,
                index.names()
            ));
            continue;
        };
        for entry in entries {
            let held = transaction.get(&entry).await?;
            if !held.is_some_and(|held| !index.unique || held == document.id.as_bytes().as_slice()) {
                report.fault(format!(
                    "{}/{}: lacks its entry in {:?}",
                    collection.name(),
                    document.id,
                    index.names()
                ));
            }
        }
    }
    Ok(())
}

async fn expected(
    transaction: &mut Transaction,
    collection: &Collection,
    index: &Index,
    id: Uuid,
) -> Result<Vec<Key>, Ended> {
    // Entries are small, whatever they lead to.
    let document = transaction
        .look_up(&[keyspace::document(collection.name(), id)])
        .await?;
    let document = document.into_iter().flatten().next();
    let document = document.and_then(|value| stored::decode(id, value));
    let parsed = document.and_then(|document| Some((serde_json::from_slice(&document.body).ok()?, document)));
    Ok(parsed
        .and_then(|(body, document)| index::entries(collection, index, &document, &body).ok())
        .into_iter()
        .flatten()
        .collect())
}
