//! The mission's sentences on the source of truth and on the transport, one story each: R10–R13, R15, R16.
//!
//! The real program against the embedded host behind the embedded proxy, which can fail at the moment a story needs.

use mirror_core::name::CommitId;
use mirror_tests::footprint::Footprint;
use mirror_tests::sandbox::Repository;
use mirror_tests::sshhost::embedded::{
    ChannelFault, Channels, ConnectionRecord, Connections, Ending, HostFault, Point, Service,
};
use mirror_tests::world::{ProxyKind, Run, World};
use serde_json::{Value, json};

/// A world in sync, with `main` and `gitops`.
fn synced() -> World {
    let world = World::builder().proxy(ProxyKind::Embedded).build();
    world.upstream().commit("main").file("source", "one\n").make();
    world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    world
}

fn hex(commit: CommitId) -> Value {
    json!(commit.to_string())
}

fn next(run: &Run) -> Vec<&str> {
    run.report["next"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn r10_a_work_tree_is_never_a_source() {
    let world = synced();
    // An operator's checkout with a commit of its own, and the program run inside it.
    let git = world.sandbox().git();
    let path = world.sandbox().path().join("checkout");
    git.run(
        world.sandbox().path(),
        ["clone", "--quiet", "--branch=main", &world.upstream().path().to_string_lossy(), "checkout"],
    );
    let checkout = Repository::at(&path, git);
    let own = checkout.commit("main").file("source", "unpublished\n").make();
    let tip = world.upstream().commit("main").file("source", "published\n").make();
    let before = Footprint::of(&path);
    for verb in [&["sync", "--confirm"] as &[&str], &["status"], &["status", "--refresh"]] {
        let run = Run::of(world.command(verb).args(["-o", "json"]).current_dir(&path)).expect(0);
        assert!(!run.stdout.contains(&own.to_string()), "{}", run.stdout);
    }
    before.expect_unchanged(&path);
    assert_eq!(world.cache().branch("main"), Some(tip), "upstream is the source");
    assert!(!world.cache().has(own));
    assert_eq!(world.cache().run(["rev-parse", "--is-bare-repository"]), "true", "and the cache has no work tree");
}

#[test]
fn r10_a_checkout_is_not_a_cache() {
    let mut world = synced();
    let git = world.sandbox().git();
    let path = world.sandbox().path().join("work/app.git");
    git.run(
        world.sandbox().path(),
        ["clone", "--quiet", &world.upstream().path().to_string_lossy(), &path.to_string_lossy()],
    );
    world.configure(|config| config["nodes"]["local"]["cache"] = json!(path.parent()));
    let before = Footprint::of(&path);
    let run = world.mirror(&["sync", "--confirm"]);
    assert!(matches!(run.exit, Some(1 | 2)), "{}", run.stdout);
    before.expect_unchanged(&path);
}

#[test]
fn r11_only_ssh_by_connect_uses_the_proxy() {
    let world = synced();
    world.cache().commit("gitops").file("deployed", "two\n").make();
    world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    world.mirror(&["status", "--refresh"]).expect(0);
    world.mirror(&["doctor"]).expect(0);
    let target = world.address().socket().to_string();
    let record = world.proxy().record();
    assert_eq!(record.connections, 4, "one a verb");
    assert_eq!(record.requests, vec![format!("CONNECT {target} HTTP/1.1"); 4]);
    // Every connection to the host was made through these tunnels, and logged in by SSH.
    let host = world.host().wait_until_quiet();
    assert_eq!(host.connections.len(), record.tunnels.len());
    assert!(host.connections.iter().all(|connection| connection.logged_in));
    assert_eq!(world.mirror(&["status"]).expect(0).lane("main")["transport"]["mode"], "ssh");
}

#[test]
fn r11_a_host_with_another_key_is_refused() {
    let world = synced();
    let before = world.cache().refs();
    world.upstream().commit("main").file("source", "two\n").make();
    let connections = world.host().record().connections.len();
    world.host().inject(Connections::Every, HostFault::WrongHostKey);
    let run = world.mirror(&["sync", "--confirm", "--wait"]).expect(5);
    let fault = &run.lane("main")["fault"];
    assert_eq!(fault["retry"], "never", "{fault}");
    assert_eq!(fault.to_string().matches("SHA256:").count(), 2, "both fingerprints are shown: {fault}");
    assert_eq!(world.host().record().connections.len(), connections + 1, "and it is not tried again");
    assert_eq!(world.cache().refs(), before);
}

#[test]
fn r12_no_https_no_token_no_fallback() {
    let mut world = synced();
    let everything = world.proxy().record().connections;
    let cache = Footprint::of(&world.cache_folder());
    let mut check = |change: fn(&mut Value), words: &[&str]| {
        world.configure(change);
        for verb in [&["sync", "--confirm"] as &[&str], &["flush", "--confirm"], &["status"], &["config", "check"]] {
            let run = world.mirror_as_text(verb).expect(2);
            let said = format!("{}{}", run.stdout, run.stderr);
            for word in words {
                assert!(said.contains(word), "{verb:?} does not print `{word}`:\n{said}");
            }
        }
        assert_eq!(world.proxy().record().connections, everything, "nothing was opened");
        cache.expect_unchanged(&world.cache_folder());
    };
    check(
        |config| config["repositories"]["app"]["upstream"] = json!("https://github.com/pikasTech/HWLAB.git"),
        &["https", "ssh://"],
    );
    check(
        |config| {
            config["repositories"]["app"]["upstream"] = json!("ssh://git@ssh.github.com:443/pikasTech/HWLAB.git");
            config["githubTransport"]["mode"] = json!("https");
        },
        &["mode", "ssh"],
    );
    check(
        |config| {
            config["githubTransport"]["mode"] = json!("ssh");
            config["githubTransport"]["token"] = json!("GITHUB_TOKEN");
        },
        &["token", "ssh"],
    );
    check(
        |config| {
            config["githubTransport"].as_object_mut().expect("because it is one").remove("token");
            config["githubTransport"]["identity"] = json!({ "secret": "git-mirror-github-token", "key": "token" });
        },
        &["git-mirror-github-token"],
    );
}

#[test]
fn r12_an_absent_proxy_is_not_bypassed() {
    let mut world = synced();
    let connections = world.host().record().connections.len();
    // A port without a listener that no other process gets: the local end of a connection has it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("because a loopback port is free");
    let held = listener.local_addr().and_then(std::net::TcpStream::connect).expect("because the listener is open");
    let address = held.local_addr().expect("because it is connected");
    world.configure(|config| config["githubTransport"]["proxy"] = json!(format!("http://{address}")));
    let run = world.mirror(&["sync"]).expect(5);
    assert!(run.lane("main")["fault"].to_string().contains(&address.to_string()), "{}", run.stdout);
    assert_eq!(world.host().record().connections.len(), connections, "upstream itself would have answered");
}

#[test]
fn r13_hooks_in_the_cache_decide_nothing() {
    let world = synced();
    let ran = world.sandbox().path().join("ran");
    for name in ["pre-receive", "update", "post-receive", "reference-transaction", "pre-push", "post-update"] {
        world.cache().hook(name, &format!("touch {}\nexit 1", ran.display()));
    }
    let tip = world.upstream().commit("main").file("source", "two\n").make();
    let deployed = world.upstream().commit("gitops").file("deployed", "two\n").make();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    assert_eq!((world.cache().branch("main"), world.cache().branch("gitops")), (Some(tip), Some(deployed)));
    assert!(!ran.exists(), "a hook ran");
}

/// Lets the recheck of the next flush fail: the connection is cut as soon as it is asked for.
fn cut_the_look_after_the_push(world: &World) {
    let what = ChannelFault::Stop { at: Point::Answered(0), then: Ending::Cut };
    world.host().inject_once(HostFault::Channel { on: Channels::Of(Service::UploadPack), what });
}

#[test]
fn r15_partial_success_is_followed_by_one_sync() {
    let world = synced();
    let local = world.cache().commit("gitops").file("deployed", "two\n").make();
    let source = world.upstream().commit("main").file("source", "two\n").make();
    cut_the_look_after_the_push(&world);
    let before = world.host().record().connections.len();
    let run = world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    let lane = run.lane("main");
    assert_eq!(lane["partialSuccess"], "push-succeeded-fetch-failed");
    assert_eq!((&lane["push"]["outcome"], &lane["push"]["attempts"]), (&json!("accepted"), &json!(1)));
    assert!(lane["recheck"]["fault"]["message"].is_string(), "{}", lane["recheck"]);

    let record = world.host().wait_until_quiet();
    let [flush, sync] = &record.connections[before..] else { panic!("not two connections: {record:#?}") };
    let pushed = |record: &ConnectionRecord| {
        // A flush packet, of four bytes, is a goodbye; any command is longer.
        record.channels.iter().any(|channel| channel.service == Some(Service::ReceivePack) && channel.received > 4)
    };
    assert_eq!((pushed(flush), pushed(sync)), (true, false), "nothing is pushed twice");
    assert_eq!(world.upstream().branch("gitops"), Some(local));
    assert_eq!(world.cache().branch("main"), Some(source), "it was a whole sync of the lane");
    assert_eq!(world.cache().rev(&format!("refs/mirror/snapshots/app/main/{source}")), Some(source));
}

#[test]
fn r16_a_sync_with_the_proof_recovers() {
    let world = synced();
    let local = world.cache().commit("gitops").file("deployed", "two\n").make();
    cut_the_look_after_the_push(&world);
    let run = world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    let lane = run.lane("main");
    assert_eq!(
        (&run.report["ok"], &lane["ok"], &lane["partialSuccessRecovered"]),
        (&json!(true), &json!(true), &json!(true))
    );
    let recovery = &lane["postPushRecovery"];
    assert_eq!(
        (&recovery["ok"], &recovery["tip"], &recovery["outcome"]),
        (&json!(true), &hex(local), &json!("up-to-date"))
    );
    assert_eq!((&lane["pendingFlush"], &lane["githubInSync"]), (&json!(false), &json!(true)));
    assert!(next(&run).is_empty());
}

#[test]
fn r16_a_failed_recovery_names_the_next_step() {
    let world = synced();
    let local = world.cache().commit("gitops").file("deployed", "two\n").make();
    cut_the_look_after_the_push(&world);
    let after = world.host().record().connections.len() as u64 + 2;
    world.host().inject(Connections::From(after), HostFault::RefuseLogin);
    let run = world.mirror(&["flush", "--confirm", "--wait"]).expect(5);
    let lane = run.lane("main");
    assert_eq!(
        (&run.report["ok"], &lane["ok"], &lane["partialSuccessRecovered"]),
        (&json!(false), &json!(false), &json!(false))
    );
    assert_eq!(lane["partialSuccess"], "push-succeeded-fetch-failed");
    assert_eq!(lane["postPushRecovery"]["ok"], false);
    assert!(lane["postPushRecovery"]["fault"]["message"].is_string(), "{lane}");
    assert_eq!(lane["upstream"], Value::Null, "nothing was seen since the push");
    assert!(next(&run)[0].contains("sync --node local --lane main --confirm --wait"), "{:?}", next(&run));

    // The status believes no more than was seen, and the step it named repairs it.
    assert_eq!(world.mirror(&["status"]).expect(3).lane("main")["pendingFlush"], true);
    world.host().clear_faults();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    let lane = world.mirror(&["status"]).expect(0).lane("main").clone();
    assert_eq!((&lane["pendingFlush"], &lane["githubGitops"]["commit"]), (&json!(false), &hex(local)));
}
