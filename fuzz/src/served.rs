//! The server on a small cache, made once in a process, and what must hold of that cache whatever was asked.
//!
//! The server runs on the thread of the target, whenever that waits for an answer. A panic in one of its tasks ends the process: the hook that
//! `libfuzzer-sys` sets aborts.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arbitrary::Arbitrary;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use mirror_core::config;
use mirror_core::name::BranchName;
use mirror_engine::node::{Base, LocalNode};
use mirror_engine::stop::Stop;
use mirror_server::tokens::{self, TokenTerms};
use mirror_server::{ServePlan, Server};
use mirror_store::Cache;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::http::{Reply, replies};

/// The branch that is pushed to.
pub const GITOPS: &str = "refs/heads/gitops";
/// How long one conversation may take; less than any deadline of the server, which nothing here may come to.
const LONGEST: Duration = Duration::from_secs(25);
/// How long a connection may be quiet before nothing more is said on it.
const QUIET: Duration = Duration::from_millis(10);
/// No connection gives more.
const LARGEST: usize = 64 << 20;

const CONFIG: &str = "
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories: { app: { upstream: 'git@github.com:octo/app.git' } }
nodes:
  here:
    cache: ./caches
    githubTransport: { identity: { file: ./key } }
    serve:
      readers: open
      tokens: { file: ./tokens.yaml }
      schedule: { maintainEvery: never }
      freeSpace: { stop: 1KiB, resume: 1KiB }
    lanes:
      main: { repository: app, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }
";

/// When the client of a conversation stops talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// With its last byte.
    AtOnce,
    /// When the server has been quiet for some time.
    WhenQuiet,
    /// When the server closes.
    Never,
}

/// One of the objects that there are, or one that is not.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Id {
    /// A commit of the cache, the tag or a tree; the last two commits of `gitops` are in a pack of their own, and not in the cache at first.
    Known(u8),
    /// All zeros.
    None,
    /// Another.
    Other([u8; 20]),
}

/// The server, and what it serves.
#[derive(Debug)]
pub struct Served {
    runtime: Runtime,
    address: SocketAddr,
    token: SecretString,
    folder: TempDir,
    cache: PathBuf,
    objects: Vec<String>,
    /// The pack of what `gitops` gets by a good push.
    pub pack: Vec<u8>,
}

static SERVED: LazyLock<Served> =
    LazyLock::new(|| Served::make().expect("because a temporary folder can be written to"));

impl Served {
    /// The number of the commit at which `main` is.
    pub const MAIN: u8 = 3;
    /// The number of the commit at which `gitops` is.
    pub const TIP: u8 = 5;
    /// The number of the commit at the end of [`pack`](Self::pack).
    pub const PUSHED: u8 = 7;

