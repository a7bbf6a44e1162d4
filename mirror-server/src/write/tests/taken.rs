//! Pushes that are taken, whole or in part, and what is acknowledged then.

use super::*;

#[tokio::test]
async fn i2_a_push_is_on_the_disk_and_in_the_journal_when_it_is_acknowledged() {
    let fixture = Fixture::new();
    let told = fixture.told(fixture.push(&[(GITOPS, Some(1), 3)], "")).await;
    assert_eq!(told, ["unpack ok", "ok refs/heads/gitops"]);
    assert_eq!(fixture.tip(), Some(fixture.commits[3]));
    let journal = fixture.journal();
    let [begun, ended] = journal.as_slice() else { panic!("{journal:?}") };
    assert!(matches!(&begun.event, Event::Receiving { writer, .. } if writer == "promoter"), "{begun:?}");
    assert_eq!(
        (&begun.operation, begun.verb.as_str(), &*begun.lanes),
        (&ended.operation, "push", &["main".to_owned()][..])
    );
    let Event::Ended { ok: true, outcomes, report } = &ended.event else { panic!("{ended:?}") };
    assert_eq!(outcomes["main"], "accepted");
    assert_eq!(report[0]["pushed"], fixture.commits[3].to_string());
    let metrics = fixture.writing.metrics.text(Timestamp::now());
    assert!(
        metrics.lines().any(|line| line.contains("pushed_refs") && line.contains("accepted") && line.ends_with(" 1"))
    );
    fixture.prove_clean();
}

#[tokio::test]
async fn an_advertisement_says_what_is_there_and_what_is_understood() {
    let fixture = Fixture::new();
    let answer = info_refs(&fixture.writing, &fixture.served, &Fixture::writer()).await;
    assert_eq!(answer.headers()["content-type"], "application/x-git-receive-pack-advertisement");
    let told = lines(&bytes_of(answer).await);
    assert_eq!(told[0], "# service=git-receive-pack");
    let (first, capabilities) = told[1].split_once('\0').unwrap();
    assert_eq!(first, format!("{} {GITOPS}", fixture.commits[1]));
    for word in ["report-status", "report-status-v2", "side-band-64k", "atomic", "delete-refs", "ofs-delta", "quiet"] {
        assert!(capabilities.split(' ').any(|known| known == word), "{word}");
    }
    assert!(!capabilities.contains("push-options") && !capabilities.contains("push-cert"));

    let lanes = Some([LaneName::parse("other").unwrap()].into());
    let stranger = Caller::Writer { name: "ci".to_owned(), lanes };
    let refused = said(info_refs(&fixture.writing, &fixture.served, &stranger).await);
    assert!(refused.starts_with("403") && refused.contains("main, second"), "{refused}");
    assert!(said(info_refs(&fixture.writing, &fixture.served, &Caller::Anonymous).await).starts_with("401"));
}

#[tokio::test]
async fn of_several_refs_each_has_its_own_verdict_unless_all_or_none_was_asked_for() {
    let fixture = Fixture::new();
    // The second does not exist, as one who looked long ago would not know.
    let refs = [(GITOPS, Some(1), 3), (SECOND, Some(0), 2)];
    let told = fixture.told(fixture.push(&refs, "atomic")).await;
    assert!(told[1].contains("ng refs/heads/gitops atomic push failed"), "{told:?}");
    assert!(told[2].contains("stale info: the branch is gone"), "{told:?}");
    assert_eq!((fixture.tip(), fixture.find(SECOND)), (Some(fixture.commits[1]), None));
    let told = fixture.told(fixture.push(&refs, "")).await;
    assert_eq!(told[1], "ok refs/heads/gitops");
    assert!(told[2].contains("stale info"), "{told:?}");
    let told = fixture.told(fixture.push(&[(GITOPS, Some(3), 2), (SECOND, None, 2)], "")).await;
    assert!(told[1].contains("ng refs/heads/gitops non-fast-forward"), "{told:?}");
    assert_eq!(told[2], "ok refs/heads/second/gitops");
    let Some(Record { event: Event::Ended { ok: false, outcomes, .. }, .. }) = fixture.journal().pop() else {
        panic!()
    };
    assert_eq!((outcomes["main"].as_str(), outcomes["second"].as_str()), ("non-fast-forward", "accepted"));
    fixture.prove_clean();
}

#[tokio::test]
async fn i7_the_lock_of_a_push_that_died_is_taken_back_and_one_of_gits_is_not() {
    let fixture = Fixture::new();
    let dead = fixture.cache.path().join("git-mirror/op/push-1-1-0");
    fs::create_dir_all(dead.join("locks-0")).unwrap();
    fs::write(dead.join("alive"), "").unwrap();
    fs::write(dead.join("locks-0/intent"), format!("0 {GITOPS}.lock\n")).unwrap();
    fs::write(dead.join("locks-0/0"), format!("{}\n", fixture.commits[3])).unwrap();
    let lock = fixture.cache.path().join(format!("{GITOPS}.lock"));
    fs::hard_link(dead.join("locks-0/0"), &lock).unwrap();
    assert_eq!(fixture.told(fixture.push(&[(GITOPS, Some(1), 2)], "")).await[1], "ok refs/heads/gitops");
    fixture.prove_clean();

    fs::write(&lock, "").unwrap();
    let told = fixture.told(fixture.push(&[(GITOPS, Some(2), 3)], "")).await;
    assert!(told[1].contains("locked by another git process"), "{told:?}");
    assert!(lock.exists());
    assert_eq!(fixture.tip(), Some(fixture.commits[2]));
    fs::remove_file(&lock).unwrap();
    fixture.prove_clean();
}

#[tokio::test]
async fn a_pack_of_nothing_needs_no_git() {
    let programs = tempfile::tempdir().unwrap();
    let fixture = Fixture::with(impostor(programs.path(), "exit 1"), "1KiB");
    let body = fixture.push(&[(SECOND, None, 1)], "");
    assert_eq!(fixture.told(body.clone()).await, ["unpack ok", "ok refs/heads/second/gitops"]);
    assert_eq!(fixture.find(SECOND), Some(fixture.commits[1]));
    // Pushed again it is there already, whatever the client thought.
    assert_eq!(fixture.told(body.clone()).await[1], "ok refs/heads/second/gitops");
    let mut longer = body.clone();
    longer.push(b'x');
    for bad in [longer, body[..body.len() - 1].to_vec()] {
        assert!(fixture.told(bad).await[0].contains("the empty pack is damaged"));
    }
    let told = fixture.told(fixture.push(&[(GITOPS, Some(1), 0)], "")).await;
    assert!(told[1].contains("non-fast-forward"), "{told:?}");
    fixture.prove_clean();
}
