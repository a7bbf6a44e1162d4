//! The wish of a person or a supervisor that the soak ends: programs and folders would stay behind whoever is just killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::run::Outcome;

/// Whether somebody wishes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish(Arc<AtomicBool>);

impl Wish {
    /// Listens from now on, until the process ends.
    ///
    /// # Errors
    /// Where the system lets nobody listen.
    pub(super) fn listen() -> Outcome<Self> {
        let failed = |error: std::io::Error| format!("cannot listen for Ctrl-C: {error}");
        let wish = Self::default();
        let told = wish.clone();
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
            told.0.store(true, Ordering::SeqCst);
        });
        Ok(wish)
    }

    /// Says whether it was told.
    pub(super) fn was_told(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
