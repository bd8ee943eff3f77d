//! How many documents match: the rows of a way that leads to just them are counted, or else all are looked at.

use super::filter::Question;
use super::plan::Path;
use super::{Documents, Error};
use crate::storage::engine::{Direction, MAX_SCAN_ROWS};

/// The most rows that are counted where an index, or no condition, makes looking at documents needless.
pub const MAX_COUNTED: u64 = 1_000_000;

impl Documents<'_> {
    /// How many documents the question is about; the ways are those of the plan.
    pub(super) async fn count(&mut self, paths: &[Path<'_>], question: &Question) -> Result<u64, Error> {
        if let Some(path) = paths
            .iter()
            .find(|path| path.is_exact(question) && !path.ranges().is_empty())
        {
            return self.count_rows(path).await;
        }
        for path in paths {
            if let Some(matching) = self.matching(path, question, None, 0).await? {
                return Ok(matching.total);
            }
        }
        Err(self.too_many_rows(question))
    }

    async fn count_rows(&mut self, path: &Path<'_>) -> Result<u64, Error> {
        let mut counted = 0;
        for range in path.ranges() {
            let mut behind = None;
            loop {
                if counted > 0 {
                    // Other calls want to run in between.
                    tokio::task::yield_now().await;
                }
                // Not the values: documents may be large.
                let keys = self
                    .transaction
                    .scan_keys(range, behind.as_ref(), MAX_SCAN_ROWS, Direction::Forward)
                    .await?;
                counted += keys.len() as u64;
                if counted > MAX_COUNTED {
                    let message =
                        format!("more than {MAX_COUNTED} documents match: leave the count out, or narrow the filters");
                    return Err(Error::BadSelection {
                        code: "too_many_to_count",
                        message,
                    });
                }
                if keys.len() < MAX_SCAN_ROWS {
                    break;
                }
                behind = keys.last().cloned();
            }
        }
        Ok(counted)
    }
}
