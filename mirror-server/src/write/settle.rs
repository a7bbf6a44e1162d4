//! The end of a push, on the disk: the checks that need its objects, the pack into the store, the refs moved under their locks.
//!
//! All of it blocks. A process that is killed here leaves the old tip or the new one; what it had not finished is swept by the next who
//! looks. A ref that is moved is on the disk, with everything it reaches, before this returns.

use std::time::Duration;

use mirror_core::name::CommitId;
use mirror_core::operation::Verb;
use mirror_core::sync::Relation;
use mirror_store::{Adding, AncestryError, ApplyError, Cache, DiskError, LockError, Operation, Quarantined, Receiving};

use super::policy::Allowed;
use super::push::Push;
use super::request::Wish;
use crate::metrics::label::Push as Outcome;

/// How long the first try waits for a ref's lock; git and this program hold one for the time of a rename.
const FIRST_PATIENCE: Duration = Duration::from_millis(300);
const SECOND_PATIENCE: Duration = Duration::from_secs(2);

/// What a push holds in the cache while it is under way.
#[derive(Debug)]
pub(crate) struct Held {
    /// Where its pack waits.
    pub(crate) receiving: Receiving,
    operation: Operation,
    /// No object leaves the store on which the pack builds.
    _adding: Adding,
}

impl Held {
    /// Begins the work of a push in a cache.
    ///
    /// # Errors
    /// What the disk refuses.
    pub(crate) fn begin(cache: &Cache) -> Result<Self, DiskError> {
        let adding = cache.keep_objects()?;
        let operation = cache.begin(Verb::Push.as_str())?.with_patience(FIRST_PATIENCE);
        Ok(Self { receiving: operation.receive()?, operation, _adding: adding })
    }

    /// The name under which the journal knows it.
    pub(crate) fn name(&self) -> String {
        self.operation.name()
    }
}

/// A refusal: its kind, and what the client is told.
type Refusal = (Outcome, String);

/// Refuses what the refs rule out as they are now, without any object: a look that saves receiving a pack in vain.
pub(crate) fn refuse_stale(cache: &Cache, push: &mut Push) {
    for (at, allowed) in push.open() {
        if let Err((outcome, reason)) = judge_value(cache, &allowed) {
            push.refuse(at, outcome, reason);
        }
    }
}

/// Carries out what is open of a push, and decides each of its refs. `pack` is the checksum of what git indexed, where there was a pack.
pub(crate) fn settle(held: &Held, pack: Option<CommitId>, push: &mut Push) {
    if let Err((outcome, reason)) = settle_all(held, pack, push) {
        push.refuse_open(outcome, &reason);
    }
}

/// # Errors
/// What concerns all that is open.
fn settle_all(held: &Held, pack: Option<CommitId>, push: &mut Push) -> Result<(), Refusal> {
    let cache = held.operation.cache();
    let quarantined = pack.map(|checksum| held.receiving.indexed(checksum)).transpose().map_err(|e| failed(&e))?;
    for (at, allowed) in push.open() {
        let judged = judge_value(cache, &allowed).and_then(|()| judge_objects(cache, quarantined.as_ref(), &allowed));
        if let Err((outcome, reason)) = judged {
            push.refuse(at, outcome, reason);
        }
    }
    let open = push.open();
    if open.is_empty() {
        return Ok(());
    }
    if let Some(quarantined) = quarantined {
        let tips: Vec<_> = open.iter().map(|(_, allowed)| allowed.new).collect();
        let closed = quarantined.close(&tips).map_err(|e| failed(&e))?;
        held.operation.install(closed).map_err(|e| disk_refusal(&e))?;
    }
    let groups: Vec<Vec<(usize, Allowed)>> = match push.request.wishes(Wish::Atomic) {
        true => vec![open],
        false => open.into_iter().map(|one| vec![one]).collect(),
    };
    for group in groups {
        let edits: Vec<_> = group.iter().map(|(_, allowed)| allowed.edit()).collect();
        let find = |allowed: &Allowed| cache.find(&allowed.branch.ref_name()).ok();
        let applied = match held.operation.apply(&edits) {
            Err(ApplyError::Lock(LockError::Held { .. })) => apply_again(held, &edits),
            applied => applied.map(|_| ()),
        };
        match applied {
            Ok(()) => group.iter().for_each(|(at, _)| push.accept(*at)),
            Err(error @ ApplyError::Interrupted { .. }) => {
                end_interrupted(push, &group, &error, || apply_again(held, &edits), find);
            }
            Err(error) => refuse_group(push, &group, &told_by_lock(error, &group, find)),
        }
    }
    Ok(())
}

