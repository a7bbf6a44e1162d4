//! Objects that no ref reaches any more: of pruned snapshots, of branches that were rewound upstream.
//!
//! First all refs are walked. Where enough is out of reach, everything is made into two packs, one of what the refs reach and one of the
//! rest, and the rest is noted with the time. Nothing is lost by that, whatever arrives or moves meanwhile: the two packs together have all
//! that the old ones had.
//!
//! Weeks later the second pack is due. All refs are walked again, in a view of the store without that pack, and so is all that no ref reaches and
//! that stays: what was brought since, and may build on what is due. Where something is missing, every such pack counts as any other from then on, and
//! what nothing reaches is set apart anew, together. Otherwise, in a window in which nobody adds objects, what the refs reach beyond the first walk is
//! walked too, and the pack goes. So the store stays closed, on which the check of every push relies.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use gix_hash::ObjectId;
use mirror_core::report::maintain::{TaskOutcome, UpkeepStep, UpkeepTask};

use super::error::UpkeepError;
use super::garbage::folders_in;
use super::loose;
use super::notes::{Noted, Notes};
use super::packer::Packer;
use super::packs::{PackFolder, Role, StorePack};
use super::reach::{OutOfReach, Reach};
use super::rules::UpkeepRules;
use crate::disk::{At, sync};
use crate::git::{GitError, gave_up};

/// More refs than this have no room in one listing.
const REFS_LIMIT: usize = 1 << 30;
const TASK: UpkeepTask = UpkeepTask::Unreachable;

/// What is known to be out of reach, and whether to look for more.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    due: Vec<StorePack>,
    waiting: Vec<StorePack>,
    is_look_due: bool,
}

impl Unreachable {
    pub(super) fn find(packs: &PackFolder, notes: &Notes, rules: &UpkeepRules) -> Self {
        let mut found = Self::default();
        for pack in &packs.packs {
            match pack.role {
                Role::Unreachable(since) if rules.is_past(since, rules.unreachable_grace) => {
                    found.due.push(pack.clone());
                }
                Role::Unreachable(_) => found.waiting.push(pack.clone()),
                Role::Used | Role::Kept | Role::Superseded(_) => {}
            }
        }
        let is_time = notes.looked_at.is_none_or(|at| rules.is_past(at, rules.look_every));
        found.is_look_due = is_time && packs.used().next().is_some();
        found
    }

    pub(super) fn plan(&self) -> UpkeepStep {
        match (self.due.is_empty(), self.is_look_due) {
            (false, _) => dropped(TaskOutcome::Planned, &self.due),
            (true, true) => UpkeepStep::new(TASK, TaskOutcome::Planned, 0)
                .because("all refs will be walked, to find what they do not reach"),
            (true, false) => self.rest(),
        }
    }

    pub(super) fn carry_out(&self, packer: &Packer<'_>) -> Result<UpkeepStep, UpkeepError> {
        let first = self.drop_each(packer)?;
        if !self.is_look_due {
            return Ok(first);
        }
        let second = look(packer)?;
        Ok(match (first.outcome, second.outcome) {
            (TaskOutcome::Done, TaskOutcome::Done) => {
                let why = format!("{} were dropped, and {} set apart", first.items, second.items);
                let bytes = (first.bytes_before + second.bytes_before, first.bytes_after + second.bytes_after);
                UpkeepStep::new(TASK, TaskOutcome::Done, first.items + second.items)
                    .with_bytes(bytes.0, bytes.1)
                    .because(why)
            }
            (_, TaskOutcome::Done) | (TaskOutcome::Nothing, _) => second,
            _ => first,
        })
    }

    /// What is told where nothing is due.
    fn rest(&self) -> UpkeepStep {
        if self.waiting.is_empty() {
            return UpkeepStep::nothing(TASK);
        }
        let bytes = self.waiting.iter().map(|pack| pack.bytes).sum();
        UpkeepStep::new(TASK, TaskOutcome::Waiting, self.waiting.iter().map(|pack| pack.objects).sum())
            .with_bytes(bytes, bytes)
            .because("somebody may still want them")
    }

