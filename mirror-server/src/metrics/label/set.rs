//! The sets of labels that metrics have: `prometheus-client` derives how each is written, and the names and values of its labels are
//! listed beside that for the documentation.

use std::fmt::Debug;
use std::hash::Hash;

use prometheus_client::encoding::EncodeLabelSet;

use super::{
    Alone, Ending, Endpoint, LabelValue, Lane, Method, PackSource, Push, Refusal, Repository, ScheduledVerb,
    SessionEvent, Status, TokenFailure, Version,
};

/// The labels of one metric.
pub(crate) trait LabelSet: Clone + Debug + Eq + Hash + Send + Sync + EncodeLabelSet + 'static {
    /// Each label's name and what values it takes.
    fn described() -> Vec<(&'static str, String)>;
}

macro_rules! label_sets {
    ($($(#[$doc:meta])* $name:ident { $($label:ident: $value:ty),+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(crate) struct $name { $(pub(crate) $label: $value),+ }

        impl LabelSet for $name {
            fn described() -> Vec<(&'static str, String)> {
                vec![$((stringify!($label), <$value as LabelValue>::values())),+]
            }
        }
    )+};
}

label_sets! {
    /// Of one request.
    RequestLabels { endpoint: Endpoint, method: Method, status: Status }
    /// Of all requests to an endpoint.
    EndpointLabels { endpoint: Endpoint }
    /// Of requests that were turned away.
    RefusalLabels { reason: Refusal }
    /// Of tokens that were not taken.
    TokenFailureLabels { reason: TokenFailure }
    /// Of fetches that were answered with a pack.
    PackLabels { source: PackSource }
    /// Of fetches whose answer is not shared.
    AloneLabels { reason: Alone }
    /// Of one ref that a push wanted to move.
    PushLabels { repository: Repository, outcome: Push }
    /// Of a repository.
    RepositoryLabels { repository: Repository }
    /// Of an operation of the schedule that ended.
    OperationLabels { repository: Repository, verb: ScheduledVerb, outcome: Ending }
    /// Of all operations of one verb in a repository.
    VerbLabels { repository: Repository, verb: ScheduledVerb }
    /// Of a lane.
    LaneLabels { lane: Lane }
    /// Of SSH sessions to upstream.
    SessionLabels { repository: Repository, event: SessionEvent }
    /// Of this program.
    VersionLabels { version: Version }
}
