//! The shape of the file: what `config show` writes and `config schema` describes. Reading is stricter than this shape.

mod fill;
mod ordered;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use self::ordered::Ordered;
use super::duration;
use super::types::Readers;
use crate::name::{BranchName, GroupName, LaneName, NodeName, RefPrefix, RepositoryName, TagPattern};

/// The configuration of git-mirror: one file, the only truth for every verb.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields, title = "MirrorConfig")]
pub(super) struct ConfigForm {
    /// The version of the format.
    #[schemars(extend("const" = "git-mirror/v1"))]
    pub(super) api_version: String,
    /// The kind of document.
    #[schemars(extend("const" = "MirrorConfig"))]
    pub(super) kind: String,
    /// Where snapshots stand and how long.
    #[schemars(default)]
    pub(super) snapshots: SnapshotsForm,
    /// The repositories that are mirrored, by name. The cache of each is `<name>.git`.
    pub(super) repositories: BTreeMap<RepositoryName, RepositoryForm>,
    /// The road to upstream for every node; a node may override each key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) github_transport: Option<TransportForm>,
    /// The nodes, by name. Names are matched without regard to case.
    pub(super) nodes: BTreeMap<NodeName, NodeForm>,
}

/// Where snapshots stand and how long.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(super) struct SnapshotsForm {
    /// The beginning of every snapshot ref. Default: `refs/mirror/snapshots`.
    prefix: Option<RefPrefix>,
    /// How long snapshots stay.
    retention: Option<RetentionForm>,
}

/// How long snapshots stay. One that is in use stays in any case.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct RetentionForm {
    /// So many of the newest of each branch stay, however old they are. Default: 50.
    #[schemars(range(min = 1, max = 1000000))]
    keep_at_least: Option<u32>,
    /// Younger ones stay, however many there are. Default: `30d`.
    keep_for: Option<DurationForm>,
}

/// Whole numbers with units, `d`, `h`, `m`, `s` or `ms`, the largest first, such as `30s` or `1h30m`.
#[derive(Debug, Serialize, JsonSchema)]
struct DurationForm(#[schemars(regex(pattern = duration::PATTERN))] String);

/// A whole number and a unit: `B`, `KiB`, `MiB`, `GiB` or `TiB`, such as `2GiB`.
#[derive(Debug, Serialize, JsonSchema)]
struct SizeForm(#[schemars(regex(pattern = r"^[0-9]+(B|KiB|MiB|GiB|TiB)$"))] String);

/// A repository that is mirrored.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(super) struct RepositoryForm {
    /// Where it comes from: `ssh://USER@HOST:PORT/PATH`, or `USER@HOST:PATH`.
    upstream: String,
    /// Tags that are mirrored as well, read-only; each with at most one `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    tags: Vec<TagPattern>,
    /// Branches beside those of lanes that are mirrored as well, read-only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    branches: Vec<BranchName>,
}

/// The road to upstream.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(super) struct TransportForm {
    /// The transport. SSH is the only one.
    #[schemars(extend("const" = "ssh"))]
    mode: Option<String>,
    /// A CONNECT proxy, `http://HOST:PORT`, or `direct`. Default: `direct`. There is no fallback from one to the other.
    proxy: Option<String>,
    /// Where the proxy's user and password are, as `USER:PASSWORD` on one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_credentials: Option<SecretSourceForm>,
    /// Who logs in.
    identity: Option<IdentityForm>,
    /// Which host keys are trusted. Default: `github`, GitHub's published keys.
    known_hosts: Option<KnownHostsForm>,
    /// How long each phase may take.
    timeouts: Option<TimeoutsForm>,
}

/// Where a secret is found: in a file on a local node, in a Kubernetes Secret on a cluster node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum SecretSourceForm {
    /// In a file.
    File(FileForm),
    /// In a Kubernetes Secret.
    Secret(SecretForm),
}

/// A file, relative to the configuration, or `~/…`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FileForm {
    /// Its path.
    file: String,
}

/// A key of a Kubernetes Secret in the node's namespace.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SecretForm {
    /// The name of the Secret.
    secret: String,
    /// The key in it.
    key: String,
}

