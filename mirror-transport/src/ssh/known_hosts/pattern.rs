//! The host field of a `known_hosts` line: what it covers.
//!
//! # Source
//! sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::tunnel::HostPort;

const DEFAULT_PORT: u16 = 22;

/// Covers the hosts of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    /// Names and wildcards; an exclusion that matches outweighs them all.
    List { included: Vec<String>, excluded: Vec<String> },
    /// One name, hidden behind a salted hash.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

impl HostPattern {
    pub(super) fn parse(field: &str) -> Result<Self, &'static str> {
        if let Some(hashed) = field.strip_prefix("|1|") {
            let (salt, hash) = hashed.split_once('|').ok_or("the hashed host has no second part")?;
            let decode = |text| STANDARD.decode(text).map_err(|_| "the hashed host is not base64");
            let (salt, hash) = (decode(salt)?, decode(hash)?);
            if salt.is_empty() || hash.len() != 20 {
                return Err("the hashed host has a wrong length");
            }
            return Ok(Self::Hashed { salt, hash });
        }
        if field.starts_with('|') {
            return Err("the host is hashed in a way that is not known here");
        }
        let mut included = Vec::new();
        let mut excluded = Vec::new();
        for part in field.split(',') {
            let (list, pattern) = match part.strip_prefix('!') {
                Some(rest) => (&mut excluded, rest),
                None => (&mut included, part),
            };
            if pattern.is_empty() {
                return Err("a host pattern is empty");
            }
            list.push(pattern.to_ascii_lowercase());
        }
        Ok(Self::List { included, excluded })
    }

    pub(super) fn covers(&self, target: &HostPort) -> bool {
        let names = names_of(target);
        match self {
            HostPattern::Hashed { salt, hash } => names.iter().any(|name| &hashed(salt, name) == hash),
            HostPattern::List { included, excluded } => {
                let any = |patterns: &[String]| {
                    patterns
                        .iter()
                        .any(|pattern| names.iter().any(|name| wildcard(pattern.as_bytes(), name.as_bytes())))
                };
                any(included) && !any(excluded)
            }
        }
    }
}

/// Writes the host field of a line for this target: the bare host for port 22, `[host]:port` for any other.
pub(super) fn host_field(target: &HostPort) -> String {
    let host = target.host.to_ascii_lowercase();
    if target.port == DEFAULT_PORT { host } else { format!("[{host}]:{}", target.port) }
}

/// The names under which a target may be listed; a bare host means port 22 and no other.
fn names_of(target: &HostPort) -> Vec<String> {
    let host = target.host.to_ascii_lowercase();
    let bracketed = format!("[{host}]:{}", target.port);
    if target.port == DEFAULT_PORT { vec![host, bracketed] } else { vec![bracketed] }
}

fn hashed(salt: &[u8], name: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).expect("because HMAC takes keys of any length");
    mac.update(name.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Matches `*` and `?`, in time linear in the product of the lengths.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, taken)) => {
                    retry = Some((star, taken + 1));
                    p = star + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_field_covers() {
        for (field, host, port, covers) in [
            ("github.com", "github.com", 22, true),
            ("github.com", "GitHub.com", 22, true),
            ("GITHUB.com", "github.com", 22, true),
            ("github.com", "github.com", 443, false),
            ("[github.com]:22", "github.com", 22, true),
            ("[ssh.github.com]:443", "ssh.github.com", 443, true),
            ("[ssh.github.com]:443", "ssh.github.com", 22, false),
            ("a,b,github.com", "github.com", 22, true),
            ("*.github.com", "ssh.github.com", 22, true),
            ("*.github.com", "github.com", 22, false),
            ("[*.github.com]:443", "ssh.github.com", 443, true),
            ("git?ub.com", "github.com", 22, true),
            ("*", "github.com", 443, true),
            ("*,!github.com", "github.com", 22, false),
            ("!github.com,*", "gitlab.com", 22, true),
            ("!gitlab.com", "github.com", 22, false),
            ("192.0.2.1", "192.0.2.1", 22, true),
            ("[2001:db8::1]:443", "2001:db8::1", 443, true),
            ("2001:db8::1", "2001:db8::1", 22, true),
            (HASHED, "192.0.2.53", 22, true),
            (HASHED, "192.0.2.54", 22, false),
        ] {
            let pattern = HostPattern::parse(field).unwrap();
            assert_eq!(pattern.covers(&HostPort::new(host, port)), covers, "{field} {host}:{port}");
        }
    }

    /// `192.0.2.53`, hashed here with a fixed salt; real output of `ssh-keygen -H` is read in the tests against OpenSSH.
    const HASHED: &str = "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|GmIMCT0LVHX04wOTsAHdL7k61ew=";

    #[test]
    fn malformed_fields() {
        for field in ["", ",", "a,,b", "!", "|1|", "|1|a", "|1|a|b", "|1||", "|2|a|b"] {
            assert!(HostPattern::parse(field).is_err(), "{field:?}");
        }
    }

    proptest! {
        #[test]
        fn wildcards_agree_with_the_slow_definition(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            fn slow(p: &[u8], n: &[u8]) -> bool {
                match (p.first(), n.first()) {
                    (None, None) => true,
                    (Some(b'*'), _) => slow(&p[1..], n) || (!n.is_empty() && slow(p, &n[1..])),
                    (Some(b'?'), Some(_)) => slow(&p[1..], &n[1..]),
                    (Some(a), Some(b)) if a == b => slow(&p[1..], &n[1..]),
                    _ => false,
                }
            }
            prop_assert_eq!(wildcard(pattern.as_bytes(), name.as_bytes()), slow(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn arbitrary_fields_never_panic(field in "\\PC{0,40}", host in "[a-z.]{1,12}", port in any::<u16>()) {
            if let Ok(pattern) = HostPattern::parse(&field) {
                pattern.covers(&HostPort::new(host, port));
            }
        }
    }
}
