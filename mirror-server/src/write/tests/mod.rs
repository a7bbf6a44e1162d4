//! Pushes on a real cache with real git, and on gits that do what a test needs. What the tests share is here.

mod cut;
mod refused;
mod taken;

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mirror_core::name::{BranchName, CommitId, LaneName, RefName};
use mirror_engine::journal::{Event, Journal, Record};
use mirror_git::pkt::{Decoded, Packet, decode, encode};
use mirror_store::Cache;
use mirror_store::git::GitProgram;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::receive::{info_refs, receive};
use super::writing::Writing;
use crate::assembly::Assembly;
use crate::auth::Caller;
use crate::auth::TokenAuthority;
use crate::http::answer::{Answer, AnswerBody, Piece};
use crate::plan::ServePlan;
use crate::repositories::ServedRepository;
use crate::testing::{self, MAIN, git_of, write_git};

const GITOPS: &str = "refs/heads/gitops";
const SECOND: &str = "refs/heads/second/gitops";
const MINUTE: Duration = Duration::from_secs(60);

/// A cache with some commits, and a server that takes pushes to it.
struct Fixture {
    folder: tempfile::TempDir,
    writing: Arc<Writing>,
    served: Arc<ServedRepository>,
    cache: Cache,
    /// One behind the other; the first two are in the cache.
    commits: Vec<CommitId>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(GitProgram::find().unwrap(), "1KiB")
    }

    fn with(git: GitProgram, stop_below: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let serve = format!(
            "serve: {{ readers: open, tokens: {{ file: ./tokens.yaml }}, freeSpace: {{ stop: {stop_below}, resume: {stop_below} }} }}"
        );
        let node = testing::node(folder.path(), &serve, &[MAIN, ("second", "second/gitops")]);
        let serve = node.serve().unwrap();
        let plan = ServePlan { node, serve, listen: None, inherited: Vec::new() };
        let authority = Arc::new(TokenAuthority::open(None).unwrap());
        let handlers = Assembly::of(&plan, authority, git).handlers;
        let writing = Arc::clone(&handlers.writing);
        let served = Arc::clone(&handlers.repositories.all()[0]);
        fs::create_dir_all(served.path.parent().unwrap()).unwrap();
        let cache = Cache::create(&served.path, &BranchName::parse("main").unwrap()).unwrap();
        let mut fixture = Self { folder, writing, served, cache, commits: Vec::new() };
        fixture.fill();
        fixture
    }

    fn fill(&mut self) {
        let work = self.work();
        run(self.folder.path(), &["init", "-q", "--bare", work.to_str().unwrap()], b"");
        let mut stream = String::new();
        for number in 0..4 {
            let date = 1_700_000_000 + number;
            stream += &format!("commit refs/heads/gitops\ncommitter C <c@example.org> {date} +0000\ndata 2\nm\n");
            stream += &format!("M 100644 inline deployed\ndata 2\n{number}\n\n");
        }
        run(&work, &["fast-import", "--quiet"], stream.as_bytes());
        let commits = run(&work, &["rev-list", "--reverse", "gitops"], b"");
        self.commits = text(commits).lines().map(|line| CommitId::from_hex(line).unwrap()).collect();
        let refspec = format!("{}:{GITOPS}", self.commits[1]);
        run(&work, &["push", "-q", self.cache.path().to_str().unwrap(), &refspec], b"");
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work.git")
    }

    /// The body of a push of these refs; a pack with `tip` and all behind it follows.
    fn push(&self, refs: &[(&str, Option<usize>, usize)], capabilities: &str) -> Vec<u8> {
        let mut body = Vec::new();
        let mut capabilities = format!("\0report-status {capabilities}");
        for (name, old, new) in refs {
            let old = old.map_or_else(|| "0".repeat(40), |old| self.commits[old].to_string());
            let line = format!("{old} {} {name}{}", self.commits[*new], std::mem::take(&mut capabilities));
            encode::data(line.as_bytes(), &mut body);
        }
        encode::flush(&mut body);
        let wanted: String = refs.iter().map(|(_, _, new)| format!("{}\n", self.commits[*new])).collect();
        let revs = format!("{wanted}^{}\n", self.commits[1]);
        body.extend(run(&self.work(), &["pack-objects", "-q", "--revs", "--thin", "--stdout"], revs.as_bytes()));
        body
    }

    fn writer() -> Caller {
        Caller::Writer { name: "promoter".to_owned(), lanes: None }
    }

    async fn send<R: AsyncRead + Unpin + Send + 'static>(&self, body: R) -> Answer {
        let (Ok(answer) | Err(answer)) = receive(&self.writing, &self.served, &Self::writer(), body).await;
        answer
    }

    /// Sends a push and gives the lines of its report.
    async fn told(&self, body: Vec<u8>) -> Vec<String> {
        let answer = self.send(Cursor::new(body)).await;
        lines(&bytes_of(answer).await)
    }

    fn tip(&self) -> Option<CommitId> {
        self.find(GITOPS)
    }

    fn find(&self, name: &str) -> Option<CommitId> {
        self.cache.find(&RefName::parse(name).unwrap()).unwrap()
    }

    fn journal(&self) -> Vec<Record> {
        Journal::at(self.cache.own_folder().join("journal")).read(100).unwrap().records
    }

    /// Nothing of a push is left, and what is there is whole.
    fn prove_clean(&self) {
        assert_eq!(fs::read_dir(self.cache.path().join("git-mirror/op")).unwrap().count(), 0);
        run(self.cache.path(), &["fsck", "--strict", "--no-dangling"], b"");
    }
}

fn run(folder: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "git {arguments:?}: {}", text(out.stderr));
    out.stdout
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn said(answer: Answer) -> String {
    let status = answer.status();
    let AnswerBody::Whole(bytes) = answer.into_body() else { panic!("words are whole") };
    format!("{status} {}", String::from_utf8_lossy(&bytes))
}

async fn bytes_of(answer: Answer) -> Vec<u8> {
    match answer.into_body() {
        AnswerBody::Whole(bytes) => bytes.to_vec(),
        AnswerBody::Pieces(pieces) => gather(pieces).await,
        AnswerBody::File(_) => panic!("no report lies in a file"),
    }
}

async fn gather(mut pieces: mpsc::Receiver<Piece>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match pieces.recv().await {
            Some(Piece::Data(bytes)) => all.extend_from_slice(&bytes),
            Some(Piece::End) => return all,
            None => panic!("the answer was cut off"),
        }
    }
}

fn lines(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while let Ok(Decoded::Whole { packet, used }) = decode(bytes) {
        if let Packet::Data(line) = packet {
            lines.push(String::from_utf8_lossy(line).trim_end().to_owned());
        }
        bytes = &bytes[used..];
    }
    lines
}

/// A git of which one verb is a script of the test's.
fn impostor(folder: &Path, index_pack: &str) -> GitProgram {
    write_git(folder, &format!("if [ \"$1\" = index-pack ]; then\n{index_pack}\nfi\nexec $git \"$@\""));
    git_of(folder)
}
