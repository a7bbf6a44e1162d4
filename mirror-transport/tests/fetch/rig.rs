//! What the fetch tests share: git without the machine's configuration, its `upload-pack` on pipes, and a server that plays a recording.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mirror_core::name::{BranchName, CommitId, RefName, TagPattern};
use mirror_transport::fetch::{FetchRequest, RefPattern, Tags};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// A folder of repositories.
pub struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes an empty folder.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// Makes a repository with a work tree.
    pub fn repository(&self, name: &str) -> Repository {
        self.repository_with(name, &[])
    }

    pub fn repository_with(&self, name: &str, options: &[&str]) -> Repository {
        let repository = Repository { path: self.folder(name) };
        repository.git(&[&["init", "-q", "-b", "main"], options].concat());
        repository
    }

    /// Makes an empty bare repository.
    pub fn bare(&self, name: &str) -> Repository {
        self.repository_with(name, &["--bare"])
    }
}

/// One repository.
pub struct Repository {
    pub path: PathBuf,
}

impl Repository {
    /// Runs git, which must succeed, and gives what it printed.
    pub fn git(&self, args: &[&str]) -> String {
        let output = self.try_git(args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub fn try_git(&self, args: &[&str]) -> Output {
        clean(Command::new("git")).current_dir(&self.path).args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Writes a file and commits it.
    pub fn commit(&self, file: &str, content: &str) -> CommitId {
        let path = self.path.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", file]);
        self.tip("HEAD")
    }

    pub fn tip(&self, name: &str) -> CommitId {
        CommitId::from_hex(&self.git(&["rev-parse", name])).unwrap()
    }

    /// A history with deltas, tags, and files large and small.
    pub fn fill(&self, commits: usize) {
        let mut text: Vec<String> =
            (0..400).map(|line| format!("line {line} of a file that changes little\n")).collect();
        for commit in 0..commits {
            text[commit % 400] = format!("commit {commit} was here\n");
            std::fs::create_dir_all(self.path.join("src/deep")).unwrap();
            std::fs::write(self.path.join("src/deep/changing.txt"), text.concat()).unwrap();
            self.commit(&format!("src/file-{}.txt", commit % 7), &format!("content {commit}\n"));
        }
        self.git(&["tag", "-a", "v1", "-m", "one", "HEAD~1"]);
        self.git(&["tag", "light", "HEAD"]);
    }

    /// The number of objects reachable from a commit.
    pub fn count(&self, tip: &str) -> usize {
        self.git(&["rev-list", "--objects", tip]).lines().count()
    }

    /// The object store, as the cache hands it to a fetch.
    pub fn odb(&self) -> gix_odb::HandleArc {
        let git = if self.path.join(".git").is_dir() { self.path.join(".git") } else { self.path.clone() };
        gix_odb::at(git.join("objects"), gix_hash::Kind::Sha1).unwrap().into_arc().unwrap()
    }

    /// Takes a received pack into the repository.
    pub fn install(&self, folder: &Path) {
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), self.path.join("objects/pack").join(file.file_name())).unwrap();
        }
    }

    pub fn upload_pack(&self, protocol: Protocol) -> Served {
        let mut command = tokio::process::Command::from(clean(Command::new("git")));
        if let Protocol::V2 = protocol {
            command.env("GIT_PROTOCOL", "version=2");
        }
        if let Protocol::V1 = protocol {
            command.env("GIT_PROTOCOL", "version=1");
        }
        command.arg("upload-pack").arg(&self.path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Served { read: child.stdout.take().unwrap(), write: child.stdin.take().unwrap(), child }
    }
}

/// The version that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    V0,
    V1,
    V2,
}

/// A running `git upload-pack`.
pub struct Served {
    pub read: ChildStdout,
    pub write: ChildStdin,
    pub child: Child,
}

impl Served {
    /// What it printed to stderr, once it has ended.
    pub async fn stderr(mut self) -> String {
        drop((self.read, self.write));
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
        text
    }
}

fn clean(mut command: Command) -> Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("LC_ALL", "C")
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "a")
        .env("GIT_AUTHOR_EMAIL", "a@example.org")
        .env("GIT_AUTHOR_DATE", "1700000000 +0000")
        .env("GIT_COMMITTER_NAME", "c")
        .env("GIT_COMMITTER_EMAIL", "c@example.org")
        .env("GIT_COMMITTER_DATE", "1700000000 +0000");
    command
}

pub fn branch(name: &str) -> RefPattern {
    RefPattern::Exact(BranchName::parse(name).unwrap().ref_name())
}

pub fn exact(name: &str) -> RefPattern {
    RefPattern::Exact(RefName::parse(name).unwrap())
}

pub fn tags(pattern: &str) -> RefPattern {
    RefPattern::Tags(TagPattern::parse(pattern).unwrap())
}

pub fn request(wants: &[CommitId], from: &[CommitId], into: &Path) -> FetchRequest {
    FetchRequest {
        wants: wants.to_vec(),
        negotiate_from: from.to_vec(),
        commit_graph: None,
        into: into.to_owned(),
        tags: Tags::Leave,
        watch: None,
    }
}

/// The files in a folder.
pub fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A pkt-line.
pub fn pkt(payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [format!("{:04x}", payload.len() + 4).as_bytes(), payload].concat()
}

/// Plays a recording to whoever connects, whatever that one says.
pub fn playing(bytes: Vec<u8>) -> (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        let (mut hear, mut say) = tokio::io::split(theirs);
        let speak = async move {
            // The other side may have heard enough.
            let _ = say.write_all(&bytes).await;
            let _ = say.shutdown().await;
        };
        let listen = async move { tokio::io::copy(&mut hear, &mut tokio::io::sink()).await };
        let _ = tokio::join!(speak, listen);
    });
    tokio::io::split(ours)
}
