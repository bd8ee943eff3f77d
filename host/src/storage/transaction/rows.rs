//! Ranges in a transaction: the stored rows with the call's own writes among them, and the memory of what was read.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::{Ended, Transaction};
use crate::storage::engine::{Direction, Key, MAX_SCAN_ROWS, Range, Rows, Scan, Versioned};
use crate::storage::keyspace;

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
        self.rows(Scan {
            after: after.cloned(),
            direction,
            ..Scan::first(range.clone(), limit)
        })
        .await
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
        Ok(self.rows(scan).await?.into_iter().map(|(key, _)| key).collect())
    }

    async fn rows(&mut self, mut scan: Scan) -> Result<Vec<(Key, Bytes)>, Ended> {
        self.check()?;
        if !self.assumed.is_empty() {
            self.confirm().await?;
        }
        scan.limit = scan.limit.min(MAX_SCAN_ROWS);
        let (limit, direction) = (scan.limit, scan.direction);
        let mut rows = Vec::new();
        while rows.len() < limit {
            let remaining = scan.remaining();
            let seen = match self.engine.scan(&scan).await {
                Ok(seen) => seen,
                Err(unavailable) => return self.end(unavailable.into()),
            };
            self.move_to(seen.applied).await?;
            // What a range does not hold may have been removed by the very last commit.
            self.seen = self.seen.max(seen.applied);
            let last = (seen.data.len() == limit)
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
                break;
            }
            scan.after = last;
        }
        rows.truncate(limit);
        self.scanned_rows += rows.len();
        Ok(rows)
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

    /// Records a range as read; the pages of one scan become one range.
    fn record_range(&mut self, range: Range) -> Result<(), Ended> {
        match self.reads.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            Some(last) if last.start == range.end => last.start = range.start,
            Some(last) if *last == range => {}
            _ => {
                self.hold(range.start.len() + range.end.len())?;
                self.reads.ranges.push(range);
            }
        }
        Ok(())
    }
}
