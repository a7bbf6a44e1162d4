//! Answers that are said instead of git's.

/// What is said and heard on a channel, line by line, and how the program is said to have ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    pub(super) lines: Vec<Line>,
    pub(super) exit: u32,
}

/// One line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// These bytes go to the client.
    Say(Vec<u8>),
    /// These bytes go to the client as standard error.
    Complain(Vec<u8>),
    /// Waits until the client has sent a flush packet that ends what came so far.
    HearFlush,
    /// Waits until the client has closed its direction.
    HearEnd,
    /// These bytes go to the client again and again, until it goes away.
    SayForEver(Vec<u8>),
}

impl Script {
    /// Starts a script that says nothing and ends well.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line.
    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    /// Says bytes.
    pub fn say(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.line(Line::Say(bytes.into()))
    }

    /// Says a pkt-line.
    ///
    /// # Panics
    /// Where the content does not fit into one.
    pub fn pkt(self, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        assert!(content.len() <= 65_516, "a pkt-line holds 65516 bytes");
        let mut bytes = format!("{:04x}", content.len() + 4).into_bytes();
        bytes.extend_from_slice(content);
        self.say(bytes)
    }

    /// Says a flush packet.
    pub fn flush(self) -> Self {
        self.say("0000")
    }

    /// Sets the exit status of the program that was not run.
    pub fn exit(mut self, status: u32) -> Self {
        self.exit = status;
        self
    }
}
