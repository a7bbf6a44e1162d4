//! The conversation with a real `git receive-pack` on pipes: everything it can say to a push.

use std::process::Stdio;
use std::sync::Mutex;

use mirror_core::flush::{PushEnding, RejectionClass};
use mirror_core::name::CommitId;
use mirror_transport::push::{Limits, PushAnswer, PushCommand, PushEvent, ReceivePack};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::git::{Repository, Sandbox, git, ref_name};

type Conversation = ReceivePack<ChildStdout, ChildStdin>;

/// Starts a receive-pack with settings, and reads its advertisement.
async fn open(upstream: &Repository, settings: &[&str]) -> (Conversation, Child) {
    let mut command = git(&upstream.path);
    for setting in settings {
        command.args(["-c", setting]);
    }
    command.arg("receive-pack").arg(&upstream.path);
    let mut command = tokio::process::Command::from(command);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let (read, write) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    (ReceivePack::open(read, write, Limits::default()).await.unwrap(), child)
}

fn command(name: &str, expected: Option<CommitId>, new: CommitId) -> PushCommand {
    PushCommand { name: ref_name(name), expected, new }
}

/// Pushes, and gives the answer with what was watched.
async fn push(conversation: Conversation, local: &Repository, commands: &[PushCommand]) -> (PushAnswer, Vec<String>) {
    let seen = Mutex::new(Vec::new());
    let watch = |event: PushEvent<'_>| {
        seen.lock().unwrap().push(match event {
            PushEvent::Sent { objects, of, .. } => format!("sent {objects} of {of}"),
            PushEvent::Message(line) => line.to_owned(),
        });
    };
    let answer = conversation.push(commands, local.objects(), &watch).await;
    (answer, seen.into_inner().unwrap())
}

/// An upstream and a local repository with one commit more on `main`.
struct Pair {
    _sandbox: Sandbox,
    local: Repository,
    upstream: Repository,
    base: CommitId,
    tip: CommitId,
}

fn pair() -> Pair {
    let sandbox = Sandbox::new();
    let local = sandbox.bare("local");
    let base = local.commit("refs/heads/main", &[("x", Some("1\n")), ("d/y", Some("2\n"))]);
    let upstream = sandbox.copy(&local, "upstream", &["refs/heads/main"]);
    let tip = local.commit("refs/heads/main", &[("x", Some("changed\n"))]);
    Pair { _sandbox: sandbox, local, upstream, base, tip }
}

impl Pair {
    /// Pushes `main` fast-forward to an upstream with these settings; it must end as `expect`, and move the ref only where accepted.
    async fn check(&self, settings: &[&str], expect: PushEnding) -> PushAnswer {
        let (conversation, mut child) = open(&self.upstream, settings).await;
        let commands = [command("refs/heads/main", Some(self.base), self.tip)];
        let (answer, _) = push(conversation, &self.local, &commands).await;
        child.wait().await.unwrap();
        assert_eq!(answer.endings[&commands[0].name], expect, "{:?}", answer.messages);
        let after = if expect == PushEnding::Accepted { self.tip } else { self.base };
        assert_eq!(self.upstream.tip("refs/heads/main"), Some(after));
        answer
    }
}

fn rejected(class: RejectionClass, words: &str) -> PushEnding {
    PushEnding::Rejected { class, words: words.to_owned() }
}

#[tokio::test]
async fn a_fast_forward_is_accepted_and_sends_only_what_is_new() {
    let pair = pair();
    let answer = pair.check(&[], PushEnding::Accepted).await;
    assert_eq!(answer.pack.unwrap().objects, 3);
    assert!(answer.bytes_sent > answer.pack.unwrap().bytes);
    pair.upstream.fsck();
}

#[tokio::test]
async fn an_empty_repository_gets_its_first_branches_in_one_atomic_push() {
    let sandbox = Sandbox::new();
    let (local, upstream) = (sandbox.bare("local"), sandbox.bare("upstream"));
    let main = local.commit("refs/heads/main", &[("x", Some("1\n"))]);
    let gitops = local.commit("refs/heads/gitops", &[("y", Some("2\n"))]);
    let (conversation, _child) = open(&upstream, &[]).await;
    assert!(conversation.advertised().refs().is_empty());
    let commands = [command("refs/heads/main", None, main), command("refs/heads/gitops", None, gitops)];
    let (answer, seen) = push(conversation, &local, &commands).await;
    assert!(answer.endings.values().all(|ending| *ending == PushEnding::Accepted), "{:?}", answer.endings);
    assert!(seen.contains(&"sent 6 of 6".to_owned()), "{seen:?}");
    assert_eq!((upstream.tip("refs/heads/main"), upstream.tip("refs/heads/gitops")), (Some(main), Some(gitops)));
    upstream.fsck();
}

