//! Who may come in: which questions need a caller that is known, and what is said to those that are not.
//!
//! What a known caller may push is decided in `write`.

use hyper::StatusCode;
use hyper::header::HeaderMap;
use mirror_core::config::Readers;

use super::handlers::Handlers;
use super::route::{Question, Route};
use crate::auth::{self, Caller};
use crate::http::answer::{self, Answer};

/// Lets a caller in.
///
/// # Errors
/// The answer for who is not let in.
pub(super) async fn admit(handlers: &Handlers, route: &Route, headers: &HeaderMap) -> Result<Caller, Answer> {
    let need = Need::of(route, handlers.readers);
    if need == Need::Nothing {
        // What is presented needlessly is not looked at: a wrong token never keeps anybody from what is open.
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
    /// Anybody.
    Nothing,
    /// Known.
    Reader,
    /// Known; what may be written is seen later.
    Writer,
}

impl Need {
    fn of(route: &Route, readers: Readers) -> Self {
        match route {
            // Who restarts or routes to a server has no token.
            Route::Healthz | Route::Readyz => Self::Nothing,
            Route::Git { question: Question::WriteRefs | Question::WritePack, .. } => Self::Writer,
            Route::Git { question: Question::ReadRefs | Question::ReadPack, .. }
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
        let git = |question| Route::Git { path: "app.git".to_owned(), question };
        let cases = [
            (Route::Healthz, Need::Nothing, Need::Nothing),
            (Route::Readyz, Need::Nothing, Need::Nothing),
            (Route::Page, Need::Nothing, Need::Reader),
            (Route::Metrics, Need::Nothing, Need::Reader),
            (Route::Status, Need::Nothing, Need::Reader),
            (Route::History, Need::Nothing, Need::Reader),
            (git(Question::ReadRefs), Need::Nothing, Need::Reader),
            (git(Question::ReadPack), Need::Nothing, Need::Reader),
            (git(Question::WriteRefs), Need::Writer, Need::Writer),
            (git(Question::WritePack), Need::Writer, Need::Writer),
        ];
        for (route, open, tokens) in cases {
            assert_eq!(Need::of(&route, Readers::Open), open, "{route:?}");
            assert_eq!(Need::of(&route, Readers::Tokens), tokens, "{route:?}");
        }
    }
}
