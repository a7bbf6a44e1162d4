//! TLS towards a server: which certificates are trusted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::RemoteError;

/// Where systems keep the certificates that they trust, in one PEM file.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Makes a connector that trusts what is signed by the certificates of a file, or without one by the system's.
pub(super) fn connector(file: Option<&Path>) -> Result<TlsConnector, RemoteError> {
    let file = match file {
        Some(file) => file.to_owned(),
        None => SYSTEM.iter().map(PathBuf::from).find(|file| file.is_file()).ok_or(RemoteError::NoCa)?,
    };
    let failed = |source| RemoteError::Ca { path: file.clone(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&file).map_err(|error| failed(Some(error)))? {
        // One certificate of a system that rustls cannot use must not take the others away.
        let _ = roots.add(certificate.map_err(|error| failed(Some(error)))?);
    }
    if roots.is_empty() {
        return Err(failed(None));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| RemoteError::TlsSetup { source })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
