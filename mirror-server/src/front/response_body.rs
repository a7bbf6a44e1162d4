//! The body of a response as hyper sends it; notes in the access log what became of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::access_log::AccessRecord;
use super::stall::InFlight;
use crate::http::wire::WireBody;

/// The body that hyper sends.
pub(super) struct ResponseBody {
    body: WireBody,
    record: AccessRecord,
    in_flight: Option<InFlight>,
}

impl ResponseBody {
    pub(super) fn new(body: WireBody, mut record: AccessRecord, in_flight: Option<InFlight>) -> Self {
        if body.is_end_stream() {
            record.ended();
        }
        Self { body, record, in_flight }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Pending => self.in_flight.as_ref().into_iter().for_each(InFlight::waits_for_server),
            Poll::Ready(frame) => {
                self.in_flight.as_ref().into_iter().for_each(InFlight::waits_for_client);
                match frame {
                    Some(Ok(frame)) => self.record.sent(frame.data_ref().map_or(0, Bytes::len)),
                    Some(Err(error)) => self.record.failed(error),
                    None => self.record.ended(),
                }
                // hyper asks no more for a body that says that it ended.
                if self.body.is_end_stream() && matches!(frame, Some(Ok(_))) {
                    self.record.ended();
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
