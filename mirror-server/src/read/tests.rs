//! The oracle: what git itself answers about the same repository.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use mirror_core::name::BranchName;
use mirror_git::pkt::{Decoded, Packet, decode, encode};
use mirror_store::Cache;
use proptest::prelude::*;

use super::command::{Command, CommandName};
use super::ls_refs::Listing;
use super::refs_cache::RefsCache;
use super::version::Version;
use super::{advertise, list};
use crate::http::answer::{AnswerBody, Piece};
use crate::repositories::ServedRepository;

fn refs_of(path: PathBuf, head: &str) -> Arc<RefsCache> {
    Arc::new(RefsCache::of(ServedRepository::at(path, head)))
}

struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().unwrap() };
        Cache::create(&sandbox.place(), &BranchName::parse("main").unwrap()).unwrap();
        sandbox
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("app.git")
    }

    fn refs(&self) -> Arc<RefsCache> {
        refs_of(self.place(), "main")
    }

    fn git(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        run(&self.place(), &[], args, input).expect("git succeeds")
    }

    /// Makes branches, tags of all kinds, snapshots, and what nobody may see; some packed, some loose.
    fn fill(&self) -> Vec<String> {
        let mut stream = String::new();
        for number in 0..4 {
            let _ =
                write!(stream, "commit refs/heads/main\ncommitter C <c@x> {} +0000\ndata 1\nm", 1_700_000_000 + number);
            let _ = write!(stream, "\nM 100644 inline f\ndata 1\n{number}\n");
        }
        self.git(&["fast-import", "--quiet"], stream.as_bytes());
        let commits = text(self.git(&["rev-list", "--reverse", "main"], b""));
        let commits: Vec<String> = commits.lines().map(ToOwned::to_owned).collect();
        for (number, commit) in commits.iter().enumerate() {
            for name in [
                format!("refs/heads/feature/{number}"),
                format!("refs/mirror/snapshots/app/main/{commit}"),
                format!("refs/mirror/snapshots/other/v0.{number}/{commit}"),
                format!("refs/mirror-stage/heads/{number}"),
                format!("refs/mirror-rescue/lane/{number}"),
            ] {
                self.git(&["update-ref", &name, commit], b"");
            }
            if number == 1 {
                self.git(&["tag", "-a", "-m", "t", "packed", commit], b"");
                self.git(&["pack-refs", "--all", "--prune"], b"");
            }
        }
        self.git(&["tag", "light", "main"], b"");
        self.git(&["tag", "-a", "-m", "t", "v1", "main"], b"");
        self.git(&["tag", "-a", "-m", "t", "of-tag", "v1"], b"");
        self.git(&["tag", "-a", "-m", "t", "of-tree", "main^{tree}"], b"");
        self.git(&["update-ref", "refs/heads/feature/0", &commits[3]], b"");
        commits
    }

    /// Asks git's own upload-pack, which shows no snapshots unless they were asked for.
    fn upload_pack(&self, version: &str, hidden: &[&str], args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
        let mut all = vec!["-c", "uploadpack.allowAnySHA1InWant=true", "-c", "uploadpack.allowFilter=true"];
        let hidden: Vec<String> = hidden.iter().map(|hidden| format!("transfer.hideRefs={hidden}")).collect();
        all.extend(hidden.iter().flat_map(|hidden| ["-c", hidden]));
        all.extend(["upload-pack", "--stateless-rpc"]);
        all.extend(args);
        let place = self.place();
        all.push(place.to_str().unwrap());
        run(&self.place(), &[("GIT_PROTOCOL", version)], &all, input)
    }
}