    /// Drops what is due, one pack after the other: what was set apart earlier may refer to what was set apart later, and is proved and gone first.
    /// So the store is closed after each, wherever this ends.
    fn drop_each(&self, packer: &Packer<'_>) -> Result<UpkeepStep, UpkeepError> {
        if self.due.is_empty() {
            return Ok(self.rest());
        }
        let mut due = self.due.clone();
        due.sort_by_key(|pack| match pack.role {
            Role::Unreachable(since) => Some(since),
            Role::Used | Role::Kept | Role::Superseded(_) => None,
        });
        for pack in due {
            let one = Self { due: vec![pack], waiting: Vec::new(), is_look_due: false };
            let step = one.drop_due(packer)?;
            if step.outcome != TaskOutcome::Done {
                return Ok(step);
            }
        }
        Ok(dropped(TaskOutcome::Done, &self.due))
    }

    fn drop_due(&self, packer: &Packer<'_>) -> Result<UpkeepStep, UpkeepError> {
        let cache = packer.operation.cache();
        let view = self.view(packer)?;
        let tips = tips(packer)?;
        let is_closed = match reached(packer, &view)? {
            Some(reach) => {
                // Named as git takes them: there may be more than there is memory for their names.
                let strays = reach.missed_objects().chain(view.loose.iter().copied());
                is_whole(packer, &view.objects, strays, &tips, Haste::None)?
            }
            None => false,
        };
        if !is_closed {
            let mut notes = Notes::read(cache)?;
            // Also those that wait: what builds on each other has to be set apart together, or one would hold the other for ever.
            notes.unreachable.clear();
            packer.tools.pass("take a pack into use again")?;
            notes.write(packer.operation)?;
            return Ok(self.undropped("a ref, or something that stays, refers to some of them: they are kept"));
        }
        let Some(_window) = cache.exclude_adding(packer.rules.patience)? else {
            return Ok(self.undropped("somebody is adding objects to the store"));
        };
        if !self.shows_all(&view, packer)? {
            return Ok(self.undropped("somebody has added objects to the store"));
        }
        // Until the window closes no object comes; but refs may have been moved to what was there.
        let now = self::tips(packer)?;
        if !is_whole(packer, &view.objects, now.difference(&tips).copied(), &tips, Haste::PushesWait)? {
            return Ok(self.undropped("a ref reached some of them again in this moment"));
        }
        let mut notes = Notes::read(cache)?;
        for pack in &self.due {
            packer.tools.pass("drop a pack that nothing reaches")?;
            pack.remove()?;
            notes.unreachable.remove(&pack.stem);
        }
        sync(&cache.layout().packs())?;
        packer.tools.pass("forget the packs that were dropped")?;
        // Inside the window: who opens the store after it sees by the notes that it has changed.
        notes.write(packer.operation)?;
        Ok(dropped(TaskOutcome::Done, &self.due))
    }

    fn undropped(&self, why: &str) -> UpkeepStep {
        let bytes = self.due.iter().map(|pack| pack.bytes).sum();
        let step = UpkeepStep::new(TASK, TaskOutcome::Skipped, self.due.iter().map(|pack| pack.objects).sum());
        step.with_bytes(bytes, bytes).because(why)
    }

    /// Makes an object folder in quarantine that shows the store as it will be: without what is due, and without what was replaced.
    fn view(&self, packer: &Packer<'_>) -> Result<View, UpkeepError> {
        let cache = packer.operation.cache();
        let packs = self.staying(packer)?;
        let loose = loose_objects(packer)?;
        let objects = packer.operation.transfer_folder()?.join("objects");
        let shown = objects.join("pack");
        fs::create_dir_all(&shown).at("create", &shown)?;
        let store = fs::canonicalize(cache.layout().objects()).at("look at", cache.path())?;
        for pack in &packs {
            for ending in ["pack", "idx"] {
                let name = format!("{}.{ending}", pack.stem);
                let link = shown.join(&name);
                symlink(store.join("pack").join(&name), &link).at("create", &link)?;
            }
        }
        for fan in folders_in(&store)? {
            if let Some(name) = fan.file_name().filter(|name| name.len() == 2) {
                let link = objects.join(name);
                symlink(&fan, &link).at("create", &link)?;
            }
        }
        Ok(View { objects, packs, loose })
    }

