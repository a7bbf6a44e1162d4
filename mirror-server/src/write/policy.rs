//! What may be pushed: each command is let through or refused, with a reason that says what is allowed, before git runs.
//!
//! Pure: it knows the commands, the caller and the GitOps branches, and looks at nothing else. Whether a push is a fast-forward is not
//! known here; that needs the pack.

use std::collections::{BTreeMap, BTreeSet};

use mirror_core::name::{BranchName, CommitId, LaneName};
use mirror_core::sync::RefEdit;

use super::request::{Command, Request, Wish};

/// GitOps branches that a reason names; more are counted.
const NAMED: usize = 4;

/// The branches that may be pushed, each with the lanes whose GitOps branch it is.
pub(crate) type GitopsBranches = BTreeMap<BranchName, Vec<LaneName>>;

/// Who pushes, as far as the policy has to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    /// The name.
    pub(crate) name: &'a str,
    /// The lanes the writer may push; without it, all.
    pub(crate) lanes: Option<&'a BTreeSet<LaneName>>,
}

/// What becomes of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may go on to the checks that need the pack.
    Allowed(Allowed),
    /// It may not; git prints the reason.
    Refused(String),
}

/// A command that may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// The branch.
    pub(crate) branch: BranchName,
    /// The lanes whose GitOps branch it is.
    pub(crate) lanes: Vec<LaneName>,
    /// The value the client saw.
    pub(crate) old: Option<CommitId>,
    /// The value the branch is to get.
    pub(crate) new: CommitId,
}

impl Allowed {
    /// The edit that the command comes to; the client's old value is what it expects.
    pub(crate) fn edit(&self) -> RefEdit {
        let (name, new) = (self.branch.ref_name(), self.new);
        match self.old {
            None => RefEdit::Create { name, new },
            Some(expected) => RefEdit::Update { name, expected, new },
        }
    }
}

impl Writer<'_> {
    fn may_push(&self, lanes: &[LaneName]) -> bool {
        self.lanes.is_none_or(|own| lanes.iter().any(|lane| own.contains(lane)))
    }

    /// The branches that this writer may push.
    pub(crate) fn branches<'b>(&self, gitops: &'b GitopsBranches) -> Vec<&'b BranchName> {
        gitops.iter().filter(|(_, lanes)| self.may_push(lanes)).map(|(branch, _)| branch).collect()
    }
}

/// Decides about each command of a request, in its order.
pub(crate) fn judge(request: &Request, writer: Writer<'_>, gitops: &GitopsBranches) -> Vec<Verdict> {
    let mut times = BTreeMap::<&[u8], usize>::new();
    for command in &request.commands {
        *times.entry(&command.name).or_default() += 1;
    }
    let verdict = |command: &Command| match times.get(command.name.as_slice()) {
        Some(1) => judge_one(command, writer, gitops),
        _ => Verdict::Refused("named more than once in one push".to_owned()),
    };
    let verdicts: Vec<_> = request.commands.iter().map(verdict).collect();
    let has_refusal = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Refused(_)));
    if request.wishes(Wish::Atomic) && has_refusal {
        return verdicts.into_iter().map(refuse_with_the_others).collect();
    }
    verdicts
}

fn refuse_with_the_others(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Allowed(_) => Verdict::Refused(ATOMIC.to_owned()),
        refused @ Verdict::Refused(_) => refused,
    }
}

/// The reason for a ref whose own push would have been taken.
pub(crate) const ATOMIC: &str = "atomic push failed: another of its refs was refused";

fn judge_one(command: &Command, writer: Writer<'_>, gitops: &GitopsBranches) -> Verdict {
    let Some(name) = command.ref_name() else {
        return Verdict::Refused("not a valid ref name".to_owned());
    };
    let lanes = name.branch().and_then(|branch| Some((gitops.get(&branch)?, branch)));
    let Some((lanes, branch)) = lanes else {
        return Verdict::Refused(format!("read-only here: {}", allowed_words(writer, gitops)));
    };
    if !writer.may_push(lanes) {
        let needed = listed(lanes.iter().map(LaneName::as_str));
        let words = allowed_words(writer, gitops);
        return Verdict::Refused(format!("writer {} needs a token for lane {needed}: {words}", writer.name));
    }
    match command.new {
        Some(new) => Verdict::Allowed(Allowed { branch, lanes: lanes.clone(), old: command.old, new }),
        None => Verdict::Refused("deletion prohibited: a GitOps branch only ever moves forward".to_owned()),
    }
}

/// Says what the writer may push.
fn allowed_words(writer: Writer<'_>, gitops: &GitopsBranches) -> String {
    let branches = writer.branches(gitops);
    if branches.is_empty() {
        return format!("writer {} may push no branch of this repository", writer.name);
    }
    let words = if branches.len() == 1 { "only GitOps branch" } else { "only GitOps branches" };
    format!("{words} {} can be pushed", listed(branches.into_iter().map(BranchName::as_str)))
}

/// Lists names, some of them where there are many.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut text = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
