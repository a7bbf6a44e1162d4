//! The server's talk for people: kept bounded, and apart from every verdict.

use std::collections::VecDeque;

/// What a server said for people, line by line, the newest where it said too much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerMessages {
    lines: VecDeque<String>,
    size: usize,
    bound: usize,
    dropped: u64,
    open: Vec<u8>,
}

/// A longer line is broken, and longer words of an answer are cut.
const LONGEST_LINE: usize = 1000;

impl ServerMessages {
    /// Makes an empty one that keeps at most `bound` bytes.
    pub(super) fn bounded(bound: usize) -> Self {
        ServerMessages { bound, ..ServerMessages::default() }
    }

    /// Takes a piece of talk, and gives each line that ended with it to `seen`.
    pub(super) fn push(&mut self, bytes: &[u8], mut seen: impl FnMut(&str)) {
        for byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                self.end_line(&mut seen);
            } else {
                self.open.push(*byte);
                if self.open.len() == LONGEST_LINE {
                    self.end_line(&mut seen);
                }
            }
        }
    }

    /// Ends a last line without newline.
    pub(super) fn end_line(&mut self, mut seen: impl FnMut(&str)) {
        let line = printable(&std::mem::take(&mut self.open));
        if line.is_empty() {
            return;
        }
        seen(&line);
        self.size += line.len();
        self.lines.push_back(line);
        while self.size > self.bound {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.size -= oldest.len();
            self.dropped += 1;
        }
    }

    /// Gives the lines that were kept, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Says how many lines were dropped because there were too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Takes text from outside: no control characters reach a terminal, no trailing blanks, and no more than a long line.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_LINE).collect();
    shown.truncate(shown.trim_end().len());
    if text.chars().nth(LONGEST_LINE).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_cleaned_and_bounded() {
        let mut messages = ServerMessages::bounded(30);
        let mut seen = Vec::new();
        messages.push(b"first li", |line| seen.push(line.to_owned()));
        messages.push(b"ne\nsecond \x1b[31mred\r\n\n", |line| seen.push(line.to_owned()));
        messages.push(b"third and last", |line| seen.push(line.to_owned()));
        messages.end_line(|line| seen.push(line.to_owned()));
        assert_eq!(seen, ["first line", "second  [31mred", "third and last"]);
        assert_eq!(messages.lines().collect::<Vec<_>>(), ["second  [31mred", "third and last"]);
        assert_eq!(messages.dropped(), 1);
    }

    #[test]
    fn words_from_outside_are_cleaned_and_cut() {
        assert_eq!(printable(b"a\x1b[1m\xc2\x9bb \n"), "a [1m b");
        assert_eq!(printable(&[b'x'; LONGEST_LINE]), "x".repeat(LONGEST_LINE));
        assert_eq!(printable(&[b'x'; LONGEST_LINE + 1]), format!("{}…", "x".repeat(LONGEST_LINE)));
    }

    #[test]
    fn an_endless_line_is_broken() {
        let mut messages = ServerMessages::bounded(5000);
        messages.push(&[b'x'; 10_500], |_| {});
        messages.end_line(|_| {});
        assert!(messages.lines().all(|line| line.len() <= LONGEST_LINE));
        assert_eq!((messages.lines().count(), messages.dropped()), (5, 6));
    }
}
