//! Packs made by hand: entries that claim what they like, in a frame that is right.
//!
//! # Source
//! `gitformat-pack(5)`.

use std::io::Write as _;

use arbitrary::Arbitrary;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest, Sha1};

use crate::store::Store;

/// One entry.
#[derive(Debug, Arbitrary)]
pub struct Entry {
    kind: EntryKind,
    /// What is added to the true size where the entry lies about it.
    lie: Option<i8>,
    content: Content,
}

#[derive(Debug, Arbitrary)]
enum EntryKind {
    Commit,
    Tree,
    Blob,
    Tag,
    /// Against the entry so many places before this one.
    OnEntry(u8),
    /// Against an object of the store, by name.
    OnStored,
    /// Against the object of the pack whose file is this content.
    OnNamed(Vec<u8>),
    /// A number of kind that does not exist, or any other.
    Other(u8),
}

#[derive(Debug, Arbitrary)]
enum Content {
    Bytes(Vec<u8>),
    /// A delta of these sizes and instructions.
    Delta {
        base: u16,
        target: u16,
        instructions: Vec<Instruction>,
    },
    /// A tree of these entries.
    Tree(Vec<(TreeMode, Vec<u8>, u8)>),
    /// A commit on the store's own tree.
    Commit(Vec<u8>),
    /// Bytes that are not deflated at all.
    Raw(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Instruction {
    Copy { from: u16, length: u16 },
    Insert(Vec<u8>),
    Byte(u8),
}

#[derive(Debug, Arbitrary)]
enum TreeMode {
    File,
    Folder,
    Link,
    Submodule,
    Other(u16),
}

/// Puts the entries into a pack with the right header and trailer; `lie` is added to the count of objects.
pub fn pack_of(entries: &[Entry], lie: i8) -> Vec<u8> {
    let count = (entries.len() as u32).saturating_add_signed(lie.into());
    let mut pack = [b"PACK\0\0\0\x02", &count.to_be_bytes()[..]].concat();
    let mut offsets = Vec::new();
    for entry in entries {
        offsets.push(pack.len());
        entry.write(&offsets, &mut pack);
    }
    sealed(pack)
}

/// Appends the trailer.
pub fn sealed(mut pack: Vec<u8>) -> Vec<u8> {
    let trailer = Sha1::digest(&pack);
    pack.extend_from_slice(&trailer);
    pack
}

impl Entry {
    fn write(&self, offsets: &[usize], pack: &mut Vec<u8>) {
        let content = self.content.bytes();
        let size = (content.len() as u64).saturating_add_signed(self.lie.unwrap_or_default().into());
        let at = pack.len();
        match &self.kind {
            EntryKind::Commit => header(1, size, pack),
            EntryKind::Tree => header(2, size, pack),
            EntryKind::Blob => header(3, size, pack),
            EntryKind::Tag => header(4, size, pack),
            EntryKind::OnEntry(back) => {
                header(6, size, pack);
                let place = (offsets.len() - 1).saturating_sub(usize::from(*back));
                distance(at - offsets[place], pack);
            }
            EntryKind::OnStored => {
                header(7, size, pack);
                pack.extend_from_slice(Store::get().file.as_slice());
            }
            EntryKind::OnNamed(content) => {
                header(7, size, pack);
                let framed = [format!("blob {}\0", content.len()).as_bytes(), content].concat();
                pack.extend_from_slice(&Sha1::digest(framed));
            }
            EntryKind::Other(kind) => header(kind & 7, size, pack),
        }
        match &self.content {
            Content::Raw(bytes) => pack.extend_from_slice(bytes),
            _ => pack.extend_from_slice(&deflated(&content)),
        }
    }
}

impl Content {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Content::Bytes(bytes) | Content::Raw(bytes) => bytes.clone(),
            Content::Delta { base, target, instructions } => {
                let mut delta = Vec::new();
                varint(usize::from(*base), &mut delta);
                varint(usize::from(*target), &mut delta);
                instructions.iter().for_each(|instruction| instruction.write(&mut delta));
                delta
            }
            Content::Tree(entries) => entries.iter().flat_map(tree_entry).collect(),
            Content::Commit(words) => {
                let tree = Store::get().tree;
                [format!("tree {tree}\nauthor a <a> 1 +0000\ncommitter c <c> 1 +0000\n\n").as_bytes(), words].concat()
            }
        }
    }
}

impl Instruction {
    fn write(&self, delta: &mut Vec<u8>) {
        match self {
            Instruction::Copy { from, length } => {
                delta.push(0b1011_0011);
                delta.extend_from_slice(&from.to_le_bytes());
                delta.extend_from_slice(&length.to_le_bytes());
            }
            Instruction::Insert(bytes) => {
                let bytes = &bytes[..bytes.len().min(127)];
                delta.push(bytes.len() as u8);
                delta.extend_from_slice(bytes);
            }
            Instruction::Byte(byte) => delta.push(*byte),
        }
    }
}

fn tree_entry((mode, name, id): &(TreeMode, Vec<u8>, u8)) -> Vec<u8> {
    let mode = match mode {
        TreeMode::File => "100644".to_owned(),
        TreeMode::Folder => "40000".to_owned(),
        TreeMode::Link => "120000".to_owned(),
        TreeMode::Submodule => "160000".to_owned(),
        TreeMode::Other(mode) => format!("{mode:o}"),
    };
    [mode.as_bytes(), b" ", name, b"\0", &[*id; 20]].concat()
}

fn header(kind: u8, mut size: u64, pack: &mut Vec<u8>) {
    let mut byte = kind << 4 | (size & 15) as u8;
    size >>= 4;
    while size > 0 {
        pack.push(byte | 0x80);
        byte = (size & 0x7f) as u8;
        size >>= 7;
    }
    pack.push(byte);
}

fn distance(mut distance: usize, pack: &mut Vec<u8>) {
    let mut digits = vec![(distance & 0x7f) as u8];
    while distance >= 0x80 {
        distance = (distance >> 7) - 1;
        digits.push(0x80 | (distance & 0x7f) as u8);
    }
    pack.extend(digits.iter().rev());
}

fn varint(mut size: usize, delta: &mut Vec<u8>) {
    while size >= 0x80 {
        delta.push(size as u8 | 0x80);
        size >>= 7;
    }
    delta.push(size as u8);
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(content).expect("because a vector takes everything");
    deflate.finish().expect("because a vector takes everything")
}
