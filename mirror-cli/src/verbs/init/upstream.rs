//! Understands what was given as upstream, and explains what can be no upstream.

use std::path::PathBuf;

use miette::Diagnostic;
use mirror_core::config::{ConfigError, ProxyUrlError, UpstreamUrl, UpstreamUrlError};
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

/// Reads what was given as upstream.
pub(super) fn understand(given: &str) -> Result<UpstreamUrl, InitError> {
    let given = given.trim();
    UpstreamUrl::parse(given).map_err(|source| InitError::Upstream { source, guess: owner_and_name(given) })
}

/// `OWNER/REPO` alone is how people name repositories of GitHub, which takes SSH on port 443 too.
fn owner_and_name(given: &str) -> Option<String> {
    let is_word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let (owner, name) = given.split_once('/')?;
    (is_word(owner) && is_word(name))
        .then(|| format!("ssh://git@ssh.github.com:443/{owner}/{}.git", name.strip_suffix(".git").unwrap_or(name)))
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

#[cfg(test)]
mod tests {
    use mirror_core::fault::Fault;

    use super::*;

    #[test]
    fn r12_https_is_refused_with_the_ssh_form_to_use_and_no_token_in_the_text() {
        let check = |given: &str, instead: &str| {
            let fault = Fault::of(&understand(given).expect_err(given));
            let text = format!("{fault} / {}", fault.help.clone().unwrap());
            assert!(text.contains(instead), "{given}: {text}");
            assert!(!text.contains("SECRET"), "{text}");
        };
        check("https://github.com/octo/app.git", "git-mirror init ssh://git@ssh.github.com:443/octo/app.git");
        check(
            "https://user:SECRET@github.com/octo/app.git",
            "git-mirror init ssh://git@ssh.github.com:443/octo/app.git",
        );
        check("https://SECRET@git.example.org/octo/app.git", "git-mirror init ssh://git@git.example.org/octo/app.git");
        check("git://github.com/octo/app.git", "ssh://git@HOST");
        check("octo/app", "git-mirror init ssh://git@ssh.github.com:443/octo/app.git");
        check("ssh://git:SECRET@github.com/octo/app.git", "password");
        check("git:SECRET@github.com:octo/app.git", "password");
    }

    #[test]
    fn ssh_and_scp_like_forms_are_understood() {
        let canonical = |given: &str| understand(given).unwrap().to_string();
        assert_eq!(canonical("ssh://git@ssh.github.com:443/octo/app.git"), "ssh://git@ssh.github.com:443/octo/app.git");
        assert_eq!(canonical("git@github.com:octo/app.git"), "ssh://git@github.com/octo/app.git");
    }
}