fn run(folder: &Path, environment: &[(&str, &str)], args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = Program::new("git")
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs(
            ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|key| (key, "a")),
        )
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A git that refuses early does not read its input to the end.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    out.status.success().then_some(out.stdout)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Writes packets one a line, without what differs between any two servers: the name of the agent.
fn lines(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while !bytes.is_empty() {
        let Ok(Decoded::Whole { packet, used }) = decode(bytes) else { panic!("no packet: {}", bytes.escape_ascii()) };
        bytes = &bytes[used..];
        lines.push(match packet {
            Packet::Data(data) => {
                let line = data.escape_ascii().to_string();
                line.split(' ')
                    .map(|word| if word.starts_with("agent=") { "agent\\n" } else { word })
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            special => format!("{special:?}"),
        });
    }
    lines
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

const HIDDEN: [&str; 3] = ["refs/mirror-stage", "refs/mirror-rescue", "refs/mirror/snapshots"];

fn advertised(refs: &Arc<RefsCache>, version: Version) -> Vec<String> {
    lines(&block_on(refs.view()).unwrap().advertisement(version))
}

#[test]
fn the_advertisements_of_versions_0_and_1_are_gits() {
    let sandbox = Sandbox::new();
    let check = |refs: &Arc<RefsCache>, what: &str| {
        for (version, word) in [(Version::V0, ""), (Version::V1, "version=1")] {
            let ours = advertised(refs, version);
            assert_eq!(ours[..2], ["# service=git-upload-pack\\n", "Flush"], "{what}");
            let mut gits = lines(&sandbox.upload_pack(word, &HIDDEN, &["--advertise-refs"], b"").unwrap());
            if gits.iter().all(|line| matches!(line.as_str(), "Flush" | "version 1\\n")) {
                // Before 2.41 git told nothing of an empty repository, not even what it can do.
                let told = ours.iter().find(|line| line.contains(" capabilities^{}\\x00multi_ack ")).expect("it tells");
                gits.insert(gits.len() - 1, told.clone());
            }
            assert_eq!(ours[2..], gits, "{what}, {version:?}");
        }
    };
    check(&sandbox.refs(), "an empty repository");
    sandbox.fill();
    let refs = sandbox.refs();
    check(&refs, "branches and tags");
    sandbox.git(&["symbolic-ref", "HEAD", "refs/heads/absent"], b"");
    check(&refs_of(sandbox.place(), "absent"), "HEAD names no branch");
    sandbox.git(&["symbolic-ref", "HEAD", "refs/heads/feature/2"], b"");
    check(&refs_of(sandbox.place(), "feature/2"), "HEAD names another branch");
}

#[test]
fn the_capabilities_of_version_2_are_those_of_git_that_are_served() {
    let sandbox = Sandbox::new();
    let gits = sandbox.upload_pack("version=2", &HIDDEN, &["--advertise-refs"], b"").unwrap();
    let mut gits = lines(&gits);
    // Sizes of objects are not given.
    gits.retain(|line| line != "object-info\\n" && line != "object-info");
    let without_agent = |lines: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !line.starts_with("agent")).map(|line| line.replace("\\n", "")).collect()
    };
    assert_eq!(without_agent(&lines(&advertise::capabilities())), without_agent(&gits));
    assert!(lines(&advertise::capabilities()).iter().any(|line| line == "agent\\n"));
}

/// Makes the body of a request.
fn body(arguments: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::data(b"command=ls-refs\n", &mut out);
    encode::data(b"agent=git/test", &mut out);
    encode::data(b"object-format=sha1", &mut out);
    encode::delimiter(&mut out);
    for argument in arguments {
        encode::data(format!("{argument}\n").as_bytes(), &mut out);
    }
    encode::flush(&mut out);
    out
}

fn listed(refs: &Arc<RefsCache>, body: &[u8]) -> Vec<u8> {
    let command = Command::parse(body).unwrap().unwrap();
    assert_eq!(command.name, CommandName::LsRefs);
    let listing = Listing::parse(&command.arguments, &refs.repository().snapshots).unwrap();
    block_on(async {
        match list::answer(refs, listing).await.unwrap().into_body() {
            AnswerBody::Whole(bytes) => bytes.to_vec(),
            AnswerBody::Pieces(mut pieces) => {
                let mut all = Vec::new();
                loop {
                    match pieces.recv().await {
                        Some(Piece::Data(bytes)) => all.extend_from_slice(&bytes),
                        Some(Piece::End) => return all,
                        None => panic!("the list was given up"),
                    }
                }
            }
            AnswerBody::File(_) => panic!("a list is in no file"),
        }
    })
}

