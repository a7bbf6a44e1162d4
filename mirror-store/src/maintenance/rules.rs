//! What bounds the upkeep: times, sizes, and the wish to stop.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use mirror_core::name::RefPrefix;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::runtime::Handle;

use super::error::UpkeepError;
use crate::git::{GitCommand, GitError, GitProgram, PackCaps};

/// How often a run of git is interrupted to ask whether it should go on.
const POLL: Duration = Duration::from_millis(50);

/// How much of what goes through a pipe is held.
const PIPE: usize = 1 << 16;

/// The longest that a git which reads the store may run: whoever starts one for a reader stops it then. What was replaced stays for longer than that,
/// since git keeps to the packs that it found when it began.
pub const LONGEST_READ: Duration = Duration::from_secs(2 * 60 * 60);

/// How long a pack that was replaced stays where nobody says otherwise.
pub(super) const READER_GRACE: Duration = LONGEST_READ.saturating_add(Duration::from_secs(60 * 60));

/// What is due when, and what it may cost.
#[derive(Debug, Clone)]
pub struct UpkeepRules {
    /// Where the snapshots live.
    pub prefix: RefPrefix,
    /// What time it is.
    pub now: Timestamp,
    /// How long a pack that was replaced stays for the readers that opened it: longer than [`LONGEST_READ`].
    pub reader_grace: Duration,
    /// How long a file that nobody finished may still belong to somebody who works on it.
    pub garbage_grace: Duration,
    /// How often all refs are walked to find what they do not reach.
    pub look_every: Duration,
    /// How long objects that no ref reaches are kept.
    pub unreachable_grace: Duration,
    /// The part of the packs' bytes, in hundredths, that has to be out of reach before it is set apart.
    pub unreachable_share: u64,
    /// Refs are packed where more than this number stand in a file each.
    pub refs_above: usize,
    /// Bytes that stay free beside what a new pack needs.
    pub spare_bytes: u64,
    /// How long those who add objects are waited for, before what is due to be dropped stays for another run.
    pub patience: Duration,
    /// What git may use.
    pub caps: PackCaps,
}

impl UpkeepRules {
    /// The rules that hold where nobody says otherwise.
    pub fn new(prefix: RefPrefix, now: Timestamp) -> Self {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self {
            prefix,
            now,
            reader_grace: READER_GRACE,
            garbage_grace: HOUR * 24,
            look_every: HOUR * 24 * 7,
            unreachable_grace: HOUR * 24 * 14,
            unreachable_share: 5,
            refs_above: 64,
            spare_bytes: 256 << 20,
            patience: Duration::from_secs(5),
            caps: PackCaps::default(),
        }
    }

    /// Says whether something that began at a time has lasted long enough.
    pub(super) fn is_past(&self, since: Timestamp, grace: Duration) -> bool {
        is_past(self.now, since, grace)
    }
}

/// Says whether by now something has lasted long enough that began at a time. What began in the future has not.
pub(super) fn is_past(now: Timestamp, since: Timestamp, grace: Duration) -> bool {
    now.duration_since(since).unsigned_abs() >= grace && since <= now
}

/// Why the upkeep should end before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// Somebody wished it.
    Stopped,
    /// Its deadline passed.
    Late,
}

/// Watches over the upkeep.
pub trait Pace: Sync {
    /// Says whether to end, and why. Asked between any two changes, and while git runs.
    fn halt(&self) -> Option<Halt>;

    /// Told before each change of the store, in words.
    fn reached(&self, point: &'static str) {
        tracing::debug!(point, "upkeep");
    }
}

/// What the upkeep works with.
#[derive(Clone)]
pub struct UpkeepTools<'a> {
    /// The git that makes packs.
    pub git: &'a GitProgram,
    /// The runtime on which git's pipes are served. The upkeep itself blocks, and runs on a thread of its own.
    pub runtime: Handle,
    /// Who watches.
    pub pace: &'a dyn Pace,
    /// When it has to be over.
    pub until: Instant,
}

