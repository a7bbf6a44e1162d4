//! One connection at a time, and the channels on it.

use std::sync::Arc;
use std::time::Duration;

use mirror_core::fault::Fault;
use mirror_core::flush::PushEnding;

use super::error::LinkError;
use super::road::Road;
use super::warm::{Leased, Origin, Warm};
use crate::fetch::{self, FetchError, FetchRequest, ProtocolVersion, RefPattern, RemoteRef, Sent, UploadPack};
use crate::push::{self, PushCommand, PushError, PushEvent, ReceivePack, ServerMessages};
use crate::ssh::{GitChannel, GitReader, GitWriter, Protocol, Remote, Service, SshError};
use crate::tunnel::{NoSteps, Step, Steps};
use mirror_git::pack::make::Objects;
use mirror_git::pack::receive::ReceivedPack;

/// How long the words of a program that hung up are waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How much of what a server said for people stands beside its refusal.
const LONGEST_REASON: usize = 1000;

/// What a connection is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Looking and fetching.
    Read,
    /// Looking, pushing, and looking again.
    Push,
}

/// The connection to one upstream repository, opened when it is first needed and again after it was lost.
///
/// # Cancel safety
/// Whatever a dropped future was using is given up with it; the next call opens anew.
#[derive(Debug)]
pub struct Link {
    way: Way,
    line: Option<Line>,
}

/// How a connection is come by.
#[derive(Debug)]
struct Way {
    road: Road,
    purpose: Purpose,
    home: Option<Arc<Warm>>,
}

/// One session and the channels that are open on it.
#[derive(Debug)]
struct Line {
    session: Leased,
    upload: Option<Upload>,
    receive: Option<Receive>,
}

/// The channel of `upload-pack`, its advertisement read: a channel that nobody reads holds back the whole connection, once a server of
/// version 0 has more refs to say than channels have room.
#[derive(Debug)]
struct Upload {
    pack: UploadPack<GitReader, GitWriter>,
    remote: Remote,
}

/// The channel of `receive-pack`, its advertisement read.
#[derive(Debug)]
struct Receive {
    pack: ReceivePack<GitReader, GitWriter>,
    remote: Remote,
}

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// How it ended, by report-status alone.
    pub ending: PushEnding,
    /// How many bytes went to the stream.
    pub bytes_sent: u64,
}

impl Link {
    /// Makes a link over a road; nothing is opened yet.
    #[must_use]
    pub fn new(road: Road, purpose: Purpose) -> Self {
        Self { way: Way { road, purpose, home: None }, line: None }
    }

    /// Has the session come from where it is kept between operations, and go back there.
    #[must_use]
    pub fn kept_in(mut self, home: Option<Arc<Warm>>) -> Self {
        self.way.home = home;
        self
    }

    /// Looks at the refs that match.
    ///
    /// A look changes nothing, so that one which fails on a session that was kept is made again on a fresh one: the session may have died
    /// without a sign, and a failure of the fresh one is the whole truth.
    ///
    /// # Errors
    /// [`LinkError`]; the connection is then given up.
    pub async fn look(&mut self, asked: &[RefPattern], steps: &mut dyn Steps) -> Result<Vec<RemoteRef>, LinkError> {
        let (line, refs) = match self.line.take().filter(|line| !line.session.is_closed()) {
            Some(line) => self.way.look_again(line, asked).await?,
            None => self.way.look_first(asked, steps).await?,
        };
        self.line = Some(line);
        Ok(refs)
    }

    /// Receives objects, on the connection that is open where there is one.
    ///
    /// # Errors
    /// [`LinkError`]; the connection is then given up.
    pub async fn fetch<F>(
        &mut self,
        request: FetchRequest,
        objects: F,
        steps: &mut dyn Steps,
    ) -> Result<Option<ReceivedPack>, LinkError>
    where
        F: gix_object::Find + Clone + Send + 'static,
    {
        let Line { session, upload, receive } = match self.line.take().filter(|line| !line.session.is_closed()) {
            Some(line) => line,
            None => Line { session: self.way.connect(steps).await?, upload: None, receive: None },
        };
        let Upload { mut pack, remote } = match upload {
            Some(upload) if !upload.pack.is_spent() => upload,
            _ => {
                let path = &self.way.road.path;
                let channel = session.open_git(Service::UploadPack, path, Some(Protocol::V2), Vec::new()).await?;
                Upload::open(channel).await?
            }
        };
        let received = explained(pack.fetch(request, objects).await, &remote).await?;
        self.line = Some(Line { session, upload: Some(Upload { pack, remote }), receive });
        Ok(received)
    }

