//! What is offered in key exchange, and in which order.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

/// Key exchanges, best first; the last two are announcements, not exchanges (RFC 8308, OpenSSH's strict key exchange).
const KEX: &[kex::Name] = &[
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::MLKEM768X25519_SHA256,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// Ciphers, fastest first on processors with AES instructions.
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_128_GCM, cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_128_CTR, cipher::AES_256_CTR];

const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];

/// Every host key algorithm that is offered. SHA-1 signatures (`ssh-rsa`) are not among them.
const HOST_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// Gives the offer for a host of which keys of the types `known` are known: those types come first.
///
/// The others stay in the offer, so that a host that changed its key is told from one that shares no algorithm with us.
pub(super) fn offer(known: &[String]) -> Preferred {
    let (first, rest): (Vec<_>, Vec<_>) =
        HOST_KEYS.iter().cloned().partition(|algorithm| known.iter().any(|name| name == key_type(algorithm)));
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Owned(first.into_iter().chain(rest).collect()),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// The type of a key as key blobs and known_hosts name it, whatever the signature's hash.
fn key_type(algorithm: &Algorithm) -> &str {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(known: &[&str]) -> Vec<String> {
        let known: Vec<_> = known.iter().map(ToString::to_string).collect();
        let offer = offer(&known);
        offer.key.iter().map(|a| a.as_str().to_owned()).collect()
    }

    #[test]
    fn known_types_come_first_and_none_is_lost() {
        assert_eq!(names(&[])[0], "ssh-ed25519");
        assert_eq!(&names(&["ssh-rsa"])[..3], ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]);
        assert_eq!(names(&["ecdsa-sha2-nistp384"])[0], "ecdsa-sha2-nistp384");
        for known in [&["ssh-rsa"][..], &["ssh-dss"], &[]] {
            assert_eq!(names(known).len(), HOST_KEYS.len());
            assert!(!names(known).contains(&"ssh-rsa".to_owned()));
        }
    }
}
