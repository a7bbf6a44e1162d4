//! The id under which a request is found in logs: the client's own where it is valid, else a new one.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use ring::rand::{SecureRandom as _, SystemRandom};

/// The header in which a request gives its id, and an answer repeats it.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request.
///
/// # Invariants
/// One to 64 letters, digits, `.`, `_` and `-`: it can stand in a log line and a header as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestId(String);

impl RequestId {
    /// Takes the client's id where it is valid, or makes one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        match given {
            Some(given) if fits(given) => Self(given.to_owned()),
            _ => Self::fresh(),
        }
    }

    fn fresh() -> Self {
        static START: OnceLock<u32> = OnceLock::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let start = START.get_or_init(|| {
            let mut bytes = [0; 4];
            // Without randomness the ids of two runs may be the same, which only makes logs harder to read.
            SystemRandom::new().fill(&mut bytes).map_or(std::process::id(), |()| u32::from_ne_bytes(bytes))
        });
        Self(format!("{start:08x}-{:08x}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// As a header carries it.
    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("because letters, digits and three signs can stand in a header")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn fits(given: &str) -> bool {
    (1..=64).contains(&given.len())
        && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fit_names_are_kept_and_others_replaced() {
        let kept = |given: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(given.as_bytes()).expect("a header"));
            RequestId::of(&headers).0 == given
        };
        for good in ["a", "7f3e-11", "A.b_c-9", &"x".repeat(64)] {
            assert!(kept(good), "{good}");
        }
        for bad in ["", " ", "a b", "a\tb", "a\"b", "ü", "a=b", &"x".repeat(65)] {
            assert!(!kept(bad), "{bad}");
        }
        let (one, other) = (RequestId::fresh(), RequestId::fresh());
        assert_ne!(one, other);
        assert!(fits(&one.0) && fits(&other.0));
    }
}
