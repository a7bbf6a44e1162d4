//! A small object store on disk: two commits, each with its tree and its file.

use std::path::Path;
use std::sync::LazyLock;

use gix_hash::ObjectId;
use gix_object::{Kind, Write as _};
use mirror_core::name::CommitId;
use mirror_store::ObjectHandle;
use tempfile::TempDir;

/// What the first commit's file holds; long enough that a delta against it is worth something.
pub const FILE: &[u8] =
    b"one line of a file that changes little\nand another\nand a third, so that there is something to copy\n";

/// The store, and what is in it.
#[derive(Debug)]
pub struct Store {
    folder: TempDir,
    /// The file of the first commit.
    pub file: ObjectId,
    /// The tree of the first commit.
    pub tree: ObjectId,
    /// The first commit.
    pub base: CommitId,
    /// The second commit, on top of the first.
    pub tip: CommitId,
}

static STORE: LazyLock<Store> = LazyLock::new(|| Store::make().expect("because a temporary folder can be written to"));

impl Store {
    /// Gives the one store of this process.
    pub fn get() -> &'static Self {
        &STORE
    }

    /// Opens the store, as a cache hands it to a fetch or a push.
    pub fn open(&self) -> ObjectHandle {
        open(self.folder.path()).map(ObjectHandle::from).expect("because the folder is there for as long as the process")
    }

    fn make() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let objects = open(folder.path())?;
        let write = |kind, bytes: &[u8]| objects.write_buf(kind, bytes);
        let file = write(Kind::Blob, FILE)?;
        let tree = write(Kind::Tree, &[b"100644 file\0", file.as_slice()].concat())?;
        let base = write(Kind::Commit, &commit(tree, ""))?;
        let other = write(Kind::Blob, &[FILE, b"and one more\n"].concat())?;
        let next = write(Kind::Tree, &[b"100644 file\0", other.as_slice()].concat())?;
        let tip = write(Kind::Commit, &commit(next, &format!("parent {base}\n")))?;
        let id = |id: ObjectId| CommitId::from_hex(&id.to_string());
        Ok(Self { file, tree, base: id(base)?, tip: id(tip)?, folder })
    }
}

/// Opens a folder of objects.
///
/// # Errors
/// Where the folder is none.
pub fn open(objects: &Path) -> std::io::Result<gix_odb::HandleArc> {
    gix_odb::at(objects, gix_hash::Kind::Sha1).and_then(|store| store.into_arc())
}

fn commit(tree: ObjectId, parents: &str) -> Vec<u8> {
    const WHO: &str = "a <a@example.org> 1700000000 +0000";
    format!("tree {tree}\n{parents}author {WHO}\ncommitter {WHO}\n\nwords\n").into_bytes()
}
