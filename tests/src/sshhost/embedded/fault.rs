//! What the host can be told to do wrong.

use super::script::Script;

/// The connections on which a misdeed is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// Every connection.
    Every,
    /// One connection by its number; the first since the host started is 1.
    Nth(u64),
    /// Every connection from this number on.
    From(u64),
}

impl Connections {
    pub(super) fn holds(self, number: u64) -> bool {
        match self {
            Self::Every => true,
            Self::Nth(one) => number == one,
            Self::From(first) => number >= first,
        }
    }
}

/// A service of git on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `git-upload-pack`: fetch and `ls-refs`.
    UploadPack,
    /// `git-receive-pack`: push.
    ReceivePack,
}

impl Service {
    /// Gives the name of the program.
    pub fn program(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// The channels of a connection that are meddled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Every channel.
    Every,
    /// One channel by its number on the connection; the first is 1.
    Nth(usize),
    /// The channels of one service.
    Of(Service),
}

impl Channels {
    pub(super) fn hold(self, number: usize, service: Option<Service>) -> bool {
        match self {
            Self::Every => true,
            Self::Nth(one) => number == one,
            Self::Of(wanted) => service == Some(wanted),
        }
    }
}

/// One thing done wrong.
#[derive(Debug, Clone)]
pub enum Misdeed {
    /// Closes the TCP stream when the conversation gets to a phase.
    CloseAt(Phase),
    /// Refuses every key.
    RefuseLogin,
    /// Presents another host key than the host is known by.
    WrongHostKey,
    /// Says something else than an SSH identification.
    Greet(Greeting),
    /// Does not accept `GIT_PROTOCOL`, so that git speaks version 0.
    IgnoreProtocol,
    /// Refuses to open channels.
    RefuseChannel,
    /// Refuses to run programs.
    RefuseExec,
    /// Lets the client send only within a window of so many bytes a channel; with 0 it never opens.
    Window(u32),
    /// Asks for new keys after so many bytes sent or received.
    Rekey(usize),
    /// Ends or stalls the TCP stream at a byte of the ciphertext.
    Stream {
        /// Where; [`Point::Answered`] counts as [`Point::Sent`] here.
        at: Point,
        /// What then happens; [`Ending::CutOnceGitEnded`] is [`Ending::Cut`] here.
        then: Ending,
    },
    /// Meddles with channels.
    Channel {
        /// Which ones.
        on: Channels,
        /// What is done to them.
        what: Meddling,
    },
}

/// A phase of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The TCP connection was accepted; nothing was said.
    Accept,
    /// Identifications were exchanged; no key exchange yet.
    Banner,
    /// The client's first key exchange packet came.
    KeyExchange,
    /// The client wants to log in.
    Login,
    /// The client opens a channel.
    ChannelOpen,
    /// The client asks to run a program.
    Exec,
}

/// What the host says instead of an SSH identification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greeting {
    /// Nothing at all; the connection stays open.
    Silence,
    /// These bytes, then nothing; the connection stays open.
    Bytes(Vec<u8>),
    /// Lines before the identification, without end.
    EndlessLines,
    /// One line without end.
    EndlessLine,
}

/// A byte of a stream or channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// So many bytes went to the client.
    Sent(u64),
    /// So many bytes went to the client since its first byte came in: on a receive-pack channel, bytes of the report.
    Answered(u64),
    /// So many bytes came from the client; what came behind them is dropped unseen.
    Received(u64),
}

/// What happens at that byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The TCP stream is closed.
    Cut,
    /// Git works on to its end, unheard; then the TCP stream is closed.
    CutOnceGitEnded,
    /// This direction stops; the TCP stream stays open.
    Stall,
}

/// What is done to a channel.
#[derive(Debug, Clone)]
pub enum Meddling {
    /// It ends or stalls at a byte.
    Stop {
        /// Where.
        at: Point,
        /// What then happens.
        then: Ending,
    },
    /// All bits of one byte of git's answer are turned around; the first byte of the channel is 0.
    Flip {
        /// Which byte.
        offset: u64,
    },
    /// Git is not run; these bytes are said instead.
    Answer(Script),
}
