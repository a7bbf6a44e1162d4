//! The size and shape of a generated repository.

use std::ops::Range;

/// The measures of a generated repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Where all its contents come from.
    pub seed: u64,
    /// Text files.
    pub files: u32,
    /// Lines of a text file.
    pub lines: Range<u32>,
    /// Files that do not compress, as pictures are.
    pub assets: u32,
    /// Bytes of such a file.
    pub asset_bytes: Range<u32>,
    /// Directories, two deep, over which the files are spread.
    pub directories: u32,
    /// Text files that a commit changes.
    pub changes: u32,
    /// Lines that it changes in each.
    pub edits: u32,
}

impl Shape {
    /// A repository for tests: a few files, written in no time.
    pub fn small(seed: u64) -> Self {
        Self { seed, files: 24, lines: 5..40, assets: 2, asset_bytes: 200..2_000, directories: 6, changes: 2, edits: 3 }
    }

    /// A repository as teams have it; [`grown`](super::grown) writes one.
    pub fn grown(seed: u64) -> Self {
        Self {
            seed,
            files: 5_000,
            lines: 20..300,
            assets: 1_200,
            asset_bytes: 10_000..160_000,
            directories: 300,
            changes: 4,
            edits: 12,
        }
    }

    /// A repository whose history is what costs: every commit changes one short file. [`deep`](super::deep) writes one.
    pub fn deep(seed: u64) -> Self {
        Self { seed, files: 1_000, lines: 4..20, assets: 0, asset_bytes: 1..2, directories: 40, changes: 1, edits: 1 }
    }
}
