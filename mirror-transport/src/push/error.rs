//! Why a push has no verdict from its server.

use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_core::name::{NameError, RefName};

use super::messages::printable;
use super::report::ReportError;
use mirror_git::pack::make::PackError;
use mirror_git::pkt::PktError;

/// A receive-pack conversation that went wrong.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PushError {
    /// The stream ended before the server said anything: no such repository, no permission, or the server gave up. What it printed
    /// for people, if anything, is on the channel's stderr.
    #[error("the server ended the conversation before it listed its refs")]
    #[diagnostic(
        code(mirror::push::no_advertisement),
        help("the repository may not exist, or this key may not write to it; run `git-mirror doctor`")
    )]
    NoAdvertisement,
    /// The server refuses with an `ERR` line.
    #[error("the server refuses: {words}")]
    #[diagnostic(code(mirror::push::refused), help("run `git-mirror doctor` to see what this key can reach"))]
    Refused {
        /// Its words.
        words: String,
    },
    /// The stream is not pkt-lines, or broke.
    #[error("the conversation with receive-pack broke")]
    #[diagnostic(
        code(mirror::push::broken),
        help("running the same command again is safe; `git-mirror doctor` shows each step of the road")
    )]
    Broken {
        /// How.
        #[source]
        source: PktError,
    },
    /// A line of the advertisement is not of the protocol.
    #[error("line {line:?} is not part of a ref advertisement")]
    #[diagnostic(code(mirror::push::bad_line), help("the server breaks the Git protocol; run `git-mirror doctor`"))]
    BadLine {
        /// The line, cut and made printable.
        line: String,
    },
    /// An advertised ref has a name that no ref can have.
    #[error("the server advertises a ref with an impossible name")]
    #[diagnostic(
        code(mirror::push::bad_ref_name),
        help("the upstream repository is damaged or hostile; look at its refs with `git ls-remote`")
    )]
    BadRefName {
        /// Which rule it breaks.
        #[source]
        source: NameError,
    },
    /// A ref is advertised twice.
    #[error("the server advertises {} twice", printable(name.as_str().as_bytes()))]
    #[diagnostic(code(mirror::push::doubled_ref), help("the server breaks the Git protocol; run `git-mirror doctor`"))]
    DoubledRef {
        /// The ref.
        name: RefName,
    },
    /// More refs than the bound.
    #[error("the server advertises more than {limit} refs")]
    #[diagnostic(
        code(mirror::push::too_many_refs),
        help("the upstream repository has more refs than this program takes")
    )]
    TooManyRefs {
        /// The bound.
        limit: usize,
    },
    /// A ref name above the bound.
    #[error("the server advertises a ref name of {length} bytes; the bound is {limit}")]
    #[diagnostic(
        code(mirror::push::long_ref_name),
        help("the upstream repository is damaged or hostile; look at its refs with `git ls-remote`")
    )]
    LongRefName {
        /// Its length.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// A list of capabilities above the bound.
    #[error("the server's list of capabilities has {length} bytes; the bound is {limit}")]
    #[diagnostic(
        code(mirror::push::long_capabilities),
        help("the server breaks the Git protocol; run `git-mirror doctor`")
    )]
    LongCapabilities {
        /// Its length.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// The repository names its objects by another hash.
    #[error("the upstream repository uses {found} object ids; only sha1 is supported")]
    #[diagnostic(
        code(mirror::push::object_format),
        help("mirror a repository in SHA-1 format: set `upstream` of the repository to one")
    )]
    ObjectFormat {
        /// The name of its hash.
        found: String,
    },
    /// The repository has cut histories: what it has cannot be told from its tips.
    #[error("the upstream repository is shallow")]
    #[diagnostic(
        code(mirror::push::shallow),
        help("complete it with `git fetch --unshallow` in the upstream repository")
    )]
    Shallow,
    /// The server speaks another version of the protocol than was asked for.
    #[error("the server answers a push in protocol version {version}")]
    #[diagnostic(code(mirror::push::version), help("the server breaks the Git protocol; run `git-mirror doctor`"))]
    Version {
        /// The version.
        version: String,
    },
    /// The server offers no report-status: how a push ended could never be known.
    #[error("the server offers no report on how a push ended")]
    #[diagnostic(
        code(mirror::push::no_report_status),
        help("nothing was sent; the upstream server needs the `report-status` capability")
    )]
    NoReportStatus,
    /// The ref is not where the command expects it. Nothing was sent.
    #[error("upstream has {name} at {found}, not at {expected}")]
    #[diagnostic(
        code(mirror::push::moved),
        help("nothing was sent; running the same command again looks at upstream first")
    )]
    Moved {
        /// The ref.
        name: RefName,
        /// What is advertised, for people.
        found: String,
        /// What the command expects, for people.
        expected: String,
    },
    /// The pack could not be made. What was sent of it, if anything, was cut off so that no server can take it.
    #[error("cannot make the pack")]
    #[diagnostic(
        code(mirror::push::pack),
        help("running the same command again is safe; if it stays, check the cache with `git fsck`")
    )]
    Pack {
        /// Why.
        #[source]
        source: PackError,
    },
    /// The stream took nothing of the request.
    #[error("cannot send the request")]
    #[diagnostic(code(mirror::push::not_sent), help("nothing was sent; running the same command again is safe"))]
    Send {
        /// What the stream says.
        #[source]
        source: std::io::Error,
    },
    /// The stream broke while the request or the pack was being sent, and no report came.
    #[error("the connection was lost after {bytes} bytes of the push")]
    #[diagnostic(
        code(mirror::push::lost),
        help("whether upstream took it is not known; running the same command again is safe")
    )]
    Lost {
        /// How much had been handed to the stream.
        bytes: u64,
        /// What the stream says.
        #[source]
        source: std::io::Error,
    },
    /// The stream ended without a whole report.
    #[error("the server ended the conversation without a report")]
    #[diagnostic(
        code(mirror::push::no_report),
        help("whether upstream took the push is not known; running the same command again is safe")
    )]
    NoReport,
    /// The server gave up on the fatal band, without a report.
    #[error("the server gave up: {words}")]
    #[diagnostic(
        code(mirror::push::server_gave_up),
        help("whether upstream took the push is not known; running the same command again is safe")
    )]
    GaveUp {
        /// Its words.
        words: String,
    },
    /// The report cannot be trusted.
    #[error("the server's report cannot be used")]
    #[diagnostic(
        code(mirror::push::bad_report),
        help("whether upstream took the push is not known; running the same command again is safe")
    )]
    Report {
        /// Why.
        #[source]
        source: ReportError,
    },
}

