//! A disk that loses its power: what it may hold then of all that was written to it.
//!
//! What a sync had covered and returned for is there. Of what a file was given after that each write is there, is not, or is there in some of
//! its sectors; its length may have grown without it. Of the names of a directory that it was not synced for some are there, in their order.

use crate::harness::number;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

/// What a disk writes as a whole.
const SECTOR: u64 = 512;

/// Chance that can be had again.
pub(super) struct Chance {
    seed: u64,
    place: u64,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, place: 0 }
    }

    /// One of the first so many numbers.
    pub(super) fn below(&mut self, most: usize) -> usize {
        self.place += 1;
        let number = number(self.seed, self.place) % u64::try_from(most).unwrap();
        usize::try_from(number).unwrap()
    }
}

/// What a disk is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// What it said to be there is there.
    Honest,
    /// It says of files whose name contains this that they are there, and of the directory of that name, and nothing is true.
    LiesOf(&'static str),
}

/// What is done with all that is not certain of an image, or of a file of it.
#[derive(Clone, Copy)]
enum Fate {
    Lost,
    Kept,
    Mixed,
}

impl Fate {
    fn draw(chance: &mut Chance) -> Self {
        match chance.below(4) {
            0 => Self::Lost,
            1 => Self::Kept,
            _ => Self::Mixed,
        }
    }
}

/// All that was done to a directory, and when it was certain.
pub(super) struct Trace {
    /// The files and directories; the first is the directory itself.
    nodes: Vec<Node>,
    /// Where each record ends in the file.
    ends: Vec<u64>,
}

struct Node {
    name: String,
    is: Is,
    changes: Vec<(usize, Change)>,
    /// For each sync when it returned, and which changes it covers: those before that record.
    syncs: Vec<(usize, usize)>,
    /// Whether it is memory that processes share; of that nothing is on a disk.
    mapped: bool,
}

enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
    Name(String, usize),
    Rename(String, String),
    Remove(String),
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    File,
    Directory,
}

// === Reading it ===

struct Reading {
    trace: Trace,
    /// Which node an inode is now.
    inodes: HashMap<String, usize>,
    /// Which node a path leads to now.
    paths: HashMap<String, usize>,
}

impl Trace {
    /// Reads what a recorder wrote.
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap();
        let mut reading = Reading {
            trace: Self {
                nodes: Vec::new(),
                ends: Vec::new(),
            },
            inodes: HashMap::new(),
            paths: HashMap::new(),
        };
        let mut at = 0;
        while at < text.len() {
            let length = text[at..].iter().position(|byte| *byte == b'\n').unwrap();
            let line = str::from_utf8(&text[at..at + length]).unwrap();
            at += length + 1;
            let mut words = line.splitn(3, ' ');
            let [what, inode, rest] = [(); 3].map(|()| words.next().unwrap());
            if what == "write" {
                let (to, count) = rest.split_once(' ').unwrap();
                let bytes = &text[at..at + count.parse::<usize>().unwrap()];
                at += bytes.len();
                reading.change(inode, Change::Write(to.parse().unwrap(), bytes.to_vec()));
            } else {
                reading.take(what, inode, rest);
            }
            reading.trace.ends.push(at as u64);
        }
        reading.trace
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many records there were when its file was so long.
    pub(super) fn at(&self, bytes: u64) -> usize {
        self.ends.partition_point(|end| *end <= bytes)
    }
}

