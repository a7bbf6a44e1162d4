//! The two addresses of the configuration: of an upstream repository, and of a CONNECT proxy.

use std::fmt;

use crate::fault::{Classified, FaultClass, Retry};

/// Where an upstream repository is reached: over SSH, and in no other way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamUrl {
    user: String,
    host: String,
    port: u16,
    path: String,
}

/// A text that is not the address of an upstream. It never repeats the text: a password may be in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum UpstreamUrlError {
    /// HTTPS, which is refused by design.
    #[error(
        "an upstream is never reached over {scheme}: SSH is the only transport, without tokens and without a fallback (R12)"
    )]
    #[diagnostic(code(mirror::config::https_upstream), help("write `{instead}`, and set githubTransport.identity"))]
    Https {
        /// `https` or `http`.
        scheme: String,
        /// The same repository over SSH.
        instead: String,
    },
    /// Another scheme.
    #[error("`{scheme}://` is not a way to reach an upstream")]
    #[diagnostic(
        code(mirror::config::upstream_scheme),
        help("write `ssh://git@HOST:PORT/PATH`; SSH is the only transport")
    )]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// Neither a URL nor the short form.
    #[error("this is neither `ssh://USER@HOST:PORT/PATH` nor `USER@HOST:PATH`")]
    #[diagnostic(
        code(mirror::config::upstream_form),
        help("write `ssh://git@ssh.github.com:443/OWNER/REPOSITORY.git`; paths of this machine are not upstreams")
    )]
    Form,
    /// A password in the address.
    #[error("the address has a password in it")]
    #[diagnostic(
        code(mirror::config::upstream_password),
        help(
            "remove it and change it where it is still valid; set githubTransport.identity to a key: there is no login by password"
        )
    )]
    Password,
    /// No repository.
    #[error("the address has no path")]
    #[diagnostic(
        code(mirror::config::upstream_path),
        help("put the repository behind the host, such as `/OWNER/REPOSITORY.git`")
    )]
    NoPath,
    /// A path that cannot be asked for.
    #[error("the path has {what} in it")]
    #[diagnostic(code(mirror::config::upstream_path), help("write the path as the server knows it, without escapes"))]
    Path {
        /// What stands there.
        what: &'static str,
    },
    /// A user that is none.
    #[error("the user may only have letters, digits, `.`, `_` and `-`, and does not begin with `-`")]
    #[diagnostic(code(mirror::config::upstream_user), help("write `git@` in front of the host, or leave it out"))]
    User,
    /// A host that is none.
    #[error("the host {fault}")]
    #[diagnostic(
        code(mirror::config::host),
        help("write a host name, an IPv4 address, or an IPv6 address in brackets")
    )]
    Host {
        /// What is wrong with it.
        fault: HostFault,
    },
    /// A port that is none.
    #[error("the port is not a number from 1 to 65535")]
    #[diagnostic(
        code(mirror::config::port),
        help("write the port behind the host, such as `ssh.github.com:443`, or leave it out for 22")
    )]
    Port,
}

/// What is wrong with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// It would be read as an option.
    #[error("begins with `-`")]
    LeadingDash,
    /// A character that no host has.
    #[error("has the character {0:?}, which no host has")]
    Character(char),
    /// Brackets without an IPv6 address between them.
    #[error("has brackets without an IPv6 address in them")]
    Brackets,
    /// Longer than a name may be.
    #[error("is longer than 253 characters")]
    TooLong,
}

