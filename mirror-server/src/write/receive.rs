//! The two places that writers ask at: what there is to push to, and the push.
//!
//! Every request gets an answer. What can be said in a report is said there, so that git prints it beside the ref; a status is left for what is
//! no push at all, or did not come to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use mirror_core::name::LaneName;
use mirror_git::pkt::{PacketReader, PktError, encode};
use mirror_store::Cache;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tracing::Instrument;

use super::pack;
use super::policy::{Writer, listed};
use super::push::Push;
use super::read_deadline::{COMING, Cut, ReadDeadline};
use super::record::{Entry, tell};
use super::report::{keepalive, talk};
use super::request::{OFFERED, Request, RequestError, Wish};
use super::settle::refuse_stale;
use super::take::{Taker, blocking};
use super::writing::Writing;
use crate::auth::{Caller, unauthorized};
use crate::http::answer::{Answer, AnswerBody, Piece, whole, with_body, words};
use crate::http::body::{BodyError, RequestBody};
use crate::metrics::label::{Push as Outcome, Refusal};
use crate::read::{AGENT, RefsUnavailable, refs_unavailable};
use crate::repositories::ServedRepository;

const ADVERTISEMENT: &str = "application/x-git-receive-pack-advertisement";
const RESULT: &str = "application/x-git-receive-pack-result";
/// Pushes that are taken at the same time. Each may have a git that checks its pack.
const AT_ONCE: usize = 8;
/// How long a push waits for its turn, before its pack is read.
const TURN: Duration = Duration::from_secs(60);
/// How long an answer is waited for before its head is sent.
const SOON: Duration = Duration::from_secs(1);
/// How often a waiting client is told that the server is alive.
const ALIVE: Duration = Duration::from_secs(5);
const RETRY: HeaderValue = HeaderValue::from_static("15");

/// The turns of pushes.
#[derive(Debug)]
pub(crate) struct PushSlots(Arc<Semaphore>);

impl Default for PushSlots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

#[cfg(test)]
impl PushSlots {
    /// How many could be taken now.
    pub(super) fn free(&self) -> usize {
        self.0.available_permits()
    }

    /// Takes all of them, as so many pushes at once do.
    pub(super) async fn take_all(&self) -> tokio::sync::OwnedSemaphorePermit {
        Arc::clone(&self.0).acquire_many_owned(AT_ONCE as u32).await.expect("because it is never closed")
    }
}

/// Answers `GET …/info/refs?service=git-receive-pack`.
pub(crate) async fn info_refs(writing: &Arc<Writing>, served: &Arc<ServedRepository>, caller: &Caller) -> Answer {
    if let Err(answer) = admit(served, caller) {
        return *answer;
    }
    if let Err(low) = writing.space.admit() {
        return words(StatusCode::INSUFFICIENT_STORAGE, &format!("pushes are not taken at the moment: {low}"));
    }
    let view = match writing.refs.of_repository(served).view().await {
        Ok(view) => view,
        Err(error) => return refs_unavailable(served, &error),
    };
    let mut out = Vec::with_capacity(512 + 80 * view.refs().len());
    encode::data(b"# service=git-receive-pack\n", &mut out);
    encode::flush(&mut out);
    let mut capabilities = format!("\0{OFFERED} agent={AGENT}");
    for seen in view.refs() {
        let line = format!("{} {}{}\n", seen.value, seen.name, std::mem::take(&mut capabilities));
        encode::data(line.as_bytes(), &mut out);
    }
    if !capabilities.is_empty() {
        encode::data(format!("{} capabilities^{{}}{capabilities}\n", "0".repeat(40)).as_bytes(), &mut out);
    }
    encode::flush(&mut out);
    whole(StatusCode::OK, ADVERTISEMENT, out.into())
}

/// Answers `POST …/git-receive-pack`.
pub(crate) async fn receive_pack(
    writing: &Arc<Writing>,
    served: &Arc<ServedRepository>,
    caller: &Caller,
    body: RequestBody,
) -> Answer {
    match receive(writing, served, caller, body).await {
        Ok(answer) | Err(answer) => answer,
    }
}

/// # Errors
/// The answer of a request that is no push, or did not come to its end.
pub(super) async fn receive<R: AsyncRead + Unpin + Send + 'static>(
    writing: &Arc<Writing>,
    served: &Arc<ServedRepository>,
    caller: &Caller,
    body: R,
) -> Result<Answer, Answer> {
    let came = Instant::now();
    let writer = admit(served, caller).map_err(|answer| *answer)?;
    let cache = served.cache().map_err(|error| refs_unavailable(served, &RefsUnavailable::Open(error)))?.clone();
    let mut reader = PacketReader::new(ReadDeadline::new(body, COMING));
    let request = Request::read(&mut reader).await.map_err(|error| no_push(&error))?;
    if request.commands.is_empty() {
        // A client that tries whether it may talk before it sends a large body.
        return Ok(whole(StatusCode::OK, RESULT, Bytes::new()));
    }
    let (read, body) = reader.into_rest();
    let mut body = std::io::Cursor::new(read).chain(body);
    let has_pack = request.has_pack();
    let mut push = Push::judged(request, writer, &served.gitops);
    if let Err(low) = writing.space.admit() {
        writing.metrics.refused(Refusal::LowSpace);
        push.refuse_open(Outcome::Failed, &format!("no space: {low}"));
    }
    if !push.is_decided() {
        let cache = cache.clone();
        push = blocking(move || {
            refuse_stale(&cache, &mut push);
            push
        })
        .await
        .ok_or_else(ending)?;
    }
    let writer = writer.name.to_owned();
    if push.is_decided() {
        // git reads the answer only after it has sent everything.
        let read = if has_pack { pack::drain(&mut body).await.map(|_| ()) } else { Ok(()) };
        let push = refuse_all(writing, served, cache, writer, push, came).await?;
        return read.map(|()| whole(StatusCode::OK, RESULT, said(&push).into())).map_err(cut);
    }
    let turn = timeout(TURN, Arc::clone(&writing.slots.0).acquire_owned()).await;
    let Ok(Ok(slot)) = turn else {
        return Err(later("too many pushes are being taken; push again in a moment"));
    };
    let is_banded = push.request.wishes(Wish::SideBand64k);
    let (consumed, all_read) = oneshot::channel();
    let taker = Taker { writing: Arc::clone(writing), served: Arc::clone(served), cache, writer: writer.clone(), slot };
    let mut taken = tokio::spawn({
        let (writing, served) = (Arc::clone(writing), Arc::clone(served));
        let taking = async move {
            let (push, ended) = taker.take(push, body, consumed).await;
            tell(&writing, &served, &writer, &push, came.elapsed());
            (push, ended)
        };
        taking.in_current_span()
    });
    // Where nobody tells any more, the task has ended, and the next wait is over at once.
    let _ = all_read.await;
    match timeout(SOON, &mut taken).await {
        Ok(taken) => Ok(answer_taken(taken)),
        Err(_) if is_banded => Ok(with_body(StatusCode::OK, RESULT, AnswerBody::Pieces(answer_in_pieces(taken)))),
        Err(_) => Ok(answer_taken(taken.await)),
    }
}

