//! The pages of lists that the host keeps itself: `?limit=100&cursor=…`, where a cursor is the name of the last item.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::problem::Problem;
use super::query;

/// The items of a page, where nothing is said.
const LIMIT: usize = 100;

/// Which page is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Paging<C> {
    /// The item behind which it begins.
    pub(super) behind: Option<C>,
    /// The most items.
    pub(super) limit: usize,
}

impl<C: FromStr> Paging<C> {
    /// Reads a query string. `other` takes the parameters that are about something else, or says that there is no such.
    pub(super) fn read(
        text: &str,
        most: usize,
        mut other: impl FnMut(&str, &str) -> Result<bool, Problem>,
    ) -> Result<Self, Problem> {
        let mut paging = Self {
            behind: None,
            limit: LIMIT.min(most),
        };
        let mut seen = BTreeSet::new();
        for (name, value) in query::pairs(text)? {
            if !seen.insert(name.clone()) {
                return Err(bad(format!("`{name}` is given twice")));
            }
            match &*name {
                "cursor" => {
                    let behind = value.parse().ok();
                    paging.behind = Some(behind.ok_or_else(|| bad("`cursor` is none that was given out".to_owned()))?);
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=most).contains(limit));
                    paging.limit = limit.ok_or_else(|| bad(format!("`limit` is a whole number from 1 to {most}")))?;
                }
                _ if other(&name, &value)? => {}
                _ => return Err(bad(format!("`{name}` is no parameter of this list"))),
            }
        }
        Ok(paging)
    }
}

/// 400: a query string that makes no sense.
pub(super) fn bad(detail: String) -> Problem {
    Problem::bad_request("malformed_query", detail)
}
