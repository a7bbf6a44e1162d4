//! The pack of a push: streamed into `git index-pack`, whose strict check is the one that git's own server makes.
//!
//! It never keeps a pack in memory, and never looks at an object itself.
//!
//! # Source
//! `git-index-pack(1)`; `gitformat-pack(5)`, "pack-*.pack files have the following format".

use std::io;
use std::time::Duration;

use mirror_core::name::CommitId;
use mirror_store::Receiving;
use mirror_store::git::{GitChild, GitError, GitProgram, PackCaps};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::read_deadline::Cut;
use crate::http::body::BodyError;

/// How long git may check a pack after its last byte came, and how long it may take for one piece before that.
const CHECKING: Duration = Duration::from_secs(15 * 60);
/// What is read of the client and written to git at once.
const PIECE: usize = 64 << 10;
const HEADER: usize = 12;
const CHECKSUM: usize = 20;
/// `pack`, a tab, 40 digits, a line feed.
const PRINTED: usize = 46;

/// Why a pack was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackError {
    /// It did not come to its end. The client cannot be answered, or not in git's words.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// It is not sound, or objects in it are not.
    #[error("{reason}")]
    Refused {
        /// What is wrong, in a few words.
        reason: String,
        /// What git said of it, line by line.
        said: Vec<String>,
    },
    /// The disk is full.
    #[error("no space is left on the server's disk")]
    Full,
    /// Git could not be run, or took too long.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl PackError {
    fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into(), said: Vec::new() }
    }
}

/// What came behind the commands.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// A pack of nothing: what is pushed is here already.
    Empty,
    /// A pack that git has read to its end, and checks now.
    Checking(Box<Checking>),
}

/// A pack that is being checked.
#[derive(Debug)]
pub(crate) struct Checking {
    child: GitChild,
    sent: Sent,
    quarantine: String,
}

/// What git took of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// All of it.
    Whole,
    /// It ended before the stream did.
    Part,
}

/// Streams the pack to git until the client has sent it all; [`Checking::finish`] tells the result.
///
/// Where git gives up early, the rest is read and dropped, so that the client comes to read the answer.
///
/// # Errors
/// [`PackError`]; git is gone then.
///
/// # Cancel safety
/// Dropping the future kills git; the pack is in quarantine still.
pub(crate) async fn receive<R: AsyncRead + Unpin>(
    git: &GitProgram,
    receiving: &Receiving,
    repository: &std::path::Path,
    mut from: R,
) -> Result<Arrived, PackError> {
    let mut header = [0; HEADER];
    if !fill(&mut from, &mut header).await? {
        return Err(PackError::refused("the pack is missing, or broke off"));
    }
    let [b'P', b'A', b'C', b'K', _, _, _, _, count @ ..] = header else {
        drain(&mut from).await?;
        return Err(PackError::refused("what follows the commands is not a pack"));
    };
    if u32::from_be_bytes(count) == 0 {
        return take_empty(&header, &mut from).await;
    }
    let command = git
        .command(repository, ["index-pack", "--stdin", "--strict", "--fix-thin"])
        .caps(&PackCaps::default())
        .setting("pack.writeReverseIndex", "false")
        // Whoever installs the pack brings it to the disk; one that is refused need not get there.
        .setting("core.fsync", "none")
        .environment("GIT_OBJECT_DIRECTORY", receiving.objects());
    let mut child = command.start()?;
    let mut stdin = child.take_stdin();
    let mut piece = header.to_vec();
    loop {
        if let Some(pipe) = &mut stdin {
            let Ok(written) = tokio::time::timeout(CHECKING, pipe.write_all(&piece)).await else {
                child.kill();
                let _ = child.wait().await;
                return Err(GitError::Deadline { verb: "index-pack".to_owned(), after: CHECKING }.into());
            };
            if written.is_err() {
                // Git has seen enough; what it thinks of it comes with its end.
                stdin = None;
            }
        }
        piece.resize(PIECE, 0);
        let read = read_some(&mut from, &mut piece).await;
        if read.is_err() {
            child.kill();
            // Its quarantine is swept next; nothing may write there any more.
            let _ = child.wait().await;
        }
        match read? {
            0 => break,
            read => piece.truncate(read),
        }
    }
    let is_closed = match &mut stdin {
        Some(pipe) => pipe.shutdown().await.is_ok(),
        None => false,
    };
    // Git waits for the end of its input.
    drop(stdin);
    let sent = if is_closed { Sent::Whole } else { Sent::Part };
    let quarantine = receiving.objects().display().to_string();
    Ok(Arrived::Checking(Box::new(Checking { child, sent, quarantine })))
}