/// What a lock that was held too long says: whoever held it may have moved a branch meanwhile, and a push that lost hears of that. `find`
/// reads a ref, where it can be read.
fn told_by_lock(
    error: ApplyError,
    group: &[(usize, Allowed)],
    find: impl Fn(&Allowed) -> Option<Option<CommitId>>,
) -> ApplyError {
    if !matches!(error, ApplyError::Lock(LockError::Held { .. })) {
        return error;
    }
    let moved = group.iter().find_map(|(_, allowed)| {
        let found = find(allowed).filter(|found| ![allowed.old, Some(allowed.new)].contains(found))?;
        Some(ApplyError::Stale { name: allowed.branch.ref_name(), expected: allowed.old, found })
    });
    moved.unwrap_or(error)
}

/// Tries once more after a lock was in the way: it may be one that a killed push left.
fn apply_again(held: &Held, edits: &[mirror_core::sync::RefEdit]) -> Result<(), ApplyError> {
    let cache = held.operation.cache();
    let recovered = cache.recover()?;
    if !recovered.locks.is_empty() {
        tracing::warn!(cache = %cache.path().display(), locks = ?recovered.locks, "took back the locks of a push that died");
    }
    let operation = cache.begin(Verb::Push.as_str())?.with_patience(SECOND_PATIENCE);
    operation.apply(edits).map(|_| ())
}

/// Decides about a group whose edits the disk cut short: some may be made. `find` reads a ref, where it can be read.
///
/// Made again they converge, so that the second try ends well exactly where each ref has its new value. That it is on the disk is proved by
/// then, unless the disk has once refused to take it: who asks again is told of no failure twice. Otherwise the client hears that a ref
/// stayed as it was only where it is seen there.
fn end_interrupted(
    push: &mut Push,
    group: &[(usize, Allowed)],
    error: &ApplyError,
    again: impl FnOnce() -> Result<(), ApplyError>,
    find: impl Fn(&Allowed) -> Option<Option<CommitId>>,
) {
    let again = again();
    if !is_unsynced(error) && !again.as_ref().is_err_and(is_unsynced) {
        if again.is_ok() {
            return group.iter().for_each(|(at, _)| push.accept(*at));
        }
        if group.iter().all(|(_, allowed)| find(allowed) == Some(allowed.old)) {
            return refuse_group(push, group, error);
        }
    }
    tracing::error!(error = error as &dyn std::error::Error, "whether a push was taken is not known");
    group.iter().for_each(|(at, _)| push.leave_unknown(*at, UNKNOWN));
}

/// Says whether refs were moved that the disk then refused to take.
fn is_unsynced(error: &ApplyError) -> bool {
    matches!(error, ApplyError::Interrupted { is_unsynced: true, .. })
}

/// The reason where a ref was moved, and perhaps not for good.
const UNKNOWN: &str = "the server's disk failed while the branch was moved, and whether it moved is not known: fetch and look, then push again";

/// Refuses a group whose edits were made together or not at all.
fn refuse_group(push: &mut Push, group: &[(usize, Allowed)], error: &ApplyError) {
    let concerned = match error {
        ApplyError::Stale { name, .. }
        | ApplyError::NameConflict { name, .. }
        | ApplyError::Lock(LockError::Held { name: Some(name), .. } | LockError::Conflict { name }) => {
            group.iter().find(|(_, allowed)| allowed.branch.ref_name() == *name)
        }
        _ => None,
    };
    let (outcome, reason) = apply_refusal(error);
    match concerned {
        Some((at, _)) => push.refuse(*at, outcome, reason),
        None => group.iter().for_each(|(at, _)| push.refuse(*at, outcome, reason.clone())),
    }
}

/// Checks that the ref has the value that the client saw, or the new one already.
fn judge_value(cache: &Cache, allowed: &Allowed) -> Result<(), Refusal> {
    let found = cache.find(&allowed.branch.ref_name()).map_err(|e| failed(&e))?;
    if found == allowed.old || found == Some(allowed.new) {
        return Ok(());
    }
    Err(stale(found))
}

fn stale(found: Option<CommitId>) -> Refusal {
    let now = found.map_or_else(|| "is gone".to_owned(), |found| format!("is at {} now", found.short()));
    (Outcome::Stale, format!("stale info: the branch {now}; fetch first"))
}