#[tokio::test]
async fn a_branch_at_a_commit_that_upstream_has_needs_an_empty_pack() {
    let pair = pair();
    let (conversation, _child) = open(&pair.upstream, &[]).await;
    let (answer, _) = push(conversation, &pair.local, &[command("refs/heads/new", None, pair.base)]).await;
    assert_eq!(answer.endings[&ref_name("refs/heads/new")], PushEnding::Accepted);
    assert_eq!(answer.pack.unwrap().objects, 0);
    assert_eq!(pair.upstream.tip("refs/heads/new"), Some(pair.base));
}

#[tokio::test]
async fn hooks_decline_and_their_words_stay_apart_from_the_verdict() {
    let pair = pair();
    pair.upstream.hook("pre-receive", "echo 'ok refs/heads/main' >&2; echo 'unpack ok' >&2; exit 1");
    let answer = pair.check(&[], rejected(RejectionClass::HookDeclined, "pre-receive hook declined")).await;
    assert_eq!(answer.messages.lines().collect::<Vec<_>>(), ["ok refs/heads/main", "unpack ok"]);
    std::fs::remove_file(pair.upstream.path.join("hooks/pre-receive")).unwrap();
    pair.upstream.hook("update", "exit 1");
    pair.check(&[], rejected(RejectionClass::HookDeclined, "hook declined")).await;
    std::fs::remove_file(pair.upstream.path.join("hooks/update")).unwrap();
    pair.upstream.hook("post-receive", "echo 'ng refs/heads/main too late' >&2; exit 1");
    let answer = pair.check(&[], PushEnding::Accepted).await;
    assert_eq!(
        answer.messages.lines().collect::<Vec<_>>(),
        ["ng refs/heads/main too late"],
        "said after the report, and still read"
    );
}

#[tokio::test]
async fn one_declined_ref_of_an_atomic_push_declines_all() {
    let pair = pair();
    pair.upstream.hook("update", "test \"$1\" != refs/heads/other");
    let (conversation, _child) = open(&pair.upstream, &[]).await;
    let commands = [command("refs/heads/main", Some(pair.base), pair.tip), command("refs/heads/other", None, pair.tip)];
    let (answer, _) = push(conversation, &pair.local, &commands).await;
    assert!(
        answer.endings.values().all(|ending| matches!(ending, PushEnding::Rejected { .. })),
        "{:?}",
        answer.endings
    );
    assert_eq!(pair.upstream.tip("refs/heads/main"), Some(pair.base));
}

#[tokio::test]
async fn an_update_that_is_no_fast_forward_is_rejected_as_such() {
    let pair = pair();
    let (conversation, _child) = open(&pair.upstream, &["receive.denyNonFastForwards=true"]).await;
    let unrelated = pair.local.commit("refs/heads/unrelated", &[("z", Some("z\n"))]);
    let commands = [command("refs/heads/main", Some(pair.base), unrelated)];
    let (answer, _) = push(conversation, &pair.local, &commands).await;
    assert_eq!(answer.endings[&commands[0].name], rejected(RejectionClass::NonFastForward, "non-fast-forward"));
}

#[tokio::test]
async fn a_ref_that_moved_after_the_advertisement_is_a_lost_race() {
    let pair = pair();
    let (conversation, _child) = open(&pair.upstream, &[]).await;
    let other = pair.upstream.commit("refs/heads/main", &[("other", Some("writer\n"))]);
    let commands = [command("refs/heads/main", Some(pair.base), pair.tip)];
    let (answer, _) = push(conversation, &pair.local, &commands).await;
    assert_eq!(answer.endings[&commands[0].name], rejected(RejectionClass::LockRace, "failed to update ref"));
    assert_eq!(pair.upstream.tip("refs/heads/main"), Some(other), "the other writer's commit stays");
}

