//! Who gets a run of git, who shares one, and who waits for it.

use std::fmt::Write as _;

use super::*;

#[tokio::test]
async fn any_snapshot_can_be_wanted_in_both_protocols() {
    let rig = Rig::new();
    let (running, snapshot) = (rig.serve(), rig.snapshot());
    let objects = rig.git(&["rev-list", "--objects", "--no-object-names", &snapshot]);
    let mut expect: Vec<&str> = objects.lines().collect();
    expect.sort_unstable();
    for (version, body) in [
        (Version::V0, v0(&snapshot)),
        (Version::V1, v0(&snapshot)),
        (Version::V2, v2(&[&format!("want {snapshot}"), "done"])),
    ] {
        let answer = running.fetch(version, &body).await;
        assert_eq!(rig.prove(&pack_of(&answer)), expect, "{version:?}");
        // Whoever asks before it is kept shares it.
        running.idle().await;
    }
    // Version 1 is version 0 here.
    assert_eq!((running.packs("made"), running.packs("disk"), rig.runs()), (2, 1, 2));
}

#[tokio::test]
async fn who_asks_at_once_shares_one_run_and_who_asks_later_gets_the_file() {
    let rig = Rig::new();
    rig.hold();
    let (running, want) = (rig.serve(), format!("want {}", rig.snapshot()));
    let (one, other) =
        (v2_of("agent=git/2.39", &[&want, "done"]), v2_of("session-id=abc", &[&want, &want, "thin-pack"]));
    let mut first = Box::pin(running.ask(Version::V2, &one));
    let mut second = Box::pin(running.ask(Version::V2, &other));
    assert!(is_waiting(&mut first).await && is_waiting(&mut second).await);
    rig.release().await;
    let first = drain(first.await).await.unwrap();
    let second = drain(second.await).await.unwrap();
    rig.prove(&pack_of(&first));
    assert!(first == second);
    running.keeps(1).await;
    let third = running.ask(Version::V2, &one).await;
    assert_eq!(length(&third), Some(first.len() as u64));
    assert!(drain(third).await.unwrap() == first);
    assert_eq!((running.packs("made"), running.packs("shared"), running.packs("disk")), (1, 1, 1));
    assert_eq!(rig.runs(), 1);
}

#[tokio::test]
async fn one_who_leaves_does_not_stop_the_others() {
    let rig = Rig::new();
    let big = rig.commit("refs/heads/main", "big", &noise(3 << 20, 1));
    rig.hold();
    let (running, body) = (rig.serve(), v0(&big));
    let mut first = Box::pin(running.ask(Version::V0, &body));
    let mut second = Box::pin(running.ask(Version::V0, &body));
    let mut third = Box::pin(running.ask(Version::V0, &body));
    assert!(is_waiting(&mut first).await && is_waiting(&mut second).await && is_waiting(&mut third).await);
    // The one for whom the run was begun leaves before the first byte, another one after it.
    drop(first);
    rig.release().await;
    let mut second = second.await;
    part(&mut second).await.unwrap().unwrap();
    drop(second);
    let third = drain(third.await).await.unwrap();
    assert!(rig.prove(&pack_of(&third)).contains(&big));
    assert_eq!(rig.runs(), 1);
}

#[tokio::test]
async fn the_last_one_who_leaves_stops_git_and_all_it_started() {
    let rig = Rig::new();
    // The script waits for a child of its own, as upload-pack does for pack-objects.
    rig.script(&format!("sleep 1000 & echo $! >> '{}'; wait", rig.path("runs").display()));
    let (running, body) = (rig.serve(), v0(&rig.snapshot()));
    let mut first = Box::pin(running.ask(Version::V0, &body));
    let mut second = Box::pin(running.ask(Version::V0, &body));
    assert!(is_waiting(&mut first).await && is_waiting(&mut second).await);
    until(|| rig.runs() == 2).await;
    let pids = std::fs::read_to_string(rig.path("runs")).unwrap();
    let pids = pids.lines().map(|pid| rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap());
    drop(first);
    assert!(is_waiting(&mut second).await, "one still waits");
    assert!(pids.clone().all(is_running));
    drop(second);
    until(|| pids.clone().all(|pid| !is_running(pid))).await;
    running.idle().await;
    // Nothing is left of it: who comes now gets a run of their own.
    rig.script("");
    rig.prove(&pack_of(&running.fetch(Version::V0, &body).await));
}

