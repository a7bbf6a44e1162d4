//! The configuration as the rest of the project sees it: every name checked, every default filled in, every node's
//! transport resolved.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::size::ByteSize;
use super::url::{ProxyUrl, UpstreamUrl};
use crate::name::{BranchName, GroupName, LaneName, NodeName, RefPrefix, RepositoryName, TagPattern};
use crate::snapshot::Retention;

/// A whole configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorConfig {
    /// Where snapshots stand and how long.
    pub snapshots: Snapshots,
    /// The repositories that are mirrored.
    pub repositories: BTreeMap<RepositoryName, Repository>,
    /// The nodes.
    pub nodes: BTreeMap<NodeName, Node>,
}

/// Where snapshots stand and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshots {
    /// The beginning of every snapshot ref.
    pub prefix: RefPrefix,
    /// How long they stay.
    pub retention: Retention,
}

/// A repository that is mirrored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its name in the configuration, and of its cache.
    pub name: RepositoryName,
    /// Where it comes from.
    pub upstream: UpstreamUrl,
    /// Tags that are mirrored as well, read-only.
    pub tags: Vec<TagPattern>,
    /// Branches beside those of lanes that are mirrored as well, read-only.
    pub branches: Vec<BranchName>,
}

/// The road from a node to upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// The CONNECT proxy; without one, connections are direct.
    pub proxy: Option<ProxyUrl>,
    /// Where the proxy's user and password are.
    pub proxy_credentials: Option<SecretSource>,
    /// Who logs in.
    pub identity: Identity,
    /// Which host keys are trusted.
    pub known_hosts: KnownHosts,
    /// How long each phase may take.
    pub timeouts: Timeouts,
}

/// Where a secret is found. The configuration never holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file.
    File(String),
    /// Under a key of a Kubernetes Secret in the node's namespace.
    Secret {
        /// The name of the Secret.
        secret: String,
        /// The key in it.
        key: String,
    },
}

/// Who logs in at upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A private key in a file.
    File {
        /// The file with the private key.
        path: String,
        /// The file with its passphrase, where it has one.
        passphrase_file: Option<String>,
    },
    /// The keys of a running agent.
    Agent,
    /// A private key in a Kubernetes Secret in the node's namespace.
    Secret {
        /// The name of the Secret.
        secret: String,
        /// The key in it.
        key: String,
    },
}

/// Which host keys are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownHosts {
    /// GitHub's published keys, built in.
    Github,
    /// A file in OpenSSH's format.
    File(String),
    /// Such a file in a Kubernetes Secret in the node's namespace.
    Secret {
        /// The name of the Secret.
        secret: String,
        /// The key in it.
        key: String,
    },
}

/// How long each phase of an operation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first packet to an open connection, and again for the SSH handshake on it.
    pub connect: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
    /// The whole operation.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(30), total: Duration::from_secs(15 * 60) }
    }
}

/// A place where caches live, and the lanes it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// What only a node of its kind has.
    pub settings: NodeSettings,
    /// Its road to upstream: its own settings over the common ones.
    pub transport: Transport,
    /// Its lanes, by name; [`Node::first_source_branch`] goes by their positions in the file.
    pub lanes: BTreeMap<LaneName, Lane>,
}

impl Node {
    /// Gives what kind of node it is.
    #[must_use]
    pub fn kind(&self) -> NodeKind {
        match self.settings {
            NodeSettings::Local(_) => NodeKind::Local,
            NodeSettings::Cluster(_) => NodeKind::Cluster,
        }
    }
}

/// What kind of node it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A directory on this machine.
    Local,
    /// A Kubernetes cluster.
    Cluster,
}

/// What only a node of one kind has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeSettings {
    /// A folder of this machine.
    Local(LocalSettings),
    /// A namespace of a cluster.
    Cluster(Box<ClusterSettings>),
}

/// A node without a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSettings {
    /// The folder of the caches, as written: relative to the configuration file, `~/` for the home folder.
    pub cache: String,
    /// How it serves readers, where it does.
    pub serve: Option<Box<Serve>>,
}

/// A node in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The context of the kubeconfig.
    pub context: String,
    /// The namespace of the mirror.
    pub namespace: String,
    /// What runs there.
    pub mirror: ClusterMirror,
}

/// The mirror as it runs in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterMirror {
    /// The image, needed before anything can be rendered.
    pub image: Option<String>,
    /// Where the cache is kept.
    pub storage: Storage,
    /// Where readers reach it.
    pub service: Service,
    /// Who may push to GitOps branches.
    pub writers: Writers,
    /// The proxy as the network policy sees it.
    pub proxy_egress: Option<ProxyEgress>,
    /// How it serves.
    pub serve: Serve,
}

