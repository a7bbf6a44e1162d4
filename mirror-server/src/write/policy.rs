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
    let names: Vec<String> = branches.into_iter().map(|branch| branch.ref_name().to_string()).collect();
    format!("{words} {} can be pushed", listed(names.iter().map(String::as_str)))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lane(name: &str) -> LaneName {
        LaneName::parse(name).unwrap()
    }

    fn gitops() -> GitopsBranches {
        let of = |branch: &str, lanes: &[&str]| {
            (BranchName::parse(branch).unwrap(), lanes.iter().map(|name| lane(name)).collect::<Vec<_>>())
        };
        [of("gitops", &["main"]), of("v03/gitops", &["v03", "v03b"])].into()
    }

    fn command(name: &str, old: u8, new: u8) -> Command {
        let value = |value| (value != 0).then(|| CommitId::from_bytes([value; 20]));
        Command { name: name.as_bytes().to_vec(), old: value(old), new: value(new) }
    }

    fn judge_all(commands: Vec<Command>, wishes: &[Wish], lanes: Option<&[&str]>) -> Vec<Option<String>> {
        let request = Request { commands, wishes: wishes.iter().copied().collect(), ..Request::default() };
        let lanes = lanes.map(|lanes| lanes.iter().map(|name| lane(name)).collect());
        let verdicts = judge(&request, Writer { name: "ci", lanes: lanes.as_ref() }, &gitops());
        let reason = |verdict| match verdict {
            Verdict::Allowed(_) => None,
            Verdict::Refused(reason) => Some(reason),
        };
        verdicts.into_iter().map(reason).collect()
    }

    fn check(name: &str, old: u8, new: u8, lanes: Option<&[&str]>, expect: Option<&str>) {
        let found = judge_all(vec![command(name, old, new)], &[], lanes).remove(0);
        match (&found, expect) {
            (None, None) => {}
            (Some(reason), Some(words)) => assert!(reason.contains(words), "{name}: {reason}"),
            _ => panic!("{name}: {found:?}, not {expect:?}"),
        }
    }

    #[test]
    fn each_command_is_let_through_or_refused_with_what_is_allowed() {
        let both = "only GitOps branches refs/heads/gitops, refs/heads/v03/gitops can be pushed";
        type Case<'a> = (&'a str, u8, u8, Option<&'a [&'a str]>, Option<&'a str>);
        let table: &[Case] = &[
            ("refs/heads/gitops", 1, 2, None, None),
            ("refs/heads/gitops", 0, 2, None, None),
            ("refs/heads/gitops", 2, 2, None, None),
            ("refs/heads/v03/gitops", 1, 2, Some(&["v03b"]), None),
            ("refs/heads/gitops", 1, 0, None, Some("deletion prohibited")),
            ("refs/heads/gitops", 0, 0, None, Some("deletion prohibited")),
            ("refs/heads/gitops", 1, 2, Some(&["v03"]), Some("writer ci needs a token for lane main")),
            ("refs/heads/gitops", 1, 0, Some(&["v03"]), Some("needs a token for lane main")),
            ("refs/heads/v03/gitops", 1, 2, Some(&["main"]), Some("lane v03, v03b")),
            ("refs/heads/main", 1, 2, None, Some(both)),
            ("refs/heads/main", 1, 2, Some(&["main"]), Some("only GitOps branch refs/heads/gitops can be pushed")),
            ("refs/heads/main", 1, 2, Some(&["other"]), Some("may push no branch")),
            ("refs/heads/gitops/x", 0, 2, None, Some(both)),
            ("refs/heads/GITOPS", 1, 2, None, Some(both)),
            ("refs/tags/gitops", 0, 2, None, Some(both)),
            ("refs/mirror/snapshots/app/main/x", 0, 2, None, Some(both)),
            ("refs/mirror-stage/heads/gitops", 1, 2, None, Some(both)),
            ("refs/mirror-rescue/main/x", 0, 2, None, Some(both)),
            ("HEAD", 1, 2, None, Some("not a valid ref name")),
            ("gitops", 1, 2, None, Some("not a valid ref name")),
            ("refs/heads/../gitops", 1, 2, None, Some("not a valid ref name")),
            ("refs/heads/gitops.lock", 0, 2, None, Some("not a valid ref name")),
            ("refs/heads/a b", 0, 2, None, Some("not a valid ref name")),
        ];
        for (name, old, new, lanes, expect) in table {
            check(name, *old, *new, *lanes, *expect);
        }
        let strange = Command { name: vec![0xff, 0xfe], ..command("x", 1, 2) };
        assert_eq!(judge_all(vec![strange], &[], None), [Some("not a valid ref name".to_owned())]);
    }

    #[test]
    fn a_ref_that_is_named_twice_is_not_touched() {
        let twice = vec![
            command("refs/heads/gitops", 1, 2),
            command("refs/heads/v03/gitops", 1, 2),
            command("refs/heads/gitops", 1, 3),
        ];
        let found = judge_all(twice, &[], None);
        assert!(found[0].is_some() && found[1].is_none() && found[2].is_some(), "{found:?}");
    }

    #[test]
    fn of_an_atomic_push_all_or_nothing_is_let_through() {
        let mixed = || vec![command("refs/heads/gitops", 1, 2), command("refs/heads/main", 1, 2)];
        assert_eq!(judge_all(mixed(), &[], None)[0], None);
        let found = judge_all(mixed(), &[Wish::Atomic], None);
        assert_eq!(found[0].as_deref(), Some(ATOMIC));
        assert!(found[1].as_deref().unwrap().starts_with("read-only here"), "it keeps its own reason");
        assert_eq!(judge_all(vec![command("refs/heads/gitops", 1, 2)], &[Wish::Atomic], None), [None]);
    }

    #[test]
    fn many_names_are_counted() {
        assert_eq!(listed(["a", "b"].into_iter()), "a, b");
        assert_eq!(listed(["a", "b", "c", "d", "e", "f"].into_iter()), "a, b, c, d and 2 more");
    }

    proptest! {
        /// Whatever is asked for, only a forward move of a GitOps branch of the writer's lanes is let through.
        #[test]
        fn nothing_else_is_ever_let_through(
            commands in proptest::collection::vec(
                ("refs/(heads|tags|mirror)/(gitops|v03/gitops|main|[a-z/.]{1,6})", 0..3_u8, 0..3_u8),
                0..5,
            ),
            lanes in proptest::option::of(proptest::collection::btree_set("main|v03|v03b|x", 0..3)),
            is_atomic in any::<bool>(),
        ) {
            let request = Request {
                commands: commands.iter().map(|(name, old, new)| command(name, *old, *new)).collect(),
                wishes: if is_atomic { [Wish::Atomic].into() } else { BTreeSet::new() },
                ..Request::default()
            };
            let lanes: Option<BTreeSet<LaneName>> = lanes.map(|lanes| lanes.iter().map(|name| lane(name)).collect());
            let gitops = gitops();
            let verdicts = judge(&request, Writer { name: "ci", lanes: lanes.as_ref() }, &gitops);
            prop_assert_eq!(verdicts.len(), request.commands.len());
            for (command, verdict) in request.commands.iter().zip(&verdicts) {
                let Verdict::Allowed(allowed) = verdict else { continue };
                prop_assert_eq!(allowed.branch.ref_name().to_string().into_bytes(), command.name.clone());
                let of = gitops.get(&allowed.branch).expect("a GitOps branch");
                prop_assert!(lanes.as_ref().is_none_or(|lanes| of.iter().any(|lane| lanes.contains(lane))));
                prop_assert_eq!((Some(allowed.new), allowed.old), (command.new, command.old));
                prop_assert_eq!(request.commands.iter().filter(|other| other.name == command.name).count(), 1);
                prop_assert!(!is_atomic || verdicts.iter().all(|verdict| matches!(verdict, Verdict::Allowed(_))));
            }
        }
    }
}
