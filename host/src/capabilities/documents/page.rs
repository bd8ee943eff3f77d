//! A page in the making, and what bounds the effort for it.

use super::filter::Question;
use super::rows::Examined;
use super::{Documents, Error, plan};
use crate::capabilities::catalogue::{Index, IndexState};
use crate::capabilities::model::Document;

/// The most rows that a query examines where no index leads straight to what it asks for.
pub const MAX_EXAMINED: usize = 10_000;
/// The most that the bodies examined may take; the bodies of a page that an index leads straight to don't count.
pub const MAX_EXAMINED_BYTES: usize = 64 << 20;
/// The fewest and the most rows that are examined at a time where it is not known how many are needed.
const EXAMINED_AT_A_TIME: (usize, usize) = (32, 256);
/// A page ends early once its bodies take this much.
pub const MAX_PAGE_BYTES: usize = 2 << 20;

/// What one way found: a page and, for free, sometimes the number of all.
pub struct Found {
    /// The documents.
    pub items: Vec<Document>,
    /// Whether there may be others behind them.
    pub more: bool,
    /// How many match in all, where that is known.
    pub total: Option<u64>,
    /// Where the next page begins, unless it is behind the last document.
    pub behind: Option<Vec<u8>>,
}

/// A page in the making.
#[derive(Default)]
pub struct Items {
    /// The documents so far.
    pub documents: Vec<Document>,
    /// What their bodies take.
    pub bytes: usize,
}

impl Items {
    /// Whether another document goes onto the page.
    pub fn open(&self, wanted: usize) -> bool {
        self.documents.len() < wanted && self.bytes < MAX_PAGE_BYTES
    }

    /// Adds the next document.
    pub fn push(&mut self, document: Document) {
        self.bytes += document.body.len();
        self.documents.push(document);
    }

    /// The page; `more` says whether documents may follow the last one.
    pub fn page(mut self, limit: usize, more: bool) -> Found {
        let more = more || self.documents.len() > limit;
        self.documents.truncate(limit);
        Found {
            items: self.documents,
            more,
            total: None,
            behind: None,
        }
    }
}

/// The first documents that match, with their positions, and how many match in all.
#[derive(Default)]
pub struct Matching {
    /// With their positions, smallest first once `keep_first` has run.
    pub first: Vec<(Vec<u8>, Document)>,
    /// How many match in all.
    pub total: u64,
}

impl Matching {
    /// Forgets all but the first ones, as many as a page takes.
    pub fn keep_first(&mut self, wanted: usize) {
        if wanted == 0 {
            // They are only counted.
            return self.first.clear();
        }
        self.first.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let mut bytes = 0;
        let fits = self.first.iter().take_while(|(_, document)| {
            let is_open = bytes < MAX_PAGE_BYTES;
            bytes += document.body.len();
            is_open
        });
        let fits = fits.count();
        self.first.truncate(wanted.min(fits));
    }
}

/// What a query has examined.
pub struct Effort {
    rows: usize,
    bytes: usize,
    at_a_time: usize,
}

impl Effort {
    /// None yet, of a query that wants so many documents.
    pub fn towards(wanted: usize) -> Self {
        let (fewest, most) = EXAMINED_AT_A_TIME;
        Self {
            rows: 0,
            bytes: 0,
            at_a_time: wanted.clamp(fewest, most),
        }
    }

    /// How many rows to examine next: more from one time to the next, unless they lead to what is large.
    pub fn at_a_time(&self) -> usize {
        self.at_a_time
    }

    /// Lets other calls run once there is something to pause from.
    pub async fn pause(&self) {
        if self.rows > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Counts rows, and the documents that they led to.
    pub fn spend(&mut self, examined: &Examined) {
        self.rows += examined.rows;
        let bodies = examined.documents.iter().map(|document| document.body.len());
        self.bytes += bodies.sum::<usize>();
        let is_cut_short = examined.behind.is_some() && examined.rows < self.at_a_time;
        let (fewest, most) = EXAMINED_AT_A_TIME;
        self.at_a_time = match is_cut_short {
            true => examined.rows.max(fewest),
            false => (2 * self.at_a_time).min(most),
        };
    }

    /// How many rows there may still be, if a way is followed row by row; at least one.
    pub fn left(&self) -> usize {
        MAX_EXAMINED.saturating_sub(self.rows).max(1)
    }

    /// Whether the limits are reached.
    pub fn is_spent(&self) -> bool {
        self.rows >= MAX_EXAMINED || self.bytes >= MAX_EXAMINED_BYTES
    }

    /// Whether the limits are passed.
    pub fn is_too_much(&self) -> bool {
        self.rows > MAX_EXAMINED || self.bytes > MAX_EXAMINED_BYTES
    }
}

impl Documents<'_> {
    /// What to tell where too many rows would have to be examined.
    pub(super) fn too_many_rows(&self, question: &Question) -> Error {
        let state_of = |index: &Vec<String>| {
            let same = |known: &&Index| known.is_maintained() && !known.unique && known.names() == *index;
            self.collection.indexes().iter().find(same).map(|known| &known.state)
        };
        match plan::index_to_declare(self.collection, question) {
            Some(index) if state_of(&index) != Some(&IndexState::Ready) => Error::IndexRequired {
                being_built: state_of(&index).is_some(),
                index,
            },
            // No index knows what the policies allow.
            _ if question.scope.is_some() => Error::TooManyRows(format!(
                "the operator's policies are asked about each document, of at most {MAX_EXAMINED}: narrow the filters, and \
                 leave the count out"
            )),
            _ => Error::TooManyRows(format!(
                "more than {MAX_EXAMINED} documents, or {} MiB of them, would have to be examined, and no index helps: \
                 narrow the filters",
                MAX_EXAMINED_BYTES >> 20
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn document(bytes: usize) -> Document {
        Document {
            id: Uuid::now_v7(),
            revision: 1,
            owner: None,
            created_ms: 0,
            updated_ms: 0,
            body: vec![b' '; bytes].into(),
        }
    }

    #[test]
    fn of_what_matches_no_more_is_kept_than_a_page_takes() {
        let matching = |bytes: usize, count: u8| Matching {
            first: (0..count)
                .rev()
                .map(|position| (vec![position], document(bytes)))
                .collect(),
            total: u64::from(count),
        };
        let kept = |mut matching: Matching, wanted: usize| {
            matching.keep_first(wanted);
            let positions: Vec<u8> = matching.first.iter().map(|(position, _)| position[0]).collect();
            assert!(positions.is_sorted());
            positions.len()
        };
        assert_eq!(kept(matching(10, 100), 20), 20);
        assert_eq!(kept(matching(10, 10), 20), 10);
        // The one that fills the page is on it.
        assert_eq!(kept(matching(MAX_PAGE_BYTES / 4 + 1, 100), 20), 4);
        assert_eq!(kept(matching(MAX_PAGE_BYTES + 1, 100), 20), 1);
    }
}
