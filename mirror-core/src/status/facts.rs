//! What a status is derived from.

use jiff::Timestamp;

use crate::config::{Lane, Repository, Transport};
use crate::fault::Fault;
use crate::name::{BranchName, CommitId, LaneName, RepositoryName};
use crate::operation::Holder;
use crate::report::status::{Drift, OperationSummary, SnapshotValue, TransportMode, TransportView};
use crate::sync::Relation;

/// Everything that was read of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneFacts {
    /// The lane.
    pub lane: LaneName,
    /// The repository it belongs to.
    pub repository: RepositoryName,
    /// The road to upstream.
    pub transport: TransportView,
    /// The source branch.
    pub source: BranchFacts,
    /// The GitOps branch; absent where the lane only builds.
    pub gitops: Option<BranchFacts>,
    /// Where the upstream side of the facts comes from.
    pub origin: Origin,
    /// How the local GitOps tip relates to its upstream tip, where both exist.
    pub gitops_relation: Option<Relation>,
    /// The snapshot of the local source tip, where it exists.
    pub snapshot: Option<SnapshotValue>,
    /// The last sync that ended.
    pub last_sync: Option<OperationSummary>,
    /// The last flush that ended.
    pub last_flush: Option<OperationSummary>,
    /// The operation that holds the cache now.
    pub running: Option<Holder>,
    /// What drifted in the cluster; empty on a local node.
    pub drift: Vec<Drift>,
    /// When something was last sent to upstream, where the reader knows: an observation older than that proves nothing.
    pub sent_at: Option<Timestamp>,
    /// The time of the reading.
    pub now: Timestamp,
    /// What kept facts from being read.
    pub fault: Option<Fault>,
}

/// Where the upstream side of a lane's facts comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From what the mirror remembers of its last look (R14).
    MirrorStage,
    /// From a look at upstream that was made for these facts and changed nothing: the `staged` tips are what it saw.
    Upstream,
}

/// What was read of one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchFacts {
    /// The branch.
    pub branch: BranchName,
    /// Its tip as readers see it.
    pub local: Option<CommitId>,
    /// Its mirror-stage tip.
    pub staged: Option<CommitId>,
    /// The last look at it upstream, where there was one.
    pub observed: Option<ObservedTip>,
}

/// What a look at upstream saw of one branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedTip {
    /// Its tip; absent where upstream had no such branch.
    pub commit: Option<CommitId>,
    /// When that was.
    pub observed_at: Timestamp,
}

impl LaneFacts {
    /// The facts of a lane of which nothing has been read yet.
    #[must_use]
    pub fn unread(lane: &Lane, repository: &Repository, transport: &Transport, now: Timestamp) -> Self {
        Self {
            lane: lane.name.clone(),
            repository: repository.name.clone(),
            transport: TransportView::of(repository, transport),
            source: BranchFacts::unread(&lane.source.branch),
            gitops: lane.gitops.as_ref().map(BranchFacts::unread),
            origin: Origin::MirrorStage,
            gitops_relation: None,
            snapshot: None,
            last_sync: None,
            last_flush: None,
            running: None,
            drift: Vec::new(),
            sent_at: None,
            now,
            fault: None,
        }
    }
}

impl BranchFacts {
    /// The facts of a branch of which nothing has been read yet.
    #[must_use]
    pub fn unread(branch: &BranchName) -> Self {
        Self { branch: branch.clone(), local: None, staged: None, observed: None }
    }
}

impl TransportView {
    /// The road that a configuration names.
    #[must_use]
    pub fn of(repository: &Repository, transport: &Transport) -> Self {
        Self {
            mode: TransportMode::Ssh,
            endpoint: repository.upstream.endpoint(),
            proxy: transport.proxy.as_ref().map(ToString::to_string),
        }
    }
}
