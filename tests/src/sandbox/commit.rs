//! A commit on a branch in one run of `git fast-import`, without a work tree.

use std::collections::BTreeMap;

use mirror_core::name::CommitId;

use super::repository::{Repository, commit_id};

/// Describes one commit; [`CommitBuilder::make`] writes it and moves the branch.
#[derive(Debug)]
#[must_use = "nothing is written before `make`"]
pub struct CommitBuilder<'r> {
    repository: &'r Repository,
    branch: String,
    parent: Parent,
    message: String,
    files: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug)]
enum Parent {
    Tip,
    Commit(CommitId),
    None,
}

impl<'r> CommitBuilder<'r> {
    pub(super) fn new(repository: &'r Repository, branch: &str) -> Self {
        let message = format!("A commit on {branch}\n");
        Self { repository, branch: branch.to_owned(), parent: Parent::Tip, message, files: BTreeMap::new() }
    }

    /// Adds or replaces a file.
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), content.into());
        self
    }

    /// Sets the message.
    pub fn message(mut self, message: &str) -> Self {
        self.message = message.to_owned();
        self
    }

    /// Puts the commit on top of another one than the branch's tip; the branch then moves there whatever it was.
    pub fn on(mut self, parent: CommitId) -> Self {
        self.parent = Parent::Commit(parent);
        self
    }

    /// Makes a commit without a parent; the branch then moves there whatever it was.
    pub fn root(mut self) -> Self {
        self.parent = Parent::None;
        self
    }

    /// Writes the commit, moves the branch, and gives the commit's id.
    ///
    /// # Panics
    /// Where git refuses.
    pub fn make(self) -> CommitId {
        let git = self.repository.git();
        let second = git.next_second();
        let reference = format!("refs/heads/{}", self.branch);
        let from = match self.parent {
            Parent::Tip => self.repository.rev(&reference),
            Parent::Commit(id) => Some(id),
            Parent::None => None,
        };
        let mut stream = Vec::new();
        let mut put = |bytes: &[u8]| stream.extend_from_slice(bytes);
        // Without a `from`, fast-import continues an existing branch; the reset makes it forget that.
        put(format!("reset {reference}\n").as_bytes());
        put(format!("commit {reference}\nmark :1\ncommitter Ada Rig <ada@example.invalid> {second} +0000\n").as_bytes());
        put(format!("data {}\n{}\n", self.message.len(), self.message).as_bytes());
        if let Some(from) = from {
            put(format!("from {from}\n").as_bytes());
        }
        for (path, content) in &self.files {
            put(format!("M 100644 inline {path}\ndata {}\n", content.len()).as_bytes());
            put(content);
            put(b"\n");
        }
        put(b"\nget-mark :1\ndone\n");
        let printed = git.run_with(self.repository.path(), ["fast-import", "--quiet", "--force", "--done"], &stream);
        commit_id(&printed)
    }
}