#[test]
fn lists_are_gits() {
    let sandbox = Sandbox::new();
    let check = |refs: &Arc<RefsCache>, hidden: &[&str], arguments: &[&str]| {
        let body = body(arguments);
        let gits = sandbox.upload_pack("version=2", hidden, &[], &body).unwrap();
        assert_eq!(lines(&listed(refs, &body)), lines(&gits), "{arguments:?}");
        // And again, from what was kept.
        assert_eq!(lines(&listed(refs, &body)), lines(&gits), "{arguments:?} again");
    };
    let all = |refs: &Arc<RefsCache>| {
        for prefixes in [
            &[][..],
            &["ref-prefix HEAD"],
            &["ref-prefix refs/heads/", "ref-prefix refs/tags/", "ref-prefix HEAD"],
            &["ref-prefix refs/heads/feature/1", "ref-prefix refs/heads/feature/"],
            &["ref-prefix refs/tags/v1", "ref-prefix refs/tags/v"],
            &["ref-prefix "],
            &["ref-prefix refs/"],
            &["ref-prefix refs/mirror-stage/", "ref-prefix refs/mirror-rescue/lane/1"],
            &["ref-prefix nothing"],
        ] {
            for flags in
                [&[][..], &["peel"], &["symrefs"], &["unborn"], &["unborn", "symrefs"], &["peel", "symrefs", "unborn"]]
            {
                check(refs, &HIDDEN, &[flags, prefixes].concat());
            }
        }
    };
    all(&sandbox.refs());
    let commits = sandbox.fill();
    all(&sandbox.refs());
    sandbox.git(&["symbolic-ref", "HEAD", "refs/heads/absent"], b"");
    all(&refs_of(sandbox.place(), "absent"));
    sandbox.git(&["symbolic-ref", "HEAD", "refs/heads/main"], b"");
    // Snapshots, where they are named.
    let refs = sandbox.refs();
    let one = format!("ref-prefix refs/mirror/snapshots/app/main/{}", commits[2]);
    for prefixes in [
        &["ref-prefix refs/mirror/snapshots/"][..],
        &["ref-prefix refs/mirror/snapshots"],
        &[one.as_str()],
        &[one.as_str(), "ref-prefix refs/heads/", "ref-prefix refs/tags/", "ref-prefix HEAD"],
        &["ref-prefix refs/mirror/snapshots/other/v0.1", "ref-prefix refs/mirror/snapshots/app/"],
        &["ref-prefix refs/mirror/snapshots/../../heads/"],
        &["ref-prefix refs/mirror/snapshots/no/"],
    ] {
        check(&refs, &HIDDEN[..2], &[&["peel", "symrefs"], prefixes].concat());
    }
}

#[test]
fn a_push_is_seen_by_the_next_reader() {
    let sandbox = Sandbox::new();
    let commits = sandbox.fill();
    let refs = sandbox.refs();
    for round in 0..40 {
        let commit = &commits[round % commits.len()];
        sandbox.git(&["update-ref", "refs/heads/gitops", commit], b"");
        let list = lines(&listed(&refs, &body(&["ref-prefix refs/heads/gitops"])));
        assert_eq!(list, [format!("{commit} refs/heads/gitops\\n"), "Flush".to_owned()], "round {round}");
        assert!(advertised(&refs, Version::V0).contains(&format!("{commit} refs/heads/gitops\\n")), "round {round}");
    }
}

#[test]
fn i5_a_reader_who_sees_a_tip_sees_its_snapshot() {
    let sandbox = Sandbox::new();
    let commits = sandbox.fill();
    let refs = sandbox.refs();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for round in 0..60 {
                // As a sync does: the snapshot first. Each group has each commit once, so that a snapshot never moves.
                let (group, commit) = (round / commits.len(), &commits[round % commits.len()]);
                sandbox.git(&["update-ref", &format!("refs/mirror/snapshots/{group}/main/{commit}"), commit], b"");
                sandbox.git(&["update-ref", &format!("refs/heads/lane/{group}"), commit], b"");
                if round % 7 == 0 {
                    sandbox.git(&["pack-refs", "--all", "--prune"], b"");
                }
            }
        });
        let body = body(&["ref-prefix refs/heads/lane/", "ref-prefix refs/mirror/snapshots/"]);
        let (mut seen, mut is_last) = (0, false);
        while !is_last {
            // The last look is behind the last write, and sees all of them.
            is_last = writing.is_finished();
            let list = lines(&listed(&refs, &body));
            for tip in list.iter().filter(|line| line.contains(" refs/heads/lane/")) {
                let (commit, name) = tip.trim_end_matches("\\n").split_once(' ').unwrap();
                let group = name.rsplit_once('/').unwrap().1;
                let snapshot = format!("{commit} refs/mirror/snapshots/{group}/main/{commit}\\n");
                assert!(list.contains(&snapshot), "{tip} without its snapshot");
                seen += 1;
            }
        }
        assert!(seen > 0);
    });
}

