//! stderr: everything that is said beside the report. Progress, log lines and errors share it without cutting into each other.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};
use tracing_subscriber::fmt::MakeWriter;

/// The one way to stderr. Clones share it.
#[derive(Clone)]
pub struct Talk {
    stream: Arc<Mutex<Box<dyn Write + Send>>>,
    bars: MultiProgress,
}

impl Talk {
    /// Talks to `stream`. Progress stays hidden until it is revealed.
    #[must_use]
    pub fn new(stream: Box<dyn Write + Send>) -> Self {
        Self {
            stream: Arc::new(Mutex::new(stream)),
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
        }
    }

    /// The bars that are drawn on the same stream.
    pub(super) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Says one line. A stream that is gone is no reason to stop: there is nobody left to tell.
    pub fn line(&self, line: &str) {
        self.put(format!("{line}\n").as_bytes());
    }

    /// Puts text as it is.
    pub fn put(&self, text: &[u8]) {
        self.bars.suspend(|| {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = stream.write_all(text).and_then(|()| stream.flush());
        });
    }
}

impl<'a> MakeWriter<'a> for Talk {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { talk: self.clone(), text: Vec::new() }
    }
}

/// One log line, put as a whole when it is complete.
pub struct Line {
    talk: Talk,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.talk.put(&self.text);
        }
    }
}
