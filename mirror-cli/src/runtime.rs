//! The threads of an operation, and how a person's wish to stop reaches it.
//!
//! Verbs that stay on this machine's disk never come here: their whole run is a few milliseconds.

use std::future::Future;
use std::time::{Duration, Instant};

use mirror_engine::stop::Stop;
use tokio::runtime::{Builder, Runtime};

use crate::error::CliError;
use crate::output::Talk;

/// The exit code of a process that was told twice to stop: nothing is known, so no code of a report would be true.
const LEFT_AT_ONCE: i32 = 130;

/// Signals that follow each other closer than this are one wish.
const ONE_WISH: Duration = Duration::from_millis(500);

/// Runs one operation to its end. Ctrl-C (or SIGTERM) asks it to stop, a second one leaves at once.
pub(crate) fn block_on<F: Future>(
    talk: &Talk,
    crew: Crew,
    operation: impl FnOnce(Stop) -> F,
) -> Result<F::Output, CliError> {
    let runtime = crew.threads().map_err(CliError::Runtime)?;
    let stop = Stop::new();
    // Before anything begins: a wish that nobody listens for yet would end the process without a word.
    let wishes = {
        let _inside = runtime.enter();
        Wishes::new()
    };
    runtime.spawn(listen(wishes, stop.clone(), talk.clone(), crew));
    let ended = runtime.block_on(operation(stop));
    // A thread that is still reading from a dead connection must not hold up the answer.
    runtime.shutdown_background();
    Ok(ended)
}

/// What the threads are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crew {
    /// One operation, which waits for others most of the time.
    Operation,
    /// A server: a thread for each of the machine's.
    Server(Told),
}

/// How somebody who wishes a server to end is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// By a line for people.
    InWords,
    /// By the log alone, whose every line is a document.
    InLog,
}

impl Crew {
    fn threads(self) -> std::io::Result<Runtime> {
        let mut threads = Builder::new_multi_thread();
        match self {
            Self::Operation => threads.worker_threads(2),
            // The number of the machine's threads is tokio's own default.
            Self::Server(_) => &mut threads,
        };
        threads.thread_name("git-mirror").enable_all().build()
    }

    /// Answers the wish to end.
    fn answer(self, talk: &Talk) {
        const SERVER: &str = "stopping: what is under way may end, nothing new begins; once more leaves at once";
        match self {
            Self::Operation => talk.line(
                "stopping: the step in flight is ended, then the report says what is known; once more leaves at once",
            ),
            Self::Server(Told::InWords) => talk.line(SERVER),
            Self::Server(Told::InLog) => tracing::warn!("{SERVER}"),
        }
    }
}

async fn listen(wishes: std::io::Result<Wishes>, stop: Stop, talk: Talk, crew: Crew) {
    let Ok(mut wishes) = wishes else {
        tracing::warn!("cannot listen for Ctrl-C: it will end the program at once");
        return;
    };
    wishes.next().await;
    stop.request();
    crew.answer(&talk);
    let first = Instant::now();
    // A supervisor may send one wish twice, to the process and to its group: that is still one.
    loop {
        wishes.next().await;
        if first.elapsed() >= ONE_WISH {
            break;
        }
    }
    // Whatever was in flight stays as it is; the next run of the verb recovers it, as after any crash.
    std::process::exit(LEFT_AT_ONCE);
}

/// The ways in which a person or a supervisor asks the process to end.
#[cfg(unix)]
struct Wishes {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Wishes {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The ways in which a person asks the process to end.
#[cfg(not(unix))]
struct Wishes;

#[cfg(not(unix))]
impl Wishes {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;

    /// Set in the process that gets the signal: everybody in it hears that, other tests as well.
    const ALONE: &str = "GIT_MIRROR_TEST_ALONE";
    /// How long the wish may take to arrive.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

    /// Without a listener the signal ends the process.
    #[test]
    fn a_wish_is_heard_as_soon_as_an_operation_begins() {
        if std::env::var_os(ALONE).is_none() {
            let mut alone = Command::new(std::env::current_exe().unwrap());
            alone.args(["--exact", "runtime::tests::a_wish_is_heard_as_soon_as_an_operation_begins"]).env(ALONE, "1");
            let ended = alone.output().unwrap();
            let said = String::from_utf8_lossy(&ended.stdout).into_owned();
            assert!(ended.status.success() && said.contains("1 passed"), "{} {said}", ended.status);
            return;
        }
        let talk = Talk::new(Box::new(std::io::sink()));
        let (status, told, heard) = block_on(&talk, Crew::Operation, |stop| async move {
            // Before anything else: whoever has listened a moment later as well was too late.
            let status = std::fs::read_to_string("/proc/self/status");
            let told = Command::new("kill").args(["-INT", &std::process::id().to_string()]).status();
            (status, told, tokio::time::timeout(PATIENCE, stop.wished()).await)
        })
        .unwrap();
        if let Ok(status) = status {
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
            let caught = u64::from_str_radix(caught, 16).unwrap();
            let wished = [2, 15].map(|signal| caught >> (signal - 1) & 1);
            assert_eq!(wished, [1, 1], "INT and TERM are caught when the operation begins");
        }
        assert!(told.unwrap().success() && heard.is_ok());
    }
}
