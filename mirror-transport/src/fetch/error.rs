//! Every way in which looking at upstream's refs, or fetching from it, can end badly.
//!
//! Owns the endings and what each means for a second try. Never: the words of a report.

use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_core::name::{CommitId, NameError};
use mirror_git::pack::receive::ReceiveError;
use mirror_git::pkt::PktError;

/// Why refs could not be listed, or objects not fetched.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum FetchError {
    /// The connection failed while upstream was speaking.
    #[error("the connection failed while reading {at}")]
    #[diagnostic(
        code(mirror::fetch::read),
        help("run the verb again; `git-mirror doctor` shows which step of the road fails")
    )]
    Read {
        /// What was being read.
        at: Stage,
        /// What the channel said.
        source: std::io::Error,
    },
    /// The connection failed while speaking to upstream.
    #[error("the connection failed while sending {at}")]
    #[diagnostic(
        code(mirror::fetch::write),
        help("run the verb again; `git-mirror doctor` shows which step of the road fails")
    )]
    Write {
        /// What was being sent.
        at: Stage,
        /// What the channel said.
        source: std::io::Error,
    },
    /// Upstream ended the conversation in its middle.
    #[error("upstream hung up in the middle of {at}")]
    #[diagnostic(
        code(mirror::fetch::hung_up),
        help("run the verb again; if it stays, `git-mirror doctor` shows what upstream's git says")
    )]
    HungUp {
        /// What was being read.
        at: Stage,
    },
    /// Upstream will not serve this repository to us: it does not exist, or we may not read it.
    #[error("upstream refuses to serve the repository: “{words}”")]
    #[diagnostic(
        code(mirror::fetch::refused),
        help("check `upstream` of the repository in the configuration, and that the identity may read it")
    )]
    Refused {
        /// Upstream's own words.
        words: String,
    },
    /// Upstream's git gave up.
    #[error("upstream's git failed while sending {at}: “{words}”")]
    #[diagnostic(
        code(mirror::fetch::upstream_failed),
        help("upstream has to repair this; running the verb again is safe")
    )]
    UpstreamFailed {
        /// What was being read.
        at: Stage,
        /// Upstream's own words.
        words: String,
    },
    /// What answers is not git.
    #[error("upstream does not speak git's protocol; it says “{seen}”")]
    #[diagnostic(
        code(mirror::fetch::not_git),
        help(
            "check `upstream` in the configuration: the login there must run git-upload-pack and print nothing of its own"
        )
    )]
    NotGit {
        /// The first of what it said.
        seen: String,
    },
    /// A line that has no place where it stood.
    #[error("unexpected line in {at}: “{seen}”")]
    #[diagnostic(code(mirror::fetch::protocol), help("upstream breaks git's protocol; nothing was taken from it"))]
    Protocol {
        /// What was being read.
        at: Stage,
        /// The first of the line.
        seen: String,
    },
    /// Bytes that are no pkt-line.
    #[error("broken pkt-line in {at}")]
    #[diagnostic(code(mirror::fetch::pkt_line), help("upstream breaks git's protocol; nothing was taken from it"))]
    PktLine {
        /// What was being read.
        at: Stage,
        /// What is broken.
        source: PktError,
    },
    /// A protocol version that this program does not know.
    #[error("upstream speaks version “{version}” of git's protocol")]
    #[diagnostic(code(mirror::fetch::version), help("versions 0, 1 and 2 are understood; update git-mirror"))]
    Version {
        /// The version.
        version: String,
    },
    /// Upstream cannot do what a fetch needs.
    #[error("upstream's git lacks `{capability}`")]
    #[diagnostic(
        code(mirror::fetch::capability),
        help("upstream's git is too old to be mirrored from; it has to be updated")
    )]
    Capability {
        /// What it lacks.
        capability: &'static str,
    },
    /// Upstream's objects are not named by SHA-1.
    #[error("upstream's repository is in {format} format")]
    #[diagnostic(code(mirror::fetch::object_format), help("only SHA-1 repositories can be mirrored"))]
    ObjectFormat {
        /// The format upstream names.
        format: String,
    },
    /// Upstream lacks the beginning of its own history.
    #[error("upstream's repository is a shallow clone")]
    #[diagnostic(
        code(mirror::fetch::shallow),
        help("run `git fetch --unshallow` in upstream's repository, or mirror from a complete one")
    )]
    Shallow,
    /// Upstream says more about its refs than is bearable.
    #[error("{at} is longer than {limit} bytes")]
    #[diagnostic(
        code(mirror::fetch::advertisement_size),
        help("nothing was changed; upstream has to be looked at by its owner")
    )]
    AdvertisementSize {
        /// What was being read.
        at: Stage,
        /// The bound.
        limit: u64,
    },
    /// Upstream names more refs than is bearable.
    #[error("upstream names more than {limit} refs")]
    #[diagnostic(
        code(mirror::fetch::ref_count),
        help("declare fewer `tags`, or ask upstream's owner to remove stale refs")
    )]
    RefCount {
        /// The bound.
        limit: usize,
    },
    /// Upstream names a ref whose name is too long.
    #[error("upstream names a ref of more than {limit} bytes: “{start}…”")]
    #[diagnostic(code(mirror::fetch::ref_name_size), help("nothing was changed; the ref has to be renamed upstream"))]
    RefNameSize {
        /// The bound.
        limit: usize,
        /// How the name begins.
        start: String,
    },
    /// Upstream names a ref that cannot exist.
    #[error("upstream names a ref that git does not allow: “{name}”")]
    #[diagnostic(code(mirror::fetch::ref_name), help("nothing was changed; upstream is damaged or hostile"))]
    RefName {
        /// The name.
        name: String,
        /// The rule it breaks.
        source: NameError,
    },
    /// Upstream names a ref that nobody asked for.
    #[error("upstream names a ref that was not asked for: “{name}”")]
    #[diagnostic(
        code(mirror::fetch::unasked_ref),
        help("nothing was changed; upstream ignores the filter it was given")
    )]
    UnaskedRef {
        /// The name.
        name: String,
    },
    /// Upstream names one ref twice.
    #[error("upstream names {name} twice")]
    #[diagnostic(code(mirror::fetch::doubled_ref), help("nothing was changed; upstream is damaged or hostile"))]
    DoubledRef {
        /// The name.
        name: String,
    },
    /// Upstream talks without end.
    #[error("upstream sent more than {limit} bytes of messages")]
    #[diagnostic(
        code(mirror::fetch::message_size),
        help("nothing was changed; upstream has to be looked at by its owner")
    )]
    MessageSize {
        /// The bound.
        limit: u64,
    },
    /// The channel has been used up: `ls-refs` was sent ahead to a server that does not know it.
    #[error("the channel is spent: upstream speaks protocol version 0, and `ls-refs` had been sent ahead")]
    #[diagnostic(code(mirror::fetch::channel_spent), help("open another channel with nothing sent ahead"))]
    ChannelSpent,
    /// Upstream's refs have been looked at on this channel, and it would say the same again whatever has changed since.
    #[error("the refs were already looked at on this channel")]
    #[diagnostic(code(mirror::fetch::stale_look), help("open another channel for another look"))]
    StaleLook,
    /// The pack was not taken.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pack(#[from] ReceiveError),
    /// The cache could not be read to tell upstream what is already here.
    #[error("cannot read {object} from the cache: {detail}")]
    #[diagnostic(code(mirror::fetch::store), help("run `git fsck` in the cache"))]
    Store {
        /// The object.
        object: CommitId,
        /// What the object store said.
        detail: String,
    },
    /// The one who asked for the fetch gave it up.
    #[error("the fetch was given up")]
    #[diagnostic(code(mirror::fetch::cancelled), help("nothing was kept; run the verb again"))]
    Cancelled,
}

