//! One HTTP/1.1 exchange at a time, byte for byte as a test wants it.
//!
//! Never: redirects, compression, retries, or any other convenience of a real client.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::deadline::TIMEOUT;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The names of the headers in small letters, with their values, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, without its chunks.
    pub body: Vec<u8>,
}

impl Reply {
    /// Gives the value of a header; the name is in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Gives the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Gives the body as the JSON document it is.
    ///
    /// # Panics
    /// Where it is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the status and returns the reply.
    ///
    /// # Panics
    /// With the reply, where it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }
}

/// Opens a connection with timeouts.
///
/// # Panics
/// Where the connection is refused.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
    stream.set_read_timeout(Some(TIMEOUT)).expect("because the duration is not zero");
    stream.set_write_timeout(Some(TIMEOUT)).expect("because the duration is not zero");
    stream.set_nodelay(true).expect("because the socket is ours");
    stream
}

/// Asks for a path, with further headers.
///
/// # Panics
/// Where the answer is not complete.
#[track_caller]
pub fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Reply {
    request(address, "GET", path, headers, &[])
}

/// Sends a request with a body of known length, with further headers.
///
/// # Panics
/// Where the answer is not complete.
#[track_caller]
pub fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if method != "GET" && method != "HEAD" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    let mut stream = connect(address);
    // A server that refuses may close its side before it has read everything; what it answered is read all the same.
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let bodiless = method == "HEAD";
    read_reply(&mut stream, bodiless).unwrap_or_else(|error| panic!("{method} {path}: {error}; sent: {sent:?}"))
}

/// Sends bytes as they are and reads one answer.
///
/// # Errors
/// Where the connection ends before the answer was complete.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> io::Result<Reply> {
    let mut stream = connect(address);
    let sent = stream.write_all(bytes);
    read_reply(&mut stream, false).map_err(|error| io::Error::new(error.kind(), format!("{error}; sent: {sent:?}")))
}

/// Reads one answer; that to HEAD has no body whatever its headers say.
///
/// # Errors
/// Where the connection ends, or stays silent, before the answer was complete.
pub fn read_reply(stream: &mut impl Read, bodiless: bool) -> io::Result<Reply> {
    loop {
        let reply = read_one(stream, bodiless)?;
        if reply.status != 100 {
            return Ok(reply);
        }
    }
}

fn read_one(stream: &mut impl Read, bodiless: bool) -> io::Result<Reply> {
    let head = read_until(stream, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| invalid(&format!("no status line: {head:?}")))?;
    let pair = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let mut reply = Reply { status, headers: lines.filter_map(pair).collect(), body: Vec::new() };
    if bodiless || status == 100 || status == 204 || status == 304 {
        return Ok(reply);
    }
    reply.body = match (reply.header("content-length"), reply.header("transfer-encoding")) {
        (Some(length), None) => {
            let length = length.parse().map_err(|_| invalid("no number in Content-Length"))?;
            let mut body = vec![0; length];
            stream.read_exact(&mut body)?;
            body
        }
        (None, Some("chunked")) => read_chunks(stream)?,
        (None, None) => {
            let mut body = Vec::new();
            stream.read_to_end(&mut body)?;
            body
        }
        both => return Err(invalid(&format!("a body of two lengths: {both:?}"))),
    };
    Ok(reply)
}

fn read_chunks(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_until(stream, b"\r\n")?;
        let size = String::from_utf8_lossy(&line).trim().to_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|_| invalid(&format!("no chunk size: {size:?}")))?;
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        let mut end = [0; 2];
        stream.read_exact(&mut end)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Reads byte by byte, so that nothing behind the end is taken.
fn read_until(stream: &mut impl Read, end: &[u8]) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(end) {
        stream.read_exact(&mut byte)?;
        read.push(byte[0]);
    }
    Ok(read)
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Reply> {
        read_reply(&mut text.as_bytes(), false)
    }

    #[test]
    fn bodies_of_every_form_are_read() {
        let long = read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd").unwrap();
        assert_eq!((long.status, long.text().as_str()), (200, "abc"));
        let chunked =
            read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n").unwrap();
        assert_eq!(chunked.text(), "abc");
        let open = read("HTTP/1.0 503 Busy\r\nRetry-After: 2\r\n\r\nabc").unwrap();
        assert_eq!((open.status, open.header("retry-after"), open.text().as_str()), (503, Some("2"), "abc"));
        let second = read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n").unwrap();
        assert_eq!((second.status, second.body.len()), (204, 0));
    }

    #[test]
    fn an_incomplete_answer_is_an_error() {
        for torn in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            "HTTP/1.1 200 OK\r\n",
            "",
        ] {
            read(torn).unwrap_err();
        }
    }
}
