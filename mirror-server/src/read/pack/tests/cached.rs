//! What is kept on disk, for how long, and for whom.

use super::*;

#[tokio::test]
async fn kept_packs_survive_a_restart_and_torn_ones_are_made_anew() {
    let rig = Rig::new();
    let body = v0(&rig.snapshot());
    let running = rig.serve_kept().await;
    let answer = running.fetch(Version::V0, &body).await;
    running.keeps(1).await;
    running.rest().await;
    let [file] = <[PathBuf; 1]>::try_from(rig.kept()).unwrap();

    let running = rig.serve_kept().await;
    assert_eq!(running.counted("git_mirror_pack_cache_entries"), 1);
    let again = running.ask(Version::V0, &body).await;
    assert_eq!(length(&again), Some(answer.len() as u64));
    assert!(drain(again).await.unwrap() == answer);
    assert_eq!((rig.runs(), running.packs("disk")), (1, 1));
    running.rest().await;

    type Damage = fn(&std::fs::File, u64) -> io::Result<()>;
    let damages: [(&str, Damage); 4] = [
        ("a byte", |file, _| file.write_all_at(b"X", 100)),
        ("cut", |file, length| file.set_len(length - 1)),
        ("zeros", |file, length| file.write_all_at(&vec![0; usize::try_from(length).unwrap()], 0)),
        ("empty", |file, _| file.set_len(0)),
    ];
    for (number, (what, damage)) in damages.into_iter().enumerate() {
        let open = std::fs::File::options().write(true).open(&file).unwrap();
        damage(&open, open.metadata().unwrap().len()).unwrap();
        let running = rig.serve_kept().await;
        let made = running.fetch(Version::V0, &body).await;
        rig.prove(&pack_of(&made));
        assert_eq!((running.counted("git_mirror_pack_cache_damaged_total"), rig.runs()), (1, number + 2), "{what}");
        running.keeps(1).await;
        running.rest().await;
    }
}

#[tokio::test]
async fn a_second_server_keeps_nothing_until_the_first_has_gone() {
    let rig = Rig::new();
    let body = v0(&rig.snapshot());
    let (first, second) = (rig.serve(), rig.serve());
    for _ in 0..2 {
        rig.prove(&pack_of(&second.fetch(Version::V0, &body).await));
        second.idle().await;
    }
    assert_eq!((rig.runs(), rig.kept().len()), (2, 0));
    first.fetch(Version::V0, &body).await;
    first.keeps(1).await;
    assert_eq!(rig.kept().len(), 1);
    first.rest().await;
    // Making a pack takes the folder over, with what is in it.
    let alone = v2(&[&format!("want {}", rig.snapshot()), "have 1111111111111111111111111111111111111111", "done"]);
    while !second.packs.pack_cache.is_cached() {
        second.fetch(Version::V2, &alone).await;
    }
    let runs = rig.runs();
    second.fetch(Version::V0, &body).await;
    assert_eq!((second.packs("disk"), rig.runs()), (1, runs));
}

#[tokio::test]
async fn the_budget_holds_and_what_was_used_last_stays() {
    let rig = Rig::new();
    let tree: Vec<String> =
        (0..4).map(|seed| rig.commit(&format!("refs/heads/b{seed}"), "noise", &noise(3 << 20, seed + 1))).collect();
    let bodies: Vec<Vec<u8>> = tree.iter().map(|tip| v2(&[&format!("want {tip}"), "done"])).collect();
    // Room for two, and for a third while it is made.
    let running = rig.serve_with(|serve| serve.pack_cache = ByteSize::bytes(9 << 20));
    for body in &bodies[..2] {
        running.fetch(Version::V2, body).await;
    }
    running.keeps(2).await;
    let mut held = running.ask(Version::V2, &bodies[1]).await;
    assert!(length(&running.ask(Version::V2, &bodies[0]).await).is_some());
    running.fetch(Version::V2, &bodies[2]).await;
    running.idle().await;
    assert!(running.counted("git_mirror_pack_cache_bytes") <= 9 << 20);
    assert_eq!(running.counted("git_mirror_pack_cache_evictions_total"), 1);
    assert_eq!(rig.kept().len(), 2);
    // Who reads what was evicted reads it to its end.
    let evicted = part(&mut held).await.unwrap().unwrap();
    assert!(rig.prove(&pack_of(&evicted)).contains(&tree[1]));
    assert_eq!(rig.runs(), 3);
    running.fetch(Version::V2, &bodies[0]).await;
    assert_eq!(rig.runs(), 3, "what was used last is there");
    running.fetch(Version::V2, &bodies[1]).await;
    assert_eq!(rig.runs(), 4);
}

