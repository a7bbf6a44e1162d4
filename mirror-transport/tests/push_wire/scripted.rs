//! A server that says what it is told to say, on an in-memory stream.

use mirror_core::name::CommitId;
use mirror_git::pkt::encode;
use mirror_transport::push::{Limits, PushAnswer, PushCommand, PushError, ReceivePack};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::git::{Repository, Sandbox, ref_name};

pub(crate) const BANDED: &str =
    "report-status-v2 report-status side-band-64k ofs-delta atomic object-format=sha1 agent=script";
pub(crate) const PLAIN: &str = "report-status ofs-delta";

/// A repository with a commit `tip` on top of `base`.
pub(crate) struct World {
    _sandbox: Sandbox,
    pub(crate) local: Repository,
    pub(crate) base: CommitId,
    pub(crate) tip: CommitId,
}

impl World {
    /// With a new file of `size` bytes that cannot be compressed much.
    pub(crate) fn new(size: usize) -> Self {
        let sandbox = Sandbox::new();
        let local = sandbox.bare("local");
        let base = local.commit("refs/heads/main", &[("x", Some("1\n"))]);
        let mut state = 1u64;
        let noise: String = (0..size)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b' ' + (state >> 33) as u8 % 95)
            })
            .collect();
        let tip = local.commit("refs/heads/main", &[("x", Some("changed\n")), ("noise", Some(&noise))]);
        World { _sandbox: sandbox, local, base, tip }
    }

    pub(crate) fn command(&self) -> PushCommand {
        PushCommand { name: ref_name("refs/heads/main"), expected: Some(self.base), new: self.tip }
    }

    pub(crate) fn advertisement(&self, capabilities: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode::data(format!("{} refs/heads/main\0{capabilities}\n", self.base).as_bytes(), &mut bytes);
        encode::flush(&mut bytes);
        bytes
    }

    /// Pushes against `server`, which gets the other ends: what it reads, and what it writes.
    pub(crate) async fn push<F: Future<Output = ()>>(
        &self,
        buffer: usize,
        commands: Vec<PushCommand>,
        server: impl FnOnce(DuplexStream, DuplexStream) -> F,
    ) -> Result<PushAnswer, PushError> {
        let (their_writing, our_reading) = tokio::io::duplex(buffer);
        let (our_writing, their_reading) = tokio::io::duplex(buffer);
        let client = async {
            let conversation =
                ReceivePack::open(our_reading, our_writing, Limits { report: 400, ..Limits::default() }).await?;
            Ok(conversation.push(&commands, self.local.objects(), &|_| {}).await)
        };
        let (answer, ()) = tokio::join!(client, server(their_reading, their_writing));
        answer
    }

    /// Pushes against a server that takes everything, then writes `answer` and ends. What it took comes back as well.
    pub(crate) async fn push_answered(&self, capabilities: &str, answer: &[u8]) -> (PushAnswer, Vec<u8>) {
        let mut taken = Vec::new();
        let advertisement = self.advertisement(capabilities);
        let pushed = self.push(1 << 16, vec![self.command()], |mut read, mut write| {
            let taken = &mut taken;
            async move {
                write.write_all(&advertisement).await.unwrap();
                read.read_to_end(taken).await.unwrap();
                write.write_all(answer).await.unwrap();
            }
        });
        (pushed.await.unwrap(), taken)
    }
}

/// Report lines as packets with their flush.
pub(crate) fn report(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    lines.iter().for_each(|line| encode::data(format!("{line}\n").as_bytes(), &mut bytes));
    encode::flush(&mut bytes);
    bytes
}

/// A packet of a band.
pub(crate) fn band(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    encode::data(&[&[number], bytes].concat(), &mut packet);
    packet
}
