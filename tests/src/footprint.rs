//! The footprint of a folder: its whole state, to assert later that nothing changed.
//!
//! Names, kinds, modes, times of change, link targets and every byte count. Access times do not: reading is no change.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Everything that can be seen of a folder, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint(BTreeMap<PathBuf, Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    mode: u32,
    changed: (i64, i64),
    content: Option<Vec<u8>>,
}

impl Footprint {
    /// Takes the footprint of a folder or file and of everything below it.
    ///
    /// # Panics
    /// Where something below cannot be read.
    pub fn of(path: &Path) -> Self {
        let mut entries = BTreeMap::new();
        if fs::symlink_metadata(path).is_ok() {
            walk(path, &mut entries);
        }
        Self(entries)
    }

    /// Whether there was nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Asserts that the folder is now as it was when this footprint was taken.
    ///
    /// # Panics
    /// With the names of what was created, removed or changed.
    #[track_caller]
    pub fn expect_unchanged(&self, path: &Path) {
        let now = Self::of(path);
        let names: Vec<_> = self.0.keys().chain(now.0.keys()).collect();
        let mut changed: Vec<_> = names.into_iter().filter(|name| self.0.get(*name) != now.0.get(*name)).collect();
        changed.dedup();
        assert!(changed.is_empty(), "changed: {changed:#?}");
    }
}

fn walk(path: &Path, entries: &mut BTreeMap<PathBuf, Entry>) {
    let seen = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    entries.insert(
        path.to_owned(),
        Entry { mode: seen.mode(), changed: (seen.mtime(), seen.mtime_nsec()), content: content(path, &seen) },
    );
    if seen.is_dir() {
        let inside = fs::read_dir(path).unwrap_or_else(|error| panic!("cannot list {}: {error}", path.display()));
        for entry in inside {
            walk(&entry.expect("because the folder is being listed").path(), entries);
        }
    }
}

fn content(path: &Path, seen: &Metadata) -> Option<Vec<u8>> {
    if seen.is_symlink() {
        return fs::read_link(path).ok().map(|target| target.into_os_string().into_encoded_bytes());
    }
    seen.is_file().then(|| fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footprint_detects_every_change() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        assert!(Footprint::of(&inside).is_empty());
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("a"), "one").unwrap();
        let before = Footprint::of(&inside);
        before.expect_unchanged(&inside);
        fs::read(inside.join("a")).unwrap();
        before.expect_unchanged(&inside);
        for change in [
            (|at| fs::write(at, "two").unwrap()) as fn(&Path),
            |at| fs::remove_file(at).unwrap(),
            |at| fs::rename(at, at.with_file_name("b")).unwrap(),
            |at| fs::write(at.with_file_name("b"), "").unwrap(),
        ] {
            fs::write(inside.join("a"), "one").unwrap();
            drop(fs::remove_file(inside.join("b")));
            let before = Footprint::of(&inside);
            change(&inside.join("a"));
            assert_ne!(before, Footprint::of(&inside));
        }
    }
}
