//! Finding `git`, and knowing which one it is.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::command::GitCommand;
use super::error::GitError;

/// The oldest git that takes its settings from `GIT_CONFIG_COUNT`.
pub(super) const OLDEST: GitVersion = GitVersion { major: 2, minor: 31 };

/// The git of this machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GitProgram {
    found: Arc<Found>,
}

#[derive(Debug)]
struct Found {
    program: PathBuf,
    version: GitVersion,
    path: std::ffi::OsString,
}

/// The first two numbers of a version; what they promise is all that is relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl fmt::Display for GitVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl GitVersion {
    /// Reads what `git version` prints.
    ///
    /// # Source
    /// `git-version(1)`; vendors add words behind the numbers.
    fn parse(said: &str) -> Option<Self> {
        let mut numbers = said.trim().strip_prefix("git version ")?.split(|c: char| !c.is_ascii_digit());
        Some(Self { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }
}

impl GitProgram {
    /// Finds git on the PATH of this process. Blocks while it asks for the version.
    ///
    /// # Errors
    /// [`GitError`] where there is none, or none that will do.
    pub fn find() -> Result<Self, GitError> {
        Self::find_on(&std::env::var_os("PATH").unwrap_or_default())
    }

    /// Finds git in the first folder of a PATH that has it.
    ///
    /// # Errors
    /// As [`GitProgram::find`].
    pub fn find_on(path: &OsStr) -> Result<Self, GitError> {
        let program = std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("git"))
            .find(|program| is_program(program))
            .ok_or(GitError::Missing)?;
        let output = std::process::Command::new(&program)
            .arg("version")
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|source| GitError::Start { program: program.clone(), source })?;
        let said = String::from_utf8_lossy(&output.stdout);
        let Some(version) = GitVersion::parse(&said) else {
            let said = said.trim().chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(GitError::NoVersion { program, said });
        };
        if version < OLDEST {
            return Err(GitError::TooOld { program, found: version });
        }
        Ok(Self { found: Arc::new(Found { program, version, path: path.to_owned() }) })
    }

    /// Which git it is.
    pub fn version(&self) -> GitVersion {
        self.found.version
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.found.program
    }

    /// Begins a command that works in a bare repository. The first argument is the verb.
    pub fn command<A: AsRef<OsStr>>(&self, repository: &Path, arguments: impl IntoIterator<Item = A>) -> GitCommand {
        GitCommand::new(&self.found.program, &self.found.path, repository, arguments)
    }
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|seen| seen.is_file() && seen.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &str, expect: Option<(u32, u32)>) {
        assert_eq!(GitVersion::parse(said).map(|found| (found.major, found.minor)), expect, "{said:?}");
    }

    #[test]
    fn versions_are_read_with_what_vendors_add() {
        check("git version 2.39.5\n", Some((2, 39)));
        check("git version 2.39.5 (Apple Git-154)", Some((2, 39)));
        check("git version 2.49.0.windows.1", Some((2, 49)));
        check("git version 3.0-rc1", Some((3, 0)));
        check("git version two", None);
        check("hub version 2.14", None);
        check("", None);
    }
}
