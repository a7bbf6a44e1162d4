//! Pushes that are refused, in which words, and how much of it the journal is told.

use super::*;

#[tokio::test]
async fn below_the_mark_of_free_space_nothing_is_taken_and_the_words_say_so() {
    let fixture = Fixture::with(GitProgram::find().unwrap(), "1000000TiB");
    let refused = said(info_refs(&fixture.writing, &fixture.served, &Fixture::writer()).await);
    assert!(refused.starts_with("507") && refused.contains("are free"), "{refused}");
    let told = fixture.told(fixture.push(&[(GITOPS, Some(1), 3)], "")).await;
    assert!(told[1].contains("ng refs/heads/gitops no space: only"), "{told:?}");
    assert_eq!(fixture.tip(), Some(fixture.commits[1]));
    fixture.prove_clean();
}

#[tokio::test]
async fn a_disk_that_is_full_is_named_and_the_old_tip_stays() {
    let programs = tempfile::tempdir().unwrap();
    let git = impostor(programs.path(), "echo 'fatal: write error: No space left on device' >&2; exit 128");
    let fixture = Fixture::with(git, "1KiB");
    let told = fixture.told(fixture.push(&[(GITOPS, Some(1), 3)], "")).await;
    assert_eq!(told[0], "unpack no space is left on the server's disk");
    assert!(told[1].contains("no space is left"), "{told:?}");
    assert_eq!(fixture.tip(), Some(fixture.commits[1]));
    fixture.prove_clean();
}

#[tokio::test]
async fn a_push_that_cannot_be_noted_is_not_taken() {
    let fixture = Fixture::new();
    fs::write(fixture.cache.own_folder().join("journal"), "").unwrap();
    let told = fixture.told(fixture.push(&[(GITOPS, Some(1), 3)], "")).await;
    assert!(told[1].contains("journal"), "{told:?}");
    assert_eq!(fixture.tip(), Some(fixture.commits[1]));
    fixture.prove_clean();
}

#[tokio::test]
async fn a_question_without_commands_is_answered_with_nothing() {
    let fixture = Fixture::new();
    let answer = fixture.send(Cursor::new(b"0000".to_vec())).await;
    assert_eq!(bytes_of(answer).await, b"");
    let refused = said(fixture.send(Cursor::new(b"hello".to_vec())).await);
    assert!(refused.starts_with("400"), "{refused}");
    assert!(fixture.journal().is_empty());
}

#[tokio::test]
async fn a_refused_push_is_journaled_with_the_refs_that_it_tried() {
    let fixture = Fixture::new();
    let told = fixture.told(fixture.push(&[("refs/heads/main", None, 3)], "")).await;
    assert!(told[1].contains("only GitOps branches refs/heads/gitops, refs/heads/second/gitops"), "{told:?}");
    let journal = fixture.journal();
    let [_, Record { event: Event::Ended { ok: false, report, .. }, lanes, .. }] = journal.as_slice() else { panic!() };
    assert_eq!((report[0]["ref"].as_str(), report[0]["outcome"].as_str()), (Some("refs/heads/main"), Some("denied")));
    assert!(lanes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn pushes_that_are_refused_again_and_again_do_not_fill_the_journal() {
    let fixture = Fixture::new();
    let wrong = fixture.push(&[("refs/heads/main", None, 3)], "");
    let noted = || Journal::at(fixture.cache.own_folder().join("journal")).read(1000).unwrap().records.len();
    for _ in 0..70 {
        assert!(fixture.told(wrong.clone()).await[1].starts_with("ng refs/heads/main"));
    }
    assert_eq!(noted(), 2 * 60, "a beginning and an end each");
    // While git works, time has to be real: a paused clock would run ahead to git's deadline.
    tokio::time::resume();
    assert_eq!(fixture.told(fixture.push(&[(GITOPS, Some(1), 3)], "")).await[1], "ok refs/heads/gitops");
    tokio::time::pause();
    assert_eq!(noted(), 2 * 61, "one that is taken is always noted");
    tokio::time::advance(60 * MINUTE).await;
    fixture.told(wrong).await;
    assert_eq!(noted(), 2 * 62, "the next hour has its own");
}

#[tokio::test]
async fn a_line_of_the_journal_stays_of_measure_whatever_a_push_names() {
    let fixture = Fixture::new();
    let strangers: Vec<String> = (0..300).map(|number| format!("refs/heads/{number}")).collect();
    let mut refs: Vec<_> = strangers.iter().map(|name| (name.as_str(), None, 3)).collect();
    refs.extend([(GITOPS, Some(1), 3); 300]);
    fixture.told(fixture.push(&refs, "")).await;
    let Some(Record { event: Event::Ended { report, .. }, .. }) = fixture.journal().pop() else { panic!() };
    let report = report.as_array().unwrap();
    assert_eq!(report.len(), 21, "some strangers, and the branch once");
    assert!(report.iter().all(|told| told["reason"].as_str().is_some_and(|reason| reason.chars().count() <= 256)));
}