#[tokio::test]
async fn a_ref_that_is_locked_is_a_lost_race() {
    let pair = pair();
    let lock = pair.upstream.path.join("refs/heads/main.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    pair.check(&["core.filesRefLockTimeout=0"], rejected(RejectionClass::LockRace, "failed to update ref")).await;
    std::fs::remove_file(lock).unwrap();
    pair.check(&[], PushEnding::Accepted).await;
}

#[tokio::test]
async fn a_ref_that_is_not_where_it_is_expected_sends_nothing() {
    let pair = pair();
    for expected in [None, Some(pair.tip)] {
        let (conversation, mut child) = open(&pair.upstream, &[]).await;
        let commands = [command("refs/heads/main", expected, pair.tip)];
        let (answer, seen) = push(conversation, &pair.local, &commands).await;
        let PushEnding::NotSent(fault) = &answer.endings[&commands[0].name] else { panic!("{answer:?}") };
        assert_eq!(fault.code, "mirror::push::moved");
        assert_eq!((answer.bytes_sent, seen.len()), (0, 0));
        assert!(child.wait().await.unwrap().success(), "the server was told that nothing comes");
    }
}

#[tokio::test]
async fn a_pack_that_the_server_does_not_unpack_rejects_all() {
    let pair = pair();
    let settings = ["receive.maxInputSize=50", "receive.unpackLimit=1"];
    let expect = rejected(RejectionClass::Other, "unpacker error (index-pack abnormal exit)");
    pair.check(&settings, expect).await;
    pair.check(&[], PushEnding::Accepted).await;
}

#[tokio::test]
async fn a_hidden_ref_is_protected() {
    let pair = pair();
    let (conversation, _child) = open(&pair.upstream, &["receive.hideRefs=refs/hidden"]).await;
    let commands = [command("refs/hidden/x", None, pair.tip)];
    let (answer, _) = push(conversation, &pair.local, &commands).await;
    assert_eq!(answer.endings[&commands[0].name], rejected(RejectionClass::Protected, "deny updating a hidden ref"));
}

#[tokio::test]
async fn tips_of_a_shared_object_store_are_boundaries() {
    let pair = pair();
    let fork = pair._sandbox.bare("fork");
    let shared = format!("{}\n", pair.upstream.path.join("objects").display());
    std::fs::write(fork.path.join("objects/info/alternates"), shared).unwrap();
    let (conversation, _child) = open(&fork, &[]).await;
    assert!(conversation.advertised().refs().is_empty());
    assert_eq!(conversation.advertised().boundaries().collect::<Vec<_>>(), [pair.base]);
    let (answer, _) = push(conversation, &pair.local, &[command("refs/heads/main", None, pair.tip)]).await;
    assert_eq!(answer.endings[&ref_name("refs/heads/main")], PushEnding::Accepted);
    assert_eq!(answer.pack.unwrap().objects, 3, "the base was not sent again");
}

#[tokio::test]
async fn an_object_that_is_missing_here_is_found_before_anything_is_sent() {
    let pair = pair();
    let tree = pair.local.git(&["rev-parse", "refs/heads/main^{tree}"]);
    let loose = pair.local.path.join("objects").join(&tree[..2]).join(&tree[2..]);
    pair.local
        .git_with(&["unpack-objects", "-q"], &pair.local.git_with(&["pack-objects", "--all", "--stdout", "-q"], b""));
    for entry in std::fs::read_dir(pair.local.path.join("objects/pack")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    std::fs::remove_file(&loose).ok();
    let (conversation, mut child) = open(&pair.upstream, &[]).await;
    let commands = [command("refs/heads/main", Some(pair.base), pair.tip)];
    let (answer, _) = push(conversation, &pair.local, &commands).await;
    let PushEnding::NotSent(fault) = &answer.endings[&commands[0].name] else { panic!("{answer:?}") };
    assert_eq!((fault.code.as_str(), answer.bytes_sent), ("mirror::push::pack", 0));
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_conversation_that_is_closed_leaves_a_content_server() {
    let pair = pair();
    let (conversation, mut child) = open(&pair.upstream, &[]).await;
    assert_eq!(conversation.tip(&ref_name("refs/heads/main")), Some(pair.base));
    conversation.close().await;
    assert!(child.wait().await.unwrap().success());
}
