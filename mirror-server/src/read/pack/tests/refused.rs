//! What a client is told that gets no pack, or not the whole of it.

use super::*;

#[tokio::test]
async fn an_absent_object_is_refused_in_gits_words_and_asked_for_again() {
    let rig = Rig::new();
    let running = rig.serve();
    let absent = "1".repeat(40);
    let (old, new) = (v0(&absent), v2(&[&format!("want {absent}"), "done"]));
    for _ in 0..2 {
        for (version, body) in [(Version::V0, &old), (Version::V2, &new)] {
            let answer = running.fetch(version, body).await;
            assert_eq!(String::from_utf8(answer).unwrap(), format!("0049ERR upload-pack: not our ref {absent}"));
        }
    }
    assert_eq!((rig.runs(), rig.kept().len()), (4, 0));
}

#[tokio::test]
async fn a_history_that_cannot_end_where_it_should_is_no_fault_of_the_server() {
    let rig = Rig::new();
    let running = rig.serve();
    let tip = rig.git(&["rev-parse", "main"]);
    for end in ["deepen-since 4000000000", "deepen-not refs/heads/absent", "deepen-not refs/heads/main"] {
        let answer = running.fetch(Version::V2, &v2(&[&format!("want {tip}"), end, "done"])).await;
        let told = String::from_utf8(answer).unwrap();
        assert!(told[4..].starts_with("ERR the history cannot end there"), "{end}: {told}");
    }
    // The end that a client has may be unknown, and never anything but a commit.
    let tree = rig.git(&["rev-parse", "main^{tree}"]);
    for (version, body) in [
        (Version::V0, v0_of(&tip, &[&format!("shallow {}", "1".repeat(40)), &format!("shallow {tree}")])),
        (Version::V2, v2(&[&format!("want {tip}"), &format!("shallow {tree}"), "deepen-since 1", "done"])),
    ] {
        let told = String::from_utf8(running.fetch(version, &body).await).unwrap();
        assert_eq!(told[4..], format!("ERR invalid shallow object {tree}"), "{version:?}");
    }
    // What git gives up on for another reason is one.
    rig.script("exit 128");
    for more in ["ofs-delta".to_owned(), format!("shallow {tip}")] {
        let failed = running.ask(Version::V2, &v2(&[&format!("want {tip}"), &more, "done"])).await;
        assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR, "{more}");
    }
    rig.script("kill -9 $$");
    let killed = running.ask(Version::V2, &v2(&[&format!("want {tip}"), "deepen-since 1", "done"])).await;
    assert_eq!(killed.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn requests_that_are_none_are_refused_without_a_run() {
    let rig = Rig::new();
    let running = rig.serve();
    let answer = running.fetch(Version::V2, &v2(&["want 12"])).await;
    assert_eq!(String::from_utf8(answer).unwrap(), "0029ERR expected an object's id, got '12'");
    let cut = running.ask(Version::V0, &v0(&rig.snapshot())[..30]).await;
    assert_eq!(cut.status(), StatusCode::BAD_REQUEST);
    assert_eq!(running.fetch(Version::V0, b"0000").await, b"");
    assert_eq!(rig.runs(), 0);
}

#[tokio::test]
async fn a_git_that_fails_in_the_middle_never_ends_an_answer() {
    let rig = Rig::new();
    // It fails once the answer has begun, and not before.
    rig.hold();
    let gate = rig.path("gate");
    rig.script(&format!("printf '0008NAK\\n0011\\001PACK--------'; read line < '{}'; exit 3", gate.display()));
    let (running, body) = (rig.serve(), v0(&rig.snapshot()));
    let mut answer = running.ask(Version::V0, &body).await;
    assert_eq!((answer.status(), length(&answer)), (StatusCode::OK, None));
    rig.release().await;
    let mut last = None;
    while let Some(bytes) = part(&mut answer).await {
        last = Some(bytes.is_ok());
        if last == Some(false) {
            break;
        }
    }
    assert_eq!(last, Some(false), "the end of the answer is an error");
    rig.script("exit 3");
    let answer = running.ask(Version::V0, &body).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    rig.script("");
    rig.prove(&pack_of(&running.fetch(Version::V0, &body).await));
}
