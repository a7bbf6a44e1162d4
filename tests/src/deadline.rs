//! Runs a program to its end, and kills its process group where it does not end in time.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// How long anything may take that a test waits for: long enough for a busy machine with a slow disk, so that only a hang reaches it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(300);

/// Runs a command to its end with `input`, reading both of its streams at the same time.
///
/// # Panics
/// Where it cannot be started, or does not end within five minutes; the message holds its output so far.
pub fn finish(command: &mut Command, input: &[u8]) -> Output {
    finish_within(TIMEOUT, command, input)
}

fn finish_within(timeout: Duration, command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let group = Pid::from_child(&child);
    let mut stdin = child.stdin.take().expect("because its input is piped");
    let (over, ended) = mpsc::channel::<()>();
    let (output, late) = std::thread::scope(|scope| {
        // A program that exits without reading all of its input is judged by its status, not by the write error.
        scope.spawn(move || drop(stdin.write_all(input)));
        let watch = scope.spawn(move || {
            let late = ended.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout);
            if late {
                // A child that inherited the streams would keep the test waiting as well.
                let _ = kill_process_group(group, Signal::KILL);
            }
            late
        });
        let output = child.wait_with_output().unwrap_or_else(|error| panic!("cannot read from {command:?}: {error}"));
        drop(over);
        (output, watch.join().expect("because it does not panic"))
    });
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!late, "{command:?} did not end within {timeout:?}; its output so far:\n{stdout}\n{stderr}");
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_given_whole() {
        let input = vec![b'x'; 1 << 20];
        let output = finish(Command::new("cat").arg("-"), &input);
        assert!(output.status.success() && output.stdout == input);
    }

    #[test]
    #[should_panic(expected = "did not end within")]
    fn a_timeout_kills_the_process_group() {
        finish_within(Duration::from_millis(50), Command::new("sh").args(["-c", "sleep 1000 & wait"]), &[]);
    }
}
