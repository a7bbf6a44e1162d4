//! Finds and reads the configuration file.
//!
//! It never says what is right in a configuration: that is `mirror_core::config`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mirror_core::config::{self, ConfigError, MirrorConfig};
use mirror_core::fault::{Classified, FaultClass, Retry};

use crate::environment::Environment;

/// The name of the file in the working folder and in the user's configuration folder.
pub const FILE_NAME: &str = "git-mirror.yaml";
/// A configuration is a page or two; more than this is another file.
const LIMIT: u64 = 1024 * 1024;

/// A configuration and where it was found.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// The file, as it was named or found.
    pub path: PathBuf,
    /// The folder that relative paths in it are relative to.
    pub folder: PathBuf,
    /// What it says.
    pub config: MirrorConfig,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum FileError {
    /// Nobody named one, and the usual places hold none.
    #[error("no configuration file: {}", looked.join(", "))]
    #[diagnostic(
        code(mirror::config::not_found),
        help(
            "write one with `git-mirror init ssh://git@ssh.github.com:443/OWNER/REPO.git`, or name it with `-f FILE` or $GIT_MIRROR_CONFIG"
        )
    )]
    NotFound {
        /// Where was looked, and what was found there.
        looked: Vec<String>,
    },
    /// The file that was named is not there.
    #[error("the configuration file {} does not exist", path.display())]
    #[diagnostic(
        code(mirror::config::missing),
        help("{by} names it; correct that, or write the file with `git-mirror -f {} init ssh://git@ssh.github.com:443/OWNER/REPO.git`", path.display())
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// What names it.
        by: &'static str,
    },
    /// The system does not let it be read.
    #[error("cannot read the configuration file {}", path.display())]
    #[diagnostic(code(mirror::config::unreadable), help("it must be a file that this user may read"))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is far longer than any configuration.
    #[error("the configuration file {} is longer than 1 MiB", path.display())]
    #[diagnostic(
        code(mirror::config::too_long),
        help("name the configuration with `-f FILE`; this looks like another file")
    )]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// What it says is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Wrong(#[from] ConfigError),
}

impl Classified for FileError {
    fn class(&self) -> FaultClass {
        match self {
            Self::NotFound { .. }
            | Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::TooLong { .. }
            | Self::Wrong(_) => FaultClass::Usage,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// Where a configuration file is, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Named by the command line or the environment.
    Named {
        /// The file.
        path: PathBuf,
        /// What names it.
        by: &'static str,
    },
    /// To be looked for in the usual places, in this order.
    Usual(Vec<PathBuf>),
}

/// Tells where the configuration is: `-f FILE`, else `$GIT_MIRROR_CONFIG`, else the usual places.
#[must_use]
pub fn place(option: Option<&Path>, environment: &Environment) -> Place {
    if let Some(path) = option {
        return Place::Named { path: path.to_owned(), by: "`-f`" };
    }
    if let Some(path) = environment.variable("GIT_MIRROR_CONFIG") {
        return Place::Named { path: PathBuf::from(path), by: "$GIT_MIRROR_CONFIG" };
    }
    let folder = match environment.variable("XDG_CONFIG_HOME") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => environment.home().map(|home| home.join(".config")),
    };
    let mut usual = vec![PathBuf::from(FILE_NAME)];
    usual.extend(folder.map(|folder| folder.join("git-mirror").join(FILE_NAME)));
    Place::Usual(usual)
}

/// The file that a complaint about the configuration is about: the named one, else the first of the usual places.
#[must_use]
pub fn named(option: Option<&Path>, environment: &Environment) -> PathBuf {
    match place(option, environment) {
        Place::Named { path, .. } => path,
        Place::Usual(paths) => paths.into_iter().next().unwrap_or_else(|| PathBuf::from(FILE_NAME)),
    }
}

/// Finds, reads and checks the configuration.
///
/// # Errors
/// [`FileError`], with the place in the file where the file itself is wrong.
pub fn load(option: Option<&Path>, environment: &Environment) -> Result<ConfigFile, FileError> {
    let (path, bytes) = read(option, environment)?;
    let config = config::parse_bytes(&path.display().to_string(), &bytes)?;
    let whole = environment.directory.join(&path);
    let folder = whole.parent().map_or_else(|| environment.directory.clone(), Path::to_owned);
    Ok(ConfigFile { path, folder, config })
}

fn read(option: Option<&Path>, environment: &Environment) -> Result<(PathBuf, Vec<u8>), FileError> {
    match place(option, environment) {
        Place::Named { path, by } => match read_bytes(&path, environment)? {
            Some(bytes) => Ok((path, bytes)),
            None => Err(FileError::Missing { path, by }),
        },
        Place::Usual(paths) => {
            for path in &paths {
                if let Some(bytes) = read_bytes(path, environment)? {
                    return Ok((path.clone(), bytes));
                }
            }
            let looked = paths.iter().map(|path| format!("{} is not there", path.display())).collect();
            Err(FileError::NotFound { looked })
        }
    }
}

/// Reads a file of bounded length; `None` where there is none.
fn read_bytes(path: &Path, environment: &Environment) -> Result<Option<Vec<u8>>, FileError> {
    let failed = |source| FileError::Unreadable { path: path.to_owned(), source };
    let file = match File::open(environment.directory.join(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Most configurations have room in it, and come with one read.
    let mut bytes = Vec::with_capacity(8192);
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        return Err(FileError::TooLong { path: path.to_owned() });
    }
    Ok(Some(bytes))
}
