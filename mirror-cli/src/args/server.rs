//! The verbs about a server: serving, the tokens it takes, and asking one that runs elsewhere.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use mirror_core::config;
use mirror_server::tokens::WriterName;

use super::{TargetArgs, UsageError};

/// Which node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Target")]
pub struct NodeArgs {
    /// The node [default: the only one of the configuration]
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
}

impl NodeArgs {
    /// The node with all its lanes.
    #[must_use]
    pub fn target(&self) -> TargetArgs {
        TargetArgs { node: self.node.clone(), lanes: Vec::new() }
    }
}

/// The options of `serve`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ServeArgs {
    /// The address to listen on instead of the configured one; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Which node.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Make a token for a writer and show it, this once
    #[command(after_help = "\
The file that `serve.tokens` names keeps its hash; a running server reads the file again when it changes.
Git takes the token as the password of any user, or as a header `Authorization: Bearer TOKEN`.

Examples:
  git-mirror token new ci-promoter --lane v03 --expires 90d
  git-mirror token new ci-promoter -o json | jq -r .token")]
    New(TokenNewArgs),
    /// List the tokens: names, lanes and ends; no token is kept, so none is shown
    #[command(after_help = "Example:\n  git-mirror token list")]
    List(NodeArgs),
    /// Take a token back: from the next request on it is good for nothing
    #[command(after_help = "Example:\n  git-mirror token revoke ci-promoter")]
    Revoke(TokenRevokeArgs),
}

/// The options of `token new`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct TokenNewArgs {
    /// Whose token it is, as journal and log will tell it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// When it ends: after a time such as 90d or 12h, or at a moment such as 2030-01-31T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
    /// The node whose server takes it, and the lanes whose GitOps branches it may push to.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// The options of `token revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct TokenRevokeArgs {
    /// Whose token it is
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which node.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Which server tells it, where that is not this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "A server elsewhere")]
pub struct ServerArgs {
    /// Ask this server, such as http://127.0.0.1:8080, instead of reading the cache; no configuration is needed
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The file with the token that it wants of readers
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "server")]
    pub token_file: Option<PathBuf>,
    /// The certificates, in PEM, that its own is signed by [default: those of the system]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "server")]
    pub ca: Option<PathBuf>,
}

/// Reads the name of a writer.
///
/// # Errors
/// [`UsageError::WriterName`], which does not repeat it: somebody may have put a token there.
pub fn parse_writer(text: &str) -> Result<WriterName, UsageError> {
    text.parse().map_err(|_| UsageError::WriterName)
}

/// Reads when a token ends: after a time, or at a moment; both have to lie ahead.
///
/// # Errors
/// [`UsageError::Expires`].
pub fn parse_end(text: &str, now: Timestamp) -> Result<Timestamp, UsageError> {
    let wrong = || UsageError::Expires { text: text.to_owned() };
    let end = match config::parse_duration(text.trim()) {
        Ok(Duration::ZERO) => None,
        Ok(length) => now.checked_add(length).ok(),
        Err(_) => text.trim().parse().ok(),
    };
    end.filter(|end| *end > now).ok_or_else(wrong)
}
