//! The address of a server, as `--server` names it.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use mirror_core::report::serve::Scheme;

use crate::args::UsageError;

/// Where a server is: scheme, host, port, and the path in front of its API, where a proxy puts one there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
    prefix: String,
}

impl ServerUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// [`UsageError::Server`], without what may be a password.
    pub fn parse(text: &str) -> Result<Self, UsageError> {
        Self::read(text.trim()).ok_or_else(|| UsageError::Server {
            text: text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, host)| format!("…@{host}")),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let (scheme, usual) = match uri.scheme_str()? {
            "http" => (Scheme::Http, 80),
            "https" => (Scheme::Https, 443),
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() || uri.query().is_some() {
            return None;
        }
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None => usual,
        };
        Some(Self {
            scheme,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Whether what is sent stays on this machine or is encrypted.
    #[must_use]
    pub fn is_private(&self) -> bool {
        let is_loopback = || match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        };
        self.scheme == Scheme::Https || is_loopback()
    }

    /// The path of something below the address.
    pub(super) fn path(&self, of: &str) -> String {
        format!("{}{of}", self.prefix)
    }

    /// The host and port, as a `Host` header has them.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(ServerUrl::parse(text).ok().map(|url| url.to_string()).as_deref(), expect, "{text}");
        };
        check("http://127.0.0.1:8080", Some("http://127.0.0.1:8080"));
        check("http://127.0.0.1:8080/", Some("http://127.0.0.1:8080"));
        check("http://mirror", Some("http://mirror:80"));
        check("https://mirror.example/git/", Some("https://mirror.example:443/git"));
        check("https://[::1]:8443", Some("https://[::1]:8443"));
        for wrong in [
            "",
            "mirror:8080",
            "mirror",
            "ssh://mirror",
            "http://",
            "http://m:x",
            "http://m:",
            "http://a:b@m",
            "http://m/?a",
            "/x",
        ] {
            check(wrong, None);
        }
        let UsageError::Server { text } = ServerUrl::parse("http://me:hunter2@mirror").unwrap_err() else { panic!() };
        assert_eq!(text, "…@mirror");
    }

    #[test]
    fn where_a_token_can_be_read_on_the_way() {
        let private = |text: &str| ServerUrl::parse(text).unwrap().is_private();
        assert!(private("http://127.0.0.1:1") && private("http://localhost:1") && private("http://[::1]:1"));
        assert!(private("https://mirror"));
        assert!(!private("http://mirror") && !private("http://10.0.0.1:8080"));
    }
}
