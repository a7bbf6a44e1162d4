//! What a push asks for: its commands and capabilities, read from the front of the request. The pack behind them is not touched.
//!
//! Pure but for the reading: it knows the form of the request and its bounds, never what is allowed.
//!
//! # Source
//! `gitprotocol-pack(5)`, "Reference Update Request and Packfile Transfer"; `gitprotocol-capabilities(5)`.

use std::collections::BTreeSet;

use mirror_core::name::{CommitId, RefName};
use mirror_git::pkt::{Packet, PacketReader, PktError};
use tokio::io::AsyncRead;

/// Commands of one push. A mirror of a large repository has more refs, and has no business here.
const COMMANDS: usize = 10_000;
/// What all commands together may have.
const BYTES: usize = 4 << 20;
/// Roots of a shallow clone that a client may name.
const SHALLOWS: usize = 100_000;

/// A push, without its pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// What it asks for, in its order. Empty where the client only tried whether it may talk.
    pub(crate) commands: Vec<Command>,
    /// How it wants to be answered.
    pub(crate) wishes: BTreeSet<Wish>,
    /// Whether the client has only a part of the history.
    pub(crate) origin: Origin,
}

/// One ref that is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// The name as it was sent; the report has to repeat it.
    pub(crate) name: Vec<u8>,
    /// The value that the client saw; `None` where the ref was not there.
    pub(crate) old: Option<CommitId>,
    /// The value it is to get; `None` where it is to go.
    pub(crate) new: Option<CommitId>,
}

/// What the answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    /// A verdict on each ref.
    ReportStatus,
    /// The same, in the newer form.
    ReportStatusV2,
    /// The report in one band, talk in another.
    SideBand64k,
    /// No talk.
    Quiet,
    /// All refs or none.
    Atomic,
}

/// What the client pushes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A clone with the whole history.
    #[default]
    Whole,
    /// A shallow clone: some parents are not there.
    Shallow,
}

/// A request that is no push.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// It is not pkt-lines, or broke off.
    #[error("the push is not made of pkt-lines: {source}")]
    Lines {
        /// How.
        #[from]
        source: PktError,
    },
    /// A line is no command.
    #[error("a line of the push is no command: \"{line}\"")]
    Command {
        /// The line, escaped and cut.
        line: String,
    },
    /// There are too many, or they are too long.
    #[error("the push has more than {COMMANDS} commands, or more than {BYTES} bytes of them")]
    TooMany,
    /// Something was asked for that was not offered.
    #[error("the push asks for `{capability}`, which this server did not offer")]
    NotOffered {
        /// The capability.
        capability: String,
    },
    /// The push is signed.
    #[error("the push is signed, which this server did not offer; push with `--no-signed`")]
    Signed,
}

/// What the server offers in its advertisement, beside the name of the program.
pub(crate) const OFFERED: &str =
    "report-status report-status-v2 delete-refs quiet atomic ofs-delta side-band-64k object-format=sha1";

impl Request {
    /// Reads commands and capabilities up to the flush that ends them. What follows, the pack, stays in `reader`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub(crate) async fn read<R: AsyncRead + Unpin>(reader: &mut PacketReader<R>) -> Result<Self, RequestError> {
        let mut parser = Parser::default();
        loop {
            let packet = reader.expect().await?;
            if parser.take(packet)? == Progress::Done {
                return Ok(parser.request);
            }
        }
    }

    /// Says whether the answer is to be so.
    pub(crate) fn wishes(&self, wish: Wish) -> bool {
        self.wishes.contains(&wish)
    }

    /// Says whether a pack follows. None does where everything is deleted, or nothing is asked for.
    pub(crate) fn has_pack(&self) -> bool {
        self.commands.iter().any(|command| command.new.is_some())
    }
}

