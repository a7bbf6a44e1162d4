//! Every way in which an answer can end, from servers that are told what to say: only a whole and fitting report is a verdict.

use std::time::Duration;

use mirror_core::flush::{PushEnding, RejectionClass};
use mirror_core::name::CommitId;
use mirror_transport::push::{PushCommand, PushError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::git::ref_name;
use crate::scripted::{BANDED, PLAIN, World, band, report};

const MAIN: &str = "refs/heads/main";

/// How one push ended, in one line.
fn shown(ending: &PushEnding) -> String {
    match ending {
        PushEnding::Accepted => "accepted".to_owned(),
        PushEnding::Rejected { class, words } => format!("rejected as {class:?}: {words}"),
        PushEnding::NotSent(fault) => format!("not sent: {fault} [{}]", fault.code),
        PushEnding::Unknown(fault) => format!("unknown: {fault} [{}]", fault.code),
    }
}

#[tokio::test]
async fn reports_and_what_becomes_of_them() {
    let world = World::new(0);
    let ok = format!("ok {MAIN}");
    let plain = |lines: &[&str]| (PLAIN, report(lines));
    let banded = |lines: &[&str]| (BANDED, [band(1, &report(lines)), b"0000".to_vec()].concat());
    let options = |lines: &[&str]| banded(&[&["unpack ok", &ok], lines].concat());
    let (base, tip) = (world.base, world.tip);
    let cases = [
        ("plain", plain(&["unpack ok", &ok])),
        ("banded", banded(&["unpack ok", &ok])),
        ("in pieces", {
            let whole = report(&["unpack ok", &ok]);
            let pieces: Vec<u8> =
                whole.chunks(3).flat_map(|piece| [band(2, b"so far\r"), band(1, piece)].concat()).collect();
            (BANDED, [pieces, b"0000".to_vec()].concat())
        }),
        ("declined", plain(&["unpack ok", "ng refs/heads/main non-fast-forward"])),
        ("declined without words", plain(&["unpack ok", "ng refs/heads/main"])),
        ("declined in words of its own", plain(&["unpack ok", "ng refs/heads/main \x1b[1mit is Friday"])),
        (
            "github's lost race",
            plain(&["unpack ok", "ng refs/heads/main cannot lock ref 'refs/heads/main': is at 11 but expected 22"]),
        ),
        ("not unpacked", plain(&["unpack disk full", "ng refs/heads/main unpacker error"])),
        ("contradiction", plain(&["unpack disk full", &ok])),
        ("unasked", plain(&["unpack ok", &ok, "ok refs/heads/other"])),
        ("unasked decline", plain(&["unpack ok", "ng refs/heads/other hook declined"])),
        ("missing", plain(&["unpack ok"])),
        ("doubled", plain(&["unpack ok", &ok, &ok])),
        ("both", plain(&["unpack ok", &ok, "ng refs/heads/main hook declined"])),
        ("no unpack line", plain(&[&ok])),
        ("unpack twice", plain(&["unpack ok", "unpack ok", &ok])),
        ("unknown line", plain(&["unpack ok", "perhaps refs/heads/main"])),
        ("option before any ref", plain(&["unpack ok", "option forced-update"])),
        ("empty", plain(&[])),
        ("too long", plain(&["unpack ok", &ok, &format!("option x {}", "y".repeat(500))])),
        (
            "as asked",
            options(&[&format!("option old-oid {base}"), &format!("option new-oid {tip}"), "option forced-update"]),
        ),
        ("another ref", options(&["option refname refs/changes/1"])),
        ("another value", options(&[&format!("option new-oid {base}")])),
        ("another old value", options(&[&format!("option old-oid {tip}")])),
        ("an unknown option", options(&["option weather fine"])),
        ("fatal band", (BANDED, [band(2, b"thinking\n"), band(3, b"out of memory\n")].concat())),
        (
            "fatal band after the report",
            (BANDED, [band(1, &report(&["unpack ok", &ok])), band(3, b"post-receive died\n")].concat()),
        ),
        ("talk that looks like a report", (BANDED, [band(2, &report(&["unpack ok", &ok])), b"0000".to_vec()].concat())),
        ("a band that does not exist", (BANDED, band(9, &report(&["unpack ok", &ok])))),
        ("unbanded report on a banded stream", (BANDED, report(&["unpack ok", &ok]))),
        ("ERR", (BANDED, report(&["ERR internal error"]))),
        ("delimiter", (PLAIN, b"000eunpack ok\n0001".to_vec())),
        ("not pkt-lines", (PLAIN, b"fatal: the remote end hung up".to_vec())),
        ("not pkt-lines in the band", (BANDED, band(1, b"unpack ok\n"))),
        ("nothing", (BANDED, Vec::new())),
    ];
    let mut lines = Vec::new();
    for (name, (capabilities, answer)) in cases {
        let (answer, _) = world.push_answered(capabilities, &answer).await;
        let line = format!("{name}: {}", shown(&answer.endings[&ref_name(MAIN)]));
        lines.push(line.replace(&tip.to_string(), "TIP").replace(&base.to_string(), "BASE"));
    }
    insta::assert_snapshot!("reports", lines.join("\n"));
}

#[tokio::test]
async fn the_request_asks_for_what_the_server_offers_and_no_more() {
    let world = World::new(0);
    let mut shown = Vec::new();
    for capabilities in [BANDED, PLAIN, "report-status delete-refs push-options quiet side-band"] {
        let (_, taken) = world.push_answered(capabilities, b"").await;
        let end = taken.windows(8).position(|bytes| bytes == b"0000PACK").unwrap();
        let request = taken[..end].escape_ascii().to_string();
        shown.push(request.replace(&world.tip.to_string(), "TIP").replace(&world.base.to_string(), "BASE"));
    }
    insta::assert_snapshot!("requests", shown.join("\n"));
}

/// The accepted-but-no-answer case, at every byte: before the report is whole nothing is known, from then on everything is.
#[tokio::test]
async fn an_answer_cut_at_any_byte_is_unknown_until_the_report_is_whole() {
    let world = World::new(0);
    let whole = report(&["unpack ok", &format!("ok {MAIN}")]);
    let banded =
        [band(2, b"checking\n"), band(1, &whole[..20]), band(1, &whole[20..]), band(2, b"thanks\n"), b"0000".to_vec()];
    let whole_at = banded[..3].concat().len();
    for (capabilities, answer, whole_at) in [(PLAIN, whole.clone(), whole.len()), (BANDED, banded.concat(), whole_at)] {
        for cut in 0..=answer.len() {
            let (answer, _) = world.push_answered(capabilities, &answer[..cut]).await;
            let ending = &answer.endings[&ref_name(MAIN)];
            if cut < whole_at {
                assert!(matches!(ending, PushEnding::Unknown(_)), "cut at {cut}: {}", shown(ending));
            } else {
                assert_eq!(*ending, PushEnding::Accepted, "cut at {cut}");
            }
        }
    }
}

/// The connection is cut while the pack is on its way, at spread points: the answer is never more than unknown.
#[tokio::test]
async fn a_stream_cut_while_sending_is_unknown() {
    let world = World::new(300_000);
    let advertisement = world.advertisement(BANDED);
    let mut not_sent = 0;
    for cut in [0, 1, 4, 50, 100, 200, 500, 1000, 10_000, 100_000, 200_000] {
        let advertisement = &advertisement;
        let answer = world.push(1000, vec![world.command()], |mut read, mut write| async move {
            write.write_all(advertisement).await.unwrap();
            let mut taken = vec![0; cut];
            read.read_exact(&mut taken).await.unwrap();
        });
        let answer = answer.await.unwrap();
        match &answer.endings[&ref_name(MAIN)] {
            PushEnding::Unknown(fault) => {
                // Which end of the stream is seen to be gone first is the scheduler's choice.
                assert!(["mirror::push::lost", "mirror::push::no_report"].contains(&fault.code.as_str()), "{fault}");
            }
            PushEnding::NotSent(_) => {
                assert_eq!(answer.bytes_sent, 0, "cut at {cut}");
                not_sent += 1;
            }
            ending => panic!("cut at {cut}: {}", shown(ending)),
        }
    }
    assert!(not_sent <= 1);
}

/// A server that breaks the protocol and stops reading: what it said is told, not that it could not be sent more.
#[tokio::test]
async fn nonsense_in_the_middle_of_the_pack_is_told_although_sending_failed() {
    let world = World::new(300_000);
    let advertisement = world.advertisement(BANDED);
    let pushed = world.push(1000, vec![world.command()], |mut read, mut write| async move {
        write.write_all(&advertisement).await.unwrap();
        let mut some = [0; 5000];
        read.read_exact(&mut some).await.unwrap();
        drop(read);
        // The other side sees that nobody reads before it is told anything.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        write.write_all(&band(9, b"what")).await.unwrap();
    });
    let answer = pushed.await.unwrap();
    let PushEnding::Unknown(fault) = &answer.endings[&ref_name(MAIN)] else { panic!("a verdict from nonsense") };
    assert_eq!(fault.code, "mirror::push::broken", "{fault}");
    assert_eq!(answer.pack, None, "it was sent whole");
}

/// A server may report before it has read the pack, and stop reading: neither waits for the other.
#[tokio::test]
async fn a_report_in_the_middle_of_the_pack_is_heard() {
    let world = World::new(300_000);
    let advertisement = world.advertisement(BANDED);
    let early =
        [band(1, &report(&["unpack quota exceeded", &format!("ng {MAIN} unpacker error")])), b"0000".to_vec()].concat();
    let pushed = world.push(1000, vec![world.command()], |mut read, mut write| async move {
        write.write_all(&advertisement).await.unwrap();
        let mut some = [0; 5000];
        read.read_exact(&mut some).await.unwrap();
        write.write_all(&early).await.unwrap();
        // It reads no more, and stays until the other side has gone.
        while write.write_all(b"0000").await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    let answer =
        tokio::time::timeout(Duration::from_secs(60), pushed).await.expect("it must not wait for ever").unwrap();
    let expect =
        PushEnding::Rejected { class: RejectionClass::Other, words: "unpacker error (quota exceeded)".to_owned() };
    assert_eq!(answer.endings[&ref_name(MAIN)], expect);
    assert_eq!(answer.pack, None);
}

/// A report that was there before anything was asked is about something else.
#[tokio::test]
async fn a_report_before_the_request_is_no_verdict() {
    let world = World::new(300_000);
    let early = [world.advertisement(PLAIN), report(&["unpack ok", &format!("ok {MAIN}")])].concat();
    let pushed = world.push(60, vec![world.command()], |read, mut write| async move {
        write.write_all(&early).await.unwrap();
        drop((read, write));
    });
    let answer = pushed.await.unwrap();
    let ending = &answer.endings[&ref_name(MAIN)];
    assert!(matches!(ending, PushEnding::NotSent(_) | PushEnding::Unknown(_)), "{}", shown(ending));
}

/// A server that talks more than the stream holds before it reads: it is listened to while the pack is sent.
#[tokio::test]
async fn a_server_that_talks_while_the_pack_is_sent_is_listened_to() {
    let world = World::new(300_000);
    let advertisement = world.advertisement(BANDED);
    let talk = band(2, "still busy\n".repeat(90).as_bytes()).repeat(200);
    let answer = [band(1, &report(&["unpack ok", &format!("ok {MAIN}")])), b"0000".to_vec()].concat();
    let pushed = world.push(1000, vec![world.command()], |mut read, mut write| async move {
        write.write_all(&advertisement).await.unwrap();
        write.write_all(&talk).await.unwrap();
        let mut taken = Vec::new();
        read.read_to_end(&mut taken).await.unwrap();
        write.write_all(&answer).await.unwrap();
    });
    let answer =
        tokio::time::timeout(Duration::from_secs(60), pushed).await.expect("it must not wait for ever").unwrap();
    assert_eq!(answer.endings[&ref_name(MAIN)], PushEnding::Accepted);
    let kept: usize = answer.messages.lines().map(str::len).sum();
    assert!(kept <= 16 << 10 && answer.messages.dropped() > 10_000, "{kept} bytes kept");
}

#[tokio::test]
async fn a_server_without_reports_is_sent_nothing() {
    let world = World::new(0);
    let (answer, taken) = world.push_answered("delete-refs ofs-delta", b"").await;
    let PushEnding::NotSent(fault) = &answer.endings[&ref_name(MAIN)] else { panic!("{answer:?}") };
    assert_eq!((fault.code.as_str(), taken.as_slice()), ("mirror::push::no_report_status", &b"0000"[..]));
}

#[tokio::test]
async fn a_ref_that_the_report_leaves_out_is_unknown_and_the_others_are_not() {
    let world = World::new(0);
    let other = CommitId::from_bytes(*world.tip.as_bytes());
    let commands =
        vec![world.command(), PushCommand { name: ref_name("refs/heads/other"), expected: None, new: other }];
    let advertisement = world.advertisement(PLAIN);
    let pushed = world.push(1 << 16, commands, |mut read, mut write| async move {
        write.write_all(&advertisement).await.unwrap();
        read.read_to_end(&mut Vec::new()).await.unwrap();
        write.write_all(&report(&["unpack ok", &format!("ok {MAIN}")])).await.unwrap();
    });
    let answer = pushed.await.unwrap();
    assert_eq!(answer.endings[&ref_name(MAIN)], PushEnding::Accepted);
    assert!(
        matches!(&answer.endings[&ref_name("refs/heads/other")], PushEnding::Unknown(fault) if fault.code == "mirror::push::bad_report")
    );
}

#[tokio::test]
async fn a_server_that_ends_before_it_speaks_is_told_apart() {
    let world = World::new(0);
    let pushed = world.push(100, vec![world.command()], |_, _| async {}).await;
    assert!(matches!(pushed, Err(PushError::NoAdvertisement)), "{pushed:?}");
}
