//! A tokio runtime on a thread of its own, so that rigs serve plain synchronous tests.

use std::future::Future;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::watch;

/// A running rig. Dropping it stops the rig, waits until it has stopped, and aborts every task that is left.
#[derive(Debug)]
pub(crate) struct Background {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// A stop signal for the tasks of a rig.
#[derive(Debug, Clone)]
pub(crate) struct Stopped(watch::Receiver<bool>);

impl Stopped {
    /// Waits for the stop signal.
    pub(crate) async fn wait(&mut self) {
        // A dropped sender means stop as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Runs a future until it completes or the stop signal comes.
    pub(crate) async fn unless(mut self, doing: impl Future<Output = ()>) {
        tokio::select! {
            () = self.wait() => {}
            () = doing => {}
        }
    }
}

impl Background {
    /// Starts a runtime and runs `serve` on it. `serve` has to return soon after the stop signal.
    pub(crate) fn start<F>(name: &str, serve: impl FnOnce(Stopped) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Several workers, because some tasks of russh must be dropped inside a runtime, which only workers do.
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(name)
            .enable_all()
            .build()
            .expect("because the system has threads for a runtime");
        let stop = watch::Sender::new(false);
        let served = {
            let _inside = runtime.enter();
            runtime.spawn(serve(Stopped(stop.subscribe())))
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // The rig's panic has been printed already; a second one here would hide the test's own.
                let _ = runtime.block_on(served);
                drop(runtime);
            })
            .expect("because the system has a thread for the runtime's end");
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
