//! The fixture of a figure: upstream on the real `sshd` behind a CONNECT proxy, our side and git's side over the same connection.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mirror_tests::proxy::embedded::ProxyRecord;
use mirror_tests::sandbox::{GitSandbox, Repository};
use mirror_tests::world::{HostKind, ProxyKind, REPOSITORY, World};

use super::meter::{self, Usage};
use crate::run::Outcome;

/// The default prefix of snapshots.
pub(super) const SNAPSHOTS: &str = "refs/mirror/snapshots";
/// The snapshot group of the one lane of a [`World`].
pub(super) const GROUP: &str = "app";

/// What both sides share.
pub(super) struct Fixture {
    world: World,
    program: PathBuf,
}

impl Fixture {
    /// Makes a fixture with an empty upstream.
    pub(super) fn new(program: &Path, proxy: ProxyKind) -> Self {
        Self { world: World::builder().host(HostKind::OpenSsh).proxy(proxy).build(), program: program.to_owned() }
    }

    /// Gives the sandbox that holds everything.
    pub(super) fn sandbox(&self) -> &GitSandbox {
        self.world.sandbox()
    }

    /// Gives the upstream that the fixture began with.
    pub(super) fn upstream(&self) -> &Repository {
        self.world.upstream()
    }

    /// Makes a repository anywhere on this machine the upstream of our side, and gives its URL.
    pub(super) fn use_upstream(&mut self, upstream: &Repository) -> String {
        let url = self.world.url(upstream);
        self.world.configure(|config| config["repositories"][REPOSITORY]["upstream"] = url.clone().into());
        url
    }

    /// Gives our program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Changes the configuration and writes it anew.
    pub(super) fn configure(&mut self, change: impl FnOnce(&mut serde_json::Value)) {
        self.world.configure(change);
    }

    /// Gives the configuration file.
    pub(super) fn config_file(&self) -> PathBuf {
        self.world.config_file()
    }

    /// Writes a configuration of its own for another folder of caches, and gives its file.
    pub(super) fn settings(&mut self, name: &str, caches: &Path) -> PathBuf {
        self.world.configure(|config| config["nodes"]["local"]["cache"] = caches.display().to_string().into());
        let text = std::fs::read(self.world.config_file()).expect("because the world has just written it");
        self.sandbox().write(&format!("{name}.yaml"), text)
    }

    /// Gives the URL of a repository.
    pub(super) fn url(&self, repository: &Repository) -> String {
        self.world.url(repository)
    }

    /// Gives a cache of our side in a folder of caches.
    pub(super) fn cache_in(&self, folder: &Path) -> Repository {
        Repository::at(&folder.join(format!("{REPOSITORY}.git")), self.sandbox().git())
    }

    /// Gives our side's cache.
    pub(super) fn cache(&self) -> Repository {
        self.world.cache()
    }

    /// Gives a folder of the sandbox that does not exist yet.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.sandbox().path().join(name)
    }

    /// Makes the proxy delay what goes through new tunnels.
    pub(super) fn set_round_trip(&self, round_trip: Duration) {
        self.world.proxy().set_round_trip(round_trip);
    }

    /// Gives what went through the embedded proxy, once all its tunnels are over.
    pub(super) fn through_the_proxy(&self) -> ProxyRecord {
        self.world.proxy().wait(|record| record.tunnels.iter().all(|tunnel| tunnel.ended))
    }

    /// Measures one run of our program, as it ships; it has to end with 0.
    pub(super) fn mirror(&self, words: &[&str]) -> Outcome<Usage> {
        self.mirror_by(&self.world.config_file(), words)
    }

    /// Runs the maintenance of our cache, which needs git.
    pub(super) fn maintain(&self) -> Outcome {
        let mut command = self.sandbox().git().program(&self.program, self.sandbox().path());
        command.arg("-f").arg(self.world.config_file()).args(["maintain", "--confirm", "--wait"]);
        meter::run(&command)?.well("git-mirror maintain").map(drop)
    }

    /// Measures one run of our program with another configuration; it has to end with 0.
    pub(super) fn mirror_by(&self, settings: &Path, words: &[&str]) -> Outcome<Usage> {
        let mut command = self.sandbox().git().program(&self.program, self.sandbox().path());
        command.env("PATH", "").arg("-f").arg(settings).args(words);
        Ok(meter::run(&command)?.well(&format!("git-mirror {}", words.join(" ")))?.usage)
    }

    /// Measures one run of git over the same connection to upstream; it has to end with 0.
    pub(super) fn git(&self, folder: &Path, words: &[&str]) -> Outcome<Usage> {
        let command = self.world.git(folder, words.iter().copied());
        Ok(meter::run(&command)?.well(&format!("git {}", words.join(" ")))?.usage)
    }

    /// Measures several runs of git, one after the other, as one.
    pub(super) fn gits(&self, folder: &Path, each: &[&[&str]]) -> Outcome<Usage> {
        let mut sum = Usage { wall: 0.0, cpu: 0.0, peak: 0.0 };
        for words in each {
            let usage = self.git(folder, words)?;
            sum.wall += usage.wall;
            sum.cpu += usage.cpu;
            sum.peak = sum.peak.max(usage.peak);
        }
        Ok(sum)
    }
}

/// Copies a folder with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) -> Outcome {
    crate::run::run(std::process::Command::new("cp").arg("-a").arg(from).arg(to))
}
