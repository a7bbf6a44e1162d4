//! The server as a whole: what it listens on, how it begins, and how it ends.
//!
//! Never reads the command line, the environment or a signal: what it needs comes as a [`ServePlan`], and the wish to end as a
//! [`Stop`].

use std::net::{SocketAddr, TcpListener as InheritedListener};
use std::path::PathBuf;
use std::sync::Arc;

use mirror_core::config::{AcrossFault, SecretSource, Serve};
use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_engine::stop::Stop;
use mirror_store::git::{GitError, GitProgram};
use tokio::net::TcpListener;

use crate::assembly::Assembly;
use crate::auth::TokenAuthority;
use crate::front::{Acceptor, Certificates, CertificatesError};
use crate::plan::ServePlan;
use crate::schedule::Workers;
use crate::tokens::TokensError;
use crate::write;

/// Why a server cannot begin.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is taken, or not one of this machine.
    #[error("cannot listen on {address}")]
    #[diagnostic(
        code(mirror::serve::listen),
        help(
            "find who has it with `ss -ltnp`, or choose another address: `serve.listen`, or `git-mirror serve --listen ADDR`"
        )
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A socket of the service manager cannot be used.
    #[error("cannot listen on the socket that was handed down")]
    #[diagnostic(
        code(mirror::serve::inherited),
        help("a socket unit of git-mirror needs `ListenStream=` with a TCP address")
    )]
    Inherited {
        /// What the system says.
        source: std::io::Error,
    },
    /// Tokens would cross a network unencrypted.
    #[error("tokens would be sent in the clear to {address}")]
    #[diagnostic(
        code(mirror::serve::insecure_tokens),
        help(
            "set `serve.tls: {{ certificate: FILE, key: FILE }}`, or listen on 127.0.0.1; `serve.insecureTokens: true` takes \
             tokens without TLS all the same, for a network where something else encrypts"
        )
    )]
    InsecureTokens {
        /// The address.
        address: SocketAddr,
    },
    /// Other machines would read, and nothing says whether they may.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Readers(#[from] AcrossFault),
    /// The certificate or its key cannot be used.
    #[error("cannot speak TLS")]
    #[diagnostic(transparent)]
    Certificates(#[from] CertificatesError),
    /// The token file cannot be used.
    #[error("cannot tell who may push")]
    #[diagnostic(transparent)]
    Tokens(#[from] TokensError),
    /// There is no git that can be used.
    #[error("cannot make or take packs")]
    #[diagnostic(transparent)]
    Git(#[from] GitError),
}

impl Classified for ServeError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Listen { .. } | Self::Inherited { .. } | Self::Git(_) => FaultClass::Failed,
            Self::InsecureTokens { .. } | Self::Readers(_) | Self::Certificates(_) | Self::Tokens(_) => {
                FaultClass::Usage
            }
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Listen { .. } => Retry::Backoff,
            Self::Inherited { .. }
            | Self::InsecureTokens { .. }
            | Self::Readers(_)
            | Self::Certificates(_)
            | Self::Tokens(_)
            | Self::Git(_) => Retry::Never,
        }
    }
}

/// A server that listens, and answers as soon as it is [run](Server::run).
#[derive(Debug)]
pub struct Server {
    assembly: Assembly,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    certificates: Option<Arc<Certificates>>,
}

impl Server {
    /// Opens what is served, and listens. Nothing is answered yet.
    ///
    /// # Errors
    /// [`ServeError`]; nothing was changed then.
    pub async fn bind(plan: ServePlan) -> Result<Self, ServeError> {
        let certificates = match &plan.serve.tls {
            None => None,
            Some(tls) => {
                let (certificate, key) = (PathBuf::from(&tls.certificate), PathBuf::from(&tls.key));
                Some(Arc::new(Certificates::read(certificate, key)?))
            }
        };
        let tokens = plan.serve.tokens.as_ref().and_then(token_file);
        let authority = Arc::new(TokenAuthority::open(tokens)?);
        let assembly = Assembly::of(&plan, authority, GitProgram::find()?);
        let mut listeners = Vec::new();
        for inherited in plan.inherited {
            listeners.push(adopt(inherited).map_err(|source| ServeError::Inherited { source })?);
        }
        if listeners.is_empty() {
            let address = plan.listen.unwrap_or(plan.serve.listen);
            let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
            listeners.push(listener);
        }
        let mut addresses = Vec::new();
        for listener in &listeners {
            addresses.push(listener.local_addr().map_err(|source| ServeError::Inherited { source })?);
        }
        for &address in &addresses {
            judge_tokens(&plan.serve, address)?;
            // The address of the file was judged with the file; this one may be another.
            plan.serve.verify_readers_on(address, &format!("nodes.{}.serve", plan.node.node.name))?;
        }
        let address = *addresses.first().expect("because a listener was bound where none was handed down");
        write::recover(&assembly.handlers.repositories).await;
        Ok(Self { assembly, listeners, address, certificates })
    }