/// Checks that the new value is a commit that is here or in the pack, and contains the old one.
fn judge_objects(cache: &Cache, quarantined: Option<&Quarantined>, allowed: &Allowed) -> Result<(), Refusal> {
    let Allowed { old, new, .. } = allowed;
    let has_commit = match quarantined {
        Some(quarantined) => quarantined.has_commit(*new),
        None => cache.has_commit(*new),
    };
    if !has_commit.map_err(|e| failed(&e))? {
        return Err((Outcome::BadObjects, format!("missing necessary objects: {} is no commit here", new.short())));
    }
    let Some(old) = *old else { return Ok(()) };
    let relation = match quarantined {
        Some(quarantined) => quarantined.relation(old, *new),
        None => cache.relation(old, *new),
    };
    match relation.map_err(|e| ancestry_refusal(&e))? {
        Relation::Same | Relation::LocalBehind { .. } => Ok(()),
        Relation::LocalAhead { .. } | Relation::Diverged { .. } | Relation::NeedsObjects => {
            let reason =
                format!("non-fast-forward: {} does not contain {}, and force is not taken", new.short(), old.short());
            Err((Outcome::NotFastForward, reason))
        }
    }
}

fn ancestry_refusal(error: &AncestryError) -> Refusal {
    match error {
        AncestryError::Missing { id } | AncestryError::NotACommit { id } => {
            (Outcome::BadObjects, format!("missing necessary objects: {}", id.short()))
        }
        AncestryError::Object(error) => failed(error),
    }
}

fn apply_refusal(error: &ApplyError) -> Refusal {
    match error {
        ApplyError::Stale { found, .. } => stale(*found),
        ApplyError::NameConflict { .. } | ApplyError::Lock(LockError::Conflict { .. }) => {
            (Outcome::Denied, error.to_string())
        }
        ApplyError::Lock(LockError::Held { .. }) => {
            (Outcome::Failed, "the branch is locked by another git process on the server; push again".to_owned())
        }
        ApplyError::Disk(error)
        | ApplyError::Lock(LockError::Disk(error))
        | ApplyError::Interrupted { source: error, .. } => disk_refusal(error),
        ApplyError::EditedTwice { .. }
        | ApplyError::MissingObject { .. }
        | ApplyError::NotACommit { .. }
        | ApplyError::Ref(_)
        | ApplyError::Object(_) => failed(error),
    }
}

/// What the client is told of a disk that refuses.
pub(crate) fn disk_refusal(error: &DiskError) -> Refusal {
    match error {
        DiskError::Full { .. } => (Outcome::Failed, NO_SPACE.to_owned()),
        other => failed(other),
    }
}

/// The reason where the disk is full.
pub(crate) const NO_SPACE: &str = "no space is left on the server's disk";

