//! Reading a private key file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use russh::keys::{Algorithm, PrivateKey, decode_secret_key};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::IdentityError;

const MAX_FILE: u64 = 64 * 1024;

/// Says what kind of PEM a key file holds, as far as loading must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Encrypted,
    /// Encrypted in a way that only old tools wrote and that is not read here.
    Antiquated,
    PublicHalf,
    NoKey,
}

pub(super) fn private_key(path: &Path, passphrase_file: Option<&Path>) -> Result<PrivateKey, IdentityError> {
    let text = read_secret(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => IdentityError::Missing { path: path.to_owned() },
        _ => IdentityError::Unreadable { path: path.to_owned(), source },
    })?;
    let path_owned = || path.to_owned();
    let key = match (form_of(text.expose_secret()), passphrase_file) {
        (Form::Plain, _) => decode_secret_key(text.expose_secret(), None)
            .map_err(|error| IdentityError::Malformed { path: path_owned(), reason: error.to_string() })?,
        (Form::Encrypted, None) => return Err(IdentityError::Encrypted { path: path_owned() }),
        (Form::Encrypted, Some(passphrase_file)) => decrypt(path, &text, passphrase_file)?,
        (Form::Antiquated, _) => {
            return Err(IdentityError::Unsupported {
                path: path_owned(),
                reason: "its encryption is one that only old tools wrote".to_owned(),
            });
        }
        (Form::PublicHalf, _) => return Err(IdentityError::PublicHalf { path: path_owned() }),
        (Form::NoKey, _) => {
            return Err(IdentityError::Malformed {
                path: path_owned(),
                reason: "there is no BEGIN … PRIVATE KEY line".to_owned(),
            });
        }
    };
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. } => Ok(key),
        other => {
            Err(IdentityError::Unsupported { path: path_owned(), reason: format!("its type is {}", other.as_str()) })
        }
    }
}

fn decrypt(path: &Path, text: &SecretString, passphrase_file: &Path) -> Result<PrivateKey, IdentityError> {
    let content = read_secret(passphrase_file).map_err(|source| IdentityError::PassphraseUnreadable {
        path: path.to_owned(),
        passphrase_file: passphrase_file.to_owned(),
        source,
    })?;
    let passphrase = content.expose_secret().lines().next().unwrap_or_default();
    // The library tells a wrong passphrase only by what the result looks like, in many ways; all of them mean the same to a person.
    decode_secret_key(text.expose_secret(), Some(passphrase)).map_err(|_| IdentityError::WrongPassphrase {
        path: path.to_owned(),
        passphrase_file: passphrase_file.to_owned(),
    })
}

fn read_secret(path: &Path) -> io::Result<SecretString> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than any key file has reason to be"));
    }
    Ok(SecretString::from(text))
}

fn form_of(text: &str) -> Form {
    let label = text.lines().find_map(|line| {
        line.trim_end()
            .strip_prefix("-----BEGIN ")?
            .strip_suffix(" PRIVATE KEY-----")
            .or_else(|| (line.trim_end() == "-----BEGIN PRIVATE KEY-----").then_some(""))
    });
    let old_cipher = text.lines().find_map(|line| line.strip_prefix("DEK-Info: "));
    match (label, old_cipher) {
        (Some("ENCRYPTED"), _) => Form::Encrypted,
        (Some("OPENSSH"), _) if openssh_is_encrypted(text) => Form::Encrypted,
        (Some("RSA"), Some(cipher)) if cipher.starts_with("AES-128-CBC,") => Form::Encrypted,
        (Some(_), Some(_)) => Form::Antiquated,
        (Some(_), None) => Form::Plain,
        (None, _) if looks_public(text) => Form::PublicHalf,
        (None, _) => Form::NoKey,
    }
}

fn openssh_is_encrypted(text: &str) -> bool {
    PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted())
}

fn looks_public(text: &str) -> bool {
    let first = text.trim_start();
    first.starts_with("ssh-")
        || first.starts_with("ecdsa-sha2-")
        || first.contains("-----BEGIN PUBLIC KEY-----")
        || first.contains("-----BEGIN SSH2 PUBLIC KEY-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let pem = |label: &str, more: &str| format!("-----BEGIN {label}PRIVATE KEY-----\n{more}AAAA\n");
        for (text, form) in [
            (pem("", ""), Form::Plain),
            (pem("RSA ", ""), Form::Plain),
            (pem("EC ", ""), Form::Plain),
            (pem("OPENSSH ", ""), Form::Plain),
            (pem("ENCRYPTED ", ""), Form::Encrypted),
            (pem("RSA ", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"), Form::Encrypted),
            (pem("RSA ", "Proc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\n"), Form::Antiquated),
            (pem("EC ", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"), Form::Antiquated),
            ("ssh-ed25519 AAAA me@here\n".to_owned(), Form::PublicHalf),
            ("-----BEGIN PUBLIC KEY-----\n".to_owned(), Form::PublicHalf),
            ("hello".to_owned(), Form::NoKey),
            (String::new(), Form::NoKey),
        ] {
            assert_eq!(form_of(&text), form, "{text}");
        }
    }
}
