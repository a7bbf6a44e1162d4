//! What a client asks of upload-pack: read from the bytes of a request, bounded, and written again in one canonical form.
//!
//! The canonical form is what `git upload-pack` gets to read, and what the key of the shared answer is made of. So nothing can change an answer
//! without changing its key, and what does not change an answer is in neither: the agent, session ids, server options, capabilities that
//! are not known, the order of wants, wants named twice, thin packs asked for by who has nothing.
//!
//! Pure: never looks at a repository, and never answers.
//!
//! # Source
//! `gitprotocol-pack(5)`, "Packfile Negotiation"; `gitprotocol-v2(5)`, "fetch"; `gitprotocol-capabilities(5)`.

mod encode;
mod error;
mod filter;
mod lines;
mod v0;
mod v2;

use std::collections::BTreeSet;

use mirror_core::name::CommitId;

pub(crate) use error::RequestError;

use crate::metrics::label::Alone;

/// The most wants of one request. A clone wants the tip of every branch and tag.
const MAX_WANTS: usize = 20_000;
/// The most haves, and the most shallow commits, of one request.
const MAX_HAVES: usize = 1 << 16;
/// The most refs whose history is left out.
const MAX_NAMED: usize = 64;
/// The longest filter, or name of a ref.
const MAX_WORD: usize = 1024;
/// From how many haves and shallow commits on an answer is made for one client alone: hardly anyone else has the same.
const MAX_SHARED_HAVES: usize = 256;

/// The protocol of a request, as far as its form depends on it. Version 1 is version 0 with one more line, which is in no answer to a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Versions 0 and 1.
    V0,
    /// Version 2.
    V2,
}

/// A request for a pack, or for a round of negotiation about one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchRequest {
    wire: Wire,
    wants: BTreeSet<CommitId>,
    /// In their order, which the acknowledgements follow.
    haves: Vec<CommitId>,
    shallow: BTreeSet<CommitId>,
    depth: Depth,
    filter: Option<String>,
    features: BTreeSet<Feature>,
    /// Whether the client ends the negotiation.
    ending: Ending,
}

/// How much of the history is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Depth {
    /// All of it.
    #[default]
    Whole,
    /// So many commits.
    Commits(u32),
    /// What is younger than a time, or not in the history of refs.
    Bounded {
        /// Seconds since 1970.
        since: Option<u64>,
        /// The refs.
        not: BTreeSet<String>,
    },
}

/// Whether the client goes on negotiating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It waits for acknowledgements.
    Open,
    /// It only wants to be told where its history will end, before it says what it has. Version 0 over a stateless transport.
    Shape,
    /// It wants the pack.
    Done,
}

/// What a client says it understands or wishes. The words are git's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Feature {
    MultiAckDetailed,
    MultiAck,
    NoDone,
    ThinPack,
    SideBand64k,
    SideBand,
    OfsDelta,
    NoProgress,
    IncludeTag,
    DeepenRelative,
    Filter,
    WaitForDone,
}

/// Whether an answer can be made once for many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// It depends on objects alone, and objects never change.
    Shared,
    /// It would, were all that the client has known here.
    SharedWhereKnown,
    /// It is made for this request alone; the reasons stand with the [cache](super::pack_cache).
    Own(Alone),
}

impl FetchRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// What is wrong with it, in words for the client.
    pub(crate) fn parse(wire: Wire, body: &[u8]) -> Result<Self, RequestError> {
        match wire {
            Wire::V0 => v0::parse(body),
            Wire::V2 => v2::parse(body),
        }
    }

    fn empty(wire: Wire) -> Self {
        Self {
            wire,
            wants: BTreeSet::new(),
            haves: Vec::new(),
            shallow: BTreeSet::new(),
            depth: Depth::Whole,
            filter: None,
            features: BTreeSet::new(),
            ending: Ending::Open,
        }
    }

    /// The protocol it is made in.
    pub(crate) fn wire(&self) -> Wire {
        self.wire
    }

    /// Whether nothing is wanted and nothing negotiated: the answer has no bytes.
    pub(crate) fn is_idle(&self) -> bool {
        self.wants.is_empty() && (self.wire == Wire::V0 || self.haves.is_empty())
    }

    /// Says whether its answer can be shared, as far as the request tells.
    pub(crate) fn sharing(&self) -> Sharing {
        let names_ref = matches!(&self.depth, Depth::Bounded { not, .. } if !not.is_empty());
        if self.wants.is_empty() {
            Sharing::Own(Alone::NothingWanted)
        } else if names_ref {
            Sharing::Own(Alone::NamesRef)
        } else if self.asks_refs() {
            Sharing::Own(Alone::AsksRefs)
        } else if self.haves.len() + self.shallow.len() > MAX_SHARED_HAVES {
            Sharing::Own(Alone::ManyHaves)
        } else if self.haves.is_empty() && self.shallow.is_empty() {
            Sharing::Shared
        } else {
            Sharing::SharedWhereKnown
        }
    }

    /// What the client says it has.
    pub(crate) fn claimed(&self) -> impl Iterator<Item = CommitId> {
        self.haves.iter().chain(&self.shallow).copied()
    }

    /// The commits at which the client says that its history ends.
    pub(crate) fn shallow(&self) -> impl Iterator<Item = CommitId> {
        self.shallow.iter().copied()
    }

    /// Whether the answer also depends on which tags there are.
    pub(crate) fn includes_tags(&self) -> bool {
        self.features.contains(&Feature::IncludeTag)
    }

    /// Whether git looks at refs before it answers: a history is deepened, by so many commits, where refs reach the commits at its end.
    pub(crate) fn asks_refs(&self) -> bool {
        self.features.contains(&Feature::DeepenRelative)
    }

    /// Whether the client names a time or refs at which its history is to end.
    pub(crate) fn bounds_history(&self) -> bool {
        matches!(self.depth, Depth::Bounded { .. })
    }

    /// Drops what does not change the answer, once all lines are read.
    fn settle(mut self) -> Result<Self, RequestError> {
        let may_filter = self.features.remove(&Feature::Filter);
        if self.wire == Wire::V0 && self.filter.is_some() && !may_filter {
            return Err(RequestError::FilterNotAskedFor);
        }
        if !matches!(self.depth, Depth::Commits(_)) {
            self.features.remove(&Feature::DeepenRelative);
        }
        if self.haves.is_empty() && !self.wants.is_empty() {
            self.drop_negotiation();
        }
        if self.wire == Wire::V2 && self.ending == Ending::Done {
            // No acknowledgements come in this answer, so the order of haves is none.
            self.features.remove(&Feature::WaitForDone);
            self.haves.sort_unstable();
            self.haves.dedup();
        }
        // The better of two is used, and a word for the lesser one says nothing.
        for (better, lesser) in
            [(Feature::MultiAckDetailed, Feature::MultiAck), (Feature::SideBand64k, Feature::SideBand)]
        {
            if self.features.contains(&better) {
                self.features.remove(&lesser);
            }
        }
        Ok(self)
    }

    /// Without haves there is nothing to acknowledge and nothing to leave out.
    fn drop_negotiation(&mut self) {
        for idle in [Feature::MultiAck, Feature::MultiAckDetailed, Feature::NoDone] {
            self.features.remove(&idle);
        }
        if self.shallow.is_empty() {
            self.features.remove(&Feature::ThinPack);
        }
        if self.wire == Wire::V2 {
            // The pack comes at once, whether it is called for or not.
            self.ending = Ending::Done;
        }
    }
}

#[cfg(test)]
mod tests;
