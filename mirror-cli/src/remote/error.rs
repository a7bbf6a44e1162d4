//! Why a server elsewhere gave no answer.

use std::io;
use std::path::PathBuf;

use mirror_core::fault::{Classified, FaultClass, Retry};
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem;

/// Why a server elsewhere gave no answer.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum RemoteError {
    /// Nobody answers there.
    #[error("cannot reach the server {server}")]
    #[diagnostic(
        code(mirror::remote::unreachable),
        help(
            "look whether `git-mirror serve` runs there and whether the address is right; on that machine, `git-mirror status` needs no server"
        )
    )]
    Unreachable {
        /// The server.
        server: String,
        /// What the system said.
        source: io::Error,
    },
    /// No answer in time.
    #[error("the server {server} did not answer within {seconds} s")]
    #[diagnostic(
        code(mirror::remote::deadline),
        help("ask again; on the server's machine, `git-mirror status` reads the cache itself")
    )]
    Deadline {
        /// The server.
        server: String,
        /// How long was waited.
        seconds: u64,
    },
    /// TLS could not begin.
    #[error("cannot speak TLS with the server {server}")]
    #[diagnostic(
        code(mirror::remote::tls),
        help(
            "name the certificate that signed the server's by `--ca FILE`; the host of the address has to be one of those in it"
        )
    )]
    Tls {
        /// The server.
        server: String,
        /// What TLS said.
        source: io::Error,
    },
    /// TLS itself cannot begin.
    #[error("cannot set TLS up")]
    #[diagnostic(code(mirror::remote::tls_setup), help("report this: no option leads here"))]
    TlsSetup {
        /// What TLS said.
        source: rustls::Error,
    },
    /// The certificates to judge by cannot be read.
    #[error("cannot read certificates from {}", path.display())]
    #[diagnostic(code(mirror::remote::ca), help("`--ca` needs a PEM file with at least one certificate"))]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, where it could be read at all.
        #[source]
        source: Option<pem::Error>,
    },
    /// No certificates to judge by.
    #[error("this system has no file of trusted certificates")]
    #[diagnostic(
        code(mirror::remote::no_ca),
        help("name the certificate that signed the server's by `--ca FILE`, or set SSL_CERT_FILE")
    )]
    NoCa,
    /// The file with the token cannot be read.
    #[error("cannot read a token from {}", path.display())]
    #[diagnostic(
        code(mirror::remote::token_file),
        help("`--token-file` needs a file with the one line that `git-mirror token new NAME` showed")
    )]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said, where it could not be read at all.
        #[source]
        source: Option<io::Error>,
    },
    /// The conversation broke.
    #[error("the server {server} broke the conversation off")]
    #[diagnostic(code(mirror::remote::broken), help("ask again; the server's log says why, where it was the server"))]
    Broken {
        /// The server.
        server: String,
        /// What went wrong.
        source: hyper::Error,
    },
    /// It wants a token.
    #[error("the server {server} wants {wanted} of readers")]
    #[diagnostic(
        code(mirror::remote::unauthorized),
        help(
            "name the file with one by `--token-file FILE`; `git-mirror token new NAME` on the server's machine makes one"
        )
    )]
    Unauthorized {
        /// The server.
        server: String,
        /// What it wants.
        wanted: &'static str,
    },
    /// It answered something else than a report.
    #[error("the server {server} answered {status}: {words}")]
    #[diagnostic(
        code(mirror::remote::refused),
        help(
            "look whether the address is that of `git-mirror serve`, such as http://127.0.0.1:8080; a server that is busy or ends answers 503"
        )
    )]
    Refused {
        /// The server.
        server: String,
        /// The status.
        status: u16,
        /// The beginning of what it said.
        words: String,
    },
    /// The answer is too long.
    #[error("the answer of the server {server} is longer than {limit} bytes")]
    #[diagnostic(code(mirror::remote::too_long), help("look whether the address is that of `git-mirror serve`"))]
    TooLong {
        /// The server.
        server: String,
        /// The most that is read.
        limit: usize,
    },
    /// The answer is no report that this build reads.
    #[error("the answer of the server {server} is no {expected} report")]
    #[diagnostic(
        code(mirror::remote::schema),
        help(
            "look whether the address is that of `git-mirror serve`, and run the same version of git-mirror on both sides"
        )
    )]
    Schema {
        /// The server.
        server: String,
        /// The schema that was expected.
        expected: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Classified for RemoteError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Ca { .. } | Self::NoCa | Self::TokenFile { .. } | Self::Unauthorized { .. } => FaultClass::Usage,
            Self::Deadline { .. } => FaultClass::Busy,
            Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::TlsSetup { .. }
            | Self::Broken { .. }
            | Self::Refused { .. }
            | Self::TooLong { .. }
            | Self::Schema { .. } => FaultClass::Failed,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. } | Self::Deadline { .. } | Self::Broken { .. } => Retry::Backoff,
            Self::Tls { .. }
            | Self::TlsSetup { .. }
            | Self::Ca { .. }
            | Self::NoCa
            | Self::TokenFile { .. }
            | Self::Unauthorized { .. }
            | Self::Refused { .. }
            | Self::TooLong { .. }
            | Self::Schema { .. } => Retry::Never,
        }
    }
}