impl UpstreamUrl {
    /// Reads `ssh://user@host:port/path`, or the short form `user@host:path`.
    ///
    /// Without a user it is `git`, without a port 22. A path of the short form that does not begin with `/` is taken below the root,
    /// as hosting services do.
    ///
    /// # Errors
    /// Another transport, a password, no path, or a part that is malformed.
    pub fn parse(text: &str) -> Result<Self, UpstreamUrlError> {
        if text.chars().any(|c| c.is_control()) {
            return Err(UpstreamUrlError::Path { what: "a control character" });
        }
        match text.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "ssh" | "git+ssh" | "ssh+git" => Self::parse_url(rest),
                scheme @ ("https" | "http") => {
                    Err(UpstreamUrlError::Https { scheme: scheme.to_owned(), instead: over_ssh(rest) })
                }
                scheme => Err(UpstreamUrlError::Scheme { scheme: plain_scheme(scheme) }),
            },
            None => Self::parse_short(text),
        }
    }

    fn parse_url(rest: &str) -> Result<Self, UpstreamUrlError> {
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (user, host) = split_user(authority)?;
        let (host, port) = split_port(host).map_err(|()| UpstreamUrlError::Host { fault: HostFault::Brackets })?;
        let port = match port {
            None => 22,
            Some(port) => parse_port(port).ok_or(UpstreamUrlError::Port)?,
        };
        Self::checked(user, host, port, path)
    }

    fn parse_short(text: &str) -> Result<Self, UpstreamUrlError> {
        let colon = if let Some(open) = text.find('[').filter(|open| !text[..*open].contains([':', '/'])) {
            let close = text[open..].find(']').ok_or(UpstreamUrlError::Host { fault: HostFault::Brackets })?;
            text[open + close..].find(':').map(|at| open + close + at)
        } else {
            text.find(':')
        };
        let Some(colon) = colon.filter(|at| !text[..*at].contains('/')) else {
            return Err(UpstreamUrlError::Form);
        };
        let (authority, path) = (&text[..colon], &text[colon + 1..]);
        // `helper::address` is git's way to run a program.
        if path.starts_with(':') {
            return Err(UpstreamUrlError::Form);
        }
        // `user:password@host:path` splits at the wrong colon; no repository of the short form has such a beginning.
        if !authority.contains('@') && path.split('/').next().is_some_and(|first| first.contains('@')) {
            return Err(UpstreamUrlError::Password);
        }
        let (user, host) = split_user(authority)?;
        let path = if path.starts_with('/') || path.is_empty() { path.to_owned() } else { format!("/{path}") };
        Self::checked(user, host, 22, &path)
    }

    fn checked(user: &str, host: &str, port: u16, path: &str) -> Result<Self, UpstreamUrlError> {
        let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if user.is_empty() || user.starts_with('-') || !user.chars().all(harmless) {
            return Err(UpstreamUrlError::User);
        }
        let host = parse_host(host).map_err(|fault| UpstreamUrlError::Host { fault })?;
        let path = path.trim_end_matches('/');
        if path.is_empty() {
            return Err(UpstreamUrlError::NoPath);
        }
        if path.contains('%') {
            return Err(UpstreamUrlError::Path { what: "a percent escape" });
        }
        if path.contains(['?', '#']) {
            return Err(UpstreamUrlError::Path { what: "a query or fragment" });
        }
        Ok(Self { user: user.to_owned(), host, port, path: path.to_owned() })
    }

    /// Gives the user that logs in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Gives the host: a name in lower case, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Gives the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives the path as the server is asked for it: from the root, or `~user/…` for one below a home folder.
    ///
    /// # Source
    /// <https://git-scm.com/docs/git-fetch#_git_urls>, "username expansion"
    pub fn path(&self) -> &str {
        match self.path.strip_prefix('/') {
            Some(home) if home.starts_with('~') => home,
            _ => &self.path,
        }
    }

    /// Gives the address without the path, for a report.
    pub fn endpoint(&self) -> String {
        let host = bracketed(&self.host);
        if self.port == 22 {
            format!("ssh://{}@{host}", self.user)
        } else {
            format!("ssh://{}@{host}:{}", self.user, self.port)
        }
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.endpoint(), self.path)
    }
}

/// Where a CONNECT proxy is reached, over plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyUrl {
    host: String,
    port: u16,
}

