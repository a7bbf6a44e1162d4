//! From a request to its answer: finds the route, judges who asks, reads the body where one is needed, and hands over.
//!
//! Every request gets an answer; what goes wrong in one never reaches another.

use std::sync::Arc;

use http_body::Body as _;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, Scheme};
use hyper::{Method, Request, Response, StatusCode};
use tracing::Instrument;

use super::access_log::AccessRecord;
use super::authorize;
use super::handlers::Handlers;
use super::request_id::{REQUEST_ID, RequestId};
use super::response_body::ResponseBody;
use super::route::{self, GitRequest, Refusal, Route};
use super::stall::InFlight;
use crate::auth::Caller;
use crate::http::answer::{self, Answer, AnswerBody};
use crate::http::body::{BodyError, Coding, ReadTimeouts, RequestBody};
use crate::http::wire::{Queue, WireBody};
use crate::metrics::label::{self, Endpoint};
use crate::observe;
use crate::read::Version;
use crate::write;

/// Answers the requests of all connections.
#[derive(Debug, Clone)]
pub(super) struct Dispatcher {
    handlers: Arc<Handlers>,
    scheme: Scheme,
}

impl Dispatcher {
    /// Answers from what requests share; links in answers use the scheme.
    pub(super) fn new(handlers: Arc<Handlers>, scheme: Scheme) -> Self {
        Self { handlers, scheme }
    }

    /// Answers one request; with a queue, the connection sends parts of files by itself.
    pub(super) async fn answer(
        self,
        request: Request<Incoming>,
        queue: Option<Queue>,
        in_flight: Option<InFlight>,
    ) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        let id = RequestId::of(&parts.headers);
        let metrics = Arc::clone(&self.handlers.metrics);
        let mut record = AccessRecord::open(metrics, id, &parts);
        // Every log line about the request carries its id, also from other threads.
        let span = tracing::error_span!("request", id = %record.id());
        let answer = match self.answer_route(&parts, body, &mut record).instrument(span).await {
            Ok(answer) => answer,
            Err(answer) => self.count_refusal(answer),
        };
        finish(answer, &parts.method, record, queue, in_flight)
    }

    /// # Errors
    /// The answer of a request that was turned away.
    async fn answer_route(&self, parts: &Parts, body: Incoming, record: &mut AccessRecord) -> Result<Answer, Answer> {
        let handlers = &self.handlers;
        let route =
            route::find(&parts.method, parts.uri.path(), parts.uri.query()).map_err(|refusal| refuse(&refusal))?;
        record.about(endpoint(&route));
        let caller = authorize::authorize(handlers, &route, &parts.headers).await?;
        if let Caller::Writer { name, .. } = &caller {
            record.called_by(name);
        }
        let observing = &handlers.observing;
        match route {
            Route::Git { path, git_request } => self.answer_repository(&path, git_request, &caller, parts, body).await,
            Route::Page => Ok(observe::page(observing, &self.base(parts)).await),
            Route::Healthz => Ok(observe::healthz(observing)),
            Route::Readyz => Ok(observe::readyz(observing).await),
            Route::Metrics => Ok(observe::metrics(observing).await),
            Route::Status => Ok(observe::status(observing, parts.uri.query()).await),
            Route::History => Ok(observe::history(observing, parts.uri.query()).await),
        }
    }

    async fn answer_repository(
        &self,
        path: &str,
        git_request: GitRequest,
        caller: &Caller,
        parts: &Parts,
        body: Incoming,
    ) -> Result<Answer, Answer> {
        let handlers = &self.handlers;
        let served = handlers.repositories.find(path).ok_or_else(|| {
            refuse(&Refusal::plain(StatusCode::NOT_FOUND, "there is no such repository; / shows what is served"))
        })?;
        let take = |kind, limit| {
            let body = take_body(&parts.headers, body, kind, limit)?;
            Ok(body.counted(Arc::clone(&handlers.metrics), endpoint_of(git_request)))
        };
        let answer = match git_request {
            GitRequest::ReadRefs => handlers.reading.info_refs(served, Version::of(&parts.headers)).await,
            GitRequest::ReadPack => {
                let body = take(UPLOAD_REQUEST, UPLOAD_LIMIT).map_err(|refusal: Refusal| refuse(&refusal))?;
                let body = body.gather().await.map_err(|error| refuse(&broken(error)))?;
                handlers.reading.upload_pack(served, Version::of(&parts.headers), body).await
            }
            GitRequest::WriteRefs => write::info_refs(&handlers.writing, served, caller).await,
            GitRequest::WritePack => {
                let body = take(RECEIVE_REQUEST, handlers.largest_push);
                let body = body.map_err(|refusal| refuse(&refusal))?;
                write::receive_pack(&handlers.writing, served, caller, body).await
            }
        };
        if answer.status().is_client_error() || answer.status().is_server_error() { Err(answer) } else { Ok(answer) }
    }

    /// The server's address as the client knows it: what it calls the server, else where the server listens.
    fn base(&self, parts: &Parts) -> String {
        let said = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok()?.parse::<Authority>().ok());
        let authority = parts.uri.authority().cloned().or(said).filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.map_or_else(|| self.handlers.listen.to_string(), |known| known.to_string());
        format!("{}://{authority}", self.scheme)
    }

    /// Counts an answer that turns a request away.
    fn count_refusal(&self, answer: Answer) -> Answer {
        self.handlers.metrics.refused(match answer.status() {
            StatusCode::UNAUTHORIZED => label::Refusal::Unauthorized,
            StatusCode::FORBIDDEN => label::Refusal::Forbidden,
            StatusCode::NOT_FOUND => label::Refusal::NotFound,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => label::Refusal::TooLarge,
            StatusCode::REQUEST_TIMEOUT => label::Refusal::Slow,
            StatusCode::INSUFFICIENT_STORAGE => label::Refusal::LowSpace,
            StatusCode::SERVICE_UNAVAILABLE => label::Refusal::Busy,
            status if status.is_server_error() => label::Refusal::Failed,
            _ => label::Refusal::BadRequest,
        });
        answer
    }
}

