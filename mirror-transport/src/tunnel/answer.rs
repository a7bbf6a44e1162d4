//! The proxy's answer to CONNECT, as a value: where its header ends and what its status line says.
//!
//! Pure. Never: reading, or keeping a byte behind the header.

/// The longest answer header that is read.
pub(super) const MAX_HEADER: usize = 8 * 1024;
/// The most lines an answer header may have.
pub(super) const MAX_LINES: usize = 64;

/// Says what the bytes received so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The header goes on.
    Incomplete,
    /// The header is whole; `length` bytes of the input belong to it.
    Whole { length: usize, status: u16, reason: String },
    /// More lines or bytes than a header may have.
    TooLong,
    /// Not an HTTP/1 answer; holds its beginning, made printable.
    NotHttp(String),
}

/// Reads the header of an HTTP/1.0 or HTTP/1.1 answer at the start of `bytes`.
///
/// # Source
/// RFC 9112 §2 and §4; a bare line feed ends a line too, as §2.2 allows.
pub(super) fn read_answer(bytes: &[u8]) -> Answer {
    if !looks_like_http(bytes) {
        return Answer::NotHttp(printable(bytes));
    }
    let window = &bytes[..bytes.len().min(MAX_HEADER)];
    let mut lines = 0;
    let mut start = 0;
    let mut status_line = None;
    while let Some(end) = window[start..].iter().position(|b| *b == b'\n') {
        let line = &window[start..start + end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        start += end + 1;
        lines += 1;
        match status_line {
            None => match parse_status(line) {
                Some(parsed) => status_line = Some(parsed),
                None => return Answer::NotHttp(printable(bytes)),
            },
            Some((status, reason)) if line.is_empty() => {
                return Answer::Whole { length: start, status, reason };
            }
            Some(_) => {}
        }
        if lines > MAX_LINES {
            return Answer::TooLong;
        }
    }
    if bytes.len() >= MAX_HEADER { Answer::TooLong } else { Answer::Incomplete }
}

/// Makes foreign bytes safe to show: printable ASCII only, one line, bounded.
pub(super) fn printable(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let mut text: String = bytes
        .iter()
        .take(SHOWN)
        .map(|b| match b {
            b' '..=b'~' => char::from(*b),
            _ => '.',
        })
        .collect();
    if bytes.len() > SHOWN {
        text.push('…');
    }
    text.trim().to_owned()
}

fn looks_like_http(bytes: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let seen = bytes.len().min(START.len());
    bytes[..seen] == START[..seen]
}

fn parse_status(line: &[u8]) -> Option<(u16, String)> {
    let rest = line.strip_prefix(b"HTTP/1.0 ").or_else(|| line.strip_prefix(b"HTTP/1.1 "))?;
    let (digits, reason) = rest.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !(reason.is_empty() || reason[0] == b' ') {
        return None;
    }
    let status = digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
    (100..600).contains(&status).then(|| (status, printable(reason)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(length: usize, status: u16, reason: &str) -> Answer {
        Answer::Whole { length, status, reason: reason.to_owned() }
    }

    #[test]
    fn table() {
        let cases: &[(&[u8], Answer)] = &[
            (b"", Answer::Incomplete),
            (b"HT", Answer::Incomplete),
            (b"HTTP/1.1 200 OK\r\n", Answer::Incomplete),
            (b"HTTP/1.1 200 OK\r\n\r", Answer::Incomplete),
            (b"HTTP/1.1 200 OK\r\n\r\n", whole(19, 200, "OK")),
            (b"HTTP/1.0 200 Connection established\r\n\r\n", whole(39, 200, "Connection established")),
            (b"HTTP/1.1 200\r\n\r\nSSH-2.0-x\r\n", whole(16, 200, "")),
            (b"HTTP/1.1 200 \r\n\r\n", whole(17, 200, "")),
            (b"HTTP/1.1 200 OK\n\n", whole(17, 200, "OK")),
            (b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic\r\n\r\nbody", whole(48, 407, "Auth")),
            (b"HTTP/1.1 502 \x1b[31mred\r\n\r\n", whole(25, 502, ".[31mred")),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Answer::NotHttp("SSH-2.0-OpenSSH_9.2..".into())),
            (b"\x15\x03\x01\x00\x02\x02\x16", Answer::NotHttp(".......".into())),
            (b"HTTP/2 200\r\n\r\n", Answer::NotHttp("HTTP/2 200....".into())),
            (b"HTTP/1.9 200 OK\r\n", Answer::NotHttp("HTTP/1.9 200 OK..".into())),
            (b"HTTP/1.1 2x0 OK\r\n", Answer::NotHttp("HTTP/1.1 2x0 OK..".into())),
            (b"HTTP/1.1 2000 OK\r\n", Answer::NotHttp("HTTP/1.1 2000 OK..".into())),
            (b"HTTP/1.1 999 OK\r\n", Answer::NotHttp("HTTP/1.1 999 OK..".into())),
        ];
        for (bytes, expected) in cases {
            assert_eq!(&read_answer(bytes), expected, "{}", printable(bytes));
        }
    }

    #[test]
    fn bounds() {
        let mut endless = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
        endless.resize(MAX_HEADER - 1, b'a');
        assert_eq!(read_answer(&endless), Answer::Incomplete);
        endless.push(b'a');
        assert_eq!(read_answer(&endless), Answer::TooLong);

        let mut many = b"HTTP/1.1 200 OK\r\n".to_vec();
        many.extend(b"a: b\r\n".repeat(MAX_LINES));
        assert_eq!(read_answer(&many), Answer::TooLong);
    }

    proptest! {
        #[test]
        fn any_split_of_an_answer_reads_the_same(cut in 0usize..39, tail in proptest::collection::vec(any::<u8>(), 0..64)) {
            let header = b"HTTP/1.0 200 Connection established\r\n\r\n";
            prop_assert_eq!(read_answer(&header[..cut]), Answer::Incomplete);
            let mut bytes = header.to_vec();
            bytes.extend(tail);
            prop_assert_eq!(read_answer(&bytes), whole(39, 200, "Connection established"));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512), http in any::<bool>()) {
            let mut input = if http { b"HTTP/1.1 ".to_vec() } else { Vec::new() };
            input.extend(bytes);
            if let Answer::Whole { length, status, .. } = read_answer(&input) {
                prop_assert!(length <= input.len() && (100..600).contains(&status));
            }
        }
    }
}
