//! The credentials of a proxy: read from a file, sent in one header, shown nowhere.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mirror_core::fault::{Classified, FaultClass, Retry};
use secrecy::{ExposeSecret, SecretString};

const MAX_FILE: u64 = 4096;

/// Holds a proxy's user and password, and cannot be formatted.
#[derive(Clone)]
pub struct ProxyCredentials(SecretString);

/// Tells why no credentials could be read. The file's content is in none of the texts.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read the proxy credentials in {}", path.display())]
    #[diagnostic(
        code(mirror::tunnel::credentials_unreadable),
        help("make githubTransport.proxyCredentials name a readable file that holds user:password")
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file does not hold one line `user:password`.
    #[error("the proxy credentials in {} are {reason}", path.display())]
    #[diagnostic(
        code(mirror::tunnel::credentials_malformed),
        help("write one line user:password into the file that githubTransport.proxyCredentials names")
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with its form.
        reason: &'static str,
    },
}

impl Classified for CredentialsError {
    fn class(&self) -> FaultClass {
        FaultClass::Usage
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl ProxyCredentials {
    /// Reads `user:password` from a file; one line end behind it is ignored.
    ///
    /// # Errors
    /// Where the file cannot be read, or does not hold one line with a colon.
    pub fn from_file(path: &Path) -> Result<Self, CredentialsError> {
        let unreadable = |source| CredentialsError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(SecretString::from(text))
            .map_err(|reason| CredentialsError::Malformed { path: path.to_owned(), reason })
    }

    /// Takes the text `user:password`.
    ///
    /// # Errors
    /// Names what is wrong with the form, without repeating the text.
    pub fn parse(text: SecretString) -> Result<Self, &'static str> {
        let whole = text.expose_secret();
        let line = whole.strip_suffix('\n').unwrap_or(whole);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return Err("empty");
        }
        if line.len() as u64 > MAX_FILE {
            return Err("too long");
        }
        if line.chars().any(char::is_control) {
            return Err("more than one line, or hold control characters");
        }
        match line.split_once(':') {
            Some((user, _)) if !user.is_empty() => Ok(Self(SecretString::from(line))),
            _ => Err("not of the form user:password"),
        }
    }

    /// Gives the value of `Proxy-Authorization`.
    ///
    /// # Source
    /// RFC 7617 §2.
    pub(super) fn header_value(&self) -> SecretString {
        SecretString::from(format!("Basic {}", STANDARD.encode(self.0.expose_secret())))
    }

    /// Blots out every form of the secret in a text that came from the proxy, which may have sent our own header back.
    pub(super) fn blot(&self, text: &str) -> String {
        let plain = self.0.expose_secret();
        let password = plain.split_once(':').map_or("", |(_, password)| password);
        let mut text = text.replace(&STANDARD.encode(plain), "***").replace(plain, "***");
        if !password.is_empty() {
            text = text.replace(password, "***");
        }
        text
    }
}

impl fmt::Debug for ProxyCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyCredentials(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ProxyCredentials, &'static str> {
        ProxyCredentials::parse(SecretString::from(text))
    }

    #[test]
    fn forms() {
        for good in ["u:p", "u:p\n", "u:p\r\n", "u:", "u:p:q"] {
            assert!(parse(good).is_ok(), "{good:?}");
        }
        for bad in ["", "\n", "user", ":p", "u:p\nv:q", "u:\tp"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_header_is_basic() {
        let value = parse("Aladdin:open sesame").unwrap().header_value();
        assert_eq!(value.expose_secret(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn no_form_of_the_secret_survives() {
        let secret = parse("user:hunter2").unwrap();
        let echoed = format!("Bad header Basic {} or hunter2", STANDARD.encode("user:hunter2"));
        let shown = format!("{secret:?} {}", secret.blot(&echoed));
        assert!(!shown.contains("hunter2") && !shown.contains(&STANDARD.encode("user:hunter2")));
    }

    #[test]
    fn errors_do_not_repeat_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        std::fs::write(&path, "hunter2").unwrap();
        let error = ProxyCredentials::from_file(&path).unwrap_err();
        assert!(matches!(error, CredentialsError::Malformed { .. }));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let error = ProxyCredentials::from_file(&dir.path().join("none")).unwrap_err();
        assert!(matches!(error, CredentialsError::Unreadable { .. }));
    }
}
