//! The request of a user or a supervisor to end the soak: programs and folders would stay behind a process that is just killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::run::Outcome;

/// Whether the process was asked to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Handles SIGINT and SIGTERM from now on, until the process ends.
    ///
    /// # Errors
    /// Where the handlers cannot be installed.
    pub(super) fn listen() -> Outcome<Self> {
        let failed = |error: std::io::Error| format!("cannot listen for Ctrl-C: {error}");
        let requested = Self::default();
        let shared = requested.clone();
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            let listen = |kind| signal(kind).map_err(failed);
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?)
        };
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            shared.0.store(true, Ordering::SeqCst);
        });
        Ok(requested)
    }

    /// Whether the process was asked to end.
    pub(super) fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