impl Command {
    /// The name, where it is one.
    pub(crate) fn ref_name(&self) -> Option<RefName> {
        RefName::parse(std::str::from_utf8(&self.name).ok()?).ok()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    More,
    Done,
}

/// The state between two packets.
#[derive(Debug, Default)]
struct Parser {
    request: Request,
    bytes: usize,
    shallows: usize,
}

impl Parser {
    fn take(&mut self, packet: Packet<'_>) -> Result<Progress, RequestError> {
        let Some(line) = packet.line() else {
            return match packet {
                Packet::Flush => Ok(Progress::Done),
                _ => Err(RequestError::Command { line: format!("{packet:?}") }),
            };
        };
        if line.starts_with(b"push-cert") {
            return Err(RequestError::Signed);
        }
        if let Some(root) = line.strip_prefix(b"shallow ") {
            return self.take_shallow(root, line);
        }
        self.bytes += line.len();
        if self.request.commands.len() >= COMMANDS || self.bytes > BYTES {
            return Err(RequestError::TooMany);
        }
        let (command, capabilities) = match line.iter().position(|byte| *byte == 0) {
            // Only the first command brings capabilities.
            Some(_) if !self.request.commands.is_empty() => return Err(no_command(line)),
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        let command = read_command(command).ok_or_else(|| no_command(line))?;
        if let Some(capabilities) = capabilities {
            let text = std::str::from_utf8(capabilities).map_err(|_| no_command(line))?;
            text.split(' ').filter(|word| !word.is_empty()).try_for_each(|word| self.take_capability(word))?;
        }
        self.request.commands.push(command);
        Ok(Progress::More)
    }

    fn take_shallow(&mut self, root: &[u8], line: &[u8]) -> Result<Progress, RequestError> {
        self.shallows += 1;
        if self.shallows > SHALLOWS {
            return Err(RequestError::TooMany);
        }
        if !self.request.commands.is_empty() || read_value(root).flatten().is_none() {
            return Err(no_command(line));
        }
        self.request.origin = Origin::Shallow;
        Ok(Progress::More)
    }

    fn take_capability(&mut self, word: &str) -> Result<(), RequestError> {
        let wish = match word {
            "report-status" => Wish::ReportStatus,
            "report-status-v2" => Wish::ReportStatusV2,
            "side-band-64k" => Wish::SideBand64k,
            "quiet" => Wish::Quiet,
            "atomic" => Wish::Atomic,
            // Said by clients that only repeat what they were offered; the pack itself tells.
            "ofs-delta" | "delete-refs" | "object-format=sha1" => return Ok(()),
            _ if word.starts_with("agent=") || word.starts_with("session-id=") => return Ok(()),
            _ => return Err(RequestError::NotOffered { capability: word.escape_default().take(80).collect() }),
        };
        self.request.wishes.insert(wish);
        Ok(())
    }
}

/// Reads `old SP new SP name`.
fn read_command(line: &[u8]) -> Option<Command> {
    let (old, rest) = line.split_at_checked(40)?;
    let (new, name) = rest.strip_prefix(b" ")?.split_at_checked(40)?;
    let name = name.strip_prefix(b" ")?;
    if name.is_empty() || name.contains(&b'\n') {
        return None;
    }
    Some(Command { name: name.to_owned(), old: read_value(old)?, new: read_value(new)? })
}

/// Reads a value; all zeros stand for none.
fn read_value(text: &[u8]) -> Option<Option<CommitId>> {
    let text = std::str::from_utf8(text).ok()?;
    if text.len() == 40 && text.bytes().all(|byte| byte == b'0') {
        return Some(None);
    }
    CommitId::from_hex(text).ok().map(Some)
}

fn no_command(line: &[u8]) -> RequestError {
    RequestError::Command { line: line.escape_ascii().take(200).map(char::from).collect() }
}

#[cfg(test)]
mod tests {
    use mirror_git::pkt::encode;
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn read(bytes: &[u8]) -> Result<Request, RequestError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Request::read(&mut PacketReader::new(bytes)))
    }

