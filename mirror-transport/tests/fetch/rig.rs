//! What the fetch tests share: git without the machine's configuration, its `upload-pack` on pipes, and a server that plays a recording.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mirror_core::name::{BranchName, CommitId, TagPattern};
use mirror_transport::fetch::{FetchRequest, RefPattern, Tags};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// A folder of repositories.
pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes an empty folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// Makes a repository with a work tree.
    pub(crate) fn repository(&self, name: &str) -> Repository {
        self.repository_with(name, &[])
    }

    pub(crate) fn repository_with(&self, name: &str, options: &[&str]) -> Repository {
        let repository = Repository { path: self.folder(name) };
        repository.git(&[&["init", "-q", "-b", "main"], options].concat());
        repository
    }

    /// Makes an empty bare repository.
    pub(crate) fn bare(&self, name: &str) -> Repository {
        self.repository_with(name, &["--bare"])
    }
}

/// One repository.
pub(crate) struct Repository {
    pub(crate) path: PathBuf,
}

impl Repository {
    /// Runs git, which must succeed, and gives what it printed.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = self.try_git(args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn try_git(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// A git command that reads nothing, unless it is told otherwise.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = clean(Command::new("git"));
        command.current_dir(&self.path).args(args).stdin(Stdio::null());
        command
    }

    /// Writes a file and commits it.
    pub(crate) fn commit(&self, file: &str, content: &str) -> CommitId {
        let path = self.path.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", file]);
        self.tip("HEAD")
    }

    /// Puts commits on the current branch that change nothing.
    pub(crate) fn commit_nothing(&self, times: usize) {
        let head = self.try_git(&["rev-parse", "-q", "--verify", "HEAD"]).status.success();
        let mut stream = String::new();
        for number in 0..times {
            let subject = format!("{number} of {}", self.path.display());
            stream += "commit refs/heads/main\ncommitter c <c@example.org> 1700000000 +0000\n";
            stream += &format!("data {}\n{subject}\n", subject.len());
            if number == 0 && head {
                stream += "from refs/heads/main^0\n";
            }
        }
        let mut import = self.command(&["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
        import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
        assert!(import.wait().unwrap().success());
    }

    pub(crate) fn tip(&self, name: &str) -> CommitId {
        CommitId::from_hex(&self.git(&["rev-parse", name])).unwrap()
    }

    /// A history with deltas, tags, and files large and small.
    pub(crate) fn fill(&self, commits: usize) {
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
    pub(crate) fn count(&self, tip: &str) -> usize {
        self.git(&["rev-list", "--objects", tip]).lines().count()
    }

    /// The object store, as the cache hands it to a fetch.
    pub(crate) fn odb(&self) -> gix_odb::HandleArc {
        let git = if self.path.join(".git").is_dir() { self.path.join(".git") } else { self.path.clone() };
        gix_odb::at(git.join("objects"), gix_hash::Kind::Sha1).unwrap().into_arc().unwrap()
    }

    /// Takes a received pack into the repository.
    pub(crate) fn install(&self, folder: &Path) {
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), self.path.join("objects/pack").join(file.file_name())).unwrap();
        }
    }

    pub(crate) fn upload_pack(&self, protocol: Protocol) -> Served {
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
pub(crate) enum Protocol {
    V0,
    V1,
    V2,
}

/// A running `git upload-pack`.
pub(crate) struct Served {
    pub(crate) read: ChildStdout,
    pub(crate) write: ChildStdin,
    pub(crate) child: Child,
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

pub(crate) fn branch(name: &str) -> RefPattern {
    RefPattern::Exact(BranchName::parse(name).unwrap().ref_name())
}

pub(crate) fn tags(pattern: &str) -> RefPattern {
    RefPattern::Tags(TagPattern::parse(pattern).unwrap())
}

pub(crate) fn request(wants: &[CommitId], from: &[CommitId], into: &Path) -> FetchRequest {
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
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A pkt-line.
pub(crate) fn pkt(payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [format!("{:04x}", payload.len() + 4).as_bytes(), payload].concat()
}

/// A server that plays a recording, whatever is said to it.
pub(crate) struct Player {
    pub(crate) read: ReadHalf<DuplexStream>,
    pub(crate) write: WriteHalf<DuplexStream>,
    /// What was said to it, once the channel is closed.
    pub(crate) heard: tokio::task::JoinHandle<Vec<u8>>,
}

pub(crate) fn playing(bytes: Vec<u8>) -> Player {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let heard = tokio::spawn(async move {
        let (mut hear, mut say) = tokio::io::split(theirs);
        let speak = async move {
            // The other side may have heard enough.
            let _ = say.write_all(&bytes).await;
            let _ = say.shutdown().await;
        };
        let mut heard = Vec::new();
        let listen = hear.read_to_end(&mut heard);
        let _ = tokio::join!(speak, listen);
        heard
    });
    let (read, write) = tokio::io::split(ours);
    Player { read, write, heard }
}

/// What `git upload-pack` said in a conversation, as it was recorded.
pub(crate) fn recording(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fetch/recordings").join(name)).unwrap()
}

/// The newest commit of the recorded repository.
pub(crate) fn recorded_tip() -> CommitId {
    CommitId::from_hex("618f73df23394f522fe462ff8def15146099e734").unwrap()
}

/// Shows a conversation line by line.
pub(crate) fn readable(mut wire: &[u8]) -> String {
    let mut text = String::new();
    while !wire.is_empty() {
        let length = usize::from_str_radix(std::str::from_utf8(&wire[..4]).unwrap(), 16).unwrap();
        let payload = &wire[4.min(length)..length.max(4)];
        let shown = payload.strip_suffix(b"\n").unwrap_or(payload).escape_ascii().to_string();
        text.push_str(match length {
            0 => "(flush)",
            1 => "(delimiter)",
            _ => &shown,
        });
        text.push('\n');
        wire = &wire[length.max(4)..];
    }
    text
}
