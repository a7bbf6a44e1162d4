//! Commit ids: the SHA-1 of a commit, as 20 bytes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::error::{NameError, NameFault, NameKind};

/// The id of a commit in a SHA-1 repository.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId([u8; 20]);

impl CommitId {
    /// Takes the 20 bytes of an id.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Takes 40 lower-case hex digits.
    ///
    /// # Errors
    /// Another length, or a character that is not a lower-case hex digit. The null id, all zeros, is refused as well: on the wire
    /// it stands for "no value", which is an `Option` here.
    pub fn from_hex(text: &str) -> Result<Self, NameError> {
        let refused = |fault| NameError { kind: NameKind::Commit, text: text.to_owned(), fault };
        if let Some(c) = text.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
            return Err(refused(NameFault::Character(c)));
        }
        if text.len() != 40 {
            return Err(refused(NameFault::HexLength { found: text.len() }));
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0]) << 4 | digit(pair[1]);
        }
        if bytes == [0; 20] {
            return Err(refused(NameFault::Null));
        }
        Ok(Self(bytes))
    }

    /// Takes 40 lower-case hex digits; the same as [`CommitId::from_hex`].
    ///
    /// # Errors
    /// As there.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::from_hex(text)
    }

    /// Gives the 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Gives the first ten hex digits, for people.
    pub fn short(&self) -> String {
        self.0[..5].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The value of a digit that was checked before.
fn digit(c: u8) -> u8 {
    if c.is_ascii_digit() { c - b'0' } else { c - b'a' + 10 }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitId({self})")
    }
}

impl FromStr for CommitId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_hex(text)
    }
}

impl serde::Serialize for CommitId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for CommitId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for CommitId {
    fn schema_name() -> Cow<'static, str> {
        "CommitId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "a commit id: 40 lower-case hex digits", "pattern": "^[0-9a-f]{40}$" })
    }
}
