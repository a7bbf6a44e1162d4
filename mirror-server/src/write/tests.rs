//! Pushes on a real cache with real git, and on gits that do what a test needs.

use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mirror_core::name::{BranchName, CommitId, LaneName, RefName};
use mirror_engine::journal::{Event, Journal, Record};
use mirror_engine::place::{Base, LocalNode};
use mirror_transport::cache::Cache;
use mirror_transport::git::GitProgram;
use mirror_transport::pkt::{Decoded, Packet, decode, encode};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::auth::Caller;
use super::receive::{info_refs, receive};
use super::timely::COMING;
use super::tokens::TokenAuthority;
use crate::context::Context;
use crate::http::answer::{Answer, AnswerBody, Piece};
use crate::http::body::BodyError;
use crate::plan::ServePlan;
use crate::site::Served;

const GITOPS: &str = "refs/heads/gitops";
const SECOND: &str = "refs/heads/second/gitops";
const MINUTE: Duration = Duration::from_secs(60);

/// A cache with some commits, and a server that takes pushes to it.
struct Stage {
    folder: tempfile::TempDir,
    context: Arc<Context>,
    served: Arc<Served>,
    cache: Cache,
    /// One behind the other; the first two are in the cache.
    commits: Vec<CommitId>,
}

impl Stage {
    fn new() -> Self {
        Self::with(GitProgram::find().unwrap(), "1KiB")
    }