    /// Gives the one server of this process.
    pub fn get() -> &'static Self {
        &SERVED
    }

    /// Says bytes on a connection of their own, and gives all that comes until the server closes it.
    ///
    /// # Panics
    /// Where it does not close in time, or gives without measure.
    pub fn exchange(&self, bytes: &[u8], closing: Closing) -> Vec<u8> {
        let conversation = async {
            let mut stream = TcpStream::connect(self.address).await.expect("because the server listens");
            // Who is refused early cannot say all of it.
            let _ = stream.write_all(bytes).await;
            let mut is_open = closing != Closing::AtOnce;
            if !is_open {
                let _ = stream.shutdown().await;
            }
            let mut came = Vec::new();
            loop {
                let reading = stream.read_buf(&mut came);
                let read = match is_open && closing == Closing::WhenQuiet {
                    false => reading.await,
                    true => match timeout(QUIET, reading).await {
                        Ok(read) => read,
                        Err(_) => {
                            let _ = stream.shutdown().await;
                            is_open = false;
                            continue;
                        }
                    },
                };
                assert!(came.len() < LARGEST, "an answer without measure");
                match read {
                    Ok(1..) => {}
                    // A server that closes before it has read everything resets the connection.
                    Ok(0) | Err(_) => break,
                }
            }
            // Leaves no port in use behind it.
            let _ = stream.set_zero_linger();
            came
        };
        let ended = self.runtime.block_on(async { timeout(LONGEST, conversation).await });
        ended.expect("the server does not end a conversation")
    }

    /// Posts a body to a service of the repository; `headers` are whole lines.
    ///
    /// # Panics
    /// Where not exactly one answer comes; it may be cut off.
    pub fn post<T>(&self, service: &str, headers: &str, body: &[u8], judge: impl FnOnce(&Reply<'_>) -> T) -> T {
        let kind = format!("application/x-{service}-request");
        let length = body.len();
        let head = format!(
            "POST /app.git/{service} HTTP/1.1\r\nHost: mirror.test\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n"
        );
        let came = self.exchange(&[head.as_bytes(), body].concat(), Closing::Never);
        let replies = replies(&came);
        let [reply] = &replies[..] else { panic!("{} answers to one request", replies.len()) };
        reply.assert_presentable();
        judge(reply)
    }

    /// Gives the line of a header that names the writer.
    pub fn authorization(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token.expose_secret())
    }

    /// Asserts that the server is well.
    ///
    /// # Panics
    /// Where it is not.
    pub fn assert_healthy(&self) {
        let came = self.exchange(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Closing::Never);
        assert_eq!(replies(&came).first().map(|reply| reply.status), Some(200));
    }

    /// Gives the digits of an id.
    pub fn hex(&self, id: Id) -> String {
        match id {
            Id::Known(number) => self.objects[usize::from(number) % self.objects.len()].clone(),
            Id::None => "0".repeat(40),
            Id::Other(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// Reads the refs of the cache, from their files.
    pub fn refs(&self) -> BTreeMap<String, String> {
        let mut refs = BTreeMap::new();
        let packed = fs::read_to_string(self.cache.join("packed-refs")).unwrap_or_default();
        for line in packed.lines().filter(|line| !line.starts_with(['#', '^'])) {
            let (value, name) = line.split_once(' ').expect("because git wrote it");
            refs.insert(name.to_owned(), value.to_owned());
        }
        for file in files(&self.cache.join("refs")) {
            let name = file.strip_prefix(&self.cache).expect("because it is below").to_string_lossy().into_owned();
            let value = fs::read_to_string(&file).unwrap_or_default();
            refs.insert(name, value.trim_end().to_owned());
        }
        refs
    }

    /// Puts `gitops` back, so that every input finds the same cache.
    pub fn put_back(&self, value: &str) {
        self.git(&["update-ref", GITOPS, value], b"");
    }

    /// Says whether one commit is another's ancestor, or the same.
    pub fn contains(&self, new: &str, old: &str) -> bool {
        run(&self.cache, &["merge-base", "--is-ancestor", old, new], b"").is_some()
    }

    /// Waits until nothing of a push is left: no folder of an operation, no lock, no half of a pack.
    ///
    /// # Panics
    /// Where something stays.
    pub fn assert_swept(&self) {
        let swept = async {
            while !self.leftovers().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let ended = self.runtime.block_on(async { timeout(LONGEST, swept).await });
        assert!(ended.is_ok(), "left behind: {:?}", self.leftovers());
    }

    fn leftovers(&self) -> Vec<PathBuf> {
        let operations = fs::read_dir(self.cache.join("git-mirror/op")).into_iter().flatten().flatten();
        let mut left: Vec<PathBuf> = operations.map(|entry| entry.path()).collect();
        let packs = files(&self.cache.join("objects/pack"));
        let refs = files(&self.cache.join("refs")).into_iter().chain([self.cache.join("packed-refs.lock")]);
        left.extend(packs.into_iter().filter(|path| {
            let is = |extension| path.extension().is_some_and(|found| found == extension);
            is("keep")
                || is("pack") && !path.with_extension("idx").exists()
                || !is("pack") && !path.with_extension("pack").exists()
        }));
        left.extend(refs.filter(|path| path.extension().is_some_and(|found| found == "lock") && path.exists()));
        left
    }

    fn make() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let config = config::parse("git-mirror.yaml", CONFIG)?;
        let base = Base { folder: folder.path().to_owned(), home: None, agent: None };
        let node = Arc::new(LocalNode::resolve(&config, &base, "here")?);
        let name = config.repositories.keys().next().ok_or("no repository")?;
        let cache = node.cache(name);
        fs::create_dir_all(&node.caches)?;
        drop(Cache::create(&cache, &BranchName::parse("main")?)?);
        let terms = TokenTerms { name: "writer".parse()?, lanes: None, expires: None, created: Timestamp::UNIX_EPOCH };
        let token = tokens::add(&folder.path().join("tokens.yaml"), terms)?.expose().into();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let plan =
            ServePlan { serve: node.serve()?, node, listen: Some(([127, 0, 0, 1], 0).into()), inherited: Vec::new() };
        let mut served = Self {
            address: plan.listen.ok_or("no address")?,
            runtime,
            token,
            folder,
            cache,
            objects: Vec::new(),
            pack: Vec::new(),
        };
        served.fill();
        let server = served.runtime.block_on(Server::bind(plan))?;
        served.address = server.address();
        served.runtime.spawn(server.run(Stop::new()));
        Ok(served)
    }

    /// Makes four commits of `main`, two of `gitops` and the pack of two more, a tag of each kind, a snapshot, and what nobody may see. The
    /// ids are the same in every process.
    fn fill(&mut self) {
        let work = self.folder.path().join("work.git");
        fs::create_dir(&work).expect("because the folder is new");
        run(&work, &["init", "-q", "--bare", "."], b"").expect("because git is there");
        let mut stream = String::new();
        for (branch, file) in [("main", "source"), ("gitops", "deployed")] {
            for number in 0..4 {
                let date = 1_700_000_000 + number;
                stream += &format!("commit refs/heads/{branch}\ncommitter C <c@example.org> {date} +0000\ndata 2\nm\n");
                stream += &format!("M 100644 inline {file}\ndata 2\n{number}\n\n");
            }
        }
        stream += "tag v1\nfrom refs/heads/main\ntagger C <c@example.org> 1700000009 +0000\ndata 2\nt\n";
        run(&work, &["fast-import", "--quiet"], stream.as_bytes()).expect("because the stream is good");
        let list = |words: &[&str]| {
            let out = run(&work, words, b"").expect("because it is there");
            String::from_utf8(out).expect("because ids are text").lines().map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        let main = list(&["rev-list", "--reverse", "main"]);
        let gitops = list(&["rev-list", "--reverse", "gitops"]);
        let others = list(&["rev-parse", "v1", "main^{tree}", "main:source"]);
        let cache = self.cache.to_str().expect("because it is text");
        let snapshot = format!("{0}:refs/mirror/snapshots/app/main/{0}", main[2]);
        let staged = format!("{}:refs/mirror-stage/heads/main", main[3]);
        let second = format!("{}:{GITOPS}", gitops[1]);
        let refs = ["push", "-q", cache, "main", "v1", "main:refs/tags/light", &second, &snapshot, &staged];
        run(&work, &refs, b"").expect("because the cache takes it");
        let wanted = format!("{}\n^{}\n", gitops[3], gitops[1]);
        let pack = run(&work, &["pack-objects", "-q", "--revs", "--thin", "--stdout"], wanted.as_bytes());
        self.pack = pack.expect("because the objects are there");
        self.objects = [main, gitops, others].concat();
    }

    fn git(&self, words: &[&str], input: &[u8]) -> Vec<u8> {
        run(&self.cache, words, input).unwrap_or_else(|| panic!("git {words:?}"))
    }
}

/// Packs bytes as one gzip member.
pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("because a vector takes everything");
    encoder.finish().expect("because a vector takes everything")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found
}

/// Runs git; `None` where it fails.
fn run(folder: &Path, words: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut git = Command::new("git");
    git.args(words).current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    let mut git = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("because git is there");
    let mut stdin = git.stdin.take().expect("because it is piped");
    stdin.write_all(input).expect("because git reads what it asks for");
    drop(stdin);
    let output = git.wait_with_output().expect("because it runs");
    output.status.success().then_some(output.stdout)
}
