//! The rows of the table of flush in which something gets lost: the real program against OpenSSH's `sshd` and git's receive-pack, through
//! tinyproxy.
//!
//! Sessions end because their `sshd` is killed, in the middle of a hook or before git runs; observations fail because upstream's git cannot
//! read its refs any more. The rows in which everything arrives are `real_flush.rs`, and cuts at every byte `fault_flush.rs`.

use std::path::PathBuf;

use mirror_core::flush::FlushPolicy;
use mirror_tests::flushing::{END_SESSION, Pending, answer_with, assert_has, hook, once_moved};
use mirror_tests::world::{Run, World};
use serde_json::json;

/// What no git reads as packed refs. Upstream's refs are all loose, so that taking it away mends the repository.
const BREAK_REFS: &str = "echo broken >\"$GIT_DIR/packed-refs\"";

/// A world with commits to flush, in which every command of a client goes through this script of the shell. The script's `$2` is the
/// repository.
fn forced(script: &str) -> Pending {
    let force = format!("ForceCommand {END_SESSION} eval \"set -- $SSH_ORIGINAL_COMMAND\"; {script}");
    Pending::within(World::builder().real().sshd(&force).build())
}

/// How often a sync observes upstream where a retry may succeed.
const LOOKS: usize = 4;

fn packed_refs(world: &World) -> PathBuf {
    world.upstream().path().join("packed-refs")
}

/// Flushes, and asserts the result and the number of connections and tunnels.
#[track_caller]
fn flush(world: &World, exit: i32, connections: usize, lane: &serde_json::Value) -> Run {
    let before = (world.tunnels(), world.openssh().connections() as usize);
    let run = world.mirror(&["flush", "--confirm"]).expect(exit);
    assert_has(run.lane("main"), lane);
    assert_eq!(world.openssh().connections() as usize, before.1 + connections, "connections: {}", run.stdout);
    assert_eq!(world.tinyproxy().wait_for_targets(before.0 + connections).len(), before.0 + connections, "tunnels");
    run
}

/// Proves that the commits are upstream, that the next plain flush finds nothing to do, and that nothing is broken on either side.
#[track_caller]
fn prove_landed(pending: &Pending) {
    let Pending { world, local, .. } = pending;
    assert_eq!(world.upstream().branch("gitops"), Some(*local));
    flush(world, 0, 1, &json!({ "outcome": "up-to-date", "pendingFlush": false, "githubInSync": true }));
    assert_eq!(world.cache().branch("gitops"), Some(*local));
    world.upstream().fsck();
    world.cache().fsck();
}

#[test]
fn observe_is_retried_once() {
    let pending = forced("rmdir \"$2/armed\" 2>/dev/null && end_session; eval \"$SSH_ORIGINAL_COMMAND\"");
    std::fs::create_dir(pending.world.upstream().path().join("armed")).expect("because the upstream is ours");
    let wanted = json!({
        "outcome": "flushed", "pendingFlush": false, "githubInSync": true,
        "push": { "outcome": "accepted", "attempts": 1, "expected": pending.base.to_string() }, "recheck": { "looks": 1 },
    });
    flush(&pending.world, 0, 2, &wanted);
    prove_landed(&pending);
}

#[test]
fn observe_fails_at_every_attempt() {
    let pending = forced("[ -d \"$2/armed\" ] && end_session; eval \"$SSH_ORIGINAL_COMMAND\"");
    let armed = pending.world.upstream().path().join("armed");
    std::fs::create_dir(&armed).expect("because the upstream is ours");
    let attempts = FlushPolicy::default().observe_attempts as usize;
    let wanted =
        json!({ "outcome": "not-flushed", "push": { "outcome": "not-sent", "attempts": 0 }, "pendingFlush": true });
    let run = flush(&pending.world, 5, attempts, &wanted);
    let code = run.lane("main")["fault"]["code"].as_str().unwrap_or_default().to_owned();
    assert!(["mirror::ssh::lost", "mirror::ssh::channel_lost"].contains(&code.as_str()), "{code}");
    assert_eq!(pending.world.upstream().branch("gitops"), Some(pending.base), "nothing was pushed");
    std::fs::remove_dir(&armed).expect("because it is there");
    flush(&pending.world, 0, 1, &json!({ "outcome": "flushed" }));
    prove_landed(&pending);
}

#[test]
fn unanswered_push_that_landed_is_proved_by_observation() {
    let pending = Pending::real();
    once_moved(&pending.world, "end_session");
    let wanted = json!({
        "outcome": "flushed", "pendingFlush": false, "githubInSync": true, "partialSuccess": null,
        "push": { "outcome": "unknown", "attempts": 1, "new": pending.local.to_string() },
        "recheck": { "looks": 1, "tip": pending.local.to_string(), "containsLocal": true },
    });
    flush(&pending.world, 0, 2, &wanted);
    prove_landed(&pending);
}

#[test]
fn unanswered_push_that_did_not_land_is_repeated() {
    let pending = Pending::real();
    hook(&pending.world, "pre-receive", "once || exit 0\nend_session\nexit 1");
    let wanted = json!({
        "outcome": "flushed", "pendingFlush": false, "githubInSync": true,
        "push": { "outcome": "accepted", "attempts": 2, "expected": pending.base.to_string() },
        "recheck": { "tip": pending.local.to_string(), "containsLocal": true },
    });
    flush(&pending.world, 0, 2, &wanted);
    prove_landed(&pending);
}

