//! A token and its hash. Neither can be formatted; they are compared in constant time.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroize};
use subtle::ConstantTimeEq;

use super::error::TokensError;

/// What every token begins with, so that people and scanners of secrets know one when they see it.
pub(super) const PREFIX: &str = "gmt_";
const RANDOM_BYTES: usize = 32;
const HASH_PREFIX: &str = "sha256:";

/// A token in the clear: `gmt_` and 32 random bytes in base64url. It exists between its making and its being shown.
pub struct Token(SecretString);

impl Token {
    /// Makes a token from the system's randomness.
    ///
    /// # Errors
    /// [`TokensError::Random`] where the system gives none.
    pub fn generate() -> Result<Self, TokensError> {
        let mut bytes = [0; RANDOM_BYTES];
        ring::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| TokensError::Random)?;
        let mut text = String::with_capacity(PREFIX.len() + RANDOM_BYTES * 2);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        bytes.zeroize();
        Ok(Self(text.into()))
    }

    /// Gives the token in the clear, for the one time that it is shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Gives what the file keeps of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The SHA-256 of a token, as the file keeps it.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Hashes what somebody presents.
    #[must_use]
    pub fn of(presented: &str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, presented.as_bytes());
        Self(digest.as_ref().try_into().expect("because SHA-256 has 32 bytes"))
    }

    /// Reads the form of the file, `sha256:` and 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(HASH_PREFIX)?.as_bytes();
        let mut hash = [0; 32];
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        for (into, [high, low]) in hash.iter_mut().zip(pairs) {
            *into = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(hash))
    }

    /// Writes the form of the file.
    pub(super) fn write(self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(HASH_PREFIX.to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl ConstantTimeEq for TokenHash {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}
