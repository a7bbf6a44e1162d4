//! What the objects of a pack refer to.
//!
//! Owns the reading of commits, trees and tags as far as their references go, while they are unpacked anyway. Never: looking into the store.
//!
//! # Source
//! gitformat-pack; git's `fsck` for what is still a commit, a tree, a tag.

use std::collections::HashMap;

use gix_object::Kind;

use crate::entry::Id;

/// The objects referred to, and as what.
#[derive(Debug, Default)]
pub(crate) struct References(HashMap<Id, Kinds>);

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    fn one(kind: Kind) -> Self {
        Self(match kind {
            Kind::Commit => 1,
            Kind::Tree => 2,
            Kind::Blob => 4,
            Kind::Tag => 8,
        })
    }

    /// Gives the kind, where it is one.
    pub(crate) fn only(self) -> Option<Kind> {
        [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag].into_iter().find(|kind| self == Self::one(*kind))
    }

    /// Says whether an object of this kind is what all its referrers take it for.
    pub(crate) fn are_only(self, kind: Kind) -> bool {
        self.0 & !Self::one(kind).0 == 0
    }
}

impl References {
    /// Takes what the object refers to.
    ///
    /// # Errors
    /// What keeps it from being an object of its kind.
    pub(crate) fn take(&mut self, kind: Kind, object: &[u8]) -> Result<(), &'static str> {
        match kind {
            Kind::Blob => Ok(()),
            Kind::Tree => self.take_tree(object),
            Kind::Commit => self.take_commit(object),
            Kind::Tag => self.take_tag(object),
        }
    }

    fn take_tree(&mut self, mut rest: &[u8]) -> Result<(), &'static str> {
        while !rest.is_empty() {
            let mut mode = 0u32;
            loop {
                let (digit, tail) = rest.split_first().ok_or("a tree ends in the middle of an entry")?;
                rest = tail;
                match digit {
                    b'0'..=b'7' => mode = mode << 3 | u32::from(digit - b'0'),
                    b' ' => break,
                    _ => return Err("a tree has a mode that is not a number"),
                }
            }
            let end = rest.iter().position(|byte| *byte == 0).ok_or("a tree ends in the middle of an entry")?;
            if end == 0 {
                return Err("a tree has an entry without a name");
            }
            let (id, tail) =
                rest[end + 1..].split_first_chunk::<20>().ok_or("a tree ends in the middle of an entry")?;
            rest = tail;
            match mode & 0o170_000 {
                // A submodule's commit lives in another repository.
                0o160_000 => {}
                0o040_000 => self.add(*id, Kind::Tree),
                _ => self.add(*id, Kind::Blob),
            }
        }
        Ok(())
    }

    fn take_commit(&mut self, object: &[u8]) -> Result<(), &'static str> {
        let mut rest = object;
        let tree = header(&mut rest, b"tree ").and_then(hex).ok_or("a commit names no tree")?;
        self.add(tree, Kind::Tree);
        while let Some(parent) = header(&mut rest, b"parent ") {
            self.add(hex(parent).ok_or("a commit names a parent that is no id")?, Kind::Commit);
        }
        if rest.starts_with(b"author ") { Ok(()) } else { Err("a commit has no author") }
    }

    fn take_tag(&mut self, object: &[u8]) -> Result<(), &'static str> {
        let mut rest = object;
        let target = header(&mut rest, b"object ").and_then(hex).ok_or("a tag names no object")?;
        let kind =
            header(&mut rest, b"type ").and_then(|kind| Kind::from_bytes(kind).ok()).ok_or("a tag names no type")?;
        self.add(target, kind);
        Ok(())
    }

    fn add(&mut self, id: Id, kind: Kind) {
        self.0.entry(id).or_default().0 |= Kinds::one(kind).0;
    }

    /// Takes everything another set holds.
    pub(crate) fn merge(&mut self, other: Self) {
        if self.0.is_empty() {
            *self = other;
            return;
        }
        for (id, kinds) in other.0 {
            self.0.entry(id).or_default().0 |= kinds.0;
        }
    }

    /// Takes an object out of the set, and gives as what it was referred to.
    pub(crate) fn remove(&mut self, id: &Id) -> Kinds {
        self.0.remove(id).unwrap_or_default()
    }

    /// Gives what is left, in order.
    pub(crate) fn into_sorted(self) -> Vec<(Id, Kinds)> {
        let mut left: Vec<(Id, Kinds)> = self.0.into_iter().collect();
        left.sort_unstable_by_key(|(id, _)| *id);
        left
    }
}

