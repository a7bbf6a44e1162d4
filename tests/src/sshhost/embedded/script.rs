//! Scripted answers instead of git's.

/// What is sent and awaited on a channel, line by line, and the exit status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    pub(super) lines: Vec<Line>,
    pub(super) exit: u32,
}

/// One line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Sends bytes to the client.
    Send(Vec<u8>),
    /// Sends bytes to the client as standard error.
    SendError(Vec<u8>),
    /// Waits until what the client sent ends with a flush packet.
    AwaitFlush,
    /// Waits for the end of the client's input.
    AwaitEof,
    /// Sends the bytes to the client repeatedly, until it disconnects.
    SendForever(Vec<u8>),
}

impl Script {
    /// Starts an empty script with exit status 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line.
    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    /// Sends bytes.
    pub fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.line(Line::Send(bytes.into()))
    }

    /// Sends a pkt-line.
    ///
    /// # Panics
    /// Where the content does not fit into one.
    pub fn pkt(self, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        assert!(content.len() <= 65_516, "a pkt-line holds 65516 bytes");
        let mut bytes = format!("{:04x}", content.len() + 4).into_bytes();
        bytes.extend_from_slice(content);
        self.send(bytes)
    }

    /// Sends a flush packet.
    pub fn flush(self) -> Self {
        self.send("0000")
    }

    /// Sets the exit status of the program that was not run.
    pub fn exit(mut self, status: u32) -> Self {
        self.exit = status;
        self
    }
}
