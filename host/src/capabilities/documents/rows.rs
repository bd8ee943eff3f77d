//! The rows of a way, and the documents that they lead to: a few megabytes at a time, as many queries run beside each other.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::plan::{Path, Source};
use super::{Documents, Error, index, stored};
use crate::capabilities::catalogue::Index;
use crate::capabilities::model::Document;
use crate::storage::engine::{Direction, Key, PAGE_BYTES, Range};
use crate::storage::keyspace;
use crate::storage::transaction::Scanned;

/// Documents that are loaded at a time, where rows lead to them.
pub(super) const LOADED_AT_A_TIME: usize = 8;

/// Some rows of a way.
pub(super) struct Examined {
    /// The documents that they led to.
    pub(super) documents: Vec<Document>,
    /// How many rows there were.
    pub(super) rows: usize,
    /// Behind which row there may be others; none at the end.
    pub(super) behind: Option<Key>,
}

impl Documents<'_> {
    /// At most so many rows of a range of a way, behind one of them; fewer where their documents are large.
    pub(super) async fn examine(
        &mut self,
        path: &Path<'_>,
        (range, direction): (&Range, Direction),
        behind: Option<&Key>,
        most: usize,
    ) -> Result<Examined, Error> {
        let bounds = (most, PAGE_BYTES);
        let scanned = self.transaction.scan_within(range, behind, bounds, direction).await?;
        match &path.source {
            Source::Index { index, .. } => self.examine_entries(index, scanned).await,
            _ => self.examine_documents(scanned),
        }
    }

    fn examine_documents(&self, Scanned { rows, behind }: Scanned) -> Result<Examined, Error> {
        let examined = rows.len();
        let documents = rows.into_iter().map(|(key, value)| {
            let document = keyspace::parse_document(&key).and_then(|(_, id)| stored::decode(id, value));
            document.ok_or_else(|| self.damaged())
        });
        Ok(Examined {
            documents: documents.collect::<Result<_, _>>()?,
            rows: examined,
            behind,
        })
    }

    /// Entries of an index are small, whatever they lead to: so some of them may be left for the next time.
    async fn examine_entries(&mut self, index: &Index, scanned: Scanned) -> Result<Examined, Error> {
        let Scanned { rows, behind } = scanned;
        let (mut documents, mut examined, mut bytes) = (Vec::new(), 0, 0);
        for part in rows.chunks(LOADED_AT_A_TIME) {
            let ids = part
                .iter()
                .filter_map(|(key, value)| index::entry_id(index, key, value));
            let loaded = self.load(&ids.collect::<Vec<_>>()).await?;
            bytes += loaded.iter().map(|document| document.body.len()).sum::<usize>();
            documents.extend(loaded);
            examined += part.len();
            if bytes >= PAGE_BYTES && examined < rows.len() {
                return Ok(Examined {
                    documents,
                    rows: examined,
                    behind: part.last().map(|(key, _)| key.clone()),
                });
            }
        }
        Ok(Examined {
            documents,
            rows: examined,
            behind,
        })
    }

    /// The ids of the documents that a way names one by one.
    pub(super) async fn points(&mut self, path: &Path<'_>) -> Result<Vec<Uuid>, Error> {
        let ids: Vec<Uuid> = match &path.source {
            Source::Unique(keys) => {
                let held = self.transaction.get_many(keys).await?;
                held.iter()
                    .flatten()
                    .filter_map(|id| Uuid::from_slice(id).ok())
                    .collect()
            }
            Source::Ids(ids) => ids.iter().filter_map(|id| super::parse_id(id)).collect(),
            Source::Index { .. } | Source::Documents(_) => Vec::new(),
        };
        // A client may name one twice.
        let mut seen = BTreeSet::new();
        Ok(ids.into_iter().filter(|id| seen.insert(*id)).collect())
    }

    /// The key of a position on a way that has the order asked for.
    pub(super) fn key_at(&self, path: &Path<'_>, direction: Direction, position: &[u8]) -> Option<Key> {
        match &path.source {
            Source::Index { index, fixed, .. } => {
                // The id is in the entry of a unique index, not in its key.
                let id_bytes = if index.unique { size_of::<Uuid>() } else { 0 };
                let position = position.get(..position.len().checked_sub(id_bytes)?)?;
                let rest = index::directed(position, direction == Direction::Backward);
                Some(index.key(self.collection.name(), &[fixed.as_slice(), &rest].concat()))
            }
            Source::Documents(_) => {
                let id = Uuid::from_slice(&index::directed(position, direction == Direction::Backward)).ok()?;
                Some(keyspace::document(self.collection.name(), id))
            }
            Source::Unique(_) | Source::Ids(_) => None,
        }
    }

    /// The documents with these ids, in their order.
    pub(super) async fn load(&mut self, ids: &[Uuid]) -> Result<Vec<Document>, Error> {
        let name = self.collection.name();
        let keys: Vec<Key> = ids.iter().map(|id| keyspace::document(name, *id)).collect();
        let values = self.transaction.look_up(&keys).await?;
        // An id that a client asks for may be of no document.
        let found = ids.iter().zip(values).filter_map(|(id, value)| Some((*id, value?)));
        found
            .map(|(id, value)| stored::decode(id, value).ok_or_else(|| self.damaged()))
            .collect()
    }
}