/// Takes one header line off the front, and gives what stands behind its key.
fn header<'a>(rest: &mut &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let line = rest.strip_prefix(key)?;
    let end = line.iter().position(|byte| *byte == b'\n')?;
    *rest = &line[end + 1..];
    Some(&line[..end])
}

fn hex(digits: &[u8]) -> Option<Id> {
    let id = gix_hash::ObjectId::from_hex(digits).ok()?;
    id.as_bytes().try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";

    fn check(kind: Kind, object: &[u8], expect: Result<&[u8], &'static str>) {
        let mut references = References::default();
        let taken = references.take(kind, object);
        let firsts: Vec<u8> = references.into_sorted().iter().map(|(id, _)| id[0]).collect();
        match expect {
            Ok(ids) => assert_eq!((taken, firsts.as_slice()), (Ok(()), ids)),
            Err(why) => assert_eq!(taken, Err(why)),
        }
    }

    fn tree(entries: &[(&str, u8)]) -> Vec<u8> {
        entries.iter().flat_map(|(name, byte)| [name.as_bytes(), &[0], &[*byte; 20]].concat()).collect()
    }

    #[test]
    fn objects_give_their_references_or_are_refused() {
        check(Kind::Tree, b"", Ok(&[]));
        check(
            Kind::Tree,
            &tree(&[("100644 a", 7), ("40000 b", 8), ("160000 sub", 9), ("120000 l", 10)]),
            Ok(&[7, 8, 10]),
        );
        check(Kind::Tree, &tree(&[("100644 ", 7)]), Err("a tree has an entry without a name"));
        check(Kind::Tree, b"10x644 a", Err("a tree has a mode that is not a number"));
        check(Kind::Tree, b"100644 a\0short", Err("a tree ends in the middle of an entry"));
        check(Kind::Commit, format!("tree {A}\nparent {B}\nauthor x").as_bytes(), Ok(&[0x11, 0x22]));
        check(Kind::Commit, format!("tree {A}\nauthor x").as_bytes(), Ok(&[0x11]));
        check(Kind::Commit, b"tree nothing\nauthor x", Err("a commit names no tree"));
        check(
            Kind::Commit,
            format!("tree {A}\nparent x\nauthor x").as_bytes(),
            Err("a commit names a parent that is no id"),
        );
        check(Kind::Commit, format!("tree {A}\n").as_bytes(), Err("a commit has no author"));
        check(Kind::Tag, format!("object {A}\ntype commit\ntag v1\n").as_bytes(), Ok(&[0x11]));
        check(Kind::Tag, format!("object {A}\ntype nothing\n").as_bytes(), Err("a tag names no type"));
        check(Kind::Blob, b"tree", Ok(&[]));
    }

    #[test]
    fn an_object_taken_for_two_kinds_is_noticed() {
        let mut references = References::default();
        references
            .take(Kind::Tree, &tree(&[("100644 a", 7), ("40000 b", 7), ("100644 c", 8)]))
            .expect("the tree is good");
        assert!(references.remove(&[8; 20]).are_only(Kind::Blob));
        let both = references.remove(&[7; 20]);
        assert!(!both.are_only(Kind::Blob) && !both.are_only(Kind::Tree));
        assert_eq!((both.only(), Kinds::one(Kind::Tag).only()), (None, Some(Kind::Tag)));
        assert!(references.remove(&[9; 20]).are_only(Kind::Tag), "nobody refers to it");
    }

    proptest! {
        #[test]
        fn arbitrary_objects_never_panic(object in proptest::collection::vec(any::<u8>(), 0..200)) {
            for kind in [Kind::Tree, Kind::Commit, Kind::Tag] {
                let _ = References::default().take(kind, &object);
            }
        }
    }
}
