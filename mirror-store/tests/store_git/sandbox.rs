//! A folder of its own for each test, with a git that knows nothing of the machine it runs on.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mirror_core::name::{BranchName, CommitId, RefName};
use mirror_core::sync::RefEdit;
use mirror_store::{Cache, ClosedPack, ClosureError, Operation, Tip};

pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().unwrap() };
        sandbox.git(&sandbox.path(""), &["init", "-q", "--bare", "-b", "main", "upstream.git"]);
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn upstream(&self) -> PathBuf {
        self.path("upstream.git")
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache::open_or_create(&self.path("cache.git"), &BranchName::parse("main").unwrap()).unwrap()
    }

    /// Runs git, which has to succeed, and gives what it prints.
    pub(crate) fn git(&self, folder: &Path, args: &[&str]) -> String {
        self.git_with(folder, args, b"")
    }

    pub(crate) fn git_with(&self, folder: &Path, args: &[&str], input: &[u8]) -> String {
        let (is_ok, out, err) = self.try_git(folder, args, input);
        assert!(is_ok, "git {args:?}: {err}");
        out.trim_end().to_owned()
    }

    pub(crate) fn try_git(&self, folder: &Path, args: &[&str], input: &[u8]) -> (bool, String, String) {
        let mut child = Command::new("git")
            .args(args)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.org")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_NAME", "C")
            .env("GIT_COMMITTER_EMAIL", "c@example.org")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let out = child.wait_with_output().unwrap();
        // A git that fails early does not read its input to the end.
        let _ = writer.join().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (out.status.success(), text(out.stdout), text(out.stderr))
    }

    /// Makes a line of commits upstream, each changing one file of a tree of some depth, and gives their ids.
    pub(crate) fn commits(&self, branch: &str, count: usize) -> Vec<CommitId> {
        let mut stream = String::new();
        let exists =
            self.try_git(&self.upstream(), &["rev-parse", "--verify", "-q", &format!("refs/heads/{branch}")], b"").0;
        for number in 0..count {
            let content =
                (0..60).map(|line| format!("{branch} line {line} of {}\n", (line + number) % 7)).collect::<String>();
            let date = 1_700_000_000 + number;
            stream += &format!("commit refs/heads/{branch}\ncommitter C <c@example.org> {date} +0000\ndata 2\nm\n");
            if number == 0 && exists {
                stream += &format!("from refs/heads/{branch}^0\n");
            }
            let path = format!("folder-{}/deep/file-{}", number % 5, number % 11);
            stream += &format!("M 100644 inline {path}\ndata {}\n{content}\n", content.len());
        }
        self.git_with(&self.upstream(), &["fast-import", "--quiet"], stream.as_bytes());
        let range = format!("-{count}");
        let log = self.git(&self.upstream(), &["rev-list", "--reverse", &range, &format!("refs/heads/{branch}")]);
        log.lines().map(id).collect()
    }

    /// Has git make a pack of an explicit list of objects in the quarantine of an operation.
    pub(crate) fn pack_of(&self, operation: &Operation, objects: &str) -> (PathBuf, PathBuf) {
        self.pack(operation, &["--depth=50", "--window=50"], objects)
    }

    fn pack(&self, operation: &Operation, args: &[&str], input: &str) -> (PathBuf, PathBuf) {
        let base = operation.quarantine().join("pack");
        let base = base.to_str().unwrap();
        let args = [&["pack-objects", "-q"], args, &[base]].concat();
        let hash = self.git_with(&self.upstream(), &args, input.as_bytes());
        (PathBuf::from(format!("{base}-{hash}.pack")), PathBuf::from(format!("{base}-{hash}.idx")))
    }

    /// Brings commits and all they refer to into the store, as a fetch does.
    pub(crate) fn bring(
        &self,
        operation: &Operation,
        tips: &[CommitId],
        known: &[CommitId],
    ) -> Result<(), ClosureError> {
        let closed = self.closed(operation, tips, known)?;
        operation.install(closed).map_err(ClosureError::from)
    }

    pub(crate) fn closed(
        &self,
        operation: &Operation,
        tips: &[CommitId],
        known: &[CommitId],
    ) -> Result<ClosedPack, ClosureError> {
        let wants = tips.iter().map(|tip| format!("{tip}\n")).chain(known.iter().map(|known| format!("^{known}\n")));
        let (pack, index) = self.pack(operation, &["--revs", "--delta-base-offset"], &wants.collect::<String>());
        let tips: Vec<Tip> = tips.iter().copied().map(Tip::Branch).collect();
        operation.verify_closed(&pack, &index, &tips)
    }

    pub(crate) fn fsck(&self, cache: &Cache) {
        let (is_ok, out, err) = self.try_git(cache.path(), &["fsck", "--strict", "--full"], b"");
        assert!(is_ok, "{out}{err}");
        let complaints: Vec<&str> = out
            .lines()
            .chain(err.lines())
            .filter(|line| !line.starts_with("dangling ") && !line.starts_with("notice:"))
            .collect();
        assert!(complaints.is_empty(), "{complaints:?}");
    }

    /// Gives the refs as git sees them.
    pub(crate) fn refs(&self, cache: &Cache) -> Vec<String> {
        let refs = self.git(cache.path(), &["for-each-ref", "--format=%(refname) %(objectname)"]);
        refs.lines().map(ToOwned::to_owned).collect()
    }
}

pub(crate) fn id(hex: &str) -> CommitId {
    CommitId::from_hex(hex.trim()).unwrap()
}

pub(crate) fn name(text: &str) -> RefName {
    RefName::parse(text).unwrap()
}

pub(crate) fn create(at: &str, new: CommitId) -> RefEdit {
    RefEdit::Create { name: name(at), new }
}

pub(crate) fn update(at: &str, expected: CommitId, new: CommitId) -> RefEdit {
    RefEdit::Update { name: name(at), expected, new }
}

/// Lists all files below a folder, with what tells a changed one.
pub(crate) fn listing(folder: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let seen = std::fs::symlink_metadata(&path).unwrap();
            found.push(format!("{} {} {} {}", path.display(), seen.ino(), seen.len(), seen.mtime_nsec()));
            if seen.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}
