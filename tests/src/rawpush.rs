//! A push byte for byte, as no git would send it, and what the server reports.
//!
//! Never: a check of what is sent; a test may send anything.
//!
//! # Source
//! `gitprotocol-pack`, "Pushing Data To a Server"; `gitprotocol-http`, "Smart Service git-receive-pack".

use std::collections::BTreeMap;
use std::net::SocketAddr;

use mirror_core::name::CommitId;

use crate::gitclient::Token;
use crate::http::{self, Reply};
use crate::sandbox::Repository;

/// Where the rig's repository takes pushes.
const PATH: &str = "/app.git/git-receive-pack";
/// The id of what is not there.
const NOTHING: &str = "0000000000000000000000000000000000000000";

/// The commands and the pack of one push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawPush {
    commands: Vec<String>,
    capabilities: Vec<String>,
    pack: Vec<u8>,
}

/// What a server reports of a push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The status of the pack: `ok`, or what is wrong with it.
    pub unpack: String,
    /// The status of each ref: nothing where it was updated, or why it was not.
    pub refs: BTreeMap<String, Option<String>>,
}

impl Report {
    /// Whether one ref was updated.
    pub fn accepts(&self, name: &str) -> bool {
        self.unpack == "ok" && self.refs.get(name) == Some(&None)
    }

    /// Gives the reason why a ref is not as asked for.
    ///
    /// # Panics
    /// Where it is.
    #[track_caller]
    pub fn reason(&self, name: &str) -> &str {
        let reason = self.refs.get(name).and_then(Option::as_deref);
        reason.unwrap_or_else(|| panic!("no refusal of {name}: {self:?}"))
    }
}

impl RawPush {
    /// A push that asks for a report and for nothing yet.
    pub fn new() -> Self {
        Self { capabilities: vec!["report-status".to_owned(), "agent=git/rig".to_owned()], ..Self::default() }
    }

    /// Adds a command that moves a ref from one commit to another; `None` is a ref that does not exist.
    pub fn command(mut self, name: &str, old: Option<CommitId>, new: Option<CommitId>) -> Self {
        let hex = |id: Option<CommitId>| id.map_or_else(|| NOTHING.to_owned(), |id| id.to_string());
        self.commands.push(format!("{} {} {name}", hex(old), hex(new)));
        self
    }

    /// Asks for a capability.
    pub fn capability(mut self, name: &str) -> Self {
        self.capabilities.push(name.to_owned());
        self
    }

    /// Sends these bytes as the pack.
    pub fn pack(mut self, pack: Vec<u8>) -> Self {
        self.pack = pack;
        self
    }

    /// Gives the body of the request.
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (number, command) in self.commands.iter().enumerate() {
            let capabilities = if number == 0 { format!("\0 {}", self.capabilities.join(" ")) } else { String::new() };
            let line = format!("{command}{capabilities}");
            body.extend_from_slice(format!("{:04x}{line}", line.len() + 4).as_bytes());
        }
        body.extend_from_slice(b"0000");
        body.extend_from_slice(&self.pack);
        body
    }

    /// Gives the head of the request with the length of the body, for a test that sends the body itself.
    pub fn head(&self, address: SocketAddr, token: &Token) -> String {
        format!(
            "POST {PATH} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {}\r\nContent-Type: {KIND}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            token.bearer(),
            self.body().len()
        )
    }

    /// Sends it and gives the answer, whatever that is.
    ///
    /// # Panics
    /// Where no whole answer comes.
    #[track_caller]
    pub fn ask(&self, address: SocketAddr, token: &Token) -> Reply {
        let bearer = token.bearer();
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", KIND)];
        http::request(address, "POST", PATH, &headers, &self.body())
    }

    /// Sends it and gives the report.
    ///
    /// # Panics
    /// Where the server answers with anything else.
    #[track_caller]
    pub fn send(&self, address: SocketAddr, token: &Token) -> Report {
        let reply = self.ask(address, token).expect(200);
        report(&reply.body)
    }
}

/// The type of the request's body.
const KIND: &str = "application/x-git-receive-pack-request";

/// Reads a report without a side band.
///
/// # Panics
/// Where it is none.
#[track_caller]
pub fn report(body: &[u8]) -> Report {
    let mut report = Report::default();
    for line in lines(body) {
        let line = line.trim_end_matches('\n');
        match line.split_once(' ') {
            Some(("unpack", result)) => report.unpack = result.to_owned(),
            Some(("ok", name)) => drop(report.refs.insert(name.to_owned(), None)),
            Some(("ng", rest)) => {
                let (name, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                report.refs.insert(name.to_owned(), Some(reason.to_owned()));
            }
            _ => panic!("no line of a report: {line:?}"),
        }
    }
    assert!(!report.unpack.is_empty(), "no report: {:?}", String::from_utf8_lossy(body));
    report
}

/// The texts of packet lines up to the first flush.
fn lines(body: &[u8]) -> Vec<String> {
    let (mut rest, mut lines) = (body, Vec::new());
    while rest.len() >= 4 {
        let (size, behind) = rest.split_at(4);
        let size = std::str::from_utf8(size).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        match size {
            Some(0) => return lines,
            Some(size @ 4..) if size - 4 <= behind.len() => {
                let (line, behind) = behind.split_at(size - 4);
                lines.push(String::from_utf8_lossy(line).into_owned());
                rest = behind;
            }
            _ => break,
        }
    }
    panic!("the packet lines are torn: {:?}", String::from_utf8_lossy(body))
}

/// Packs what `new` reaches and `old` does not.
///
/// # Panics
/// Where git cannot.
pub fn pack(repository: &Repository, new: CommitId, old: Option<CommitId>) -> Vec<u8> {
    let mut revisions = format!("{new}\n");
    if let Some(old) = old {
        revisions += &format!("^{old}\n");
    }
    make(repository, &["pack-objects", "--quiet", "--stdout", "--revs", "--thin"], &revisions)
}

/// Packs exactly these objects.
///
/// # Panics
/// Where git cannot.
pub fn pack_of(repository: &Repository, objects: &[String]) -> Vec<u8> {
    make(repository, &["pack-objects", "--quiet", "--stdout"], &(objects.join("\n") + "\n"))
}

fn make(repository: &Repository, words: &[&str], input: &str) -> Vec<u8> {
    let answer = repository.git().ask_with(repository.path(), words, input.as_bytes());
    assert!(answer.status.success(), "{}", answer.stderr);
    answer.stdout
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let read = report(b"000eunpack ok\n0018ok refs/heads/gitops001ang refs/heads/x not so0000");
        assert!(read.accepts("refs/heads/gitops") && !read.accepts("refs/heads/x"));
        assert_eq!(read.reason("refs/heads/x"), "not so");
    }

    #[test]
    fn a_body_is_packet_lines_and_the_pack() {
        let body = RawPush::new().command("refs/heads/a", None, None).pack(b"PACK".to_vec()).body();
        let text = String::from_utf8(body).unwrap();
        assert!(text.starts_with("00"), "{text}");
        assert!(text.contains(" refs/heads/a\0 report-status agent=git/rig0000PACK"), "{text}");
    }
}
