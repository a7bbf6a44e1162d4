//! The beginnings of ref names that a client asks for.

use mirror_core::name::RefPrefix;

/// Above this a client gets everything, as from git: it filters what it gets anyway.
const MOST: usize = 1 << 16;
/// Each beginning below a prefix costs a look at folders. From this number on, all names there are gone through once instead.
const MOST_LOOKS: usize = 64;

/// Beginnings of names: sorted, and none the beginning of another, so that one look finds the only one that can match. Without any, every
/// name matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Prefixes(Vec<Box<[u8]>>);

impl Prefixes {
    /// Takes what a client sent.
    pub(super) fn of(wanted: &[&[u8]]) -> Self {
        if wanted.len() >= MOST {
            return Self(Vec::new());
        }
        Self(shortest(wanted.to_vec()).into_iter().map(Box::from).collect())
    }

    /// Gives the beginnings that name refs below a prefix: those that go beyond it, and the prefix itself. A shorter one, such as
    /// `refs/`, names none of them. Where there are many, it is the prefix's own folder: more than was asked for, so that [`Self::has`] has
    /// the last word.
    pub(super) fn below(wanted: &[&[u8]], prefix: &RefPrefix) -> Vec<String> {
        if wanted.len() >= MOST {
            return Vec::new();
        }
        let folder = format!("{prefix}/");
        let named = wanted.iter().filter_map(|wanted| match std::str::from_utf8(wanted).ok()? {
            wanted if wanted == prefix.as_str() => Some(folder.as_bytes()),
            wanted => wanted.starts_with(&folder).then_some(wanted.as_bytes()),
        });
        let named = shortest(named.collect());
        if named.len() > MOST_LOOKS {
            return vec![folder];
        }
        named.into_iter().map(|named| String::from_utf8_lossy(named).into_owned()).collect()
    }

    /// Says whether a name begins with one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let behind = self.0.partition_point(|prefix| **prefix <= *name);
        // Whatever stands between a name and a beginning of it has that beginning too, so the last one before the name is the only one.
        self.0.is_empty() || behind.checked_sub(1).is_some_and(|last| name.starts_with(&self.0[last]))
    }

    /// How many bytes they take.
    pub(super) fn weight(&self) -> usize {
        self.0.iter().map(|prefix| prefix.len() + size_of::<Box<[u8]>>()).sum()
    }
}

/// Sorts, and drops what another one covers.
fn shortest(mut wanted: Vec<&[u8]>) -> Vec<&[u8]> {
    wanted.sort_unstable();
    wanted.dedup_by(|later, first| later.starts_with(first));
    wanted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_matches_where_one_of_them_begins_it(
            wanted in prop::collection::vec("[ab/]{0,4}", 0..12),
            name in "[ab/]{0,6}",
        ) {
            let wanted: Vec<&[u8]> = wanted.iter().map(String::as_bytes).collect();
            let expect = wanted.is_empty() || wanted.iter().any(|wanted| name.as_bytes().starts_with(wanted));
            prop_assert_eq!(Prefixes::of(&wanted).has(&name), expect);
        }
    }

    #[test]
    fn too_many_ask_for_everything() {
        let wanted = vec![&b"refs/heads/x"[..]; MOST];
        assert!(Prefixes::of(&wanted).has("refs/tags/y"));
        assert!(!Prefixes::of(&wanted[1..]).has("refs/tags/y"));
        assert!(Prefixes::below(&vec![&b"refs/mirror/snapshots/"[..]; MOST], &snapshots()).is_empty());
    }

    #[test]
    fn many_below_their_prefix_are_looked_for_in_one_pass() {
        let wanted: Vec<String> = (0..=MOST_LOOKS).map(|number| format!("refs/mirror/snapshots/{number:04}")).collect();
        let bytes: Vec<&[u8]> = wanted.iter().map(|wanted| wanted.as_bytes()).collect();
        assert_eq!(Prefixes::below(&bytes, &snapshots()), ["refs/mirror/snapshots/"]);
        assert_eq!(Prefixes::below(&bytes[1..], &snapshots()), wanted[1..]);
    }

    fn snapshots() -> RefPrefix {
        RefPrefix::parse("refs/mirror/snapshots").unwrap()
    }

    fn check(wanted: &[&str], expect: &[&str]) {
        let bytes: Vec<&[u8]> = wanted.iter().map(|wanted| wanted.as_bytes()).collect();
        assert_eq!(Prefixes::below(&bytes, &snapshots()), expect, "{wanted:?}");
    }

    #[test]
    fn only_what_goes_beyond_their_prefix_names_snapshots() {
        check(&[], &[]);
        check(&["", "refs/", "refs/mirror", "refs/mirror/", "refs/mirror/snap"], &[]);
        check(&["refs/mirror/snapshots"], &["refs/mirror/snapshots/"]);
        check(&["refs/mirror/snapshots/"], &["refs/mirror/snapshots/"]);
        check(
            &["refs/mirror/snapshots/b", "refs/", "refs/mirror/snapshots/ab/c", "refs/mirror/snapshots/a"],
            &["refs/mirror/snapshots/a", "refs/mirror/snapshots/b"],
        );
        check(&["refs/mirror/snapshots2/a", "refs/mirror-stage/heads/", "refs/mirror-rescue/"], &[]);
    }
}
