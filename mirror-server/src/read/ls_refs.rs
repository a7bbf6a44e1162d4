//! `ls-refs` of version 2: the refs that a client asks for, from the view; snapshots where it asks for them by name.
//!
//! Snapshots are too many to be in a view. They are read when a `ref-prefix` names them, and sent as they are read. What is observed
//! upstream and what was set aside is never listed.
//!
//! # Source
//! `gitprotocol-v2(5)`, "ls-refs".

use bytes::Bytes;
use mirror_core::name::RefPrefix;
use mirror_git::pkt::encode;
use mirror_store::SeenRef;

use super::command::Refused;
use super::packet;
use super::prefixes::Prefixes;
use super::refs_cache::RefsView;

/// What a client asks to be listed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Listing {
    /// Which refs of the view.
    prefixes: Prefixes,
    /// Which snapshots; none where no prefix names them.
    snapshots: Vec<String>,
    peel: bool,
    symrefs: bool,
    unborn: bool,
}

impl Listing {
    /// Reads the arguments.
    pub(super) fn parse(arguments: &[&[u8]], snapshots: &RefPrefix) -> Result<Self, Refused> {
        let mut wanted = Vec::new();
        let (mut peel, mut symrefs, mut unborn) = (false, false, false);
        for argument in arguments {
            match *argument {
                b"peel" => peel = true,
                b"symrefs" => symrefs = true,
                b"unborn" => unborn = true,
                other => match other.strip_prefix(b"ref-prefix ") {
                    Some(prefix) => wanted.push(prefix),
                    None => return Err(Refused::quoting("unexpected line:", other)),
                },
            }
        }
        let named = Prefixes::below(&wanted, snapshots);
        Ok(Self { prefixes: Prefixes::of(&wanted), snapshots: named, peel, symrefs, unborn })
    }

    /// What snapshots are asked for, as the beginnings of their names: sorted, and none the beginning of another.
    pub(super) fn snapshots(&self) -> &[String] {
        &self.snapshots
    }

    /// How many bytes keeping the question takes.
    pub(super) fn weight(&self) -> usize {
        self.prefixes.weight() + size_of::<Self>()
    }

    /// Lists what the view has of it.
    pub(super) fn render(&self, view: &RefsView) -> Bytes {
        let mut out = Vec::new();
        self.add_head(view, &mut out);
        self.add_refs(view.refs(), &mut out);
        encode::flush(&mut out);
        out.into()
    }

    /// Appends what the view has before, and what it has behind, the names of snapshots.
    pub(super) fn render_around(&self, view: &RefsView, snapshots: &RefPrefix) -> (Vec<u8>, Vec<u8>) {
        let refs = view.refs();
        let border = refs.partition_point(|seen| seen.name.as_str() < snapshots.as_str());
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        self.add_head(view, &mut before);
        self.add_refs(&refs[..border], &mut before);
        self.add_refs(&refs[border..], &mut behind);
        encode::flush(&mut behind);
        (before, behind)
    }

    fn add_head(&self, view: &RefsView, out: &mut Vec<u8>) {
        let value = view.head_value();
        if !self.prefixes.has("HEAD") || (value.is_none() && !(self.unborn && self.symrefs)) {
            return;
        }
        packet::packet(out, |out| {
            match value {
                Some(value) => packet::id(out, value),
                None => out.extend_from_slice(b"unborn"),
            }
            out.extend_from_slice(b" HEAD");
            if self.symrefs {
                out.extend_from_slice(b" symref-target:");
                out.extend_from_slice(view.head().as_bytes());
            }
            out.push(b'\n');
        });
    }

    fn add_refs(&self, refs: &[SeenRef], out: &mut Vec<u8>) {
        refs.iter().for_each(|seen| self.add_asked(seen, out));
    }

    /// Appends one ref, where it was asked for.
    pub(super) fn add_asked(&self, seen: &SeenRef, out: &mut Vec<u8>) {
        if self.prefixes.has(seen.name.as_str()) {
            self.add(seen, out);
        }
    }

    fn add(&self, seen: &SeenRef, out: &mut Vec<u8>) {
        packet::packet(out, |out| {
            packet::id(out, seen.value);
            out.push(b' ');
            out.extend_from_slice(seen.name.as_str().as_bytes());
            if let Some(peeled) = seen.peeled.filter(|_| self.peel) {
                out.extend_from_slice(b" peeled:");
                packet::id(out, peeled);
            }
            out.push(b'\n');
        });
    }
}
