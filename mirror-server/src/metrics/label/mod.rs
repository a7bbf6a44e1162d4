//! The labels of metrics: closed sets of words, and names of the configuration.

mod set;

use std::fmt;

use mirror_core::name::{LaneName, RepositoryName};
use mirror_core::operation::Verb;
use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

pub(crate) use set::{
    AloneLabels, EndpointLabels, LabelSet, LaneLabels, OperationLabels, PackLabels, PushLabels, RefusalLabels,
    RepositoryLabels, RequestLabels, SessionLabels, TokenFailureLabels, VerbLabels, VersionLabels,
};

/// The value of a label.
pub(crate) trait LabelValue: EncodeLabelValue {
    /// What values there are, for the documentation.
    fn values() -> String;
}

/// A label whose values are a closed set of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[$case_doc])* $case,)+ }

        impl $name {
            /// All there are.
            pub(super) const ALL: &[Self] = &[$(Self::$case),+];

            /// The word in metrics and in the log.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $word,)+ }
            }
        }

        impl LabelValue for $name {
            fn values() -> String {
                Self::ALL.iter().map(|word| format!("`{}`", word.as_str())).collect::<Vec<_>>().join(", ")
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
                self.as_str().encode(encoder)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// What a request was about, as far as its path and query say.
    Endpoint {
        /// The listing of refs before a fetch.
        UploadAdvertisement = "upload-pack-info",
        /// `ls-refs` and packs.
        UploadPack = "upload-pack",
        /// The listing of refs before a push.
        ReceiveAdvertisement = "receive-pack-info",
        /// A push.
        ReceivePack = "receive-pack",
        /// The status API.
        Status = "api-status",
        /// The history API.
        History = "api-history",
        /// The status page.
        Page = "page",
        /// `/healthz`.
        Healthz = "healthz",
        /// `/readyz`.
        Readyz = "readyz",
        /// `/metrics`.
        Metrics = "metrics",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// A method of HTTP.
    Method {
        /// GET.
        Get = "get",
        /// HEAD.
        Head = "head",
        /// POST.
        Post = "post",
        /// Anything else.
        Other = "other",
    }
}

impl From<&http::Method> for Method {
    fn from(method: &http::Method) -> Self {
        match *method {
            http::Method::GET => Self::Get,
            http::Method::HEAD => Self::Head,
            http::Method::POST => Self::Post,
            _ => Self::Other,
        }
    }
}

/// The status of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Status(pub(crate) http::StatusCode);

impl LabelValue for Status {
    fn values() -> String {
        "the status code of the answer".to_owned()
    }
}

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.as_str().encode(encoder)
    }
}

words! {
    /// Where the bytes of an answered fetch came from.
    PackSource {
        /// Git built it for this request, and it is cached.
        Built = "made",
        /// It was being built for another request.
        Shared = "shared",
        /// It was built earlier and cached.
        Disk = "disk",
        /// Git built it for this request alone: such an answer is never cached.
        Alone = "alone",
    }
}

words! {
    /// Why an answer to a fetch is made for one request alone. The whole of each reason stands with the cache of packs, and in the handbook.
    Alone {
        /// The request names a ref, whose value changes.
        NamesRef = "names-ref",
        /// More history is wanted than the client has, and git gives that to whom a ref leads.
        AsksRefs = "asks-refs",
        /// The client has something that is not known here, and may be tomorrow.
        UnknownHaves = "unknown-haves",
        /// So many haves that hardly anyone else has the same.
        ManyHaves = "many-haves",
        /// Nothing is wanted: a negotiation without a pack.
        NothingWanted = "nothing-wanted",
    }
}

words! {
    /// How a push ended for one ref.
    Push {
        /// On disk, and acknowledged.
        Accepted = "accepted",
        /// Not a ref that this writer may move so.
        Denied = "denied",
        /// Not a fast-forward.
        NotFastForward = "non-fast-forward",
        /// Another push moved the ref first.
        Stale = "stale",
        /// Its objects are damaged, incomplete or forbidden.
        BadObjects = "bad-objects",
        /// The client went away, or was too slow.
        Gone = "gone",
        /// Something broke here.
        Failed = "failed",
    }
}

words! {
    /// Why a request was turned away before its work began.
    Refusal {
        /// The path leads nowhere, or asks for the dumb protocol.
        NotFound = "not-found",
        /// The method, the headers or the body are wrong.
        BadRequest = "bad-request",
        /// Headers or body are larger than allowed.
        TooLarge = "too-large",
        /// The client sent or took its bytes too slowly.
        Slow = "slow",
        /// No token, or not one that is known.
        Unauthorized = "unauthorized",
        /// A known token, for something it may not do.
        Forbidden = "forbidden",
        /// It may be answered a moment later: turns are taken, the server ends, or there is no mirror yet.
        Busy = "busy",
        /// Too little disk is free for a push.
        LowSpace = "low-space",
        /// Something broke here.
        Failed = "failed",
    }
}

words! {
    /// Why a token was not taken.
    TokenFailure {
        /// It is not of the form of a token.
        Malformed = "malformed",
        /// It is not in the file.
        Unknown = "unknown",
        /// Its time is over.
        Expired = "expired",
        /// The file of tokens cannot be read.
        Unreadable = "unreadable",
    }
}

/// A verb that the schedule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ScheduledVerb(pub(crate) Verb);

impl ScheduledVerb {
    /// All there are.
    pub(super) const ALL: &[Self] = &[Self(Verb::Sync), Self(Verb::Flush), Self(Verb::Maintain)];
}

impl LabelValue for ScheduledVerb {
    fn values() -> String {
        Self::ALL.iter().map(|Self(verb)| format!("`{verb}`")).collect::<Vec<_>>().join(", ")
    }
}

impl EncodeLabelValue for ScheduledVerb {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.as_str().encode(encoder)
    }
}

words! {
    /// How an operation of the schedule ended.
    Ending {
        /// Done, and the state is as wanted.
        Done = "done",
        /// Nothing broke, but the state is not as wanted.
        Finding = "finding",
        /// Another operation held the cache too long, or a deadline passed.
        Busy = "busy",
        /// The connection to upstream.
        Upstream = "upstream",
        /// Too little disk is free.
        LowSpace = "low-space",
        /// It was asked to stop.
        Interrupted = "interrupted",
        /// Something broke here.
        Failed = "failed",
    }
}

words! {
    /// What became of an SSH session to upstream.
    SessionEvent {
        /// A new one was opened.
        Opened = "opened",
        /// One that was open was used again.
        Reused = "reused",
        /// One died.
        Lost = "lost",
        /// One was closed because it was not needed.
        Closed = "closed",
    }
}

/// A lane of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Lane(pub(crate) LaneName);

impl LabelValue for Lane {
    fn values() -> String {
        "a lane of the configuration".to_owned()
    }
}

impl EncodeLabelValue for Lane {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.as_str().encode(encoder)
    }
}

/// A repository of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Repository(pub(crate) RepositoryName);

impl LabelValue for Repository {
    fn values() -> String {
        "a repository of the configuration".to_owned()
    }
}

impl EncodeLabelValue for Repository {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.as_str().encode(encoder)
    }
}

/// The version of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Version;

impl LabelValue for Version {
    fn values() -> String {
        "the version of git-mirror".to_owned()
    }
}

impl EncodeLabelValue for Version {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        env!("CARGO_PKG_VERSION").encode(encoder)
    }
}
