//! Looking refs up: the loose file first, then `packed-refs`. No folder is listed on the way, so one ref costs the same beside ten
//! snapshots and beside a hundred thousand.
//!
//! It never follows a symbolic ref: the only one in a cache is `HEAD`, and nothing asks for its value.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mirror_core::name::{BranchName, CommitId, RefName};

use super::disk::{DiskError, is_absent, read_bounded};
use super::objects::ObjectError;
use super::open::Cache;

/// 40 digits and a line end; anything much longer is no value of a ref.
const LOOSE_LIMIT: u64 = 256;

/// A ref that cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RefError {
    /// The ref points at another ref instead of a commit.
    #[error("{name} is a symbolic ref")]
    #[diagnostic(
        code(mirror::cache::symbolic_ref),
        help("remove it with `git -C <cache> symbolic-ref --delete {name}`, then run `git-mirror sync --confirm`")
    )]
    Symbolic {
        /// The ref.
        name: RefName,
    },
    /// Its file does not hold a value.
    #[error("{} holds no commit id", path.display())]
    #[diagnostic(
        code(mirror::cache::malformed_ref),
        help("look at the file; once it is removed, `git-mirror sync --confirm` writes the ref again")
    )]
    MalformedLoose {
        /// The file of the ref.
        path: PathBuf,
    },
    /// The file of packed refs is damaged.
    #[error("{} is malformed", path.display())]
    #[diagnostic(
        code(mirror::cache::malformed_packed_refs),
        help("restore it from a backup, or move the cache away and run `git-mirror sync --confirm`")
    )]
    MalformedPacked {
        /// The file.
        path: PathBuf,
        /// What the reader met.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// An object that has to be looked at cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Object(#[from] ObjectError),
    /// The disk refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
}

impl Cache {
    /// Looks up what a ref points at; `None` where it does not exist.
    ///
    /// # Errors
    /// A ref that exists but holds no value, and what the disk refuses.
    ///
    /// # Source
    /// <https://git-scm.com/docs/gitrepository-layout>, `refs` and `packed-refs`: a loose ref hides the packed one.
    pub fn find(&self, name: &RefName) -> Result<Option<CommitId>, RefError> {
        // Git and we pack a ref before its loose file goes, so a ref that exists is in one of the two, in this order.
        match self.find_loose(name)? {
            Some(value) => Ok(Some(value)),
            None => self.inner.packed.find(name),
        }
    }

    /// Reads the loose file of a ref.
    pub(super) fn find_loose(&self, name: &RefName) -> Result<Option<CommitId>, RefError> {
        let path = self.layout().loose(name.as_str());
        match read_loose(&path)? {
            None => Ok(None),
            Some(text) if text.starts_with(b"ref:") => Err(RefError::Symbolic { name: name.clone() }),
            Some(text) => match std::str::from_utf8(text.trim_ascii_end()).map(CommitId::from_hex) {
                Ok(Ok(value)) => Ok(Some(value)),
                _ => Err(RefError::MalformedLoose { path }),
            },
        }
    }

    /// Reads which branch `HEAD` names; `None` where it names none.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn head(&self) -> Result<Option<BranchName>, RefError> {
        let path = self.layout().head();
        let Some(text) = read_bounded(&path, 8192)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&text);
        let name = text.strip_prefix("ref:").and_then(|rest| rest.trim().strip_prefix("refs/heads/"));
        Ok(name.and_then(|name| BranchName::parse(name).ok()))
    }
}

/// Reads the file of a loose ref; `None` where there is none, or a folder of refs instead.
fn read_loose(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if is_absent(&source) => return Ok(None),
        Err(source) => return Err(DiskError::new("open", path, source)),
    };
    let mut text = Vec::with_capacity(128);
    match file.take(LOOSE_LIMIT).read_to_end(&mut text) {
        Ok(_) => Ok(Some(text)),
        Err(source) if source.kind() == io::ErrorKind::IsADirectory => Ok(None),
        Err(source) => Err(DiskError::new("read", path, source)),
    }
}
