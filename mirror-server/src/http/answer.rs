//! What goes back: whole answers, streams, and regions of files that need not pass through this process.

use std::fs::File;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;

/// An answer to a request.
pub(crate) type Answer = http::Response<AnswerBody>;

/// The body of an answer.
pub(crate) enum AnswerBody {
    /// All of it is here. Cheap to clone and to share.
    Whole(Bytes),
    /// Parts of files; where the connection allows it, the kernel sends them without a copy.
    File(Box<dyn FileBody>),
    /// It comes piece by piece; an error, or a sender that goes away without [`Piece::End`], cuts the answer off so that no client takes it for
    /// whole.
    Pieces(mpsc::Receiver<Piece>),
}

/// A piece of an answer that comes piece by piece.
pub(crate) enum Piece {
    /// Some bytes.
    Data(Bytes),
    /// Nothing follows, and all was well.
    End,
}

/// A part of a file.
#[derive(Debug, Clone)]
pub(crate) struct Region {
    /// The file.
    pub(crate) file: Arc<File>,
    /// Where the part begins.
    pub(crate) offset: u64,
    /// How many bytes it has; never zero.
    pub(crate) length: u64,
}

/// An answer that lies, or grows, in a file.
pub(crate) trait FileBody: Send {
    /// Gives the next part, of any length; `None` at the end. An error cuts the answer off.
    fn poll_region(&mut self, context: &mut Context<'_>) -> Poll<Option<std::io::Result<Region>>>;

    /// How many bytes the whole answer has, where that is known already.
    fn length(&self) -> Option<u64>;
}

/// Answers with plain text, for people who read what their client shows.
pub(crate) fn words(status: http::StatusCode, words: &str) -> Answer {
    let mut text = words.to_owned();
    text.push('\n');
    whole(status, "text/plain; charset=utf-8", Bytes::from(text))
}

/// Answers with bytes that are all here. No HTTP cache may store them.
pub(crate) fn whole(status: http::StatusCode, kind: &'static str, bytes: Bytes) -> Answer {
    with_body(status, kind, AnswerBody::Whole(bytes))
}

/// Answers with any body. No HTTP cache may store it.
pub(crate) fn with_body(status: http::StatusCode, kind: &'static str, body: AnswerBody) -> Answer {
    let mut answer = http::Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    headers.insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-cache, max-age=0, must-revalidate"));
    answer
}
