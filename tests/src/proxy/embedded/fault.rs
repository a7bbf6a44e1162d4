//! The faults that can be injected into the proxy.

/// The connections on which a fault is made; the first since the proxy started is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnels {
    /// Every connection.
    Every,
    /// One connection by its number.
    Nth(u64),
    /// Every connection from this number on.
    From(u64),
}

impl Tunnels {
    pub(super) fn hold(self, number: u64) -> bool {
        match self {
            Self::Every => true,
            Self::Nth(one) => number == one,
            Self::From(first) => number >= first,
        }
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyFault {
    /// Closes the connection before anything is read.
    CloseAtAccept,
    /// Reads the request and closes the connection.
    CloseAfterRequest,
    /// Reads the request and never answers.
    Silence,
    /// Answers with a status line, some headers and a body, and closes the connection.
    Refuse(u16),
    /// Answers with these bytes and closes the connection.
    Respond(Vec<u8>),
    /// Answers with these bytes and then stays silent, the connection open.
    RespondAndHold(Vec<u8>),
    /// Answers with headers without end.
    EndlessHeader,
    /// Answers with one header line without end.
    EndlessHeaderLine,
    /// Opens the tunnel, and lets its answer go out in one piece with the first bytes of the target.
    Coalesce,
    /// Opens the tunnel, and lets every byte towards the client go out alone.
    ByteByByte,
    /// Opens the tunnel, and ends or stalls it at a byte.
    Stop {
        /// Of which direction the bytes are counted.
        direction: Direction,
        /// After how many.
        after: u64,
        /// What then happens.
        then: Stop,
    },
}

/// A direction of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Bytes for the client; the answer to CONNECT is not counted.
    ToClient,
    /// Bytes for the target.
    ToTarget,
}

/// How a tunnel stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Both of its connections are closed.
    Cut,
    /// This direction passes nothing more; the connections stay open.
    Stall,
}
