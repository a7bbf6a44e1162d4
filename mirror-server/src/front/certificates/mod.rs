//! The server's certificate: read from its files, and read again when they change.
//!
//! A new pair that cannot be used never takes the place of one that can: it is warned of, and the old one goes on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use mirror_store::disk::Stamp;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum CertificatesError {
    /// A file is not there, not readable, or not PEM.
    #[error("cannot read {}", path.display())]
    #[diagnostic(
        code(mirror::serve::certificate_file),
        help(
            "`serve.tls` needs two PEM files, `certificate:` with the chain and `key:` with its private key, readable by the server's user"
        )
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("{} holds no certificate", path.display())]
    #[diagnostic(
        code(mirror::serve::no_certificate),
        help("`serve.tls.certificate` needs a PEM file with the server's certificate first and the chain behind it")
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key is of an unknown kind, or not the certificate's.
    #[error("the key {} does not fit the certificate {}", key.display(), certificate.display())]
    #[diagnostic(
        code(mirror::serve::certificate_key),
        help(
            "`serve.tls.key` has to be the private key (RSA, ECDSA P-256 or P-384, or Ed25519) of `serve.tls.certificate`"
        )
    )]
    Key {
        /// The file with the chain.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What TLS says.
        source: rustls::Error,
    },
    /// TLS itself cannot begin.
    #[error("cannot set TLS up")]
    #[diagnostic(code(mirror::serve::tls), help("report this: no setting leads here"))]
    Setup {
        /// What TLS says.
        source: rustls::Error,
    },
}

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A certificate that follows its files.
pub(crate) struct Certificates {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    files: Files,
    looked: Mutex<Looked>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither keys nor what is derived from them.
        formatter.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

struct Looked {
    at: Instant,
    stamps: [Option<Stamp>; 2],
}

impl Certificates {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// [`CertificatesError`].
    pub(crate) fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, CertificatesError> {
        let provider = Arc::new(ring::default_provider());
        let files = Files { certificate, key };
        // Before reading: what changes in between is read again at the next look.
        let looked = Mutex::new(Looked { at: Instant::now(), stamps: files.stamps() });
        let pair = files.read(&provider)?;
        let current = Arc::new(Current { provider: Arc::clone(&provider), pair: RwLock::new(Arc::new(pair)) });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| CertificatesError::Setup { source })?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), current, files, looked })
    }

    /// Gives what a handshake needs, after a look at the files where the last one is old enough.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let due = {
            // A panic while the lock was held cannot leave it half-written.
            let looked = self.looked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            looked.at.elapsed() >= LOOK_EVERY
        };
        if due {
            self.look();
        }
        Arc::clone(&self.config)
    }

    /// Reads the files again where they changed.
    fn look(&self) {
        let stamps = self.files.stamps();
        {
            let mut looked = self.looked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            looked.at = Instant::now();
            if looked.stamps == stamps {
                return;
            }
            looked.stamps = stamps;
        }
        match self.files.read(&self.current.provider) {
            Ok(pair) => {
                *self.current.pair.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(pair);
                tracing::info!(certificate = %self.files.certificate.display(), "took a new certificate");
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(%error, cause, "kept the old certificate: the new files cannot be used");
            }
        }
    }
}

impl Files {
    fn stamps(&self) -> [Option<Stamp>; 2] {
        [&self.certificate, &self.key].map(|path| Stamp::of(path).ok().flatten())
    }

    fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, CertificatesError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| CertificatesError::File { path, source }
        };
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .map_err(unreadable(&self.certificate))?;
        if chain.is_empty() {
            return Err(CertificatesError::NoCertificate { path: self.certificate.clone() });
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(unreadable(&self.key))?;
        // Fails where the key is not the certificate's, too.
        CertifiedKey::from_der(chain, key, provider).map_err(|source| CertificatesError::Key {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }
}

/// The pair that handshakes use now.
struct Current {
    provider: Arc<CryptoProvider>,
    pair: RwLock<Arc<CertifiedKey>>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.pair.read().unwrap_or_else(std::sync::PoisonError::into_inner)))
    }
}

#[cfg(test)]
mod tests;
