//! The ring of recent commits: which keys they wrote, so that ranges can be checked without keeping old versions.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::storage::engine::{Key, Range, Reads, Sequence};

/// At most this many commits are remembered.
const MAX_COMMITS: usize = 16_384;
/// At most this many keys are remembered, over all commits; the newest commit always is.
const MAX_KEYS: usize = 131_072;

/// The keys that one commit wrote or removed, sorted.
pub(super) type Written = Vec<Key>;

/// The recent commits, without a gap.
#[derive(Debug)]
pub(super) struct Recent {
    /// The commits after this one are remembered.
    forgotten: Sequence,
    commits: VecDeque<Written>,
    keys: usize,
    latest: HashMap<Key, Sequence>,
}

/// The keys of `written` that lie in `range`.
pub(super) fn in_range<'a>(written: &'a [Key], range: &Range) -> &'a [Key] {
    let start = written.partition_point(|key| key < &range.start);
    let length = written[start..].partition_point(|key| key < &range.end);
    &written[start..start + length]
}

impl Recent {
    /// Remembers nothing up to `sequence`.
    pub(super) fn after(sequence: Sequence) -> Self {
        Self {
            forgotten: sequence,
            commits: VecDeque::new(),
            keys: 0,
            latest: HashMap::new(),
        }
    }

    /// Whether all commits after `since` are remembered.
    pub(super) fn remembers(&self, since: Sequence) -> bool {
        since >= self.forgotten
    }

    /// The commits after `since`, up to `until`; `since` must be remembered.
    fn between(&self, since: Sequence, until: Sequence) -> impl Iterator<Item = &Written> {
        let skip = usize::try_from(since.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        let take = usize::try_from(until.saturating_sub(since)).unwrap_or(usize::MAX);
        // `VecDeque::range` panics beyond the end; `skip` on its iterator is as fast and does not.
        self.commits.iter().skip(skip).take(take)
    }

    /// Adds the next commit.
    pub(super) fn push(&mut self, written: Written) {
        let sequence = self.forgotten + self.commits.len() as Sequence + 1;
        self.keys += written.len();
        self.latest.extend(written.iter().map(|key| (key.clone(), sequence)));
        self.commits.push_back(written);
        while self.commits.len() > MAX_COMMITS || (self.keys > MAX_KEYS && self.commits.len() > 1) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.commits.pop_front() else { return };
        self.forgotten += 1;
        self.keys -= oldest.len();
        for key in oldest {
            if self.latest.get(&key) == Some(&self.forgotten) {
                self.latest.remove(&key);
            }
        }
    }

    /// Whether a commit after `since` up to `until` wrote `key`; `since` must be remembered.
    fn wrote(&self, key: &Key, since: Sequence, until: Sequence) -> bool {
        match self.latest.get(key) {
            None => false,
            Some(&latest) if latest <= since => false,
            Some(&latest) if latest <= until => true,
            // Written later still; whether also before, only the commits can tell.
            Some(_) => self
                .between(since, until)
                .any(|written| written.binary_search(key).is_ok()),
        }
    }

    /// The keys of `range` that commits after `since` up to `until` wrote; where `since` is forgotten, the range's start.
    pub(super) fn changed_in_range(&self, range: &Range, since: Sequence, until: Sequence) -> BTreeSet<Key> {
        if !self.remembers(since) {
            return BTreeSet::from([range.start.clone()]);
        }
        self.between(since, until)
            .flat_map(|written| in_range(written, range))
            .cloned()
            .collect()
    }

    /// Which of `reads` commits after `since` up to `until` wrote; `None` where `since` is forgotten.
    pub(super) fn changed(&self, reads: &Reads, since: Sequence, until: Sequence) -> Option<BTreeSet<Key>> {
        if !self.remembers(since) {
            return None;
        }
        let keys = reads
            .keys
            .iter()
            .map(|(key, _)| key)
            .filter(|key| self.wrote(key, since, until))
            .cloned();
        let mut changed: BTreeSet<Key> = keys.collect();
        for range in &reads.ranges {
            changed.extend(self.changed_in_range(range, since, until));
        }
        Some(changed)
    }
}
