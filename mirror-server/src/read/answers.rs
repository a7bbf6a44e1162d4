//! Answers that several kinds of requests of readers share.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use mirror_store::OpenError;

use super::refs_cache::RefsUnavailable;
use crate::http::answer::{Answer, whole, words};
use crate::repositories::ServedRepository;

pub(super) const RESULT: &str = "application/x-git-upload-pack-result";
/// After how many seconds asking again for a repository that was never synced is worth it.
const RETRY_MISSING: HeaderValue = HeaderValue::from_static("30");

/// Answers with what upload-pack says.
pub(super) fn result(bytes: Bytes) -> Answer {
    whole(StatusCode::OK, RESULT, bytes)
}

/// Answers for a repository whose refs cannot be shown.
pub(crate) fn refs_unavailable(served: &ServedRepository, error: &RefsUnavailable) -> Answer {
    if let RefsUnavailable::Open(OpenError::Missing { .. }) = error {
        let mut answer = words(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!(
                "{} was never synced on this node; `git-mirror sync --node {} --confirm` makes its mirror",
                served.name, served.node
            ),
        );
        answer.headers_mut().insert(header::RETRY_AFTER, RETRY_MISSING);
        return answer;
    }
    tracing::error!(repository = %served.name, error = error as &dyn std::error::Error, "the refs cannot be read");
    let said = format!("the refs of {} cannot be read at the moment; the server's log says why", served.name);
    words(StatusCode::INTERNAL_SERVER_ERROR, &said)
}