    fn with(git: GitProgram, stop_below: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories: {{ app: {{ upstream: 'git@github.com:octo/app.git' }} }}
nodes:
  here:
    cache: ./caches
    githubTransport: {{ identity: {{ file: ./key }} }}
    serve:
      readers: open
      tokens: {{ file: ./tokens.yaml }}
      freeSpace: {{ stop: {stop_below}, resume: {stop_below} }}
    lanes:
      main: {{ repository: app, source: {{ branch: main, snapshotGroup: app }}, gitops: {{ branch: gitops }} }}
      second: {{ repository: app, source: {{ branch: main, snapshotGroup: app }}, gitops: {{ branch: second/gitops }} }}
"
        );
        let config = mirror_core::config::parse("git-mirror.yaml", &text).unwrap();
        let base = Base { folder: folder.path().to_owned(), home: None, agent: None };
        let node = Arc::new(LocalNode::resolve(&config, &base, "here").unwrap());
        let serve = node.serve().unwrap();
        let plan = ServePlan { node, serve, listen: None, inherited: Vec::new() };
        let authority = Arc::new(TokenAuthority::open(None).unwrap());
        let context = Arc::new(Context::open(&plan, authority, git));
        let served = Arc::clone(&context.site.served()[0]);
        fs::create_dir_all(served.place.parent().unwrap()).unwrap();
        let cache = Cache::create(&served.place, &BranchName::parse("main").unwrap()).unwrap();
        let mut stage = Self { folder, context, served, cache, commits: Vec::new() };
        stage.fill();
        stage
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
        let (Ok(answer) | Err(answer)) = receive(&self.context, &self.served, &Self::writer(), body).await;
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
        AnswerBody::Stored(_) => panic!("no report lies in a file"),
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
    let real = GitProgram::find().unwrap().path().display().to_string();
    let program = folder.join("git");
    let script = format!("#!/bin/sh\nif [ \"$1\" = index-pack ]; then\n{index_pack}\nfi\nexec {real} \"$@\"\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::join_paths([folder, Path::new("/bin"), Path::new("/usr/bin")]).unwrap();
    GitProgram::find_on(&path).unwrap()
}

#[tokio::test]
async fn i2_a_push_is_on_the_disk_and_in_the_journal_when_it_is_acknowledged() {
    let stage = Stage::new();
    let told = stage.told(stage.push(&[(GITOPS, Some(1), 3)], "")).await;
    assert_eq!(told, ["unpack ok", "ok refs/heads/gitops"]);
    assert_eq!(stage.tip(), Some(stage.commits[3]));
    let journal = stage.journal();
    let [begun, ended] = journal.as_slice() else { panic!("{journal:?}") };
    assert!(matches!(&begun.event, Event::Receiving { writer, .. } if writer == "promoter"), "{begun:?}");
    assert_eq!(
        (&begun.operation, begun.verb.as_str(), &*begun.lanes),
        (&ended.operation, "push", &["main".to_owned()][..])
    );
    let Event::Ended { ok: true, outcomes, report } = &ended.event else { panic!("{ended:?}") };
    assert_eq!(outcomes["main"], "accepted");
    assert_eq!(report[0]["pushed"], stage.commits[3].to_string());
    let metrics = stage.context.metrics.text(Timestamp::now());
    assert!(
        metrics.lines().any(|line| line.contains("pushed_refs") && line.contains("accepted") && line.ends_with(" 1"))
    );
    stage.prove_clean();
}

#[tokio::test]
async fn an_advertisement_says_what_is_there_and_what_is_understood() {
    let stage = Stage::new();
    let answer = info_refs(&stage.context, &stage.served, &Stage::writer()).await;
    assert_eq!(answer.headers()["content-type"], "application/x-git-receive-pack-advertisement");
    let told = lines(&bytes_of(answer).await);
    assert_eq!(told[0], "# service=git-receive-pack");
    let (first, capabilities) = told[1].split_once('\0').unwrap();
    assert_eq!(first, format!("{} {GITOPS}", stage.commits[1]));
    for word in ["report-status", "report-status-v2", "side-band-64k", "atomic", "delete-refs", "ofs-delta", "quiet"] {
        assert!(capabilities.split(' ').any(|known| known == word), "{word}");
    }
    assert!(!capabilities.contains("push-options") && !capabilities.contains("push-cert"));

    let lanes = Some([LaneName::parse("other").unwrap()].into());
    let stranger = Caller::Writer { name: "ci".to_owned(), lanes };
    let refused = said(info_refs(&stage.context, &stage.served, &stranger).await);
    assert!(refused.starts_with("403") && refused.contains("main, second"), "{refused}");
    assert!(said(info_refs(&stage.context, &stage.served, &Caller::Anonymous).await).starts_with("401"));
}

#[tokio::test]
async fn of_several_refs_each_has_its_own_verdict_unless_all_or_none_was_asked_for() {
    let stage = Stage::new();
    // The second does not exist, as one who looked long ago would not know.
    let refs = [(GITOPS, Some(1), 3), (SECOND, Some(0), 2)];
    let told = stage.told(stage.push(&refs, "atomic")).await;
    assert!(told[1].contains("ng refs/heads/gitops atomic push failed"), "{told:?}");
    assert!(told[2].contains("stale info: the branch is gone"), "{told:?}");
    assert_eq!((stage.tip(), stage.find(SECOND)), (Some(stage.commits[1]), None));
    let told = stage.told(stage.push(&refs, "")).await;
    assert_eq!(told[1], "ok refs/heads/gitops");
    assert!(told[2].contains("stale info"), "{told:?}");
    let told = stage.told(stage.push(&[(GITOPS, Some(3), 2), (SECOND, None, 2)], "")).await;
    assert!(told[1].contains("ng refs/heads/gitops non-fast-forward"), "{told:?}");
    assert_eq!(told[2], "ok refs/heads/second/gitops");
    let Some(Record { event: Event::Ended { ok: false, outcomes, .. }, .. }) = stage.journal().pop() else { panic!() };
    assert_eq!((outcomes["main"].as_str(), outcomes["second"].as_str()), ("non-fast-forward", "accepted"));
    stage.prove_clean();
}

#[tokio::test]
async fn i7_the_lock_of_a_push_that_died_is_taken_back_and_one_of_gits_is_not() {
    let stage = Stage::new();
    let dead = stage.cache.path().join("git-mirror/op/push-1-1-0");
    fs::create_dir_all(dead.join("locks-0")).unwrap();
    fs::write(dead.join("alive"), "").unwrap();
    fs::write(dead.join("locks-0/intent"), format!("0 {GITOPS}.lock\n")).unwrap();
    fs::write(dead.join("locks-0/0"), format!("{}\n", stage.commits[3])).unwrap();
    let lock = stage.cache.path().join(format!("{GITOPS}.lock"));
    fs::hard_link(dead.join("locks-0/0"), &lock).unwrap();
    assert_eq!(stage.told(stage.push(&[(GITOPS, Some(1), 2)], "")).await[1], "ok refs/heads/gitops");
    stage.prove_clean();

    fs::write(&lock, "").unwrap();
    let told = stage.told(stage.push(&[(GITOPS, Some(2), 3)], "")).await;
    assert!(told[1].contains("locked by another git process"), "{told:?}");
    assert!(lock.exists());
    assert_eq!(stage.tip(), Some(stage.commits[2]));
    fs::remove_file(&lock).unwrap();
    stage.prove_clean();
}

#[tokio::test]
async fn below_the_mark_of_free_space_nothing_is_taken_and_the_words_say_so() {
    let stage = Stage::with(GitProgram::find().unwrap(), "1000000TiB");
    let refused = said(info_refs(&stage.context, &stage.served, &Stage::writer()).await);
    assert!(refused.starts_with("507") && refused.contains("are free"), "{refused}");
    let told = stage.told(stage.push(&[(GITOPS, Some(1), 3)], "")).await;
    assert!(told[1].contains("ng refs/heads/gitops no space: only"), "{told:?}");
    assert_eq!(stage.tip(), Some(stage.commits[1]));
    stage.prove_clean();
}

#[tokio::test]
async fn a_disk_that_is_full_is_named_and_the_old_tip_stays() {
    let programs = tempfile::tempdir().unwrap();
    let git = impostor(programs.path(), "echo 'fatal: write error: No space left on device' >&2; exit 128");
    let stage = Stage::with(git, "1KiB");
    let told = stage.told(stage.push(&[(GITOPS, Some(1), 3)], "")).await;
    assert_eq!(told[0], "unpack no space is left on the server's disk");
    assert!(told[1].contains("no space is left"), "{told:?}");
    assert_eq!(stage.tip(), Some(stage.commits[1]));
    stage.prove_clean();
}

#[tokio::test]
async fn a_push_that_cannot_be_noted_is_not_taken() {
    let stage = Stage::new();
    fs::write(stage.cache.own_folder().join("journal"), "").unwrap();
    let told = stage.told(stage.push(&[(GITOPS, Some(1), 3)], "")).await;
    assert!(told[1].contains("journal"), "{told:?}");
    assert_eq!(stage.tip(), Some(stage.commits[1]));
    stage.prove_clean();
}

/// Fails once everything was read, as a body does whose client is gone.
struct Gone;

impl AsyncRead for Gone {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(BodyError::Gone.into()))
    }
}

