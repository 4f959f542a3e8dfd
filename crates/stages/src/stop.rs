//! SIGINT, SIGTERM, SIGQUIT and SIGHUP as a flag that loops look at.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use signal_hook::{
    consts::{SIGHUP, TERM_SIGNALS},
    flag,
};

/// Set by the first signal that asks the process to end.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Catches the signals from now on. Where they cannot be caught they keep their usual effect, and a killed run
    /// loses no more than what it did since its last saved state.
    pub fn listen() -> Self {
        let flag = Arc::new(AtomicUsize::new(0));
        // The last comes when a terminal is closed.
        for &signal in TERM_SIGNALS.iter().chain(&[SIGHUP]) {
            let number = usize::try_from(signal).unwrap_or(0);
            if let Err(error) = flag::register_usize(signal, Arc::clone(&flag), number) {
                tracing::warn!(signal, %error, "signal cannot be caught");
            }
        }
        Self(flag)
    }

    /// The signal that came, if one did.
    pub fn signal(&self) -> Option<u8> {
        u8::try_from(self.0.load(Ordering::Relaxed)).ok().filter(|&s| s > 0)
    }
}
