//! One push, from the request to the report.

use std::sync::Arc;

use http::StatusCode;

use super::auth::Caller;
use crate::context::Context;
use crate::http::answer::{Answer, words};
use crate::http::body::Inbound;
use crate::site::Served;

/// Tells a writer what is there and what this server understands.
pub(crate) async fn info_refs(_: &Arc<Context>, _: &Arc<Served>, _: &Caller) -> Answer {
    words(StatusCode::SERVICE_UNAVAILABLE, "not yet")
}

/// Takes a push.
pub(crate) async fn receive_pack(_: &Arc<Context>, _: &Arc<Served>, _: &Caller, _: Inbound) -> Answer {
    words(StatusCode::SERVICE_UNAVAILABLE, "not yet")
}
