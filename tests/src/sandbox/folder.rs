//! The folder of a test: everything it writes is below, and is removed with it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::git::Git;
use super::repository::Repository;

/// A temporary folder with a git that knows nothing of this machine.
#[derive(Debug)]
pub struct GitSandbox {
    // Declared before the folder would be wrong: whatever runs git below it must be gone first, and that is the owner's order.
    git: Git,
    folder: TempDir,
}

impl Default for GitSandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl GitSandbox {
    /// Makes the folder.
    ///
    /// # Panics
    /// Where no temporary folder can be made.
    pub fn new() -> Self {
        let folder =
            tempfile::Builder::new().prefix("git-mirror-").tempdir().expect("because a temporary folder can be made");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("because the folder is new");
        Self { git: Git::new(&home), folder }
    }

    /// Gives the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the folder when this is dropped, to investigate a failure.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// Gives the git of this sandbox.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// Makes a bare repository `<name>.git` with `main` as its default branch.
    ///
    /// # Panics
    /// Where git cannot.
    pub fn bare(&self, name: &str) -> Repository {
        let path = self.path().join(format!("{name}.git"));
        self.git.run(self.path(), ["init", "--quiet", "--bare", "--initial-branch=main", &path.to_string_lossy()]);
        Repository::at(&path, &self.git)
    }

    /// Clones `from` as the bare repository `<name>.git`, with its objects shared where the file system allows.
    ///
    /// # Panics
    /// Where git cannot.
    pub fn bare_clone(&self, from: &Path, name: &str) -> Repository {
        let path = self.path().join(format!("{name}.git"));
        self.git.run(self.path(), ["clone", "--quiet", "--bare", &from.to_string_lossy(), &path.to_string_lossy()]);
        Repository::at(&path, &self.git)
    }

    /// Writes a file below the folder, readable by its owner only, and gives its path.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("because the sandbox is writable");
        }
        write_private(&path, content.as_ref());
        path
    }
}

fn write_private(path: &Path, content: &[u8]) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    file.write_all(content).expect("because the sandbox is writable");
}
