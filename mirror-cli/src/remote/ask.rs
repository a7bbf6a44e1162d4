//! One question to a server, and its one answer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use mirror_core::operation::Verb;
use mirror_core::report::schema_id;
use mirror_core::report::serve::Scheme;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::ServerUrl;
use super::error::RemoteError;
use super::tls;
use crate::output::clean;

/// From the first packet to an open connection.
const CONNECT: Duration = Duration::from_secs(10);
/// From the question to the end of the answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest answer: a report of many lanes has some kilobytes.
const LIMIT: usize = 16 << 20;
/// How much of another answer is shown.
const WORDS: usize = 200;

/// What to ask whom.
#[derive(Debug)]
pub struct Asked {
    /// The server.
    pub server: ServerUrl,
    /// The path of the question, with its query.
    pub path: String,
    /// The verb whose report is wanted.
    pub verb: Verb,
    /// The token to show.
    pub token: Option<SecretString>,
    /// The certificates to judge the server's by, where they are not the system's.
    pub ca: Option<PathBuf>,
}

/// Asks a server for a report.
///
/// # Errors
/// [`RemoteError`].
pub async fn ask<R: DeserializeOwned>(asked: &Asked) -> Result<R, RemoteError> {
    let server = &asked.server;
    let connector = match server.scheme {
        Scheme::Http => None,
        Scheme::Https => Some(tls::connector(asked.ca.as_deref())?),
    };
    let connecting = TcpStream::connect((server.host.as_str(), server.port));
    let stream = within(server, CONNECT, connecting)
        .await?
        .map_err(|source| RemoteError::Unreachable { server: server.to_string(), source })?;
    let bytes = match connector {
        None => within(server, ANSWER, exchange(asked, stream)).await??,
        Some(connector) => {
            let failed = |source| RemoteError::Tls { server: server.to_string(), source };
            let name = ServerName::try_from(server.host.clone())
                .map_err(|wrong| failed(io::Error::new(io::ErrorKind::InvalidInput, wrong)))?;
            let stream = within(server, CONNECT, connector.connect(name, stream)).await?.map_err(failed)?;
            within(server, ANSWER, exchange(asked, stream)).await??
        }
    };
    report(asked, &bytes)
}

async fn within<F: Future>(server: &ServerUrl, limit: Duration, waited: F) -> Result<F::Output, RemoteError> {
    let late = |_| RemoteError::Deadline { server: server.to_string(), seconds: limit.as_secs() };
    timeout(limit, waited).await.map_err(late)
}

async fn exchange<S>(asked: &Asked, stream: S) -> Result<Bytes, RemoteError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let server = asked.server.to_string();
    let broken = |source| RemoteError::Broken { server: server.clone(), source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // The connection ends with its sender; what it ends with is told by the answer.
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request(asked)).await.map_err(broken)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LIMIT).collect().await;
    drop(sender);
    driver.abort();
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(RemoteError::TooLong { server, limit: LIMIT }),
        Err(error) => match error.downcast() {
            Ok(source) => return Err(broken(*source)),
            Err(_) => return Err(RemoteError::TooLong { server, limit: LIMIT }),
        },
    };
    match status {
        StatusCode::OK => Ok(body),
        StatusCode::UNAUTHORIZED => {
            let wanted = if asked.token.is_some() { "another token" } else { "a token" };
            Err(RemoteError::Unauthorized { server, wanted })
        }
        status => Err(RemoteError::Refused { server, status: status.as_u16(), words: words(&body) }),
    }
}

fn request(asked: &Asked) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = asked.server.path(&asked.path).parse().expect("because the parts of the path were parsed");
    let headers = request.headers_mut();
    let plain = |text: &str| HeaderValue::from_str(text).expect("because a host that was parsed is plain text");
    headers.insert(HOST, plain(&asked.server.authority()));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("git-mirror/", env!("CARGO_PKG_VERSION"))));
    if let Some(token) = &asked.token
        && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
    {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    request
}

/// The beginning of an answer, for people.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * WORDS)]).into_owned();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing");
    let mut shown: String = clean(line).chars().take(WORDS).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    shown
}

fn report<R: DeserializeOwned>(asked: &Asked, bytes: &[u8]) -> Result<R, RemoteError> {
    /// What every report says of itself.
    #[derive(Deserialize)]
    struct Named {
        schema: String,
    }
    let expected = schema_id(asked.verb);
    let wrong = |source| RemoteError::Schema { server: asked.server.to_string(), expected: expected.clone(), source };
    let named: Named = serde_json::from_slice(bytes).map_err(wrong)?;
    if named.schema != expected {
        let found = clean(&named.schema).chars().take(WORDS).collect::<String>();
        return Err(wrong(serde::de::Error::custom(format_args!("it says `{found}`"))));
    }
    serde_json::from_slice(bytes).map_err(wrong)
}
