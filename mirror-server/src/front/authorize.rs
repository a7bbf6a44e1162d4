//! Authorization: which routes need a known caller, and the answer for callers that are not known.
//!
//! What a known caller may push is decided in `write`.

use hyper::StatusCode;
use hyper::header::HeaderMap;
use mirror_core::config::Readers;

use super::handlers::Handlers;
use super::route::{GitRequest, Route};
use crate::auth::{self, Caller};
use crate::http::answer::{self, Answer};

/// Authorizes a request, and says who makes it.
///
/// # Errors
/// The answer for a caller that is not authorized.
pub(super) async fn authorize(handlers: &Handlers, route: &Route, headers: &HeaderMap) -> Result<Caller, Answer> {
    let need = Need::of(route, handlers.readers);
    if need == Need::Nothing {
        // A credential that is not needed is not checked: a wrong token never denies what is open to all.
        return Ok(Caller::Anonymous);
    }
    let authority = &*handlers.authority;
    match auth::identify(authority, headers).await {
        Ok(Caller::Anonymous) if need == Need::Writer && !authority.knows_anybody() => Err(answer::words(
            StatusCode::FORBIDDEN,
            "nobody may push here: no token was made; `git-mirror token new NAME` makes one in the file that serve.tokens names",
        )),
        Ok(Caller::Anonymous) => Err(auth::unauthorized()),
        Ok(caller) => Ok(caller),
        Err(denied) => {
            handlers.metrics.token_failed(denied.0);
            Err(denied.answer())
        }
    }
}

/// What a caller has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Any caller.
    Nothing,
    /// Known.
    Reader,
    /// Known; what may be written is seen later.
    Writer,
}

impl Need {
    fn of(route: &Route, readers: Readers) -> Self {
        match route {
            // What restarts a server or routes to it has no token.
            Route::Healthz | Route::Readyz => Self::Nothing,
            Route::Git { git_request: GitRequest::WriteRefs | GitRequest::WritePack, .. } => Self::Writer,
            Route::Git { git_request: GitRequest::ReadRefs | GitRequest::ReadPack, .. }
            | Route::Page
            | Route::Metrics
            | Route::Status
            | Route::History => match readers {
                Readers::Open => Self::Nothing,
                Readers::Tokens => Self::Reader,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_need() {
        let git = |git_request| Route::Git { path: "app.git".to_owned(), git_request };
        let cases = [
            (Route::Healthz, Need::Nothing, Need::Nothing),
            (Route::Readyz, Need::Nothing, Need::Nothing),
            (Route::Page, Need::Nothing, Need::Reader),
            (Route::Metrics, Need::Nothing, Need::Reader),
            (Route::Status, Need::Nothing, Need::Reader),
            (Route::History, Need::Nothing, Need::Reader),
            (git(GitRequest::ReadRefs), Need::Nothing, Need::Reader),
            (git(GitRequest::ReadPack), Need::Nothing, Need::Reader),
            (git(GitRequest::WriteRefs), Need::Writer, Need::Writer),
            (git(GitRequest::WritePack), Need::Writer, Need::Writer),
        ];
        for (route, open, tokens) in cases {
            assert_eq!(Need::of(&route, Readers::Open), open, "{route:?}");
            assert_eq!(Need::of(&route, Readers::Tokens), tokens, "{route:?}");
        }
    }
}
