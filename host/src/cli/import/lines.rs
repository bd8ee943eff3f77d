//! Reading lines of JSON into batches, and renaming members on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use serde_json::{Map, Value};

use super::{Numbered, Refused};
use crate::capabilities::catalogue::RESERVED_FIELDS;
use crate::capabilities::json;
use crate::cli::failure::Failure;

/// Documents of one request; the host takes no more.
const MAX_DOCUMENTS: usize = 500;
/// A batch ends where its lines have this many bytes: the host limits the body too.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// The longest line; the host takes no larger document.
const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;

/// What some programs begin a file of UTF-8 with; it is no part of the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Which members get another name, all at once: `a=b,b=c` moves `a` to `b` and what was `b` to `c`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Renames(BTreeMap<String, String>);

impl Renames {
    /// Reads `from=to,from=to`.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let mut renames = BTreeMap::new();
        let mut targets = BTreeSet::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (from, to) = match pair.split_once('=') {
                Some((from, to)) if !from.is_empty() && !to.is_empty() && !to.contains('=') => (from, to),
                _ => return Err(format!("`{pair}` is not FROM=TO")),
            };
            if !targets.insert(to) {
                return Err(format!("two members would be called `{to}`"));
            }
            if renames.insert(from.to_owned(), to.to_owned()).is_some() {
                return Err(format!("`{from}` gets two names"));
            }
        }
        Ok(Self(renames))
    }

    fn apply(&self, document: Map<String, Value>) -> Result<Value, String> {
        let mut renamed = Map::with_capacity(document.len());
        for (name, value) in document {
            let name = match self.0.get(&name) {
                Some(name) => name.clone(),
                // The host sets it anew: so what `export` wrote is imported as it is.
                None if RESERVED_FIELDS.contains(&name.as_str()) => continue,
                None => name,
            };
            if renamed.contains_key(&name) {
                return Err(format!("two members would be called `{name}`"));
            }
            renamed.insert(name, value);
        }
        Ok(Value::Object(renamed))
    }
}

/// What is sent at once, and the lines before its end that can't be.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) documents: Vec<Numbered>,
    pub(super) refused: Vec<Refused>,
}

impl Batch {
    /// Whether the file is at its end.
    pub(super) fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.refused.is_empty()
    }

    fn is_full(&self, bytes: usize) -> bool {
        self.documents.len() + self.refused.len() >= MAX_DOCUMENTS || bytes >= MAX_BATCH_BYTES
    }
}

/// A file of lines.
pub(super) struct Lines {
    input: Box<dyn BufRead>,
    size: Option<u64>,
    read: u64,
    number: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::over(BufReader::new(io::stdin()), None));
        }
        let cannot = |error: io::Error| Failure::Failed(format!("cannot read {}: {error}", path.display()));
        let file = File::open(path).map_err(cannot)?;
        let about = file.metadata().map_err(cannot)?;
        if about.is_dir() {
            return Err(Failure::Failed(format!("{} is a directory", path.display())));
        }
        Ok(Self::over(BufReader::new(file), about.is_file().then_some(about.len())))
    }

    pub(super) fn over(input: impl BufRead + 'static, size: Option<u64>) -> Self {
        Self {
            input: Box::new(input),
            size,
            read: 0,
            number: 0,
        }
    }

    /// How many bytes there are, where that is known.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// How many bytes have been read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// The number of the last line.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next lines; empty ones are passed over.
    pub(super) fn batch(&mut self, renames: &Renames) -> Result<Batch, Failure> {
        let mut batch = Batch::default();
        let mut line = Vec::new();
        let mut bytes = 0;
        while !batch.is_full(bytes) && self.next(&mut line)? {
            bytes += line.len();
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let line = self.number;
            match document(text, renames) {
                Ok(document) => batch.documents.push(Numbered { line, document }),
                Err(reason) => batch.refused.push(Refused { line, reason }),
            }
        }
        Ok(batch)
    }

    /// Reads a line; false at the end.
    fn next(&mut self, line: &mut Vec<u8>) -> Result<bool, Failure> {
        let number = self.number + 1;
        let cannot = |error: io::Error| Failure::Failed(format!("cannot read line {number}: {error}"));
        line.clear();
        let read = (&mut self.input)
            .take(MAX_LINE_BYTES + 1)
            .read_until(b'\n', line)
            .map_err(cannot)? as u64;
        if read > MAX_LINE_BYTES {
            let limit = MAX_LINE_BYTES >> 20;
            let reason = format!("line {number} is longer than {limit} MiB: is this a file of JSON lines?");
            return Err(Failure::Failed(reason));
        }
        if number == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        self.read += read;
        self.number += u64::from(read > 0);
        Ok(read > 0)
    }
}

fn document(text: &[u8], renames: &Renames) -> Result<Value, String> {
    match json::parse_object(text) {
        Ok(document) => renames.apply(document),
        // Lines are counted within the text, which is always the first.
        Err(error) => Err(error.to_string().replace(" at line 1, column ", " at column ")),
    }
}
