//! report-status: the one source of a push's verdict.

use std::collections::BTreeMap;

use mirror_core::flush::PushEnding;
use mirror_core::name::{CommitId, RefName};

use super::command::PushCommand;
use super::error::PushError;
use super::messages::printable;
use super::rejection::classify;
use mirror_core::fault::Fault;
use mirror_git::pkt::{Decoded, Packet, PktError, decode};

/// A report that cannot be trusted; with such a one no ref has a verdict, or the ref that it names.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It is not pkt-lines.
    #[error("it is not pkt-lines")]
    NotLines {
        /// How.
        #[source]
        source: PktError,
    },
    /// It came before the request had been sent, and so is about something else.
    #[error("it came before all of the request had been sent")]
    Unprompted,
    /// It ends before it says anything.
    #[error("it is empty")]
    Empty,
    /// It does not begin with how unpacking went.
    #[error("it begins with {line:?}, not with an unpack line")]
    NoUnpackLine {
        /// The line.
        line: String,
    },
    /// A line is not of the protocol.
    #[error("line {line:?} is not part of a report")]
    BadLine {
        /// The line.
        line: String,
    },
    /// It is longer than the bound.
    #[error("it has more than {limit} bytes")]
    TooLong {
        /// The bound.
        limit: usize,
    },
    /// A ref is reported twice.
    #[error("it names {name} twice")]
    Doubled {
        /// The ref.
        name: String,
    },
    /// A ref is reported that was not asked for.
    #[error("it names {name}, which was not asked for")]
    Unasked {
        /// The ref.
        name: String,
    },
    /// A ref that was asked for is not reported.
    #[error("it does not name {name}")]
    Missing {
        /// The ref.
        name: RefName,
    },
    /// The pack was not unpacked, and yet a ref is said to be updated.
    #[error("it says that {name} was updated, and that the pack was not unpacked: {words}")]
    Contradiction {
        /// The ref.
        name: RefName,
        /// How unpacking failed.
        words: String,
    },
    /// Something else was carried out than what was asked for.
    #[error("it says that instead of the update of {name} the server carried out another: {option}")]
    Other {
        /// The ref.
        name: RefName,
        /// The option line that says so.
        option: String,
    },
}

/// A whole report, as the server wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    unpack: Result<(), String>,
    refs: BTreeMap<String, RefStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum RefStatus {
    /// With its option lines.
    Updated(Vec<String>),
    /// With the server's words.
    Declined(String),
}

impl Report {
    /// Gives each command its ending.
    ///
    /// A report that names a ref that was not asked for is about another push: no command gets a verdict from it.
    pub fn endings(&self, commands: &[PushCommand]) -> BTreeMap<RefName, PushEnding> {
        let unasked = self.refs.keys().find(|name| !commands.iter().any(|command| command.name.as_str() == *name));
        let ending = |command: &PushCommand| match unasked {
            Some(name) => unknown(ReportError::Unasked { name: printable(name.as_bytes()) }),
            None => self.ending(command).unwrap_or_else(unknown),
        };
        commands.iter().map(|command| (command.name.clone(), ending(command))).collect()
    }

    fn ending(&self, command: &PushCommand) -> Result<PushEnding, ReportError> {
        let name = &command.name;
        match (self.refs.get(name.as_str()), &self.unpack) {
            (None, _) => Err(ReportError::Missing { name: name.clone() }),
            (Some(RefStatus::Updated(_)), Err(words)) => {
                Err(ReportError::Contradiction { name: name.clone(), words: words.clone() })
            }
            (Some(RefStatus::Updated(options)), Ok(())) => {
                match options.iter().find(|option| !as_asked(command, option)) {
                    None => Ok(PushEnding::Accepted),
                    Some(option) => {
                        Err(ReportError::Other { name: name.clone(), option: printable(option.as_bytes()) })
                    }
                }
            }
            (Some(RefStatus::Declined(words)), unpack) => {
                let class = classify(words);
                let words = match unpack {
                    Err(reason) => format!("{words} ({reason})"),
                    Ok(()) => words.clone(),
                };
                Ok(PushEnding::Rejected { class, words })
            }
        }
    }
}

