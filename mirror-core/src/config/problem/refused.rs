//! What is refused by design, wherever it stands.

use miette::Diagnostic;

/// What is refused by design.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum RefusedFault {
    /// A transport that is not SSH.
    #[error("there is no transport `{given}`: SSH is the only one, without tokens and without a fallback (R12)")]
    #[diagnostic(code(mirror::config::transport_mode), help("write `mode: ssh`, or leave the key out"))]
    Mode {
        /// What stands there.
        given: String,
    },
    /// A token, or a place for one.
    #[error("`{path}` is about a token: upstream is reached by SSH with a key, and never with a token (R12)")]
    #[diagnostic(
        code(mirror::config::token),
        help(
            "remove it, revoke the token where it still works, and set githubTransport.identity to a key that upstream knows"
        )
    )]
    Token {
        /// The path of the key or value.
        path: String,
    },
    /// The Secret that a token used to be kept in.
    #[error("`{path}` names the Secret `git-mirror-github-token`: no token is used, so no Secret keeps one (R12)")]
    #[diagnostic(
        code(mirror::config::token_secret),
        help(
            "put an SSH key into a Secret of its own, and write `identity: {{ secret: git-mirror-ssh, key: id_ed25519 }}`"
        )
    )]
    TokenSecret {
        /// The path of the value.
        path: String,
    },
    /// A source that is taken from upstream over HTTPS.
    #[error(
        "`{path}` takes a repository over HTTPS: sources come from the mirror, and upstream is reached by SSH alone (R12)"
    )]
    #[diagnostic(
        code(mirror::config::https_source),
        help(
            "remove it: every run gets the mirror's address and a snapshot by the params that `repositoryParam` and `snapshotParam` name"
        )
    )]
    HttpsSource {
        /// The path of the value.
        path: String,
    },
    /// A secret in the file itself.
    #[error("`{path}` is a secret, written out")]
    #[diagnostic(
        code(mirror::config::secret_in_file),
        help(
            "remove it and change it where it is used; refer to a file (`file: …`) or a Kubernetes Secret (`secret: …`, `key: …`) instead"
        )
    )]
    Secret {
        /// The path of the key or value.
        path: String,
    },
}