/// Something broke here. The client is told so, the log why.
fn failed(error: &(dyn std::error::Error + 'static)) -> Refusal {
    tracing::error!(error, "a push cannot be taken");
    (Outcome::Failed, "the server cannot take it at the moment; its log says why".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use mirror_core::name::{BranchName, LaneName};

    use super::super::policy::{ATOMIC, GitopsBranches, Writer};
    use super::super::request::{Command, Request};
    use super::*;

    fn id(digit: &str) -> CommitId {
        CommitId::from_hex(&digit.repeat(40)).unwrap()
    }

    /// A push of two branches from 1 to 2, all of it open.
    fn push(wishes: &[Wish]) -> Push {
        let lane = LaneName::parse("main").unwrap();
        let branches = ["a", "b"].map(|name| BranchName::parse(name).unwrap());
        let gitops: GitopsBranches = branches.map(|branch| (branch, vec![lane.clone()])).into();
        let command = |name: &str| Command { name: name.into(), old: Some(id("1")), new: Some(id("2")) };
        let commands = vec![command("refs/heads/a"), command("refs/heads/b")];
        let request = Request { commands, wishes: wishes.iter().copied().collect(), ..Request::default() };
        let push = Push::judged(request, Writer { name: "ci", lanes: None }, &gitops);
        assert_eq!(push.open().len(), 2);
        push
    }

    fn interrupted(is_unsynced: bool) -> ApplyError {
        let source = DiskError::new("sync", "refs/heads", io::Error::other("it broke"));
        ApplyError::Interrupted { done: 1, total: 1, is_unsynced, source }
    }

    #[test]
    fn i2_what_a_client_hears_of_a_disk_that_fails_is_never_less_or_more_than_is_known() {
        const STAYED: &str = "cannot take it at the moment";
        const OPEN: &str = "not known";
        // How the second try ends: well, cut between two steps, or cut as the disk was to take what was done.
        const WELL: Option<bool> = None;
        const CUT: Option<bool> = Some(false);
        const UNSYNCED: Option<bool> = Some(true);
        let (old, new) = (Some(Some(id("1"))), Some(Some(id("2"))));
        // Whether the first try ended as the disk was to take what was done; how the second ends; what is found afterwards, `None` where it cannot be read; what is told.
        let cases = [
            (false, WELL, new, None),
            (false, WELL, None, None),
            (false, CUT, old, Some(STAYED)),
            (false, CUT, new, Some(OPEN)),
            (false, CUT, Some(None), Some(OPEN)),
            (false, CUT, Some(Some(id("3"))), Some(OPEN)),
            (false, CUT, None, Some(OPEN)),
            // What the disk has refused once, nobody can prove to be there, or not to be.
            (true, WELL, new, Some(OPEN)),
            (true, CUT, new, Some(OPEN)),
            (true, CUT, old, Some(OPEN)),
            (false, UNSYNCED, new, Some(OPEN)),
            (false, UNSYNCED, old, Some(OPEN)),
        ];
        for (first, second, found, expect) in cases {
            for wishes in [&[][..], &[Wish::Atomic]] {
                let mut push = push(wishes);
                let group = match wishes.is_empty() {
                    true => push.open()[..1].to_vec(),
                    false => push.open(),
                };
                let again = || second.map_or(Ok(()), |is_unsynced| Err(interrupted(is_unsynced)));
                end_interrupted(&mut push, &group, &interrupted(first), again, |_| found);
                for (_, reason) in &push.report().refs[..group.len()] {
                    let told = reason.as_deref();
                    let is_right = match expect {
                        None => told.is_none(),
                        // Of an atomic push, one ref has the reason and the others say that they went with it.
                        Some(words) => {
                            told.is_some_and(|told| told.contains(words) || words == STAYED && told == ATOMIC)
                        }
                    };
                    assert!(is_right, "{first} {second:?} {found:?} {wishes:?}: {told:?}");
                }
                // Who waits for pushes hears of each branch that may have moved.
                let moved = if expect == Some(STAYED) { 0 } else { group.len() };
                assert_eq!(push.moved_lanes().len(), moved, "{first} {second:?} {found:?} {wishes:?}");
            }
        }
    }

    #[test]
    fn a_push_that_waited_for_a_lock_in_vain_hears_of_the_branch_that_moved() {
        let held = |branch: Option<&str>| {
            let name = branch.map(|branch| BranchName::parse(branch).unwrap().ref_name());
            ApplyError::Lock(LockError::Held { name, path: "the.lock".into(), held_for: Duration::from_secs(3) })
        };
        let (stayed, moved, gone) = (Some(Some(id("1"))), Some(Some(id("3"))), Some(None));
        const LOCKED: &str = "is locked by another git process";
        for (error, found_of_b, told_of_b) in [
            (held(Some("b")), moved, "stale info: the branch is at 3333333333 now"),
            (held(None), moved, "stale info: the branch is at 3333333333 now"),
            (held(Some("b")), gone, "stale info: the branch is gone"),
            (held(Some("b")), stayed, LOCKED),
            // Somebody else took the same commit there: pushing again finds it.
            (held(Some("b")), Some(Some(id("2"))), LOCKED),
            // What cannot be read is not told.
            (held(Some("b")), None, LOCKED),
            (
                ApplyError::NameConflict {
                    name: BranchName::parse("b").unwrap().ref_name(),
                    existing: "refs/heads/b/c".to_owned(),
                },
                moved,
                "b/c",
            ),
        ] {
            let mut push = push(&[Wish::Atomic]);
            let group = push.open();
            let find = |allowed: &Allowed| if allowed.branch.as_str() == "b" { found_of_b } else { stayed };
            let said = error.to_string();
            refuse_group(&mut push, &group, &told_by_lock(error, &group, find));
            let told = push.report().refs[1].1.clone().unwrap();
            assert!(told.contains(told_of_b), "{said}, {found_of_b:?}: {told}");
            assert!(push.is_decided());
        }
    }

    #[test]
    fn of_an_atomic_push_that_is_half_made_no_ref_is_told_to_have_stayed() {
        let mut push = push(&[Wish::Atomic]);
        let group = push.open();
        let find = |allowed: &Allowed| Some(Some(if allowed.branch.as_str() == "a" { id("2") } else { id("1") }));
        end_interrupted(&mut push, &group, &interrupted(false), || Err(interrupted(false)), find);
        let told = push.report().refs;
        assert!(told.iter().all(|(_, reason)| reason.as_deref() == Some(UNKNOWN)), "{told:?}");
        assert!(push.is_decided());
    }
}
