//! Opening a cache, and telling what stands at a path that is not one.
//!
//! Opening never writes, so a status works on a read-only mount; the first write of an operation meets the refusal instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{At, DiskError, is_absent, read_bounded};
use super::layout::Layout;
use super::objects::Objects;
use super::packed::PackedRefs;

/// The version of the layout under `git-mirror/` that this build reads and writes.
const FORMAT: u32 = 1;
const FORMAT_WORDS: &str = "git-mirror cache ";
/// A configuration file larger than this was not written by git or by us.
const CONFIG_LIMIT: u64 = 1 << 20;

/// A bare repository on disk that mirrors one upstream. Cheap to clone; clones share what was read.
#[derive(Debug, Clone)]
pub struct Cache {
    pub(super) inner: Arc<Inner>,
}

/// What the clones of a cache share.
pub(super) struct Inner {
    pub(super) layout: Layout,
    pub(super) packed: PackedRefs,
    pub(super) objects: Objects,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("root", &self.layout.root()).finish_non_exhaustive()
    }
}

/// A path that cannot be used as a cache.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OpenError {
    /// Nothing is there, or an empty folder. The first sync makes the cache.
    #[error("no cache at {}", path.display())]
    #[diagnostic(code(mirror::cache::missing), help("run `git-mirror sync --confirm`, which makes it"))]
    Missing {
        /// The path of the cache.
        path: PathBuf,
    },
    /// A file stands there.
    #[error("{} is a file", path.display())]
    #[diagnostic(
        code(mirror::cache::file),
        help("set `cache` of the node to a folder that is empty or does not exist")
    )]
    File {
        /// The path of the cache.
        path: PathBuf,
    },
    /// Somebody works in it.
    #[error("{} is a work tree", path.display())]
    #[diagnostic(
        code(mirror::cache::work_tree),
        help("set `cache` of the node to a folder of its own; a mirror never lives in a checkout")
    )]
    WorkTree {
        /// The path of the cache.
        path: PathBuf,
    },
    /// A bare repository that git-mirror did not make.
    #[error("{} is a bare repository that git-mirror did not make", path.display())]
    #[diagnostic(
        code(mirror::cache::foreign_repository),
        help(
            "set `cache` of the node to another folder, or move this repository away; the next sync makes a fresh mirror"
        )
    )]
    ForeignRepository {
        /// The path of the cache.
        path: PathBuf,
    },
    /// A folder with other things in it.
    #[error("{} holds other files, such as `{found}`", path.display())]
    #[diagnostic(
        code(mirror::cache::foreign_folder),
        help("set `cache` of the node to a folder that is empty or does not exist")
    )]
    ForeignFolder {
        /// The path of the cache.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// The repository names its objects by SHA-256.
    #[error("{} is a repository in SHA-256 format", path.display())]
    #[diagnostic(
        code(mirror::cache::sha256),
        help("set `cache` of the node to another folder; git-mirror mirrors SHA-1 repositories only")
    )]
    Sha256 {
        /// The path of the cache.
        path: PathBuf,
    },
    /// The repository uses a part of git that this build does not understand.
    #[error("the repository at {} uses the extension `{extension}`", path.display())]
    #[diagnostic(
        code(mirror::cache::extension),
        help("set `cache` of the node to another folder; the next sync makes a fresh mirror there")
    )]
    Extension {
        /// The path of the cache.
        path: PathBuf,
        /// The key under `extensions` in its configuration.
        extension: String,
    },
    /// Its history was cut.
    #[error("the repository at {} is shallow", path.display())]
    #[diagnostic(
        code(mirror::cache::shallow),
        help("move it away and run `git-mirror sync --confirm`; a mirror holds whole histories")
    )]
    Shallow {
        /// The path of the cache.
        path: PathBuf,
    },
    /// It borrows objects from another repository, whose gc could take them away.
    #[error("the repository at {} borrows objects from another one", path.display())]
    #[diagnostic(
        code(mirror::cache::alternates),
        help("run `git -C {} repack -a -d` and remove objects/info/alternates", path.display())
    )]
    Alternates {
        /// The path of the cache.
        path: PathBuf,
    },
    /// A newer or damaged marker.
    #[error("the cache at {} has format `{found}`; this build knows format {FORMAT}", path.display())]
    #[diagnostic(code(mirror::cache::format), help("use the git-mirror release that made it, or a newer one"))]
    UnknownFormat {
        /// The path of the cache.
        path: PathBuf,
        /// What the marker says.
        found: String,
    },
    /// The marker is there, but git's own files are not.
    #[error("the cache at {} has no `{missing}`", path.display())]
    #[diagnostic(
        code(mirror::cache::damaged),
        help("restore it from a backup, or move it away and run `git-mirror sync --confirm`")
    )]
    Damaged {
        /// The path of the cache.
        path: PathBuf,
        /// The file or folder that is missing.
        missing: &'static str,
    },
    /// The disk refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
}

impl Cache {
    /// Opens the cache at a path. Writes nothing.
    ///
    /// # Errors
    /// Each thing that can stand at the path without being a cache of this build has its own error.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let layout = Layout::new(path);
        inspect(&layout)?;
        let packed = PackedRefs::new(layout.packed_refs());
        Ok(Self { inner: Arc::new(Inner { layout, packed, objects: Objects::default() }) })
    }

    /// Gives the path of the repository.
    pub fn path(&self) -> &Path {
        self.inner.layout.root()
    }

    /// Gives the folder that holds what is git-mirror's own: locks, the journal, the record of what was observed.
    pub fn own_folder(&self) -> PathBuf {
        self.inner.layout.own()
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.inner.layout
    }
}

