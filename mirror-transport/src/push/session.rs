//! One conversation with a receive-pack: its advertisement, then at most one push.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use mirror_core::fault::Fault;
use mirror_core::flush::PushEnding;
use mirror_core::name::{CommitId, RefName};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::advertised::{Advertised, object_id};
use super::command::{PushCommand, encode_request};
use super::error::PushError;
use super::limits::Limits;
use super::messages::{ServerMessages, printable};
use super::report::{Report, ReportError, ReportReader};
use super::send::{self, SendError};
use mirror_git::pack::make::{DeltaForm, Objects, PackFigures};
use mirror_git::pkt::{Band, Packet, PacketReader};

/// An open conversation with a receive-pack.
///
/// # Cancel safety
///
/// Dropping the future of [`ReceivePack::push`] drops the conversation: whether upstream took the push is then not known.
#[derive(Debug)]
pub struct ReceivePack<R, W> {
    reader: PacketReader<R>,
    writer: W,
    limits: Limits,
    advertised: Advertised,
}

/// Something that happened during a push, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushEvent<'a> {
    /// A piece went to the stream.
    Sent {
        /// Objects written so far.
        objects: u64,
        /// Objects of the pack.
        of: u64,
        /// Bytes that the stream took so far, the request included.
        bytes: u64,
    },
    /// The server said a line for people.
    Message(&'a str),
}

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushAnswer {
    /// Each command's ending.
    pub endings: BTreeMap<RefName, PushEnding>,
    /// What the server said for people; no ending was taken from it.
    pub messages: ServerMessages,
    /// How many bytes the stream took.
    pub bytes_sent: u64,
    /// What the pack came to, where all of it was sent.
    pub pack: Option<PackFigures>,
}

