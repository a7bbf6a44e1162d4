//! The faults that can be injected into the host.

use super::script::Script;

/// The connections that have a fault.
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

/// The channels of a connection that have a fault.
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

/// One fault.
#[derive(Debug, Clone)]
pub enum HostFault {
    /// Closes the TCP stream when the conversation gets to a phase.
    CloseAt(Phase),
    /// Refuses every key.
    RefuseLogin,
    /// Presents another host key than the host is known by.
    WrongHostKey,
    /// Sends something else than an SSH identification.
    Identification(IdentificationFault),
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
        /// Where; [`Point::Answered`] means [`Point::Sent`] here.
        at: Point,
        /// What then happens; [`Ending::CutOnceGitEnded`] is [`Ending::Cut`] here.
        then: Ending,
    },
    /// A fault of channels.
    Channel {
        /// Which ones.
        on: Channels,
        /// The fault.
        what: ChannelFault,
    },
}

/// A phase of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The TCP connection was accepted; nothing was sent.
    Accept,
    /// Identifications were exchanged; no key exchange yet.
    Identification,
    /// The client's first key exchange packet was received.
    KeyExchange,
    /// The client wants to log in.
    Login,
    /// The client opens a channel.
    ChannelOpen,
    /// The client asks to run a program.
    Exec,
}

/// What the host sends instead of an SSH identification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentificationFault {
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
    /// So many bytes were sent to the client.
    Sent(u64),
    /// So many bytes were sent to the client since its first byte was received: on a receive-pack channel, bytes of the report.
    Answered(u64),
    /// So many bytes were received from the client; what follows is discarded.
    Received(u64),
}

/// What happens at that byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The TCP stream is closed.
    Cut,
    /// Git runs to its end, its output discarded; then the TCP stream is closed.
    CutOnceGitEnded,
    /// This direction stops; the TCP stream stays open.
    Stall,
}

/// A fault of a channel.
#[derive(Debug, Clone)]
pub enum ChannelFault {
    /// It ends or stalls at a byte.
    Stop {
        /// Where.
        at: Point,
        /// What then happens.
        then: Ending,
    },
    /// All bits of one byte of git's answer are inverted; the first byte of the channel is 0.
    Flip {
        /// Which byte.
        offset: u64,
    },
    /// Git is not run; a script answers instead.
    Answer(Script),
}
