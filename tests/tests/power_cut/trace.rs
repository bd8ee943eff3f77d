//! What the shim has recorded of a writer: its calls on files, in their order, and its own marks among them.

use std::collections::HashSet;
use std::ops::Range;

/// The file, beside the store, through which the writer puts marks into the trace.
pub const MARK: &str = "mark";

/// One call that succeeded. Paths are below the recorded folder, which is itself the empty path.
#[derive(Debug)]
pub enum Event {
    Open {
        handle: u64,
        path: String,
        creates: bool,
        truncates: bool,
    },
    Write {
        handle: u64,
        offset: u64,
        bytes: Range<usize>,
    },
    Length {
        handle: u64,
        length: u64,
    },
    Sync {
        handle: u64,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    Mkdir {
        path: String,
    },
    /// The store was opened for the first time.
    Opened,
    /// A commit was acknowledged under a sequence.
    Acknowledged {
        commit: u64,
        sequence: u64,
    },
}

/// A whole recording.
pub struct Trace {
    raw: Vec<u8>,
    pub events: Vec<Event>,
}

impl Trace {
    /// Reads the records of the shim.
    pub fn parse(raw: Vec<u8>) -> Self {
        let mut events = Vec::new();
        let mut marks = HashSet::new();
        let mut at = 0;
        while at < raw.len() {
            let word = |index: usize| {
                let start = at + 8 * index;
                u64::from_le_bytes(raw[start..start + 8].try_into().expect("eight bytes"))
            };
            let (kind, handle, number) = (word(0), word(1), word(2));
            let bytes = at + 32..at + 32 + word(3) as usize;
            at = bytes.end;
            let text = || String::from_utf8_lossy(&raw[bytes.clone()]).into_owned();
            if kind == 1 && text() == MARK {
                marks.insert(handle);
            } else if marks.contains(&handle) {
                events.push(mark(&text()));
            } else {
                events.push(event(kind, handle, number, bytes.clone(), text));
            }
        }
        Self { raw, events }
    }

    /// The records as they were read.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// What a write has written.
    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.raw[range.clone()]
    }

    /// The commits in the order of their sequences, which begin at 1 and have no gap.
    pub fn history(&self) -> Vec<u64> {
        let mut acknowledged: Vec<(u64, u64)> = self.acknowledged(self.events.len()).collect();
        acknowledged.sort_unstable();
        for (index, (sequence, _)) in acknowledged.iter().enumerate() {
            assert_eq!(*sequence, index as u64 + 1, "the writer's sequences have a gap");
        }
        acknowledged.into_iter().map(|(_, commit)| commit).collect()
    }

    /// The sequences and numbers of the commits that were acknowledged before an event.
    pub fn acknowledged(&self, before: usize) -> impl Iterator<Item = (u64, u64)> {
        self.events[..before].iter().filter_map(|event| match event {
            Event::Acknowledged { commit, sequence } => Some((*sequence, *commit)),
            _ => None,
        })
    }

    /// The event with which the creation of the store was complete.
    pub fn created(&self) -> usize {
        let opened = |event: &Event| matches!(event, Event::Opened);
        self.events.iter().position(opened).expect("the writer opens the store")
    }
}

fn mark(text: &str) -> Event {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["opened"] => Event::Opened,
        ["acknowledged", commit, sequence] => Event::Acknowledged {
            commit: commit.parse().expect("the number of a commit"),
            sequence: sequence.parse().expect("a sequence"),
        },
        _ => panic!("an unknown mark: {text}"),
    }
}

fn event(kind: u64, handle: u64, number: u64, bytes: Range<usize>, text: impl Fn() -> String) -> Event {
    match kind {
        1 => Event::Open {
            handle,
            path: text(),
            creates: number & 1 != 0,
            truncates: number & 2 != 0,
        },
        2 => Event::Write {
            handle,
            offset: number,
            bytes,
        },
        3 => Event::Length { handle, length: number },
        4 => Event::Sync { handle },
        5 => {
            let text = text();
            let (from, to) = text.split_once('\n').expect("two paths");
            Event::Rename {
                from: from.to_owned(),
                to: to.to_owned(),
            }
        }
        6 => Event::Unlink { path: text() },
        7 => Event::Mkdir { path: text() },
        other => panic!("an unknown record: {other}"),
    }
}
