//! Ranges in a transaction: the stored rows with the call's own writes among them, and the memory of what was read.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::{Ended, Transaction};
use crate::storage::engine::{Direction, Key, MAX_SCAN_ROWS, Range, Rows, Scan, Versioned};
use crate::storage::keyspace;

/// Rows that were read in one go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// The rows, in the direction of the scan.
    pub rows: Vec<(Key, Bytes)>,
    /// Behind which key there may be others; none where the range is exhausted.
    pub behind: Option<Key>,
}

impl Transaction {
    /// At most `limit` rows (at most `MAX_SCAN_ROWS`) behind `after`, the call's own writes included.
    /// Fewer than `limit` rows means that the range is exhausted.
    pub async fn scan(
        &mut self,
        range: &Range,
        after: Option<&Key>,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<(Key, Bytes)>, Ended> {
        let scan = Scan {
            after: after.cloned(),
            direction,
            ..Scan::first(range.clone(), limit)
        };
        Ok(self.rows(scan).await?.rows)
    }

    /// The same, up to the row that brings the stored values to `max_bytes`: there may be fewer rows, or none, although the range
    /// goes on.
    pub async fn scan_within(
        &mut self,
        range: &Range,
        after: Option<&Key>,
        (limit, max_bytes): (usize, usize),
        direction: Direction,
    ) -> Result<Scanned, Ended> {
        let scan = Scan {
            after: after.cloned(),
            max_bytes,
            direction,
            ..Scan::first(range.clone(), limit)
        };
        self.rows(scan).await
    }

    /// The keys of the rows that `scan` would find, without reading their values.
    pub async fn scan_keys(
        &mut self,
        range: &Range,
        after: Option<&Key>,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Key>, Ended> {
        let scan = Scan {
            after: after.cloned(),
            direction,
            ..Scan::keys(range.clone(), limit)
        };
        Ok(self.rows(scan).await?.rows.into_iter().map(|(key, _)| key).collect())
    }

    async fn rows(&mut self, mut scan: Scan) -> Result<Scanned, Ended> {
        self.check()?;
        self.confirm().await?;
        scan.limit = scan.limit.min(MAX_SCAN_ROWS);
        let (limit, direction) = (scan.limit, scan.direction);
        if limit == 0 {
            return Ok(Scanned::default());
        }
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let is_exhausted = loop {
            let remaining = scan.remaining();
            let seen = match self.engine.scan(&scan).await {
                Ok(seen) => seen,
                Err(unavailable) => return self.end(unavailable.into()),
            };
            self.move_to(seen.applied).await?;
            // What a range does not hold may have been removed by the very last commit.
            self.seen = self.seen.max(seen.applied);
            let read: usize = seen.data.iter().map(|(_, row)| row.value.len()).sum();
            bytes += read;
            let last = (seen.data.len() == limit || read >= scan.max_bytes)
                .then(|| seen.data.last().map(|(key, _)| key.clone()))
                .flatten();
            let covered = match (&last, direction) {
                (None, _) => remaining,
                (Some(last), Direction::Forward) => Range {
                    end: keyspace::successor(last),
                    ..remaining
                },
                (Some(last), Direction::Backward) => Range {
                    start: last.clone(),
                    ..remaining
                },
            };
            rows.extend(self.merge(seen.data, &covered, direction));
            self.record_range(covered)?;
            if last.is_none() {
                break rows.len() <= limit;
            }
            scan.after = last;
            if rows.len() >= limit || bytes >= scan.max_bytes {
                break false;
            }
        };
        // The call's own writes may be among them, so that there are more than were wanted.
        let behind = match rows.get(limit - 1) {
            Some((key, _)) if rows.len() > limit => Some(key.clone()),
            _ => scan.after,
        };
        rows.truncate(limit);
        self.scanned_rows += rows.len();
        Ok(Scanned {
            rows,
            behind: behind.filter(|_| !is_exhausted),
        })
    }

    /// The stored rows of a covered range with the call's own writes to it, in the direction of the scan.
    fn merge(&self, stored: Rows, covered: &Range, direction: Direction) -> Vec<(Key, Bytes)> {
        let stored = stored.into_iter().filter(|(_, row)| self.lives(row.expires_ms));
        let stored = stored.map(|(key, Versioned { value, .. })| (key, value));
        if self.writes.is_empty() || covered.start >= covered.end {
            return stored.collect();
        }
        let mut merged: BTreeMap<Key, Bytes> = stored.collect();
        let bounds = (Bound::Included(&covered.start), Bound::Excluded(&covered.end));
        for (key, put) in self.writes.range::<Key, _>(bounds) {
            match put.as_ref().filter(|put| self.lives(put.expires_ms)) {
                Some(put) => merged.insert(key.clone(), put.value.clone()),
                None => merged.remove(key),
            };
        }
        match direction {
            Direction::Forward => merged.into_iter().collect(),
            Direction::Backward => merged.into_iter().rev().collect(),
        }
    }

    /// Records a range as read; the pages of one scan, which may overlap, become one range.
    fn record_range(&mut self, range: Range) -> Result<(), Ended> {
        match self.reads.ranges.last_mut() {
            Some(last) if last.start <= range.end && range.start <= last.end => {
                last.start = range.start.min(last.start.clone());
                last.end = range.end.max(last.end.clone());
            }
            _ => {
                self.hold(range.start.len() + range.end.len())?;
                self.reads.ranges.push(range);
            }
        }
        Ok(())
    }
}