#[test]
fn a_long_list_of_snapshots_comes_in_pieces_and_whole() {
    let sandbox = Sandbox::new();
    let commits = sandbox.fill();
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for number in 0..20_000 {
        let _ = writeln!(packed, "{} refs/mirror/snapshots/app/big/{number:040x}", commits[0]);
    }
    std::fs::write(sandbox.place().join("packed-refs"), packed).unwrap();
    let body = body(&["ref-prefix refs/mirror/snapshots/", "ref-prefix refs/heads/", "ref-prefix refs/tags/"]);
    let gits = sandbox.upload_pack("version=2", &HIDDEN[..2], &[], &body).unwrap();
    let ours = listed(&sandbox.refs(), &body);
    assert_eq!(ours.len(), gits.len());
    assert_eq!(lines(&ours), lines(&gits));
}

#[test]
fn a_list_that_nobody_reads_holds_no_thread() {
    let sandbox = Sandbox::new();
    let commits = sandbox.fill();
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for number in 0..20_000 {
        let _ = writeln!(packed, "{} refs/mirror/snapshots/app/big/{number:040x}", commits[0]);
    }
    std::fs::write(sandbox.place().join("packed-refs"), packed).unwrap();
    let refs = sandbox.refs();
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let listing = || Listing::parse(&[b"ref-prefix refs/mirror/snapshots/"], &refs.repository().snapshots).unwrap();
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(list::answer(&refs, listing()).await.unwrap());
        }
        // Somebody who reads gets all of it, with the only thread there is.
        let AnswerBody::Pieces(mut pieces) = held.pop().unwrap().into_body() else { panic!("a short list") };
        let mut bytes = 0;
        while let Some(Piece::Data(piece)) = pieces.recv().await {
            bytes += piece.len();
        }
        assert!(bytes > 20_000 * 80, "{bytes}");
    });
}

fn refused(body: &[u8], words: &str) {
    let snapshots = mirror_core::name::RefPrefix::parse("refs/mirror/snapshots").unwrap();
    let refused = match Command::parse(body) {
        Ok(Some(command)) => Listing::parse(&command.arguments, &snapshots).map(|_| ()),
        other => other.map(|_| ()),
    };
    assert_eq!(refused.map_err(|refused| refused.0), Err(words.to_owned()), "{}", body.escape_ascii());
}

#[test]
fn wrong_requests_are_refused_in_gits_words() {
    refused(b"zzzz", "the length of a pkt-line is \"zzzz\", which is not hexadecimal");
    refused(b"0014command=ls-refs\n", "the request ends in its middle");
    refused(b"0014command=ls-refs\n0001", "the request ends in its middle");
    refused(b"0014command=ls-refs\n0002", "unexpected response end packet");
    refused(b"0014command=ls-refs\n00010001", "expected flush after the arguments");
    refused(b"0014command=ls-refs\n0014command=ls-refs\n0000", "a second command was requested: 'ls-refs'");
    refused(b"0018command=object-info\n0000", "invalid command 'object-info'");
    refused(b"0010command=\x1b[2J0000", "invalid command '\\x1b[2J'");
    refused(b"0001", "no command requested");
    refused(
        b"0014command=ls-refs\n0019object-format=sha256\n0000",
        "mismatched object format: server sha1; client 'sha256'",
    );
    refused(b"0014command=ls-refs\n0008nope0000", "unknown capability 'nope'");
    refused(b"0014command=ls-refs\n0001000anonsns0000", "unexpected line: 'nonsns'");
    refused(&body(&[&"x".repeat(1000)]), &format!("unexpected line: '{}'", "x".repeat(100)));
    // A client that has heard enough.
    for nothing in [&b""[..], b"0000"] {
        assert_eq!(Command::parse(nothing), Ok(None));
    }
    assert_eq!(Command::parse(b"0011command=fetch0000").unwrap().unwrap().name, CommandName::Fetch);
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(prop::sample::select(b"0123 =\nacefhlmnorsd-".to_vec()), 0..200)) {
        let _ = Command::parse(&bytes);
        let _ = Command::parse(&[b"0014command=ls-refs\n0001".as_slice(), &bytes].concat());
    }
}

#[test]
fn a_repository_that_was_never_synced_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let refs = refs_of(folder.path().join("none.git"), "main");
    let error = block_on(refs.view()).unwrap_err();
    let answer = super::answers::refs_unavailable(refs.repository(), &error);
    assert_eq!(answer.status(), http::StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key(http::header::RETRY_AFTER));
    let AnswerBody::Whole(words) = answer.into_body() else { panic!("words are whole") };
    assert_eq!(
        words,
        Bytes::from_static(
            b"app was never synced on this node; `git-mirror sync --node local --confirm` makes its mirror\n"
        )
    );
}
