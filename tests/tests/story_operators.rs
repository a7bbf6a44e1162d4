//! Two at once: operators on one cache, and writers on one upstream. Every report is true and no commit is lost (R29).
//!
//! The embedded host holds an operation at a known point, so that the other one meets it there every time.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Barrier, Mutex};

use mirror_tests::sandbox::Repository;
use mirror_tests::sshhost::embedded::{HookPoint, Service};
use mirror_tests::world::{ProxyKind, Run, World};
use serde_json::{Value, json};

/// A world in sync, with `main` and `gitops`. Who is held at upstream is as patient as the test that holds it.
fn synced() -> World {
    let mut world = World::builder().proxy(ProxyKind::Embedded).build();
    world.configure(|config| config["githubTransport"]["timeouts"]["idle"] = json!("4m"));
    world.upstream().commit("main").file("source", "one\n").make();
    world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    world
}

/// Holds the next operation that reaches upstream, until the given sender goes.
fn hold(world: &World) -> (Receiver<()>, Sender<()>) {
    let (arrived, arrival) = channel();
    let (release, released) = channel::<()>();
    let held = Mutex::new(Some(released));
    world.host().hook(HookPoint::BeforeGit, move |_| {
        let Some(released) = held.lock().expect("because no hook panics").take() else { return };
        // The receiver may be dropped where the test has failed.
        let _ = arrived.send(());
        let _ = released.recv();
    });
    (arrival, release)
}

