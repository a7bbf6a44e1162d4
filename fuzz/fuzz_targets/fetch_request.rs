//! Arbitrary requests for refs and packs: the answer is packets to their end, its words reach no terminal as a command, its pack is whole, and
//! no ref of the cache moves.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use git_mirror_fuzz::http::Reply;
use git_mirror_fuzz::packets::{Line, has_control, take, text};
use git_mirror_fuzz::served::{Id, Served, gzipped};
use libfuzzer_sys::fuzz_target;
use mirror_git::pkt::{MAX_PAYLOAD, encode};
use sha1::{Digest, Sha1};

/// No answer is longer: the cache has few objects, and an answer to haves has at most one line for each.
const LONGEST: usize = 1 << 20;

/// The first byte of an input: bit 0 version 2, bit 1 version 1, bit 2 gzip, bit 3 gzip that is said and is none, bit 4 [`Frame`]s and not bytes,
/// bit 5 frames within a good request.
const V2: u8 = 1;
const V1: u8 = 2;
const GZIP: u8 = 4;
const NO_GZIP: u8 = 8;
const FRAMES: u8 = 16;
const WITHIN: u8 = 32;

#[derive(Debug, Arbitrary)]
enum Frame {
    Command(bool),
    Want(Id, Vec<Word>),
    Have(Id),
    Shallow(Id),
    Deepen(u8),
    DeepenSince(u32),
    DeepenNot(Name),
    Filter(Filter),
    Prefix(Name),
    Done,
    Word(Word),
    Line(Vec<u8>),
    Flush,
    Delimiter,
    Raw(Vec<u8>),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Word {
    MultiAckDetailed,
    MultiAck,
    NoDone,
    ThinPack,
    SideBand,
    SideBand64k,
    OfsDelta,
    NoProgress,
    IncludeTag,
    DeepenRelative,
    Filter,
    WaitForDone,
    Agent,
    ObjectFormat,
    Symrefs,
    Peel,
    Unborn,
    SidebandAll,
}

#[derive(Debug, Arbitrary)]
enum Name {
    Main,
    Gitops,
    Heads,
    Mirror,
    Staged,
    Other(String),
}

#[derive(Debug, Arbitrary)]
enum Filter {
    Blobless,
    Treeless,
    Limit(u16),
    Depth(u8),
    Sparse(Id),
    Combined(String),
    Other(String),
}

impl Frame {
    fn write(&self, served: &Served, body: &mut Vec<u8>) {
        let line = match self {
            Frame::Command(true) => b"command=fetch".to_vec(),
            Frame::Command(false) => b"command=ls-refs".to_vec(),
            Frame::Want(id, words) => {
                let words: String = words.iter().map(|word| format!(" {}", word.text())).collect();
                format!("want {}{words}", served.hex(*id)).into_bytes()
            }
            Frame::Have(id) => format!("have {}", served.hex(*id)).into_bytes(),
            Frame::Shallow(id) => format!("shallow {}", served.hex(*id)).into_bytes(),
            Frame::Deepen(depth) => format!("deepen {depth}").into_bytes(),
            Frame::DeepenSince(time) => format!("deepen-since {time}").into_bytes(),
            Frame::DeepenNot(name) => format!("deepen-not {}", name.text()).into_bytes(),
            Frame::Filter(filter) => format!("filter {}", filter.text(served)).into_bytes(),
            Frame::Prefix(name) => format!("ref-prefix {}", name.text()).into_bytes(),
            Frame::Done => b"done".to_vec(),
            Frame::Word(word) => word.text().into(),
            Frame::Line(bytes) => bytes.clone(),
            Frame::Flush => return encode::flush(body),
            Frame::Delimiter => return body.extend_from_slice(b"0001"),
            Frame::Raw(bytes) => return body.extend_from_slice(bytes),
        };
        encode::data(&line[..line.len().min(MAX_PAYLOAD)], body);
    }
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Word::MultiAckDetailed => "multi_ack_detailed",
            Word::MultiAck => "multi_ack",
            Word::NoDone => "no-done",
            Word::ThinPack => "thin-pack",
            Word::SideBand => "side-band",
            Word::SideBand64k => "side-band-64k",
            Word::OfsDelta => "ofs-delta",
            Word::NoProgress => "no-progress",
            Word::IncludeTag => "include-tag",
            Word::DeepenRelative => "deepen-relative",
            Word::Filter => "filter",
            Word::WaitForDone => "wait-for-done",
            Word::Agent => "agent=git/2.39.5",
            Word::ObjectFormat => "object-format=sha1",
            Word::Symrefs => "symrefs",
            Word::Peel => "peel",
            Word::Unborn => "unborn",
            Word::SidebandAll => "sideband-all",
        }
    }
}

impl Name {
    fn text(&self) -> &str {
        match self {
            Name::Main => "refs/heads/main",
            Name::Gitops => "refs/heads/gitops",
            Name::Heads => "refs/heads/",
            Name::Mirror => "refs/mirror/snapshots/app/main/",
            Name::Staged => "refs/mirror-stage/",
            Name::Other(name) => name,
        }
    }
}

