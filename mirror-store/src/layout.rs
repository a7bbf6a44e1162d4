//! Where things stand inside a cache: git's own files at the root, ours under `git-mirror/`.
//!
//! It only builds paths; it never looks at the disk.

use std::path::{Path, PathBuf};

use mirror_core::name::RefName;

/// The paths of one cache.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn head(&self) -> PathBuf {
        self.root.join("HEAD")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    pub(super) fn packs(&self) -> PathBuf {
        self.root.join("objects/pack")
    }

    pub(super) fn packed_refs(&self) -> PathBuf {
        self.root.join("packed-refs")
    }

    /// The loose file of a ref, or a folder of refs.
    pub(super) fn loose(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The lock that git takes to change a ref.
    ///
    /// # Source
    /// <https://git-scm.com/docs/api-lockfile> and git's files backend: `<path>.lock`, made exclusively, renamed into place.
    pub(super) fn lock_of(&self, name: &RefName) -> PathBuf {
        self.root.join(format!("{name}.lock"))
    }

    pub(super) fn packed_refs_lock(&self) -> PathBuf {
        self.root.join("packed-refs.lock")
    }

    pub(super) fn own(&self) -> PathBuf {
        self.root.join("git-mirror")
    }

    /// The marker that makes a bare repository a cache of ours.
    pub(super) fn format(&self) -> PathBuf {
        self.root.join("git-mirror/format")
    }

    pub(super) fn operations(&self) -> PathBuf {
        self.root.join("git-mirror/op")
    }

    pub(super) fn observed(&self) -> PathBuf {
        self.root.join("git-mirror/observed.json")
    }

    pub(super) fn snapshots_made(&self) -> PathBuf {
        self.root.join("git-mirror/snapshots.log")
    }

    /// What one upkeep leaves to the next.
    pub(super) fn upkeep_notes(&self) -> PathBuf {
        self.root.join("git-mirror/upkeep.json")
    }
}
