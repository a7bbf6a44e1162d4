//! One line of a `known_hosts` file.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::pattern::HostPattern;

/// Base64 as OpenSSH reads it: padding may be missing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Says what a line says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    /// The key is the host's.
    Plain,
    /// The key must never be accepted.
    Revoked,
    /// The key signs the host's certificates, which are not supported here.
    CertAuthority,
}

/// Holds one line. Keys are kept as blobs, so that a line with a type that is not known here does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) marker: Marker,
    pub(super) hosts: HostPattern,
    pub(super) key_type: String,
    pub(super) blob: Vec<u8>,
}

impl Entry {
    /// Reads one line; blank lines and comments give nothing.
    pub(super) fn parse(line: usize, text: &str) -> Result<Option<Self>, &'static str> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let mut fields = text.split_ascii_whitespace().peekable();
        let marker = match fields.next_if(|field| field.starts_with('@')) {
            None => Marker::Plain,
            Some("@revoked") => Marker::Revoked,
            Some("@cert-authority") => Marker::CertAuthority,
            Some(_) => return Err("the marker is neither @revoked nor @cert-authority"),
        };
        let hosts = HostPattern::parse(fields.next().ok_or("there is no host")?)?;
        let key_type = fields.next().ok_or("there is no key type")?.to_owned();
        let key = fields.next().ok_or("there is no key")?;
        let blob = LENIENT.decode(key).map_err(|_| "the key is not base64 (a line may have been broken)")?;
        match type_of(&blob) {
            Some(inner) if inner == key_type.as_bytes() => {}
            Some(_) => return Err("the key is of another type than the line says"),
            None => return Err("the key is cut short"),
        }
        Ok(Some(Self { line, marker, hosts, key_type, blob }))
    }
}

/// Reads the type name that a key blob starts with.
///
/// # Source
/// RFC 4253 §6.6.
fn type_of(blob: &[u8]) -> Option<&[u8]> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    // A key holds more than the name of its type.
    rest.get(..length).filter(|_| rest.len() > length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    fn marker(text: &str) -> Result<Option<Marker>, &'static str> {
        Entry::parse(1, text).map(|entry| entry.map(|e| e.marker))
    }

    #[test]
    fn lines() {
        assert_eq!(marker(""), Ok(None));
        assert_eq!(marker("  # comment"), Ok(None));
        let plain = Ok(Some(Marker::Plain));
        assert_eq!(marker(&format!("github.com ssh-ed25519 {KEY}")), plain);
        assert_eq!(marker(&format!("github.com\tssh-ed25519\t{KEY} a comment\r")), plain);
        assert_eq!(marker(&format!("@revoked * ssh-ed25519 {KEY}")), Ok(Some(Marker::Revoked)));
        assert_eq!(marker(&format!("@cert-authority *.corp ssh-ed25519 {KEY}")), Ok(Some(Marker::CertAuthority)));
        for (bad, word) in [
            (format!("@other * ssh-ed25519 {KEY}"), "marker"),
            ("@revoked".to_owned(), "no host"),
            ("github.com".to_owned(), "no key type"),
            ("github.com ssh-ed25519".to_owned(), "no key"),
            ("github.com ssh-ed25519 %%%".to_owned(), "base64"),
            ("github.com ssh-ed25519 AAAA".to_owned(), "cut short"),
            ("github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5".to_owned(), "cut short"),
            (format!("github.com ssh-rsa {KEY}"), "another type"),
            (format!("|1|x ssh-ed25519 {KEY}"), "hashed"),
        ] {
            let error = marker(&bad).unwrap_err();
            assert!(error.contains(word), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_lines_never_panic(text in "\\PC{0,120}") {
            let _ = Entry::parse(1, &text);
        }
    }
}
