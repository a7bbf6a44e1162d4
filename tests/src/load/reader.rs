//! Clients that clone, fetch and list.

use std::path::Path;
use std::time::Duration;

use mirror_core::name::CommitId;
use serde_json::Value;

use super::clients::Clients;
use crate::gitclient::{GitClient, Version};
use crate::gogit::GoGit;
use crate::sandbox::{Repository, commit_id};

/// Below this are the snapshots of the lanes of [`crate::world`].
const SNAPSHOTS: &str = "refs/mirror/snapshots/app/main/";

/// What a reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadKind {
    /// All branches and tags, with their history.
    Whole,
    /// The tip of one branch.
    Shallow,
    /// One branch with its history.
    Branch,
    /// All commits and trees, and no file.
    Blobless,
    /// The snapshot of the tip of the source branch, as a build fetches it, after listing the tip.
    Snapshot,
    /// A snapshot that was read before.
    OldSnapshot,
}

impl ReadKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Whole, Self::Shallow, Self::Branch, Self::Blobless, Self::Snapshot, Self::OldSnapshot];
}

impl Clients {
    /// Reads in one way after the other, of one branch after the other, until the stop is over. Every fourth reader speaks version 0.
    ///
    /// # Panics
    /// Where git fails although nothing was disturbed, or what it got is not whole.
    pub fn read_repeatedly(&self, number: usize, readings: &[ReadKind], branches: &[String], pause: Duration) {
        let version = if number.is_multiple_of(4) { Version::V0 } else { Version::V2 };
        let mut round = number;
        while self.pause(pause) {
            round += 1;
            let place = self.folder.join(format!("reader-{number}-{round}.git"));
            // Each way of each branch, whatever their numbers have in common.
            let branch = &branches[round / readings.len() % branches.len()];
            self.read(readings[round % readings.len()], version, branch, &place, round);
            // git removes what it could not finish, unless it was there before.
            drop(std::fs::remove_dir_all(&place));
        }
    }

    fn read(&self, reading: ReadKind, version: Version, branch: &str, place: &Path, round: usize) {
        let client = self.client.clone().speaking(version);
        let target = place.to_string_lossy();
        let branch = format!("--branch={branch}");
        let words: &[&str] = match reading {
            ReadKind::Whole => &[],
            ReadKind::Shallow => &["--depth=1", "--single-branch", &branch],
            ReadKind::Branch => &["--single-branch", &branch],
            ReadKind::Blobless => &["--filter=blob:none"],
            ReadKind::Snapshot | ReadKind::OldSnapshot => {
                let old = (reading == ReadKind::OldSnapshot).then(|| self.remembered(round)).flatten();
                if let Some(tip) = old.or_else(|| self.source_tip(&client)) {
                    self.read_snapshot(&client, version, tip, place);
                }
                return;
            }
        };
        let words = [&["clone", "--quiet", "--bare"], words, &[&self.url, &target]].concat();
        let begun = self.begin();
        if self.succeeded(begun, &client.ask(&self.folder, &words), &format!("{words:?}")) {
            self.came(&Repository::at(place, &self.git));
        }
    }

    fn read_snapshot(&self, client: &GitClient, version: Version, tip: CommitId, place: &Path) {
        self.git.run(&self.folder, ["init", "--quiet", "--bare", &place.to_string_lossy()]);
        // Version 0 lists no snapshots; their commits can be asked for.
        let named = if version == Version::V0 { tip.to_string() } else { format!("{SNAPSHOTS}{tip}") };
        let snapshot = format!("{named}:refs/heads/snapshot");
        let begun = self.begin();
        let fetched = client.ask(place, ["fetch", "--quiet", "--depth=1", &self.url, &snapshot]);
        if self.succeeded(begun, &fetched, "the fetch of a snapshot") {
            let got = Repository::at(place, &self.git);
            assert_eq!(got.branch("snapshot"), Some(tip), "the snapshot of {tip} holds something else");
            self.remember(tip);
            self.came(&got);
        }
    }

    /// Lists the tip of the source branch.
    fn source_tip(&self, client: &GitClient) -> Option<CommitId> {
        let begun = self.begin();
        let listed = client.ask(&self.folder, ["ls-remote", &self.url, "refs/heads/main"]);
        if !self.succeeded(begun, &listed, "ls-remote") {
            return None;
        }
        self.listed();
        let listed = listed.text();
        let (id, _) = listed.split_once('\t').unwrap_or_else(|| panic!("no tip of main in {listed:?}"));
        Some(commit_id(id))
    }

    /// Polls as Argo CD does, and clones the commit that it found as Flux does, until the stop is over.
    ///
    /// # Panics
    /// Where that fails although nothing was disturbed.
    pub fn poll_repeatedly(&self, program: GoGit, number: usize, branches: &[String], pause: Duration) {
        let mut round = number;
        while self.pause(pause) {
            round += 1;
            let branch = &branches[round % branches.len()];
            let begun = self.begin();
            let (succeeded, report) = program.ask(&self.git, &self.folder, &["list", "--url", &self.url]);
            if !succeeded {
                self.excuse(begun, "go-git's list", || report["error"].to_string());
                continue;
            }
            self.listed();
            let tip = &report["refs"][format!("refs/heads/{branch}")];
            let Some(tip) = tip.as_str() else { panic!("{branch} is not in {}", report["refs"]) };
            let place = self.folder.join(format!("poller-{number}-{round}"));
            let folder = place.to_string_lossy();
            let begun = self.begin();
            let words = ["clone-commit", "--url", &self.url, "--folder", &folder, "--commit", tip];
            let (succeeded, report) = program.ask(&self.git, &self.folder, &words);
            if succeeded {
                assert_eq!(report["commit"], Value::from(tip), "another commit was cloned");
                self.cloned([commit_id(tip)]);
            } else {
                self.excuse(begun, "go-git's clone of a commit", || report["error"].to_string());
            }
            drop(std::fs::remove_dir_all(&place));
        }
    }

    /// Asserts that what was cloned is complete, and remembers its tips.
    fn came(&self, got: &Repository) {
        got.fsck();
        let tips = got.refs_under("refs/heads/");
        assert!(!tips.is_empty(), "{}: a clone of nothing", got.path().display());
        self.cloned(tips.into_values());
    }
}