impl Reading {
    /// A record that is no write.
    fn take(&mut self, what: &str, inode: &str, rest: &str) {
        match what {
            "file" => self.made(inode, rest, Is::File),
            "directory" => self.made(inode, rest, Is::Directory),
            "length" => self.change(inode, Change::Length(rest.parse().unwrap())),
            "sync" => {
                let now = self.now();
                let covers = now - rest.parse::<usize>().unwrap();
                let node = self.inodes[inode];
                self.trace.nodes[node].syncs.push((now, covers));
            }
            "mapped" => {
                let node = self.inodes[inode];
                self.trace.nodes[node].mapped = true;
            }
            // A socket has a name too, which nobody has put on record.
            "remove" if self.paths.remove(rest).is_none() => {}
            "remove" => {
                let (directory, name) = self.place(rest);
                self.push(directory, Change::Remove(name));
            }
            "rename" => {
                let (from, to) = rest.split_once('\t').unwrap();
                let node = self.paths.remove(from).expect("a name that is there");
                self.paths.insert(to.to_owned(), node);
                let ((directory, from), (other, to)) = (self.place(from), self.place(to));
                assert_eq!(directory, other, "{from} is moved");
                self.push(directory, Change::Rename(from, to));
            }
            _ => panic!("the system call {inode} at {rest} is not understood"),
        }
    }

    fn now(&self) -> usize {
        self.trace.ends.len()
    }

    fn change(&mut self, inode: &str, change: Change) {
        self.push(self.inodes[inode], change);
    }

    fn push(&mut self, node: usize, change: Change) {
        let now = self.now();
        self.trace.nodes[node].changes.push((now, change));
    }

    /// A file or a directory that was made. Of two who make the same one at the same time each has put it on record.
    fn made(&mut self, inode: &str, path: &str, is: Is) {
        if self.paths.contains_key(path) && self.paths.get(path) == self.inodes.get(inode) {
            return;
        }
        let node = self.trace.nodes.len();
        self.trace.nodes.push(Node {
            name: path.to_owned(),
            is,
            changes: Vec::new(),
            syncs: Vec::new(),
            mapped: false,
        });
        self.inodes.insert(inode.to_owned(), node);
        self.paths.insert(path.to_owned(), node);
        if !path.is_empty() {
            let (directory, name) = self.place(path);
            self.push(directory, Change::Name(name, node));
        }
    }

    /// The directory that a path is in, and its name there.
    fn place(&self, path: &str) -> (usize, String) {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.paths[directory], name.to_owned())
    }
}

// === What is left of it ===

/// What the power left, in the making.
struct Image<'a> {
    trace: &'a Trace,
    cut: usize,
    disk: Disk,
    chance: &'a mut Chance,
    fate: Fate,
}

impl Trace {
    /// Makes `to` what the directory is if the power failed before that record.
    pub(super) fn image(&self, cut: usize, disk: Disk, chance: &mut Chance, to: &Path) {
        let fate = Fate::draw(chance);
        let mut image = Image {
            trace: self,
            cut,
            disk,
            chance,
            fate,
        };
        image.directory(0, to);
    }

    /// Whether `at` is what the directory is where nothing was lost: no more than is on record, and no less.
    pub(super) fn is_all_of(&self, at: &Path) -> Result<(), String> {
        let mut image = Image {
            trace: self,
            cut: self.len(),
            disk: Disk::Honest,
            chance: &mut Chance::new(0),
            fate: Fate::Kept,
        };
        image.compare(0, at)
    }
}