/// Who logs in at upstream.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum IdentityForm {
    /// A private key in a file, on a local node.
    File(KeyFileForm),
    /// The keys of the running SSH agent, on a local node.
    Agent(AgentForm),
    /// A private key in a Kubernetes Secret, on a cluster node.
    Secret(SecretForm),
}

/// A private key in a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct KeyFileForm {
    /// The file with the private key.
    file: String,
    /// The file with its passphrase, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase_file: Option<String>,
}

/// The keys of the running SSH agent.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AgentForm {
    /// Always `true`.
    #[schemars(extend("const" = true))]
    agent: bool,
}

/// Which host keys are trusted.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum KnownHostsForm {
    /// GitHub's published keys, built in.
    Github(GithubForm),
    /// A file in OpenSSH's format.
    Source(SecretSourceForm),
}

/// GitHub's published keys, built in.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum GithubForm {
    Github,
}

/// How long each phase may take.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TimeoutsForm {
    /// Opening the connection, and again the SSH handshake on it. Default: `10s`.
    connect: Option<DurationForm>,
    /// Without a byte in either direction. Default: `30s`.
    idle: Option<DurationForm>,
    /// The whole work on one repository; a flush has it anew for each of its lanes. Default: `15m`.
    total: Option<DurationForm>,
}

/// A place where caches live, and the lanes it runs.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum NodeForm {
    /// A folder of this machine.
    Local(Box<LocalForm>),
    /// A namespace of a cluster.
    Cluster(Box<ClusterForm>),
}

/// A node without a cluster: the cache is a folder of this machine.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(super) struct LocalForm {
    /// The folder of the caches, relative to the configuration, or `~/…`.
    cache: String,
    /// The road to upstream, where it differs from the common one.
    github_transport: Option<TransportForm>,
    /// How it serves readers, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    serve: Option<ServeForm>,
    /// The lanes, by name. `HEAD` of a repository names the source branch of its first lane here.
    lanes: Ordered<LaneName, LocalLaneForm>,
}

/// A node in a cluster.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(super) struct ClusterForm {
    /// The cluster.
    cluster: ContextForm,
    /// The namespace of the mirror.
    namespace: String,
    /// What runs there.
    mirror: Option<MirrorForm>,
    /// The road to upstream, where it differs from the common one.
    github_transport: Option<TransportForm>,
    /// The lanes, by name. `HEAD` of a repository names the source branch of its first lane here.
    lanes: Ordered<LaneName, LaneForm>,
}

/// A cluster.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ContextForm {
    /// The context of the kubeconfig.
    context: String,
}

/// The mirror as it runs in a cluster.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct MirrorForm {
    /// The image, needed before anything can be rendered.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// The volume of the cache.
    storage: Option<StorageForm>,
    /// Where readers reach it.
    service: Option<ServiceForm>,
    /// Who may push to GitOps branches.
    writers: Option<WritersForm>,
    /// The proxy as the network policy sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_egress: Option<EgressForm>,
    /// How it serves.
    serve: Option<ServeForm>,
}

/// The volume of the cache.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct StorageForm {
    /// The PersistentVolumeClaim. Default: `git-mirror-cache`.
    claim: Option<String>,
    /// Its size, as a Kubernetes quantity. Default: `20Gi`.
    size: Option<String>,
    /// Its class; without one, the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_class_name: Option<String>,
}

/// Where readers reach the mirror.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ServiceForm {
    /// The Service. Default: `git-mirror`.
    name: Option<String>,
    /// Its port. Default: 8080.
    #[schemars(range(min = 1))]
    port: Option<u16>,
}

/// Who may push to GitOps branches.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct WritersForm {
    /// Service accounts, each as `NAMESPACE/NAME`.
    #[schemars(default)]
    service_accounts: Vec<String>,
    /// The Secret with the hashes of static tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_secret: Option<String>,
}

/// The proxy as the network policy sees it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct EgressForm {
    /// Its addresses, in CIDR notation.
    cidr: String,
    /// Its port.
    #[schemars(range(min = 1))]
    port: u16,
}

