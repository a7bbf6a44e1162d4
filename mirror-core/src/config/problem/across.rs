//! Parts of a configuration that do not go together.

use core::net::SocketAddr;

use miette::Diagnostic;

use crate::name::{Conflict, RefPrefix};

/// What does not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum AcrossFault {
    /// A snapshot prefix where other refs stand.
    #[error("snapshots cannot stand under `{prefix}`: `{reserved}` is for other refs")]
    #[diagnostic(
        code(mirror::config::snapshot_prefix),
        help("write a prefix of its own, such as `refs/mirror/snapshots`")
    )]
    PrefixReserved {
        /// The prefix.
        prefix: RefPrefix,
        /// Whose place it is.
        reserved: &'static str,
    },
    /// Two names that differ only in case.
    #[error("the {kind} `{first}` and `{second}` differ only in case")]
    #[diagnostic(
        code(mirror::config::case_only),
        help("rename one of the two: names are matched, and stored, without regard to case")
    )]
    CaseOnly {
        /// What they are names of.
        kind: &'static str,
        /// The first name.
        first: String,
        /// The second name.
        second: String,
    },
    /// A branch that would be read as the end of a snapshot ref.
    #[error("the last part of branch `{branch}` looks like a commit id")]
    #[diagnostic(
        code(mirror::config::commit_like_branch),
        help("rename the branch: a snapshot ref ends with branch and commit, and the two could not be told apart")
    )]
    CommitLike {
        /// The branch.
        branch: String,
    },
    /// Refs of which one would be a folder of the other.
    #[error("{0}: the first would be a folder of the second")]
    #[diagnostic(
        code(mirror::config::ref_conflict),
        help(
            "upstream has at most one of the two at a time: rename that branch, or leave it out of the configuration"
        )
    )]
    RefConflict(Conflict),
    /// A branch that one lane reads and another writes.
    #[error("branch `{branch}` is the source of lane {source_lane} and the GitOps branch of lane {gitops_lane}")]
    #[diagnostic(
        code(mirror::config::source_is_gitops),
        help(
            "give lane {gitops_lane} a GitOps branch of its own: sync sets a source branch to upstream, and would undo what was pushed"
        )
    )]
    SourceIsGitops {
        /// The branch.
        branch: String,
        /// The lane that has it as source.
        source_lane: String,
        /// The lane that has it as GitOps branch.
        gitops_lane: String,
    },
    /// Two lanes that promote to one branch.
    #[error("lanes {first} and {second} have the same GitOps branch `{branch}`")]
    #[diagnostic(
        code(mirror::config::shared_gitops),
        help("give each lane a GitOps branch of its own: which of the two is flushed could not be told")
    )]
    SharedGitops {
        /// The branch.
        branch: String,
        /// One lane.
        first: String,
        /// The other lane.
        second: String,
    },
    /// Two nodes that keep a repository at one place.
    #[error("nodes {first} and {second} keep repository {repository} in the same cache folder, `{cache}`")]
    #[diagnostic(
        code(mirror::config::shared_cache),
        help(
            "give node {second} a folder of its own, or make its lanes lanes of node {first}: what one node reads, the other could have accepted commits on"
        )
    )]
    SharedCache {
        /// The folder.
        cache: Box<str>,
        /// The repository that both have lanes of.
        repository: Box<str>,
        /// One node.
        first: Box<str>,
        /// The other node.
        second: Box<str>,
    },
    /// A node that is nowhere, or in two places.
    #[error("node {node} has {found}")]
    #[diagnostic(
        code(mirror::config::node_place),
        help(
            "write `cache: ./mirror-cache` for a local node, or `cluster: {{ context: … }}` with `namespace` for a cluster node"
        )
    )]
    NodePlace {
        /// The node.
        node: String,
        /// What it has.
        found: &'static str,
    },
    /// A key of the other kind of node.
    #[error("`{path}` belongs to a {belongs} node, and node {node} is a {is} one")]
    #[diagnostic(code(mirror::config::other_place), help("remove it, or make {node} a {belongs} node"))]
    OtherKind {
        /// The path of the key.
        path: String,
        /// The node.
        node: String,
        /// The kind of node it belongs to.
        belongs: &'static str,
        /// The kind of node this is.
        is: &'static str,
    },
    /// A node without an identity.
    #[error("node {node} has no identity to log in with")]
    #[diagnostic(
        code(mirror::config::no_identity),
        help("add `githubTransport: {{ identity: {example} }}` to nodes.{node}, or to the top level for all nodes")
    )]
    NoIdentity {
        /// The node.
        node: String,
        /// What would suit it.
        example: &'static str,
    },
    /// A Kubernetes Secret on a node without a cluster.
    #[error("local node {node} has its {what} in a Kubernetes Secret, which it cannot read")]
    #[diagnostic(code(mirror::config::local_secret), help("set {path} to {example}"))]
    LocalSecret {
        /// The node.
        node: String,
        /// What is kept there.
        what: &'static str,
        /// The key to set.
        path: String,
        /// What would suit it.
        example: &'static str,
    },
    /// A file or agent of this machine on a cluster node.
    #[error("cluster node {node} has its {what} on this machine, out of the cluster's reach")]
    #[diagnostic(
        code(mirror::config::cluster_file),
        help("put it into a Kubernetes Secret and set {path} to {example}")
    )]
    ClusterFile {
        /// The node.
        node: String,
        /// What is kept there.
        what: &'static str,
        /// The key to set.
        path: String,
        /// What would suit it.
        example: &'static str,
    },
    /// Credentials for no proxy.
    #[error("node {node} has proxyCredentials and no proxy")]
    #[diagnostic(
        code(mirror::config::credentials_without_proxy),
        help("add `proxy: http://HOST:PORT` beside it, or remove it")
    )]
    CredentialsWithoutProxy {
        /// The node.
        node: String,
    },
    /// Readers that need tokens, and no place for these.
    #[error("`{path}` is `tokens`, and it is not said where these are")]
    #[diagnostic(
        code(mirror::config::readers_without_tokens),
        help(
            "add `tokens: {{ file: ./tokens.yaml }}` beside it (`{{ secret: …, key: … }}` on a cluster node), or write `readers: open`"
        )
    )]
    ReadersWithoutTokens {
        /// The path of the key.
        path: String,
    },
    /// A server that other machines reach, and nothing about who may read.
    #[error("`{path}` does not say who may read, and {listen} is reached by other machines")]
    #[diagnostic(
        code(mirror::config::readers_unsaid),
        help(
            "add `readers: tokens` with `tokens: {{ file: ./tokens.yaml }}`, or `readers: open` to let everyone read"
        )
    )]
    ReadersUnsaid {
        /// The path of the block.
        path: String,
        /// The address.
        listen: SocketAddr,
    },
    /// A server that would go on before it stopped.
    #[error("`{path}.resume` is less than `{path}.stop`")]
    #[diagnostic(
        code(mirror::config::free_space),
        help("write a resume of at least stop, such as `{{ stop: 2GiB, resume: 4GiB }}`")
    )]
    FreeSpace {
        /// The path of the block.
        path: String,
    },
}
