//! How two commits stand to each other: ahead, behind, and where they meet, by one walk from both tips.
//!
//! The walk paints what each tip reaches and stops when all that is left is reached by both; its cost follows the difference, not the
//! history. Where the cache has a commit-graph, its generation numbers order the walk and the answer is exact. Where it has none, dates
//! order it, and dates lie: then the walk goes on behind the point where git stops, for a day of dates and for some hundred commits.
//! Which of the tips contains the other is exact in every case; only counts and merge base could suffer from longer lies.
//!
//! # Source
//! `paint_down_to_common` in git's `commit-reach.c`, and <https://git-scm.com/docs/commit-graph>.

use std::collections::{BinaryHeap, HashMap};

use gix_hash::ObjectId;
use gix_object::{Find, Kind};
use mirror_core::name::CommitId;
use mirror_core::sync::Relation;

use super::objects::{ObjectError, commit_id, object_id};
use super::open::Cache;

/// A generation that is not known: the commit is newer than the commit-graph.
const UNKNOWN: u32 = u32::MAX;
/// How far dates may lie, in seconds.
const DATE_SLACK: i64 = 24 * 60 * 60;
/// How many further commits are looked at where dates say that nothing can be found any more.
const COMMIT_SLACK: u32 = 256;

const LOCAL: u8 = 1;
const UPSTREAM: u8 = 2;
const BOTH: u8 = LOCAL | UPSTREAM;
/// Reached from a common ancestor: painted by both, and no candidate.
const STALE: u8 = 4;

/// Two commits whose relation cannot be told.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AncestryError {
    /// A commit that has to be there is not; the history in the cache has a hole.
    #[error("commit {id} is not in the cache")]
    #[diagnostic(
        code(mirror::cache::missing_commit),
        help(
            "run `git fsck` on the cache; a damaged cache is moved away and made again by `git-mirror sync --confirm`"
        )
    )]
    Missing {
        /// The commit.
        id: CommitId,
    },
    /// A tip, or a parent, is something else.
    #[error("object {id} is no commit")]
    #[diagnostic(code(mirror::cache::not_a_commit), help("look at it with `git cat-file -t {id}` in the cache"))]
    NotACommit {
        /// The object.
        id: CommitId,
    },
    /// The store could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Object(#[from] ObjectError),
}

/// Where two histories meet, and what each has beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meeting {
    base: Option<CommitId>,
    ahead: u64,
    behind: u64,
}

impl Cache {
    /// Tells how a local tip stands to an upstream one. Where upstream's is not in the store, the answer is [`Relation::NeedsObjects`].
    ///
    /// # Errors
    /// A hole in the history, and a store that cannot be read.
    pub fn relation(&self, local: CommitId, upstream: CommitId) -> Result<Relation, AncestryError> {
        if local == upstream {
            return Ok(Relation::Same);
        }
        if !self.contains(&object_id(upstream))? {
            return Ok(Relation::NeedsObjects);
        }
        self.relation_seen_by(self.odb()?, local, upstream)
    }

    /// Tells how two commits stand to each other that are both to be seen through a handle, which may see more than the store.
    pub(super) fn relation_seen_by(
        &self,
        odb: gix_odb::HandleArc,
        local: CommitId,
        upstream: CommitId,
    ) -> Result<Relation, AncestryError> {
        let Meeting { base, ahead, behind } = Walk::new(self, odb).meet(local, upstream)?;
        Ok(match base {
            Some(base) if base == upstream => Relation::LocalAhead { ahead },
            Some(base) if base == local => Relation::LocalBehind { behind },
            merge_base => Relation::Diverged { merge_base, ahead, behind },
        })
    }

    /// Finds the best common ancestor of two commits; `None` where their histories share nothing.
    ///
    /// # Errors
    /// A commit that is not there, a hole in the history, and a store that cannot be read.
    pub fn merge_base(&self, one: CommitId, other: CommitId) -> Result<Option<CommitId>, AncestryError> {
        if one == other {
            return Ok(Some(one));
        }
        Ok(Walk::new(self, self.odb()?).meet(one, other)?.base)
    }
}

