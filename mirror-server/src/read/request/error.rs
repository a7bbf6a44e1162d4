//! What is wrong with a request, in words for the client that made it.

use mirror_core::name::CommitId;
use mirror_git::pkt::PktError;

use super::filter::SERVED;

/// A request that is not answered with a pack.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The bytes are not what a Git client sends.
    #[error("the request is not a Git request: {0}")]
    NotGit(#[from] PktError),
    /// It ends where more has to come.
    #[error("the request ends before its end")]
    Cut,
    /// It has no bytes.
    #[error("the request has no body")]
    Empty,
    /// Another command than `fetch`.
    #[error("invalid command '{0}'")]
    Command(String),
    /// A capability of version 2 that was not advertised.
    #[error("unknown capability '{0}'")]
    Capability(String),
    /// Objects are named by another hash.
    #[error("mismatched object format: server sha1; client {0}")]
    ObjectFormat(String),
    /// A line that means nothing at its place.
    #[error("unexpected line: '{0}'")]
    Line(String),
    /// What should be an object's id is none.
    #[error("expected an object's id, got '{0}'")]
    NotAnId(String),
    /// Wants of the null id, or of an id in capitals, are refused like those of objects that are not there.
    #[error("upload-pack: not our ref {0}")]
    NotOurRef(String),
    /// More than is taken in one request.
    #[error("too many {what}: at most {limit} in one request")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// A depth that is none.
    #[error("invalid {0}")]
    Depth(String),
    /// The history cannot end where it is to.
    #[error(
        "the history cannot end there: the time is later than all of it, or the ref to leave out is unknown or leaves nothing"
    )]
    NoSuchEnd,
    /// What is said to be the end of a shallow history is known, and no commit.
    #[error("invalid shallow object {0}")]
    Shallow(CommitId),
    /// Two ways of cutting the history.
    #[error("deepen and deepen-since (or deepen-not) cannot be used together")]
    Depths,
    /// A filter that git does not know, or that is not served.
    #[error("invalid filter-spec '{0}': this server knows {SERVED}")]
    Filter(String),
    /// A second filter.
    #[error("multiple filter-specs cannot be combined")]
    Filters,
    /// A filter without its capability.
    #[error("filtering capability not negotiated")]
    FilterNotAskedFor,
}

impl RequestError {
    /// Whether the client may be told in its own protocol. Otherwise it is no Git client, or one that broke.
    pub(crate) fn is_for_git(&self) -> bool {
        !matches!(self, Self::NotGit(_) | Self::Cut | Self::Empty)
    }
}
