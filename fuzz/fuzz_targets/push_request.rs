//! Arbitrary pushes by a writer: only the branch that is pushed to moves, and only ahead; the report is packets, speaks of what was asked for, and
//! says of that branch what is so; nothing of a push is left.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use git_mirror_fuzz::http::Reply;
use git_mirror_fuzz::pack::{Entry, pack_of, sealed};
use git_mirror_fuzz::packets::{Line, has_control, take, text, until_flush};
use git_mirror_fuzz::served::{GITOPS, Id, Served, gzipped};
use libfuzzer_sys::fuzz_target;
use mirror_git::pkt::{MAX_PAYLOAD, encode};

/// No answer is longer: a report has a line for each command, and the talk of one git.
const LONGEST: usize = 1 << 20;

/// The first byte of an input: bit 0 gzip, bit 1 a [`Push`] and not bytes, bit 2 a push whose first command is a good one.
const GZIP: u8 = 1;
const STRUCTURED: u8 = 2;
const GOOD: u8 = 4;

#[derive(Debug, Arbitrary)]
struct Push {
    shallow: Vec<Id>,
    commands: Vec<Command>,
    words: Vec<Word>,
    ending: Ending,
    pack: Pack,
}

#[derive(Debug, Arbitrary)]
struct Command {
    old: Id,
    new: Id,
    name: Name,
    /// What stands between and behind.
    extra: Option<Vec<u8>>,
}

#[derive(Debug, Arbitrary)]
enum Name {
    Gitops,
    Main,
    Snapshot,
    Staged,
    Tag,
    Below,
    Other(Vec<u8>),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Word {
    ReportStatus,
    ReportStatusV2,
    SideBand64k,
    Quiet,
    Atomic,
    OfsDelta,
    PushOptions,
}

#[derive(Debug, Arbitrary)]
enum Ending {
    Flush,
    Delimiter,
    None,
}

#[derive(Debug, Arbitrary)]
enum Pack {
    None,
    Empty,
    /// What the branch gets by a good push.
    Good,
    Torn(u16),
    /// With one byte changed; the trailer is wrong, or made right again.
    Changed {
        at: u16,
        by: u8,
        is_sealed: bool,
    },
    Followed(Vec<u8>),
    Entries(Vec<Entry>, i8),
    Sealed(Vec<u8>),
    Raw(Vec<u8>),
}

impl Push {
    /// Puts the command in front that the branch would be moved by.
    fn begin_well(&mut self) {
        let (old, new) = (Id::Known(Served::TIP), Id::Known(Served::PUSHED));
        self.shallow.clear();
        self.commands.insert(0, Command { old, new, name: Name::Gitops, extra: None });
        self.words.retain(|word| !matches!(word, Word::PushOptions));
        self.ending = Ending::Flush;
    }

    fn body(&self, served: &Served) -> Vec<u8> {
        let mut body = Vec::new();
        let mut line = |bytes: &[u8]| encode::data(&bytes[..bytes.len().min(MAX_PAYLOAD)], &mut body);
        for id in &self.shallow {
            line(format!("shallow {}", served.hex(*id)).as_bytes());
        }
        let words: Vec<&str> = self.words.iter().map(|word| word.text()).collect();
        let mut words = format!("\0{}", words.join(" ")).into_bytes();
        for Command { old, new, name, extra } in &self.commands {
            let values = format!("{} {} ", served.hex(*old), served.hex(*new));
            let extra = extra.as_deref().unwrap_or_default();
            line(&[values.as_bytes(), name.bytes(), extra, &std::mem::take(&mut words)].concat());
        }
        match self.ending {
            Ending::Flush => encode::flush(&mut body),
            Ending::Delimiter => body.extend_from_slice(b"0001"),
            Ending::None => {}
        }
        body.extend_from_slice(&self.pack.bytes(&served.pack));
        body
    }
}

impl Name {
    fn bytes(&self) -> &[u8] {
        match self {
            Name::Gitops => GITOPS.as_bytes(),
            Name::Main => b"refs/heads/main",
            Name::Snapshot => b"refs/mirror/snapshots/app/main/0000000000000000000000000000000000000001",
            Name::Staged => b"refs/mirror-stage/heads/main",
            Name::Tag => b"refs/tags/v1",
            Name::Below => b"refs/heads/gitops/below",
            Name::Other(name) => name,
        }
    }
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Word::ReportStatus => "report-status",
            Word::ReportStatusV2 => "report-status-v2",
            Word::SideBand64k => "side-band-64k",
            Word::Quiet => "quiet",
            Word::Atomic => "atomic",
            Word::OfsDelta => "ofs-delta",
            Word::PushOptions => "push-options",
        }
    }
}

