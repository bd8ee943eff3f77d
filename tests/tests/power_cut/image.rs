//! The disk as a power cut may leave it.
//!
//! The failure model. What a file's last completed fsync or fdatasync covers is there. Of the later writes each is there, or
//! not, or only some of its sectors of 512 bytes are, and they may have reached the disk in any order; the file's length is
//! what was synced, what the writes need, or what it was. A name is durable once its folder was fsynced, or, for a new file,
//! the file itself (as ext4 and xfs have it); of the later changes of names some are there. sync_file_range does nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::path::Path;

use portcullis_tests::Random;

use crate::trace::{Event, Trace};

const SECTOR: u64 = 512;

/// A file or a folder, whatever its names are.
#[derive(Default)]
struct Node {
    folder: bool,
    /// What is durable.
    content: Vec<u8>,
    /// What is not.
    pending: VecDeque<Op>,
    /// As the processes see it.
    length: u64,
}

#[derive(Clone)]
enum Op {
    Write {
        offset: u64,
        bytes: std::ops::Range<usize>,
    },
    Length(u64),
    /// A sync that the disk has answered, and not done.
    Pretence,
}

/// A change of a name.
enum Naming {
    Add(String, usize),
    Move(String, String, usize),
    Remove(String),
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add(path, node) => drop(names.insert(path.clone(), *node)),
            Self::Move(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Remove(path) => drop(names.remove(path)),
        }
    }

    /// Whether a sync of the node with this path makes the change durable.
    fn settled_by(&self, synced: usize, path: &str, folder: bool) -> bool {
        match self {
            Self::Add(name, node) => *node == synced || (folder && parent(name) == path) || inside(path, name),
            Self::Move(from, to, _) => folder && (parent(from) == path || parent(to) == path),
            Self::Remove(name) => folder && parent(name) == path,
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The recorded disk after some of the events.
pub struct Disk<'a> {
    trace: &'a Trace,
    /// How many syncs of a file the disk answers before it does the first. An honest one has 0.
    pretends: usize,
    nodes: Vec<Node>,
    handles: HashMap<u64, (usize, String)>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<Naming>,
}

impl<'a> Disk<'a> {
    pub fn new(trace: &'a Trace, pretends: usize) -> Self {
        let root = Node {
            folder: true,
            ..Node::default()
        };
        let names = BTreeMap::from([(String::new(), 0)]);
        Self {
            trace,
            pretends,
            nodes: vec![root],
            handles: HashMap::new(),
            durable_names: names.clone(),
            names,
            pending_names: Vec::new(),
        }
    }

    /// A disk on which the files of a folder are durable already.
    pub fn holding(trace: &'a Trace, folder: &Path) -> Self {
        let mut disk = Self::new(trace, 0);
        disk.hold(folder, "");
        disk.pending_names.clear();
        disk.durable_names = disk.names.clone();
        disk
    }

    fn hold(&mut self, folder: &Path, path: &str) {
        for entry in fs::read_dir(folder).expect("a folder of the image") {
            let entry = entry.expect("an entry of the image");
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            let path = if path.is_empty() {
                name
            } else {
                format!("{path}/{name}")
            };
            let is_folder = entry.path().is_dir();
            let node = self.add(&path, is_folder);
            if is_folder {
                self.hold(&entry.path(), &path);
            } else {
                let node = &mut self.nodes[node];
                node.content = fs::read(entry.path()).expect("a file of the image");
                node.length = node.content.len() as u64;
            }
        }
    }

    /// Takes the bytes of what is written from now on from another recording. Nothing may be pending.
    pub fn play(&mut self, trace: &'a Trace) {
        assert!(!self.is_written(), "writes of the recording before are pending");
        self.trace = trace;
    }

    /// Lets one event happen.
    pub fn step(&mut self, event: &Event) {
        match event {
            Event::Open {
                handle,
                path,
                creates,
                truncates,
            } => self.open(*handle, path, *creates, *truncates),
            Event::Write { handle, offset, bytes } => {
                let node = &mut self.nodes[self.handles[handle].0];
                node.length = node.length.max(offset + bytes.len() as u64);
                node.pending.push_back(Op::Write {
                    offset: *offset,
                    bytes: bytes.clone(),
                });
            }
            Event::Length { handle, length } => self.resize(self.handles[handle].0, *length),
            Event::Sync { handle } => self.sync(*handle),
            Event::Rename { from, to } => {
                let node = self.names[from];
                self.rename(Naming::Move(from.clone(), to.clone(), node));
            }
            Event::Unlink { path } => self.rename(Naming::Remove(path.clone())),
            Event::Mkdir { path } => drop(self.add(path, true)),
            Event::Opened | Event::Acknowledged { .. } => {}
        }
    }

    fn open(&mut self, handle: u64, path: &str, creates: bool, truncates: bool) {
        let node = match self.names.get(path) {
            Some(node) => *node,
            None => {
                assert!(creates, "{path} was opened before it was there");
                self.add(path, false)
            }
        };
        if truncates && self.nodes[node].length > 0 {
            self.resize(node, 0);
        }
        self.handles.insert(handle, (node, path.to_owned()));
    }

    fn add(&mut self, path: &str, folder: bool) -> usize {
        self.nodes.push(Node {
            folder,
            ..Node::default()
        });
        let node = self.nodes.len() - 1;
        self.rename(Naming::Add(path.to_owned(), node));
        node
    }

    fn rename(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.pending_names.push(naming);
    }

    fn resize(&mut self, node: usize, length: u64) {
        let node = &mut self.nodes[node];
        node.length = length;
        node.pending.push_back(Op::Length(length));
    }

    fn sync(&mut self, handle: u64) {
        let (index, path) = &self.handles[&handle];
        let node = &mut self.nodes[*index];
        node.pending.push_back(Op::Pretence);
        let pretended = |op: &&Op| matches!(op, Op::Pretence);
        while node.pending.iter().filter(pretended).count() > self.pretends {
            while let Some(op) = node.pending.pop_front() {
                match op {
                    Op::Write { offset, bytes } => put(&mut node.content, offset, self.trace.bytes(&bytes)),
                    Op::Length(length) => node.content.resize(length as usize, 0),
                    Op::Pretence => break,
                }
            }
        }
        for naming in std::mem::take(&mut self.pending_names) {
            if naming.settled_by(*index, path, node.folder) {
                naming.apply(&mut self.durable_names);
            } else {
                self.pending_names.push(naming);
            }
        }
    }

    /// Whether a write would be lost, or might be torn, if the power failed now.
    pub fn is_written(&self) -> bool {
        let write = |op: &Op| matches!(op, Op::Write { .. });
        self.nodes.iter().any(|node| node.pending.iter().any(write))
    }

    /// Makes the files that one power cut could leave.
    pub fn cut(&self, random: &mut Random, target: &Path) {
        let mut names = self.durable_names.clone();
        let (in_order, until) = (random.coin(), random.below(self.pending_names.len() + 1));
        for (index, naming) in self.pending_names.iter().enumerate() {
            if if in_order { index < until } else { random.coin() } {
                naming.apply(&mut names);
            }
        }
        for (path, index) in names.iter().filter(|(path, _)| !path.is_empty()) {
            let (node, place) = (&self.nodes[*index], target.join(path));
            if !place.parent().is_some_and(Path::is_dir) {
                continue;
            }
            if node.folder {
                fs::create_dir_all(&place).expect("a folder of the image");
            } else {
                fs::write(&place, self.content(node, random)).expect("a file of the image");
            }
        }
    }

    /// What a file may hold after a cut.
    fn content(&self, node: &Node, random: &mut Random) -> Vec<u8> {
        let mut content = node.content.clone();
        // How many writes in a hundred are there, and how many of these whole.
        let (kept, whole) = ([0, 10, 50, 90][random.below(4)], [10, 50, 90][random.below(3)]);
        let mut writes = Vec::new();
        for op in &node.pending {
            match op {
                Op::Write { offset, bytes } => writes.push((*offset, self.trace.bytes(bytes))),
                Op::Length(length) if random.coin() => content.resize(*length as usize, 0),
                Op::Length(_) | Op::Pretence => {}
            }
        }
        random.shuffle(&mut writes);
        for (offset, bytes) in writes {
            if random.below(100) >= kept {
                continue;
            }
            if random.below(100) < whole {
                put(&mut content, offset, bytes);
            } else {
                tear(&mut content, offset, bytes, random);
            }
        }
        let natural = content.len();
        let length = [node.content.len(), natural, natural.max(node.length as usize)][random.below(3)];
        content.resize(length, 0);
        content
    }
}

fn put(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

/// Puts some of the sectors that a write touches.
fn tear(content: &mut Vec<u8>, offset: u64, bytes: &[u8], random: &mut Random) {
    let mut at = 0;
    while at < bytes.len() {
        let left = (SECTOR - (offset + at as u64) % SECTOR) as usize;
        let end = bytes.len().min(at + left);
        if random.coin() {
            put(content, offset + at as u64, &bytes[at..end]);
        }
        at = end;
    }
}
