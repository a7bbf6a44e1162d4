//! Packs of a real git, behind a script that counts its runs and holds them until a test lets them go. What the tests share is here.

mod cached;
mod refused;
mod runs;

use std::future::poll_fn;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::StatusCode;
use mirror_core::config::{ByteSize, FreeSpace, Limits, Serve};
use mirror_core::name::BranchName;
use mirror_engine::space::SpaceGuard;
use mirror_git::pkt::{Band, Decoded, Packet, decode, encode};
use mirror_store::Cache;

use super::Packs;
use crate::http::answer::{Answer, AnswerBody};
use crate::metrics::Metrics;
use crate::read::Version;
use crate::read::refs_cache::RefsCache;
use crate::repositories::ServedRepository;
use crate::testing::{git_of, write_git};

/// A repository, and a server's packs of it.
struct Rig {
    folder: tempfile::TempDir,
    served: Arc<ServedRepository>,
}

/// A server's packs, with what it counts.
struct Running {
    packs: Packs,
    metrics: Arc<Metrics>,
    refs: Arc<RefsCache>,
}

impl Rig {
    /// Makes a repository with some commits, of which the last is only in a snapshot, and the script.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("app.git");
        Cache::create(&place, &BranchName::parse("main").unwrap()).unwrap();
        let rig = Self { served: ServedRepository::at(place, "main"), folder };
        rig.commit("refs/heads/main", "one", &[1; 10]);
        rig.commit("refs/heads/main", "two", &[2; 10]);
        let snapshot = rig.commit("refs/heads/gone", "three", &[3; 10]);
        rig.git(&["update-ref", &format!("refs/mirror/snapshots/app/main/{snapshot}"), &snapshot]);
        rig.git(&["update-ref", "-d", "refs/heads/gone"]);
        rig.script("");
        rig
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the program `git`: it notes that it runs, does something, and becomes git.
    fn script(&self, before: &str) {
        let here = self.folder.path().display();
        let lines =
            format!("[ \"$1\" = version ] && exec $git version\necho $$ >> '{here}/runs'\n{before}\nexec $git \"$@\"");
        write_git(self.folder.path(), &lines);
    }

    /// Has each run of git wait until [`Rig::release`].
    fn hold(&self) {
        let made = Command::new("mkfifo").arg(self.path("gate")).status();
        assert!(made.unwrap().success());
        self.script(&format!("read line < '{}'", self.path("gate").display()));
    }

    /// Lets one run go on, once it waits.
    async fn release(&self) {
        let gate = self.path("gate");
        tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n").unwrap()).await.unwrap();
    }

    /// Waits until a run of git stands at the gate, and lets it stand there.
    async fn wait_for_run(&self) {
        let runs = self.path("runs");
        until(|| runs.exists()).await;
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.path("runs")).unwrap_or_default().lines().count()
    }

    fn git(&self, args: &[&str]) -> String {
        self.git_with(args, b"")
    }

    fn git_with(&self, args: &[&str], input: &[u8]) -> String {
        let (is_ok, out) = run_git(&self.served.path, args, input);
        assert!(is_ok, "git {args:?}");
        out
    }

    fn commit(&self, name: &str, message: &str, content: &[u8]) -> String {
        let mut stream = Vec::new();
        write!(stream, "commit {name}\ncommitter C <c@x> 1700000000 +0000\ndata {}\n{message}\n", message.len())
            .unwrap();
        let parent = run_git(&self.served.path, &["rev-parse", "--verify", "-q", "refs/heads/main"], b"");
        if parent.0 {
            writeln!(stream, "from {}", parent.1).unwrap();
        }
        write!(stream, "M 100644 inline {message}\ndata {}\n", content.len()).unwrap();
        stream.extend_from_slice(content);
        stream.extend_from_slice(b"\n");
        self.git_with(&["fast-import", "--quiet", "--force"], &stream);
        self.git(&["rev-parse", name])
    }

    fn snapshot(&self) -> String {
        self.git(&["for-each-ref", "--format=%(objectname)", "refs/mirror/snapshots"])
    }

    /// Begins a server, which gets the folder of cached packs. A child of another test may hold its lock for as long as it takes from `fork` to `exec`.
    async fn serve_kept(&self) -> Running {
        let mut running = self.serve();
        until(|| {
            if !running.packs.pack_cache.is_cached() {
                running = self.serve();
            }
            running.packs.pack_cache.is_cached()
        })
        .await;
        running
    }

    fn serve(&self) -> Running {
        self.serve_with(|_| {})
    }

    fn serve_with(&self, change: impl FnOnce(&mut Serve)) -> Running {
        let mut serve = Serve::local();
        serve.free_space = FreeSpace { stop: ByteSize::bytes(0), resume: ByteSize::bytes(0) };
        change(&mut serve);
        let guard = Arc::new(SpaceGuard::new(self.folder.path().to_owned(), serve.free_space));
        self.serve_beside(guard, serve)
    }

    /// Begins a server whose disk a guard watches.
    fn serve_beside(&self, guard: Arc<SpaceGuard>, serve: Serve) -> Running {
        let metrics = Arc::new(Metrics::new());
        let packs = Packs::open(git_of(self.folder.path()), &serve, self.folder.path(), guard, Arc::clone(&metrics));
        Running { packs, metrics, refs: Arc::new(RefsCache::of(Arc::clone(&self.served))) }
    }

    /// Proves that a pack is whole, in a repository that has nothing else; gives its objects.
    fn prove(&self, pack: &[u8]) -> Vec<String> {
        let other = tempfile::tempdir().unwrap();
        assert!(run_git(other.path(), &["init", "-q", "--bare", "."], b"").0);
        let (is_ok, _) = run_git(other.path(), &["index-pack", "--stdin", "--strict"], pack);
        assert!(is_ok, "the pack is whole");
        let (_, list) = run_git(other.path(), &["cat-file", "--batch-check=%(objectname)", "--batch-all-objects"], b"");
        list.lines().map(ToOwned::to_owned).collect()
    }

    /// The files of cached packs.
    fn kept(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("pack-cache")).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("lock")).collect()
    }
}