    /// Asks upstream to carry out one command.
    ///
    /// Never fails as such: what kept it from being sent, or its answer from arriving, is the ending.
    pub async fn push(
        &mut self,
        command: PushCommand,
        store: impl Objects,
        watch: &(dyn Fn(PushEvent<'_>) + Send + Sync),
    ) -> Pushed {
        let (session, upload, receive) = match self.receive_channel().await {
            Ok(parts) => parts,
            Err(error) => return Pushed { ending: PushEnding::NotSent(Fault::of(&error)), bytes_sent: 0 },
        };
        let name = command.name.clone();
        let answer = receive.pack.push(&[command], store, watch).await;
        for line in receive.remote.stderr().text.lines() {
            watch(PushEvent::Message(line));
        }
        self.line = Some(Line { session, upload, receive: None });
        let ending =
            answer.endings.get(&name).cloned().unwrap_or_else(|| PushEnding::Unknown(Fault::of(&PushError::NoReport)));
        Pushed { ending: with_messages(ending, &answer.messages), bytes_sent: answer.bytes_sent }
    }

    async fn receive_channel(&mut self) -> Result<(Leased, Option<Upload>, Receive), LinkError> {
        let Line { session, upload, receive } = match self.line.take().filter(|line| !line.session.is_closed()) {
            Some(line) => line,
            None => {
                let session = self.way.connect(&mut NoSteps).await?;
                Line { session, upload: None, receive: None }
            }
        };
        let receive = match receive {
            Some(receive) => receive,
            None => {
                let path = &self.way.road.path;
                Receive::open(session.open_git(Service::ReceivePack, path, None, Vec::new()).await?).await?
            }
        };
        Ok((session, upload, receive))
    }

    /// Ends the conversations in good order, and the session where it is not kept; a server that does not let go is cut off.
    pub async fn close(&mut self) {
        let Some(Line { session, upload, receive }) = self.line.take() else { return };
        if let Some(Upload { pack, .. }) = upload {
            // Nothing depends on the goodbye.
            let _ = pack.close().await;
        }
        if let Some(receive) = receive {
            receive.pack.close().await;
        }
        session.give_back().await;
    }
}

impl Way {
    /// Looks on a session that is kept, or on a fresh one.
    async fn look_first(
        &self,
        asked: &[RefPattern],
        steps: &mut dyn Steps,
    ) -> Result<(Line, Vec<RemoteRef>), LinkError> {
        if let Some(session) = Leased::kept(self.home.as_ref()).await {
            match self.look_on(session, Origin::Kept, asked, steps).await {
                Ok(seen) => return Ok(seen),
                Err(error) => tracing::debug!(%error, "a kept session to upstream failed; a fresh one is opened"),
            }
        }
        let session = self.connect(steps).await?;
        self.look_on(session, Origin::Fresh, asked, steps).await
    }

    /// Opens a session of its own.
    async fn connect(&self, steps: &mut dyn Steps) -> Result<Leased, LinkError> {
        Ok(Leased::fresh(self.road.connect(steps).await?, self.home.as_ref()))
    }

    async fn look_on(
        &self,
        session: Leased,
        origin: Origin,
        asked: &[RefPattern],
        steps: &mut dyn Steps,
    ) -> Result<(Line, Vec<RemoteRef>), LinkError> {
        // What a server of long silence has to answer at all, it answers as fast as it would a new connection.
        let patience = match origin {
            Origin::Fresh => self.road.limits.idle,
            Origin::Kept => self.road.limits.idle.min(self.road.limits.connect),
        };
        steps.began(Step::Repository);
        match self.purpose {
            Purpose::Read => {
                let (upload, refs) = self.ask_behind_exec(&session, patience, asked, steps).await?;
                Ok((Line { session, upload: Some(upload), receive: None }, refs))
            }
            Purpose::Push => self.look_by_advertisement(session, patience, asked, steps).await,
        }
    }

    /// Asks behind `exec` without waiting for the advertisement.
    async fn ask_behind_exec(
        &self,
        session: &Leased,
        patience: Duration,
        asked: &[RefPattern],
        steps: &mut dyn Steps,
    ) -> Result<(Upload, Vec<RemoteRef>), LinkError> {
        let question = fetch::ls_refs_request(asked);
        let opening = session.open_git(Service::UploadPack, &self.road.path, Some(Protocol::V2), question);
        let channel = within(patience, &self.road, opening).await?;
        let (read, write, remote) = channel.split();
        let sent = Sent::LsRefs(asked.to_vec());
        let opened = UploadPack::open(read, write, sent, fetch::Limits::default()).await;
        let mut pack = explained(opened, &remote).await?;
        steps.passed(Step::Repository, format!("{} speaks {}", self.road.path, spoken(pack.version())));
        steps.began(Step::Refs);
        let refs = explained(pack.ls_refs(asked).await, &remote).await?;
        steps.passed(Step::Refs, format!("{} of those asked for", refs.len()));
        Ok((Upload { pack, remote }, refs))
    }

    /// Opens both channels; what `receive-pack` advertises is the look.
    async fn look_by_advertisement(
        &self,
        session: Leased,
        patience: Duration,
        asked: &[RefPattern],
        steps: &mut dyn Steps,
    ) -> Result<(Line, Vec<RemoteRef>), LinkError> {
        let opening = session.open_git_pair(&self.road.path, Some(Protocol::V2), Vec::new());
        let (upload, receive) = within(patience, &self.road, opening).await?;
        // Both speak at once. Where `upload-pack` fails, the look that needs it opens another and tells.
        let (receive, upload) =
            tokio::try_join!(Receive::open(receive), async { Ok(Upload::open(upload).await.ok()) })?;
        steps.passed(Step::Repository, format!("{} takes pushes", self.road.path));
        let refs = receive.matching(asked);
        Ok((Line { session, upload, receive: Some(receive) }, refs))
    }

    /// Looks on a connection that is open. What `receive-pack` advertised once is old by now and is not asked again.
    async fn look_again(&self, line: Line, asked: &[RefPattern]) -> Result<(Line, Vec<RemoteRef>), LinkError> {
        let Line { session, upload, receive } = line;
        if let Some(Upload { mut pack, remote }) = upload {
            if pack.looks_now() {
                let refs = explained(pack.ls_refs(asked).await, &remote).await?;
                return Ok((Line { session, upload: Some(Upload { pack, remote }), receive }, refs));
            }
            // Nothing depends on the goodbye.
            let _ = pack.close().await;
        }
        // A channel shows the refs of one moment only: a server of version 0 says them once, and one of version 2 remembers them.
        let patience = self.road.limits.idle;
        let (upload, refs) = self.ask_behind_exec(&session, patience, asked, &mut NoSteps).await?;
        Ok((Line { session, upload: Some(upload), receive }, refs))
    }
}

/// Bounds the opening of channels.
async fn within<T>(
    patience: Duration,
    road: &Road,
    opening: impl Future<Output = Result<T, SshError>>,
) -> Result<T, SshError> {
    tokio::time::timeout(patience, opening)
        .await
        .unwrap_or_else(|_| Err(SshError::ChannelTimeout { target: road.target.clone(), after: patience }))
}

impl Upload {
    async fn open(channel: GitChannel) -> Result<Self, LinkError> {
        let (read, write, remote) = channel.split();
        let opened = UploadPack::open(read, write, Sent::Nothing, fetch::Limits::default()).await;
        let pack = explained(opened, &remote).await?;
        Ok(Self { pack, remote })
    }
}

/// Joins what the server printed for people to an ending that it explains: a forge refuses a repository by a sentence on standard
/// error and a hang-up.
async fn explained<T>(ended: Result<T, FetchError>, remote: &Remote) -> Result<T, LinkError> {
    match ended {
        Ok(value) => Ok(value),
        Err(error @ FetchError::HungUp { .. }) => Err(error.explained_by(&last_words(remote).await).into()),
        Err(error) => Err(error.into()),
    }
}

/// Puts what the server said for people behind the words of a refusal: a forge's reasons stand there. The class is not taken from it.
fn with_messages(ending: PushEnding, messages: &ServerMessages) -> PushEnding {
    let PushEnding::Rejected { class, words } = ending else { return ending };
    let mut said = messages.lines().collect::<Vec<_>>().join("; ");
    said.truncate(said.floor_char_boundary(LONGEST_REASON));
    let words = if said.is_empty() { words } else { format!("{words} ({said})") };
    PushEnding::Rejected { class, words }
}

/// What the program printed on standard error, once it is over: the words may come after the end of its output.
async fn last_words(remote: &Remote) -> String {
    let _ = tokio::time::timeout(LAST_WORDS, remote.exit()).await;
    remote.stderr().text
}

impl Receive {
    async fn open(channel: GitChannel) -> Result<Self, LinkError> {
        let (read, write, remote) = channel.split();
        match ReceivePack::open(read, write, push::Limits::default()).await {
            Ok(pack) => Ok(Self { pack, remote }),
            Err(PushError::NoAdvertisement) => Err(match last_words(&remote).await.trim() {
                "" => PushError::NoAdvertisement,
                words => PushError::Refused { words: words.to_owned() },
            }
            .into()),
            Err(error) => Err(error.into()),
        }
    }

    fn matching(&self, asked: &[RefPattern]) -> Vec<RemoteRef> {
        let refs = self.pack.advertised().refs().iter();
        refs.filter(|(name, _)| asked.iter().any(|pattern| pattern.matches(name.as_str())))
            .map(|(name, target)| RemoteRef { name: name.clone(), target: *target, peeled: None })
            .collect()
    }
}

fn spoken(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::V0 => "version 0 of git's protocol",
        ProtocolVersion::V2 => "version 2 of git's protocol",
    }
}