/// The volume of a cluster node's cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The PersistentVolumeClaim.
    pub claim: String,
    /// Its size, as a Kubernetes quantity.
    pub size: String,
    /// Its class; without one, the cluster's default.
    pub storage_class_name: Option<String>,
}

/// The Service of a cluster node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: u16,
}

/// Who may push to GitOps branches of a cluster node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writers {
    /// Service accounts, each as `namespace/name`.
    pub service_accounts: Vec<String>,
    /// The Secret with the hashes of static tokens.
    pub token_secret: Option<String>,
}

/// The proxy as a network policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyEgress {
    /// Its addresses, in CIDR notation.
    pub cidr: String,
    /// Its port.
    pub port: u16,
}

/// How a node serves readers and GitOps writers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The server's certificate, where it speaks TLS.
    pub tls: Option<Tls>,
    /// Who may read.
    pub readers: Readers,
    /// Whether the file says so, or it is the default.
    pub readers_said: bool,
    /// Where the hashes of static tokens are.
    pub tokens: Option<SecretSource>,
    /// Whether tokens are taken without TLS on an address that other machines reach.
    pub insecure_tokens: bool,
    /// How much disk cached packs may take.
    pub pack_cache: ByteSize,
    /// What it takes on at once.
    pub limits: Limits,
    /// What it does by itself.
    pub schedule: Schedule,
    /// When it stops taking pushes for lack of disk.
    pub free_space: FreeSpace,
}

/// The files of a server certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, in PEM.
    pub certificate: String,
    /// Its private key, in PEM.
    pub key: String,
}

/// Who may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Readers {
    /// Everyone who reaches the server.
    Open,
    /// Who presents a token.
    Tokens,
}

/// What a server takes on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Packs made at the same time.
    pub packs: u32,
    /// Requests that wait for one.
    pub queue: u32,
    /// The largest body of a push.
    pub body: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { packs: 4, queue: 64, body: ByteSize::gib(2) }
    }
}

/// What a server does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Syncs so often; without it, never.
    pub sync_every: Option<Duration>,
    /// Whether an accepted push is flushed at once.
    pub flush_on_push: FlushOnPush,
    /// Maintains so often; without it, never.
    pub maintain_every: Option<Duration>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            sync_every: None,
            flush_on_push: FlushOnPush::No,
            maintain_every: Some(Duration::from_secs(24 * 60 * 60)),
        }
    }
}

/// Whether an accepted push is flushed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushOnPush {
    /// Only `flush` does it.
    No,
    /// Every accepted push starts a flush.
    Yes,
}

/// When a server stops taking pushes for lack of disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeSpace {
    /// Below this it stops.
    pub stop: ByteSize,
    /// Above this it goes on.
    pub resume: ByteSize,
}

impl Default for FreeSpace {
    fn default() -> Self {
        Self { stop: ByteSize::gib(2), resume: ByteSize::gib(4) }
    }
}

/// One source branch of a repository on one node, and mostly one GitOps branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Its name.
    pub name: LaneName,
    /// Its position among the lanes of its node, as they are written in the file.
    pub position: usize,
    /// The repository.
    pub repository: RepositoryName,
    /// What is built.
    pub source: Source,
    /// The branch with what is deployed; a lane without one only builds.
    pub gitops: Option<BranchName>,
    /// Further manifests that apply brings to the cluster; globs relative to the configuration file.
    pub manifests: Vec<String>,
    /// What builds it.
    pub pipeline: Option<Pipeline>,
    /// What deploys it.
    pub argo: Option<Argo>,
}

impl Lane {
    /// Gives its branches: the source, then the GitOps branch where it has one.
    pub fn branches(&self) -> impl Iterator<Item = &BranchName> + Clone {
        [&self.source.branch].into_iter().chain(&self.gitops)
    }
}

/// The source of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The branch.
    pub branch: BranchName,
    /// The group of its snapshots.
    pub snapshot_group: GroupName,
}

/// The Tekton pipeline of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who its runs are; without it, the namespace's default.
    pub service_account_name: Option<String>,
    /// How long a run may take.
    pub timeout: Duration,
    /// Params that every run gets.
    pub params: BTreeMap<String, String>,
    /// The param that carries the commit.
    pub commit_param: String,
    /// The param that carries the snapshot ref.
    pub snapshot_param: String,
    /// The param that carries the mirror's URL.
    pub repository_param: String,
    /// The result that names the commit a run promoted.
    pub gitops_commit_result: String,
}

/// The Argo CD Application of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argo {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub application: String,
    /// The folder it deploys.
    pub path: Option<String>,
}
