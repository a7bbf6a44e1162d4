//! Which commits upstream lacks: a walk from the new tips, newest first, that paints down from the boundaries and stops where
//! everything left is painted. What it reads is what is new and a few commits around the boundaries.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gix_hash::ObjectId;
use gix_object::{Kind, commit::ref_iter::Token};

use super::error::PackError;
use super::ids::{IdMap, IdSet};
use super::plan::Objects;

/// How many painted commits are still looked at when nothing unpainted is left, for clocks that went backwards.
const SLOP: u32 = 5;

/// What is new between the boundaries and the tips.
#[derive(Debug, Default)]
pub(super) struct NewHistory {
    /// New annotated tags, outermost first.
    pub(super) tags: Vec<ObjectId>,
    /// New commits, oldest first.
    pub(super) commits: Vec<NewCommit>,
    /// Commits upstream has that a new commit names as its parent, in the order of those children, without doubles.
    pub(super) edge: Vec<NewCommit>,
}

/// A commit and its tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewCommit {
    pub(super) id: ObjectId,
    pub(super) tree: ObjectId,
}

/// Walks from `tips` to what `boundaries` reach. Boundaries that are not in the store say nothing and are skipped.
pub(super) fn walk(store: &impl Objects, tips: &[ObjectId], boundaries: &[ObjectId]) -> Result<NewHistory, PackError> {
    let mut walk = Walk { store, buffer: Vec::new(), seen: IdMap::default(), queue: BinaryHeap::new(), unpainted: 0 };
    let mut known_tags = IdSet::default();
    for boundary in store.known(boundaries) {
        if let Some(commit) = walk.peel(boundary, &mut |tag| _ = known_tags.insert(tag))? {
            walk.insert(commit, Side::Upstream)?;
        }
    }
    let mut history = NewHistory::default();
    for tip in tips {
        let mut new_tag = |tag| {
            if known_tags.insert(tag) {
                history.tags.push(tag);
            }
        };
        let commit = walk.peel(*tip, &mut new_tag)?.ok_or(PackError::Missing { id: *tip })?;
        walk.insert(commit, Side::New)?;
    }
    let newest_first = walk.run()?;
    history.commits = newest_first.into_iter().rev().filter_map(|id| walk.still_new(id)).collect();
    let mut listed = IdSet::default();
    for commit in &history.commits {
        for parent in &walk.seen[&commit.id].parents {
            let seen = &walk.seen[parent];
            if seen.side == Side::Upstream && listed.insert(*parent) {
                history.edge.push(NewCommit { id: *parent, tree: seen.tree });
            }
        }
    }
    Ok(history)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    New,
    Upstream,
}

struct Seen {
    side: Side,
    walked: bool,
    time: i64,
    tree: ObjectId,
    parents: Vec<ObjectId>,
}

struct Walk<'a, S> {
    store: &'a S,
    buffer: Vec<u8>,
    seen: IdMap<Seen>,
    /// By time; of equal times the one that was found first, so that a child comes before its parent.
    queue: BinaryHeap<(i64, Reverse<usize>, ObjectId)>,
    /// How many of the queue are not painted.
    unpainted: usize,
}

impl<S: Objects> Walk<'_, S> {
    /// Follows tags to the commit behind them; `None` where a tree or a blob is behind them.
    fn peel(&mut self, mut id: ObjectId, tag: &mut dyn FnMut(ObjectId)) -> Result<Option<ObjectId>, PackError> {
        loop {
            let object = self.store.read(&id, &mut self.buffer)?;
            match object.kind {
                Kind::Commit => return Ok(Some(id)),
                Kind::Tree | Kind::Blob => return Ok(None),
                Kind::Tag => {
                    tag(id);
                    let target = gix_object::TagRefIter::from_bytes(object.data, gix_hash::Kind::Sha1).target_id();
                    id = target.map_err(|error| PackError::Unreadable { id, source: error.into() })?;
                }
            }
        }
    }

    fn insert(&mut self, id: ObjectId, side: Side) -> Result<(), PackError> {
        if self.seen.contains_key(&id) {
            if side == Side::Upstream {
                self.paint(id);
            }
            return Ok(());
        }
        let seen = self.read_commit(id, side)?;
        self.queue.push((seen.time, Reverse(self.seen.len()), id));
        self.unpainted += usize::from(side == Side::New);
        self.seen.insert(id, seen);
        Ok(())
    }

    /// Takes from the queue until all that is left in it is upstream's; the new commits in the order in which they were taken.
    fn run(&mut self) -> Result<Vec<ObjectId>, PackError> {
        let mut new = Vec::new();
        let (mut oldest, mut slop) = (i64::MAX, SLOP);
        while let Some((time, _, id)) = self.queue.pop() {
            if self.unpainted == 0 && time < oldest {
                slop -= 1;
                if slop == 0 {
                    break;
                }
            } else {
                slop = SLOP;
            }
            let seen = self.seen.get_mut(&id).expect("because only seen commits are queued");
            seen.walked = true;
            let (side, parents) = (seen.side, seen.parents.clone());
            if side == Side::New {
                self.unpainted -= 1;
                oldest = oldest.min(time);
                new.push(id);
            }
            for parent in parents {
                self.insert(parent, side)?;
            }
        }
        // Where the walk ended early, parents that were never reached stay unread: a new commit's parents are always read.
        Ok(new)
    }

    /// Marks a commit that was seen before as upstream's, with all its ancestors that were walked.
    fn paint(&mut self, id: ObjectId) {
        let mut stack = vec![id];
        while let Some(id) = stack.pop() {
            let Some(seen) = self.seen.get_mut(&id) else { continue };
            if seen.side == Side::Upstream {
                continue;
            }
            seen.side = Side::Upstream;
            if seen.walked {
                stack.extend_from_slice(&seen.parents);
            } else {
                self.unpainted -= 1;
            }
        }
    }

    fn still_new(&self, id: ObjectId) -> Option<NewCommit> {
        let seen = &self.seen[&id];
        (seen.side == Side::New).then_some(NewCommit { id, tree: seen.tree })
    }

    fn read_commit(&mut self, id: ObjectId, side: Side) -> Result<Seen, PackError> {
        let object = self.store.read(&id, &mut self.buffer)?;
        if object.kind != Kind::Commit {
            return Err(PackError::Kind { id, found: object.kind, expected: Kind::Commit });
        }
        let mut seen = Seen { side, walked: false, time: 0, tree: id, parents: Vec::new() };
        for token in gix_object::CommitRefIter::from_bytes(object.data, gix_hash::Kind::Sha1) {
            match token.map_err(|error| PackError::Unreadable { id, source: error.into() })? {
                Token::Tree { id } => seen.tree = id,
                Token::Parent { id } => seen.parents.push(id),
                Token::Committer { signature } => {
                    seen.time = signature.seconds();
                    break;
                }
                Token::Author { .. } | Token::Encoding(_) | Token::ExtraHeader(_) | Token::Message(_) => {}
            }
        }
        Ok(seen)
    }
}