impl Running {
    async fn ask(&self, version: Version, body: &[u8]) -> Answer {
        self.packs.answer(&self.refs, version, body).await
    }

    async fn fetch(&self, version: Version, body: &[u8]) -> Vec<u8> {
        drain(self.ask(version, body).await).await.unwrap()
    }

    /// Waits until no pack is being made.
    async fn idle(&self) {
        until(|| self.counted("git_mirror_packs_running") == 0).await;
    }

    /// Waits until so many packs are kept.
    async fn keeps(&self, packs: u64) {
        until(|| self.counted("git_mirror_pack_cache_entries") == packs).await;
    }

    /// Ends it, once no pack is being made.
    async fn rest(self) {
        self.idle().await;
    }

    /// The value of a line of the metrics.
    fn counted(&self, line: &str) -> u64 {
        let text = self.metrics.text(jiff::Timestamp::now());
        let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("nothing counts {line}")).parse().unwrap()
    }

    fn packs(&self, source: &str) -> u64 {
        self.counted(&format!("git_mirror_packs_total{{source=\"{source}\"}}"))
    }
}

/// Runs git in a repository; whether it succeeded, and what it printed.
fn run_git(place: &Path, args: &[&str], input: &[u8]) -> (bool, String) {
    let mut child = Command::new("git")
        .args(args)
        .current_dir(place)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", place)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_COMMITTER_NAME", "C")
        .env("GIT_COMMITTER_EMAIL", "c@x")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feed = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Waits for a state, for a minute at most.
async fn until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came to that");
        tokio::task::yield_now().await;
    }
}

/// Asks a future once; it has to be waiting.
async fn is_waiting<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// Reads the next part of a stored answer.
async fn part(answer: &mut Answer) -> Option<io::Result<Vec<u8>>> {
    let AnswerBody::File(stored) = answer.body_mut() else { panic!("the answer is stored") };
    let region = poll_fn(|context| stored.poll_region(context)).await?;
    Some(region.map(|region| {
        let mut bytes = vec![0; usize::try_from(region.length).unwrap()];
        region.file.read_exact_at(&mut bytes, region.offset).unwrap();
        bytes
    }))
}

async fn drain(mut answer: Answer) -> io::Result<Vec<u8>> {
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/x-git-upload-pack-result");
    if let AnswerBody::Whole(bytes) = answer.body() {
        return Ok(bytes.to_vec());
    }
    let mut all = Vec::new();
    while let Some(bytes) = part(&mut answer).await {
        all.extend(bytes?);
    }
    Ok(all)
}

fn length(answer: &Answer) -> Option<u64> {
    match answer.body() {
        AnswerBody::File(stored) => stored.length(),
        _ => None,
    }
}

fn v2(lines: &[&str]) -> Vec<u8> {
    v2_of("agent=git/2", lines)
}

fn v2_of(capability: &str, lines: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    for line in ["command=fetch", capability, "object-format=sha1"] {
        encode::data(format!("{line}\n").as_bytes(), &mut body);
    }
    encode::delimiter(&mut body);
    for line in lines {
        encode::data(format!("{line}\n").as_bytes(), &mut body);
    }
    encode::flush(&mut body);
    body
}

fn v0(want: &str) -> Vec<u8> {
    v0_of(want, &[])
}

fn v0_of(want: &str, lines: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    encode::data(format!("want {want} side-band-64k ofs-delta no-progress\n").as_bytes(), &mut body);
    for line in lines {
        encode::data(format!("{line}\n").as_bytes(), &mut body);
    }
    encode::flush(&mut body);
    encode::data(b"done\n", &mut body);
    body
}

/// Takes the pack out of an answer.
fn pack_of(mut answer: &[u8]) -> Vec<u8> {
    let mut pack = Vec::new();
    while !answer.is_empty() {
        let Decoded::Whole { packet, used } = decode(answer).unwrap() else { panic!("the answer is cut") };
        answer = &answer[used..];
        if let Packet::Data(bytes) = packet
            && let Ok(Band::Data(bytes)) = Band::of(bytes)
        {
            pack.extend_from_slice(bytes);
        }
    }
    pack
}

/// Bytes that no compression makes fewer.
fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}
