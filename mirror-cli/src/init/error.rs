//! Why no configuration was written.

use std::path::PathBuf;

use miette::Diagnostic;
use mirror_core::config::{ConfigError, ProxyUrlError, UpstreamUrlError};
use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_core::name::NameError;

/// Why no configuration was written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum InitError {
    /// Not a repository that SSH could reach. What was given is not repeated: a password may be in it.
    #[error("upstream cannot be used as it is given")]
    #[diagnostic(code(mirror::init::upstream), help("{}", repair(source, guess.as_deref())))]
    Upstream {
        /// What is wrong with it.
        #[source]
        source: UpstreamUrlError,
        /// The address that may have been meant.
        guess: Option<String>,
    },
    /// Not a proxy that carries SSH.
    #[error("`--proxy` cannot be used as it is given")]
    #[diagnostic(
        code(mirror::init::proxy),
        help(
            "write `--proxy http://HOST:PORT`; what goes through it is SSH. A user and password for it belong in a file: githubTransport.proxyCredentials"
        )
    )]
    Proxy(#[source] ProxyUrlError),
    /// An option holds no name of its kind.
    #[error("{option} cannot be used")]
    #[diagnostic(code(mirror::init::name), help("{}", source.kind.rule()))]
    Name {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        #[source]
        source: NameError,
    },
    /// There is a file already.
    #[error("{} is there already", path.display())]
    #[diagnostic(
        code(mirror::init::exists),
        help("add a repository or lane to it by hand, write another with `-f FILE`, or replace it with `--force`")
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system did not let it be written.
    #[error("cannot write {}", path.display())]
    #[diagnostic(
        code(mirror::init::write),
        help("its folder must be there and be writable by this user; `-f FILE` names another place")
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The options make a configuration that no verb would accept.
    #[error("the options make no valid configuration, and nothing was written")]
    #[diagnostic(
        code(mirror::init::refused),
        help("correct the options; what is shown is the text they would have written")
    )]
    Refused(
        #[source]
        #[diagnostic_source]
        ConfigError,
    ),
}

impl Classified for InitError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Upstream { .. } | Self::Proxy(_) | Self::Name { .. } | Self::Exists { .. } | Self::Refused(_) => {
                FaultClass::Usage
            }
            Self::Write { .. } => FaultClass::Failed,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

fn repair(source: &UpstreamUrlError, guess: Option<&str>) -> String {
    match (source, guess) {
        (UpstreamUrlError::Https { instead, .. }, _) => format!(
            "run `git-mirror init {instead}`; a proxy is given with `--proxy` and carries SSH, and no token is ever used"
        ),
        (_, Some(guess)) => format!("did you mean `git-mirror init {guess}`?"),
        (_, None) => match source.help() {
            Some(help) => help.to_string(),
            None => "write `ssh://git@ssh.github.com:443/OWNER/REPO.git`".to_owned(),
        },
    }
}
