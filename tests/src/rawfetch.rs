//! A fetch of protocol version 2 byte for byte, and the pack of its answer.
//!
//! Never: negotiation; it sends its wants and `done`.
//!
//! # Source
//! `gitprotocol-v2`, "fetch".

use std::net::SocketAddr;

use mirror_core::name::CommitId;

use crate::http::{self, Reply};

/// Where the rig's repository is fetched from.
const PATH: &str = "/app.git/git-upload-pack";
/// The type of the request's body.
const KIND: &str = "application/x-git-upload-pack-request";

/// One fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFetch {
    agent: String,
    lines: Vec<String>,
}

impl RawFetch {
    /// Wants a commit with all that it reaches.
    pub fn of(commit: CommitId) -> Self {
        Self { agent: "git/rig".to_owned(), lines: vec![format!("want {commit}")] }
    }

    /// Goes by another name, which changes no answer.
    pub fn named(mut self, agent: &str) -> Self {
        self.agent = agent.to_owned();
        self
    }

    /// Adds an argument, such as `deepen 1` or `ofs-delta`.
    pub fn with(mut self, argument: &str) -> Self {
        self.lines.push(argument.to_owned());
        self
    }

    /// Gives the body of the request.
    pub fn body(&self) -> Vec<u8> {
        let pkt = |line: &str| format!("{:04x}{line}\n", line.len() + 5);
        let mut body =
            pkt("command=fetch") + &pkt(&format!("agent={}", self.agent)) + &pkt("object-format=sha1") + "0001";
        for line in self.lines.iter().map(String::as_str).chain(["done"]) {
            body += &pkt(line);
        }
        body += "0000";
        body.into_bytes()
    }

    /// Gives the whole request, for a test that reads the answer itself.
    pub fn request(&self, address: SocketAddr) -> Vec<u8> {
        let body = self.body();
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: {address}\r\nGit-Protocol: version=2\r\nContent-Type: {KIND}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    }

    /// Sends it and gives the answer, whatever that is.
    ///
    /// # Panics
    /// Where no whole answer comes.
    #[track_caller]
    pub fn send(&self, address: SocketAddr) -> Reply {
        http::request(address, "POST", PATH, &[("Git-Protocol", "version=2"), ("Content-Type", KIND)], &self.body())
    }
}

/// Takes the pack out of an answer; nothing where the answer is torn.
pub fn pack(answer: &[u8]) -> Option<Vec<u8>> {
    let (mut rest, mut pack, mut begun) = (answer, Vec::new(), false);
    loop {
        let size = usize::from_str_radix(std::str::from_utf8(rest.get(..4)?).ok()?, 16).ok()?;
        match size {
            0 => return begun.then_some(pack),
            1..4 => rest = &rest[4..],
            _ => {
                let line = rest.get(4..size)?;
                match line.first() {
                    Some(1) if begun => pack.extend_from_slice(&line[1..]),
                    _ => begun |= line == b"packfile\n",
                }
                rest = &rest[size..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_answer_gives_its_pack() {
        let answer = b"000dpackfile\n0009\x01PACK0008\x02hmm0006\x01!0000";
        assert_eq!(pack(answer).as_deref(), Some(b"PACK!".as_slice()));
        assert_eq!(pack(&answer[..answer.len() - 2]), None);
        assert_eq!(pack(&answer[..20]), None);
        assert_eq!(pack(b"0000"), None);
    }
}