#[tokio::test]
async fn a_client_that_goes_away_anywhere_leaves_nothing() {
    let stage = Stage::new();
    let body = stage.push(&[(GITOPS, Some(1), 3)], "");
    let pack = body.windows(4).position(|window| window == b"PACK").unwrap();
    for sent in [0, 3, pack - 2, pack, pack + 5, pack + 12, pack + 40, body.len() - 1] {
        let cut = Cursor::new(body[..sent].to_vec()).chain(Gone);
        let answer = said(stage.send(cut).await);
        assert!(answer.starts_with("400"), "{sent}: {answer}");
        assert_eq!(stage.tip(), Some(stage.commits[1]), "{sent}");
        stage.prove_clean();
    }
    let Some(Record { event: Event::Ended { outcomes, .. }, .. }) = stage.journal().pop() else { panic!() };
    assert_eq!(outcomes["main"], "gone");
}

/// Gives what it has, then one byte a minute for ever. Nobody looks at its pace here, so nothing else ends it.
struct Trickle {
    begun: Cursor<Vec<u8>>,
    next: std::pin::Pin<Box<tokio::time::Sleep>>,
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if self.begun.position() < self.begun.get_ref().len() as u64 {
            return std::pin::Pin::new(&mut self.begun).poll_read(context, into);
        }
        std::task::ready!(self.next.as_mut().poll(context));
        self.next.as_mut().reset(tokio::time::Instant::now() + MINUTE);
        into.put_slice(b"x");
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_that_trickles_for_ever_is_cut_and_gives_back_all_that_it_held() {
    let stage = Stage::new();
    let body = stage.push(&[(GITOPS, Some(1), 3)], "");
    let pack = body.windows(4).position(|window| window == b"PACK").unwrap();
    let turns = stage.context.turns.free();
    // In its commands, at the head of its pack, and while git reads.
    for sent in [6, pack + 5, body.len() - 5] {
        let begun = Cursor::new(body[..sent].to_vec());
        let since = tokio::time::Instant::now();
        let answer = said(stage.send(Trickle { begun, next: Box::pin(tokio::time::sleep(MINUTE)) }).await);
        assert!(answer.starts_with("408") && answer.contains("60 minutes"), "{sent}: {answer}");
        assert!(since.elapsed() <= COMING + MINUTE, "{sent}: {:?}", since.elapsed());
        assert_eq!((stage.tip(), stage.context.turns.free()), (Some(stage.commits[1]), turns), "{sent}");
        stage.prove_clean();
    }
    let Some(Record { event: Event::Ended { outcomes, .. }, .. }) = stage.journal().pop() else { panic!() };
    assert_eq!(outcomes["main"], "gone");
}

#[tokio::test]
async fn while_git_works_the_client_hears_that_the_server_is_alive() {
    let programs = tempfile::tempdir().unwrap();
    let gate = programs.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    // It goes on when somebody writes to the gate.
    let git = impostor(programs.path(), &format!("read word < {}", gate.display()));
    let stage = Stage::with(git, "1KiB");
    let answer = stage.send(Cursor::new(stage.push(&[(GITOPS, Some(1), 3)], "side-band-64k"))).await;
    let AnswerBody::Pieces(mut pieces) = answer.into_body() else { panic!("it is not decided yet") };
    let Some(Piece::Data(first)) = pieces.recv().await else { panic!() };
    assert_eq!(&*first, b"0005\x02");
    fs::write(&gate, "go\n").unwrap();
    let told = lines(&gather(pieces).await).concat();
    assert!(told.contains("ok refs/heads/gitops"), "{told}");

    // One who does not listen any more stops nothing.
    let answer = stage.send(Cursor::new(stage.push(&[(SECOND, None, 3)], "side-band-64k"))).await;
    drop(answer);
    fs::write(&gate, "go\n").unwrap();
    let until = Instant::now() + MINUTE;
    while stage.journal().len() < 4 {
        assert!(Instant::now() < until, "the push was dropped with its client");
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.find(SECOND), Some(stage.commits[3]));
}

#[tokio::test]
async fn a_pack_of_nothing_needs_no_git() {
    let programs = tempfile::tempdir().unwrap();
    let stage = Stage::with(impostor(programs.path(), "exit 1"), "1KiB");
    let body = stage.push(&[(SECOND, None, 1)], "");
    assert_eq!(stage.told(body.clone()).await, ["unpack ok", "ok refs/heads/second/gitops"]);
    assert_eq!(stage.find(SECOND), Some(stage.commits[1]));
    // Pushed again it is there already, whatever the client thought.
    assert_eq!(stage.told(body.clone()).await[1], "ok refs/heads/second/gitops");
    let mut longer = body.clone();
    longer.push(b'x');
    for bad in [longer, body[..body.len() - 1].to_vec()] {
        assert!(stage.told(bad).await[0].contains("the empty pack is damaged"));
    }
    let told = stage.told(stage.push(&[(GITOPS, Some(1), 0)], "")).await;
    assert!(told[1].contains("non-fast-forward"), "{told:?}");
    stage.prove_clean();
}

#[tokio::test]
async fn a_question_without_commands_is_answered_with_nothing() {
    let stage = Stage::new();
    let answer = stage.send(Cursor::new(b"0000".to_vec())).await;
    assert_eq!(bytes_of(answer).await, b"");
    let refused = said(stage.send(Cursor::new(b"hello".to_vec())).await);
    assert!(refused.starts_with("400"), "{refused}");
    assert!(stage.journal().is_empty());
}

#[tokio::test]
async fn a_refused_push_is_journaled_with_the_refs_that_it_tried() {
    let stage = Stage::new();
    let told = stage.told(stage.push(&[("refs/heads/main", None, 3)], "")).await;
    assert!(told[1].contains("only GitOps branches refs/heads/gitops, refs/heads/second/gitops"), "{told:?}");
    let journal = stage.journal();
    let [_, Record { event: Event::Ended { ok: false, report, .. }, lanes, .. }] = journal.as_slice() else { panic!() };
    assert_eq!((report[0]["ref"].as_str(), report[0]["outcome"].as_str()), (Some("refs/heads/main"), Some("denied")));
    assert!(lanes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn pushes_that_are_refused_again_and_again_do_not_fill_the_journal() {
    let stage = Stage::new();
    let wrong = stage.push(&[("refs/heads/main", None, 3)], "");
    let noted = || Journal::at(stage.cache.own_folder().join("journal")).read(1000).unwrap().records.len();
    for _ in 0..70 {
        assert!(stage.told(wrong.clone()).await[1].starts_with("ng refs/heads/main"));
    }
    assert_eq!(noted(), 2 * 60, "a beginning and an end each");
    // While git works, time has to be real: a paused clock would run ahead to git's deadline.
    tokio::time::resume();
    assert_eq!(stage.told(stage.push(&[(GITOPS, Some(1), 3)], "")).await[1], "ok refs/heads/gitops");
    tokio::time::pause();
    assert_eq!(noted(), 2 * 61, "one that is taken is always noted");
    tokio::time::advance(60 * MINUTE).await;
    stage.told(wrong).await;
    assert_eq!(noted(), 2 * 62, "the next hour has its own");
}

#[tokio::test]
async fn a_line_of_the_journal_stays_of_measure_whatever_a_push_names() {
    let stage = Stage::new();
    let strangers: Vec<String> = (0..300).map(|number| format!("refs/heads/{number}")).collect();
    let mut refs: Vec<_> = strangers.iter().map(|name| (name.as_str(), None, 3)).collect();
    refs.extend([(GITOPS, Some(1), 3); 300]);
    stage.told(stage.push(&refs, "")).await;
    let Some(Record { event: Event::Ended { report, .. }, .. }) = stage.journal().pop() else { panic!() };
    let report = report.as_array().unwrap();
    assert_eq!(report.len(), 21, "some strangers, and the branch once");
    assert!(report.iter().all(|told| told["reason"].as_str().is_some_and(|reason| reason.chars().count() <= 256)));
}
