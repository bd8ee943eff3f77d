//! `[data]`: where and how the store is kept.

use std::path::PathBuf;

use serde::Deserialize;

use super::reading::{RawNumber, RawText, number, word};
use crate::manifest::Source;

/// Where and how the store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The data directory: the store, the compiled code, the operator token.
    pub directory: PathBuf,
    /// What keeps the store.
    pub engine: EngineKind,
    /// The store's page cache.
    pub cache_mib: u32,
}

/// What keeps the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Files in the data directory.
    Sled,
    /// Memory: all is gone when the host stops. For trying things out.
    Memory,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("data"),
            engine: EngineKind::Sled,
            cache_mib: 64,
        }
    }
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    directory: RawText,
    engine: RawText,
    cache_mib: RawNumber,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Data {
    let mut data = Data::default();
    if let Some(given) = raw.directory {
        if given.get_ref().is_empty() {
            let help = Some("write a path, for instance `\"data\"`".to_owned());
            source.complain(given.span(), "no directory is named", help);
        }
        data.directory = PathBuf::from(given.into_inner());
    }
    let engines = [("sled", EngineKind::Sled), ("memory", EngineKind::Memory)];
    word(raw.engine, &engines, &mut data.engine, source);
    number(raw.cache_mib, 8..=65_536, &mut data.cache_mib, source);
    data
}
