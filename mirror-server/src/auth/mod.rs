//! Who calls: from an `Authorization` header to a name, by an authority that can be exchanged. Today that is a file of token hashes; a cluster
//! brings its own.
//!
//! Never says which part of a credential was wrong, and never formats one.

mod token_authority;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use mirror_core::name::LaneName;
use secrecy::SecretString;

pub(crate) use token_authority::TokenAuthority;

use crate::http::answer::{Answer, words};
use crate::metrics::label::TokenFailure;

/// No honest credential is longer; a service account's token has some two thousand bytes.
const LONGEST: usize = 16 << 10;

/// Who calls, as far as an authority vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Who presented nothing.
    Anonymous,
    /// Who presented something valid.
    Writer {
        /// The name, for the journal, the log and refusals.
        name: String,
        /// The lanes that may be pushed; without it, all.
        lanes: Option<BTreeSet<LaneName>>,
    },
}

/// Why a credential was not taken. Counted in the metrics, never sent to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential is not valid: {}", self.0)]
pub(crate) struct Denied(pub(crate) TokenFailure);

/// What an authority answers, later.
pub(crate) type Judged<'a> = Pin<Box<dyn Future<Output = Result<Caller, Denied>> + Send + 'a>>;

/// Who knows callers by what they present.
pub(crate) trait Authority: Send + Sync + fmt::Debug {
    /// Judges what a caller presents.
    fn judge(&self, presented: SecretString) -> Judged<'_>;

    /// Says whether there is anything that could be presented.
    fn knows_anybody(&self) -> bool;
}

/// Finds out who calls.
///
/// # Errors
/// [`Denied`], also for what is no credential: a caller who presents something never passes for one who presents nothing.
///
/// # Source
/// RFC 9110, 11.6.2; RFC 7617 (Basic); RFC 6750, 2.1 (Bearer).
pub(crate) async fn identify(authority: &dyn Authority, headers: &HeaderMap) -> Result<Caller, Denied> {
    let mut presented = headers.get_all(AUTHORIZATION).iter();
    match (presented.next(), presented.next()) {
        (None, _) => Ok(Caller::Anonymous),
        (Some(header), None) => match credential(header) {
            Some(credential) => authority.judge(credential).await,
            None => Err(Denied(TokenFailure::Malformed)),
        },
        (Some(_), Some(_)) => Err(Denied(TokenFailure::Malformed)),
    }
}

/// Takes the token out of a header: the bearer's, or the password of basic, whose user does not count.
fn credential(header: &HeaderValue) -> Option<SecretString> {
    let (scheme, value) = header.to_str().ok().filter(|text| text.len() <= LONGEST)?.trim().split_once(' ')?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return (!value.is_empty()).then(|| value.into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = SecretString::from(String::from_utf8(STANDARD.decode(value).ok()?).ok()?);
    let (_, password) = secrecy::ExposeSecret::expose_secret(&decoded).split_once(':')?;
    (!password.is_empty()).then(|| password.into())
}

/// Answers a caller that has to authenticate, or failed to.
pub(crate) fn unauthorized() -> Answer {
    let mut answer = words(
        StatusCode::UNAUTHORIZED,
        "a valid token is needed here: as the password of basic authentication (any user), or as a bearer token",
    );
    // git takes the first it can do; people's browsers and curl know both.
    answer
        .headers_mut()
        .append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"git-mirror\", charset=\"UTF-8\""));
    answer.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"git-mirror\""));
    answer
}

impl Denied {
    /// Answers a caller whose credential was not taken, as one who brought none.
    pub(crate) fn answer(self) -> Answer {
        unauthorized()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn check(header: &str, expect: Option<&str>) {
        let found = credential(&HeaderValue::from_str(header).unwrap());
        assert_eq!(found.as_ref().map(|found| found.expose_secret()), expect, "{header}");
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn a_token_is_found_in_both_schemes_and_nowhere_else() {
        check("Bearer gmt_x", Some("gmt_x"));
        check("bearer  gmt_x ", Some("gmt_x"));
        check(&basic("ci:gmt_x"), Some("gmt_x"));
        check(&basic(":gmt_x"), Some("gmt_x"));
        check(&basic("ci:a:b"), Some("a:b"));
        check(&basic("gmt_x"), None);
        check(&basic("ci:"), None);
        check("Basic !!!", None);
        check("Bearer", None);
        check("Bearer ", None);
        check("Digest gmt_x", None);
        check("gmt_x", None);
        check(&format!("Bearer {}", "x".repeat(LONGEST)), None);
    }

    #[derive(Debug)]
    struct Everybody;

    impl Authority for Everybody {
        fn judge(&self, _: SecretString) -> Judged<'_> {
            Box::pin(async { Ok(Caller::Writer { name: "all".to_owned(), lanes: None }) })
        }

        fn knows_anybody(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn two_credentials_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(identify(&Everybody, &headers).await, Ok(Caller::Anonymous));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert!(matches!(identify(&Everybody, &headers).await, Ok(Caller::Writer { .. })));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert_eq!(identify(&Everybody, &headers).await, Err(Denied(TokenFailure::Malformed)));
    }
}