#[test]
fn unanswered_push_without_observation_is_unknown() {
    let pending = Pending::real();
    once_moved(&pending.world, &format!("{BREAK_REFS}; end_session"));
    // The advertisement of the second connection's receive-pack would be the observation, and its git answers that there is none: no attempt
    // helps.
    let wanted = json!({
        "outcome": "unknown", "ok": false, "pendingFlush": true, "githubInSync": false, "recheck": { "containsLocal": false, "tip": null, "observedAt": null },
        "push": { "outcome": "unknown", "attempts": 1 }, "partialSuccess": null,
    });
    let run = flush(&pending.world, 5, 2, &wanted);
    assert!(run.report["next"].to_string().contains("flush"), "flushing again is safe: {}", run.report["next"]);
    std::fs::remove_file(packed_refs(&pending.world)).expect("because the hook broke it");
    prove_landed(&pending);
}

#[test]
fn failed_recheck_is_recovered_by_one_sync() {
    // The fault is repaired before the next connection.
    let pending = forced("[ -d \"$2/hooks/ran\" ] && rm -f \"$2/packed-refs\"; eval \"$SSH_ORIGINAL_COMMAND\"");
    once_moved(&pending.world, BREAK_REFS);
    let wanted = json!({
        "outcome": "recovered", "ok": true, "pendingFlush": false, "githubInSync": true,
        "push": { "outcome": "accepted", "attempts": 1 },
        "partialSuccess": "push-succeeded-fetch-failed", "partialSuccessRecovered": true,
        "postPushRecovery": { "ok": true, "tip": pending.local.to_string() },
    });
    flush(&pending.world, 0, 2, &wanted);
    prove_landed(&pending);
}

#[test]
fn failed_recheck_and_failed_sync_are_not_ok() {
    let pending = Pending::real();
    once_moved(&pending.world, BREAK_REFS);
    let wanted = json!({
        "outcome": "unproved", "ok": false, "githubInSync": false,
        "push": { "outcome": "accepted", "attempts": 1 },
        "partialSuccess": "push-succeeded-fetch-failed", "partialSuccessRecovered": false, "postPushRecovery": { "ok": false },
    });
    // One sync, whose observation is retried as often as any sync's.
    let run = flush(&pending.world, 5, 1 + LOOKS, &wanted);
    assert!(
        run.report["next"].to_string().contains("sync --node local --lane main --confirm --wait"),
        "{}",
        run.report
    );
    std::fs::remove_file(packed_refs(&pending.world)).expect("because the hook broke it");
    pending.world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    prove_landed(&pending);
}

#[test]
fn recheck_repeats_until_the_push_is_visible() {
    // Upstream reports `ok` at once and moves the ref only at the second observation. What upload-pack receives is traced into a pipe, whose
    // reader lives as long as upload-pack.
    let late = "while read -r line; do case $line in *command=ls-refs*) \
         if [ -s \"$2/asked\" ]; then git --git-dir \"$2\" update-ref refs/heads/gitops \"$(cat \"$2/asked\")\"; rm \"$2/asked\"; \
         elif [ -s \"$2/result\" ]; then mv \"$2/result\" \"$2/asked\"; fi;; \
         esac; done <\"$2/heard\"";
    let pending = forced(&format!(
        "if [ \"$1\" = git-upload-pack ] && [ -p \"$2/heard\" ]; then ({late}) >/dev/null 2>&1 & \
         GIT_TRACE_PACKET=\"$2/heard\"; export GIT_TRACE_PACKET; fi; eval \"$SSH_ORIGINAL_COMMAND\""
    ));
    let Pending { world, local, .. } = &pending;
    answer_with(world, "ok", "");
    let pipe = world.sandbox().git().program("mkfifo", world.upstream().path()).arg("heard").status();
    assert!(pipe.is_ok_and(|status| status.success()), "no pipe");
    hook(world, "pre-receive", "read -r old new name\necho \"$new\" >\"$GIT_DIR/result\"\nexit 0");
    let wanted = json!({
        "outcome": "flushed", "pendingFlush": false, "githubInSync": true, "partialSuccess": null,
        "push": { "outcome": "accepted", "attempts": 1 }, "recheck": { "tip": local.to_string(), "containsLocal": true },
    });
    let run = flush(world, 0, 1, &wanted);
    assert!(run.lane("main")["recheck"]["looks"].as_u64().is_some_and(|looks| looks >= 2), "{}", run.stdout);
    std::fs::remove_file(world.upstream().path().join("heard")).expect("because it is there");
    prove_landed(&pending);
}

#[test]
fn recheck_ends_by_its_deadline() {
    let Pending { mut world, base, local, .. } = Pending::real();
    answer_with(&world, "ok", "");
    world.configure(|config| config["githubTransport"]["timeouts"]["total"] = json!("15s"));
    let wanted = json!({
        "outcome": "unproved", "ok": false, "pendingFlush": true, "githubInSync": false,
        "push": { "outcome": "accepted", "attempts": 1 }, "recheck": { "tip": base.to_string(), "containsLocal": false },
        "fault": { "code": "mirror::flush::not_shown" },
    });
    let run = flush(&world, 4, 1, &wanted);
    assert!(run.lane("main")["recheck"]["looks"].as_u64().is_some_and(|looks| looks >= 2), "{}", run.stdout);
    assert_eq!(world.cache().branch("gitops"), Some(local), "nothing was lost");
}