#[tokio::test]
async fn without_room_on_disk_everybody_still_gets_the_pack() {
    let rig = Rig::new();
    // More than the window in memory holds.
    let big = rig.commit("refs/heads/main", "big", &noise(20 << 20, 9));
    rig.hold();
    type Change = fn(&mut Serve);
    let changes: [(&str, Change); 3] = [
        ("no quota", |serve| serve.pack_cache = ByteSize::bytes(0)),
        ("a small quota", |serve| serve.pack_cache = ByteSize::bytes(9 << 20)),
        ("no free space", |serve| serve.free_space.stop = ByteSize::bytes(u64::MAX)),
    ];
    for (what, change) in changes {
        let (running, body) = (rig.serve_with(change), v0(&big));
        let mut first = Box::pin(running.ask(Version::V0, &body));
        let mut second = Box::pin(running.ask(Version::V0, &body));
        assert!(is_waiting(&mut first).await && is_waiting(&mut second).await);
        rig.release().await;
        let read = |answer| async { drain(answer).await.unwrap() };
        let (first, second) = tokio::join!(async { read(first.await).await }, async { read(second.await).await });
        assert!(first == second);
        assert!(rig.prove(&pack_of(&first)).contains(&big));
        running.idle().await;
        assert_eq!((running.counted("git_mirror_pack_cache_entries"), rig.kept().len()), (0, 0), "{what}");
    }
}

#[tokio::test]
async fn kept_packs_give_way_to_others_without_being_asked_and_readers_go_on() {
    let rig = Rig::new();
    let body = v0(&rig.snapshot());
    let free = rustix::fs::statvfs(rig.folder.path()).map(|seen| seen.f_bavail * seen.f_frsize).unwrap();
    let marks = FreeSpace { stop: ByteSize::bytes(1), resume: ByteSize::bytes(2 * free) };
    // The guard looks at a disk of its own, which can be full from one moment to the next.
    let disk = rig.path("disk");
    std::os::unix::fs::symlink(rig.folder.path(), &disk).unwrap();
    let guard = Arc::new(SpaceGuard::new(disk.clone(), marks));
    let running = rig.serve_beside(guard, Serve { free_space: marks, ..Serve::local() });
    let answer = running.fetch(Version::V0, &body).await;
    running.keeps(1).await;
    std::os::unix::fs::symlink("/proc", rig.path("full")).unwrap();
    std::fs::rename(rig.path("full"), &disk).unwrap();
    until(|| running.counted("git_mirror_pack_cache_evictions_total") == 1).await;
    assert_eq!((rig.kept().len(), rig.runs()), (0, 1));
    // Where a pack is cut into packets is git's to choose.
    assert!(pack_of(&running.fetch(Version::V0, &body).await) == pack_of(&answer));
    running.idle().await;
    assert_eq!((rig.kept().len(), rig.runs()), (0, 2), "readers still get their pack, and it is not kept");
}

#[tokio::test]
async fn a_new_tag_makes_a_new_answer_for_those_who_want_tags() {
    let rig = Rig::new();
    let (running, want) = (rig.serve(), format!("want {}", rig.git(&["rev-parse", "main"])));
    let (plain, tagged) = (v2(&[&want, "done"]), v2(&[&want, "include-tag", "done"]));
    running.fetch(Version::V2, &plain).await;
    let before = rig.prove(&pack_of(&running.fetch(Version::V2, &tagged).await));
    running.keeps(2).await;
    rig.git(&["tag", "-a", "-m", "first", "v1", "main"]);
    let tag = rig.git(&["rev-parse", "v1"]);
    let after = rig.prove(&pack_of(&running.fetch(Version::V2, &tagged).await));
    assert!(!before.contains(&tag) && after.contains(&tag));
    running.keeps(3).await;
    running.fetch(Version::V2, &tagged).await;
    running.fetch(Version::V2, &plain).await;
    assert_eq!((rig.runs(), running.packs("disk")), (3, 2));
}

#[tokio::test]
async fn an_answer_during_which_tags_changed_is_not_kept() {
    let rig = Rig::new();
    rig.hold();
    let (running, want) = (rig.serve(), format!("want {}", rig.git(&["rev-parse", "main"])));
    let body = v2(&[&want, "include-tag", "done"]);
    let mut answer = Box::pin(running.ask(Version::V2, &body));
    assert!(is_waiting(&mut answer).await);
    let asking = tokio::spawn({
        let gate = rig.path("runs");
        async move { until(|| gate.exists()).await }
    });
    let (answer, ()) = tokio::join!(answer, async {
        asking.await.unwrap();
        rig.git(&["tag", "-a", "-m", "late", "v2", "main"]);
        rig.release().await;
    });
    rig.prove(&pack_of(&drain(answer).await.unwrap()));
    running.idle().await;
    assert_eq!(running.counted("git_mirror_pack_cache_entries"), 0);
}

#[tokio::test]
async fn the_folder_of_the_caches_earlier_name_is_removed_at_start() {
    let rig = Rig::new();
    std::fs::create_dir(rig.path("fanout")).unwrap();
    for file in ["lock", &"0f".repeat(32)] {
        std::fs::write(rig.path("fanout").join(file), "pack").unwrap();
    }
    rig.serve().rest().await;
    assert!(!rig.path("fanout").exists());
    assert!(rig.path("pack-cache").exists());
}
