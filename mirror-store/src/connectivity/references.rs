//! What an object refers to: the tree and parents of a commit, the entries of a tree, the target of a tag.
//!
//! # Source
//! <https://git-scm.com/book/en/v2/Git-Internals-Git-Objects>; the forms are those that `git fsck` accepts.

use gix_hash::{ObjectId, oid};
use gix_object::Kind;

/// Names, one after the other, the objects that an object refers to, with the kind each has to be.
///
/// Submodules (entries of mode 160000) are commits of other repositories and are passed over.
pub(super) fn each<E: From<&'static str>>(
    kind: Kind,
    object: &[u8],
    mut visit: impl FnMut(&oid, Kind) -> Result<(), E>,
) -> Result<(), E> {
    match kind {
        Kind::Blob => Ok(()),
        Kind::Tree => each_entry(object, visit),
        Kind::Commit => {
            let (tree, mut rest) = field(object, b"tree ").ok_or("it names no tree")?;
            visit(&tree, Kind::Tree)?;
            while let Some((parent, behind)) = field(rest, b"parent ") {
                visit(&parent, Kind::Commit)?;
                rest = behind;
            }
            if rest.starts_with(b"author ") { Ok(()) } else { Err("it names no author".into()) }
        }
        Kind::Tag => {
            let (target, rest) = field(object, b"object ").ok_or("it names no object")?;
            let line = rest.strip_prefix(b"type ").and_then(|rest| rest.split(|b| *b == b'\n').next());
            let kind = line.and_then(|kind| Kind::from_bytes(kind).ok()).ok_or("it names no type")?;
            visit(&target, kind)
        }
    }
}

/// Reads a line that is a key and an id.
fn field<'a>(object: &'a [u8], key: &[u8]) -> Option<(ObjectId, &'a [u8])> {
    let (hex, rest) = object.strip_prefix(key)?.split_at_checked(40)?;
    Some((ObjectId::from_hex(hex).ok()?, rest.strip_prefix(b"\n")?))
}

fn each_entry<E: From<&'static str>>(
    mut tree: &[u8],
    mut visit: impl FnMut(&oid, Kind) -> Result<(), E>,
) -> Result<(), E> {
    while !tree.is_empty() {
        let space = tree.iter().take(8).position(|b| *b == b' ').ok_or("an entry has no mode")?;
        let (mode, rest) = tree.split_at(space);
        let end = rest.iter().position(|b| *b == 0).ok_or("an entry has no end")?;
        // The space stands before the name.
        if end < 2 {
            return Err("an entry has no name".into());
        }
        let (id, behind) = rest[end + 1..].split_at_checked(20).ok_or("an entry has no id")?;
        tree = behind;
        let id = oid::try_from_bytes(id).map_err(|_| "an entry has no id")?;
        match mode {
            b"160000" => {}
            b"40000" | b"040000" => visit(id, Kind::Tree)?,
            // Regular, executable, link, and the group-writable files that git wrote long ago.
            b"100644" | b"100755" | b"120000" | b"100664" => visit(id, Kind::Blob)?,
            _ => return Err("an entry has an unknown mode".into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gix_object::Kind;

    use super::each;

    fn check(kind: Kind, object: &[u8], expect: Result<&str, &str>) {
        let mut seen = Vec::new();
        let ending: Result<(), String> = each(kind, object, |id, kind| {
            seen.push(format!("{kind} {}", &id.to_string()[..2]));
            Ok(())
        });
        let ending = ending.map(|()| seen.join(", "));
        assert_eq!(ending.as_deref().map_err(String::as_str), expect, "{}", object.escape_ascii());
    }

    fn entry(mode: &str, name: &str, byte: u8) -> Vec<u8> {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[byte; 20]].concat()
    }

    #[test]
    fn every_reference_is_named_with_its_kind() {
        let (a, b) = ("aa".repeat(20), "bb".repeat(20));
        check(
            Kind::Commit,
            format!("tree {a}\nparent {b}\nparent {a}\nauthor x").as_bytes(),
            Ok("tree aa, commit bb, commit aa"),
        );
        check(Kind::Commit, format!("tree {a}\nauthor x").as_bytes(), Ok("tree aa"));
        check(Kind::Tag, format!("object {b}\ntype tree\ntag t").as_bytes(), Ok("tree bb"));
        check(Kind::Tree, b"", Ok(""));
        let tree = [entry("100644", "a", 1), entry("160000", "m", 2), entry("40000", "z", 3), entry("120000", "zz", 4)];
        check(Kind::Tree, &tree.concat(), Ok("blob 01, tree 03, blob 04"));
    }

    #[test]
    fn malformed_objects_say_what_is_wrong() {
        let a = "aa".repeat(20);
        check(Kind::Commit, b"author x", Err("it names no tree"));
        check(Kind::Commit, format!("tree {a}\nparent zz\nauthor x").as_bytes(), Err("it names no author"));
        check(Kind::Commit, format!("tree {a}\n").as_bytes(), Err("it names no author"));
        check(Kind::Tag, format!("object {a}\ntype house\n").as_bytes(), Err("it names no type"));
        check(Kind::Tree, &entry("100644", "a", 1)[..20], Err("an entry has no id"));
        check(Kind::Tree, &entry("100644", "", 1), Err("an entry has no name"));
        check(Kind::Tree, &entry("777", "a", 1), Err("an entry has an unknown mode"));
        check(Kind::Tree, b"100644", Err("an entry has no mode"));
        check(Kind::Tree, b"100644 name", Err("an entry has no end"));
    }
}
