//! Changing the token file: read, change, write beside it, move into place. A server that reads it meanwhile sees the old one or the new one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use jiff::Timestamp;
use mirror_core::name::LaneName;
use mirror_store::disk::{self, Access};

use super::error::TokensError;
use super::file::{TokenEntry, TokenFile, WriterName};
use super::token::Token;

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct TokenTerms {
    /// Whose it is.
    pub name: WriterName,
    /// The lanes it is good for; without it, all.
    pub lanes: Option<BTreeSet<LaneName>>,
    /// From when on it is good for nothing; without it, never.
    pub expires: Option<Timestamp>,
    /// Now.
    pub created: Timestamp,
}

/// Makes a token, adds it to the file (which is made where it is not there), and gives it, to be shown once.
///
/// # Errors
/// [`TokensError::NameTaken`]; a file that cannot be read or written. The file is then as it was.
pub fn add(path: &Path, terms: TokenTerms) -> Result<Token, TokensError> {
    let token = Token::generate()?;
    change(path, |file| {
        if file.tokens.iter().any(|known| known.name == terms.name) {
            return Err(TokensError::NameTaken { name: terms.name });
        }
        let TokenTerms { name, lanes, expires, created } = terms;
        file.tokens.push(TokenEntry { name, hash: token.hash(), lanes, expires, created });
        Ok(())
    })?;
    Ok(token)
}

/// Takes a token out of the file, and gives what the file said of it.
///
/// # Errors
/// [`TokensError::UnknownName`], [`TokensError::Missing`]; a file that cannot be read or written. The file is then as it was.
pub fn revoke(path: &Path, name: &WriterName) -> Result<TokenEntry, TokensError> {
    if !path.exists() {
        return Err(TokensError::Missing { path: path.to_owned() });
    }
    change(path, |file| {
        let at = file.tokens.iter().position(|known| known.name == *name);
        let at = at.ok_or_else(|| TokensError::UnknownName { name: name.clone() })?;
        Ok(file.tokens.remove(at))
    })
}

/// Runs one change after another's: the folder is locked meanwhile, by a lock that goes with its holder.
fn change<T>(path: &Path, with: impl FnOnce(&mut TokenFile) -> Result<T, TokensError>) -> Result<T, TokensError> {
    // A link is followed, so that what it names is changed instead of the link replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| TokensError::Io { action, path, source }
    };
    fs::create_dir_all(folder).map_err(failed("create", folder))?;
    let lock = File::open(folder).map_err(failed("open", folder))?;
    lock.lock().map_err(failed("lock", folder))?;
    let mut file = match TokenFile::read(path) {
        Err(TokensError::Missing { .. }) => TokenFile::default(),
        read => read?,
    };
    let changed = with(&mut file)?;
    disk::replace_content(path, file.show().as_bytes(), Access::Private)
        .map_err(|error| failed("write", path)(error.into_source()))?;
    Ok(changed)
}