/// The walk from two tips towards the roots.
struct Walk<'a> {
    cache: &'a Cache,
    odb: gix_odb::HandleArc,
    graph: Option<gix_commitgraph::Graph>,
    nodes: Vec<Node>,
    by_id: HashMap<ObjectId, usize>,
    queue: BinaryHeap<(u32, i64, usize)>,
    /// Entries of the queue that are not stale. The walk is over when none is left.
    fresh: usize,
    buffer: Vec<u8>,
}

struct Node {
    id: ObjectId,
    generation: u32,
    date: i64,
    parents: Vec<ObjectId>,
    paint: u8,
    is_queued: bool,
    is_candidate: bool,
}

impl<'a> Walk<'a> {
    fn new(cache: &'a Cache, odb: gix_odb::HandleArc) -> Self {
        let info = cache.layout().objects().join("info");
        let graph = match gix_commitgraph::Graph::at(&info, gix_hash::Kind::Sha1, None) {
            Ok(graph) => Some(graph),
            Err(error) => {
                if !error.is_not_found() {
                    tracing::warn!(%error, "the commit-graph cannot be read; going on without it");
                }
                None
            }
        };
        Self {
            cache,
            odb,
            graph,
            nodes: Vec::new(),
            by_id: HashMap::new(),
            queue: BinaryHeap::new(),
            fresh: 0,
            buffer: Vec::new(),
        }
    }

    fn meet(mut self, local: CommitId, upstream: CommitId) -> Result<Meeting, AncestryError> {
        self.paint(object_id(local), LOCAL)?;
        self.paint(object_id(upstream), UPSTREAM)?;
        let mut candidates = Vec::new();
        while self.fresh > 0 {
            self.step(&mut candidates)?;
        }
        self.settle(&mut candidates)?;
        let count = |side| self.nodes.iter().filter(|node| node.paint & BOTH == side).count() as u64;
        // A tip that the other one reaches is the base, whatever the dates say: no path to it leads through a stale commit.
        if let Some(tip) = self.nodes.iter().take(2).find(|node| node.paint & BOTH == BOTH) {
            return Ok(Meeting { base: Some(commit_id(&tip.id)), ahead: count(LOCAL), behind: count(UPSTREAM) });
        }
        let best = candidates.iter().map(|at: &usize| &self.nodes[*at]).filter(|node| node.paint & STALE == 0);
        // Of several, the newest; of those with one date, the first that was found.
        let best = best.fold(None, |best: Option<&Node>, node| match best {
            Some(best) if best.date >= node.date => Some(best),
            _ => Some(node),
        });
        Ok(Meeting { base: best.map(|node| commit_id(&node.id)), ahead: count(LOCAL), behind: count(UPSTREAM) })
    }

    /// Takes the first of the queue and hands its paint to its parents. Says whether something that counts changed.
    fn step(&mut self, candidates: &mut Vec<usize>) -> Result<bool, AncestryError> {
        let Some((_, _, at)) = self.queue.pop() else { return Ok(false) };
        let node = &mut self.nodes[at];
        node.is_queued = false;
        let is_stale = node.paint & STALE != 0;
        let mut paint = node.paint;
        if paint & BOTH == BOTH {
            if !is_stale && !std::mem::replace(&mut node.is_candidate, true) {
                candidates.push(at);
            }
            paint |= STALE;
        }
        if !is_stale {
            self.fresh -= 1;
        }
        // Taken out while the nodes change, and put back: more paint may pass here again.
        let parents = std::mem::take(&mut self.nodes[at].parents);
        let mut has_changed = false;
        for parent in &parents {
            has_changed |= self.paint(*parent, paint)?;
        }
        self.nodes[at].parents = parents;
        Ok(has_changed)
    }

