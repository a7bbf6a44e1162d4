//! Has git make packs out of the store, in a folder of the operation's quarantine, and brings them into the store.
//!
//! Git works on an empty object folder that borrows from the store: whatever it leaves when it is killed, files or locks, stands in the
//! quarantine and goes with it.

use std::fs;
use std::path::{Path, PathBuf};

use gix_hash::ObjectId;

use super::cover::first_uncovered;
use super::error::UpkeepError;
use super::packs::StorePack;
use super::rules::{UpkeepRules, UpkeepTools};
use crate::connectivity::ClosedPack;
use crate::disk::{At, DiskError, free_space, sync};
use crate::git::GitCommand;
use crate::operation::Operation;

/// The name of a pack, and a line end.
const NAME_LIMIT: usize = 4096;

/// Makes packs for one upkeep.
pub(super) struct Packer<'a> {
    pub(super) operation: &'a Operation,
    pub(super) rules: &'a UpkeepRules,
    pub(super) tools: &'a UpkeepTools<'a>,
}

/// A pack in quarantine.
#[derive(Debug)]
pub(super) struct MadePack {
    closed: ClosedPack,
    pub(super) pack: StorePack,
}

impl MadePack {
    pub(super) fn bytes(&self) -> u64 {
        self.pack.bytes
    }
}

impl Packer<'_> {
    /// Refuses to begin a pack for which there may be no room.
    pub(super) fn make_room(&self, bytes: u64) -> Result<(), UpkeepError> {
        let cache = self.operation.cache();
        let (needed, free) = (bytes.saturating_add(self.rules.spare_bytes), free_space(cache.path())?);
        if free < needed {
            return Err(UpkeepError::NoRoom { path: cache.path().to_owned(), needed, free });
        }
        Ok(())
    }

    /// Makes one pack of all objects of some packs, whether anything refers to them or not.
    pub(super) fn pack_packs(&self, packs: &[&StorePack]) -> Result<MadePack, UpkeepError> {
        let list = packs.iter().map(|pack| format!("{}.pack", pack.stem));
        self.pack(&["--stdin-packs"], list)?.ok_or_else(unnamed(""))
    }

    /// Makes a pack of some objects, which are named twice and held nowhere: there may be more than there is memory for their names.
    pub(super) fn pack_objects(
        &self,
        mut ids: impl Iterator<Item = ObjectId> + Clone,
    ) -> Result<MadePack, UpkeepError> {
        let made = self.pack(&[], ids.clone().map(|id| id.to_string()))?.ok_or_else(unnamed(""))?;
        let index = made.pack.index()?;
        match ids.find(|id| index.lookup(id).is_none()) {
            Some(id) => Err(UpkeepError::Incomplete { pack: "the store".to_owned(), id }),
            None => Ok(made),
        }
    }

    /// Makes a pack of all that the refs reach, without what stands in packs that are to be kept; none where that is nothing.
    pub(super) fn pack_reachable(&self) -> Result<Option<MadePack>, UpkeepError> {
        self.pack(&["--revs", "--all", "--honor-pack-keep"], [])
    }

    fn pack(&self, args: &[&str], input: impl IntoIterator<Item = String>) -> Result<Option<MadePack>, UpkeepError> {
        let folder = self.operation.transfer_folder()?;
        let base = folder.join("pack");
        let fixed = ["pack-objects", "--quiet", "--delta-base-offset", "--non-empty", "--no-write-bitmap-index"];
        let all: Vec<&std::ffi::OsStr> =
            fixed.iter().chain(args).map(std::ffi::OsStr::new).chain([base.as_os_str()]).collect();
        self.tools.pass("make a pack")?;
        let command = self.apart(&all, &folder)?.caps(&self.rules.caps).setting("pack.writeReverseIndex", "true");
        let mut said = String::new();
        self.tools.run_for_lines(command, input, |line| {
            if said.len() < NAME_LIMIT {
                said.push_str(&String::from_utf8_lossy(line));
            }
        })?;
        if said.is_empty() {
            return Ok(None);
        }
        if said.len() != 40 || !said.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(unnamed(&said)());
        }
        let file = |ending: &str| folder.join(format!("pack-{said}.{ending}"));
        let mut closed = ClosedPack { pack: file("pack"), index: file("idx"), objects: 0 };
        closed.objects = u64::from(StorePack::made(&closed)?.index()?.num_objects());
        self.tools.pass("verify a pack")?;
        // Each object is unpacked and its name counted anew: what a disk spoiled is found while the packs it came from are still there.
        let args = [std::ffi::OsStr::new("index-pack"), "--verify".as_ref(), closed.pack.as_os_str()];
        self.tools.run(self.apart(&args, &folder)?.caps(&self.rules.caps), b"", NAME_LIMIT)?;
        Ok(Some(MadePack { pack: StorePack::made(&closed)?, closed }))
    }

    /// Begins a git whose own object folder is `folder`, and which borrows from the store.
    pub(super) fn apart(&self, args: &[&std::ffi::OsStr], folder: &Path) -> Result<GitCommand, DiskError> {
        let objects = borrowing(folder, &self.operation.cache().layout().objects())?;
        let command = self.tools.git.command(self.operation.cache().path(), args);
        Ok(command.environment("GIT_OBJECT_DIRECTORY", objects).in_background())
    }

    /// Proves that some new packs together have all that an old one has.
    pub(super) fn verify_covered(&self, old: &StorePack, new: &[&MadePack]) -> Result<(), UpkeepError> {
        match first_uncovered(old, new.iter().map(|made| &made.pack))? {
            Some(id) => Err(UpkeepError::Incomplete { pack: old.stem.clone(), id }),
            None => Ok(()),
        }
    }

    /// Makes a new pack part of the store, and gives it as it stands there.
    ///
    /// The store stays closed: what the objects of the pack refer to was in it before they were made into a pack, and nothing has left it.
    pub(super) fn install(&self, made: MadePack) -> Result<StorePack, UpkeepError> {
        self.tools.pass("install a pack")?;
        let packs = self.operation.cache().layout().packs();
        let reverse = made.closed.pack.with_extension("rev");
        if reverse.exists() {
            // Git trusts what it says, and looks at no checksum.
            sync(&reverse)?;
            let target = packs.join(reverse.file_name().unwrap_or_default());
            match fs::hard_link(&reverse, &target) {
                Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(DiskError::new("install", target, source).into());
                }
                _ => {}
            }
        }
        let pack = packs.join(made.closed.pack.file_name().unwrap_or_default());
        self.operation.install(made.closed)?;
        self.tools.pass("go on behind an installed pack")?;
        // Where one of that name was there, it stayed: a name stands for the content.
        let seen = fs::metadata(&pack).at("look at", &pack)?;
        Ok(made.pack.at(packs, &seen))
    }
}

