//! What is wrong with a file that a person wrote, and where: shared by the manifest and the configuration.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It can't be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says, or which limit it breaks.
        reason: String,
    },
    /// It says something wrong.
    #[error("{0}")]
    Invalid(Diagnostics),
}

/// All that is wrong with one file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// The single complaints, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// What was found in a file in which something was.
    pub(crate) fn of(source: Source<'_>) -> Self {
        Self(source.found)
    }

    /// What was found in several files, if anything was.
    pub(crate) fn of_all(sources: Vec<Source<'_>>) -> Option<Self> {
        let found: Vec<Diagnostic> = sources.into_iter().flat_map(|source| source.found).collect();
        (!found.is_empty()).then_some(Self(found))
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, diagnostic) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}

/// One complaint about one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The file, as the person named it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The whole line.
    text: String,
    /// How many characters are underlined.
    width: usize,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "error: {}", self.message)?;
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{}", format!("{number} | {}", self.text).trim_end())?;
        write!(
            f,
            "{gutter} | {}{}",
            " ".repeat(self.column - 1),
            "^".repeat(self.width)
        )?;
        if let Some(help) = &self.help {
            write!(f, "\n{gutter} = help: {help}")?;
        }
        Ok(())
    }
}

/// The text of a file, and the complaints gathered about it so far.
pub(crate) struct Source<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            found: Vec::new(),
        }
    }

    /// Parses the text as TOML into the shape `T`, which refuses unknown keys itself.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Diagnostics> {
        toml::from_str(self.text).map_err(|error| {
            let (message, help) = super::wording::of(error.message());
            self.complain(error.span().unwrap_or(0..0), message, help);
            Diagnostics(std::mem::take(&mut self.found))
        })
    }

    /// Notes that something is wrong at `span` (in bytes).
    pub(crate) fn complain(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        let start = floor_char_boundary(self.text, span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |newline| start + newline);
        let end = floor_char_boundary(self.text, span.end).clamp(start, line_end);
        let marked = self.text[start..end].trim_end();
        self.found.push(Diagnostic {
            message: message.into(),
            help,
            file: self.file.to_owned(),
            line: self.text[..start].matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            // A tab is one column wide here, so that the underline stays below what it marks.
            text: self.text[line_start..line_end].trim_end().replace('\t', " "),
            width: marked.chars().count().max(1),
        });
    }

    /// The value, unless something was wrong.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Diagnostics> {
        if self.found.is_empty() {
            Ok(value)
        } else {
            Err(Diagnostics(self.found))
        }
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Reads a text file of at most `max_bytes`.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<String, SourceError> {
    use std::io::Read;

    let unreadable = |reason: String| SourceError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    // One more than allowed tells "as large as allowed" from "larger".
    file.take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > max_bytes {
        return Err(unreadable(format!("it is larger than {} KiB", max_bytes / 1024)));
    }
    String::from_utf8(bytes).map_err(|error| unreadable(format!("it is not UTF-8: {error}")))
}