impl PushAnswer {
    fn all(commands: &[PushCommand], ending: &PushEnding, messages: ServerMessages, bytes_sent: u64) -> Self {
        let endings = commands.iter().map(|command| (command.name.clone(), ending.clone())).collect();
        PushAnswer { endings, messages, bytes_sent, pack: None }
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> ReceivePack<R, W> {
    /// Reads the advertisement of the receive-pack at the other end.
    ///
    /// # Errors
    ///
    /// What [`Advertised::read`] says.
    pub async fn open(read: R, write: W, limits: Limits) -> Result<Self, PushError> {
        let mut reader = PacketReader::new(read);
        let advertised = Advertised::read(&mut reader, &limits).await?;
        Ok(ReceivePack { reader, writer: write, limits, advertised })
    }

    /// Gives what the server said it has.
    pub fn advertised(&self) -> &Advertised {
        &self.advertised
    }

    /// Gives the advertised value of one ref.
    pub fn tip(&self, name: &RefName) -> Option<CommitId> {
        self.advertised.tip(name)
    }

    /// Ends the conversation without asking for anything, as the server expects it. That it cannot be told so is no harm.
    pub async fn close(mut self) {
        if self.writer.write_all(b"0000").await.is_ok() {
            drop(self.writer.shutdown().await);
        }
    }

    /// Asks for `commands`, with a pack of what the server lacks of them from `store`, and waits for its report.
    ///
    /// Before the first byte leaves, the pack is planned and the advertised values are compared with the expected ones: what fails there
    /// was not sent. The answer is read while the pack is being sent, so that neither side can wait for the other for ever; how long
    /// silence may last is the stream's to bound.
    pub async fn push(
        mut self,
        commands: &[PushCommand],
        store: impl Objects,
        watch: &(dyn Fn(PushEvent<'_>) + Send + Sync),
    ) -> PushAnswer {
        let mut messages = ServerMessages::bounded(self.limits.messages);
        let (request, form) = match self.prepare(commands) {
            Ok(prepared) => prepared,
            Err(error) => {
                self.close().await;
                return PushAnswer::all(commands, &PushEnding::NotSent(Fault::of(&error)), messages, 0);
            }
        };
        let tips = commands.iter().map(|command| object_id(command.new)).collect();
        let boundaries = self.advertised.boundaries().map(object_id).collect();
        let pack = match send::start(store, tips, boundaries, form).await {
            Ok(pack) => pack,
            Err(source) => {
                self.close().await;
                let ending = PushEnding::NotSent(Fault::of(&PushError::Pack { source }));
                return PushAnswer::all(commands, &ending, messages, 0);
            }
        };
        let sent = AtomicU64::new(0);
        let mut ended_sending = None;
        let answer = {
            let sending = send::send(&mut self.writer, &request, pack, &sent, watch);
            let banded = self.advertised.capabilities().has("side-band-64k");
            let answering =
                Answer { messages: &mut messages, limits: &self.limits, watch }.read(&mut self.reader, banded);
            tokio::pin!(sending, answering);
            loop {
                tokio::select! {
                    answer = &mut answering => break answer,
                    ended = &mut sending, if ended_sending.is_none() => match ended {
                        Err(SendError::Pack(source)) => break Err(PushError::Pack { source }),
                        ended => ended_sending = Some(ended),
                    },
                }
            }
        };
        messages.end_line(|line| watch(PushEvent::Message(line)));
        let bytes_sent = sent.into_inner();
        let pack = match &ended_sending {
            Some(Ok(figures)) => Some(*figures),
            _ => None,
        };
        let answer = match answer {
            Ok(_) if bytes_sent < request.len() as u64 => Err(bad_report(ReportError::Unprompted)),
            answer => answer,
        };
        match answer {
            Ok(report) => PushAnswer { endings: report.endings(commands), messages, bytes_sent, pack },
            Err(error) => {
                let ending = without_report(error, ended_sending, bytes_sent);
                PushAnswer { pack, ..PushAnswer::all(commands, &ending, messages, bytes_sent) }
            }
        }
    }

    /// Checks what can be checked before anything is sent, and builds the request.
    fn prepare(&self, commands: &[PushCommand]) -> Result<(Vec<u8>, DeltaForm), PushError> {
        let capabilities = self.advertised.capabilities();
        let report = capabilities.status_report().ok_or(PushError::NoReportStatus)?;
        let shown = |value: Option<CommitId>| value.map_or_else(|| "no commit".to_owned(), |id| id.to_string());
        for command in commands {
            let found = self.advertised.tip(&command.name);
            if found != command.expected {
                let (found, expected) = (shown(found), shown(command.expected));
                return Err(PushError::Moved { name: command.name.clone(), found, expected });
            }
        }
        let form = if capabilities.has("ofs-delta") { DeltaForm::OfsDelta } else { DeltaForm::RefDelta };
        Ok((encode_request(commands, capabilities, report), form))
    }
}

/// The ending where no report came: what is known is only what had left.
fn without_report(
    error: PushError,
    ended_sending: Option<Result<PackFigures, SendError>>,
    bytes_sent: u64,
) -> PushEnding {
    match (error, ended_sending) {
        // The pack has no trailer, and so no server can have taken it.
        (error @ PushError::Pack { .. }, _) => PushEnding::NotSent(Fault::of(&error)),
        (_, Some(Err(SendError::Stream(source)))) if bytes_sent == 0 => {
            PushEnding::NotSent(Fault::of(&PushError::Send { source }))
        }
        (error, _) if bytes_sent == 0 => PushEnding::NotSent(Fault::of(&error)),
        // What a server said against the protocol tells more than that it closed its ears first.
        (error, Some(Err(SendError::Stream(source)))) if error.is_silence() => {
            PushEnding::Unknown(Fault::of(&PushError::Lost { bytes: bytes_sent, source }))
        }
        (error, _) => PushEnding::Unknown(Fault::of(&error)),
    }
}

/// The receiving half of a push.
struct Answer<'a> {
    messages: &'a mut ServerMessages,
    limits: &'a Limits,
    watch: &'a (dyn Fn(PushEvent<'_>) + Send + Sync),
}

impl Answer<'_> {
    /// Reads up to the end of the answer. Once the report is whole nothing that follows can change it; the rest is still read, since a
    /// server that runs hooks afterwards would lose them with the connection.
    async fn read<R: AsyncRead + Unpin>(self, reader: &mut PacketReader<R>, banded: bool) -> Result<Report, PushError> {
        let mut lines = ReportReader::bounded(self.limits.report);
        let mut report = None;
        loop {
            let packet = match (reader.next().await, report.take()) {
                (Ok(Some(packet)), before) => {
                    report = before;
                    packet
                }
                (Ok(None) | Err(_), Some(report)) => return Ok(report),
                (Ok(None), None) => return Err(PushError::NoReport),
                (Err(error), None) => return Err(error.into()),
            };
            if let Some(words) = packet.error_words()
                && report.is_none()
            {
                return Err(PushError::Refused { words: printable(words) });
            }
            match packet {
                Packet::Data(payload) if banded => match Band::of(payload) {
                    Ok(Band::Data(bytes)) if report.is_none() => report = lines.bytes(bytes).map_err(bad_report)?,
                    Ok(Band::Data(_)) => {}
                    Ok(Band::Progress(text)) => self.messages.push(text, |line| (self.watch)(PushEvent::Message(line))),
                    Ok(Band::Fatal(words)) => {
                        self.messages.push(words, |line| (self.watch)(PushEvent::Message(line)));
                        return report.ok_or_else(|| PushError::GaveUp { words: printable(words) });
                    }
                    Err(error) => return report.ok_or(error.into()),
                },
                Packet::Flush if banded => return report.ok_or(PushError::NoReport),
                packet => {
                    if let Some(report) = lines.packet(packet).map_err(bad_report)? {
                        return Ok(report);
                    }
                }
            }
        }
    }
}

fn bad_report(source: ReportError) -> PushError {
    PushError::Report { source }
}
