//! Which commits of the cache to name to upstream, so that it need not send what is here.
//!
//! Owns the walk back from the given tips, through the commit-graph where there is one. Never: other refs of the cache, however many there are.

use std::collections::{BTreeSet, HashSet};

use gix_hash::ObjectId;
use mirror_core::name::CommitId;

use super::error::FetchError;

/// Names commits of the cache, newest first.
pub(super) struct Haves<'a> {
    negotiator: Box<dyn gix_negotiate::Negotiator>,
    graph: gix_negotiate::Graph<'a, 'a>,
    named: HashSet<ObjectId>,
}

impl<'a> Haves<'a> {
    /// Starts at those `tips` that are in the cache; what upstream `advertised` is common without asking.
    pub(super) fn new<F>(
        objects: F,
        commit_graph: Option<&'a gix_commitgraph::Graph>,
        tips: &[CommitId],
        advertised: &BTreeSet<CommitId>,
    ) -> Result<Self, FetchError>
    where
        F: gix_object::Find + 'a,
    {
        // The walk names every commit on its way. The skipping one would converge sooner where thousands are unknown to upstream,
        // but it panics on a store with holes.
        let mut negotiator = gix_negotiate::Algorithm::Consecutive.into_negotiator();
        let mut graph = gix_negotiate::Graph::new(objects, commit_graph);
        for tip in tips {
            let id = ObjectId::Sha1(*tip.as_bytes());
            let added = if advertised.contains(tip) {
                negotiator.known_common(id, &mut graph)
            } else {
                negotiator.add_tip(id, &mut graph)
            };
            added.map_err(|error| unreadable(id, &error))?;
        }
        Ok(Self { negotiator, graph, named: HashSet::new() })
    }

    /// Gives up to `count` further commits; fewer when there are no more.
    pub(super) fn next(&mut self, count: usize) -> Result<Vec<ObjectId>, FetchError> {
        let mut haves = Vec::new();
        while haves.len() < count {
            let Some(next) = self.negotiator.next_have(&mut self.graph) else { break };
            let id = next.map_err(|error| unreadable(ObjectId::null(gix_hash::Kind::Sha1), &error))?;
            self.named.insert(id);
            haves.push(id);
        }
        Ok(haves)
    }

    /// Takes note that upstream has `id`. Says whether it had been named to it: an answer about anything else means nothing.
    pub(super) fn acknowledge(&mut self, id: ObjectId) -> Result<Named, FetchError> {
        if !self.named.contains(&id) {
            return Ok(Named::Never);
        }
        self.negotiator.in_common_with_remote(id, &mut self.graph).map_err(|error| unreadable(id, &error))?;
        Ok(Named::Before)
    }
}

/// Whether a commit had been named to upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It had.
    Before,
    /// It had not.
    Never,
}

fn unreadable(id: ObjectId, error: &impl std::fmt::Display) -> FetchError {
    let object = CommitId::from_bytes(id.as_bytes().try_into().expect("because a SHA-1 has 20 bytes"));
    FetchError::Store { object, detail: error.to_string() }
}

/// How many haves a conversation sends, and when it stops.
///
/// # Source
/// gitprotocol-pack "Packfile Negotiation": 16 first, then more each time; after 256 in vain it is cheaper to take what comes.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    in_vain: usize,
}

impl Window {
    const FIRST: usize = 16;
    const MOST: usize = 512;
    const IN_VAIN: usize = 256;

    pub(super) fn new() -> Self {
        Self { size: Self::FIRST, in_vain: 0 }
    }

    /// How many to send now.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Takes note of a batch that has been sent, and says whether it is the last.
    pub(super) fn sent(&mut self, haves: usize) -> Batch {
        self.in_vain += haves;
        let last = haves < self.size || self.in_vain >= Self::IN_VAIN;
        self.size = (self.size * 2).min(Self::MOST);
        if last { Batch::Last } else { Batch::More }
    }

    /// Takes note that upstream knew one.
    pub(super) fn answered(&mut self) {
        self.in_vain = 0;
    }
}

/// Whether more haves may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// More may follow.
    More,
    /// These were the last.
    Last,
}