impl Checking {
    /// Waits for git's verdict, and gives the checksum by which the pack is found in its quarantine.
    ///
    /// # Errors
    /// [`PackError`]; git is gone then.
    ///
    /// # Cancel safety
    /// Dropping the future kills git.
    pub(crate) async fn finish(mut self) -> Result<CommitId, PackError> {
        let stdout = self.child.take_stdout();
        let run = async {
            let mut printed = Vec::new();
            if let Some(stdout) = stdout {
                let pipe = |source| GitError::Pipe { verb: "index-pack".to_owned(), source };
                stdout.take(4 * PRINTED as u64).read_to_end(&mut printed).await.map_err(pipe)?;
            }
            Ok::<_, GitError>((self.child.wait().await?, printed))
        };
        let ended = tokio::time::timeout(CHECKING, run).await;
        let Ok(ended) = ended else {
            self.child.kill();
            let _ = self.child.wait().await;
            return Err(GitError::Deadline { verb: "index-pack".to_owned(), after: CHECKING }.into());
        };
        let (ended, printed) = ended?;
        if !ended.status.success() {
            return Err(refusal(&ended.said, &self.quarantine));
        }
        // What follows the pack is printed behind its name.
        match checksum(&printed) {
            Some(checksum) if self.sent == Sent::Whole => Ok(checksum),
            _ => Err(PackError::refused("something follows the pack")),
        }
    }
}

/// Reads the answer of a git that took the pack.
fn checksum(printed: &[u8]) -> Option<CommitId> {
    let line = std::str::from_utf8(printed).ok()?.strip_prefix("pack\t")?.strip_suffix('\n')?;
    CommitId::from_hex(line).ok()
}

/// Makes the reason of what git said.
fn refusal(said: &str, quarantine: &str) -> PackError {
    if ["No space left on device", "Disk quota exceeded"].iter().any(|words| said.contains(words)) {
        return PackError::Full;
    }
    let said: Vec<String> = said.split("; ").map(|line| line.replace(quarantine, "quarantine")).collect();
    let fatal = said.iter().find_map(|line| line.strip_prefix("fatal: "));
    let reason = match fatal {
        Some(words) if words.starts_with("did not receive expected object") => {
            format!("missing necessary objects: {words}")
        }
        Some(words) => format!("index-pack: {words}"),
        None => "index-pack abnormal exit".to_owned(),
    };
    PackError::Refused { reason, said }
}

/// Takes a pack of no objects, which is its header and its checksum.
async fn take_empty<R: AsyncRead + Unpin>(header: &[u8], from: &mut R) -> Result<Arrived, PackError> {
    let mut end = [0; CHECKSUM];
    let is_whole = fill(from, &mut end).await?;
    let follows = drain(from).await?;
    let is_right = digest(&SHA1_FOR_LEGACY_USE_ONLY, header).as_ref() == end;
    match is_whole && is_right && follows == 0 && header[4..8] == [0, 0, 0, 2] {
        true => Ok(Arrived::Empty),
        false => Err(PackError::refused("the empty pack is damaged")),
    }
}

/// Reads what is left, and says how much that was.
///
/// # Errors
/// What cuts it off.
pub(crate) async fn drain<R: AsyncRead + Unpin>(from: &mut R) -> Result<u64, Cut> {
    let mut piece = vec![0; PIECE];
    let mut all = 0;
    loop {
        match read_some(from, &mut piece).await? {
            0 => return Ok(all),
            read => all += read as u64,
        }
    }
}

/// Fills the whole of it; false where the stream ends first.
async fn fill<R: AsyncRead + Unpin>(from: &mut R, into: &mut [u8]) -> Result<bool, Cut> {
    let mut at = 0;
    while at < into.len() {
        match read_some(from, &mut into[at..]).await? {
            0 => return Ok(false),
            read => at += read,
        }
    }
    Ok(true)
}

async fn read_some<R: AsyncRead + Unpin>(from: &mut R, into: &mut [u8]) -> Result<usize, Cut> {
    from.read(into).await.map_err(|error: io::Error| Cut::of(&error).unwrap_or(Cut::Body(BodyError::Gone)))
}