fn start(world: &World, words: &[&str]) -> Child {
    let mut command = world.command(words);
    command.args(["-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("because the program can be started")
}

fn end(child: Child) -> Run {
    Run::from(child.wait_with_output().expect("because its output is piped"))
}

/// Starts an operation that has to wait, and returns when it reports that.
fn start_waiting(world: &World, words: &[&str]) -> (Child, BufReader<ChildStderr>) {
    let mut child = start(world, words);
    let mut talk = BufReader::new(child.stderr.take().expect("because it is piped"));
    let mut line = String::new();
    while !line.contains("waiting for a turn") {
        line.clear();
        let read = talk.read_line(&mut line).expect("because it prints text");
        assert!(read > 0, "it ended without waiting");
    }
    (child, talk)
}

#[test]
fn i6_a_busy_cache_names_its_holder() {
    let world = synced();
    let source = world.upstream().commit("main").file("source", "two\n").make();
    let local = world.cache().commit("gitops").file("deployed", "two\n").make();
    let (arrival, release) = hold(&world);
    let first = start(&world, &["sync", "--confirm"]);
    arrival.recv().expect("because the sync reaches upstream");

    // Without --wait it ends at once, and names the holder: operation, process and user.
    for verb in ["sync", "flush"] {
        let run = world.mirror(&[verb, "--confirm"]).expect(4);
        let fault = run.lane("main")["fault"].to_string();
        assert!(fault.contains(&first.id().to_string()) && fault.contains("sync"), "{fault}");
    }
    let result = world.mirror_as_text(&["flush", "--confirm"]).expect(4);
    assert!(result.stdout.contains(&first.id().to_string()), "{}", result.stdout);
    // With a deadline that passes it ends as well.
    world.mirror(&["sync", "--confirm", "--wait", "--timeout", "50ms"]).expect(4);
    // A verb that only reads does not wait, and shows the holder.
    let status = world.mirror(&["status"]);
    assert_eq!(status.lane("main")["running"]["pid"], json!(first.id()), "{}", status.stdout);
    assert_eq!(status.lane("main")["running"]["verb"], "sync");

    // With --wait it gets its turn, and both end well.
    let (second, _talk) = start_waiting(&world, &["flush", "--confirm", "--wait", "-v"]);
    drop(release);
    assert_eq!(end(first).exit, Some(3), "the sync found a commit to flush, and nothing worse");
    assert_eq!(end(second).expect(0).lane("main")["outcome"], "flushed");
    assert_eq!((world.cache().branch("main"), world.upstream().branch("gitops")), (Some(source), Some(local)));
    assert_eq!(world.mirror(&["status"]).expect(0).lane("main")["running"], Value::Null);
}

#[test]
fn a_killed_operation_frees_the_lock() {
    let world = synced();
    let source = world.upstream().commit("main").file("source", "two\n").make();
    let (arrival, release) = hold(&world);
    let mut first = start(&world, &["sync", "--confirm"]);
    arrival.recv().expect("because the sync reaches upstream");
    first.kill().expect("because it is ours");
    first.wait().expect("because it is ours");
    drop(release);
    world.mirror(&["sync", "--confirm"]).expect(0);
    assert_eq!(world.cache().branch("main"), Some(source));
    world.cache().fsck();
}

#[test]
fn two_mirrors_that_flush_at_once_lose_no_commit() {
    let mut world = World::builder().proxy(ProxyKind::Embedded).build();
    let folder = world.sandbox().path().to_owned();
    world.configure(|config| {
        let lanes = config["nodes"]["local"]["lanes"].clone();
        let node = |name: &str| json!({ "cache": folder.join(format!("cache-{name}")), "lanes": lanes });
        config["nodes"] = json!({ "one": node("one"), "two": node("two") });
        config["githubTransport"]["timeouts"]["idle"] = json!("4m");
    });
    world.upstream().commit("main").file("source", "one\n").make();
    world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    let nodes = ["one", "two"];
    let commits = nodes.map(|node| {
        world.mirror(&["sync", "--node", node, "--confirm"]).expect(0);
        let cache = Repository::at(&folder.join(format!("cache-{node}/app.git")), world.sandbox().git());
        (cache.commit("gitops").file("deployed", node).make(), cache)
    });
    // Both have observed before either pushes; and one push has landed before the other, which might give up a branch that a slow disk
    // keeps locked for long.
    let observed = Barrier::new(2);
    let pushes = Mutex::new(0);
    let (landed, landing) = channel();
    let landing = Mutex::new(landing);
    world.host().hook(HookPoint::FirstByte, move |channel| {
        if channel.service != Some(Service::ReceivePack) {
            return;
        }
        let number = next_of(&pushes);
        if number < 2 {
            observed.wait();
        }
        if number == 1 {
            landing.lock().expect("because no hook panics").recv().expect("because the first push ends");
        }
    });
    world.host().hook(HookPoint::AfterGit, move |channel| {
        if channel.service == Some(Service::ReceivePack) {
            // Only the second one waits for it.
            let _ = landed.send(());
        }
    });
    let both = nodes.map(|node| start(&world, &["flush", "--node", node, "--confirm", "--wait"]));
    let ends = both.map(end);
    let words: Vec<_> = ends.iter().map(|run| run.lane("main")["outcome"].as_str().unwrap_or_default()).collect();
    let winner = usize::from(words[1] == "flushed");
    assert_eq!((words[winner], words[1 - winner]), ("flushed", "diverged"), "{words:?}");
    assert_eq!((ends[winner].exit, ends[1 - winner].exit), (Some(0), Some(3)));
    assert_eq!(world.upstream().branch("gitops"), Some(commits[winner].0));
    assert_eq!(commits[1 - winner].1.branch("gitops"), Some(commits[1 - winner].0), "the other keeps its commit");

    // It is settled by adopting upstream's; its own commit is set aside, not lost.
    world.host().clear_faults();
    world.mirror(&["lane", "resolve", "--node", nodes[1 - winner], "--adopt-upstream", "--confirm"]).expect(0);
    let (own, cache) = &commits[1 - winner];
    assert_eq!(cache.branch("gitops"), Some(commits[winner].0));
    assert!(cache.refs_under("refs/mirror-rescue/").values().any(|tip| tip == own));
}

fn next_of(counter: &Mutex<usize>) -> usize {
    let mut count = counter.lock().expect("because no hook panics");
    *count += 1;
    *count - 1
}

#[test]
fn a_concurrent_writer_wins_or_is_included() {
    // Unrelated to ours: nothing is forced. Ours already: the push goes on from there.
    for theirs_is_ours in [false, true] {
        let world = synced();
        let first = world.cache().commit("gitops").file("deployed", "two\n").make();
        let local = world.cache().commit("gitops").file("deployed", "three\n").make();
        let (upstream, cache) = (world.upstream().clone(), world.cache().path().to_owned());
        let came = Mutex::new(0);
        world.host().hook(HookPoint::FirstByte, move |channel| {
            if channel.service == Some(Service::ReceivePack) && next_of(&came) == 0 {
                if theirs_is_ours {
                    upstream.run(["fetch", "--quiet", &cache.to_string_lossy(), &format!("{first}:refs/heads/gitops")]);
                } else {
                    upstream.commit("gitops").file("deployed", "theirs\n").make();
                }
            }
        });
        let run = world.mirror(&["flush", "--confirm", "--wait"]);
        let (word, exit) = if theirs_is_ours { ("flushed", 0) } else { ("diverged", 3) };
        let run = run.expect(exit);
        assert_eq!(run.lane("main")["outcome"], word);
        let tip = world.upstream().branch("gitops").expect("because it was made");
        assert_eq!(tip == local, theirs_is_ours);
        assert_eq!(world.cache().branch("gitops"), Some(local), "no commit is lost");
        world.upstream().fsck();
    }
}

#[test]
fn commits_accepted_during_a_flush_stay_pending() {
    let world = synced();
    let first = world.cache().commit("gitops").file("deployed", "two\n").make();
    let cache = world.cache();
    let came = Mutex::new(0);
    world.host().hook(HookPoint::AfterGit, move |channel| {
        if channel.service == Some(Service::ReceivePack) && next_of(&came) == 0 {
            cache.commit("gitops").file("deployed", "three\n").make();
        }
    });
    let run = world.mirror(&["flush", "--confirm", "--wait"]).expect(3);
    let lane = run.lane("main");
    assert_eq!(
        (&lane["outcome"], &lane["pendingFlush"], &lane["ok"]),
        (&json!("flushed"), &json!(true), &json!(false))
    );
    assert_eq!(world.upstream().branch("gitops"), Some(first));
    world.host().clear_faults();
    world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    assert_eq!(world.upstream().branch("gitops"), world.cache().branch("gitops"));
}

#[test]
fn an_interrupt_ends_cleanly_and_frees_the_lock() {
    let world = synced();
    world.upstream().commit("main").file("source", "two\n").make();
    let (arrival, release) = hold(&world);
    let first = start(&world, &["sync", "--confirm"]);
    arrival.recv().expect("because the sync reaches upstream");
    let pid = rustix::process::Pid::from_child(&first);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("because it is ours");
    let run = end(first);
    drop(release);
    assert!(run.exit.is_some_and(|exit| exit != 0), "it ended by itself: {run:?}");
    assert!(
        run.lane("main")["fault"]["code"].as_str().is_some_and(|code| code.contains("interrupted")),
        "{}",
        run.stdout
    );
    world.mirror(&["sync", "--confirm"]).expect(0);
    let history = Run::of(world.command(&["history"]).args(["-o", "json"])).expect(0);
    assert!(history.stdout.contains("failed"), "the journal knows of it: {}", history.stdout);
}
