//! Whether the server is well: for what restarts it, and for what routes to it.

use std::time::Duration;

use http::StatusCode;
use tokio::time::timeout;

use super::observing::Observing;
use crate::http::answer::{Answer, words};
use crate::repositories::Presence;
use crate::schedule::Heartbeats;

/// Answers `/healthz`: 200 while every worker is heard of in time. An upstream that is down is no reason to restart anything.
pub(crate) fn healthz(observing: &Observing) -> Answer {
    health_of(&observing.heartbeats)
}

fn health_of(heartbeats: &Heartbeats) -> Answer {
    let stuck = heartbeats.stuck();
    if stuck.is_empty() {
        return words(StatusCode::OK, "ok");
    }
    let lines: Vec<_> = stuck
        .iter()
        .map(|worker| format!("the worker of {} is stuck: {} since {}", worker.repository, worker.doing, worker.since))
        .collect();
    words(StatusCode::SERVICE_UNAVAILABLE, &lines.join("\n"))
}

/// How long the disk may take to show a store.
const LOOK: Duration = Duration::from_secs(5);

/// Answers `/readyz`: 200 while requests are taken and every store that is there can be opened, now and not some time ago. A repository that
/// was never synced is no reason to send readers of the others away, and neither is a full disk.
pub(crate) async fn readyz(observing: &Observing) -> Answer {
    if observing.stop.requested() {
        return words(StatusCode::SERVICE_UNAVAILABLE, "the server is ending");
    }
    let mut troubles = Vec::new();
    let mut unsynced = Vec::new();
    for served in observing.repositories.all() {
        match timeout(LOOK, served.probe()).await.unwrap_or(Presence::Unanswered) {
            Presence::Present => {}
            Presence::Unsynced => unsynced.push(served.name.to_string()),
            Presence::Unreadable(error) => troubles.push(format!("{}: {error}", served.name)),
            Presence::Unanswered => troubles.push(format!("{}: the disk does not answer", served.name)),
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

#[cfg(test)]
mod tests {
    use mirror_core::name::RepositoryName;

    use super::*;
    use crate::http::answer::AnswerBody;
    use crate::schedule::Activity;
    use mirror_core::operation::Verb;

    #[tokio::test(start_paused = true)]
    async fn a_stuck_worker_is_named_with_what_it_did() {
        let app = RepositoryName::parse("app").expect("a name");
        let heartbeats = Heartbeats::of([&app]);
        assert_eq!(health_of(&heartbeats).status(), StatusCode::OK);
        heartbeats.beat(&app, Activity::Running(Verb::Maintain), Duration::from_secs(60));
        tokio::time::advance(Duration::from_secs(61)).await;
        let told = health_of(&heartbeats);
        assert_eq!(told.status(), StatusCode::SERVICE_UNAVAILABLE);
        let AnswerBody::Whole(text) = told.into_body() else { panic!("words are whole") };
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("the worker of app is stuck: running a maintain"), "{text}");
        heartbeats.beat(&app, Activity::Waiting, Duration::from_secs(60));
        assert_eq!(health_of(&heartbeats).status(), StatusCode::OK, "it was heard of again");
    }
}