impl Image<'_> {
    fn node(&self, node: usize) -> &Node {
        &self.trace.nodes[node]
    }

    /// The changes of a node that are certain, and those that are not.
    fn changes(&self, node: usize) -> [&[(usize, Change)]; 2] {
        let node = &self.trace.nodes[node];
        let lies = matches!(self.disk, Disk::LiesOf(what) if node.name.contains(what));
        let returned = node.syncs.iter().filter(|(at, _)| *at < self.cut && !lies);
        let certain = returned.map(|(_, covers)| *covers).max().unwrap_or(0);
        let until = |at: usize| node.changes.partition_point(|(change, _)| *change < at);
        let (certain, all) = (until(certain), until(self.cut));
        [&node.changes[..certain], &node.changes[certain..all]]
    }

    fn fate(&mut self) -> Fate {
        match self.fate {
            Fate::Mixed => Fate::draw(self.chance),
            fate => fate,
        }
    }

    fn directory(&mut self, node: usize, to: &Path) {
        std::fs::DirBuilder::new().mode(0o700).create(to).unwrap();
        for (name, node) in self.names(node) {
            match self.node(node) {
                Node { mapped: true, .. } => {}
                Node {
                    is: Is::Directory, ..
                } => self.directory(node, &to.join(name)),
                Node { is: Is::File, .. } => {
                    let bytes = self.content(node);
                    write(&to.join(name), &bytes);
                }
            }
        }
    }

    fn compare(&mut self, node: usize, at: &Path) -> Result<(), String> {
        let names = self.names(node);
        for entry in std::fs::read_dir(at).unwrap().map(Result::unwrap) {
            let known = names.contains_key(entry.file_name().to_str().unwrap());
            if !known && !entry.file_type().unwrap().is_socket() {
                return Err(format!("{} is not on record", entry.path().display()));
            }
        }
        for (name, node) in names {
            let path = at.join(name);
            match self.node(node) {
                Node { mapped: true, .. } => {}
                Node {
                    is: Is::Directory, ..
                } => self.compare(node, &path)?,
                Node { is: Is::File, .. } => {
                    let there = std::fs::read(&path).unwrap_or_default();
                    if there != self.content(node) {
                        return Err(format!("{} is something else", path.display()));
                    }
                }
            }
        }
        Ok(())
    }

    /// The names in a directory, and what they lead to.
    fn names(&mut self, node: usize) -> BTreeMap<String, usize> {
        let fate = self.fate();
        let most = self.changes(node)[1].len();
        let kept = match fate {
            Fate::Lost => 0,
            Fate::Kept => most,
            Fate::Mixed => self.chance.below(most + 1),
        };
        let [certain, more] = self.changes(node);
        let mut names = BTreeMap::new();
        for (_, change) in certain.iter().chain(&more[..kept]) {
            match change {
                Change::Name(name, node) => {
                    names.insert(name.clone(), *node);
                }
                Change::Rename(from, to) => {
                    let node = names.remove(from).unwrap();
                    names.insert(to.clone(), node);
                }
                Change::Remove(name) => {
                    names.remove(name).unwrap();
                }
                Change::Write(..) | Change::Length(_) => panic!("a directory is written to"),
            }
        }
        names
    }

    /// What is in a file.
    fn content(&mut self, node: usize) -> Vec<u8> {
        let fate = self.fate();
        let trace = self.trace;
        let [certain, more] = self.changes(node).map(|part| part.len());
        let changes = &trace.nodes[node].changes[..certain + more];
        let mut bytes = Vec::new();
        for (nth, (_, change)) in changes.iter().enumerate() {
            let part = match fate {
                _ if nth < certain => 0,
                Fate::Kept => 0,
                Fate::Lost => 1,
                Fate::Mixed => self.chance.below(4),
            };
            match (change, part) {
                (Change::Length(length), 0 | 2) => bytes.resize(size(*length), 0),
                (Change::Write(at, new), 0) => put(&mut bytes, *at, new),
                // Only its length has come.
                (Change::Write(at, new), 2) => grow(&mut bytes, *at + new.len() as u64),
                (Change::Write(at, new), 3) => self.torn(&mut bytes, *at, new),
                _ => {}
            }
        }
        bytes
    }

    /// Writes some sectors of it.
    fn torn(&mut self, bytes: &mut Vec<u8>, at: u64, mut new: &[u8]) {
        let mut at = at;
        while !new.is_empty() {
            let left = size(SECTOR - at % SECTOR).min(new.len());
            let (sector, rest) = new.split_at(left);
            if self.chance.below(2) == 0 {
                put(bytes, at, sector);
            }
            (at, new) = (at + left as u64, rest);
        }
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}

fn grow(bytes: &mut Vec<u8>, to: u64) {
    bytes.resize(bytes.len().max(size(to)), 0);
}

fn put(bytes: &mut Vec<u8>, at: u64, new: &[u8]) {
    grow(bytes, at + new.len() as u64);
    bytes[size(at)..size(at) + new.len()].copy_from_slice(new);
}

fn write(path: &Path, bytes: &[u8]) {
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.unwrap().write_all(bytes).unwrap();
}
