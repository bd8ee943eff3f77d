//! Whether anything is left of an account: every logical key of the store is looked at.

use serde::Serialize;
use uuid::Uuid;

use super::stranger;
use crate::accounts::Accounts;
use crate::accounts::address::Address;
use crate::accounts::error::Error;
use crate::storage::keyspace::{self, Kept};
use crate::storage::search;

/// The most places that are named.
const MAX_NAMED: usize = 100;
/// Which of the things that are looked for is the address.
const ADDRESS: usize = 3;

/// What is left of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traces {
    /// Keys that were looked at.
    pub keys: u64,
    /// Entries that hold nothing but the account's id, as they should: the audit log's, the receipt.
    pub opaque: u64,
    /// How many others hold its id or its address.
    pub left: u64,
    /// The first of them.
    pub places: Vec<String>,
}

impl Accounts {
    /// Looks for the id of an account, and its address where it is known, in every key and every value, and for what is kept of
    /// attempts to log in with them while they were nobody's.
    pub async fn traces(&self, account: Uuid, address: Option<&Address>) -> Result<Traces, Error> {
        let text = account.to_string();
        let attempts = |text: &str| stranger(text).as_bytes().to_vec();
        let mut needles = vec![account.as_bytes().to_vec(), attempts(&text), text.into_bytes()];
        if let Some(address) = address.map(Address::as_str) {
            needles.extend([address.as_bytes().to_vec(), attempts(address)]);
        }
        let mut traces = Traces::default();
        traces.keys = search::search(&self.engine, &needles, |key, found| {
            let what = match keyspace::kept(key) {
                // Its id may be there, its address may not.
                Kept::Opaque if !found.contains(&ADDRESS) => {
                    traces.opaque += 1;
                    return;
                }
                Kept::Opaque => "an entry of the audit log, or a receipt".to_owned(),
                Kept::Named(what) => what,
            };
            traces.left += 1;
            if traces.places.len() < MAX_NAMED {
                traces.places.push(what);
            }
        })
        .await?;
        Ok(traces)
    }
}