/// Says whether an option line is in keeping with what was asked.
///
/// # Source
///
/// `gitprotocol-pack(5)`, "Report Status", `option-line`.
fn as_asked(command: &PushCommand, option: &str) -> bool {
    let is = |value: &str, id: Option<CommitId>| {
        id.map_or_else(|| value.bytes().all(|b| b == b'0'), |id| id.to_string() == value)
    };
    match option.split_once(' ') {
        Some(("refname", name)) => name == command.name.as_str(),
        Some(("new-oid", id)) => is(id, Some(command.new)),
        Some(("old-oid", id)) => is(id, command.expected),
        // What was asked names the old value, so that nothing was lost where it was met; and unknown options say nothing here.
        _ => true,
    }
}

fn unknown(source: ReportError) -> PushEnding {
    PushEnding::Unknown(Fault::of(&PushError::Report { source }))
}

/// Takes a report line by line, or as the byte stream of the side band.
#[derive(Debug)]
pub(super) struct ReportReader {
    limit: usize,
    taken: usize,
    /// What came over the side band and is not a whole line yet.
    pending: Vec<u8>,
    unpack: Option<Result<(), String>>,
    refs: BTreeMap<String, RefStatus>,
    /// The ref of the last line, for its options.
    last: Option<String>,
}

impl ReportReader {
    pub(super) fn bounded(limit: usize) -> Self {
        ReportReader { limit, taken: 0, pending: Vec::new(), unpack: None, refs: BTreeMap::new(), last: None }
    }

    /// Takes bytes of band 1, in which the report is pkt-lines once more; the report, where it ended with them.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<Option<Report>, ReportError> {
        self.pending.extend_from_slice(bytes);
        let mut pending = std::mem::take(&mut self.pending);
        let mut start = 0;
        loop {
            match decode(&pending[start..]).map_err(|source| ReportError::NotLines { source })? {
                Decoded::Incomplete { .. } => {
                    pending.drain(..start);
                    self.pending = pending;
                    return Ok(None);
                }
                Decoded::Whole { packet, used } => {
                    if let Some(report) = self.packet(packet)? {
                        return Ok(Some(report));
                    }
                    start += used;
                }
            }
        }
    }

    /// Takes one packet; the report, where it is the flush that ends it.
    pub(super) fn packet(&mut self, packet: Packet<'_>) -> Result<Option<Report>, ReportError> {
        let bad = |line: &[u8]| ReportError::BadLine { line: printable(&line[..line.len().min(200)]) };
        let Some(line) = packet.line() else {
            return match (packet, self.unpack.take()) {
                (Packet::Flush, Some(unpack)) => Ok(Some(Report { unpack, refs: std::mem::take(&mut self.refs) })),
                (Packet::Flush, None) => Err(ReportError::Empty),
                (other, _) => Err(bad(format!("{other:?}").as_bytes())),
            };
        };
        self.taken += line.len();
        if self.taken > self.limit {
            return Err(ReportError::TooLong { limit: self.limit });
        }
        let Some((word, rest)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' ')) else {
            return Err(bad(line));
        };
        match (word, &self.unpack) {
            ("unpack", None) => {
                self.unpack = Some(if rest == "ok" { Ok(()) } else { Err(printable(rest.as_bytes())) });
            }
            (_, None) => return Err(ReportError::NoUnpackLine { line: printable(line) }),
            ("ok", Some(_)) => self.status(rest, RefStatus::Updated(Vec::new()))?,
            ("ng", Some(_)) => {
                let (name, words) = rest.split_once(' ').unwrap_or((rest, ""));
                self.status(name, RefStatus::Declined(printable(words.as_bytes())))?;
            }
            ("option", Some(_)) => match self.last.as_ref().and_then(|name| self.refs.get_mut(name)) {
                Some(RefStatus::Updated(options)) => options.push(rest.to_owned()),
                Some(RefStatus::Declined(_)) => {}
                None => return Err(bad(line)),
            },
            _ => return Err(bad(line)),
        }
        Ok(None)
    }

    fn status(&mut self, name: &str, status: RefStatus) -> Result<(), ReportError> {
        self.last = Some(name.to_owned());
        match self.refs.insert(name.to_owned(), status) {
            None => Ok(()),
            Some(_) => Err(ReportError::Doubled { name: printable(name.as_bytes()) }),
        }
    }
}
