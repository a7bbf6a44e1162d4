//! What one fetch is to bring, and where to.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use mirror_core::name::CommitId;

use mirror_git::pack::receive::Watch;

/// What one fetch is to bring, and where to.
pub struct FetchRequest {
    /// The objects wanted, with everything they refer to: values that upstream named.
    pub wants: Vec<CommitId>,
    /// Commits of the cache that upstream probably has: the `mirror-stage` tips. Negotiation walks back from them, and from nothing else.
    pub negotiate_from: Vec<CommitId>,
    /// The cache's commit-graph, where it has one.
    pub commit_graph: Option<gix_commitgraph::Graph>,
    /// An existing folder, alone for this fetch.
    pub into: PathBuf,
    /// Whether tags that point at what is sent come with it.
    pub tags: Tags,
    /// Who listens. Where nobody does, upstream is asked to keep its progress to itself.
    pub watch: Option<Arc<dyn Watch>>,
}

/// Whether annotated tags come along unasked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tags {
    /// Only what is wanted comes.
    #[default]
    Leave,
    /// Annotated tags of commits that are sent come as well.
    Follow,
}

impl fmt::Debug for FetchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("wants", &self.wants)
            .field("negotiate_from", &self.negotiate_from)
            .field("commit_graph", &self.commit_graph.is_some())
            .field("into", &self.into)
            .field("tags", &self.tags)
            .field("watched", &self.watch.is_some())
            .finish()
    }
}
