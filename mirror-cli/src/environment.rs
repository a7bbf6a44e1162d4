//! What the process finds around it, taken in once: words, variables, the working folder, terminals, the clock.
//!
//! Everything behind the edge gets it as a value, so a test can be anywhere. It never changes what it describes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// The variables that mean something to this program; no other is read.
const VARIABLES: [&str; 9] = [
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "GIT_MIRROR_CONFIG",
    "HOME",
    "NO_COLOR",
    "SSH_AUTH_SOCK",
    "TERM",
    "USERPROFILE",
    "XDG_CONFIG_HOME",
];

/// What the process finds around it.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The words of the command line, the program's name first.
    pub arguments: Vec<OsString>,
    /// The variables that mean something to this program, by name. An empty one counts as absent.
    pub variables: BTreeMap<String, OsString>,
    /// The working folder.
    pub directory: PathBuf,
    /// What stdout is.
    pub stdout: Stream,
    /// What stderr is.
    pub stderr: Stream,
    /// Tells the time, for ages such as "42 s ago".
    pub clock: fn() -> Timestamp,
}

/// What one output stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// A terminal, with the columns it has, where it says so.
    Terminal {
        /// Characters on a line.
        columns: Option<u16>,
    },
    /// A file, a pipe or nothing.
    Other,
}

impl Environment {
    /// Takes in what surrounds this process.
    ///
    /// # Errors
    /// What the system says where the working folder is gone.
    pub fn of_process() -> std::io::Result<Self> {
        let seen = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let columns = terminal_size::terminal_size_of(std::io::stderr())
            .or_else(|| terminal_size::terminal_size_of(std::io::stdout()))
            .map(|(width, _)| width.0)
            .filter(|width| *width > 0);
        let stream = |is_terminal| if is_terminal { Stream::Terminal { columns } } else { Stream::Other };
        Ok(Self {
            arguments: std::env::args_os().collect(),
            variables: VARIABLES
                .iter()
                .filter_map(|name| seen(name).map(|value| ((*name).to_owned(), value)))
                .collect(),
            directory: std::env::current_dir()?,
            stdout: stream(std::io::stdout().is_terminal()),
            stderr: stream(std::io::stderr().is_terminal()),
            clock: Timestamp::now,
        })
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables.get(name).filter(|value| !value.is_empty())
    }

    /// The user's home folder.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.variable("HOME").or_else(|| self.variable("USERPROFILE")).map(Path::new)
    }
}
