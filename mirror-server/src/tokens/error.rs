//! Why the token file could not be read or changed. What stands in the file for a hash is never repeated: somebody may have put a token there.

use std::path::PathBuf;

use mirror_core::fault::{Classified, FaultClass, Retry};

use super::file::WriterName;

/// A token file that could not be read or changed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum TokensError {
    /// There is no such file.
    #[error("there is no token file at {}", path.display())]
    #[diagnostic(
        code(mirror::tokens::missing),
        help("run `git-mirror token new NAME`, which makes it, or correct `serve.tokens`")
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file does not say what a token file says.
    #[error("{file}:{line}: {fault}")]
    #[diagnostic(code(mirror::tokens::malformed), help("{repair}"))]
    Malformed {
        /// The file, as messages show it.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong.
        fault: String,
        /// What would be right.
        repair: String,
    },
    /// A token of this name is there already.
    #[error("there is a token named {name} already")]
    #[diagnostic(
        code(mirror::tokens::name_taken),
        help("choose another name, or run `git-mirror token revoke {name}` first")
    )]
    NameTaken {
        /// The name.
        name: WriterName,
    },
    /// No token has this name.
    #[error("there is no token named {name}")]
    #[diagnostic(code(mirror::tokens::unknown_name), help("`git-mirror token list` shows the names"))]
    UnknownName {
        /// The name.
        name: WriterName,
    },
    /// The system has no randomness to give.
    #[error("the system gave no random bytes")]
    #[diagnostic(
        code(mirror::tokens::random),
        help("look whether /dev/urandom can be read here, then run the command again")
    )]
    Random,
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    #[diagnostic(
        code(mirror::tokens::io),
        help("the token file must be readable by the server's user, and its folder writable by whoever changes it")
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Classified for TokensError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Missing { .. } | Self::Malformed { .. } | Self::NameTaken { .. } | Self::UnknownName { .. } => {
                FaultClass::Usage
            }
            Self::Random | Self::Io { .. } => FaultClass::Failed,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}
