//! One run of the program, and its result.

use std::process::{Command, Output};

use serde_json::Value;

use crate::deadline;

/// How a run of `git-mirror` ended, and its output.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The exit status; nothing where a signal ended it.
    pub exit: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// The report, where it printed one as JSON and nothing else; null otherwise.
    pub report: Value,
}

impl Run {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn of(command: &mut Command) -> Self {
        Self::from(deadline::finish(command, &[]))
    }

    /// Proves the exit status and hands the run on.
    ///
    /// # Panics
    /// With the whole output, where it is another.
    #[track_caller]
    pub fn expect(self, exit: i32) -> Self {
        assert_eq!(self.exit, Some(exit), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Gives the report's object of a lane.
    ///
    /// # Panics
    /// Where there is none.
    #[track_caller]
    pub fn lane(&self, name: &str) -> &Value {
        let lanes = self.report["lanes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let lane = lanes.iter().find(|lane| lane["lane"] == name);
        lane.unwrap_or_else(|| panic!("no lane {name} in the report:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let report = serde_json::from_str(&stdout).unwrap_or_default();
        Self { exit: output.status.code(), stdout, stderr, report }
    }
}
