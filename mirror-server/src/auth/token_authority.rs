//! The authority of a token file: read again when it changes, so that a revoked token is refused from the next request on.
//!
//! A file that cannot be understood changes nothing: the last good one holds, and the log says so once. Without the file, no token is valid.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::tokens::{TokenFile, TokensError};
use jiff::Timestamp;
use mirror_store::disk::Stamp;
use secrecy::{ExposeSecret, SecretString};

use super::{Authority, Caller, Denied, Judged};
use crate::metrics::label::TokenFailure;

/// The writers of a token file; without a file, none.
#[derive(Debug)]
pub(crate) struct TokenAuthority {
    path: Option<PathBuf>,
    held: Mutex<Held>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Held {
    stamp: Option<Stamp>,
    tokens: Arc<TokenFile>,
    /// Whether the file holds now what could not be understood.
    is_stale: bool,
}

impl TokenAuthority {
    /// Reads the file. While it does not exist, no token is valid.
    ///
    /// # Errors
    /// A file that is there and cannot be understood, or not be read.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, TokensError> {
        let mut held = Held::default();
        if let Some(path) = &path {
            held.stamp = Stamp::of(path).ok().flatten();
            match TokenFile::read(path) {
                Ok(tokens) => held.tokens = Arc::new(tokens),
                Err(TokensError::Missing { .. }) => {
                    tracing::warn!(file = %path.display(), "no token file yet: every push is refused until `git-mirror token new NAME` makes it");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self { path, held: Mutex::new(held) })
    }

    /// Gives the tokens as the file has them now, and whether it could be understood.
    fn tokens(&self) -> (Arc<TokenFile>, bool) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.path else { return (Arc::clone(&held.tokens), false) };
        let stamp = Stamp::of(path).ok().flatten();
        if stamp != held.stamp {
            // Read after the stamp: a change in between shows at the next request.
            match TokenFile::read(path) {
                Ok(tokens) => {
                    tracing::info!(file = %path.display(), writers = tokens.tokens.len(), "the token file changed and was read again");
                    held.tokens = Arc::new(tokens);
                    held.is_stale = false;
                }
                Err(TokensError::Missing { .. }) => {
                    tracing::warn!(file = %path.display(), "the token file is gone: every token is refused");
                    held.tokens = Arc::default();
                    held.is_stale = false;
                }
                Err(error) => {
                    if !held.is_stale {
                        tracing::error!(file = %path.display(), %error, "the token file changed and cannot be read; the tokens that it had before stay in force");
                    }
                    held.is_stale = true;
                    // What the system refuses may pass without another change of the file: the next request tries again.
                    if let TokensError::Io { .. } = error {
                        return (Arc::clone(&held.tokens), true);
                    }
                }
            }
            held.stamp = stamp;
        }
        (Arc::clone(&held.tokens), held.is_stale)
    }

    fn find(&self, presented: &SecretString, now: Timestamp) -> Result<Caller, Denied> {
        let (tokens, is_stale) = self.tokens();
        let unknown = if is_stale { TokenFailure::Unreadable } else { TokenFailure::Unknown };
        let entry = tokens.find(presented.expose_secret()).ok_or(Denied(unknown))?;
        if entry.has_expired(now) {
            return Err(Denied(TokenFailure::Expired));
        }
        Ok(Caller::Writer { name: entry.name.to_string(), lanes: entry.lanes.clone() })
    }
}

impl Authority for TokenAuthority {
    fn judge(&self, presented: SecretString) -> Judged<'_> {
        Box::pin(async move { self.find(&presented, Timestamp::now()) })
    }

    fn knows_anybody(&self) -> bool {
        self.path.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::tokens::{self, Token, TokenTerms};

    use super::*;

    fn new(path: &Path, name: &str, expires: Option<Timestamp>) -> Token {
        let terms = TokenTerms { name: name.parse().unwrap(), lanes: None, expires, created: Timestamp::UNIX_EPOCH };
        tokens::add(path, terms).unwrap()
    }

    fn check(authority: &TokenAuthority, token: &str, expect: Result<&str, TokenFailure>) {
        let found = authority.find(&token.into(), Timestamp::UNIX_EPOCH);
        let name = match &found {
            Ok(Caller::Writer { name, .. }) => Ok(name.as_str()),
            Ok(Caller::Anonymous) => panic!("a token made nobody"),
            Err(Denied(why)) => Err(*why),
        };
        assert_eq!(name, expect);
    }

    #[test]
    fn each_change_of_the_file_is_in_force_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        let authority = TokenAuthority::open(Some(path.clone())).unwrap();
        assert!(authority.knows_anybody());
        check(&authority, "gmt_none", Err(TokenFailure::Unknown));

        let ci = new(&path, "ci", None);
        check(&authority, ci.expose(), Ok("ci"));
        let cd = new(&path, "cd", None);
        check(&authority, cd.expose(), Ok("cd"));
        let old = new(&path, "old", Some(Timestamp::UNIX_EPOCH));
        check(&authority, old.expose(), Err(TokenFailure::Expired));
        tokens::revoke(&path, &"ci".parse().unwrap()).unwrap();
        check(&authority, ci.expose(), Err(TokenFailure::Unknown));

        // A file that cannot be parsed revokes no token, and adds none.
        let good = fs::read(&path).unwrap();
        fs::write(&path, "tokens: [").unwrap();
        check(&authority, cd.expose(), Ok("cd"));
        check(&authority, "gmt_none", Err(TokenFailure::Unreadable));
        fs::write(&path, good).unwrap();
        check(&authority, cd.expose(), Ok("cd"));
        check(&authority, "gmt_none", Err(TokenFailure::Unknown));

        fs::remove_file(&path).unwrap();
        check(&authority, cd.expose(), Err(TokenFailure::Unknown));
    }

    #[test]
    fn a_server_does_not_begin_with_a_file_it_cannot_understand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        fs::write(&path, "kind: Secrets\n").unwrap();
        assert!(matches!(TokenAuthority::open(Some(path)), Err(TokensError::Malformed { .. })));
        let nobody = TokenAuthority::open(None).unwrap();
        assert!(!nobody.knows_anybody());
        check(&nobody, "gmt_none", Err(TokenFailure::Unknown));
    }
}
