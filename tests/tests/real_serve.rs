//! What the server asks of the kernel for a push: everything is on the disk before `ok` (I2), and a `kill -9` on the way into any effect
//! leaves the old tip or the new one, and nothing to repair (I7).
//!
//! `strace` traces the running server; its own `inject` does the killing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mirror_core::name::CommitId;
use mirror_tests::gitclient::Token;
use mirror_tests::http;
use mirror_tests::leftovers::leftovers;
use mirror_tests::procfs;
use mirror_tests::rawpush::{self, RawPush};
use mirror_tests::requires;
use mirror_tests::sandbox::Repository;
use mirror_tests::server::{Served, became};
use rustix::process::Signal;

const GITOPS: &str = "refs/heads/gitops";

/// System calls that change something outside of the process.
const EFFECTS: [&str; 20] = [
    "openat",
    "write",
    "writev",
    "pwrite64",
    "sendto",
    "sendmsg",
    "fsync",
    "fdatasync",
    "ftruncate",
    "link",
    "linkat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "flock",
];

/// A server, and a promotion that is pushed to it again and again.
struct Setup {
    served: Served,
    token: Token,
    work: Repository,
    old: CommitId,
    new: CommitId,
    push: RawPush,
}

impl Setup {
    fn set() -> Self {
        let served = Served::small(|_| {});
        let token = served.token("promoter", &[]);
        let work = served.client().clone_bare(&served.url(), "work", &[]);
        let old = work.branch("gitops").expect("because it was cloned");
        let bulk: Vec<u8> =
            (0..40_000_u64).map(|at| (at.wrapping_mul(at.wrapping_mul(2_654_435_761)) >> 13) as u8).collect();
        let new = work.commit("gitops").file("deployed", "promoted\n").file("bulk", bulk).make();
        let push = RawPush::new().command(GITOPS, Some(old), Some(new)).pack(rawpush::pack(&work, new, Some(old)));
        Self { served, token, work, old, new, push }
    }

    fn cache(&self) -> Repository {
        self.served.world.cache()
    }

    /// Pushes; `None` where the answer is not complete.
    fn attempt(&self) -> Option<rawpush::Report> {
        let bytes = [self.push.head(self.served.address(), &self.token).into_bytes(), self.push.body()].concat();
        let reply = http::raw(self.served.address(), &bytes).ok()?;
        (reply.status == 200).then(|| rawpush::report(&reply.body))
    }

    /// Puts the cache back to where the push begins; the server is away.
    fn reset(&self) {
        self.cache().set_ref(GITOPS, self.old);
        self.cache().run(["reflog", "expire", "--expire=now", "--all"]);
        self.cache().run(["-c", "gc.pruneExpire=now", "prune", "--expire=now"]);
        self.cache().run(["repack", "-adq"]);
        self.cache().run(["prune", "--expire=now"]);
        assert!(!self.cache().has(self.new), "the promotion is to come anew");
    }
}

/// A running `strace` of a server. It ends with its value; the server stays.
struct Look {
    strace: Child,
    log: PathBuf,
}

impl Look {
    /// Attaches to the server and to every program it starts from now on.
    fn at(setup: &Setup, more: &[String]) -> Self {
        let log = setup.served.world.sandbox().path().join("trace");
        let mut strace = Command::new(requires::program("strace"));
        strace.args(["--follow-forks", "--decode-fds=path", "--string-limit=64", "--trace"]).arg(EFFECTS.join(","));
        strace.arg("--output").arg(&log).args(more).arg("--attach").arg(setup.served.id().to_string());
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let strace = strace.spawn().expect("because strace can be started");
        let tasks = format!("/proc/{}/task", setup.served.id());
        assert!(became(|| traced(Path::new(&tasks))), "strace cannot attach");
        Self { strace, log }
    }

    /// Detaches, and gives what was seen: the thread and the call, in their order.
    fn end(mut self) -> Vec<(String, String)> {
        procfs::signal(self.strace.id(), Signal::INT);
        let _ = self.strace.wait();
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let pair =
            |line: &str| line.split_once(' ').map(|(thread, call)| (thread.to_owned(), call.trim_start().to_owned()));
        text.lines().filter_map(pair).collect()
    }
}

/// Whether all threads of a process are traced.
fn traced(tasks: &Path) -> bool {
    let mut threads = std::fs::read_dir(tasks).into_iter().flatten().flatten().peekable();
    let is_traced = |task: std::fs::DirEntry| {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0"))
    };
    threads.peek().is_some() && threads.all(is_traced)
}

