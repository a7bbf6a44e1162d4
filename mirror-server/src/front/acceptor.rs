//! Accepts connections, up to a limit, and drains them when the server ends.
//!
//! Never speaks HTTP itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mirror_engine::stop::Stop;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificates::Certificates;
use super::connection::Connections;
use super::handlers::Handlers;
use crate::metrics::Metrics;

/// How long what is under way may take to end when the server does.
const DRAIN: Duration = Duration::from_secs(30);

/// Accepts the connections of a server.
#[derive(Debug)]
pub(crate) struct Acceptor {
    metrics: Arc<Metrics>,
    /// The server's: requested when it begins to end.
    ending: Stop,
    connections: Arc<Connections>,
    permits: Arc<Semaphore>,
    /// Cancelled when connections are to end after their current request.
    closing: CancellationToken,
    /// Cancelled when they are to end at once.
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Acceptor {
    /// Makes the acceptor of a server.
    pub(crate) fn new(handlers: Arc<Handlers>, certificates: Option<Arc<Certificates>>, ending: Stop) -> Self {
        let metrics = Arc::clone(&handlers.metrics);
        let (closing, cut) = (CancellationToken::new(), CancellationToken::new());
        let connections = Connections::new(handlers, certificates, closing.clone(), cut.clone());
        Self {
            metrics,
            ending,
            connections: Arc::new(connections),
            permits: Arc::new(Semaphore::new(connection_limit())),
            closing,
            cut,
            tasks: TaskTracker::new(),
        }
    }

    /// Accepts connections until the stop is requested; then waits for requests under way, for some time.
    pub(crate) async fn serve(self, listeners: Vec<TcpListener>, stop: &Stop) {
        let accepting = TaskTracker::new();
        let acceptor = Arc::new(self);
        for listener in listeners {
            accepting.spawn(Arc::clone(&acceptor).accept(listener));
        }
        accepting.close();
        stop.wished().await;
        acceptor.ending.request();
        acceptor.closing.cancel();
        // The sockets are closed before the wait, so that a successor can listen and clients are refused rather than left waiting.
        accepting.wait().await;
        acceptor.drain().await;
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            // The permit first: a connection beyond the limit waits in the kernel's queue, not in this process.
            let permit = tokio::select! {
                permit = Arc::clone(&self.permits).acquire_owned() => permit.expect("because it is never closed"),
                () = self.closing.cancelled() => return,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.closing.cancelled() => return,
            };
            match accepted {
                Ok((socket, _)) => self.admit(socket, permit),
                Err(error) => pause_after(&error).await,
            }
        }
    }

    fn admit(&self, socket: TcpStream, permit: OwnedSemaphorePermit) {
        let connections = Arc::clone(&self.connections);
        let counted = self.metrics.connection();
        self.tasks.spawn(async move {
            connections.serve(socket).await;
            drop((counted, permit));
        });
    }

    async fn drain(&self) {
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "cut off what had not ended in {} s", DRAIN.as_secs());
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}

/// Waits a little where the system is out of something, which others may give back.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    tracing::warn!(%error, "cannot take a connection in");
    tokio::time::sleep(Duration::from_millis(250)).await;
}

/// How many connections there may be: half of the files that the process may hold open, since an answer may need one as well.
fn connection_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const RESERVED: u64 = 128;
    let limit = getrlimit(Resource::Nofile);
    // Service managers start with a low bound and let programs raise it that can bear it.
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let half = files.map_or(u64::MAX, |files| files.saturating_sub(RESERVED) / 2);
    usize::try_from(half).unwrap_or(usize::MAX).clamp(16, 4096)
}

#[cfg(test)]
mod tests {
    use mirror_core::config::Serve;
    use mirror_store::git::GitProgram;
    use tempfile::TempDir;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::assembly::Assembly;
    use crate::auth::TokenAuthority;
    use crate::plan::ServePlan;
    use crate::testing::{self, MAIN};

    fn acceptor() -> (Acceptor, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let node = testing::node(folder.path(), "", &[MAIN]);
        let plan = ServePlan { node, serve: Serve::local(), listen: None, inherited: Vec::new() };
        let authority = Arc::new(TokenAuthority::open(None).unwrap());
        let Assembly { handlers, stop, .. } = Assembly::of(&plan, authority, GitProgram::find().unwrap());
        (Acceptor::new(handlers, None, stop), folder)
    }

    /// Lets a connection be open that takes so long for the request it is at, ends the server, and gives how long that took.
    async fn end_beside(connection: Duration) -> Duration {
        let (acceptor, _folder) = acceptor();
        let (closing, cut, stop) = (acceptor.closing.clone(), acceptor.cut.clone(), Stop::new());
        acceptor.tasks.spawn(async move {
            closing.cancelled().await;
            tokio::select! {
                () = sleep(connection) => {}
                () = cut.cancelled() => {}
            }
        });
        let since = Instant::now();
        stop.request();
        acceptor.serve(Vec::new(), &stop).await;
        since.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_ends_waits_for_requests_and_not_for_ever() {
        let (soon, late) = (DRAIN / 3, 10 * DRAIN);
        assert!((soon..DRAIN).contains(&end_beside(soon).await));
        let took = end_beside(late).await;
        assert!((DRAIN..2 * DRAIN).contains(&took), "{took:?}");
    }
}
