//! The server's identification, watched byte by byte before the SSH library sees it.
//!
//! Pure. Never: reading, or changing a byte.

use crate::tunnel::HostPort;

use super::error::SshError;

/// The longest line a server may send before or as its identification, line end included.
///
/// # Source
/// RFC 4253 §4.2.
pub(super) const MAX_LINE: usize = 255;
/// The most lines a server may send before its identification.
pub(super) const MAX_LINES: usize = 20;
/// How much of a server's first words an error shows.
const SHOWN: usize = 80;

/// Says why the server's first words are not an SSH identification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BannerFault {
    #[error("a line of more than {MAX_LINE} bytes: {0:?}")]
    LineTooLong(String),
    #[error("more than {MAX_LINES} lines: {0:?}")]
    TooManyLines(String),
    #[error("protocol version {0:?}")]
    OldProtocol(String),
    #[error("closed after {0:?}")]
    Closed(String),
}

impl BannerFault {
    pub(super) fn at(self, target: &HostPort) -> SshError {
        let target = target.clone();
        match self {
            BannerFault::LineTooLong(seen) => SshError::BannerLineTooLong { target, seen },
            BannerFault::TooManyLines(seen) => SshError::BannerTooManyLines { target, seen },
            BannerFault::OldProtocol(version) => SshError::OldProtocol { target, version },
            // Cut short rather than something else.
            BannerFault::Closed(seen) if seen.starts_with("SSH-") || "SSH-".starts_with(&seen) => {
                SshError::ClosedBeforeBanner { target }
            }
            BannerFault::Closed(seen) => SshError::NotSsh { target, seen },
        }
    }
}

/// Watches the bytes of a server up to its identification line.
#[derive(Debug, Default)]
pub(super) struct BannerWatch {
    line: Vec<u8>,
    lines: usize,
    first: Vec<u8>,
    done: bool,
}

impl BannerWatch {
    /// Takes the next bytes; gives the identification once, when its line is whole.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<String>, BannerFault> {
        for byte in bytes {
            if self.done {
                break;
            }
            if self.first.len() < SHOWN {
                self.first.push(*byte);
            }
            self.line.push(*byte);
            if self.line.len() > MAX_LINE {
                return Err(BannerFault::LineTooLong(printable(&self.first)));
            }
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                if line.starts_with(b"SSH-") {
                    self.done = true;
                    return identification(&line).map(Some);
                }
                self.lines += 1;
                if self.lines > MAX_LINES {
                    return Err(BannerFault::TooManyLines(printable(&self.first)));
                }
            }
        }
        Ok(None)
    }

    /// Says what an end of the stream means here: nothing once the identification was seen.
    pub(super) fn end(&self) -> Result<(), BannerFault> {
        if self.done { Ok(()) } else { Err(BannerFault::Closed(printable(&self.first))) }
    }
}

fn identification(line: &[u8]) -> Result<String, BannerFault> {
    let text = printable(line.trim_ascii_end());
    if line.starts_with(b"SSH-2.0-") || line.starts_with(b"SSH-1.99-") {
        Ok(text)
    } else {
        Err(BannerFault::OldProtocol(text))
    }
}

fn printable(bytes: &[u8]) -> String {
    bytes
        .trim_ascii_end()
        .iter()
        .map(|b| match b {
            b' '..=b'~' => char::from(*b),
            _ => '.',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn watch(bytes: &[u8]) -> Result<Option<String>, BannerFault> {
        BannerWatch::default().feed(bytes)
    }

    #[test]
    fn table() {
        let line = |n: usize| [vec![b'a'; n], b"\n".to_vec()].concat();
        let found = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(watch(b""), Ok(None));
        assert_eq!(watch(b"SSH-2.0-x"), Ok(None));
        assert_eq!(watch(b"SSH-2.0-x y\r\n\0\0rest"), found("SSH-2.0-x y"));
        assert_eq!(watch(b"SSH-1.99-x\n"), found("SSH-1.99-x"));
        assert_eq!(watch(b"hello\r\nSSH-2.0-x\r\n"), found("SSH-2.0-x"));
        assert_eq!(watch(b"SSH-1.5-x\r\n"), Err(BannerFault::OldProtocol("SSH-1.5-x".into())));
        assert_eq!(watch(&line(MAX_LINE - 1)), Ok(None));
        assert!(matches!(watch(&line(MAX_LINE)), Err(BannerFault::LineTooLong(_))));
        assert_eq!(watch(&b"x\n".repeat(MAX_LINES)), Ok(None));
        assert!(matches!(watch(&b"x\n".repeat(MAX_LINES + 1)), Err(BannerFault::TooManyLines(_))));
    }

    #[test]
    fn an_early_end_shows_what_was_said() {
        let mut watch = BannerWatch::default();
        assert_eq!(watch.end(), Err(BannerFault::Closed(String::new())));
        watch.feed(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
        assert_eq!(watch.end(), Err(BannerFault::Closed("HTTP/1.1 400 Bad Request".into())));
        watch.feed(b"SSH-2.0-x\r\n").unwrap();
        assert_eq!(watch.end(), Ok(()));
    }

    proptest! {
        #[test]
        fn chunking_does_not_matter(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'S'), any::<u8>()], 0..600), cut in 0usize..600) {
            let whole = BannerWatch::default().feed(&bytes);
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            let mut watch = BannerWatch::default();
            let parts = match watch.feed(a) {
                Ok(None) => watch.feed(b),
                other => other,
            };
            prop_assert_eq!(whole, parts);
        }
    }
}
