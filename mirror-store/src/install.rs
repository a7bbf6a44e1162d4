//! Moving a pack that passed its check from quarantine into the store.
//!
//! It never takes a pack that was not checked, and never replaces one that is there.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::connectivity::ClosedPack;
use super::disk::{At, DiskError, sync};
use super::operation::Operation;

impl Operation {
    /// Makes a checked pack part of the store: on the disk first, then visible, the index last because it is what readers look for.
    ///
    /// The pack keeps its name, which its content decides; where one of that name is installed already, that one stays.
    ///
    /// # Errors
    /// What the disk refuses. Nothing becomes visible then; a pack that was linked without its index is taken back with the operation.
    pub fn install(&self, closed: ClosedPack) -> Result<(), DiskError> {
        let packs = self.cache().layout().packs();
        for file in [&closed.pack, &closed.index] {
            fs::set_permissions(file, Permissions::from_mode(0o444)).at("set the mode of", file)?;
        }
        // Asked for at the same moment, the file system writes both in one turn instead of one each.
        std::thread::scope(|scope| {
            let index = scope.spawn(|| sync(&closed.index));
            sync(&closed.pack)?;
            index.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        link(&closed.pack, &target(&packs, &closed.pack))?;
        link(&closed.index, &target(&packs, &closed.index))?;
        // A dead operation's pack of this name may have been taken back just before its index was there.
        link(&closed.pack, &target(&packs, &closed.pack))?;
        sync(&packs)?;
        for file in [&closed.index, &closed.pack] {
            fs::remove_file(file).at("remove", file)?;
        }
        Ok(())
    }
}

fn target(packs: &Path, file: &Path) -> PathBuf {
    packs.join(file.file_name().unwrap_or_default())
}

/// Links rather than moves: until the operation ends, the file in its folder tells whose the pack is.
fn link(from: &Path, to: &Path) -> Result<(), DiskError> {
    match fs::hard_link(from, to) {
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
            let length = |path: &Path| fs::metadata(path).map(|seen| seen.len()).at("look at", path);
            // The name stands for the content; a file that was cut is not what its name says.
            if length(from)? == length(to)? { Ok(()) } else { Err(DiskError::new("install", to, source)) }
        }
        other => other.at("install", to),
    }
}