impl PushError {
    /// Tells whether the stream just ended, where the server could have said something wrong as well.
    pub(super) fn is_silence(&self) -> bool {
        match self {
            PushError::NoReport => true,
            PushError::Broken { source } => {
                matches!(source, PktError::Cut { .. } | PktError::Ended | PktError::Io { .. })
            }
            _ => false,
        }
    }
}

impl Classified for PushError {
    fn class(&self) -> FaultClass {
        match self {
            PushError::Pack { source } => source.class(),
            PushError::NoAdvertisement
            | PushError::Refused { .. }
            | PushError::Broken { .. }
            | PushError::BadLine { .. }
            | PushError::BadRefName { .. }
            | PushError::DoubledRef { .. }
            | PushError::TooManyRefs { .. }
            | PushError::LongRefName { .. }
            | PushError::LongCapabilities { .. }
            | PushError::ObjectFormat { .. }
            | PushError::Shallow
            | PushError::Version { .. }
            | PushError::NoReportStatus
            | PushError::Moved { .. }
            | PushError::Send { .. }
            | PushError::Lost { .. }
            | PushError::NoReport
            | PushError::GaveUp { .. }
            | PushError::Report { .. } => FaultClass::Upstream,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            PushError::Pack { source } => source.retry(),
            PushError::Broken { source } => source.retry(),
            PushError::Moved { .. } => Retry::Now,
            PushError::NoAdvertisement
            | PushError::Send { .. }
            | PushError::Lost { .. }
            | PushError::NoReport
            | PushError::GaveUp { .. }
            | PushError::Report { .. } => Retry::Backoff,
            PushError::Refused { .. }
            | PushError::BadLine { .. }
            | PushError::BadRefName { .. }
            | PushError::DoubledRef { .. }
            | PushError::TooManyRefs { .. }
            | PushError::LongRefName { .. }
            | PushError::LongCapabilities { .. }
            | PushError::ObjectFormat { .. }
            | PushError::Shallow
            | PushError::Version { .. }
            | PushError::NoReportStatus => Retry::Never,
        }
    }
}

impl From<PktError> for PushError {
    fn from(source: PktError) -> Self {
        PushError::Broken { source }
    }
}
