//! The steps in their order, planned or carried out.

use mirror_core::report::maintain::{TaskOutcome, Upkeep, UpkeepStep, UpkeepTask};

use super::error::UpkeepError;
use super::garbage::Garbage;
use super::graph::CommitGraph;
use super::loose::LooseObjects;
use super::notes::Notes;
use super::packer::Packer;
use super::packs::PackFolder;
use super::refs::LooseRefs;
use super::roll::RollUp;
use super::rules::{UpkeepRules, UpkeepTools};
use super::superseded::Superseded;
use super::survey::survey;
use super::unreachable::Unreachable;
use crate::open::Cache;
use crate::operation::Operation;

/// What an upkeep came to.
#[derive(Debug)]
pub struct Upkept {
    /// What was found and done; nothing where the cache could not be looked at.
    pub upkeep: Option<Upkeep>,
    /// The first thing that failed. Steps that do not depend on it were taken all the same.
    pub error: Option<UpkeepError>,
}

impl Cache {
    /// Tells what an upkeep would do. Changes nothing, and runs no other program.
    ///
    /// # Errors
    /// A cache that cannot be looked at.
    pub fn plan_upkeep(&self, rules: &UpkeepRules) -> Result<Upkeep, UpkeepError> {
        let before = survey(self, rules)?;
        let notes = Notes::read(self)?;
        let packs = PackFolder::read(self, &notes)?;
        let steps = vec![
            Garbage::find(self, &packs, rules)?.plan(),
            Superseded::find(&packs, rules).plan(),
            LooseObjects::find(self, &packs, rules)?.plan(),
            Unreachable::find(&packs, &notes, rules).plan(),
            RollUp::find(&packs).plan(),
            CommitGraph::find(self)?.plan(),
            LooseRefs::find(self, rules)?.plan(),
        ];
        Ok(Upkeep { before, steps, after: None })
    }
}

impl Operation {
    /// Takes all steps of the upkeep. Blocks for as long as git works; to be called on a thread of its own, with the cache's `op.lock` held.
    ///
    /// A step that fails does not keep the others from being taken, unless the disk is full or somebody wished to stop.
    pub fn maintain(&self, rules: &UpkeepRules, tools: &UpkeepTools<'_>) -> Upkept {
        let before = match survey(self.cache(), rules) {
            Ok(before) => before,
            Err(error) => return Upkept { upkeep: None, error: Some(error) },
        };
        let mut upkept = Upkept { upkeep: None, error: None };
        let mut upkeep = Upkeep { before, steps: Vec::new(), after: None };
        let packer = Packer { operation: self, rules, tools };
        for task in UpkeepTask::ALL {
            match tools.pass(task.as_str()).and_then(|()| packer.take(task)) {
                Ok(step) => upkeep.steps.push(step),
                Err(error) => {
                    upkeep.steps.push(UpkeepStep::new(task, TaskOutcome::Skipped, 0).because(error.to_string()));
                    let ends_all = error.ends_all();
                    upkept.error.get_or_insert(error);
                    if ends_all {
                        break;
                    }
                }
            }
        }
        match survey(self.cache(), rules) {
            Ok(after) => upkeep.after = Some(after),
            Err(error) => drop(upkept.error.get_or_insert(error)),
        }
        upkept.upkeep = Some(upkeep);
        upkept
    }
}

impl Packer<'_> {
    /// Takes one step, by what is there at that moment: the steps before it have changed things.
    fn take(&self, task: UpkeepTask) -> Result<UpkeepStep, UpkeepError> {
        let cache = self.operation.cache();
        let notes = Notes::read(cache)?;
        let packs = PackFolder::read(cache, &notes)?;
        match task {
            UpkeepTask::Garbage => Garbage::find(cache, &packs, self.rules)?.remove(self.tools),
            UpkeepTask::Superseded => Superseded::find(&packs, self.rules).remove(&packs, self),
            UpkeepTask::LooseObjects => LooseObjects::find(cache, &packs, self.rules)?.carry_out(self),
            UpkeepTask::Unreachable => Unreachable::find(&packs, &notes, self.rules).carry_out(self),
            UpkeepTask::RollUp => {
                let roll = RollUp::find(&packs);
                if roll.is_empty() { Ok(roll.plan()) } else { roll.carry_out(self) }
            }
            UpkeepTask::CommitGraph => CommitGraph::find(cache)?.write(self),
            UpkeepTask::Refs => LooseRefs::find(cache, self.rules)?.pack(self),
        }
    }
}
