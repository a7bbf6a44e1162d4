//! Measures one run of a program and of everything it starts: wall time, CPU, peak memory.
//!
//! Each run gets a small process of its own in between ([`Arguments`], a hidden command of this program), which starts the program, waits
//! for it by `wait4`, and writes what the kernel counted. A program that was started by a large one would begin with the large one's
//! memory as its peak. It also adopts orphaned children, such as the proxy command of `ssh`, and counts them too.

use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use clap::Args;
use rustix::process::{WaitOptions, set_child_subreaper, wait};
use serde::{Deserialize, Serialize};
use wait4::Wait4;

use crate::run::Outcome;

/// The arguments of the process in between.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where the measurement is written.
    into: PathBuf,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    words: Vec<std::ffi::OsString>,
}

/// One run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Usage {
    /// Seconds from the start of the program to its end.
    pub(super) wall: f64,
    /// Seconds of user and system time, of the program and of all that it started.
    pub(super) cpu: f64,
    /// Bytes of memory that the largest of these processes held at its largest.
    pub(super) peak: f64,
}

/// A run, and its output.
pub(super) struct Measured {
    pub(super) usage: Usage,
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl Measured {
    /// Fails unless the run succeeded.
    pub(super) fn well(self, what: &str) -> Outcome<Self> {
        if self.status.success() {
            return Ok(self);
        }
        let stdout = String::from_utf8_lossy(&self.stdout);
        Err(format!("{what} ended with {}\n{stdout}{}", self.status, self.stderr))
    }
}

/// Runs a command to its end and measures it. The command's environment has to be complete: nothing of this process's is added.
pub(super) fn run(command: &Command) -> Outcome<Measured> {
    let failed = |error: std::io::Error| format!("cannot measure {command:?}: {error}");
    let folder = tempfile::tempdir().map_err(failed)?;
    let into = folder.path().join("usage");
    let mut between = Command::new(std::env::current_exe().map_err(failed)?);
    between.arg("measured").arg(&into).arg(command.get_program()).args(command.get_args());
    between.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        between.current_dir(folder);
    }
    let done = between.stdin(Stdio::null()).output().map_err(failed)?;
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    let text = std::fs::read(&into).map_err(|error| format!("{}\n{stderr}", failed(error)))?;
    let usage = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    Ok(Measured { usage, status: done.status, stdout: done.stdout, stderr })
}

/// The process in between: runs the program, and exits with its status.
pub(crate) fn between(arguments: &Arguments) -> Outcome<i32> {
    let failed = |error: std::io::Error| error.to_string();
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| error.to_string())?;
    let [program, rest @ ..] = arguments.words.as_slice() else { return Err("nothing to measure".to_owned()) };
    let begun = Instant::now();
    let ended = Command::new(program).args(rest).spawn().and_then(|mut child| child.wait4()).map_err(failed)?;
    let wall = begun.elapsed().as_secs_f64();
    // Orphaned children end by themselves; waiting for them keeps them out of the next run.
    let mut left_behind = 0;
    while wait(WaitOptions::empty()).is_ok() {
        left_behind += 1;
    }
    let usage = ended.rusage;
    let cpu = match left_behind {
        0 => (usage.utime + usage.stime).as_secs_f64(),
        _ => of_all_children()?,
    };
    let usage = Usage { wall, cpu, peak: usage.maxrss as f64 };
    let text = serde_json::to_vec(&usage).map_err(|error| error.to_string())?;
    std::fs::write(&arguments.into, text).map_err(failed)?;
    // A program that was killed by a signal failed.
    Ok(ended.status.code().unwrap_or(1))
}

/// The CPU seconds of all children that were waited for, to a hundredth.
///
/// # Source
/// proc_pid_stat(5): `cutime` and `cstime`, in ticks, of which Linux shows programs 100 a second everywhere.
fn of_all_children() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
    ticks_of_children(&text).map(|ticks| ticks as f64 / 100.0).ok_or_else(|| format!("no CPU times in {text}"))
}

fn ticks_of_children(stat: &str) -> Option<u64> {
    // The name is in parentheses and may contain anything, parentheses too; the fields after it begin with the third.
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_whitespace().skip(16 - 3);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_parsed_behind_any_name() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 200 0 0 11 12 130 14 20 0 1 0 5 6 7";
        assert_eq!(ticks_of_children(stat), Some(144));
        assert_eq!(ticks_of_children("7 (a) S 1"), None);
    }
}