    /// Goes on with common ancestors only, as long as one of them could still reach what counts as one tip's own.
    fn settle(&mut self, candidates: &mut Vec<usize>) -> Result<(), AncestryError> {
        let rivals = candidates.len() > 1;
        let counted = self.nodes.iter().filter(|node| node.paint & BOTH != BOTH || (rivals && node.is_candidate));
        let Some(oldest) = counted.clone().map(|node| node.date).min() else { return Ok(()) };
        let lowest = counted.map(|node| node.generation).filter(|generation| *generation != UNKNOWN).min();
        let mut slack = COMMIT_SLACK;
        while let Some((generation, date, _)) = self.queue.peek().copied() {
            if generation != UNKNOWN {
                // An ancestor has a lower generation; equal ones only where the format's numbers ended.
                if lowest.is_none_or(|lowest| generation < lowest) {
                    break;
                }
            } else if date.saturating_add(DATE_SLACK) < oldest {
                if slack == 0 {
                    break;
                }
                slack -= 1;
            }
            if self.step(candidates)? {
                slack = COMMIT_SLACK;
            }
        }
        Ok(())
    }

    /// Adds paint to a commit and queues it where that is news. Says whether a commit that was one tip's own, or a candidate, changed.
    fn paint(&mut self, id: ObjectId, paint: u8) -> Result<bool, AncestryError> {
        let at = match self.by_id.get(&id) {
            Some(at) => *at,
            None => {
                let node = self.load(id)?;
                self.nodes.push(node);
                self.by_id.insert(id, self.nodes.len() - 1);
                self.nodes.len() - 1
            }
        };
        let node = &mut self.nodes[at];
        let before = node.paint;
        node.paint |= paint;
        if node.paint == before {
            return Ok(false);
        }
        let was_fresh = node.is_queued && before & STALE == 0;
        let is_fresh = node.paint & STALE == 0;
        match (was_fresh, is_fresh) {
            (false, true) => self.fresh += 1,
            (true, false) => self.fresh -= 1,
            _ => {}
        }
        if !std::mem::replace(&mut node.is_queued, true) {
            self.queue.push((node.generation, node.date, at));
        }
        Ok(matches!(before & BOTH, LOCAL | UPSTREAM) || node.is_candidate)
    }

    fn load(&mut self, id: ObjectId) -> Result<Node, AncestryError> {
        let node = |generation, date, parents| Node {
            id,
            generation,
            date,
            parents,
            paint: 0,
            is_queued: false,
            is_candidate: false,
        };
        if let Some(graph) = &self.graph
            && let Some(commit) = graph.commit_by_id(id)
        {
            let parents = commit.iter_parents().map(|parent| parent.map(|parent| graph.id_at(parent).to_owned()));
            let parents = parents.collect::<Result<Vec<_>, _>>().map_err(|e| self.cache.unreadable(&id, e))?;
            // Writers that did not know generations wrote zero.
            let generation = if commit.generation() == 0 { UNKNOWN } else { commit.generation() };
            let date = i64::try_from(commit.committer_timestamp()).unwrap_or(i64::MAX);
            return Ok(node(generation, date, parents));
        }
        let found = self.odb.try_find(&id, &mut self.buffer).map_err(|source| self.cache.unreadable(&id, source))?;
        match found {
            None => Err(AncestryError::Missing { id: commit_id(&id) }),
            Some(object) if object.kind != Kind::Commit => Err(AncestryError::NotACommit { id: commit_id(&id) }),
            Some(object) => {
                let (date, parents) = parse(object.data);
                Ok(node(UNKNOWN, date, parents))
            }
        }
    }
}

/// Reads the committer's date and the parents of a commit. A date that is none counts as the beginning of time, as in git.
fn parse(commit: &[u8]) -> (i64, Vec<ObjectId>) {
    let mut parents = Vec::new();
    for line in commit.split(|b| *b == b'\n').take_while(|line| !line.is_empty()) {
        if let Some(parent) = line.strip_prefix(b"parent ") {
            parents.extend(ObjectId::from_hex(parent));
        } else if let Some(committer) = line.strip_prefix(b"committer ") {
            let behind = committer.rsplit(|b| *b == b'>').next().unwrap_or_default();
            let date = behind.trim_ascii().split(|b| *b == b' ').next().and_then(|date| std::str::from_utf8(date).ok());
            return (date.and_then(|date| date.parse().ok()).unwrap_or(0).max(0), parents);
        }
    }
    (0, parents)
}
