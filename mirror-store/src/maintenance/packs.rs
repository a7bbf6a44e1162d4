//! The packs of a store: what stands in `objects/pack`, and what each file there is to the upkeep.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::error::UpkeepError;
use super::notes::Notes;
use crate::connectivity::ClosedPack;
use crate::disk::{At, DiskError, is_absent, remove_if_there};
use crate::open::Cache;

/// The endings of the files beside a pack that is not to be replaced: somebody asked that it stays, or a git of its own way made it.
pub(super) const STAYING: [&str; 3] = ["keep", "mtimes", "promisor"];

/// What a pack is to the upkeep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is in use, and may be replaced.
    Used,
    /// Somebody asked that it stays (`.keep`), or a git of its own way made it (`.mtimes`, `.promisor`).
    Kept,
    /// Others have replaced it.
    Superseded(Timestamp),
    /// It holds what no ref reached.
    Unreachable(Timestamp),
}

/// One pack with its index.
#[derive(Debug, Clone)]
pub(super) struct StorePack {
    /// Its name without ending.
    pub(super) stem: String,
    pub(super) role: Role,
    pub(super) objects: u64,
    /// The bytes of all its files.
    pub(super) bytes: u64,
    pub(super) inode: u64,
    /// When it came here: the last change of its links.
    pub(super) since: Timestamp,
    folder: PathBuf,
}

/// A file of the store.
#[derive(Debug, Clone)]
pub(super) struct StoreFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) inode: u64,
    pub(super) since: Timestamp,
}

/// Everything in the folder of packs.
#[derive(Debug, Default)]
pub(super) struct PackFolder {
    pub(super) packs: Vec<StorePack>,
    /// Files that belong to no whole pack.
    pub(super) strays: Vec<StoreFile>,
}

impl PackFolder {
    /// Reads the folder. A pack counts when its index is there: the index comes last and goes first.
    pub(super) fn read(cache: &Cache, notes: &Notes) -> Result<Self, UpkeepError> {
        let folder = cache.layout().packs();
        let mut families: BTreeMap<String, BTreeMap<String, StoreFile>> = BTreeMap::new();
        let mut found = Self::default();
        for file in list(&folder)? {
            let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match name.split_once('.') {
                Some((stem, ending)) if stem.starts_with("pack-") && !ending.contains('.') => {
                    families.entry(stem.to_owned()).or_default().insert(ending.to_owned(), file);
                }
                _ => found.strays.push(file),
            }
        }
        for (stem, files) in families {
            let (Some(pack), true) = (files.get("pack"), files.contains_key("idx")) else {
                // A wish to keep a pack is no garbage, even where the pack is still to come.
                found.strays.extend(files.into_iter().filter(|(ending, _)| ending != "keep").map(|(_, file)| file));
                continue;
            };
            let is_noted = |noted: &BTreeMap<_, super::notes::Noted>| {
                noted.get(&stem).filter(|noted| noted.inode == pack.inode).map(|noted| noted.since)
            };
            let role = if STAYING.iter().any(|ending| files.contains_key(*ending)) {
                Role::Kept
            } else if let Some(since) = is_noted(&notes.superseded) {
                Role::Superseded(since)
            } else if let Some(since) = is_noted(&notes.unreachable) {
                Role::Unreachable(since)
            } else {
                Role::Used
            };
            let mut pack = StorePack {
                role,
                objects: 0,
                bytes: files.values().map(|file| file.bytes).sum(),
                inode: pack.inode,
                since: pack.since,
                folder: folder.clone(),
                stem,
            };
            pack.objects = u64::from(pack.index()?.num_objects());
            found.packs.push(pack);
        }
        Ok(found)
    }

    /// The packs that readers should find objects in, without those that were replaced.
    pub(super) fn lasting(&self) -> impl Iterator<Item = &StorePack> {
        self.packs.iter().filter(|pack| !matches!(pack.role, Role::Superseded(_)))
    }

    /// The packs that may be made into others.
    pub(super) fn used(&self) -> impl Iterator<Item = &StorePack> {
        self.packs.iter().filter(|pack| pack.role == Role::Used)
    }
}

impl StorePack {
    /// A pack that was made and is not installed yet.
    pub(super) fn made(closed: &ClosedPack) -> Result<Self, UpkeepError> {
        let seen = fs::metadata(&closed.pack).at("look at", &closed.pack)?;
        let stem = closed.pack.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut bytes = 0;
        for ending in ["pack", "idx", "rev"] {
            bytes += fs::metadata(closed.pack.with_extension(ending)).map_or(0, |seen| seen.len());
        }
        Ok(Self {
            stem,
            role: Role::Used,
            objects: closed.objects,
            bytes,
            inode: seen.ino(),
            since: stamp(&seen),
            folder: closed.pack.parent().map(Path::to_owned).unwrap_or_default(),
        })
    }

    /// The same pack in another folder, where it looks so.
    pub(super) fn at(self, folder: PathBuf, seen: &fs::Metadata) -> Self {
        Self { inode: seen.ino(), since: stamp(seen), folder, ..self }
    }

    pub(super) fn file(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.stem))
    }

    /// Maps the index.
    pub(super) fn index(&self) -> Result<gix_pack::index::File, UpkeepError> {
        let path = self.file("idx");
        gix_pack::index::File::at(&path, gix_hash::Kind::Sha1)
            .map_err(|error| UpkeepError::DamagedIndex { path, fault: error.to_string() })
    }

    /// Takes the pack out of the store. The index goes first, because readers look for that: one who finds no index asks other packs,
    /// and one who finds an index without its pack would complain. Readers that have the files open keep them.
    ///
    /// # Source
    /// `unlink_pack_path` in git's `packfile.c`.
    pub(super) fn remove(&self) -> Result<(), DiskError> {
        ["idx", "pack", "rev", "bitmap"].iter().try_for_each(|ending| remove_if_there(&self.file(ending)))
    }
}

/// Lists the files of a folder; nothing where it is not there.
pub(super) fn list(folder: &Path) -> Result<Vec<StoreFile>, DiskError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) if is_absent(&source) => return Ok(Vec::new()),
        Err(source) => return Err(DiskError::new("list", folder, source)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.at("list", folder)?.path();
        match fs::symlink_metadata(&path) {
            Ok(seen) if seen.is_dir() => {}
            Ok(seen) => files.push(StoreFile { bytes: seen.len(), inode: seen.ino(), since: stamp(&seen), path }),
            // It was there a moment ago.
            Err(source) if is_absent(&source) => {}
            Err(source) => return Err(DiskError::new("look at", path, source)),
        }
    }
    Ok(files)
}

/// When a file came to its place or was last written, whichever was later.
pub(super) fn stamp(seen: &fs::Metadata) -> Timestamp {
    let changed = seen.ctime().max(seen.mtime());
    Timestamp::from_second(changed).unwrap_or(Timestamp::MAX)
}
