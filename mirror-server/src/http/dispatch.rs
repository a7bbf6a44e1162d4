//! From a request to its answer: finds the route, judges who asks, reads the body where one is needed, and hands over.
//!
//! Every request gets an answer; what goes wrong in one never reaches another.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response};

use super::account::Account;
use super::activity::Step;
use super::answer::{self, Answer, AnswerBody};
use super::identity::{REQUEST_ID, RequestId};
use super::outbound::Outbound;
use super::route::{self, Refusal, Route};
use super::wire::{Queue, WireBody};
use crate::context::Context;

/// Answers the requests of all connections.
#[derive(Debug, Clone)]
pub(super) struct Dispatcher {
    context: Arc<Context>,
}

impl Dispatcher {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Answers one request; with a queue, the connection sends parts of files by itself.
    pub(super) async fn answer(
        self,
        request: Request<Incoming>,
        queue: Option<Queue>,
        step: Option<Step>,
    ) -> Response<Outbound> {
        let (parts, body) = request.into_parts();
        let id = RequestId::of(&parts.headers);
        let mut account = Account::open(id, parts.method.clone(), parts.uri.path());
        let answer = match route::find(&parts.method, parts.uri.path(), parts.uri.query()) {
            Err(refusal) => refuse(&refusal),
            Ok(route) => self.ask(route, &parts, body, &mut account).await,
        };
        finish(answer, &parts.method, account, queue, step)
    }

    async fn ask(
        &self,
        _route: Route,
        _parts: &hyper::http::request::Parts,
        _body: Incoming,
        _account: &mut Account,
    ) -> Answer {
        answer::words(hyper::StatusCode::NOT_IMPLEMENTED, "this is not served yet")
    }
}

fn refuse(refusal: &Refusal) -> Answer {
    let mut answer = answer::words(refusal.status, &refusal.words);
    if let Some(allow) = refusal.allow {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    answer
}

/// Gives an answer what every answer has, and its way out.
fn finish(
    answer: Answer,
    method: &Method,
    mut account: Account,
    queue: Option<Queue>,
    step: Option<Step>,
) -> Response<Outbound> {
    account.answered(answer.status());
    let (mut head, mut body) = answer.into_parts();
    head.headers.insert(REQUEST_ID, account.id().header());
    head.headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if method == Method::HEAD {
        let length = match &body {
            AnswerBody::Whole(bytes) => Some(bytes.len() as u64),
            AnswerBody::Stored(stored) => stored.length(),
            AnswerBody::Pieces(_) => None,
        };
        if let Some(length) = length {
            head.headers.insert(header::CONTENT_LENGTH, length.into());
        }
        body = AnswerBody::Whole(bytes::Bytes::new());
    }
    Response::from_parts(head, Outbound::new(WireBody::new(body, queue), account, step))
}