/// Gives the text of the marker.
pub(super) fn marker() -> String {
    format!("{FORMAT_WORDS}{FORMAT}\n")
}

/// Proves that a cache of this build stands at a path, or says what stands there instead.
fn inspect(layout: &Layout) -> Result<(), OpenError> {
    let path = layout.root().to_owned();
    match fs::metadata(&path) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Err(OpenError::Missing { path }),
        Err(source) => return Err(DiskError::new("look at", path, source).into()),
        Ok(seen) if !seen.is_dir() => return Err(OpenError::File { path }),
        Ok(_) => {}
    }
    let marker = read_bounded(&layout.format(), 4096)?;
    let there = |file: &Path| exists(file);
    if marker.is_none() && there(&path.join(".git"))? {
        return Err(OpenError::WorkTree { path });
    }
    let is_repository = there(&layout.head())? && there(&layout.objects())? && there(&path.join("refs"))?;
    if marker.is_some() || is_repository {
        verify_configuration(layout)?;
    }
    let Some(marker) = marker else {
        return Err(if is_repository { OpenError::ForeignRepository { path } } else { stranger(path)? });
    };
    verify_marker(&marker, &path)?;
    for (missing, file) in [("HEAD", layout.head()), ("objects", layout.objects()), ("refs", path.join("refs"))] {
        if !there(&file)? {
            return Err(OpenError::Damaged { path, missing });
        }
    }
    if is_filled(&path.join("shallow"))? {
        return Err(OpenError::Shallow { path });
    }
    if is_filled(&layout.objects().join("info/alternates"))? {
        return Err(OpenError::Alternates { path });
    }
    Ok(())
}

/// Says what a folder is that is neither a cache nor a repository.
fn stranger(path: PathBuf) -> Result<OpenError, DiskError> {
    let mut entries = fs::read_dir(&path).at("list", &path)?;
    Ok(match entries.next() {
        None => OpenError::Missing { path },
        Some(entry) => {
            let found = entry.at("list", &path)?.file_name().to_string_lossy().into_owned();
            OpenError::ForeignFolder { path, found }
        }
    })
}

fn verify_marker(marker: &[u8], path: &Path) -> Result<(), OpenError> {
    let text = String::from_utf8_lossy(marker);
    let version = text.trim_end().strip_prefix(FORMAT_WORDS);
    if version.is_some_and(|version| version == FORMAT.to_string()) {
        return Ok(());
    }
    let found = version.unwrap_or(text.trim_end()).chars().filter(|c| !c.is_control()).take(40).collect();
    Err(OpenError::UnknownFormat { path: path.to_owned(), found })
}

/// Refuses what git's own configuration says of the repository's format.
///
/// # Source
/// <https://git-scm.com/docs/repository-version>: a reader that does not know an extension must not touch the repository.
fn verify_configuration(layout: &Layout) -> Result<(), OpenError> {
    let path = layout.root().to_owned();
    let Some(bytes) = read_bounded(&layout.config(), CONFIG_LIMIT)? else {
        return Err(OpenError::Damaged { path, missing: "config" });
    };
    for (extension, value) in extensions(&String::from_utf8_lossy(&bytes)) {
        match (extension.as_str(), value.as_str()) {
            ("objectformat", "sha1") | ("noop" | "preciousobjects" | "worktreeconfig", _) => {}
            ("objectformat", "sha256") => return Err(OpenError::Sha256 { path }),
            _ => return Err(OpenError::Extension { path, extension }),
        }
    }
    Ok(())
}

/// Reads the keys of the section `extensions`, lower-cased, of a git configuration file.
fn extensions(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        let mut rest = line;
        if let Some((section, behind)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            inside = section.trim().eq_ignore_ascii_case("extensions");
            rest = behind.trim();
        }
        if !inside || rest.is_empty() || rest.starts_with(['#', ';']) {
            continue;
        }
        let (key, value) = rest.split_once('=').unwrap_or((rest, "true"));
        let value = value.split(['#', ';']).next().unwrap_or_default().trim().trim_matches('"');
        found.push((key.trim().to_ascii_lowercase(), value.to_ascii_lowercase()));
    }
    found
}

fn exists(path: &Path) -> Result<bool, DiskError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(source) if is_absent(&source) => Ok(false),
        Err(source) => Err(DiskError::new("look at", path, source)),
    }
}

fn is_filled(path: &Path) -> Result<bool, DiskError> {
    match fs::metadata(path) {
        Ok(seen) => Ok(seen.len() > 0),
        Err(source) if is_absent(&source) => Ok(false),
        Err(source) => Err(DiskError::new("look at", path, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::extensions;

    #[test]
    fn extensions_are_read_in_every_form_git_writes() {
        let text = "[core]\n\tbare = true\n[Extensions] objectFormat = SHA256\n\t; note\n\tnoop\n[remote \"extensions\"]\nurl = x\n\
                    [extensions]\n\trefStorage = \"reftable\" # note\n";
        let expect = [("objectformat", "sha256"), ("noop", "true"), ("refstorage", "reftable")];
        assert_eq!(extensions(text), expect.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
