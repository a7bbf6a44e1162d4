//! Clients that go away, come too slowly, or wait for an answer.

use super::*;
use crate::http::body::BodyError;
use crate::write::read_deadline::COMING;

/// Fails once everything was read, as a body does whose client is gone.
struct Gone;

impl AsyncRead for Gone {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(BodyError::Gone.into()))
    }
}

#[tokio::test]
async fn a_client_that_goes_away_anywhere_leaves_nothing() {
    let fixture = Fixture::new();
    let body = fixture.push(&[(GITOPS, Some(1), 3)], "");
    let pack = body.windows(4).position(|window| window == b"PACK").unwrap();
    for sent in [0, 3, pack - 2, pack, pack + 5, pack + 12, pack + 40, body.len() - 1] {
        let cut = Cursor::new(body[..sent].to_vec()).chain(Gone);
        let answer = said(fixture.send(cut).await);
        assert!(answer.starts_with("400"), "{sent}: {answer}");
        assert_eq!(fixture.tip(), Some(fixture.commits[1]), "{sent}");
        fixture.prove_clean();
    }
    let Some(Record { event: Event::Ended { outcomes, .. }, .. }) = fixture.journal().pop() else { panic!() };
    assert_eq!(outcomes["main"], "gone");
}

/// Gives what it has, then one byte a minute for ever. Nobody looks at its pace here, so nothing else ends it.
struct Trickle {
    begun: Cursor<Vec<u8>>,
    next: std::pin::Pin<Box<tokio::time::Sleep>>,
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if self.begun.position() < self.begun.get_ref().len() as u64 {
            return std::pin::Pin::new(&mut self.begun).poll_read(context, into);
        }
        std::task::ready!(self.next.as_mut().poll(context));
        self.next.as_mut().reset(tokio::time::Instant::now() + MINUTE);
        into.put_slice(b"x");
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_that_trickles_for_ever_is_cut_and_gives_back_all_that_it_held() {
    let fixture = Fixture::new();
    let body = fixture.push(&[(GITOPS, Some(1), 3)], "");
    let pack = body.windows(4).position(|window| window == b"PACK").unwrap();
    let turns = fixture.writing.slots.free();
    // In its commands, at the head of its pack, and while git reads.
    for sent in [6, pack + 5, body.len() - 5] {
        let begun = Cursor::new(body[..sent].to_vec());
        let since = tokio::time::Instant::now();
        let answer = said(fixture.send(Trickle { begun, next: Box::pin(tokio::time::sleep(MINUTE)) }).await);
        assert!(answer.starts_with("408") && answer.contains("60 minutes"), "{sent}: {answer}");
        assert!(since.elapsed() <= COMING + MINUTE, "{sent}: {:?}", since.elapsed());
        assert_eq!((fixture.tip(), fixture.writing.slots.free()), (Some(fixture.commits[1]), turns), "{sent}");
        fixture.prove_clean();
    }
    let Some(Record { event: Event::Ended { outcomes, .. }, .. }) = fixture.journal().pop() else { panic!() };
    assert_eq!(outcomes["main"], "gone");
}

#[tokio::test(start_paused = true)]
async fn a_push_beyond_those_that_are_taken_at_once_waits_for_a_turn_and_is_put_off_where_none_comes() {
    let fixture = Fixture::new();
    let body = || Cursor::new(fixture.push(&[(GITOPS, Some(1), 3)], ""));
    let turns = fixture.writing.slots.take_all().await;
    let since = tokio::time::Instant::now();
    let answer = fixture.send(body()).await;
    assert_eq!(answer.headers()[http::header::RETRY_AFTER], "15");
    let answer = said(answer);
    assert!(answer.starts_with("503") && answer.contains("push again in a moment"), "{answer}");
    assert!((MINUTE..2 * MINUTE).contains(&since.elapsed()), "{:?}", since.elapsed());
    assert_eq!(fixture.tip(), Some(fixture.commits[1]));
    fixture.prove_clean();

    let give_back = async {
        tokio::time::sleep(MINUTE / 2).await;
        // From here on git works, in its own time.
        tokio::time::resume();
        drop(turns);
    };
    let (answer, ()) = tokio::join!(fixture.send(body()), give_back);
    let answer = said(answer);
    assert!(answer.starts_with("200"), "{answer}");
    assert_eq!(fixture.tip(), Some(fixture.commits[3]));
    fixture.prove_clean();
}

#[tokio::test]
async fn while_git_works_the_client_hears_that_the_server_is_alive() {
    let programs = tempfile::tempdir().unwrap();
    let gate = programs.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    // It goes on when somebody writes to the gate.
    let git = impostor(programs.path(), &format!("read word < {}", gate.display()));
    let fixture = Fixture::with(git, "1KiB");
    let answer = fixture.send(Cursor::new(fixture.push(&[(GITOPS, Some(1), 3)], "side-band-64k"))).await;
    let AnswerBody::Pieces(mut pieces) = answer.into_body() else { panic!("it is not decided yet") };
    let Some(Piece::Data(first)) = pieces.recv().await else { panic!() };
    assert_eq!(&*first, b"0005\x02");
    fs::write(&gate, "go\n").unwrap();
    let told = lines(&gather(pieces).await).concat();
    assert!(told.contains("ok refs/heads/gitops"), "{told}");

    // One who does not listen any more stops nothing.
    let answer = fixture.send(Cursor::new(fixture.push(&[(SECOND, None, 3)], "side-band-64k"))).await;
    drop(answer);
    fs::write(&gate, "go\n").unwrap();
    let until = Instant::now() + MINUTE;
    while fixture.journal().len() < 4 {
        assert!(Instant::now() < until, "the push was dropped with its client");
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.find(SECOND), Some(fixture.commits[3]));
}