    fn lines(lines: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| encode::data(line, &mut bytes));
        encode::flush(&mut bytes);
        bytes
    }

    fn text(text: &str) -> Result<Request, RequestError> {
        read(&lines(&[text.as_bytes()]))
    }

    /// What git 2.39.5 sent for `git push http://… gitops`, up to the header of the pack.
    const RECORDED: &[u8] = b"00b1b7efca056bb8fe3fa46053e270da8a34f30d5093 8fb0917c80a38cde2b4c83bbc666c3bb7b9f083e \
refs/heads/gitops\0 report-status-v2 side-band-64k quiet object-format=sha1 agent=git/2.39.50000PACK\0\0\0\x02\0\0\0\x03";

    #[test]
    fn a_recorded_request_is_understood_and_its_pack_is_left() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut reader = PacketReader::new(RECORDED);
        let request = runtime.block_on(Request::read(&mut reader)).unwrap();
        let id = |text| CommitId::from_hex(text).unwrap();
        let command = Command {
            name: b"refs/heads/gitops".to_vec(),
            old: Some(id("b7efca056bb8fe3fa46053e270da8a34f30d5093")),
            new: Some(id("8fb0917c80a38cde2b4c83bbc666c3bb7b9f083e")),
        };
        assert_eq!(request.commands, [command]);
        assert_eq!(request.wishes, [Wish::ReportStatusV2, Wish::SideBand64k, Wish::Quiet].into());
        assert_eq!(request.origin, Origin::Whole);
        let (read, rest) = reader.into_rest();
        assert_eq!([&read, rest].concat(), b"PACK\0\0\0\x02\0\0\0\x03");
    }

    #[test]
    fn every_command_has_its_values() {
        let none = None::<CommitId>;
        let id = |text| Some(CommitId::from_hex(text).unwrap());
        for (old, new, expect) in
            [(OLD, NEW, (id(OLD), id(NEW))), (NONE, NEW, (none, id(NEW))), (OLD, NONE, (id(OLD), none))]
        {
            let request = text(&format!("{old} {new} refs/heads/a\0atomic quiet\n")).unwrap();
            assert_eq!((request.commands[0].old, request.commands[0].new), expect);
            assert!(request.wishes(Wish::Atomic) && request.wishes(Wish::Quiet));
            assert_eq!(request.has_pack(), new != NONE);
        }
        assert_eq!(read(b"0000").unwrap(), Request::default());
        let shallow = format!("shallow {OLD}");
        let command = format!("{OLD} {NEW} refs/heads/a\0report-status");
        let request = read(&lines(&[shallow.as_bytes(), command.as_bytes()])).unwrap();
        assert_eq!((request.origin, request.commands.len()), (Origin::Shallow, 1));
    }

    #[test]
    fn what_is_no_push_is_refused_with_what_is_wrong() {
        let command = format!("{OLD} {NEW} refs/heads/a");
        let refused = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        for bad in [
            "",
            "hello",
            OLD,
            &format!("{OLD} {NEW}"),
            &format!("{OLD} {NEW} "),
            &format!("{OLD}  {NEW} refs/heads/a"),
            &format!("{} {NEW} refs/heads/a", OLD.replace('1', "X")),
            &format!("{} {NEW} refs/heads/a", "é".repeat(20)),
            &format!("{} {NEW} refs/heads/a", OLD.replace('1', "A")),
            &format!("{OLD} {NEW} refs/heads/a\nok"),
            "shallow x",
            &format!("shallow {NONE}"),
        ] {
            assert!(text(bad).unwrap_err().to_string().contains("no command"), "{bad}");
        }
        assert!(refused(&lines(&[command.as_bytes(), format!("{command}\0quiet").as_bytes()])).contains("no command"));
        assert!(refused(&lines(&[command.as_bytes(), format!("shallow {OLD}").as_bytes()])).contains("no command"));
        assert!(refused(&lines(&[b"push-cert\0quiet"])).contains("--no-signed"));
        assert!(text(&format!("{command}\0push-options")).unwrap_err().to_string().contains("`push-options`"));
        assert!(text(&format!("{command}\0object-format=sha256")).unwrap_err().to_string().contains("sha256"));
        assert!(refused(b"").contains("pkt-lines") && refused(b"00").contains("pkt-lines"));
        assert!(refused(&lines(&[command.as_bytes()])[..20]).contains("pkt-lines"));
        assert!(refused(b"0001").contains("no command"), "a delimiter has no place here");
    }

    #[test]
    fn what_a_client_says_is_shown_escaped_once() {
        let shown = text("a\"\\\u{1b}é").unwrap_err().to_string();
        assert_eq!(shown, r#"a line of the push is no command: "a\"\\\x1b\xc3\xa9""#);
        let shown = read(b"a\"\\\x1b").unwrap_err().to_string();
        assert_eq!(
            shown,
            r#"the push is not made of pkt-lines: the length of a pkt-line is "a\"\\\x1b", which is not hexadecimal"#
        );
    }

    #[test]
    fn commands_without_measure_end_the_reading() {
        let mut many = Vec::new();
        for number in 0..=COMMANDS {
            encode::data(format!("{OLD} {NEW} refs/heads/{number}").as_bytes(), &mut many);
        }
        assert!(matches!(read(&many), Err(RequestError::TooMany)));
        let mut long = Vec::new();
        for _ in 0..=BYTES / 60_000 {
            encode::data(format!("{OLD} {NEW} refs/heads/{}", "a".repeat(60_000)).as_bytes(), &mut long);
        }
        assert!(matches!(read(&long), Err(RequestError::TooMany)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }

        #[test]
        fn any_lines_are_read_or_refused(parts in proptest::collection::vec("[01fx ]{0,90}[\\PC\0]{0,20}", 0..4)) {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            if let Ok(request) = read(&lines(&parts)) {
                prop_assert_eq!(request.commands.len(), parts.len());
            }
        }

        #[test]
        fn what_is_written_is_what_is_read(
            refs in proptest::collection::vec(("[a-z]{1,8}", any::<[u8; 20]>(), any::<[u8; 20]>()), 1..6),
        ) {
            let hex = |bytes: &[u8; 20]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let mut bytes = Vec::new();
            for (number, (name, old, new)) in refs.iter().enumerate() {
                let capabilities = if number == 0 { "\0atomic" } else { "" };
                encode::data(format!("{} {} refs/heads/{name}{capabilities}", hex(old), hex(new)).as_bytes(), &mut bytes);
            }
            encode::flush(&mut bytes);
            let request = read(&bytes).unwrap();
            prop_assert!(request.wishes(Wish::Atomic));
            for (command, (name, old, new)) in request.commands.iter().zip(&refs) {
                let value = |bytes: &[u8; 20]| (*bytes != [0; 20]).then(|| CommitId::from_bytes(*bytes));
                prop_assert_eq!(command.name.clone(), format!("refs/heads/{name}").into_bytes());
                prop_assert_eq!((command.old, command.new), (value(old), value(new)));
            }
        }
    }
}
