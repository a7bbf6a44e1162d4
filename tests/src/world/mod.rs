//! A whole world around the real `git-mirror`: upstream, SSH host, proxy, keys, configuration, cache.
//!
//! [`World::builder`] puts it together, [`World::mirror`] runs the program in it. The program's environment holds no `PATH` to any
//! program, so that a verb that ran `git` would fail.
//!
//! ```no_run
//! use mirror_tests::world::{ProxyKind, World};
//!
//! let world = World::builder().proxy(ProxyKind::Embedded).build();
//! let commit = world.upstream().commit("main").file("a.txt", "one\n").make();
//! world.mirror(&["sync", "--confirm"]).expect(0);
//! assert_eq!(world.cache().branch("main"), Some(commit));
//! ```

mod builder;
mod run;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use builder::{HostKind, ProxyKind, WorldBuilder};
pub use run::Run;
use serde_json::Value;

use crate::product;
use crate::proxy::{EmbeddedProxy, Tinyproxy};
use crate::sandbox::{GitSandbox, Repository};
use crate::sshhost::{EmbeddedHost, HostAddress, OpenSshHost, SshClient};

/// The name of the repository that every world has.
pub const REPOSITORY: &str = "app";

/// Everything that `git-mirror` on a local node meets. Dropping it ends all of it.
#[derive(Debug)]
pub struct World {
    // In drop order: a user of something comes before it.
    proxy: Proxy,
    host: Host,
    client: SshClient,
    config: Value,
    upstream: Repository,
    sandbox: GitSandbox,
}

#[derive(Debug)]
enum Proxy {
    None,
    Embedded(EmbeddedProxy),
    Tinyproxy(Tinyproxy),
}

#[derive(Debug)]
enum Host {
    Embedded(EmbeddedHost),
    OpenSsh(OpenSshHost),
}

impl World {
    /// Starts to describe a world: an embedded host, no proxy, one empty upstream, one node `local` with one lane `main`.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::default()
    }

    /// Lets the sandbox's folder stay behind the world.
    pub fn keep(&mut self) {
        self.sandbox.keep();
    }

    /// Gives the sandbox.
    pub fn sandbox(&self) -> &GitSandbox {
        &self.sandbox
    }

    /// Gives the upstream repository.
    pub fn upstream(&self) -> &Repository {
        &self.upstream
    }

    /// Gives the cache of the upstream repository, whether it exists or not.
    pub fn cache(&self) -> Repository {
        Repository::at(&self.cache_folder().join(format!("{REPOSITORY}.git")), self.sandbox.git())
    }

    /// Gives the folder of all caches.
    pub fn cache_folder(&self) -> PathBuf {
        self.sandbox.path().join("cache")
    }

    /// Gives the configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.sandbox.path().join("git-mirror.yaml")
    }

    /// Changes the configuration and writes it anew.
    pub fn configure(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.config);
        self.write_config();
    }

    /// Gives the URL of a repository on the host.
    pub fn url(&self, repository: &Repository) -> String {
        self.address().url(repository.path())
    }

    /// Gives the address of the host.
    pub fn address(&self) -> &HostAddress {
        match &self.host {
            Host::Embedded(host) => host.address(),
            Host::OpenSsh(host) => host.address(),
        }
    }

    /// Gives the embedded host.
    ///
    /// # Panics
    /// Where this world has another.
    pub fn host(&self) -> &EmbeddedHost {
        match &self.host {
            Host::Embedded(host) => host,
            Host::OpenSsh(_) => panic!("the host of this world is OpenSSH's"),
        }
    }

    /// Gives the host of OpenSSH.
    ///
    /// # Panics
    /// Where this world has another.
    pub fn openssh(&self) -> &OpenSshHost {
        match &self.host {
            Host::OpenSsh(host) => host,
            Host::Embedded(_) => panic!("the host of this world is the embedded one"),
        }
    }

    /// Gives the embedded proxy.
    ///
    /// # Panics
    /// Where this world has another, or none.
    pub fn proxy(&self) -> &EmbeddedProxy {
        match &self.proxy {
            Proxy::Embedded(proxy) => proxy,
            other => panic!("the proxy of this world is {other:?}"),
        }
    }

    /// Gives tinyproxy.
    ///
    /// # Panics
    /// Where this world has another, or none.
    pub fn tinyproxy(&self) -> &Tinyproxy {
        match &self.proxy {
            Proxy::Tinyproxy(proxy) => proxy,
            other => panic!("the proxy of this world is {other:?}"),
        }
    }

    /// Gives how many tunnels were asked of tinyproxy so far, those among them that have reached OpenSSH's host: its log is read a moment
    /// later than it is written.
    ///
    /// # Panics
    /// Where this world has another proxy or host.
    pub fn tunnels(&self) -> usize {
        let reached = usize::try_from(self.openssh().connections()).expect("because they are few");
        self.tinyproxy().wait_for_targets(reached).len()
    }

    /// Gives the way on which the real git reaches the host: the same key, the same proxy.
    pub fn client(&self) -> &SshClient {
        &self.client
    }

    /// Makes a command of the real git that goes that way.
    pub fn git<'a>(&self, folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        self.client.git(self.sandbox.git(), folder, arguments)
    }

    /// Runs `git-mirror` with this world's configuration, asking for JSON.
    pub fn mirror(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).args(["--output", "json"]))
    }

    /// Runs `git-mirror` with this world's configuration and text output.
    pub fn mirror_as_text(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    /// Makes a command of `git-mirror` with this world's configuration, for a test that starts, kills or feeds it.
    ///
    /// # Panics
    /// Where `git-mirror` cannot be built.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(product::git_mirror());
        command.env_clear().current_dir(self.sandbox.path()).stdin(Stdio::null());
        command.env("HOME", self.sandbox.path().join("home")).env("LC_ALL", "C").env("TZ", "UTC");
        command.env("PATH", self.sandbox.path().join("no-programs"));
        command.arg("-f").arg(self.config_file()).args(arguments);
        command
    }

    fn write_config(&self) {
        // Every JSON document is a YAML document.
        self.sandbox.write("git-mirror.yaml", format!("{:#}\n", self.config));
    }
}
