//! An answer's body on its way out, with the account of what became of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::access_log::Account;
use super::stall::Step;
use crate::http::wire::WireBody;

/// The body that hyper sends.
pub(super) struct Outbound {
    body: WireBody,
    account: Account,
    step: Option<Step>,
}

impl Outbound {
    pub(super) fn new(body: WireBody, mut account: Account, step: Option<Step>) -> Self {
        if body.is_end_stream() {
            account.ended();
        }
        Self { body, account, step }
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Pending => self.step.as_ref().into_iter().for_each(Step::ours),
            Poll::Ready(frame) => {
                self.step.as_ref().into_iter().for_each(Step::theirs);
                match frame {
                    Some(Ok(frame)) => self.account.sent(frame.data_ref().map_or(0, Bytes::len)),
                    Some(Err(error)) => self.account.failed(error),
                    None => self.account.ended(),
                }
                // hyper asks no more for a body that says that it ended.
                if self.body.is_end_stream() && matches!(frame, Some(Ok(_))) {
                    self.account.ended();
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