/// Lets a caller in who may push something here.
fn admit<'a>(served: &ServedRepository, caller: &'a Caller) -> Result<Writer<'a>, Box<Answer>> {
    let Caller::Writer { name, lanes } = caller else { return Err(Box::new(unauthorized())) };
    let writer = Writer { name, lanes: lanes.as_ref() };
    if !writer.branches(&served.gitops).is_empty() {
        return Ok(writer);
    }
    let needed = served.gitops.values().flatten().map(LaneName::as_str).collect::<Vec<_>>();
    let said = if needed.is_empty() {
        format!("nothing can be pushed to {}: no lane of it has a GitOps branch", served.name)
    } else {
        format!(
            "writer {name} may not push to {}: a token for one of its lanes is needed ({})",
            served.name,
            listed(needed.into_iter())
        )
    };
    Err(Box::new(words(StatusCode::FORBIDDEN, &said)))
}

/// Ends a push of which nothing is taken; its pack was read and dropped.
async fn refuse_all(
    writing: &Writing,
    served: &ServedRepository,
    cache: Cache,
    writer: String,
    push: Push,
    came: Instant,
) -> Result<Push, Answer> {
    let mut push = push;
    if writing.records_refusal(&served.name) {
        let entry = Entry::refused(served, &writer, &push);
        let noted = blocking(move || {
            entry.note(&cache, &push);
            push
        });
        push = noted.await.ok_or_else(ending)?;
    }
    tell(writing, served, &writer, &push, came.elapsed());
    Ok(push)
}

type Taken = Result<(Push, Result<(), Cut>), JoinError>;

/// Answers a push that was decided, did not come to its end, or broke this server.
fn answer_taken(taken: Taken) -> Answer {
    match taken {
        Ok((push, Ok(()))) => whole(StatusCode::OK, RESULT, said(&push).into()),
        Ok((_, Err(error))) => cut(error),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "taking a push broke off");
            ending()
        }
    }
}

/// Answers later, and shows meanwhile that the server is alive. A client that goes away stops nothing but the answer.
fn answer_in_pieces(mut taken: JoinHandle<(Push, Result<(), Cut>)>) -> mpsc::Receiver<Piece> {
    let (pieces, answer) = mpsc::channel(2);
    tokio::spawn(async move {
        let mut ticks = interval_at(tokio::time::Instant::now(), ALIVE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                taken = &mut taken => {
                    // Without its end the answer counts as cut off.
                    if let Ok((push, Ok(()))) = taken
                        && pieces.send(Piece::Data(said(&push).into())).await.is_ok()
                    {
                        let _ = pieces.send(Piece::End).await;
                    }
                    return;
                }
                _ = ticks.tick() => {
                    if pieces.send(Piece::Data(keepalive().into())).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    answer
}

/// All that is said to a client whose push is decided.
fn said(push: &Push) -> Vec<u8> {
    let mut answer = Vec::new();
    if push.request.wishes(Wish::SideBand64k) {
        push.talk.iter().for_each(|line| answer.extend(talk(line)));
    }
    answer.extend(push.report().write(&push.request));
    answer
}

/// Answers what is no push.
fn no_push(error: &RequestError) -> Answer {
    if let RequestError::Lines { source: PktError::Io { source } } = error
        && let Some(why) = Cut::of(source)
    {
        return cut(why);
    }
    words(StatusCode::BAD_REQUEST, &error.to_string())
}

/// Answers a push that did not come to its end.
fn cut(why: Cut) -> Answer {
    match why {
        Cut::Body(BodyError::TooLarge { limit }) => words(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the push has more than the {limit} bytes that serve.limits.body allows; nothing of it was taken"),
        ),
        Cut::Body(BodyError::Stalled { .. }) | Cut::Late { .. } => words(StatusCode::REQUEST_TIMEOUT, &why.to_string()),
        Cut::Body(BodyError::BadEncoding | BodyError::Gone) => words(StatusCode::BAD_REQUEST, &why.to_string()),
    }
}

fn ending() -> Answer {
    later("the server is ending; push again in a moment, and look first whether the push was taken")
}

fn later(said: &str) -> Answer {
    let mut answer = words(StatusCode::SERVICE_UNAVAILABLE, said);
    answer.headers_mut().insert(header::RETRY_AFTER, RETRY);
    answer
}
