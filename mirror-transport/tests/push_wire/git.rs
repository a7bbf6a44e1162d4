//! Repositories made by git in a temporary folder, free of the machine's configuration.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use mirror_core::name::{CommitId, RefName};
use mirror_store::ObjectHandle;
use tempfile::TempDir;

/// A folder that holds repositories for the time of a test.
pub(crate) struct Sandbox {
    folder: TempDir,
}

/// One bare repository in it.
#[derive(Clone)]
pub(crate) struct Repository {
    pub(crate) path: PathBuf,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Sandbox { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn bare(&self, name: &str) -> Repository {
        let path = self.folder.path().join(name);
        run(git(self.folder.path()).args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&path), b"");
        Repository { path }
    }

    pub(crate) fn copy(&self, from: &Repository, name: &str, refs: &[&str]) -> Repository {
        let to = self.bare(name);
        let specs: Vec<String> = refs.iter().map(|name| format!("{name}:{name}")).collect();
        to.git(
            &[
                &["fetch", "--quiet", from.path.to_str().unwrap()],
                specs.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
            ]
            .concat(),
        );
        to
    }
}

/// A git command that sees nothing of this machine but its `PATH`.
pub(crate) fn git(at: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(at).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("HOME", at).env("LC_ALL", "C");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A U Thor").env(format!("GIT_{who}_EMAIL"), "a@example.com");
        command.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    command
}

fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let Output { status, stdout, stderr } = feed(command, input);
    assert!(status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&stderr));
    stdout
}

fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

impl Repository {
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let out = self.git_with(arguments, b"");
        String::from_utf8(out).unwrap().trim_end().to_owned()
    }

    pub(crate) fn git_with(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        run(git(&self.path).args(arguments), input)
    }

    /// Runs git where it may fail.
    pub(crate) fn try_git(&self, arguments: &[&str], input: &[u8]) -> Output {
        feed(git(&self.path).args(arguments), input)
    }

    pub(crate) fn tip(&self, name: &str) -> Option<CommitId> {
        let out = self.try_git(&["rev-parse", "--verify", "--quiet", name], b"");
        out.status.success().then(|| CommitId::from_hex(String::from_utf8(out.stdout).unwrap().trim()).unwrap())
    }

    /// Adds a commit on a branch that changes the given files: path and content, no content for a removal.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, Option<&str>)]) -> CommitId {
        let mut import = Import::new();
        import.commit(branch, self.tip(branch), files);
        self.import(import);
        self.tip(branch).unwrap()
    }

    pub(crate) fn import(&self, import: Import) {
        self.git_with(&["fast-import", "--quiet", "--done"], import.finished().as_bytes());
    }

    pub(crate) fn fsck(&self) {
        let out = self.try_git(&["fsck", "--strict", "--full", "--no-dangling"], b"");
        assert!(
            out.status.success(),
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }

    /// A child writes it, so that no other test's child holds it open for writing, which would keep it from being run.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        const WRITE: &str = "mkdir -p hooks && cat >hooks/new && chmod 755 hooks/new && mv hooks/new \"hooks/$1\"";
        let mut write = Command::new("sh");
        write.current_dir(&self.path).args(["-c", WRITE, "sh", name]);
        run(&mut write, format!("#!/bin/sh\n{script}\n").as_bytes());
    }

    /// A handle to the objects, as the cache gives them.
    pub(crate) fn objects(&self) -> ObjectHandle {
        let objects = self.path.join("objects");
        let none = &mut std::iter::empty();
        let store =
            gix_odb::Store::at_opts(objects, gix_hash::Kind::Sha1, none, gix_odb::store::init::Options::default());
        let handle: gix_odb::HandleArc = Arc::new(store.unwrap()).to_handle_arc().into();
        handle.into()
    }
}

/// A stream for `git fast-import`.
pub(crate) struct Import {
    stream: String,
    time: u32,
}

impl Import {
    pub(crate) fn new() -> Self {
        Import { stream: String::from("feature done\n"), time: 0 }
    }

    pub(crate) fn commit(&mut self, branch: &str, from: Option<CommitId>, files: &[(&str, Option<&str>)]) {
        use std::fmt::Write;
        self.time += 1;
        let time = 1_700_000_000 + self.time;
        let who = format!("A U Thor <a@example.com> {time} +0000");
        let message = format!("change {}", self.time);
        let out = &mut self.stream;
        let data = |text: &str| format!("data {}\n{text}\n", text.len());
        write!(out, "commit {branch}\nauthor {who}\ncommitter {who}\n{}", data(&message)).unwrap();
        if let Some(from) = from {
            writeln!(out, "from {from}").unwrap();
        }
        for (path, content) in files {
            match content {
                Some(content) => write!(out, "M 100644 inline {path}\n{}", data(content)).unwrap(),
                None => writeln!(out, "D {path}").unwrap(),
            }
        }
        out.push('\n');
    }

    /// Makes a branch at what another one is now.
    pub(crate) fn branch(&mut self, name: &str, at: &str) {
        self.stream.push_str(&format!("reset {name}\nfrom {at}\n\n"));
    }

    fn finished(self) -> String {
        self.stream + "done\n"
    }
}

pub(crate) fn ref_name(name: &str) -> RefName {
    RefName::parse(name).unwrap()
}

pub(crate) fn object(id: CommitId) -> gix_hash::ObjectId {
    gix_hash::ObjectId::from(*id.as_bytes())
}
