//! A mirror with commits to flush, and a real upstream whose hooks and configuration cause faults.
//!
//! Upstream is git and OpenSSH in these worlds. Hooks end the session they run in as a crash of the host would:
//! they kill its `sshd`.
//!
//! Never: an embedded host; the faults of [`crate::sshhost::embedded`] are injected there.

use mirror_core::name::CommitId;
use serde_json::Value;

use crate::world::World;

/// The GitOps branch of every world's lane `main`.
pub const GITOPS: &str = "refs/heads/gitops";

/// Ends the session in which it runs: a function of the shell, for hooks and forced commands.
pub const END_SESSION: &str = "end_session() { pid=$$; while [ \"$pid\" -gt 1 ]; do \
     pid=$(sed -n 's/^PPid:[[:space:]]*//p' \"/proc/$pid/status\"); \
     case $(cat \"/proc/$pid/comm\") in sshd*) kill -9 \"$pid\"; return;; esac; done; };";

/// A world that was in sync, and whose cache has accepted two commits since.
#[derive(Debug)]
pub struct Pending {
    /// The world.
    pub world: World,
    /// Upstream's tip.
    pub base: CommitId,
    /// The first of the two commits.
    pub first: CommitId,
    /// The second: what a flush is to bring.
    pub local: CommitId,
}

impl Pending {
    /// Real `sshd` behind real tinyproxy.
    pub fn real() -> Self {
        Self::within(World::builder().real().build())
    }

    /// Any empty world.
    pub fn within(world: World) -> Self {
        world.upstream().commit("main").file("a.txt", "one\n").make();
        let base = world.upstream().commit("gitops").root().file("deployed", "one\n").make();
        world.mirror(&["sync", "--confirm"]).expect(0);
        let first = world.cache().commit("gitops").file("deployed", "two\n").make();
        let local = world.cache().commit("gitops").file("deployed", "three\n").make();
        Self { world, base, first, local }
    }
}

/// Gives upstream a hook. It has everything that git's own environment has, `once`, which fails from the second run on, and
/// `end_session`.
pub fn hook(world: &World, name: &str, script: &str) {
    let free = "unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES";
    let once = "once() { mkdir \"$GIT_DIR/hooks/ran\" 2>/dev/null; }";
    world.upstream().hook(name, &format!("{free}\n{once}\n{END_SESSION}\n{script}"));
}

/// Runs a script at upstream as soon as the GitOps branch has moved, before the client gets the report.
pub fn once_moved(world: &World, script: &str) {
    let moved = format!("while read -r old new name; do [ \"$name\" = {GITOPS} ] && once && {{ {script}; }}; done");
    hook(world, "reference-transaction", &format!("[ \"$1\" = committed ] || exit 0\n{moved}\nexit 0"));
}

/// Lets upstream answer every push to the GitOps branch with this status (`ok`, or `ng` and a reason), by git's own `proc-receive` hook.
pub fn answer_with(world: &World, status: &str, reason: &str) {
    world.upstream().configure("receive.procReceiveRefs", GITOPS);
    let line = [status, GITOPS, reason].join(" ");
    let line = line.trim_end();
    let script = format!(
        "printf '%04x%s' 14 'version=1\n' && printf 0000\nprintf '%04x%s' {} '{line}' && printf 0000\ncat >/dev/null",
        line.len() + 4
    );
    hook(world, "proc-receive", &script);
}

/// Asserts that `found` has everything that `wanted` has.
///
/// # Panics
/// Where it has not.
#[track_caller]
pub fn assert_has(found: &Value, wanted: &Value) {
    assert_has_at(found, wanted, "");
}

#[track_caller]
fn assert_has_at(found: &Value, wanted: &Value, at: &str) {
    match wanted {
        Value::Object(entries) => {
            for (key, wanted) in entries {
                assert_has_at(&found[key], wanted, &format!("{at}/{key}"));
            }
        }
        wanted => assert_eq!(found, wanted, "at {at}"),
    }
}