impl Filter {
    fn text(&self, served: &Served) -> String {
        match self {
            Filter::Blobless => "blob:none".to_owned(),
            Filter::Treeless => "tree:0".to_owned(),
            Filter::Limit(limit) => format!("blob:limit={limit}"),
            Filter::Depth(depth) => format!("tree:{depth}"),
            Filter::Sparse(id) => format!("sparse:oid={}", served.hex(*id)),
            Filter::Combined(other) => format!("combine:blob:none+{other}"),
            Filter::Other(other) => other.clone(),
        }
    }
}

/// Gives what makes a request for the tip of `main` out of frames that say how it is wanted.
fn around(frames: &[Frame], is_v2: bool) -> (Vec<Frame>, Vec<Frame>) {
    let tip = Id::Known(Served::MAIN);
    if is_v2 {
        let before = vec![Frame::Command(true), Frame::Delimiter, Frame::Want(tip, Vec::new())];
        return (before, vec![Frame::Done, Frame::Flush]);
    }
    let mut behind = vec![Frame::Done];
    if !frames.iter().any(|frame| matches!(frame, Frame::Flush)) {
        behind.insert(0, Frame::Flush);
    }
    (vec![Frame::Want(tip, vec![Word::OfsDelta, Word::SideBand64k, Word::Filter])], behind)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let served = Served::get();
    let is_on = |bit| mode & bit != 0;
    let mut body = rest.to_owned();
    if is_on(FRAMES) {
        let Ok(frames) = Vec::<Frame>::arbitrary_take_rest(Unstructured::new(rest)) else { return };
        let (before, behind) = if is_on(WITHIN) { around(&frames, is_on(V2)) } else { (Vec::new(), Vec::new()) };
        body.clear();
        before.iter().chain(&frames).chain(&behind).for_each(|frame| frame.write(served, &mut body));
    }
    let mut headers = String::new();
    if is_on(V2) || is_on(V1) {
        headers += if is_on(V2) { "Git-Protocol: version=2\r\n" } else { "Git-Protocol: version=1\r\n" };
    }
    if is_on(GZIP) {
        body = if is_on(NO_GZIP) { body } else { gzipped(&body) };
        headers += "Content-Encoding: gzip\r\n";
    }
    let before = served.refs();
    served.post("git-upload-pack", &headers, &body, |reply| {
        assert!(reply.is_whole, "the answer broke off: {reply:?}");
        assert!(reply.body.len() <= LONGEST, "{} bytes in one answer", reply.body.len());
        match reply.status {
            200 => check(reply, &before),
            400..500 => {}
            status => panic!("{status} for {:?}: {reply:?}", body.escape_ascii().to_string()),
        }
    });
    assert_eq!(served.refs(), before, "a reader moved a ref");
});

fn check(reply: &Reply<'_>, refs: &std::collections::BTreeMap<String, String>) {
    assert_eq!(reply.header("content-type"), Some("application/x-git-upload-pack-result"));
    let mut rest = reply.body.as_slice();
    let mut pack = Vec::new();
    let mut is_last = false;
    while !rest.is_empty() {
        if rest.starts_with(b"PACK") {
            // Version 0 without a side band.
            return check_pack(rest);
        }
        assert!(!is_last, "something follows the end: {:?}", rest.escape_ascii().to_string());
        let shown = rest;
        match take(&mut rest).unwrap_or_else(|| panic!("no packet: {:?}", shown.escape_ascii().to_string())) {
            Line::Special(_) => {}
            Line::Data([1, piece @ ..]) => pack.extend_from_slice(piece),
            // Progress, or how the pack failed; git shows either, and masks what it shows by itself.
            Line::Data([2 | 3, ..]) => {}
            Line::Data(payload) => {
                is_last = payload.starts_with(b"ERR ");
                assert!(!has_control(text(payload)), "{:?}", payload.escape_ascii().to_string());
                check_ref(text(payload), refs);
            }
        }
    }
    if !pack.is_empty() {
        check_pack(&pack);
    }
}

fn check_pack(pack: &[u8]) {
    assert!(pack.len() >= 32 && pack.starts_with(b"PACK\0\0\0\x02"), "no pack: {:?}", pack.escape_ascii().to_string());
    let (content, trailer) = pack.split_at(pack.len() - 20);
    assert_eq!(Sha1::digest(content).as_slice(), trailer, "the pack is damaged");
}

/// Asserts that a ref which is listed is one, and none that nobody may see.
fn check_ref(line: &[u8], refs: &std::collections::BTreeMap<String, String>) {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let (Some(value), Some(name)) = (words.next(), words.next()) else { return };
    if value.len() != 40 || !name.starts_with("refs/") {
        return;
    }
    assert_eq!(refs.get(name).map(String::as_str), Some(value), "{line}");
    assert!(!name.starts_with("refs/mirror-stage/"), "{line}");
}
