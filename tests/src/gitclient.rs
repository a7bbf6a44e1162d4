//! The real `git` as a client of the server: the protocol version it speaks, the token it shows.
//!
//! Never: a credential of this machine; the environment is the sandbox's, and git never prompts.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::sandbox::{Answer, Git, GitSandbox, Repository};
use crate::world::World;

/// The protocol version that git asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The first one: the server lists every ref before the client sends anything.
    V0,
    /// The one with commands.
    V2,
}

/// Every version that clients of today speak.
pub const VERSIONS: [Version; 2] = [Version::V0, Version::V2];

/// A writer's token, as `git-mirror token new` showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Lets the program make one; without lanes it is good for all of them.
    ///
    /// # Panics
    /// Where the program makes none.
    pub fn make(world: &World, name: &str, lanes: &[&str], more: &[&str]) -> Self {
        let mut words = vec!["token", "new", name];
        for lane in lanes {
            words.extend(["--lane", lane]);
        }
        words.extend(more);
        let run = world.mirror(&words).expect(0);
        let token = run.report["token"].as_str().unwrap_or_else(|| panic!("no token in {}", run.stdout));
        Self(token.to_owned())
    }

    /// Takes any text for a token.
    pub fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Gives it as it is.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Gives the value of the header that shows it as a bearer's.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Gives the value of the header that shows it as a password.
    pub fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("git:{}", self.0)))
    }
}

/// Git with a protocol version and perhaps a token.
#[derive(Debug, Clone)]
pub struct GitClient {
    git: Git,
    folder: PathBuf,
    settings: Vec<String>,
}

impl GitClient {
    /// Git that speaks version 2 and shows no token.
    pub fn new(sandbox: &GitSandbox) -> Self {
        let client = Self { git: sandbox.git().clone(), folder: sandbox.path().to_owned(), settings: Vec::new() };
        client.speaking(Version::V2).set("http.proxy", "")
    }

    /// Lets it speak another version.
    pub fn speaking(self, version: Version) -> Self {
        self.set("protocol.version", if version == Version::V0 { "0" } else { "2" })
    }

    /// Lets it show a token with every request.
    pub fn with(self, token: &Token) -> Self {
        let header = format!("Authorization: {}", token.bearer());
        self.set("http.extraHeader", &header)
    }

    /// Sets a key of git's configuration.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push(format!("{key}={value}"));
        self
    }

    /// Makes a command of it.
    pub fn command<A: AsRef<OsStr>>(&self, folder: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
        self.git.command(folder, self.words(arguments))
    }

    /// Runs it and gives its result, whatever that is.
    pub fn ask<A: AsRef<OsStr>>(&self, folder: &Path, arguments: impl IntoIterator<Item = A>) -> Answer {
        self.git.ask(folder, self.words(arguments))
    }

    /// Runs it and gives its output.
    ///
    /// # Panics
    /// Where it fails; the message holds its output.
    #[track_caller]
    pub fn run<A: AsRef<OsStr>>(&self, folder: &Path, arguments: impl IntoIterator<Item = A>) -> String {
        let answer = self.ask(folder, arguments);
        assert!(answer.status.success(), "{} {}{}", answer.status, answer.text(), answer.stderr);
        answer.text()
    }

    /// Clones `url` as the bare repository `<name>.git` beside the world's own, with further options.
    ///
    /// # Panics
    /// Where it does not succeed.
    #[track_caller]
    pub fn clone_bare(&self, url: &str, name: &str, options: &[&str]) -> Repository {
        let path = self.folder.join(format!("{name}.git"));
        let mut words = vec!["clone", "--quiet", "--bare"];
        words.extend(options);
        let place = path.to_string_lossy();
        words.extend([url, place.as_ref()]);
        self.run(&self.folder, words);
        Repository::at(&path, &self.git)
    }

    /// Makes the empty bare repository `<name>.git` beside the world's own, with `url` as its remote `origin`.
    ///
    /// # Panics
    /// Where git cannot.
    pub fn empty(&self, url: &str, name: &str) -> Repository {
        let path = self.folder.join(format!("{name}.git"));
        self.git.run(&self.folder, ["init", "--quiet", "--bare", "--initial-branch=main", &path.to_string_lossy()]);
        let repository = Repository::at(&path, &self.git);
        repository.run(["remote", "add", "origin", url]);
        repository
    }

    fn words<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Vec<OsString> {
        let settings = self.settings.iter().flat_map(|setting| [OsString::from("-c"), OsString::from(setting)]);
        settings.chain(arguments.into_iter().map(|word| word.as_ref().to_owned())).collect()
    }
}