/// Whether a process runs. One that has ended and waits to be collected does not.
fn is_running(pid: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

#[tokio::test]
async fn haves_that_are_known_are_shared_and_others_are_not() {
    let rig = Rig::new();
    let running = rig.serve();
    let (tip, first) = (rig.git(&["rev-parse", "main"]), rig.git(&["rev-parse", "main~1"]));
    let fetch = |have: &str| v2(&[&format!("want {tip}"), &format!("have {have}"), "thin-pack", "done"]);
    for (have, runs) in [(first.as_str(), 1), (first.as_str(), 1), (&"2".repeat(40), 2), (&"2".repeat(40), 3)] {
        let answer = running.fetch(Version::V2, &fetch(have)).await;
        assert!(!pack_of(&answer).is_empty());
        running.idle().await;
        assert_eq!(rig.runs(), runs);
    }
    assert_eq!((running.packs("made"), running.packs("disk"), running.packs("alone")), (1, 1, 2));
    assert_eq!(rig.kept().len(), 1);
}

#[tokio::test]
async fn more_than_may_wait_are_told_to_come_again() {
    let rig = Rig::new();
    rig.hold();
    let running = rig.serve_with(|serve| serve.limits = Limits { packs: 1, queue: 1, ..serve.limits });
    let tips: Vec<String> = ["main", "main~1"].map(|name| rig.git(&["rev-parse", name])).into();
    let bodies = [v0(&tips[0]), v0(&tips[1]), v0(&rig.snapshot())];
    let [mut first, mut second] = [0, 1].map(|at| Box::pin(running.ask(Version::V0, &bodies[at])));
    assert!(is_waiting(&mut first).await);
    rig.wait_for_run().await;
    assert!(is_waiting(&mut second).await);
    until(|| running.counted("git_mirror_packs_waiting") == 1).await;
    let refused = running.ask(Version::V0, &bodies[2]).await;
    assert_eq!(
        (refused.status(), refused.headers()["retry-after"].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "5")
    );
    // Who asks for what is being made, or waits to be, needs no place of their own.
    let mut joined = Box::pin(running.ask(Version::V0, &bodies[1]));
    assert!(is_waiting(&mut joined).await);
    rig.release().await;
    drain(first.await).await.unwrap();
    rig.release().await;
    let (second, joined) = (drain(second.await).await.unwrap(), drain(joined.await).await.unwrap());
    assert!(second == joined);
    rig.prove(&pack_of(&second));
    assert_eq!(rig.runs(), 2);
}

#[tokio::test]
async fn git_is_told_what_it_may_use_and_sees_nothing_else() {
    let rig = Rig::new();
    rig.script(&format!("env > '{}'", rig.path("seen").display()));
    let running = rig.serve();
    running.fetch(Version::V2, &v2(&[&format!("want {}", rig.snapshot()), "done"])).await;
    let seen = std::fs::read_to_string(rig.path("seen")).unwrap();
    let mut words = String::new();
    for at in 0.. {
        let of = |kind: &str| seen.lines().find_map(|line| line.strip_prefix(&format!("GIT_CONFIG_{kind}_{at}=")));
        let (Some(key), Some(value)) = (of("KEY"), of("VALUE")) else { break };
        let _ = write!(words, "{key}={value} ");
    }
    for expect in
        ["pack.threads=1 ", "pack.windowMemory=", "core.packedGitLimit=", "uploadpack.allowAnySHA1InWant=true "]
    {
        assert!(words.contains(expect), "{expect} in {words}");
    }
    let unset = |name: &str| !seen.lines().any(|line| line.starts_with(name));
    assert!(["USER=", "CARGO", "SSH_", "HTTP"].into_iter().all(unset), "{seen}");
    assert!(seen.lines().any(|line| line == "GIT_PROTOCOL=version=2"));
}
