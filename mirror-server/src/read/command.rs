//! The frame of a version 2 request: which command, for which object format, with which arguments.
//!
//! Pure, and total: any bytes are a command or a refusal in words. Never knows what a command means.
//!
//! # Source
//! `gitprotocol-v2(5)`, "Command Request".

use mirror_git::pkt::{Decoded, Packet, decode};

/// A request that was cut into its parts; they borrow from its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub(super) name: CommandName,
    pub(super) arguments: Vec<&'a [u8]>,
}

/// The commands of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandName {
    /// Lists refs.
    LsRefs,
    /// Negotiates and gives packs.
    Fetch,
}

/// What is wrong with a request, in the words that the client shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) String);

impl Refused {
    /// Quotes what a client sent: cut, and without what would disturb its terminal.
    pub(super) fn quoting(words: &str, sent: &[u8]) -> Self {
        Self(format!("{words} '{}'", sent[..sent.len().min(100)].escape_ascii()))
    }
}

impl<'a> Command<'a> {
    /// Reads a request; `None` where it asks for nothing, as a client does that has heard enough.
    pub(super) fn parse(mut bytes: &'a [u8]) -> Result<Option<Self>, Refused> {
        let mut name = None;
        let has_arguments = loop {
            match take(&mut bytes)? {
                Some(packet @ Packet::Data(_)) => key(packet.line().unwrap_or_default(), &mut name)?,
                Some(Packet::Delimiter) => break true,
                Some(Packet::Flush) => break false,
                Some(Packet::ResponseEnd) => return Err(Refused("unexpected response end packet".to_owned())),
                None if name.is_none() => return Ok(None),
                None => return Err(cut()),
            }
        };
        let Some(name) = name else {
            return if has_arguments { Err(Refused("no command requested".to_owned())) } else { Ok(None) };
        };
        let arguments = if has_arguments { arguments(bytes)? } else { Vec::new() };
        Ok(Some(Self { name, arguments }))
    }
}

fn arguments(mut bytes: &[u8]) -> Result<Vec<&[u8]>, Refused> {
    let mut arguments = Vec::new();
    loop {
        match take(&mut bytes)? {
            Some(packet @ Packet::Data(_)) => arguments.push(packet.line().unwrap_or_default()),
            Some(Packet::Flush) => return Ok(arguments),
            Some(_) => return Err(Refused("expected flush after the arguments".to_owned())),
            None => return Err(cut()),
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8]) -> Result<Option<Packet<'a>>, Refused> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match decode(bytes) {
        Ok(Decoded::Whole { packet, used }) => {
            *bytes = &bytes[used..];
            Ok(Some(packet))
        }
        Ok(Decoded::Incomplete { .. }) => Err(cut()),
        Err(error) => Err(Refused(error.to_string())),
    }
}

fn cut() -> Refused {
    Refused("the request ends in its middle".to_owned())
}

/// Takes one line in front of the arguments.
fn key(line: &[u8], name: &mut Option<CommandName>) -> Result<(), Refused> {
    let (key, value) = match line.iter().position(|b| *b == b'=') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[][..]),
    };
    match key {
        b"command" if name.is_some() => Err(Refused::quoting("a second command was requested:", value)),
        b"command" => {
            *name = Some(match value {
                b"ls-refs" => CommandName::LsRefs,
                b"fetch" => CommandName::Fetch,
                _ => return Err(Refused::quoting("invalid command", value)),
            });
            Ok(())
        }
        b"object-format" if value != b"sha1" => {
            Err(Refused::quoting("mismatched object format: server sha1; client", value))
        }
        // Server options are for servers that know some; this one takes them and minds none.
        b"agent" | b"server-option" | b"session-id" | b"object-format" => Ok(()),
        _ => Err(Refused::quoting("unknown capability", line)),
    }
}