impl Drop for Look {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

#[test]
fn i2_acknowledged_commits_were_synced_to_disk() {
    let setup = Setup::set();
    let look = Look::at(&setup, &[]);
    let result = setup.attempt().expect("because nothing disturbs it");
    assert!(result.accepts(GITOPS), "{result:?}");
    let calls: Vec<_> = look.end().into_iter().map(|(_, call)| call).collect();
    let all = calls.join("\n");
    let said =
        calls.iter().position(|call| call.contains("unpack ok")).unwrap_or_else(|| panic!("no answer in\n{all}"));
    let synced = |wanted: &dyn Fn(&str) -> bool| {
        calls[..said].iter().any(|call| (call.starts_with("fsync(") || call.starts_with("fdatasync(")) && wanted(call))
    };
    // The objects, the index, the names of both; the ref and its name.
    for (what, wanted) in [
        ("the pack", &(|call: &str| call.contains(".pack>") || call.contains("tmp_pack")) as &dyn Fn(&str) -> bool),
        ("its index", &|call| call.contains(".idx>") || call.contains("tmp_idx")),
        ("the folder of packs", &|call| call.contains("objects/pack>")),
        // Its value is linked into place from there.
        ("the ref", &|call| call.contains("git-mirror/op/") && call.contains("/locks-")),
        ("the folder of refs", &|call| call.contains("refs/heads>")),
    ] {
        assert!(synced(wanted), "{what} was not synced before the answer:\n{all}");
    }
    // What is synced after it has got its name would be lost under it: the ref is whole before it is named.
    let named = calls.iter().position(|call| call.starts_with("rename") && call.contains("refs/heads/gitops\""));
    let named = named.unwrap_or_else(|| panic!("the ref is not renamed into place:\n{all}"));
    let folder = calls.iter().rposition(|call| call.starts_with("fsync(") && call.contains("refs/heads>"));
    assert!(named < said && folder.is_some_and(|folder| named < folder), "the name of the ref was not synced:\n{all}");
    let pack = calls
        .iter()
        .position(|call| (call.starts_with("rename") || call.starts_with("link")) && call.contains(".idx\""));
    assert!(pack.is_some_and(|pack| pack < named), "objects come before the ref that needs them:\n{all}");
}

/// The effects of a push that nothing disturbs: the kind of call, and how often it was made before in its thread.
fn effects(setup: &Setup) -> Vec<(String, usize, String)> {
    let look = Look::at(setup, &[]);
    let result = setup.attempt().expect("because nothing disturbs it");
    assert!(result.accepts(GITOPS), "{result:?}");
    let mut counts = BTreeMap::new();
    let mut points: Vec<(String, usize, String)> = Vec::new();
    for (thread, call) in look.end() {
        let Some((name, words)) = call.split_once('(').filter(|(name, _)| EFFECTS.contains(name)) else { continue };
        let count: &mut usize = counts.entry((thread, name.to_owned())).or_default();
        *count += 1;
        let changes = name != "openat" || words.contains("O_CREAT");
        if changes && !points.iter().any(|(other, nth, _)| other == name && nth >= count) {
            points.push((name.to_owned(), *count, call.chars().take(160).collect()));
        }
    }
    points
}

#[test]
fn i7_a_killed_push_leaves_old_or_new_tip() {
    const WANTED: usize = 60;
    let mut setup = Setup::set();
    let points = effects(&setup);
    assert!(points.len() >= 30, "a push has no more than {} effects", points.len());
    let wanted = WANTED.min(points.len());
    let (mut disturbed, mut accepted) = (0, 0);
    for number in 0..wanted {
        let (call, nth, line) = &points[number * points.len() / wanted];
        let name = format!("killed at {call} {nth}: {line}");
        setup.served.server.kill();
        setup.reset();
        setup.served.start_again();
        let look = Look::at(&setup, &[format!("--inject={call}:signal=KILL:when={nth}")]);
        let result = setup.attempt();
        // Not to its proper end: it would wait for threads that are no more.
        drop(look);
        let alive = setup.served.server.runs();
        // Of the threads that make such a call, not each gets so far every time.
        disturbed += usize::from(!alive || result.as_ref().is_none_or(|result| !result.accepts(GITOPS)));
        // The answer may have been on its way when its sender died.
        let tip = setup.cache().branch("gitops");
        if result.as_ref().is_some_and(|result| result.accepts(GITOPS)) {
            accepted += 1;
            assert_eq!(tip, Some(setup.new), "{name}: it was acknowledged");
        } else if result.is_some() && alive {
            assert_eq!(tip, Some(setup.old), "{name}: it was refused: {result:?}");
        }
        assert!([Some(setup.old), Some(setup.new)].contains(&tip), "{name}: {tip:?}");
        setup.cache().fsck();
        if alive {
            setup.served.server.kill();
        }
        setup.served.start_again();
        // The same push, as git would make it: onto what is there now.
        let client = setup.served.client().with(&setup.token);
        let again = client.ask(setup.work.path(), ["push", &setup.served.url(), "gitops"]);
        assert!(again.status.success(), "{name}: {}", again.stderr);
        assert_eq!(setup.cache().branch("gitops"), Some(setup.new), "{name}");
        let cache = setup.cache();
        setup.served.world.mirror(&["sync", "--confirm", "--wait"]).expect(3);
        assert!(became(|| leftovers(cache.path()).is_empty()), "{name}: {:?}", leftovers(cache.path()));
        cache.fsck();
    }
    assert!(disturbed * 3 >= wanted, "{disturbed} of {wanted} pushes were disturbed");
    assert!(accepted < wanted && Path::new(setup.cache().path()).exists());
}