/// A text that is not the address of a proxy. It never repeats the text: a password may be in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum ProxyUrlError {
    /// Another kind of proxy.
    #[error("a proxy is a CONNECT proxy, spoken to over plain HTTP")]
    #[diagnostic(
        code(mirror::config::proxy_scheme),
        help(
            "write `http://HOST:PORT`, or `direct` for none; what goes through the tunnel is SSH and needs no TLS around it"
        )
    )]
    Scheme,
    /// A user or password in the address.
    #[error("the address has a user or password in it")]
    #[diagnostic(
        code(mirror::config::proxy_password),
        help(
            "remove it, and set githubTransport.proxyCredentials to `{{ file: … }}`, or to `{{ secret: …, key: … }}` on a cluster node"
        )
    )]
    Credentials,
    /// No port.
    #[error("the address has no port")]
    #[diagnostic(code(mirror::config::port), help("write `http://HOST:PORT`"))]
    NoPort,
    /// A port that is none.
    #[error("the port is not a number from 1 to 65535")]
    #[diagnostic(code(mirror::config::port), help("write `http://HOST:PORT`"))]
    Port,
    /// A host that is none.
    #[error("the host {fault}")]
    #[diagnostic(
        code(mirror::config::host),
        help("write a host name, an IPv4 address, or an IPv6 address in brackets")
    )]
    Host {
        /// What is wrong with it.
        fault: HostFault,
    },
    /// More than host and port.
    #[error("the address has something behind the port")]
    #[diagnostic(code(mirror::config::proxy_path), help("write `http://HOST:PORT` and nothing more"))]
    Path,
}

impl ProxyUrl {
    /// Reads `http://host:port`.
    ///
    /// # Errors
    /// Another scheme, a user, a path, no port, or a part that is malformed.
    pub fn parse(text: &str) -> Result<Self, ProxyUrlError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(ProxyUrlError::Scheme);
        };
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(ProxyUrlError::Scheme);
        }
        if rest.contains('@') {
            return Err(ProxyUrlError::Credentials);
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(ProxyUrlError::Path);
        }
        let (host, port) = split_port(authority).map_err(|()| ProxyUrlError::Host { fault: HostFault::Brackets })?;
        let host = parse_host(host).map_err(|fault| ProxyUrlError::Host { fault })?;
        let port = parse_port(port.ok_or(ProxyUrlError::NoPort)?).ok_or(ProxyUrlError::Port)?;
        Ok(Self { host, port })
    }

    /// Gives the host: a name in lower case, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Gives the port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", bracketed(&self.host), self.port)
    }
}

impl Classified for UpstreamUrlError {
    fn class(&self) -> FaultClass {
        FaultClass::Usage
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl Classified for ProxyUrlError {
    fn class(&self) -> FaultClass {
        FaultClass::Usage
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

fn split_user(authority: &str) -> Result<(&str, &str), UpstreamUrlError> {
    match authority.rsplit_once('@') {
        None => Ok(("git", authority)),
        Some((user, _)) if user.contains(':') => Err(UpstreamUrlError::Password),
        Some(parts) => Ok(parts),
    }
}

/// Splits `host:port`, `host`, `[v6]:port`, `[v6]`.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), ()> {
    let after_brackets = match authority.strip_prefix('[') {
        Some(inside) => 1 + inside.find(']').ok_or(())? + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(after_brackets);
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(()),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    // `u16::from_str` would take a plus sign.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten().filter(|port| *port != 0)
}

fn parse_host(text: &str) -> Result<String, HostFault> {
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match inside.parse::<core::net::Ipv6Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err(HostFault::Brackets),
        };
    }
    if text.is_empty() {
        return Err(HostFault::Empty);
    }
    if text.starts_with('-') {
        return Err(HostFault::LeadingDash);
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_')) {
        return Err(HostFault::Character(c));
    }
    if text.len() > 253 {
        return Err(HostFault::TooLong);
    }
    Ok(text.to_ascii_lowercase())
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Writes what stood behind `https://` as an SSH address, without user, password and port.
fn over_ssh(rest: &str) -> String {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, "OWNER/REPOSITORY.git"));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let host = match host.strip_prefix("www.").unwrap_or(&host) {
        "github.com" => "ssh.github.com:443",
        "" => "HOST",
        other => other,
    };
    format!("ssh://git@{host}/{path}")
}

/// Keeps what may be shown of a scheme: a password cannot stand in front of `://`, but anything can be written there.
fn plain_scheme(scheme: &str) -> String {
    scheme.chars().take(16).filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')).collect()
}
