//! The status page: what a person wants to know at a glance, in HTML that needs nothing from elsewhere and runs no script.
//!
//! It is made of the status report and of nothing that a client sends, but for the name under which it was asked.

mod render;
#[cfg(test)]
mod tests;
mod text;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};
use jiff::Timestamp;
use mirror_engine::space::Verdict;

use self::render::{Repository, View};
use super::api::read_status;
use super::observing::Observing;
use crate::http::answer::{Answer, whole};

/// Nothing but what stands in the page itself may take part in it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers `/`. `base` is the server's address as the client knows it, without a slash at its end.
pub(crate) async fn page(observing: &Observing, base: &str) -> Answer {
    let report = read_status(observing).await;
    let repositories: Vec<_> = observing
        .repositories
        .all()
        .iter()
        .map(|served| Repository {
            name: &served.name,
            clone_url: format!("{base}/{}.git", served.name),
            doing: observing.heartbeats.all().find(|(name, _)| **name == served.name).map(|(_, beat)| beat.doing),
        })
        .collect();
    let space = observing.space.look();
    let view = View {
        report: &report,
        repositories: &repositories,
        stuck: &observing.heartbeats.stuck(),
        free: space.map(|space| space.free),
        low: space.is_some_and(|space| space.verdict == Verdict::Low),
        now: Timestamp::now(),
    };
    let mut answer = whole(StatusCode::OK, "text/html; charset=utf-8", Bytes::from(render::render(&view)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}