impl Classified for FetchError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Pack(error) => error.class(),
            Self::Store { .. } | Self::ChannelSpent | Self::StaleLook | Self::Cancelled => FaultClass::Failed,
            Self::Read { .. }
            | Self::Write { .. }
            | Self::HungUp { .. }
            | Self::Refused { .. }
            | Self::UpstreamFailed { .. }
            | Self::NotGit { .. }
            | Self::Protocol { .. }
            | Self::PktLine { .. }
            | Self::Version { .. }
            | Self::Capability { .. }
            | Self::ObjectFormat { .. }
            | Self::Shallow
            | Self::AdvertisementSize { .. }
            | Self::RefCount { .. }
            | Self::RefNameSize { .. }
            | Self::RefName { .. }
            | Self::UnaskedRef { .. }
            | Self::DoubledRef { .. }
            | Self::MessageSize { .. } => FaultClass::Upstream,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Pack(error) => error.retry(),
            Self::ChannelSpent | Self::StaleLook => Retry::Now,
            Self::Read { .. } | Self::Write { .. } | Self::HungUp { .. } | Self::UpstreamFailed { .. } => {
                Retry::Backoff
            }
            Self::Refused { .. }
            | Self::NotGit { .. }
            | Self::Protocol { .. }
            | Self::PktLine { .. }
            | Self::Version { .. }
            | Self::Capability { .. }
            | Self::ObjectFormat { .. }
            | Self::Shallow
            | Self::AdvertisementSize { .. }
            | Self::RefCount { .. }
            | Self::RefNameSize { .. }
            | Self::RefName { .. }
            | Self::UnaskedRef { .. }
            | Self::DoubledRef { .. }
            | Self::MessageSize { .. }
            | Self::Store { .. }
            | Self::Cancelled => Retry::Never,
        }
    }
}

impl FetchError {
    /// Joins what the server printed beside the protocol to an ending that it explains.
    ///
    /// Forges refuse an unknown or forbidden repository by printing a sentence to stderr and hanging up.
    #[must_use]
    pub fn explained_by(self, stderr: &str) -> Self {
        let said = words(stderr.as_bytes());
        match self {
            Self::HungUp { at: Stage::Advertisement } if !said.is_empty() => Self::Refused { words: said },
            Self::HungUp { at } if !said.is_empty() => Self::UpstreamFailed { at, words: said },
            other => other,
        }
    }
}

/// The part of the conversation in which something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Version, capabilities and, in version 0, the refs.
    Advertisement,
    /// The request for refs, or its answer.
    LsRefs,
    /// Wants and haves, or the answer to them.
    Negotiation,
    /// The pack.
    Pack,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Advertisement => "the advertisement",
            Self::LsRefs => "the list of refs",
            Self::Negotiation => "the negotiation",
            Self::Pack => "the pack",
        })
    }
}

/// Makes words from outside fit for a report: one line, no control characters, no more than is readable.
pub(super) fn words(bytes: &[u8]) -> String {
    const MOST: usize = 400;
    let text = String::from_utf8_lossy(bytes);
    let clean: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.trim().chars().nth(MOST).is_some() { format!("{clean}…") } else { clean }
}
