//! Whether the server is well: for what restarts it, and for what routes to it.

use http::StatusCode;
use mirror_transport::cache::OpenError;

use crate::context::Context;
use crate::http::answer::{Answer, words};

/// Answers `/healthz`: 200 while every worker is heard of in time. An upstream that is down is no reason to restart anything.
pub(crate) fn healthz(context: &Context) -> Answer {
    let stuck = context.pulses.stuck();
    if stuck.is_empty() {
        return words(StatusCode::OK, "ok");
    }
    let lines: Vec<_> = stuck
        .iter()
        .map(|worker| format!("the worker of {} is stuck: {} since {}", worker.repository, worker.doing, worker.since))
        .collect();
    words(StatusCode::SERVICE_UNAVAILABLE, &lines.join("\n"))
}

/// Answers `/readyz`: 200 while requests are taken and every store that is there can be opened. A repository that was never synced is no
/// reason to send readers of the others away, and neither is a full disk.
pub(crate) fn readyz(context: &Context) -> Answer {
    if context.stop.requested() {
        return words(StatusCode::SERVICE_UNAVAILABLE, "the server is ending");
    }
    let mut troubles = Vec::new();
    let mut unsynced = Vec::new();
    for served in context.site.served() {
        match served.cache() {
            Ok(_) => {}
            Err(OpenError::Missing { .. }) => unsynced.push(served.name.to_string()),
            Err(error) => troubles.push(format!("{}: {error}", served.name)),
        }
    }
    if !troubles.is_empty() {
        return words(StatusCode::SERVICE_UNAVAILABLE, &troubles.join("\n"));
    }
    match unsynced.as_slice() {
        [] => words(StatusCode::OK, "ok"),
        names => words(StatusCode::OK, &format!("ok; never synced: {}", names.join(", "))),
    }
}