/// What git said in the place of a pack's name.
fn unnamed(said: &str) -> impl Fn() -> UpkeepError {
    move || UpkeepError::Unnamed { said: said.chars().take(80).collect() }
}

/// Makes an object folder in `folder` that borrows from another one, once.
fn borrowing(folder: &Path, from: &Path) -> Result<PathBuf, DiskError> {
    let objects = folder.join("objects");
    let info = objects.join("info");
    if info.is_dir() {
        return Ok(objects);
    }
    fs::create_dir_all(&info).at("create", &info)?;
    let pack = objects.join("pack");
    fs::create_dir_all(&pack).at("create", &pack)?;
    let from = fs::canonicalize(from).at("look at", from)?;
    let file = info.join("alternates");
    let mut line = quoted(&from);
    line.push(b'\n');
    fs::write(&file, line).at("write", &file)?;
    Ok(objects)
}

/// Writes a path as git reads it in a list of alternates, where a line feed ends a path and `#` begins a remark.
///
/// # Source
/// `gitrepository-layout(5)`, `objects/info/alternates`; `unquote_c_style` in git's `quote.c`.
fn quoted(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = path.as_os_str().as_bytes();
    if !bytes.iter().any(|byte| matches!(byte, b'"' | b'\\' | b'\n')) {
        return bytes.to_vec();
    }
    let mut text = vec![b'"'];
    for byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            b'\n' => text.extend(b"\\n"),
            _ => text.push(*byte),
        }
    }
    text.push(b'"');
    text
}