/// How a node serves readers and GitOps writers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct ServeForm {
    /// The address to listen on. Default: `127.0.0.1:8080`, in a cluster `0.0.0.0:8080`.
    listen: Option<String>,
    /// The server's certificate, where it speaks TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsForm>,
    /// Who may read. Default: `open`; has to be said on a local node that listens on an address which other machines reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    readers: Option<Readers>,
    /// Where the hashes of static tokens are.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<SecretSourceForm>,
    /// Takes tokens without TLS on an address that other machines reach: whoever listens on the way learns them. Default: `false`.
    insecure_tokens: Option<bool>,
    /// Packs that are kept for the next reader.
    pack_cache: Option<PackCacheForm>,
    /// What it takes on at once.
    limits: Option<LimitsForm>,
    /// What it does by itself.
    schedule: Option<ScheduleForm>,
    /// When it stops taking pushes for lack of disk.
    free_space: Option<FreeSpaceForm>,
}

/// The files of a server certificate.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TlsForm {
    /// The certificate chain, in PEM.
    certificate: String,
    /// Its private key, in PEM.
    key: String,
}

/// Packs that are kept for the next reader.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PackCacheForm {
    /// How much disk they may take. Default: `10GiB`.
    size: Option<SizeForm>,
}

/// What a server takes on at once.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LimitsForm {
    /// Packs made at the same time. Default: 4.
    #[schemars(range(min = 1, max = 1024))]
    packs: Option<u32>,
    /// Requests that wait for one. Default: 64.
    #[schemars(range(max = 65536))]
    queue: Option<u32>,
    /// The largest body of a push. Default: `2GiB`.
    body: Option<SizeForm>,
}

/// What a server does by itself.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct ScheduleForm {
    /// Syncs so often; left out, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_every: Option<DurationForm>,
    /// Flushes every accepted push at once. Default: `false`.
    flush_on_push: Option<bool>,
    /// Maintains so often, or `never`. Default: `24h`.
    maintain_every: Option<String>,
}

/// When a server stops taking pushes for lack of disk.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FreeSpaceForm {
    /// Below this it stops. Default: `2GiB`.
    stop: Option<SizeForm>,
    /// Above this it goes on. Default: `4GiB`.
    resume: Option<SizeForm>,
}

/// A lane of a local node.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LocalLaneForm {
    /// The repository, by its name under `repositories`.
    repository: RepositoryName,
    /// What is built.
    source: SourceForm,
    /// What is deployed; left out, the lane only builds.
    #[serde(skip_serializing_if = "Option::is_none")]
    gitops: Option<GitopsForm>,
}

/// A lane of a cluster node.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LaneForm {
    /// The repository, by its name under `repositories`.
    repository: RepositoryName,
    /// What is built.
    source: SourceForm,
    /// What is deployed; left out, the lane only builds.
    #[serde(skip_serializing_if = "Option::is_none")]
    gitops: Option<GitopsForm>,
    /// Further manifests that apply brings to the cluster; globs relative to the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    manifests: Vec<String>,
    /// What builds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<PipelineForm>,
    /// What deploys it.
    #[serde(skip_serializing_if = "Option::is_none")]
    argo: Option<ArgoForm>,
}

/// The source of a lane.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct SourceForm {
    /// The branch.
    branch: BranchName,
    /// The group of its snapshots.
    snapshot_group: GroupName,
}

/// The branch with what is deployed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GitopsForm {
    /// The branch.
    branch: BranchName,
}

/// The Tekton pipeline of a lane.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct PipelineForm {
    /// Its namespace.
    namespace: String,
    /// Its name.
    name: String,
    /// Who its runs are; left out, the namespace's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account_name: Option<String>,
    /// How long a run may take. Default: `1h`.
    timeout: Option<DurationForm>,
    /// Params that every run gets.
    #[schemars(default)]
    params: BTreeMap<String, String>,
    /// The param that carries the commit. Default: `revision`.
    commit_param: Option<String>,
    /// The param that carries the snapshot ref. Default: `snapshot-ref`.
    snapshot_param: Option<String>,
    /// The param that carries the mirror's URL. Default: `git-url`.
    repository_param: Option<String>,
    /// The result that names the commit a run promoted. Default: `gitops-commit`.
    gitops_commit_result: Option<String>,
}

/// The Argo CD Application of a lane.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ArgoForm {
    /// Its namespace.
    namespace: String,
    /// Its name.
    application: String,
    /// The folder it deploys.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}
