//! Judging an offered host key.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{HashAlg, PublicKey};

use crate::ssh::error::SshError;
use crate::tunnel::HostPort;

use super::entry::{Entry, Marker};
use super::error::KnownHostsError;
use super::github;
use super::pattern::host_field;

const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Holds the host keys that are trusted. Cheap to clone.
#[derive(Clone)]
pub struct KnownHosts(Arc<Inner>);

struct Inner {
    origin: Origin,
    entries: Vec<Entry>,
}

/// Where the keys come from, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Github,
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Github => f.write_str("GitHub's published keys"),
            Origin::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Debug for KnownHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownHosts({}, {} keys)", self.0.origin, self.0.entries.len())
    }
}

impl KnownHosts {
    /// Gives GitHub's published keys, for `github.com` and `ssh.github.com`, also at port 443.
    pub fn github() -> Self {
        let entries = parse_lines(github::LINES).expect("because a test reads the built-in lines");
        Self(Arc::new(Inner { origin: Origin::Github, entries }))
    }

    /// Reads a `known_hosts` file.
    ///
    /// # Errors
    /// Where the file is missing, unreadable, too large, or a line of it is malformed (with its number).
    pub fn from_file(path: &Path) -> Result<Self, KnownHostsError> {
        let path_owned = || path.to_owned();
        let file = File::open(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => KnownHostsError::Missing { path: path_owned() },
            _ => KnownHostsError::Unreadable { path: path_owned(), source },
        })?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| KnownHostsError::Unreadable { path: path_owned(), source })?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(KnownHostsError::TooLarge { path: path_owned(), limit: MAX_FILE });
        }
        // A comment may be in any encoding; everything else is ASCII.
        Self::parse(path, &String::from_utf8_lossy(&bytes))
    }

    /// Reads the text of a `known_hosts` file; `path` is only for messages.
    ///
    /// # Errors
    /// Where a line is malformed (with its number).
    pub fn parse(path: &Path, text: &str) -> Result<Self, KnownHostsError> {
        let entries = parse_lines(text).map_err(|(line, reason)| KnownHostsError::Malformed {
            path: path.to_owned(),
            line,
            reason,
        })?;
        Ok(Self(Arc::new(Inner { origin: Origin::File(path.to_owned()), entries })))
    }

    /// Gives the types of the keys known for a host, so that the offer can ask for those first.
    pub(in crate::ssh) fn key_types(&self, target: &HostPort) -> Vec<String> {
        self.covering(target)
            .filter(|entry| entry.marker == Marker::Plain)
            .map(|entry| entry.key_type.clone())
            .collect()
    }

    /// Judges a key that a host proved to hold; gives its type and fingerprint where it is trusted.
    pub(in crate::ssh) fn judge(&self, target: &HostPort, key: &PublicKey) -> Result<String, SshError> {
        let offered = fingerprint(key);
        let target_owned = || target.clone();
        let blob = key.to_bytes().unwrap_or_default();
        let revoked = self.covering(target).find(|entry| entry.marker == Marker::Revoked && entry.blob == blob);
        if let Some(entry) = revoked {
            return Err(SshError::HostKeyRevoked { target: target_owned(), offered, place: self.place(entry) });
        }
        if offered.ends_with(github::WITHDRAWN_RSA) {
            return Err(SshError::HostKeyRevoked {
                target: target_owned(),
                offered,
                place: "the list of keys that their owners withdrew".to_owned(),
            });
        }
        let known: Vec<_> = self.covering(target).filter(|entry| entry.marker == Marker::Plain).collect();
        if known.iter().any(|entry| entry.blob == blob) {
            return Ok(offered);
        }
        if !known.is_empty() {
            let expected: Vec<_> = known.iter().map(|entry| self.expected(entry)).collect();
            return Err(SshError::HostKeyMismatch {
                target: target_owned(),
                offered,
                expected: expected.join(", "),
                origin: self.0.origin.to_string(),
            });
        }
        let authority = self.covering(target).find(|entry| entry.marker == Marker::CertAuthority);
        if let Some(entry) = authority {
            return Err(SshError::HostCertAuthority { target: target_owned(), place: self.place(entry), offered });
        }
        Err(SshError::HostUnknown {
            target: target_owned(),
            offered,
            origin: self.0.origin.to_string(),
            repair: self.repair(target, key),
        })
    }

    fn covering<'a>(&'a self, target: &'a HostPort) -> impl Iterator<Item = &'a Entry> {
        self.0.entries.iter().filter(|entry| entry.hosts.covers(target))
    }

    fn place(&self, entry: &Entry) -> String {
        match &self.0.origin {
            Origin::Github => self.0.origin.to_string(),
            Origin::File(path) => format!("{}:{}", path.display(), entry.line),
        }
    }

    fn expected(&self, entry: &Entry) -> String {
        match (PublicKey::from_bytes(&entry.blob), &self.0.origin) {
            (Ok(key), Origin::Github) => fingerprint(&key),
            (Ok(key), Origin::File(_)) => format!("{} (line {})", fingerprint(&key), entry.line),
            (Err(_), _) => format!("{} (line {})", entry.key_type, entry.line),
        }
    }

    fn repair(&self, target: &HostPort, key: &PublicKey) -> String {
        let line = match key.to_openssh() {
            Ok(text) => format!("{} {}", host_field(target), text.trim_end()),
            Err(_) => format!("{} {}", host_field(target), key.algorithm()),
        };
        match &self.0.origin {
            Origin::Github => format!(
                "knownHosts: github covers only github.com and ssh.github.com; after checking the fingerprint with the host's owner, \
                 set githubTransport.knownHosts to a file with this line: {line}"
            ),
            Origin::File(path) => format!(
                "after checking the fingerprint with the host's owner, add this line to {}: {line}",
                path.display()
            ),
        }
    }
}

