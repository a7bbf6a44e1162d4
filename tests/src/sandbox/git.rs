//! Runs the `git` program with an environment that holds nothing of this machine.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::deadline;

/// The first second of the rigs' calendar; every commit of a sandbox is one second younger than the one before.
const EPOCH: u64 = 1_700_000_000;

/// Runs git. Clones share one calendar.
#[derive(Debug, Clone)]
pub struct Git {
    environment: Arc<Vec<(OsString, OsString)>>,
    clock: Arc<AtomicU64>,
}

/// What a program answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: String,
}

impl Answer {
    /// Gives what it printed as text, without the closing line end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned()
    }
}

impl Git {
    pub(super) fn new(home: &Path) -> Self {
        let fixed = [
            ("LC_ALL", "C"),
            ("TZ", "UTC"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", "true"),
            ("SSH_ASKPASS_REQUIRE", "never"),
            ("GIT_AUTHOR_NAME", "Ada Rig"),
            ("GIT_AUTHOR_EMAIL", "ada@example.invalid"),
            ("GIT_COMMITTER_NAME", "Ada Rig"),
            ("GIT_COMMITTER_EMAIL", "ada@example.invalid"),
            // Repositories of the rigs belong to the user who runs the tests; in a container the owner may differ.
            ("GIT_CONFIG_COUNT", "6"),
            ("GIT_CONFIG_KEY_0", "safe.directory"),
            ("GIT_CONFIG_VALUE_0", "*"),
            ("GIT_CONFIG_KEY_1", "gc.auto"),
            ("GIT_CONFIG_VALUE_1", "0"),
            ("GIT_CONFIG_KEY_2", "receive.autogc"),
            ("GIT_CONFIG_VALUE_2", "false"),
            ("GIT_CONFIG_KEY_3", "protocol.file.allow"),
            ("GIT_CONFIG_VALUE_3", "always"),
            ("GIT_CONFIG_KEY_4", "advice.detachedHead"),
            ("GIT_CONFIG_VALUE_4", "false"),
            // What it answers to a push is the same on a disk that takes seconds.
            ("GIT_CONFIG_KEY_5", "receive.keepAlive"),
            ("GIT_CONFIG_VALUE_5", "0"),
        ];
        let mut environment: Vec<(OsString, OsString)> = fixed.map(|(name, value)| (name.into(), value.into())).into();
        environment.push(("PATH".into(), std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into())));
        environment.push(("HOME".into(), home.into()));
        Self { environment: Arc::new(environment), clock: Arc::default() }
    }

    /// Gives the environment in which git, and whatever starts git, has to run. It is the whole of it.
    pub fn environment(&self) -> &[(OsString, OsString)] {
        &self.environment
    }

    /// Makes a command of any program with this environment and nothing else, in `folder`.
    pub fn program(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(folder).stdin(Stdio::null());
        command
    }

    /// Makes a git command in `folder`, with its own second of the calendar.
    pub fn command<A: AsRef<OsStr>>(&self, folder: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.program("git", folder);
        let date = format!("{} +0000", self.next_second());
        command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", date).args(arguments);
        command
    }

    /// Gives the next second of the calendar.
    pub fn next_second(&self) -> u64 {
        EPOCH + self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs git to its end, whatever that is.
    ///
    /// # Panics
    /// Where git cannot be started.
    pub fn ask<A: AsRef<OsStr>>(&self, folder: &Path, arguments: impl IntoIterator<Item = A>) -> Answer {
        finish(&mut self.command(folder, arguments), &[])
    }

    /// Runs git to its end, whatever that is, with `input` on its standard input.
    ///
    /// # Panics
    /// Where git cannot be started.
    pub fn ask_with<A: AsRef<OsStr>>(
        &self,
        folder: &Path,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Answer {
        finish(&mut self.command(folder, arguments), input)
    }

    /// Runs git to its good end and gives what it printed.
    ///
    /// # Panics
    /// Where it fails; the message holds its output.
    pub fn run<A: AsRef<OsStr>>(&self, folder: &Path, arguments: impl IntoIterator<Item = A>) -> String {
        self.run_with(folder, arguments, &[])
    }

    /// Runs git to its good end with `input` on its standard input, and gives what it printed.
    ///
    /// # Panics
    /// Where it fails; the message holds its output.
    pub fn run_with<A: AsRef<OsStr>>(
        &self,
        folder: &Path,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> String {
        let mut command = self.command(folder, arguments);
        let answer = finish(&mut command, input);
        assert!(
            answer.status.success(),
            "{command:?} ended with {}\n{}{}",
            answer.status,
            answer.text(),
            answer.stderr
        );
        answer.text()
    }
}

/// Runs a command to its end with `input`.
fn finish(command: &mut Command, input: &[u8]) -> Answer {
    let output = deadline::finish(command, input);
    Answer {
        status: output.status,
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
