//! How often the session speaks: each time it must hear something first, a round trip may have passed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use mirror_transport::ssh::{Protocol, Service, Session};
use mirror_transport::tunnel::{Deadlines, NoSteps};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::rig::{Sshd, target};

/// Counts the turns from reading to writing.
#[derive(Clone, Default)]
struct Turns {
    heard: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

struct Counted<S> {
    stream: S,
    turns: Turns,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            self.turns.heard.store(true, Ordering::SeqCst);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.turns.heard.swap(false, Ordering::SeqCst) {
            self.turns.count.fetch_add(1, Ordering::SeqCst);
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The session speaks first, and then after: the server's identification, its KEXINIT, its key exchange reply, the accepted service, the
/// accepted key, the accepted signature, the open channels. The first answer of the program comes behind that last turn, because the
/// requests and the first bytes were sent with it.
#[tokio::test]
async fn no_more_turns_than_the_protocol_needs() {
    const NEEDED: usize = 7;
    /// A turn that answers nothing may fall between two of these: the new keys, and requests of the second channel.
    const SLACK: usize = 2;
    let sshd = Sshd::new();
    for name in ["user_ed25519", "user_rsa"] {
        let turns = Turns::default();
        let (stream, _served) = sshd.stream();
        let stream = Counted { stream, turns: turns.clone() };
        let hosts = sshd.known_hosts(&["ed25519"]);
        let identity = sshd.identity(name);
        let limits = Deadlines::default();
        let session =
            Session::connect(stream, &target(), sshd.user(), &identity, &hosts, &limits, &mut NoSteps).await.unwrap();
        let (mut fetch, _push) = session.open_git_pair("/echo", Some(Protocol::V2), b"ls-refs".to_vec()).await.unwrap();
        let mut answer = [0; 17];
        fetch.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"version=2:ls-refs");
        let taken = turns.count.load(Ordering::SeqCst);
        assert!((NEEDED..=NEEDED + SLACK).contains(&taken), "{name}: {taken} turns");
    }
}

/// A channel that was opened in advance is one turn less: what is left are the program's start and the question, which has to wait for the
/// server's window.
#[tokio::test]
async fn a_channel_opened_in_advance_saves_a_turn() {
    let sshd = Sshd::new();
    let turns = Turns::default();
    let (stream, _served) = sshd.stream();
    let stream = Counted { stream, turns: turns.clone() };
    let (hosts, identity) = (sshd.known_hosts(&["ed25519"]), sshd.identity("user_ed25519"));
    let limits = Deadlines::default();
    let session =
        Session::connect(stream, &target(), sshd.user(), &identity, &hosts, &limits, &mut NoSteps).await.unwrap();
    // What a channel says at its end counts for nobody while it is held.
    let (mut taken, mut held) = (Vec::new(), Vec::new());
    for reserved in [false, true] {
        if reserved {
            session.reserve().await.unwrap();
            session.reserve().await.unwrap();
        }
        let before = turns.count.load(Ordering::SeqCst);
        let question = b"ls-refs".to_vec();
        let mut channel = session.open_git(Service::UploadPack, "/echo", Some(Protocol::V2), question).await.unwrap();
        let mut answer = [0; 17];
        channel.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"version=2:ls-refs");
        taken.push(turns.count.load(Ordering::SeqCst) - before);
        held.push(channel);
    }
    assert!(taken[1] < taken[0] && taken[1] <= 2, "{taken:?}");
}