    /// The packs that stay when what is due goes.
    fn staying(&self, packer: &Packer<'_>) -> Result<Vec<StorePack>, UpkeepError> {
        let cache = packer.operation.cache();
        let packs = PackFolder::read(cache, &Notes::read(cache)?)?;
        let stays = |pack: &&StorePack| self.due.iter().all(|due| due.stem != pack.stem);
        Ok(packs.lasting().filter(stays).cloned().collect())
    }

    /// Says whether nothing has come to the store since a view of it was made.
    fn shows_all(&self, view: &View, packer: &Packer<'_>) -> Result<bool, UpkeepError> {
        let shown: BTreeSet<&str> = view.packs.iter().map(|pack| pack.stem.as_str()).collect();
        let has_pack = |pack: &StorePack| shown.contains(pack.stem.as_str());
        Ok(self.staying(packer)?.iter().all(has_pack) && loose_objects(packer)?.is_subset(&view.loose))
    }
}

/// Whether somebody waits for a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Haste {
    /// Nobody does.
    None,
    /// Every push does.
    PushesWait,
}

/// The store as it will be.
struct View {
    /// Its object folder.
    objects: PathBuf,
    packs: Vec<StorePack>,
    loose: BTreeSet<ObjectId>,
}

fn loose_objects(packer: &Packer<'_>) -> Result<BTreeSet<ObjectId>, UpkeepError> {
    Ok(loose::list_objects(packer.operation.cache())?.into_iter().map(|object| object.id).collect())
}

