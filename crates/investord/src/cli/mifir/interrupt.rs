//! Handles Ctrl-C while a file is written, so that no half of one is left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// A flag that SIGINT or SIGTERM sets.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Handles the signals from now on, instead of ending the process.
    ///
    /// # Errors
    ///
    /// Fails if the signal handlers or their thread cannot be created.
    pub fn watch() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The handlers are registered before this function returns, so that a signal before the start of the thread
        // counts.
        let (mut interrupt_signal, mut terminate) = {
            let _guard = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let interrupt = Self::default();
        let flag = Arc::clone(&interrupt.0);
        let wait = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt_signal.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            flag.store(true, Ordering::Relaxed);
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait).context("no thread for signals")?;
        Ok(interrupt)
    }

    /// Returns whether a signal was received.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
