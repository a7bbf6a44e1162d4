//! Puts the file where it belongs, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::InitError;

/// What may stand where the file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A file there is left as it is, and the verb ends.
    Keep,
    /// A file there is replaced.
    Replace,
}

/// Writes `text` to `named` below `base`: beside it first, then under its name in one step, so that a reader never sees half a file.
///
/// # Errors
/// [`InitError::Exists`] and [`InitError::Write`].
pub fn write(base: &Path, named: &Path, text: &str, standing: Standing) -> Result<(), InitError> {
    let path = &base.join(named);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let failed = |source| InitError::Write { path: named.to_owned(), source };
    if standing == Standing::Keep && fs::symlink_metadata(path).is_ok() {
        return Err(InitError::Exists { path: named.to_owned() });
    }
    let draft = Draft::write(folder, path, text).map_err(failed)?;
    match standing {
        Standing::Replace => fs::rename(&draft.path, path).map_err(failed)?,
        // A link fails where something came to stand there since; a rename would replace it.
        Standing::Keep => match fs::hard_link(&draft.path, path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(InitError::Exists { path: named.to_owned() });
            }
            Err(error) => return Err(failed(error)),
        },
    }
    drop(draft);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// The file before it has its name; it goes away with this value.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn write(folder: &Path, path: &Path, text: &str) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let draft = Self { path: folder.join(format!(".{name}.{}.draft", std::process::id())) };
        let mut file = OpenOptions::new().write(true).create_new(true).open(&draft.path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_stands_there_is_kept_unless_it_may_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let name = Path::new("git-mirror.yaml");
        let path = folder.path().join(name);
        write(folder.path(), name, "one", Standing::Keep).unwrap();
        assert!(matches!(write(folder.path(), name, "two", Standing::Keep), Err(InitError::Exists { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        write(folder.path(), name, "two", Standing::Replace).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a draft was left behind");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let written = write(folder.path(), Path::new("absent/git-mirror.yaml"), "one", Standing::Keep);
        assert!(matches!(written, Err(InitError::Write { .. })));
    }
}