/// Walks all refs in a view of the store, and tells what they reach of its packs; nothing where they reach what is not in it.
fn reached(packer: &Packer<'_>, view: &View) -> Result<Option<Reach>, UpkeepError> {
    packer.tools.pass("find what stays without a ref")?;
    let mut reach = Reach::into(&view.packs)?;
    match reach_from_refs(packer, Some(&view.objects), &mut reach) {
        Ok(()) => Ok(Some(reach)),
        Err(UpkeepError::Git(GitError::Failed { said, status, .. })) if gave_up(status) => {
            tracing::warn!(said, "objects that were out of reach are not dropped");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Walks all refs, in the store or in a view of it.
fn reach_from_refs(packer: &Packer<'_>, view: Option<&PathBuf>, reach: &mut Reach) -> Result<(), UpkeepError> {
    let args = ["rev-list", "--objects", "--no-object-names", "--all"];
    let mut command = packer.tools.git.command(packer.operation.cache().path(), args).caps(&packer.rules.caps);
    if let Some(objects) = view {
        command = command.environment("GIT_OBJECT_DIRECTORY", objects);
    }
    packer.tools.run_for_lines(command.in_background(), [], |line| {
        if let Ok(id) = ObjectId::from_hex(line) {
            reach.reach(&id);
        }
    })
}

fn dropped(outcome: TaskOutcome, packs: &[StorePack]) -> UpkeepStep {
    let bytes = packs.iter().map(|pack| pack.bytes).sum();
    UpkeepStep::new(TASK, outcome, packs.iter().map(|pack| pack.objects).sum()).with_bytes(bytes, 0)
}

/// What all refs point at.
fn tips(packer: &Packer<'_>) -> Result<BTreeSet<ObjectId>, UpkeepError> {
    let command = packer.tools.git.command(packer.operation.cache().path(), ["for-each-ref", "--format=%(objectname)"]);
    let said = packer.tools.run(command, b"", REFS_LIMIT)?;
    Ok(said.split(|byte| *byte == b'\n').filter_map(|line| ObjectId::from_hex(line).ok()).collect())
}

/// Says whether all that some tips reach, beyond what others reach, is in a view of the store.
fn is_whole(
    packer: &Packer<'_>,
    view: &PathBuf,
    tips: impl Iterator<Item = ObjectId>,
    known: &BTreeSet<ObjectId>,
    haste: Haste,
) -> Result<bool, UpkeepError> {
    packer.tools.pass("prove that nothing is missed")?;
    let mut tips = tips.peekable();
    if tips.peek().is_none() {
        return Ok(true);
    }
    let input = tips.map(|tip| tip.to_string()).chain(known.iter().map(|tip| format!("^{tip}")));
    let args = ["rev-list", "--objects", "--quiet", "--stdin"].map(OsStr::new);
    let command = packer.tools.git.command(packer.operation.cache().path(), args);
    let command = command.environment("GIT_OBJECT_DIRECTORY", view).caps(&packer.rules.caps);
    let command = match haste {
        Haste::None => command.in_background(),
        Haste::PushesWait => command,
    };
    match packer.tools.run_for_lines(command, input, |_| {}) {
        Ok(()) => Ok(true),
        Err(UpkeepError::Git(GitError::Failed { said, status, .. })) if gave_up(status) => {
            tracing::warn!(said, "objects that were out of reach are not dropped");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Walks all refs, and sets apart what they do not reach where that is enough to be worth it.
fn look(packer: &Packer<'_>) -> Result<UpkeepStep, UpkeepError> {
    let cache = packer.operation.cache();
    let packs = PackFolder::read(cache, &Notes::read(cache)?)?;
    let found = walk(packer, &packs)?;
    let held: u64 = packs.used().map(|pack| pack.bytes).sum();
    let is_worth_it = found.objects > 0 && found.bytes * 100 >= held * packer.rules.unreachable_share;
    let step = match is_worth_it {
        true => return set_apart(packer, &packs),
        false if found.objects == 0 => UpkeepStep::nothing(TASK),
        false => UpkeepStep::new(TASK, TaskOutcome::Nothing, found.objects)
            .with_bytes(found.bytes, found.bytes)
            .because("they are too few to be worth new packs"),
    };
    let mut notes = Notes::read(cache)?;
    notes.looked_at = Some(packer.rules.now);
    packer.tools.pass("note the walk")?;
    notes.write(packer.operation)?;
    Ok(step)
}

/// Counts what is in the packs and out of reach. A store may have more objects than there is memory for their names.
fn walk(packer: &Packer<'_>, packs: &PackFolder) -> Result<OutOfReach, UpkeepError> {
    packer.tools.pass("walk all refs")?;
    let mut reach = Reach::into(packs.used())?;
    reach_from_refs(packer, None, &mut reach)?;
    Ok(reach.missed())
}

/// Makes everything into one pack of what the refs reach and one of the rest.
fn set_apart(packer: &Packer<'_>, packs: &PackFolder) -> Result<UpkeepStep, UpkeepError> {
    let old: Vec<&StorePack> = packs.used().collect();
    let before: u64 = old.iter().map(|pack| pack.bytes).sum();
    packer.make_room(before)?;
    let reached = packer.pack_reachable()?;
    let mut reach = Reach::into(packs.used())?;
    if let Some(reached) = &reached {
        let index = reached.pack.index()?;
        (0..index.num_objects()).for_each(|place| reach.reach(index.oid_at_index(place)));
    }
    let mut rest = reach.missed_objects().peekable();
    let apart = if rest.peek().is_none() { None } else { Some(packer.pack_objects(rest)?) };
    let made: Vec<_> = reached.iter().chain(&apart).collect();
    old.iter().try_for_each(|old| packer.verify_covered(old, &made))?;
    let after = made.iter().map(|made| made.bytes()).sum();
    let reached = reached.map(|reached| packer.install(reached)).transpose()?;
    let apart = apart.map(|apart| packer.install(apart)).transpose()?;
    let now = packer.rules.now;
    let mut notes = Notes::read(packer.operation.cache())?;
    let new: Vec<&StorePack> = reached.iter().chain(&apart).collect();
    notes.replace(&old, &new, now);
    if let Some(apart) = &apart {
        notes.unreachable.insert(apart.stem.clone(), Noted { inode: apart.inode, since: now });
    }
    notes.looked_at = Some(now);
    packer.tools.pass("note what is out of reach")?;
    notes.write(packer.operation)?;
    Ok(UpkeepStep::new(TASK, TaskOutcome::Done, apart.map_or(0, |apart| apart.objects))
        .with_bytes(before, after)
        .because("they were set apart, and are dropped when nobody can want them any more"))
}
