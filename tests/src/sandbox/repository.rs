//! One repository, and what suites ask of it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use mirror_core::name::CommitId;

use super::commit::CommitBuilder;
use super::git::{Answer, Git};
use crate::deadline;

/// A repository on disk, bare or with a work tree, and the git to ask about it.
#[derive(Debug, Clone)]
pub struct Repository {
    path: PathBuf,
    git: Git,
}

impl Repository {
    /// Names the repository at `path`, without reading it.
    pub fn at(path: &Path, git: &Git) -> Self {
        Self { path: path.to_owned(), git: git.clone() }
    }

    /// Gives its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the git that asks about it.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// Runs git in it to its good end and gives what it printed.
    ///
    /// # Panics
    /// Where it ends otherwise.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        self.git.run(&self.path, arguments)
    }

    /// Runs git in it to its end, whatever that is.
    pub fn ask<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Answer {
        self.git.ask(&self.path, arguments)
    }

    /// Starts a commit on a branch: on top of its tip, or a first one.
    pub fn commit(&self, branch: &str) -> CommitBuilder<'_> {
        CommitBuilder::new(self, branch)
    }

    /// Gives the commit that a ref or another revision names, if there is one.
    pub fn rev(&self, revision: &str) -> Option<CommitId> {
        let answer = self.ask(["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")]);
        answer.status.success().then(|| commit_id(&answer.text()))
    }

    /// Gives the tip of a branch, if it exists.
    pub fn branch(&self, branch: &str) -> Option<CommitId> {
        self.rev(&format!("refs/heads/{branch}"))
    }

    /// Gives all refs and what they point at, tags unpeeled.
    pub fn refs(&self) -> BTreeMap<String, CommitId> {
        self.refs_under("refs/")
    }

    /// Gives the refs below a prefix and what they point at, tags unpeeled.
    pub fn refs_under(&self, prefix: &str) -> BTreeMap<String, CommitId> {
        let listed = self.run(["for-each-ref", "--format=%(objectname) %(refname)", prefix]);
        let pair = |line: &str| line.split_once(' ').map(|(id, name)| (name.to_owned(), commit_id(id)));
        listed.lines().filter_map(pair).collect()
    }

    /// Whether `older` is an ancestor of `newer`, or the same.
    ///
    /// # Panics
    /// Where one of them is not here.
    pub fn is_ancestor(&self, older: CommitId, newer: CommitId) -> bool {
        let answer = self.ask(["merge-base", "--is-ancestor", &older.to_string(), &newer.to_string()]);
        match answer.status.code() {
            Some(0) => true,
            Some(1) => false,
            _ => panic!("{older} or {newer} is not in {}: {}", self.path.display(), answer.stderr),
        }
    }

    /// Whether an object is here.
    pub fn has(&self, id: CommitId) -> bool {
        self.ask(["cat-file", "-e", &id.to_string()]).status.success()
    }

    /// Sets a ref to a commit, whatever it was: what an upstream's owner may do.
    pub fn set_ref(&self, name: &str, to: CommitId) {
        self.run(["update-ref", name, &to.to_string()]);
    }

    /// Deletes a ref: what an upstream's owner may do.
    pub fn delete_ref(&self, name: &str) {
        self.run(["update-ref", "-d", name]);
    }

    /// Proves that git finds no fault in it.
    ///
    /// # Panics
    /// With git's output, where it finds one.
    pub fn fsck(&self) {
        let answer = self.ask(["fsck", "--full", "--strict", "--no-dangling"]);
        assert!(answer.status.success(), "fsck of {} finds: {}{}", self.path.display(), answer.text(), answer.stderr);
    }

    /// Gives the content of a file at a revision, if there is one.
    pub fn file(&self, revision: &str, path: &str) -> Option<Vec<u8>> {
        let answer = self.ask(["cat-file", "blob", &format!("{revision}:{path}")]);
        answer.status.success().then_some(answer.stdout)
    }

    /// Gives it a hook: a script of the shell. A child writes it, so that no other test's child holds it open for writing, which would
    /// keep it from being run.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn hook(&self, name: &str, script: &str) {
        const WRITE: &str = "mkdir -p hooks && cat >hooks/new && chmod 755 hooks/new && mv hooks/new \"hooks/$1\"";
        let mut write = self.git.program("sh", &self.path);
        let written =
            deadline::finish(write.args(["-c", WRITE, "sh", name]), format!("#!/bin/sh\n{script}\n").as_bytes());
        assert!(written.status.success(), "the hook {name}: {}", String::from_utf8_lossy(&written.stderr));
    }

    /// Sets a configuration value of this repository.
    pub fn configure(&self, key: &str, value: &str) {
        self.run(["config", key, value]);
    }
}

pub(crate) fn commit_id(hex: &str) -> CommitId {
    CommitId::from_hex(hex).unwrap_or_else(|error| panic!("git printed no commit id: {error}"))
}