/// What the body of a request for refs or a pack is.
const UPLOAD_REQUEST: &str = "application/x-git-upload-pack-request";
/// What the body of a push is.
const RECEIVE_REQUEST: &str = "application/x-git-receive-pack-request";
/// The largest request for a pack: room for 300,000 wants and haves.
const UPLOAD_LIMIT: u64 = 16 * 1024 * 1024;

fn refuse(refusal: &Refusal) -> Answer {
    let mut answer = answer::words(refusal.status, &refusal.words);
    if let Some(allow) = refusal.allow {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    answer
}

/// Looks at what is said of a body before any of it is read.
fn take_body(headers: &HeaderMap, body: Incoming, kind: &'static str, limit: u64) -> Result<RequestBody, Refusal> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind) {
        let words = format!("the body has to be {kind}");
        return Err(Refusal::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
    }
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let coding = match (codings.next().map(HeaderValue::as_bytes), codings.next()) {
        (None | Some(b"identity"), None) => Coding::Identity,
        (Some(b"gzip" | b"x-gzip"), None) => Coding::Gzip,
        _ => {
            let words = "the body may be packed by one gzip, or not at all";
            return Err(Refusal::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
        }
    };
    // A body announced as too large is refused before a client that waits for `100 Continue` sends it.
    if body.size_hint().lower() > limit {
        let mut refusal = broken(BodyError::TooLarge { limit });
        if kind == RECEIVE_REQUEST {
            refusal.words.to_mut().push_str(", which is what serve.limits.body allows a push");
        }
        return Err(refusal);
    }
    Ok(RequestBody::new(body, coding, limit, ReadTimeouts::default()))
}

fn broken(error: BodyError) -> Refusal {
    let status = match error {
        BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::Stalled { .. } => StatusCode::REQUEST_TIMEOUT,
        BodyError::BadEncoding | BodyError::Gone => StatusCode::BAD_REQUEST,
    };
    Refusal::plain(status, error.to_string())
}

fn endpoint(route: &Route) -> Endpoint {
    match route {
        Route::Page => Endpoint::Page,
        Route::Healthz => Endpoint::Healthz,
        Route::Readyz => Endpoint::Readyz,
        Route::Metrics => Endpoint::Metrics,
        Route::Status => Endpoint::Status,
        Route::History => Endpoint::History,
        Route::Git { git_request, .. } => endpoint_of(*git_request),
    }
}

fn endpoint_of(git_request: GitRequest) -> Endpoint {
    match git_request {
        GitRequest::ReadRefs => Endpoint::UploadAdvertisement,
        GitRequest::ReadPack => Endpoint::UploadPack,
        GitRequest::WriteRefs => Endpoint::ReceiveAdvertisement,
        GitRequest::WritePack => Endpoint::ReceivePack,
    }
}

/// Gives an answer what every answer has, and its way out.
fn finish(
    answer: Answer,
    method: &Method,
    mut record: AccessRecord,
    queue: Option<Queue>,
    in_flight: Option<InFlight>,
) -> Response<ResponseBody> {
    record.answered(answer.status());
    let (mut head, mut body) = answer.into_parts();
    head.headers.insert(REQUEST_ID, record.id().header());
    head.headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if method == Method::HEAD {
        let length = match &body {
            AnswerBody::Whole(bytes) => Some(bytes.len() as u64),
            AnswerBody::File(stored) => stored.length(),
            AnswerBody::Pieces(_) => None,
        };
        if let Some(length) = length {
            head.headers.insert(header::CONTENT_LENGTH, length.into());
        }
        body = AnswerBody::Whole(bytes::Bytes::new());
    }
    Response::from_parts(head, ResponseBody::new(WireBody::new(body, queue), record, in_flight))
}
