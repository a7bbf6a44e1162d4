//! Answers of HTTP/1.1, read byte for byte, and which of them a request may have.
//!
//! # Source
//! RFC 9112, sections 2 to 6.

/// One answer.
#[derive(Debug)]
pub struct Reply<'a> {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, &'a [u8])>,
    /// The body without its chunks, as far as it came.
    pub body: Vec<u8>,
    /// Whether all of it came.
    pub is_whole: bool,
}

impl Reply<'_> {
    /// Gives the value of a header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(given, _)| given == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Asserts what must hold of every answer: words have no control characters, and headers are what their names say.
    pub fn assert_presentable(&self) {
        for (name, value) in &self.headers {
            assert!(
                !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{name:?}"
            );
            assert!(
                value.iter().all(|byte| (b' '..=b'~').contains(byte)),
                "{name}: {:?}",
                value.escape_ascii().to_string()
            );
        }
        let kind = self.header("content-type").unwrap_or_default();
        if kind.starts_with("text/") {
            let text = std::str::from_utf8(&self.body);
            let text = if self.is_whole { text.expect("text is UTF-8") } else { text.unwrap_or_default() };
            assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{kind}: {text:?}");
        }
    }
}

/// Reads the answers of one connection. What came of the last one may be cut off anywhere.
///
/// # Panics
/// Where the bytes are anything else.
pub fn replies(bytes: &[u8]) -> Vec<Reply<'_>> {
    let mut replies = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") else {
            let begun = rest.len().min(7);
            assert_eq!(rest[..begun], b"HTTP/1."[..begun], "no answer begins so");
            break;
        };
        let (head, behind) = (&rest[..end], &rest[end + 4..]);
        let (status, headers) = read_head(head);
        let mut reply = Reply { status, headers, body: Vec::new(), is_whole: true };
        rest = read_body(&mut reply, behind);
        replies.push(reply);
    }
    replies
}

fn read_head(head: &[u8]) -> (u16, Vec<(String, &[u8])>) {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let said = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "));
    let status = said.and_then(|said| said.get(..3)?.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status line: {first:?}"));
    assert!((100..600).contains(&status), "{first:?}");
    let headers = lines.map(|line| {
        let colon = line.iter().position(|byte| *byte == b':');
        let colon = colon.unwrap_or_else(|| panic!("no header: {:?}", line.escape_ascii().to_string()));
        (String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase(), line[colon + 1..].trim_ascii())
    });
    (status, headers.collect())
}

/// Fills the body in, and gives what is behind it.
fn read_body<'a>(reply: &mut Reply<'_>, rest: &'a [u8]) -> &'a [u8] {
    if reply.status < 200 || matches!(reply.status, 204 | 304) {
        return rest;
    }
    let length = reply.header("content-length").map(|length| length.parse::<usize>().expect("a length is a number"));
    if reply.header("transfer-encoding") == Some("chunked") {
        assert_eq!(length, None, "two lengths of one body");
        return read_chunks(reply, rest);
    }
    let Some(length) = length else {
        // The connection ends with the body.
        reply.body = rest.to_owned();
        return &[];
    };
    // The answer to a HEAD says how long the body would be. No body of this server begins as an answer does.
    if length > 0 && (rest.is_empty() || rest.starts_with(b"HTTP/1.")) {
        reply.is_whole = false;
        return rest;
    }
    let (body, rest) = rest.split_at(length.min(rest.len()));
    reply.body = body.to_owned();
    reply.is_whole = body.len() == length;
    rest
}

fn read_chunks<'a>(reply: &mut Reply<'_>, mut rest: &'a [u8]) -> &'a [u8] {
    reply.is_whole = false;
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return &[] };
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let size = size.unwrap_or_else(|| panic!("no size of a chunk: {:?}", rest[..end].escape_ascii().to_string()));
        rest = &rest[end + 2..];
        reply.body.extend_from_slice(&rest[..size.min(rest.len())]);
        if rest.len() < size + 2 {
            return &[];
        }
        assert_eq!(&rest[size..size + 2], b"\r\n", "a chunk ends with its line");
        rest = &rest[size + 2..];
        if size == 0 {
            reply.is_whole = true;
            return rest;
        }
    }
}

/// Says whether there is anything at which a first line asks: a second reading of method, path and query.
pub fn asks_for_something(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else { return false };
    if !version.starts_with(b"HTTP/1.") {
        return false;
    }
    let target = String::from_utf8_lossy(target);
    let target = match target.split_once("://") {
        Some((_, behind)) if !target.starts_with('/') => behind.find(['/', '?']).map_or("/", |at| &behind[at..]),
        _ => &*target,
    };
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = unescaped(if path.is_empty() { "/" } else { path });
    let of_repository = |question: &str| {
        path.strip_suffix(question)
            .is_some_and(|path| ["/app", "/app.git", "/octo/app", "/octo/app.git"].contains(&path))
    };
    match method {
        b"GET" | b"HEAD" => {
            let service = query.split('&').any(|part| part == "service=git-upload-pack");
            ["/", "/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/history"].contains(&path.as_str())
                || of_repository("/info/refs") && service
        }
        b"POST" => of_repository("/git-upload-pack"),
        _ => false,
    }
}

fn unescaped(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let code = behind.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