/// Writes the type and the SHA256 fingerprint of a key, as `ssh-keygen -l` does.
pub fn fingerprint(key: &PublicKey) -> String {
    format!("{} {}", plain_type(key), key.fingerprint(HashAlg::Sha256))
}

fn plain_type(key: &PublicKey) -> String {
    key.algorithm().as_str().to_owned()
}

fn parse_lines(text: &str) -> Result<Vec<Entry>, (usize, &'static str)> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        entries.extend(Entry::parse(index + 1, line).map_err(|reason| (index + 1, reason))?);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const WITHDRAWN: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEAq2A7hRGmdnm9tUDbO9IDSwBK6TbQa+PXYPCPy6rbTrTtw7PHkccKrpp0yVhp5HdEIcKr6pLlVDBfOLX9QUsyCOV0wzfjIJNlGEYsdlLJizHhbn2mUjvSAHQqZETYP81eFzLQNnPHt4EVVUh7VfDESU84KezmD5QlWpXLmvU31/yMf+Se8xhHTvKSCZIFImWwoG6mbUoWf9nzpIoaSjB+weqqUUmpaaasXVal72J+UX2B+2RPW3RcT0eOzQgqlJL3RKrTJvdsjE3JEAvGq3lGHSZXy28G3skua2SmVi/w4yCE6gbODqnTWlg7+wC604ydGXA8VJiS5ap43JXiUFFAaQ==";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn hosts(text: &str) -> KnownHosts {
        KnownHosts::parse(Path::new("known_hosts"), text).unwrap()
    }

    #[test]
    fn github_fingerprints_are_the_published_ones() {
        let github = KnownHosts::github();
        let shown: Vec<_> =
            github.0.entries.iter().map(|entry| fingerprint(&PublicKey::from_bytes(&entry.blob).unwrap())).collect();
        assert_eq!(
            shown,
            [
                "ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
                "ecdsa-sha2-nistp256 SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
                "ssh-rsa SHA256:uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s",
            ]
        );
    }

    #[test]
    fn github_is_known_by_its_names_only() {
        let github = KnownHosts::github();
        for (host, port, known) in [
            ("github.com", 22, true),
            ("ssh.github.com", 443, true),
            ("ssh.github.com", 22, true),
            ("github.com", 443, false),
            ("example.org", 22, false),
        ] {
            let verdict = github.judge(&HostPort::new(host, port), &key(ED25519));
            assert_eq!(verdict.is_ok(), known, "{host}:{port}");
            if !known {
                assert!(matches!(verdict, Err(SshError::HostUnknown { .. })));
            }
        }
    }

    #[test]
    fn the_withdrawn_key_is_revoked_even_where_a_file_lists_it() {
        for hosts in [KnownHosts::github(), hosts(&format!("github.com {WITHDRAWN}"))] {
            let verdict = hosts.judge(&HostPort::new("github.com", 22), &key(WITHDRAWN));
            assert!(matches!(verdict, Err(SshError::HostKeyRevoked { .. })), "{hosts:?}");
        }
    }

    #[test]
    fn verdicts() {
        let target = HostPort::new("git.example", 2222);
        let judge = |text: &str| hosts(text).judge(&target, &key(ED25519));

        let two = format!("[git.example]:2222 {OTHER}\n[git.example]:2222 {ED25519}\n");
        assert_eq!(judge(&two).unwrap(), "ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");

        let SshError::HostKeyMismatch { offered, expected, .. } =
            judge(&format!("# a comment\n[git.example]:2222 {OTHER}")).unwrap_err()
        else {
            panic!("a mismatch")
        };
        assert!(offered.contains("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"));
        assert!(expected.contains(&fingerprint(&key(OTHER))) && expected.contains("line 2"));

        let SshError::HostUnknown { repair, .. } = judge(&format!("git.example {ED25519}")).unwrap_err() else {
            panic!("unknown: a bare host is port 22")
        };
        assert!(repair.ends_with(&format!("[git.example]:2222 {ED25519}")), "{repair}");

        let revoked = format!("[git.example]:2222 {ED25519}\n@revoked * {ED25519}");
        let SshError::HostKeyRevoked { place, .. } = judge(&revoked).unwrap_err() else {
            panic!("revoked outweighs listed")
        };
        assert_eq!(place, "known_hosts:2");

        let authority = format!("@cert-authority [*.example]:2222 {OTHER}");
        assert!(matches!(judge(&authority), Err(SshError::HostCertAuthority { .. })));
        assert!(judge(&format!("{authority}\n[git.example]:2222 {ED25519}")).is_ok());
    }

    #[test]
    fn malformed_files_name_the_line() {
        let text = format!("git.example {ED25519}\n\ngit.example ssh-ed25519\n");
        let error = KnownHosts::parse(Path::new("known_hosts"), &text).unwrap_err();
        assert!(matches!(error, KnownHostsError::Malformed { line: 3, .. }), "{error}");
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        let missing = KnownHosts::from_file(&dir.path().join("none")).unwrap_err();
        assert!(matches!(missing, KnownHostsError::Missing { .. }));
        let directory = KnownHosts::from_file(dir.path()).unwrap_err();
        assert!(matches!(directory, KnownHostsError::Unreadable { .. }));
        let binary = dir.path().join("binary");
        std::fs::write(&binary, [0xff, 0xfe, 0]).unwrap();
        let binary = KnownHosts::from_file(&binary).unwrap_err();
        assert!(matches!(binary, KnownHostsError::Malformed { line: 1, .. }));
        let good = dir.path().join("good");
        std::fs::write(&good, format!("git.example {ED25519}\n")).unwrap();
        assert_eq!(KnownHosts::from_file(&good).unwrap().key_types(&HostPort::new("git.example", 22)), ["ssh-ed25519"]);
    }
}
