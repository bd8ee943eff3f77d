//! Queries: the ways of the plan, tried best first, none of them over more rows than the limit.

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::filter::{Question, refuse_write_only};
use super::page::{Effort, Found, Items, MAX_PAGE_BYTES, Matching};
use super::plan::{self, Path, Source};
use super::rows::{Examined, LOADED_AT_A_TIME};
use super::{Documents, Error};
use crate::capabilities::model::{Document, Page, Selection};
use crate::policy::Caller;
use crate::storage::engine::{Direction, Range};

/// Once the queries of one request have read this many rows, it may ask no further one.
pub const MAX_ROWS_OF_REQUEST: usize = 200_000;
/// The longest sort values that a cursor can hold.
const MAX_POSITION_BYTES: usize = 5_000;

impl Documents<'_> {
    /// One page of the documents that match, under the scope.
    pub async fn query(&mut self, selection: &Selection) -> Result<Page, Error> {
        if !self.write_only {
            refuse_write_only(self.collection, selection)?;
        }
        let Some(scope) = &self.readable else {
            return Ok(Page {
                total: selection.with_total.then_some(0),
                ..Page::default()
            });
        };
        if self.transaction.scanned_rows() > MAX_ROWS_OF_REQUEST {
            let message = format!("the request has read more than {MAX_ROWS_OF_REQUEST} rows: ask for less at a time");
            return Err(Error::TooManyRows(message));
        }
        let question = Question::new(self.collection, selection, scope)?;
        let bound_to = self.binding(&question);
        let after = selection
            .cursor
            .as_deref()
            .map(|cursor| self.opened(&bound_to, cursor))
            .transpose()?;
        self.catalogue.pin(self.transaction)?;
        let collection = self.collection;
        let paths = plan::paths(collection, &question);
        let found = self.page(&paths, &question, after.as_deref()).await?;
        let total = match found.total {
            _ if !selection.with_total => None,
            Some(total) => Some(total),
            None => Some(self.count(&paths, &question).await?),
        };
        let next = match found.behind {
            Some(position) => self.cursor(&bound_to, &position)?,
            None if found.more => self.next(&bound_to, &question, found.items.last())?,
            None => None,
        };
        let items = found.items.into_iter().map(|document| self.shown(document));
        Ok(Page {
            items: items.collect::<Result<_, _>>()?,
            next,
            total,
        })
    }

    /// What a cursor is bound to: the query, but for the size of its pages, and the caller.
    fn binding(&self, question: &Question) -> Vec<u8> {
        let caller = match self.caller {
            Caller::Anonymous => "anonymous".to_owned(),
            Caller::Account(account) => account.id.to_string(),
            Caller::Operator => "operator".to_owned(),
        };
        let Question {
            predicates,
            sort,
            ids_descend,
            limit: _,
            scope: _,
        } = question;
        let text = format!("{:?}", (self.collection.name(), caller, predicates, sort, ids_descend));
        Sha256::digest(text).to_vec()
    }

    fn opened(&self, bound_to: &[u8], cursor: &str) -> Result<Vec<u8>, Error> {
        self.cursors
            .open(bound_to, cursor)
            .filter(|position| position.len() >= size_of::<Uuid>())
            .ok_or_else(|| Error::BadSelection {
                code: "bad_cursor",
                message: "the cursor is not from this query and caller: start again without one".to_owned(),
            })
    }

    fn next(&self, bound_to: &[u8], question: &Question, last: Option<&Document>) -> Result<Option<String>, Error> {
        let Some(last) = last else { return Ok(None) };
        self.cursor(bound_to, &question.position(last, &self.parsed(last)?))
    }

    fn cursor(&self, bound_to: &[u8], position: &[u8]) -> Result<Option<String>, Error> {
        if position.len() > MAX_POSITION_BYTES {
            let message = "the values that it sorts by are too long to go on behind: sort by another field".to_owned();
            return Err(Error::BadSelection {
                code: "sort_value_too_long",
                message,
            });
        }
        Ok(self.cursors.seal(bound_to, position))
    }

    async fn page(&mut self, paths: &[Path<'_>], question: &Question, after: Option<&[u8]>) -> Result<Found, Error> {
        for path in paths {
            let found = match path.order {
                Some(direction) => self.in_order(path, direction, question, after).await?,
                None => self.gathered(path, question, after).await?,
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(self.too_many_rows(question))
    }

    /// Follows rows that come in the order asked for, up to the end of the page; `None` where too many are passed over. Where
    /// only the policies pass over them, the page ends there, and its cursor leads on.
    async fn in_order(
        &mut self,
        path: &Path<'_>,
        direction: Direction,
        question: &Question,
        after: Option<&[u8]>,
    ) -> Result<Option<Found>, Error> {
        let exact = path.is_exact(question);
        let leads_on = !exact && path.serves_all(question);
        let wanted = question.limit + 1;
        let mut behind = after.and_then(|position| self.key_at(path, direction, position));
        let (mut items, mut effort) = (Items::default(), Effort::towards(wanted));
        let [range] = path.ranges() else { return Ok(None) };
        while items.open(wanted) {
            let mut most = effort.at_a_time();
            if exact {
                most = most.min(wanted - items.documents.len());
            }
            if leads_on {
                most = most.min(effort.left());
            }
            effort.pause().await;
            let examined = self.examine(path, (range, direction), behind.as_ref(), most).await?;
            effort.spend(&examined);
            behind = examined.behind;
            let documents = examined.documents;
            let last = documents.last().cloned();
            for document in documents {
                if !items.open(wanted) {
                    return Ok(Some(items.page(question.limit, true)));
                }
                if exact || question.holds(&document, &self.parsed(&document)?, &path.served) {
                    items.push(document);
                }
            }
            if behind.is_none() {
                return Ok(Some(items.page(question.limit, false)));
            }
            if !exact && effort.is_too_much() || leads_on && effort.is_spent() {
                return self.cut_short(items, question, last.filter(|_| leads_on));
            }
        }
        Ok(Some(items.page(question.limit, true)))
    }

    /// A page that ends where the limit struck; its cursor leads on behind the last document that was looked at.
    fn cut_short(&self, items: Items, question: &Question, last: Option<Document>) -> Result<Option<Found>, Error> {
        let page = |items: Items| items.page(question.limit, true);
        // A full page may be the last one: then the next one is empty.
        if items.documents.len() >= question.limit {
            return Ok(Some(page(items)));
        }
        let Some(last) = last else { return Ok(None) };
        let behind = Some(question.position(&last, &self.parsed(&last)?));
        Ok(Some(Found { behind, ..page(items) }))
    }

    /// Looks at all rows of a way and sorts; `None` where there are too many.
    async fn gathered(
        &mut self,
        path: &Path<'_>,
        question: &Question,
        after: Option<&[u8]>,
    ) -> Result<Option<Found>, Error> {
        let Some(Matching { first, total }) = self.matching(path, question, after, question.limit + 1).await? else {
            return Ok(None);
        };
        let mut items = Items::default();
        for (_, document) in first {
            if !items.open(question.limit + 1) {
                break;
            }
            items.push(document);
        }
        let more = items.bytes >= MAX_PAGE_BYTES;
        Ok(Some(Found {
            total: Some(total),
            ..items.page(question.limit, more)
        }))
    }

    /// The first `wanted` documents of a way behind `after`, and how many match in all; `None` where there are too many
    /// rows.
    pub(super) async fn matching(
        &mut self,
        path: &Path<'_>,
        question: &Question,
        after: Option<&[u8]>,
        wanted: usize,
    ) -> Result<Option<Matching>, Error> {
        let mut matching = Matching::default();
        let mut effort = Effort::towards(wanted);
        for ids in self.points(path).await?.chunks(LOADED_AT_A_TIME) {
            effort.pause().await;
            let examined = Examined {
                documents: self.load(ids).await?,
                rows: ids.len(),
                behind: None,
            };
            effort.spend(&examined);
            self.sift(&mut matching, examined.documents, path, question, after)?;
            matching.keep_first(wanted);
        }
        for range in path.ranges() {
            let mut behind = None;
            loop {
                effort.pause().await;
                let (part, most) = ((range, Direction::Forward), effort.at_a_time());
                let examined = self.examine(path, part, behind.as_ref(), most).await?;
                effort.spend(&examined);
                behind = examined.behind;
                if effort.is_too_much() {
                    return Ok(None);
                }
                self.sift(&mut matching, examined.documents, path, question, after)?;
                matching.keep_first(wanted);
                if behind.is_none() {
                    break;
                }
            }
        }
        matching.keep_first(wanted);
        Ok(Some(matching))
    }

    /// Adds the documents for which the question holds.
    fn sift(
        &self,
        matching: &mut Matching,
        documents: Vec<Document>,
        path: &Path<'_>,
        question: &Question,
        after: Option<&[u8]>,
    ) -> Result<(), Error> {
        for document in documents {
            let body = self.parsed(&document)?;
            if question.holds(&document, &body, &path.served) {
                matching.total += 1;
                let position = question.position(&document, &body);
                if after.is_none_or(|after| position.as_slice() > after) {
                    matching.first.push((position, document));
                }
            }
        }
        Ok(())
    }

    pub(super) fn parsed(&self, document: &Document) -> Result<Value, Error> {
        serde_json::from_slice(&document.body).map_err(|_| self.damaged())
    }
}

impl Path<'_> {
    pub(super) fn ranges(&self) -> &[Range] {
        match &self.source {
            Source::Index { ranges, .. } => ranges,
            Source::Documents(range) => std::slice::from_ref(range),
            Source::Unique(_) | Source::Ids(_) => &[],
        }
    }
}
