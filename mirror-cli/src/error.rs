//! Every error that ends a verb before it has a report.

use std::io;

use mirror_core::config::LookupError;
use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_engine::node::NodeError;
use mirror_server::ServeError;
use mirror_server::tokens::TokensError;

use crate::args::UsageError;
use crate::file::FileError;
use crate::grammar::GrammarError;
use crate::init::InitError;
use crate::remote::RemoteError;

/// An error that ended a verb before it had a report.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum CliError {
    /// Options that contradict each other.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Usage(#[from] UsageError),
    /// Words behind `hwlab` in neither grammar.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Grammar(#[from] GrammarError),
    /// A word that the argument parser does not know.
    #[error("{message}")]
    #[diagnostic(code(mirror::usage::words), help("{help}"))]
    Words {
        /// What is wrong, in the parser's words.
        message: String,
        /// What would be right.
        help: String,
    },
    /// No configuration, or a wrong one.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// An unknown node or lane, here or on a server elsewhere.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lookup(#[from] LookupError),
    /// No lane is built from that branch.
    #[error("no lane of node {node} is built from branch `{given}`")]
    #[diagnostic(code(mirror::usage::unknown_branch), help("the source branches are {}", known.join(", ")))]
    UnknownBranch {
        /// What was given.
        given: String,
        /// The node.
        node: String,
        /// The source branches of its lanes.
        known: Vec<String>,
    },
    /// A node whose folders cannot be told.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Place(#[from] NodeError),
    /// A configuration that could not be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Init(#[from] InitError),
    /// A server that cannot begin.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Serve(#[from] ServeError),
    /// Something handed over that is no listening TCP socket.
    #[error("the service manager hands over something else than a listening TCP socket")]
    #[diagnostic(
        code(mirror::cli::inherited),
        help("a socket unit of git-mirror needs `ListenStream=` with a TCP address, and no other socket beside it")
    )]
    Inherited(#[source] io::Error),
    /// A token file that cannot be read or changed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tokens(#[from] TokensError),
    /// A node that takes no tokens.
    #[error("node {node} has no token file")]
    #[diagnostic(
        code(mirror::cli::no_token_file),
        help(
            "add `serve: {{ tokens: {{ file: ./tokens.yaml }} }}` to the node; the file is made with the first token"
        )
    )]
    NoTokenFile {
        /// The node.
        node: String,
    },
    /// A server elsewhere that gave no answer.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Remote(#[from] RemoteError),
    /// A verb of a later build.
    #[error("`{verb}` is not part of this build yet")]
    #[diagnostic(
        code(mirror::cli::verb_not_yet),
        help("nothing was changed; this build works on local nodes, see `git-mirror --help` for its verbs")
    )]
    VerbNotYet {
        /// The verb.
        verb: String,
    },
    /// A cluster node.
    #[error("node {node} is a cluster, and this build does not work on clusters yet")]
    #[diagnostic(
        code(mirror::cli::cluster_not_yet),
        help("nothing was changed; name a local node with `--node`{}", list(local))
    )]
    ClusterNotYet {
        /// The node.
        node: String,
        /// The local nodes of the configuration.
        local: Vec<String>,
    },
    /// The system gave no runtime for network input and output.
    #[error("cannot start the threads that an operation needs")]
    #[diagnostic(
        code(mirror::cli::runtime),
        help("look at this user's limits for processes and open files (`ulimit -a`)")
    )]
    Runtime(#[source] io::Error),
    /// stdout could not be written.
    #[error("cannot write the answer to stdout")]
    #[diagnostic(
        code(mirror::cli::output),
        help("look at where stdout goes, such as a full disk; `git-mirror history` tells what was done")
    )]
    Output(#[source] io::Error),
}

impl Classified for CliError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Usage(error) => error.class(),
            Self::Grammar(error) => error.class(),
            Self::Words { .. } | Self::UnknownBranch { .. } => FaultClass::Usage,
            Self::File(error) => error.class(),
            Self::Lookup(_) => FaultClass::Usage,
            Self::Place(error) => error.class(),
            Self::Init(error) => error.class(),
            Self::Serve(error) => error.class(),
            Self::Tokens(error) => error.class(),
            Self::Remote(error) => error.class(),
            Self::NoTokenFile { .. } => FaultClass::Usage,
            Self::Inherited(_) => FaultClass::Failed,
            Self::VerbNotYet { .. } | Self::ClusterNotYet { .. } => FaultClass::Cluster,
            Self::Runtime(_) | Self::Output(_) => FaultClass::Failed,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

fn list(local: &[String]) -> String {
    if local.is_empty() { String::new() } else { format!(" ({})", local.join(", ")) }
}
