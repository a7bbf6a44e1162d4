//! The pipe out of git, read in large pieces.
//!
//! Git writes packs in pieces of a few KiB. To be woken for each of them costs this process and git more than the pack itself does; so, once a pack is
//! a large one, the pipe is let run full for a moment before it is read again. It is made large enough that git does not wait for that.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use rustix::pipe::fcntl_setpipe_size;

/// What anybody may make a pipe hold, where the system was not told otherwise.
const HOLDS: usize = 1 << 20;
/// From how many bytes on a pack is large.
const LARGE: u64 = 1 << 20;
/// How long a moment is. In it, git makes a fraction of what the pipe holds.
const MOMENT: Duration = Duration::from_millis(2);

/// The pipe out of git.
#[derive(Debug)]
pub(super) struct Pipe {
    file: File,
    came: u64,
    is_wide: bool,
}

impl Pipe {
    pub(super) fn of(file: File) -> Self {
        let is_wide = fcntl_setpipe_size(&file, HOLDS).is_ok_and(|holds| holds >= HOLDS);
        Self { file, came: 0, is_wide }
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.is_wide && self.came > LARGE {
            std::thread::sleep(MOMENT);
        }
        let read = self.file.read(into)?;
        self.came += read as u64;
        Ok(read)
    }
}