    /// The address that is listened on; with several sockets, the first one's.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as clients write it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Answers until it is asked to stop; then nothing new begins, and what is under way gets some time to end.
    ///
    /// # Errors
    /// None at present; what goes wrong with one connection never ends the others.
    pub async fn run(self, stop: Stop) -> Result<(), ServeError> {
        let Assembly { handlers, scheduling, stop: ending } = self.assembly;
        let acceptor = Acceptor::new(handlers, self.certificates, ending);
        let workers = Workers::start(&scheduling);
        acceptor.serve(self.listeners, &stop).await;
        workers.ended().await;
        Ok(())
    }
}

/// Names the token file. A secret of Kubernetes is mounted by the cluster, never named here.
fn token_file(source: &SecretSource) -> Option<PathBuf> {
    match source {
        SecretSource::File(path) => Some(PathBuf::from(path)),
        SecretSource::Secret { .. } => None,
    }
}

fn adopt(inherited: InheritedListener) -> std::io::Result<TcpListener> {
    inherited.set_nonblocking(true)?;
    TcpListener::from_std(inherited)
}

/// Refuses to take tokens over an unencrypted network.
fn judge_tokens(serve: &Serve, address: SocketAddr) -> Result<(), ServeError> {
    if serve.tokens.is_none() || serve.tls.is_some() || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    if !serve.insecure_tokens {
        return Err(ServeError::InsecureTokens { address });
    }
    tracing::warn!(
        %address,
        "tokens are taken without TLS (serve.insecureTokens): whoever sees the traffic can read them and push"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, MAIN};

    fn serve(tokens: Option<&str>, insecure: bool) -> Serve {
        Serve {
            tokens: tokens.map(|file| mirror_core::config::SecretSource::File(file.to_owned())),
            insecure_tokens: insecure,
            ..Serve::local()
        }
    }

    #[test]
    fn tokens_need_tls_where_others_listen() {
        let judged = |serve: &Serve, address: &str| judge_tokens(serve, address.parse().expect("an address"));
        let cases = [
            ("127.0.0.1:1", Some("t"), false, true),
            ("[::1]:1", Some("t"), false, true),
            ("[::ffff:127.0.0.1]:1", Some("t"), false, true),
            ("0.0.0.0:1", Some("t"), false, false),
            ("[::]:1", Some("t"), false, false),
            ("10.0.0.1:1", Some("t"), false, false),
            ("10.0.0.1:1", Some("t"), true, true),
            ("10.0.0.1:1", None, false, true),
        ];
        for (address, tokens, insecure, good) in cases {
            assert_eq!(judged(&serve(tokens, insecure), address).is_ok(), good, "{address} {tokens:?} {insecure}");
        }
        let tls = mirror_core::config::Tls { certificate: "c".to_owned(), key: "k".to_owned() };
        assert!(judged(&Serve { tls: Some(tls), ..serve(Some("t"), false) }, "0.0.0.0:1").is_ok());
    }

    /// Begins a server whose address does not come from the file, on a node whose `serve` block holds these lines.
    async fn begin(block: &str, listen: Option<&str>, inherited: Option<&str>) -> Result<Server, ServeError> {
        let folder = tempfile::tempdir().expect("a folder");
        let node = testing::node(folder.path(), &format!("serve: {{ {block} }}"), &[MAIN]);
        let serve = node.serve().expect("how it serves");
        let inherited = inherited.map(|address| InheritedListener::bind(address).expect("a port"));
        let listen = listen.map(|address| address.parse().expect("an address"));
        Server::bind(ServePlan { node, serve, listen, inherited: inherited.into_iter().collect() }).await
    }

    #[tokio::test]
    async fn readers_must_be_declared_wherever_the_address_comes_from() {
        const OTHERS: &str = "0.0.0.0:0";
        for (listen, inherited) in [(Some(OTHERS), None), (None, Some(OTHERS))] {
            let Err(ServeError::Readers(fault)) = begin("", listen, inherited).await else {
                panic!("{listen:?} {inherited:?}: everybody could read, and nobody said so")
            };
            let AcrossFault::ReadersUnsaid { path, listen: judged } = &fault else { panic!("{fault:?}") };
            assert!(path == "nodes.here.serve" && judged.ip().is_unspecified(), "{fault:?}");
            assert!(begin("readers: open", listen, inherited).await.is_ok(), "{listen:?} {inherited:?}");
        }
        assert!(begin("", Some("127.0.0.1:0"), None).await.is_ok());
        assert!(begin("", None, Some("127.0.0.1:0")).await.is_ok());
    }
}
