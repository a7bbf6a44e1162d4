//! Which requests over HTTP/2 are turned to HTTP/1.1: those whose body would make a git of its time hang.
//!
//! git before 2.44 waits for ever where libcurl asks for more of a body that has ended, and libcurl 7.84 to 8.4 does so over HTTP/2, now and then, where a body
//! goes out more slowly than it is made. Both are in the stable systems of their years. The body of a push is such a one, and that of a very long
//! negotiation. `HTTP_1_1_REQUIRED` has libcurl ask again over HTTP/1.1, where it does not do so, and ask the rest over the connection that it makes for it.
//!
//! # Source
//! RFC 9113, section 7 (`HTTP_1_1_REQUIRED`); git's "remote-curl: avoid hang if curl asks for more data after eof"; curl's "transfer: avoid calling the
//! read callback again after EOF".

use hyper::Request;
use hyper::body::Body;
use hyper::header::{self, HeaderMap};

use super::route::{self, GitRequest, Route};

/// The first git that takes an end for an end.
const MENDED: (u32, u32) = (2, 44);
/// What git sends ahead of a body that it will send in pieces: one flush packet.
const PROBE_BYTES: u64 = 4;

/// Whether a request that came over HTTP/2 has to be asked again over HTTP/1.1.
pub(super) fn requires_http1<B: Body>(request: &Request<B>) -> bool {
    if !from_old_git(request.headers()) {
        return false;
    }
    let uri = request.uri();
    match route::find(request.method(), uri.path(), uri.query()) {
        Ok(Route::Git { git_request: GitRequest::WriteRefs | GitRequest::WritePack, .. }) => true,
        Ok(Route::Git { git_request: GitRequest::ReadPack, .. }) => {
            request.body().size_hint().exact() == Some(PROBE_BYTES)
        }
        _ => false,
    }
}

/// Whether a git without the repair asks, as far as it names itself.
fn from_old_git(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(version) = agent.strip_prefix("git/") else { return false };
    let mut numbers = version.split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < MENDED,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};

    use super::*;

    #[test]
    fn only_gits_before_the_repair_are_old() {
        let old = ["git/2.39.5", "git/2.43.0 (Apple Git-154)", "git/2.41.0.windows.1", "git/1.9", "git/2.43.GIT"];
        let others =
            ["git/2.44.0", "git/2.50.1.windows.2", "git/3.0", "go-git/5.x", "curl/7.88.1", "git/", "git/two.one", ""];
        for (agents, expected) in [(&old[..], true), (&others[..], false)] {
            for agent in agents {
                let headers = HeaderMap::from_iter([(header::USER_AGENT, agent.parse().unwrap())]);
                assert_eq!(from_old_git(&headers), expected, "{agent}");
            }
        }
        assert!(!from_old_git(&HeaderMap::new()));
    }

    #[test]
    fn only_what_is_followed_by_a_long_body_is_turned() {
        let turned = |method: &str, place: &str, body: &'static str| {
            let request = Request::builder().method(method).uri(format!("https://mirror.test{place}"));
            let request = request.header(header::USER_AGENT, "git/2.39.5");
            requires_http1(&request.body(Full::new(bytes::Bytes::from_static(body.as_bytes()))).unwrap())
        };
        assert!(turned("GET", "/app.git/info/refs?service=git-receive-pack", ""));
        assert!(turned("POST", "/app.git/git-receive-pack", "0000"));
        assert!(turned("POST", "/app.git/git-upload-pack", "0000"));
        assert!(!turned("GET", "/app.git/info/refs?service=git-upload-pack", ""));
        assert!(!turned("POST", "/app.git/git-upload-pack", "0014command=ls-refs\n0000"));
        assert!(!turned("GET", "/healthz", ""));
        let new = Request::post("/app.git/git-receive-pack").header(header::USER_AGENT, "git/2.44.0");
        assert!(!requires_http1(&new.body(Empty::<bytes::Bytes>::new()).unwrap()));
    }
}
