//! The token file: who may write, each with a name, the hash of a token, and what it is good for.
//!
//! Owns the form of the file, making and verifying tokens, and changing the file so that a reader sees the old one or the new one. A token
//! itself is shown once, when it is made; the file holds SHA-256 hashes, which are enough for tokens of 256 random bits.
//!
//! Never: HTTP, printing, deciding what a writer may push. No token and no hash is ever formatted into a message.
//!
//! ```
//! use mirror_server::tokens::{self, TokenFile, TokenTerms};
//!
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("tokens.yaml");
//! let now = jiff::Timestamp::UNIX_EPOCH;
//! let token = tokens::add(&path, TokenTerms { name: "promoter".parse()?, lanes: None, expires: None, created: now })?;
//!
//! let file = TokenFile::read(&path)?;
//! let entry = file.verify(token.expose(), now).expect("the token that was just made");
//! assert_eq!(entry.name.as_str(), "promoter");
//! assert!(file.verify("gmt_something-else", now).is_none());
//!
//! tokens::revoke(&path, &entry.name)?;
//! assert!(TokenFile::read(&path)?.verify(token.expose(), now).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod edit;
mod error;
mod file;
#[cfg(test)]
mod tests;
mod token;

pub use edit::{TokenTerms, add, revoke};
pub use error::TokensError;
pub use file::{TokenEntry, TokenFile, WriterName, WriterNameError};
pub use token::{Token, TokenHash};
