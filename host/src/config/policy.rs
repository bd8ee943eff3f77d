//! `[policy]`: the operator's own policies, in Cedar. They are read with the configuration, so that a reload has them anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::reading::RawText;
use crate::manifest::{Source, SourceError, read_text};

/// The most files.
const MAX_FILES: usize = 64;
/// The largest file.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// What the name of a file ends with.
const EXTENSION: &str = "cedar";

/// The operator's own policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The folder with the files; without one there are none.
    pub directory: Option<PathBuf>,
    /// The files, by name.
    pub files: Vec<PolicyFile>,
}

/// A file of policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    /// Its path, as complaints name it.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    directory: RawText,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Policy {
    let directory = raw.directory.map(|given| {
        if given.get_ref().is_empty() {
            let help = Some("write a path, for instance `\"policies\"`".to_owned());
            source.complain(given.span(), "no directory is named", help);
        }
        PathBuf::from(given.into_inner())
    });
    Policy {
        directory,
        files: Vec::new(),
    }
}

impl Policy {
    /// Reads the files of the folder; a relative one is looked for in `base`.
    pub(super) fn read_files(&mut self, base: Option<&Path>) -> Result<(), SourceError> {
        let Some(directory) = &mut self.directory else {
            return Ok(());
        };
        if let Some(base) = base {
            *directory = base.join(&*directory);
        }
        let unreadable = |reason: String| SourceError::Unreadable {
            path: directory.clone(),
            reason,
        };
        let paths = paths(directory).map_err(|error| unreadable(error.to_string()))?;
        if paths.len() > MAX_FILES {
            return Err(unreadable(format!("it holds more than {MAX_FILES} files of policies")));
        }
        for path in paths {
            let text = read_text(&path, MAX_FILE_BYTES)?;
            let name = path.display().to_string();
            self.files.push(PolicyFile { name, text });
        }
        Ok(())
    }
}

/// The files of policies in a folder, by name. What lies in folders within is not looked at.
fn paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
