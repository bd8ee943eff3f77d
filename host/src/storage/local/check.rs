//! Checks what lies in a backend, a page at a time.

use std::io;
use std::ops::ControlFlow;

use bytes::Bytes;

use super::backend::Backend;
use super::envelope::{Envelope, damaged};
use crate::storage::engine::{Checked, Direction, Key, MAX_SCAN_ROWS, Range};
use crate::storage::{change_log, keyspace};

/// Checks the rows from `from` on. An error means that the backend could not be read at all.
pub(super) fn page(backend: &impl Backend, from: &Key) -> io::Result<Checked> {
    let range = Range {
        start: from.clone(),
        end: keyspace::everything().end,
    };
    let mut rows = Vec::new();
    let mut checked = Checked::default();
    backend.scan(&range, Direction::Forward, &mut |key, raw| {
        // Chunks are read with the values that they belong to.
        if keyspace::is_chunk(&key) {
            checked.next = Some(keyspace::chunks().end);
        } else if rows.len() == MAX_SCAN_ROWS {
            checked.next = Some(key);
        } else {
            rows.push((key, raw));
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(())
    })?;
    for (key, raw) in rows {
        checked.records += u64::from(!keyspace::is_internal(&key));
        match row(backend, &key, raw) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => checked.problems.push(error.to_string()),
            other => other?,
        }
    }
    Ok(checked)
}

fn row(backend: &impl Backend, key: &Key, raw: Bytes) -> io::Result<()> {
    let envelope = Envelope::open(key, raw)?;
    let value = envelope.value(key, |chunk| backend.get(chunk))?;
    if let Some(expires_ms) = envelope.expires_ms
        && backend.get(&keyspace::expiry(expires_ms, key))?.is_none()
    {
        return Err(damaged(key, "the expiry index does not know it"));
    }
    if let Some((expires_ms, target)) = keyspace::parse_expiry(key) {
        let stored = backend
            .get(&target)?
            .map(|raw| Envelope::open(&target, raw))
            .transpose()?;
        if stored.and_then(|stored| stored.expires_ms) != Some(expires_ms) {
            return Err(damaged(key, "nothing expires then"));
        }
    }
    if keyspace::change_sequence(key).is_some() {
        change_log::entry(key, value)?;
    }
    Ok(())
}