impl UpkeepTools<'_> {
    /// Ends the upkeep here where that is wished; otherwise says what comes next.
    pub(super) fn pass(&self, point: &'static str) -> Result<(), UpkeepError> {
        self.halted()?;
        self.pace.reached(point);
        Ok(())
    }

    /// Runs git to its end.
    pub(super) fn run(&self, command: GitCommand, input: &[u8], limit: usize) -> Result<Vec<u8>, UpkeepError> {
        self.halted()?;
        let left = self.until.saturating_duration_since(Instant::now());
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                error = self.wished() => Err(error),
                ended = command.output(input, limit, left) => Ok(ended?),
            }
        })
    }

    /// Runs git to its end. Gives it lines as it takes them, and gives on each line that it prints, without its end, as it comes: so neither are held,
    /// however many there are.
    pub(super) fn run_for_lines(
        &self,
        command: GitCommand,
        input: impl IntoIterator<Item = String>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), UpkeepError> {
        self.halted()?;
        let run = async {
            let mut child = command.start()?;
            let verb = child.verb().to_owned();
            let (stdin, stdout) = (child.take_stdin(), child.take_stdout());
            let feed = async {
                let Some(mut stdin) = stdin.map(|stdin| BufWriter::with_capacity(PIPE, stdin)) else { return };
                for mut line in input {
                    line.push('\n');
                    // A git that does not want all of its input says by its exit code whether that is well.
                    if stdin.write_all(line.as_bytes()).await.is_err() {
                        return;
                    }
                }
                let _ = stdin.shutdown().await;
            };
            let take = async {
                let Some(mut stdout) = stdout.map(|stdout| BufReader::with_capacity(PIPE, stdout)) else {
                    return Ok(());
                };
                let mut line = Vec::new();
                let broken = |source| GitError::Pipe { verb: verb.clone(), source };
                while stdout.read_until(b'\n', &mut line).await.map_err(broken)? > 0 {
                    each(line.trim_ascii_end());
                    line.clear();
                }
                Ok(())
            };
            let ((), taken) = tokio::join!(feed, take);
            taken?;
            child.wait().await?.succeeded(&verb)
        };
        // Its deadline is this one's, which is among what is wished.
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                error = self.wished() => Err(error),
                ended = run => Ok(ended.map(drop)?),
            }
        })
    }

    async fn wished(&self) -> UpkeepError {
        loop {
            if let Err(error) = self.halted() {
                return error;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn halted(&self) -> Result<(), UpkeepError> {
        match self.pace.halt() {
            Some(Halt::Stopped) => Err(UpkeepError::Stopped),
            Some(Halt::Late) => Err(UpkeepError::Late),
            None if Instant::now() >= self.until => Err(UpkeepError::Late),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_replaced_outlasts_the_longest_read() {
        let rules = UpkeepRules::new(RefPrefix::parse("refs/mirror/snapshots").unwrap(), Timestamp::UNIX_EPOCH);
        let replaced = rules.now;
        let at = |after: Duration| UpkeepRules { now: replaced + after, ..rules.clone() };
        assert!(!at(LONGEST_READ).is_past(replaced, rules.reader_grace), "a reader that began just before still runs");
        assert!(at(LONGEST_READ * 2).is_past(replaced, rules.reader_grace));
    }
    struct Unhurried;

    impl Pace for Unhurried {
        fn halt(&self) -> Option<Halt> {
            None
        }
    }

    #[test]
    fn git_takes_more_lines_than_a_pipe_holds_while_it_prints_as_many() {
        const LINES: usize = 20_000;
        let folder = tempfile::tempdir().unwrap();
        let git = GitProgram::find().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let until = Instant::now() + Duration::from_secs(300);
        let tools = UpkeepTools { git: &git, runtime: runtime.handle().clone(), pace: &Unhurried, until };
        let command = |args: &[&str]| git.command(folder.path(), args);
        tools.run(command(&["init", "--quiet", "--bare"]), b"", 0).unwrap();
        let names = || (0..LINES).map(|number| format!("{number:040x}"));
        let mut printed = Vec::new();
        let take = |line: &[u8]| printed.push(String::from_utf8(line.to_vec()).unwrap());
        tools.run_for_lines(command(&["cat-file", "--batch-check"]), names(), take).unwrap();
        assert!(printed.into_iter().eq(names().map(|name| format!("{name} missing"))));
        // One that reads none of it, and says why by its exit code.
        let refused = tools.run_for_lines(command(&["cat-file", "-t", "nothing"]), names(), |_| {});
        assert!(matches!(refused, Err(UpkeepError::Git(GitError::Failed { .. }))), "{refused:?}");
    }
}
