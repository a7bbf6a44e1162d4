//! The real server of the demo, as its own process. It ends with its value, whatever happens.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::run::Outcome;

/// A server that listens.
pub(super) struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts a server, and waits until it says where it listens.
    pub(super) fn start(mut command: Command) -> Outcome<Self> {
        let text = |error: std::io::Error| error.to_string();
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(text)?;
        let stdout = child.stdout.take().expect("because its output is piped");
        // From here on the process goes with the value.
        let mut server = Self { child, url: String::new() };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map_err(text)?;
        let announced: Value = serde_json::from_str(&line).map_err(|_| format!("it does not listen: {line}"))?;
        server.url = announced["url"].as_str().ok_or_else(|| format!("it does not listen: {line}"))?.to_owned();
        Ok(server)
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends SIGTERM, and checks that it exits successfully.
    pub(super) fn stop(mut self) -> Outcome {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or("the server has no process id")?;
        kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
        let ended = self.child.wait().map_err(|error| error.to_string())?;
        if ended.success() { Ok(()) } else { Err(format!("the server ended with {ended}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