impl Pack {
    fn bytes(&self, good: &[u8]) -> Vec<u8> {
        match self {
            Pack::None => Vec::new(),
            Pack::Empty => pack_of(&[], 0),
            Pack::Good => good.to_owned(),
            Pack::Torn(at) => good[..usize::from(*at).min(good.len())].to_owned(),
            Pack::Changed { at, by, is_sealed } => {
                let mut pack = good.to_owned();
                let at = usize::from(*at) % pack.len();
                pack[at] = pack[at].wrapping_add(*by);
                if *is_sealed {
                    pack.truncate(pack.len() - 20);
                    return sealed(pack);
                }
                pack
            }
            Pack::Followed(more) => [good, more].concat(),
            Pack::Entries(entries, lie) => pack_of(entries, *lie),
            Pack::Sealed(bytes) => sealed(bytes.clone()),
            Pack::Raw(bytes) => bytes.clone(),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let served = Served::get();
    let mut body = rest.to_owned();
    if mode & STRUCTURED != 0 {
        let Ok(mut push) = Push::arbitrary_take_rest(Unstructured::new(rest)) else { return };
        if mode & GOOD != 0 {
            push.begin_well();
        }
        body = push.body(served);
    }
    let mut headers = served.authorization();
    let packed = gzipped(&body);
    let is_packed = mode & GZIP != 0;
    if is_packed {
        headers += "Content-Encoding: gzip\r\n";
    }
    let mut before = served.refs();
    let accepted = served.post("git-receive-pack", &headers, if is_packed { &packed } else { &body }, |reply| {
        assert!(reply.is_whole, "the answer broke off: {reply:?}");
        assert!(reply.body.len() <= LONGEST, "{} bytes in one answer", reply.body.len());
        match reply.status {
            200 => check(reply, &commands(&body)),
            400..500 => Vec::new(),
            status => panic!("{status} for {:?}: {reply:?}", body.escape_ascii().to_string()),
        }
    });
    served.assert_swept();
    let mut after = served.refs();
    let (old, new) = (before.remove(GITOPS), after.remove(GITOPS));
    assert_eq!(after, before, "a push moved what is not its own");
    let (old, new) = (old.expect("because it is there from the start"), new.expect("the branch is gone"));
    assert!(accepted.iter().all(|value| *value == new), "{accepted:?} were accepted, and the branch is at {new}");
    if new != old {
        assert!(served.contains(&new, &old), "{new} does not contain {old}");
        assert!(commands(&body).iter().any(|command| command.name == GITOPS.as_bytes() && command.new == new));
        served.put_back(&old);
    }
});

/// A command as it was sent.
struct Sent {
    name: Vec<u8>,
    new: String,
}

/// Reads what was sent up to the flush, or as far as it is packets.
fn commands(mut body: &[u8]) -> Vec<Sent> {
    let mut sent = Vec::new();
    while let Some(Line::Data(payload)) = take(&mut body) {
        let line = text(payload).split(|byte| *byte == 0).next().unwrap_or_default();
        if let (Some(new), Some(name)) = (line.get(41..81), line.get(82..)) {
            sent.push(Sent { name: name.to_owned(), new: String::from_utf8_lossy(new).into_owned() });
        }
    }
    sent
}

/// Asserts that an answer is a report in its form, and gives the values of the branch that it accepts.
fn check(reply: &Reply<'_>, sent: &[Sent]) -> Vec<String> {
    assert_eq!(reply.header("content-type"), Some("application/x-git-receive-pack-result"));
    let shown = || reply.body.escape_ascii().to_string();
    if reply.body.is_empty() {
        return Vec::new();
    }
    let (payloads, rest) = until_flush(&reply.body).unwrap_or_else(|| panic!("no packets: {}", shown()));
    assert!(rest.is_empty(), "something follows the end: {}", shown());
    if !payloads.iter().all(|payload| matches!(payload.first(), Some(1 | 2))) {
        return check_report(&payloads, sent);
    }
    let mut report = Vec::new();
    for payload in payloads {
        match payload {
            [1, piece @ ..] => report.extend_from_slice(piece),
            [_, said @ ..] => {
                let lines = String::from_utf8_lossy(said).into_owned();
                assert!(!lines.contains(|letter: char| letter.is_control() && letter != '\n'), "{lines:?}");
            }
            [] => unreachable!("every payload has a band"),
        }
    }
    if report.is_empty() {
        return Vec::new();
    }
    let (payloads, rest) = until_flush(&report).unwrap_or_else(|| panic!("no report: {}", shown()));
    assert!(rest.is_empty(), "something follows the report: {}", shown());
    check_report(&payloads, sent)
}

fn check_report(payloads: &[&[u8]], sent: &[Sent]) -> Vec<String> {
    let mut lines = payloads.iter().map(|payload| text(payload));
    let unpack = lines.next().unwrap_or_default();
    assert!(unpack.starts_with(b"unpack ") && !has_control(unpack), "{:?}", unpack.escape_ascii().to_string());
    let mut accepted = Vec::new();
    let mut count = 0;
    for (command, line) in sent.iter().zip(lines.by_ref()) {
        let shown = line.escape_ascii().to_string();
        count += 1;
        if let Some(rest) = line.strip_prefix(b"ng ") {
            let reason =
                rest.strip_prefix(command.name.as_slice()).unwrap_or_else(|| panic!("in another order: {shown}"));
            assert!(reason.starts_with(b" ") && reason.len() > 1 && !has_control(reason), "{shown}");
        } else {
            assert_eq!(line.strip_prefix(b"ok "), Some(GITOPS.as_bytes()), "accepted: {shown}");
            assert_eq!(command.name, GITOPS.as_bytes(), "{shown}");
            assert!(unpack == b"unpack ok", "{shown} after {:?}", unpack.escape_ascii().to_string());
            accepted.push(command.new.clone());
        }
    }
    assert!(lines.next().is_none() && count == sent.len(), "{count} verdicts on {} commands", sent.len());
    accepted
}
